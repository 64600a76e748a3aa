//! What the container file, Compose and Kubernetes run, as they have it, in a folder that stands for a container. Their own
//! schemas are the business of `cargo xtask check`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::Value;
use tempfile::TempDir;
use vestal_api::{DoctorView, Finding, Trouble};

use crate::harness::{Browser, CLIENT_ID, CLIENT_SECRET, Ended, Home, Provider, Running, until};

const CONTAINERFILE: &str = include_str!("../deploy/container/Containerfile");
const CONFIG: &str = include_str!("../deploy/container/vestal.toml");
const PAGE: &str = include_str!("../docs/containers.md");

/// What the last stage of the container file says.
#[derive(Debug, Default)]
struct Image {
    variables: BTreeMap<String, String>,
    entry_point: Vec<String>,
    command: Vec<String>,
    health: Vec<String>,
    volume: String,
}

impl Image {
    fn read() -> Self {
        let words = |list: &str| -> Vec<String> { serde_json::from_str(list).unwrap() };
        let mut image = Self::default();
        let (_, last) = CONTAINERFILE.rsplit_once("\nFROM ").unwrap();
        for line in last.lines() {
            let (instruction, rest) = line.split_once(' ').unwrap_or_default();
            match instruction {
                "ENV" => {
                    let pairs = rest.split(' ').map(|pair| pair.split_once('=').unwrap());
                    image.variables.extend(pairs.map(|(name, value)| (name.into(), value.into())));
                }
                "ENTRYPOINT" => image.entry_point = words(rest),
                "CMD" => image.command = words(rest),
                "HEALTHCHECK" => image.health = words(rest.split_once(" CMD ").unwrap().1),
                "VOLUME" => image.volume = rest.to_owned(),
                _ => {}
            }
        }
        let config = format!("COPY deploy/container/vestal.toml {}", image.variables["VESTAL_CONFIG"]);
        assert!(
            last.contains(&config)
                && last.contains("COPY --from=build /src/target/dist/vestal /usr/bin/vestal")
        );
        image
    }
}

/// A folder in which everything lies as in a container.
struct Container {
    home: Home,
    provider: Provider,
    root: TempDir,
    variables: BTreeMap<String, String>,
}

impl Container {
    /// With the image's own configuration, and a key as the page has it made.
    fn new(image: &Image, variables: BTreeMap<String, String>) -> Self {
        let home = Home::new();
        let provider = Provider::start(home.record(), |_| {});
        let container = Self { home, provider, root: TempDir::new().unwrap(), variables };
        let [make_key] = commands("(umask")[..] else { panic!("one command makes the key") };
        let made = container.home.sh(make_key);
        assert!(made.status.success(), "{made:?}");
        container
            .put(&container.variables["VESTAL_MASTER_KEY_FILE"], container.home.path().join("master.key"));
        let config = container.at(&container.variables["VESTAL_CONFIG"]);
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(config, container.mapped(CONFIG)).unwrap();
        fs::create_dir_all(container.at(&image.volume)).unwrap();
        container
    }

    /// Where a path of the container's is.
    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    /// A configuration whose paths are this container's.
    fn mapped(&self, config: &str) -> String {
        config.replace("\"/", &format!("\"{}/", self.root.path().display()))
    }

    fn put(&self, path: &str, from: PathBuf) {
        let to = self.at(path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, &to).unwrap();
        fs::set_permissions(to, fs::Permissions::from_mode(0o400)).unwrap();
    }

    fn start(&self, words: &[&str]) -> Running {
        let (program, args) = words.split_first().unwrap();
        assert!(["/usr/bin/vestal", "vestal"].contains(program), "{program}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestal"));
        command.args(args).env_clear().current_dir(self.root.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, self.at(value))));
        self.home.run(command)
    }

    /// Runs a command, and consents where it is to connect something.
    #[track_caller]
    fn run(&self, words: &[&str]) -> Ended {
        if words.get(1) != Some(&"connect") {
            return self.start(words).end();
        }
        let here = ["--issuer", &self.provider.issuer, "--client-id", CLIENT_ID, "--client-secret-stdin"];
        let mut connect = self.start(&[words, &here].concat());
        connect.say(&format!("{CLIENT_SECRET}\n"));
        let url = self.home.asked_to_open(&mut connect);
        let redirected = Browser::default().consent(&url);
        connect.say(&format!("{redirected}\n"));
        connect.end()
    }

    /// What the page has somebody run in the container.
    fn run_all(&self, beginning: &str, least: usize) {
        let commands = commands(beginning);
        assert!(commands.len() >= least, "{commands:?}");
        for command in commands {
            let words: Vec<&str> = command[beginning.len()..].split_whitespace().collect();
            self.run(&words).ok();
        }
    }
}

/// The lines of the page's commands that begin like this.
fn commands(beginning: &str) -> Vec<&'static str> {
    PAGE.lines().filter(|line| line.starts_with(beginning)).collect()
}

/// A document, as far as JSON can say the same.
fn yaml(text: &str) -> Value {
    let [document] = &Yaml::load_from_str(text).unwrap()[..] else { panic!("one document") };
    json(document)
}

fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(number)) => (*number).into(),
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(pairs) => {
            pairs.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), json(value))).collect()
        }
        other => panic!("{other:?} is not expected here"),
    }
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

fn borrowed(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

#[test]
fn compose_runs_the_image_as_its_page_says() {
    let image = Image::read();
    let compose = yaml(include_str!("../deploy/compose/compose.yaml"));
    let service = &compose["services"]["vestal"];
    assert_eq!(service["build"]["dockerfile"], "deploy/container/Containerfile");
    let [secret] = words(&service["secrets"])[..] else { panic!("one secret") };
    assert_eq!(image.variables["VESTAL_MASTER_KEY_FILE"], format!("/run/secrets/{secret}"));
    assert!(!commands("sudo install").is_empty() && PAGE.contains("deploy/compose/master.key"));
    assert_eq!(compose["secrets"][secret]["file"], "./master.key");
    let [volume] = words(&service["volumes"])[..] else { panic!("one volume") };
    assert_eq!(volume, format!("state:{}", image.volume));
    assert_eq!((&service["read_only"], &service["cap_drop"][0]), (&true.into(), &"ALL".into()));

    let container = Container::new(&image, image.variables.clone());
    // The configuration that the page has mounted over the image's.
    let config = PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (is_in_volume, own) = (format!("{}/", image.volume), CONFIG.lines().last().unwrap());
    assert!(own.starts_with(&format!("path = \"{is_in_volume}")) && config.contains(own), "the same store");
    fs::write(container.at(&image.variables["VESTAL_CONFIG"]), container.mapped(config)).unwrap();
    fs::create_dir(container.at("/tokens")).unwrap();
    assert_eq!(words(&service["command"]), image.command);
    let mut daemon = container.start(&[borrowed(&image.entry_point), borrowed(&image.command)].concat());
    daemon.hear("its first line", |said| said.contains("keeping connections alive").then_some(()));
    container.run_all("docker compose exec vestal ", 3);
    container.run(&borrowed(&image.health)).ok();
    until("a file with the token", || container.at("/tokens/shop.token").exists().then_some(()));
    daemon.signal(Signal::TERM);
    daemon.end().ok();
}

/// A pod's only container, and the variables that are set in it.
struct Pod<'a> {
    spec: &'a Value,
    container: &'a Value,
    variables: BTreeMap<String, String>,
}

impl<'a> Pod<'a> {
    fn of(spec: &'a Value) -> Self {
        let [container] = &spec["containers"].as_array().unwrap()[..] else { panic!("one container") };
        let set = container["env"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let variables = set.map(|set| (text(&set["name"]), text(&set["value"]))).collect();
        Self { spec, container, variables }
    }

    /// Where a volume is mounted, and what it is.
    fn volume(&self, name: &str) -> (&str, &Value) {
        let find =
            |list: &'a Value| list.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap();
        let mount = find(&self.container["volumeMounts"]);
        (mount["mountPath"].as_str().unwrap(), find(&self.spec["volumes"]))
    }

    fn words(&self, image: &'a Image) -> Vec<&'a str> {
        [borrowed(&image.entry_point), words(&self.container["args"])].concat()
    }
}

#[test]
fn kubernetes_runs_the_daemon_and_the_job_as_its_page_says() {
    let image = Image::read();
    let state = yaml(include_str!("../deploy/kubernetes/state.yaml"));
    let serve = yaml(include_str!("../deploy/kubernetes/serve.yaml"));
    let refresh = yaml(include_str!("../deploy/kubernetes/refresh.yaml"));
    let daemon = Pod::of(&serve["spec"]["template"]["spec"]);
    let job = Pod::of(&refresh["spec"]["jobTemplate"]["spec"]["template"]["spec"]);
    for pod in [&daemon, &job] {
        let (place, secret) = pod.volume("master-key");
        assert_eq!(pod.variables["VESTAL_MASTER_KEY_FILE"], format!("{place}/master.key"));
        let make = format!(
            "kubectl create secret generic {} --from-file=master.key",
            secret["secret"]["secretName"].as_str().unwrap()
        );
        assert_eq!(commands("kubectl create"), [make]);
        let (place, claim) = pod.volume("state");
        assert_eq!(place, image.volume);
        assert_eq!(claim["persistentVolumeClaim"]["claimName"], state["metadata"]["name"]);
        assert_eq!(pod.variables, daemon.variables);
        assert_eq!(pod.spec["securityContext"], daemon.spec["securityContext"]);
        assert_eq!(pod.container["securityContext"], daemon.container["securityContext"]);
    }
    assert_eq!(serve["spec"]["replicas"], 1);

    let container = Container::new(&image, daemon.variables.clone());
    // As a volume is that was given to the pod's group.
    fs::set_permissions(container.at(&image.volume), fs::Permissions::from_mode(0o2775)).unwrap();
    let mut serving = container.start(&daemon.words(&image));
    serving.hear("its first line", |said| said.contains("keeping connections alive").then_some(()));
    container.run_all("kubectl exec --stdin --tty statefulset/vestal -- ", 1);
    container.run_all("kubectl exec statefulset/vestal -- ", 2);
    let found: DoctorView = container.run(&["vestal", "doctor", "--json"]).ok().json();
    let of_folders = [Trouble::FolderOpen, Trouble::StoreOpen, Trouble::NoJournal];
    let is_of_folders = |finding: &&Finding| finding.trouble.is_some_and(|it| of_folders.contains(&it));
    assert_eq!(
        found.findings.iter().find(is_of_folders),
        None,
        "the volume's root is open, the store's is not"
    );
    container.run(&words(&daemon.container["readinessProbe"]["exec"]["command"])).ok();
    // The job beside the daemon, and without it.
    let refreshes = || container.provider.sandbox().grants(container.provider.now_ms())[0].refreshes;
    container.run(&job.words(&image)).ok();
    serving.signal(Signal::TERM);
    serving.end().ok();
    let before = refreshes();
    let ended = container.run(&job.words(&image)).ok();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    assert!(refreshes() > before, "what falls due within 12 hours is refreshed");
    assert!(container.at(&image.volume).join("store/vestal.db").exists());
}
