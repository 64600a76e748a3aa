//! The Debian package: installed, started, used, upgraded and removed, in a folder that stands for a machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    Browser, CLIENT_ID, CLIENT_SECRET, Ended, Home, Kind, PATIENCE, Provider, Running, Secret,
};

/// Builds the package around the binary that was just built.
pub(crate) fn build(folder: &Path, revision: &str) -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_vestal"));
    let xtask = binary.with_file_name("xtask");
    assert!(xtask.is_file(), "the workshop is not built: cargo build -p xtask");
    let out = folder.join(revision);
    let built = Command::new(xtask)
        .args(["package", "--revision", revision, "--binary"])
        .arg(binary)
        .arg("--out")
        .arg(&out)
        // A debug build is large.
        .env("DPKG_DEB_COMPRESSOR_TYPE", "none")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut packages = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    packages.find(|path| path.extension().is_some_and(|kind| kind == "deb")).unwrap()
}

/// Without any, no provider of the real world could be reached.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Puts into a root what a program needs there: the libraries that it is linked with, and the authorities that it trusts.
pub(crate) fn put_needs(program: &Path, root: &Path) {
    let linked = Command::new("ldd").arg(program).output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([AUTHORITIES]) {
        let to = root.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
}

/// A folder that is all that its processes see of the disk. What they say is recorded.
struct Machine {
    root: TempDir,
    home: Home,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { root: TempDir::new().unwrap(), home: Home::new() };
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc", "run"] {
            fs::create_dir_all(machine.at(folder)).unwrap();
        }
        fs::set_permissions(machine.root.path(), Permissions::from_mode(0o755)).unwrap();
        fs::write(machine.at("var/lib/dpkg/status"), "").unwrap();
        put_needs(Path::new(env!("CARGO_BIN_EXE_vestal")), machine.root.path());
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    #[track_caller]
    fn dpkg(&self, args: &[&str]) -> String {
        let done = Command::new("dpkg")
            .arg(format!("--root={}", self.root.path().display()))
            .args(["--force-not-root", "--force-script-chrootless", "--force-depends"])
            .args(args)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap();
        let said = said(&done);
        assert!(done.status.success(), "dpkg {args:?}: {said}");
        said
    }

    /// The user that the package has made, and its group.
    fn user(&self) -> (u32, u32) {
        let passwd = fs::read_to_string(self.at("etc/passwd")).unwrap();
        let user = passwd.lines().find(|line| line.starts_with("vestal:")).expect("a user of its own");
        let id = |field| user.split(':').nth(field).unwrap().parse().unwrap();
        (id(2), id(3))
    }

    /// A command of that user's.
    fn command(&self, words: &[&str]) -> Command {
        let (user, group) = self.user();
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}:{group}")).arg(self.root.path()).args(words).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn start(&self, args: &[&str]) -> Running {
        let vestal = ["/usr/bin/vestal", "--config", "/etc/vestal/vestal.toml"];
        self.home.run(self.command(&[&vestal[..], args].concat()))
    }

    fn vestal(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    /// What systemd starts by the unit that is installed. Waits until it says that it is ready.
    fn start_service(&self) -> Running {
        let unit = fs::read_to_string(self.at("usr/lib/systemd/system/vestal.service")).unwrap();
        let setting = |name: &str| {
            let value = unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_else(|| panic!("the unit says nothing of {name}"))
        };
        assert_eq!((setting("Type"), setting("User")), ("notify", "vestal"));
        let (user, group) = self.user();
        let (name, file) = setting("LoadCredential").split_once(':').unwrap();
        let folder = "/run/credentials/vestal.service";
        fs::create_dir_all(self.at(&folder[1..])).unwrap();
        let credential = self.at(&folder[1..]).join(name);
        fs::copy(self.at(&file[1..]), &credential).unwrap();
        fs::set_permissions(&credential, Permissions::from_mode(0o400)).unwrap();
        chown(&credential, Some(user), Some(group)).unwrap();

        let address = self.at("run/notify");
        let _ = fs::remove_file(&address);
        let socket = UnixDatagram::bind(&address).unwrap();
        chown(&address, Some(user), Some(group)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = self.command(&setting("ExecStart").split(' ').collect::<Vec<_>>());
        let (variable, value) = setting("Environment").split_once('=').unwrap();
        command.env(variable, value.replace("%d", folder)).env("NOTIFY_SOCKET", "/run/notify");
        let service = self.home.run(command);
        let mut bytes = [0; 1_024];
        let length = socket.recv(&mut bytes).unwrap_or_else(|error| panic!("{error}: {}", service.stderr()));
        let told = String::from_utf8_lossy(&bytes[..length]);
        assert!(told.contains("READY=1") && told.contains("keeping 1 connections alive"), "{told}");
        service
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

#[test]
fn a_package_is_installed_started_used_upgraded_and_removed() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (build(folder.path(), "1"), build(folder.path(), "2"));
    let machine = Machine::new();
    machine.dpkg(&["--install", first.to_str().unwrap()]);
    let (id, group) = machine.user();
    // systemd reads the key as root: nobody else may put another file in its place.
    for (private, expected) in [
        ("etc/vestal", (0o750, 0, group)),
        ("etc/vestal/master.key", (0o600, id, group)),
        ("var/lib/vestal", (0o700, id, group)),
    ] {
        let metadata = fs::metadata(machine.at(private)).unwrap();
        let found = (metadata.permissions().mode() & 0o777, metadata.uid(), metadata.gid());
        assert_eq!(found, expected, "{private}");
    }
    let key = fs::read_to_string(machine.at("etc/vestal/master.key")).unwrap();
    machine.home.record().add_secret(Secret::new(Kind::MasterKey, key.trim()));
    for there in [
        "usr/lib/systemd/system/vestal.service",
        "usr/lib/systemd/system/vestal-refresh.timer",
        "usr/share/bash-completion/completions/vestal",
        "usr/share/fish/vendor_completions.d/vestal.fish",
        "usr/share/zsh/vendor-completions/_vestal",
        "usr/share/doc/vestal/copyright",
        "usr/share/man/man1/vestal-token.1",
    ] {
        assert!(machine.at(there).is_file(), "{there}");
    }

    // What it is made of, and who allows that.
    let copyright = fs::read_to_string(machine.at("usr/share/doc/vestal/copyright")).unwrap();
    let bill = fs::read_to_string(machine.at("usr/share/doc/vestal/vestal.cdx.json")).unwrap();
    let bill: Value = serde_json::from_str(&bill).unwrap();
    let parts = bill["components"].as_array().unwrap();
    let named = |name: &str| parts.iter().find(|part| part["name"] == name);
    assert!(named("rusqlite").is_some() && named("boon").is_none(), "what only tests need is not shipped");
    assert_eq!(bill["metadata"]["component"]["version"], "0.1.0-1");
    for part in parts.iter().filter(|part| part["purl"].is_string()) {
        let (name, version) = (part["name"].as_str().unwrap(), part["version"].as_str().unwrap());
        assert!(copyright.contains(&format!("\n{name} {version}: ")), "{name}");
    }
    // Libraries in C, as they are in the program: SQLite says there itself which it is.
    let version = |name| {
        named(name)
            .and_then(|part| part["version"].as_str())
            .unwrap_or_else(|| panic!("{name} is not told of"))
    };
    let program = fs::read(machine.at("usr/bin/vestal")).unwrap();
    let text = format!("{}\0", version("sqlite"));
    assert!(
        program.windows(text.len()).any(|window| window == text.as_bytes()),
        "{text:?} is not in the program"
    );
    for library in ["pkg:github/aws/aws-lc@v", "pkg:github/microsoft/mimalloc@v"] {
        let is_it = |part: &&Value| part["purl"].as_str().is_some_and(|url| url.starts_with(library));
        assert_eq!(parts.iter().filter(is_it).count(), 1, "{library}");
    }
    assert!(copyright.contains("Permission is hereby granted") && copyright.contains("Apache License"));

    // What its user does first, and what stays from then on.
    let provider = Provider::start(machine.home.record(), |_| {});
    machine.vestal(&["init"]).ok();
    let at = ["--issuer", &provider.issuer, "--client-id", CLIENT_ID, "--client-secret-stdin"];
    let connect = ["connect", "shop", "--provider", "custom", "--no-browser"];
    let mut connect = machine.start(&[&connect[..], &at].concat());
    connect.say(&format!("{CLIENT_SECRET}\n"));
    let url = machine.home.asked_to_open(&mut connect);
    connect.say(&format!("{}\n", Browser::default().consent(&url)));
    connect.end().ok();
    let config = machine.at("etc/vestal/vestal.toml");
    let changed = fs::read_to_string(&config).unwrap() + "\n[limits]\nanswer = \"20s\"\n";
    fs::write(&config, &changed).unwrap();
    let asked = || assert!(provider.accepts(machine.vestal(&["token", "shop"]).ok().stdout.trim()));
    let service = machine.start_service();
    asked();

    machine.dpkg(&["--install", second.to_str().unwrap()]);
    assert!(machine.dpkg(&["--status", "vestal"]).contains("-2\n"));
    assert_eq!(fs::read_to_string(&config).unwrap(), changed, "what its user wrote stays");
    assert_eq!(fs::read_to_string(machine.at("etc/vestal/master.key")).unwrap(), key);
    // As systemd starts it anew.
    service.signal(Signal::TERM);
    service.end().ok();
    let service = machine.start_service();
    machine.vestal(&["refresh", "shop"]).ok();
    asked();
    service.signal(Signal::TERM);
    service.end().ok();

    machine.dpkg(&["--remove", "vestal"]);
    assert!(
        !machine.at("usr/bin/vestal").exists()
            && !machine.at("usr/lib/systemd/system/vestal.service").exists()
    );
    let told = machine.dpkg(&["--purge", "vestal"]);
    assert!(told.contains("/var/lib/vestal is kept"), "{told}");
    for kept in ["var/lib/vestal/vestal.db", "etc/vestal/master.key"] {
        assert!(machine.at(kept).is_file(), "{kept} cannot be had back");
    }
}
