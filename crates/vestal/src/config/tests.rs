use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use vestal_core::seal::MasterKey;
use vestal_core::secret::ExposeSecret;

use super::create::Made;
use super::*;
use crate::entropy::SystemEntropy;
use crate::token_file::Format;

fn told(failure: Failure) -> String {
    crate::failure::render(&failure.view().unwrap(), crate::output::Palette::PLAIN)
}

fn load(folder: &Path, text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let path = folder.join("vestal.toml");
    fs::write(&path, text).unwrap();
    Config::load(&Environment::of(variables), Some(&path)).map_err(told)
}

#[test]
fn the_defaults_follow_the_xdg_base_directories() {
    let config = |variables: &[(&str, &str)]| Config::load(&Environment::of(variables), None);
    let plain = config(&[("HOME", "/home/v")]).unwrap();
    assert_eq!(plain.path, Path::new("/home/v/.config/vestal/vestal.toml"));
    assert_eq!(plain.store, Path::new("/home/v/.local/state/vestal/vestal.db"));
    assert_eq!(plain.nodes(), Path::new("/home/v/.local/state/vestal/nodes"));
    assert!(plain.is_blank());
    let set = config(&[("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s"), ("HOME", "relative")]).unwrap();
    assert_eq!(
        (set.path.as_path(), set.store.as_path()),
        (Path::new("/c/vestal/vestal.toml"), Path::new("/s/vestal/vestal.db"))
    );
    assert!(told(config(&[]).unwrap_err()).contains("neither XDG_CONFIG_HOME nor HOME is set"));
}

#[test]
fn a_heartbeat_that_would_never_beat_is_refused_and_its_url_not_said() {
    let folder = tempfile::tempdir().unwrap();
    let beating = |url: &str| load(folder.path(), &format!("[heartbeat]\nurl = \"{url}\"\n"), &[]);
    for url in ["https://hc-ping.com/x", "http://127.0.0.1:9/x"] {
        assert!(beating(url).is_ok(), "{url}");
    }
    for url in [
        "https://user:hidden@hc-ping.com/hidden",
        "http://hc-ping.com/hidden",
        "https://hc-ping.com:0/hidden",
        "hidden",
        "file:///hidden",
    ] {
        let said = beating(url).unwrap_err();
        assert!(said.contains("vestal.toml:2: ") && !said.contains("hidden"), "{url}: {said}");
    }
}

#[test]
fn the_file_is_read_and_its_paths_are_relative_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[store]\npath = \"data/v.db\"\n[limits]\nanswer = \"10s\"\nrequests_per_host = 4\n\
                [http]\nproxy = \"http://proxy:3128\"\nca_file = \"~/ca.pem\"\n[serve]\nlog = \"debug\"\n";
    let config = load(folder.path(), text, &[]).unwrap();
    assert_eq!(config.store, folder.path().join("data/v.db"));
    assert_eq!(config.limits.answer, Duration::from_secs(10));
    assert_eq!(config.limits.requests_per_host, 4);
    assert_eq!(config.limits.reader, Limits::default().reader);
    assert_eq!(config.http.ca_file, Some(folder.path().join("~/ca.pem")), "~ is not expanded");
    assert_eq!(config.serve_log, Level::Debug);
    assert_eq!(load(folder.path(), "", &[]).unwrap().store, folder.path().join("vestal.db"));
}

#[test]
fn files_that_are_to_hold_tokens_are_named_with_how_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[files]\nshop = \"shop.token\"\n\"the crm\" = { path = \"/run/crm\", format = \"json\" }\n";
    let files = load(folder.path(), text, &[]).unwrap().files;
    let kept =
        |name: &str, path: PathBuf, format| KeptFile { connection: name.parse().unwrap(), path, format };
    let expected = [
        kept("shop", folder.path().join("shop.token"), Format::Token),
        kept("the crm", "/run/crm".into(), Format::Json),
    ];
    assert_eq!(files, expected);
    for (text, told) in [
        ("shop = 7", "a path, or a table"),
        ("shop = { path = \"x\", fromat = \"json\" }", "did you mean `format`?"),
        ("shop = { path = \"x\", format = \"yaml\" }", "`yaml`"),
        ("shop = { format = \"json\" }", "missing field `path`"),
        ("\"\" = \"x\"", "a name cannot be empty"),
        ("a = \"x\"\nb = \"./x\"", "cannot hold two tokens"),
    ] {
        let said = load(folder.path(), &format!("[files]\n{text}\n"), &[]).unwrap_err();
        assert!(said.contains(told), "{text}: {said}");
    }
    // One file by two ways.
    fs::create_dir(folder.path().join("real")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("real"), folder.path().join("linked")).unwrap();
    for other in ["linked/x", "linked/../real/x"] {
        let text = format!("[files]\na = \"real/x\"\nb = {other:?}\n");
        let said = load(folder.path(), &text, &[]).unwrap_err();
        assert!(said.contains("cannot hold two tokens"), "{other}: {said}");
    }
    let many: String = (0..=FILES_MAX).map(|number| format!("n{number} = \"{number}\"\n")).collect();
    assert!(load(folder.path(), &format!("[files]\n{many}"), &[]).unwrap_err().contains("at most 1000"));
}

#[test]
fn what_lies_beside_a_linked_store_lies_beside_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real");
    fs::create_dir(&real).unwrap();
    fs::write(real.join("v.db"), "").unwrap();
    std::os::unix::fs::symlink(real.join("v.db"), folder.path().join("vestal.db")).unwrap();
    let config = load(folder.path(), "", &[]).unwrap();
    assert_eq!(config.nodes(), real.join("nodes"));
    assert_eq!(config.journals(), [real.join("journal")]);
}

#[test]
fn a_journal_has_one_name_however_it_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let (real, linked) = (folder.join("private"), folder.join("linked"));
    fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, &linked).unwrap();
    let (state, other) = (linked.join("vestal"), folder.join("other"));
    let given = [linked.join("vestal"), real.join("vestal"), other.clone(), other.clone()];
    let given = std::env::join_paths(given).unwrap();
    let text = format!("[store]\npath = {:?}\n", state.join("vestal.db"));
    let variables =
        [("STATE_DIRECTORY", given.to_str().unwrap()), ("XDG_STATE_HOME", linked.to_str().unwrap())];
    let expected = [real.join("vestal/journal"), other.join("journal")];
    let journals = || load(&folder, &text, &variables).unwrap().journals();
    assert_eq!(journals(), expected, "before anything is there");
    fs::create_dir(&state).unwrap();
    assert_eq!(journals(), expected, "before the store is there");
    fs::write(state.join("vestal.db"), "").unwrap();
    assert_eq!(journals(), expected);
}

#[test]
fn mistakes_say_the_line_and_what_may_be_meant() {
    let folder = tempfile::tempdir().unwrap();
    for (text, said) in [
        ("\n[stroe]\npath = \"x\"\n", "vestal.toml:2: unknown field `stroe`"),
        ("\n[stroe]\npath = \"x\"\n", "did you mean `store`?"),
        ("[store]\npaht = \"x\"\n", "vestal.toml:2: unknown field `paht`"),
        ("[store]\npath = 7\n", "vestal.toml:2: "),
        ("[limits]\nanswer = \"soon\"\n", "\"soon\" is no length of time"),
        ("[limits]\nanswer = \"0s\"\n", "vestal.toml:2: "),
        ("[limits]\nrequests_per_host = 0\n", "vestal.toml:2: "),
        ("[serve]\nlog = \"loud\"\n", "vestal.toml:2: "),
        ("[master_key]\nfile = \"k\"\nenv = \"K\"\n", "more than one of"),
        ("[master_key]\ncommand = []\n", "names no program"),
        ("[master_key]\ncredential = \"../key\"\n", "a name, not a path"),
        ("store = ", "vestal.toml:1: "),
    ] {
        let error = load(folder.path(), text, &[]).unwrap_err();
        assert!(error.contains(said), "{text:?}: {error}");
    }
    let error = load(folder.path(), "\"st\\nore\\u001b[2J\" = 1\n", &[]).unwrap_err();
    assert!(error.starts_with("error: ") && error.contains("unknown field `st ore [2J`"), "{error}");
}

#[test]
fn a_new_file_says_what_it_means() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/vestal.toml");
    let environment = Environment::of(&[]);
    let before = Config::load(&environment, Some(&path)).unwrap();
    let made = create(&before, &SystemEntropy).unwrap();
    let key = folder.path().join("deep/master.key");
    assert_eq!(
        (made.config.as_deref(), made.master_key.as_deref()),
        (Some(path.as_path()), Some(key.as_path()))
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&key), mode(&folder.path().join("deep"))), (0o600, 0o600, 0o700));

    let after = Config::load(&environment, Some(&path)).unwrap();
    assert!(after.exists && !after.is_blank());
    assert_eq!(after.store, before.store);
    assert!(fs::read_to_string(&path).unwrap().contains("\n[store]\npath = \"vestal.db\"\n"));
    after.master_key.read(&environment).unwrap();
    assert_eq!(create(&after, &SystemEntropy).unwrap(), Made::default(), "what is there stays");
}

#[test]
fn every_line_of_a_new_file_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::of(&[]);
    let path = folder.path().join("vestal.toml");
    create(&Config::load(&environment, Some(&path)).unwrap(), &SystemEntropy).unwrap();
    // Only one of the keys of [master_key] may be set.
    let text = fs::read_to_string(&path).unwrap();
    let lines = text
        .lines()
        .filter(|line| !["#env", "#command", "#credential"].iter().any(|key| line.starts_with(key)));
    let uncommented: Vec<&str> = lines
        .map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')).unwrap_or(line))
        .collect();
    let config = load(folder.path(), &uncommented.join("\n"), &[]).unwrap();
    assert_eq!(
        format!("{:?}", config.limits),
        format!("{:?}", Limits::default()),
        "what is written is the default"
    );
    assert_eq!(config.serve_log, Level::Info);
}

/// The keys that a table may have, as a reader who finds another one tells them.
fn keys(table: &str) -> Vec<String> {
    let text = match table {
        "" => "no_such_key = 1".to_owned(),
        table => format!("[{table}]\nno_such_key = 1"),
    };
    let told = toml::from_str::<file::File>(&text).unwrap_err().message().to_owned();
    let (_, keys) = told.split_once("`no_such_key`, expected ").unwrap();
    let keys: Vec<String> = keys.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!keys.is_empty(), "{told}");
    keys
}

#[test]
fn a_new_file_shows_everything_that_can_be_set() {
    let sections: Vec<&str> = create::TEMPLATE.split("\n#[").skip(1).collect();
    let tables = keys("");
    assert!(tables.len() >= 8, "{tables:?}");
    for table in tables {
        let section = sections.iter().find(|section| section.starts_with(&format!("{table}]")));
        let section = section.unwrap_or_else(|| panic!("there is no [{table}]"));
        // Whose names are the user's own.
        if table == "files" {
            continue;
        }
        for key in keys(&table) {
            assert!(section.contains(&format!("\n#{key} = ")), "[{table}] {key}: {section}");
        }
    }
}

#[test]
fn a_key_is_not_made_for_a_store_that_exists() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("vestal.db"), "").unwrap();
    let config = load(folder.path(), "", &[]).unwrap();
    let error = told(create(&config, &SystemEntropy).unwrap_err());
    assert!(error.contains("was sealed with it") && !folder.path().join("master.key").exists(), "{error}");
}

#[test]
fn a_file_of_the_key_is_spared_whichever_key_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let given = folder.path().join("given.key");
    let variables: [&[(&str, &str)]; 3] =
        [&[], &[("VESTAL_MASTER_KEY", "a key")], &[("VESTAL_MASTER_KEY_FILE", given.to_str().unwrap())]];
    for variables in variables {
        for text in ["", "[master_key]\nfile = \"named.key\"\n", "[master_key]\nenv = \"MY_KEY\"\n"] {
            let config = load(folder.path(), text, variables).unwrap();
            let is_spared = |name: &str| config.spare(&folder.path().join(name)).is_err();
            assert!(is_spared("master.key"), "{text}{variables:?}");
            assert_eq!(is_spared("named.key"), text.contains("named.key"), "{text}{variables:?}");
            let is_given = variables.iter().any(|(name, _)| *name == "VESTAL_MASTER_KEY_FILE");
            assert_eq!(is_spared("given.key"), is_given, "{text}{variables:?}");
        }
    }
}

#[test]
fn a_key_is_added_behind_those_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::of(&[]);
    let config = load(folder.path(), "[master_key]\nfile = \"link\"\n", &[]).unwrap();
    let (key, link) = (folder.path().join("real.key"), folder.path().join("link"));
    std::os::unix::fs::symlink(&key, &link).unwrap();
    let first = MasterKey::generate(&SystemEntropy);
    // As somebody has written it, without an end of its line; and what somebody was killed at.
    fs::write(&key, format!("# made in May\n{}", first.expose_secret())).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    fs::write(folder.path().join("real.key.new"), "half").unwrap();
    let before = config.master_key.read(&environment).unwrap().ids();
    for keys in 2..=3 {
        let known = config.master_key.read(&environment).unwrap().ids();
        let turn = KeyFileTurn::take(&link).unwrap().unwrap();
        assert!(KeyFileTurn::take(&link).unwrap().is_none(), "one at a time");
        let added = turn.add_key(&known, &SystemEntropy).unwrap();
        assert_eq!(KeyFileTurn::take(&key).unwrap().unwrap().add_key(&known, &SystemEntropy).unwrap(), None);
        let after = config.master_key.read(&environment).map_err(told).unwrap().ids();
        assert_eq!((after.len(), after[0], after.last().copied()), (keys, before[0], added));
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(fs::read_to_string(&key).unwrap().starts_with("# made in May\n"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(!folder.path().join("real.key.new").exists());
}

#[test]
fn what_another_process_has_made_meanwhile_is_taken_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::of(&[]);
    let path = folder.path().join("vestal.toml");
    let both = [(); 2].map(|()| Config::load(&environment, Some(&path)).unwrap());
    let began = std::sync::Barrier::new(both.len());
    let makes = |config: Config| {
        let (began, environment) = (&began, &environment);
        move || {
            began.wait();
            let made = create(&config, &SystemEntropy).map_err(told).unwrap();
            (made, config.master_key.read(environment).map_err(told).unwrap().ids())
        }
    };
    let [(first, keys), (second, same)] = std::thread::scope(|scope| {
        both.map(|config| scope.spawn(makes(config))).map(|made| made.join().unwrap())
    });
    assert_eq!(keys, same);
    assert!(first.config.is_some() != second.config.is_some(), "{first:?} {second:?}");
    assert!(first.master_key.is_some() != second.master_key.is_some(), "{first:?} {second:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left lying about");

    // However late: this one had found neither.
    let late = Config { exists: false, ..Config::load(&environment, Some(&path)).unwrap() };
    assert_eq!(create(&late, &SystemEntropy).unwrap(), Made::default());
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment::of(&[]);
    let config = load(folder.path(), "", &[]).unwrap();
    create(&config, &SystemEntropy).unwrap();
    let key = folder.path().join("master.key");
    for mode in [0o640, 0o604, 0o610] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        let error = told(config.master_key.read(&environment).unwrap_err());
        assert!(error.contains(&format!("next: chmod 600 '{}'", key.display())), "{error}");
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
    config.master_key.read(&environment).unwrap();
}

/// A pipe that nobody writes to would be waited for, and a device be read for ever.
#[test]
fn what_is_no_file_is_neither_configuration_nor_key() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&pipe).status().unwrap().success());
    for path in [&pipe, folder.path(), Path::new("/dev/zero")] {
        let told = |failure| {
            let told = told(failure);
            assert!(told.contains(&format!("{} cannot be read", path.display())), "{told}");
            assert!(told.contains("it is no regular file") && !told.contains("chmod"), "{told}");
            told
        };
        told(Config::load(&Environment::of(&[]), Some(path)).unwrap_err());
        let text = format!("[master_key]\nfile = {path:?}\n");
        let config = load(folder.path(), &text, &[]).unwrap();
        let refused = config.master_key.read(&Environment::of(&[])).unwrap_err();
        assert!(told(refused).contains("[master_key] command"), "who pipes it has another way");
    }
    let large = load(folder.path(), &"#".repeat((1 << 20) + 1), &[]).unwrap_err();
    assert!(large.contains("it is larger than 1048576 bytes"), "{large}");
}

#[test]
fn a_key_comes_from_wherever_it_is_said_to_be() {
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("elsewhere.key");
    fs::write(&file, format!("{KEY}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let id = MasterKey::parse(KEY).unwrap().id();
    let folder_name = folder.path().to_str().unwrap();
    let file_name = file.to_str().unwrap();
    for (text, variables) in [
        ("[master_key]\nfile = \"elsewhere.key\"\n".to_owned(), vec![]),
        ("[master_key]\nenv = \"MY_KEY\"\n".to_owned(), vec![("MY_KEY", KEY)]),
        (format!("[master_key]\ncommand = [\"cat\", {file_name:?}]\n"), vec![]),
        (
            "[master_key]\ncredential = \"elsewhere.key\"\n".to_owned(),
            vec![("CREDENTIALS_DIRECTORY", folder_name)],
        ),
        ("[master_key]\nenv = \"OTHER\"\n".to_owned(), vec![("VESTAL_MASTER_KEY", KEY)]),
        (String::new(), vec![("VESTAL_MASTER_KEY_FILE", file_name)]),
    ] {
        let config = load(folder.path(), &text, &variables).unwrap();
        let keys = config.master_key.read(&Environment::of(&variables)).map_err(told).unwrap();
        assert_eq!(keys.ids(), [id], "{text}");
    }
    for (text, said) in [
        ("[master_key]\nenv = \"MY_KEY\"\n", "MY_KEY is not set"),
        ("[master_key]\ncommand = [\"false\"]\n", "ended with exit status: 1"),
        ("[master_key]\ncommand = [\"echo\", \"hunter2\"]\n", "holds no master key"),
        ("[master_key]\ncommand = [\"/nowhere/program\"]\n", "No such file"),
        ("[master_key]\ncredential = \"key\"\n", "CREDENTIALS_DIRECTORY is not set"),
        ("[master_key]\nfile = \"missing.key\"\n", "missing.key cannot be read"),
    ] {
        let config = load(folder.path(), text, &[]).unwrap();
        let error = told(config.master_key.read(&Environment::of(&[])).unwrap_err());
        assert!(error.contains(said) && !error.contains("hunter2"), "{text}: {error}");
    }
    let twice = [("VESTAL_MASTER_KEY", KEY), ("VESTAL_MASTER_KEY_FILE", file_name)];
    assert!(load(folder.path(), "", &twice).unwrap_err().contains("given twice"));
}
