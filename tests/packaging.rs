//! The Debian package: installed, used, upgraded and removed, in a folder that stands for a machine.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

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

struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(TempDir::new().unwrap());
        for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc", "run"] {
            fs::create_dir_all(machine.at(folder)).unwrap();
        }
        fs::write(machine.at("var/lib/dpkg/status"), "").unwrap();
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    #[track_caller]
    fn dpkg(&self, args: &[&str]) -> String {
        let done = Command::new("dpkg")
            .arg(format!("--root={}", self.0.path().display()))
            .args(["--force-not-root", "--force-script-chrootless", "--force-depends"])
            .args(args)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap();
        let said = said(&done);
        assert!(done.status.success(), "dpkg {args:?}: {said}");
        said
    }

    fn vestal(&self, args: &[&str]) -> Output {
        Command::new(self.at("usr/bin/vestal"))
            .arg("--config")
            .arg(self.at("etc/vestal/vestal.toml"))
            .args(args)
            .env_clear()
            .output()
            .unwrap()
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

#[test]
fn a_package_is_installed_used_upgraded_and_removed() {
    let folder = TempDir::new().unwrap();
    let (first, second) = (build(folder.path(), "1"), build(folder.path(), "2"));
    let machine = Machine::new();
    machine.dpkg(&["--install", first.to_str().unwrap()]);
    let passwd = fs::read_to_string(machine.at("etc/passwd")).unwrap();
    let user = passwd.lines().find(|line| line.starts_with("vestal:")).expect("a user of its own");
    let id: u32 = user.split(':').nth(2).unwrap().parse().unwrap();
    let group: u32 = user.split(':').nth(3).unwrap().parse().unwrap();
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
    let key = fs::read(machine.at("etc/vestal/master.key")).unwrap();
    for there in [
        "usr/lib/systemd/system/vestal.service",
        "usr/lib/systemd/system/vestal-refresh.timer",
        "usr/share/bash-completion/completions/vestal",
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

    // What its user does first, and what stays from then on. The store is to be in this machine, not in the one around it.
    let config = machine.at("etc/vestal/vestal.toml");
    let shipped = fs::read_to_string(&config).unwrap();
    let own = shipped.replace("\"/var/", &format!("\"{}/", machine.at("var").display()));
    assert_ne!(own, shipped);
    fs::write(&config, &own).unwrap();
    let began = machine.vestal(&["init"]);
    assert!(began.status.success(), "{}", said(&began));
    let add =
        ["client", "add", "shop", "--provider", "constant-contact", "--client-id", "id", "--auth", "none"];
    let added = machine.vestal(&add);
    assert!(added.status.success(), "{}", said(&added));
    let changed = own + "\n[limits]\nanswer = \"20s\"\n";
    fs::write(&config, &changed).unwrap();

    machine.dpkg(&["--install", second.to_str().unwrap()]);
    assert!(machine.dpkg(&["--status", "vestal"]).contains("-2\n"));
    assert_eq!(fs::read_to_string(&config).unwrap(), changed, "what its user wrote stays");
    assert_eq!(fs::read(machine.at("etc/vestal/master.key")).unwrap(), key);
    let listed = machine.vestal(&["client", "list"]);
    assert!(listed.status.success() && said(&listed).contains("shop"), "{}", said(&listed));

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
