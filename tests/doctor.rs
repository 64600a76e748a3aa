//! Each kind of trouble, made for real, found, told how to mend, and mended so.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use vestal_api::{DoctorView, Finding, Level, Trouble};
use vestal_sandbox::{Client, Fault, Trouble as Mishap};

use crate::errors::sql;
use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider, Running, until};
use crate::proofs::SmallDisk;

/// What may be true of the machine that these tests run on.
const OF_THE_MACHINE: [Trouble; 4] =
    [Trouble::FleetingDisk, Trouble::FleetingJournal, Trouble::DiskFull, Trouble::RedirectTaken];

/// A home in which all is well, and what was done to it.
struct Ward {
    home: Home,
    provider: Provider,
    /// What each case was begun with.
    config: String,
    found: BTreeSet<Trouble>,
}

/// How a trouble is mended.
#[derive(Clone, Copy)]
enum Mend<'a> {
    /// By the command, or the first of the commands, that `next:` names.
    AsTold,
    /// By what it says in words.
    By(&'a dyn Fn(&Ward)),
}

use Mend::{AsTold, By};

impl Ward {
    fn new() -> Self {
        let home = Home::new();
        let provider = Provider::start(home.record(), |_| {});
        home.connect("shop", &provider);
        home.consent("other", &["--client", "custom"], "").ok();
        home.vestal(&["refresh", "--all"]).ok();
        home.vestal(&["refresh", "--due"]).ok();
        let watched = "\n[heartbeat]\nurl = \"http://127.0.0.1:9/never-fetched-here\"\n";
        let config = fs::read_to_string(home.config()).unwrap() + watched;
        fs::write(home.config(), &config).unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_vestal"), home.path().join("bin/vestal")).unwrap();
        Self { home, provider, config, found: BTreeSet::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A command of a shell, as its user would type it.
    fn shell(&self, line: &str) -> Command {
        let mut shell = self.home.command(&[]);
        let mut command = Command::new("sh");
        command.args(["-c", line]).env_clear().current_dir(self.home.path());
        command.envs(
            shell
                .env("PATH", format!("{}:/usr/bin:/bin", self.at("bin").display()))
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command
    }

    /// What doctor finds, with something before it in the same shell.
    #[track_caller]
    fn doctor(&self, before: &str) -> DoctorView {
        let ended = self.home.run(self.shell(&format!("{before} vestal doctor --json"))).end();
        let view: DoctorView = ended.json();
        let worst = i32::from(view.level == Level::Fail);
        assert_eq!(ended.status.code(), Some(worst), "{ended}");
        view
    }

    #[track_caller]
    fn is_well(&self, after: &str) {
        let view = self.doctor("");
        let is_ours =
            |finding: &&Finding| finding.trouble.is_some_and(|trouble| !OF_THE_MACHINE.contains(&trouble));
        let troubles: Vec<_> = view.findings.iter().filter(is_ours).collect();
        assert!(troubles.is_empty(), "{after}: {troubles:#?}");
    }

    /// The trouble is not there; it is made; it is found; it is mended; it is gone.
    #[track_caller]
    fn case(&mut self, trouble: Trouble, make: impl FnOnce(&Self), mend: Mend<'_>) {
        self.case_with(trouble, make, mend, "");
    }

    #[track_caller]
    fn case_with(&mut self, trouble: Trouble, make: impl FnOnce(&Self), mend: Mend<'_>, before: &str) {
        self.is_well(&format!("before {trouble:?}"));
        make(self);
        let view = self.doctor(before);
        let found = find(&view, trouble).unwrap_or_else(|| panic!("{trouble:?} is not found: {view:#?}"));
        let next = found.next.as_deref().unwrap_or_default();
        assert!(!found.found.is_empty() && !next.is_empty() && found.level != Level::Ok, "{found:?}");
        match mend {
            AsTold => {
                let command = next.split("; or").next().unwrap();
                assert!(command.starts_with("chmod ") || command.starts_with("vestal "), "{found:?}");
                self.home.run(self.shell(command)).end().ok();
            }
            By(mend) => mend(self),
        }
        let view = self.doctor("");
        assert_eq!(find(&view, trouble), None, "it was mended");
        fs::write(self.home.config(), &self.config).unwrap();
        self.found.insert(trouble);
    }

    /// Adds lines to the configuration.
    fn configure(&self, lines: &str) {
        fs::write(self.home.config(), format!("{}\n{lines}\n", self.config)).unwrap();
    }

    /// Lays something over what is known of the provider.
    fn lay_over(&self, lines: &str) {
        let folder = self.home.config().with_file_name("providers");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("custom.toml"), format!("id = \"custom\"\n{lines}\n")).unwrap();
    }

    fn lay_nothing_over(&self) {
        fs::remove_dir_all(self.home.config().with_file_name("providers")).unwrap();
        self.home.vestal(&["refresh", "--due"]).ok();
    }
}

fn find(view: &DoctorView, trouble: Trouble) -> Option<&Finding> {
    view.findings.iter().find(|finding| finding.trouble == Some(trouble))
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn touch(path: &Path, at: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(at).unwrap();
}

fn restored(home: &Home, bytes: &[u8]) {
    fs::write(home.store(), bytes).unwrap();
}

#[test]
fn trouble_with_what_a_person_has_set_up_is_found_and_mended_as_told() {
    let mut ward = Ward::new();
    let nothing = |_: &Ward| {};

    ward.case(Trouble::NotConfigured, |ward| fs::remove_file(ward.home.config()).unwrap(), AsTold);
    ward.case(
        Trouble::BadConfiguration,
        |ward| ward.configure("[limits]\nanswre = \"1s\""),
        By(&|ward| ward.configure("")),
    );
    ward.case(Trouble::ConfigurationOpen, |ward| mode(&ward.home.config(), 0o620), AsTold);
    ward.case_with(Trouble::UnknownVariable, nothing, By(&nothing), "VESTAL_CONFGI=x");
    ward.case_with(Trouble::ProxyIgnored, nothing, By(&nothing), "HTTPS_PROXY=http://proxy.example:3128");
    ward.case_with(Trouble::FewOpenFiles, nothing, By(&nothing), "ulimit -n 100;");
    ward.case(
        Trouble::BadAuthorities,
        |ward| ward.configure("[http]\nca_file = \"nowhere.pem\""),
        By(&|ward| ward.configure("")),
    );
    ward.case(Trouble::BadProviderFiles, |ward| ward.lay_over("colour = \"x\""), By(&Ward::lay_nothing_over));
    ward.case(Trouble::NoMasterKey, |ward| mode(&ward.home.master_key(), 0o640), AsTold);

    let key = fs::read(ward.home.master_key()).unwrap();
    let other = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n";
    ward.case(
        Trouble::OtherKey,
        |ward| fs::write(ward.home.master_key(), other).unwrap(),
        By(&|ward| fs::write(ward.home.master_key(), &key).unwrap()),
    );
    let newer = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=\n";
    ward.case(
        Trouble::RotationBegun,
        |ward| fs::write(ward.home.master_key(), [&key, newer.as_bytes()].concat()).unwrap(),
        AsTold,
    );

    // What `[files]` names.
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("shop");
    let named = |ward: &Ward| ward.configure(&format!("[files]\nshop = {file:?}"));
    ward.case(Trouble::FileStale, named, AsTold);
    ward.case(
        Trouble::FileOpen,
        |ward| {
            named(ward);
            mode(&file, 0o644);
        },
        AsTold,
    );
    let missing = outside.path().join("later/shop");
    ward.case(
        Trouble::FileUnwritable,
        |ward| ward.configure(&format!("[files]\nshop = {missing:?}")),
        By(&|_| fs::create_dir(missing.parent().unwrap()).unwrap()),
    );
    ward.case(
        Trouble::FileForNobody,
        |ward| ward.configure(&format!("[files]\nnobody = {missing:?}")),
        By(&named),
    );
    ward.case(
        Trouble::NoHeartbeat,
        |ward| fs::write(ward.home.config(), ward.config.split("\n[heartbeat]").next().unwrap()).unwrap(),
        By(&|ward| ward.configure("")),
    );
    assert_eq!(ward.found.len(), 16, "{:?}", ward.found);
}

#[test]
fn trouble_with_the_store_is_found_and_mended_as_told() {
    let mut ward = Ward::new();
    let store = ward.home.store();
    let folder = store.parent().unwrap().to_owned();
    // Everything is in the one file.
    sql(&ward.home, "UPDATE store SET one = 1");
    let bytes = ward.home.store_bytes();
    let back = |ward: &Ward| restored(&ward.home, &bytes);

    ward.case(Trouble::FolderOpen, |_| mode(&folder, 0o777), AsTold);
    ward.case(Trouble::StoreOpen, |_| mode(&store, 0o644), AsTold);
    ward.case(
        Trouble::ClockWrong,
        |_| touch(&store, SystemTime::now() + Duration::from_secs(86_400)),
        By(&|_| touch(&store, SystemTime::now())),
    );
    let journal = folder.join("journal");
    assert!(journal.is_dir(), "it was made before the first refresh");
    ward.case(Trouble::NoJournal, |_| mode(&journal, 0o777), AsTold);
    let away = ward.at("away.db");
    ward.case(
        Trouble::NoStore,
        |_| fs::rename(&store, &away).unwrap(),
        By(&|_| fs::rename(&away, &store).unwrap()),
    );
    ward.case(
        Trouble::StoreNewer,
        |ward| {
            let mut newer = bytes.clone();
            // The schema's version ends here (<https://www.sqlite.org/fileformat.html>).
            newer[63] = 99;
            restored(&ward.home, &newer);
        },
        By(&back),
    );
    ward.case(
        Trouble::StoreOlder,
        |ward| {
            let mut older = bytes.clone();
            older[63] -= 1;
            restored(&ward.home, &older);
        },
        By(&|ward| {
            assert_eq!(ward.home.store_bytes()[63], bytes[63] - 1, "whoever only looks leaves it as it is");
            back(ward);
        }),
    );
    // Permission bits do not bind root; without this privilege they do.
    let bound = match rustix::process::geteuid().is_root() {
        true => "setpriv --bounding-set=-dac_override --inh-caps=-dac_override",
        false => "",
    };
    ward.case_with(
        Trouble::StoreReadOnly,
        |_| {
            mode(&store, 0o400);
            mode(&folder, 0o500);
        },
        By(&|_| {
            mode(&store, 0o600);
            mode(&folder, 0o700);
        }),
        bound,
    );
    ward.case(Trouble::BadStore, |ward| restored(&ward.home, b"to do: buy milk\n"), By(&back));
    ward.case(
        Trouble::Damaged,
        |ward| sql(&ward.home, "UPDATE connections SET state_data = '{' WHERE name = 'shop'"),
        By(&back),
    );
    let seal = "access_token = CAST(substr(access_token, 1, length(access_token) - 1) || x'00' AS BLOB)";
    ward.case(
        Trouble::Sealed,
        |ward| sql(&ward.home, &format!("UPDATE connections SET {seal} WHERE name = 'shop'")),
        By(&|ward| drop(ward.home.consent("shop", &["--same-account"], "").ok())),
    );
    ward.case(
        Trouble::SharedRefreshToken,
        |ward| {
            let of_shop = "(SELECT refresh_fingerprint FROM connections WHERE name = 'shop')";
            sql(
                &ward.home,
                &format!("UPDATE connections SET refresh_fingerprint = {of_shop} WHERE name = 'other'"),
            );
        },
        AsTold,
    );
    ward.case(
        Trouble::Overdue,
        |ward| sql(&ward.home, "UPDATE connections SET due_at = due_at - 172800000 WHERE name = 'other'"),
        By(&|ward| drop(ward.home.vestal(&["refresh", "--due", "--within", "1h"]).ok())),
    );
    let mark = "UPDATE store SET mark = json_set(mark,";
    ward.case(
        Trouble::NobodyKeeps,
        |ward| sql(&ward.home, &format!("{mark} '$.at', '2026-01-01T00:00:00Z')")),
        By(&|ward| drop(ward.home.vestal(&["refresh", "--due"]).ok())),
    );
    ward.case(
        Trouble::ClockSkewed,
        |ward| {
            let skew = r#"json('{"ahead_s": 90, "host": "a.example", "at": "2026-11-01T00:00:00Z"}')"#;
            sql(&ward.home, &format!("{mark} '$.skew', {skew})"));
        },
        // Whoever looks at the schedule next notes what it has seen itself.
        By(&|ward| drop(ward.home.vestal(&["refresh", "--due"]).ok())),
    );
    assert_eq!(ward.found.len(), 15, "{:?}", ward.found);
    a_small_disk_is_told_of();
}

/// Where this user may mount one.
fn a_small_disk_is_told_of() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    let Ok(_disk) = SmallDisk::mount(&home.path().join("state"), 4) else { return };
    home.connect("shop", &provider);
    let view: DoctorView = home.vestal(&["doctor", "--json"]).ok().json();
    for trouble in [Trouble::DiskFull, Trouble::FleetingDisk] {
        assert!(find(&view, trouble).is_some(), "{trouble:?}: {view:#?}");
    }
}

#[test]
fn trouble_with_providers_and_connections_is_found_and_mended_as_told() {
    let mut ward = Ward::new();
    ward.case(
        Trouble::BadClient,
        |ward| sql(&ward.home, "UPDATE clients SET provider = 'nobody'"),
        By(&|ward| sql(&ward.home, "UPDATE clients SET provider = 'custom'")),
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let redirect = format!("http://{}/callback", port.local_addr().unwrap());
    ward.home
        .vestal_reading(
            &[
                "client",
                "add",
                "busy",
                "--provider",
                "custom",
                "--issuer",
                &ward.provider.issuer,
                "--client-id",
                CLIENT_ID,
                "--client-secret-stdin",
                "--redirect-uri",
                &redirect,
            ],
            CLIENT_SECRET,
        )
        .ok();
    let view = ward.doctor("");
    assert!(find(&view, Trouble::RedirectTaken).is_some(), "{view:#?}");
    drop(port);
    ward.found.insert(Trouble::RedirectTaken);

    let not_verified = "unverified = true";
    for (trouble, lines) in [
        (
            Trouble::CapNear,
            format!("[refresh_token]\nlive_tokens = {{ is = 2, per = \"client\", {not_verified} }}"),
        ),
        (
            Trouble::QuotaShort,
            format!(
                "[[quotas]]\nis = \"1 per day\"\nper = \"client\"\ncounts = \"all-requests\"\n{not_verified}"
            ),
        ),
        (
            Trouble::GrantsEnd,
            format!(
                "[[refresh_token.shorter]]\nis = \"7d\"\nwhen = \"it is tried out\"\nunless_only = [\"email\"]\ninstead = \"Publish it.\"\n{not_verified}"
            ),
        ),
        (
            Trouble::Ends,
            format!(
                "[[deprecations]]\nis = \"all of it\"\non = \"2026-12-31\"\ninstead = \"Look elsewhere.\"\n{not_verified}"
            ),
        ),
    ] {
        ward.case(trouble, |ward| ward.lay_over(&lines), By(&Ward::lay_nothing_over));
    }

    let endpoints = |change: &str| format!("UPDATE clients SET endpoints = {change} WHERE name = 'custom'");
    let retired = "[[retired]]\nprefix = \"https://old.example/\"\nsince = \"2026-01-01\"\ninstead = \"https://new.example/\"";
    ward.case(
        Trouble::EndpointEnded,
        |ward| {
            ward.lay_over(retired);
            sql(&ward.home, &endpoints("json_set(endpoints, '$.lengthen', 'https://old.example/lengthen')"));
        },
        By(&|ward| {
            sql(&ward.home, &endpoints("json_remove(endpoints, '$.lengthen')"));
            ward.lay_nothing_over();
        }),
    );

    // A provider that is away, one that refuses the client, and one whose user has had enough.
    ward.case(
        Trouble::Failing,
        |ward| {
            let away = Mishap::AnswerUnprocessed(Mishap::empty(http::StatusCode::SERVICE_UNAVAILABLE));
            ward.provider.sandbox().add_fault(Fault::on_refresh(away).times(1_000));
            ward.home.vestal(&["refresh", "shop"]).code(4);
        },
        By(&|ward| {
            ward.provider.sandbox().clear_faults();
            until("the provider to be back", || {
                (ward.home.vestal(&["refresh", "shop"]).status.code() == Some(0)).then_some(())
            });
        }),
    );
    let registered = |secret| {
        Client::confidential(CLIENT_ID, secret)
            .redirect_uri("http://localhost:8724/callback")
            .redirect_uri("http://127.0.0.1/callback")
    };
    ward.case(
        Trouble::ClientRefused,
        |ward| {
            ward.provider.sandbox().settings_mut().clients = vec![registered("another secret")];
            // Two connections agree.
            for name in ["shop", "other"] {
                ward.home.vestal(&["refresh", name]);
            }
        },
        By(&|ward| {
            ward.provider.sandbox().settings_mut().clients = vec![registered(CLIENT_SECRET)];
            let set = ["client", "set-secret", "custom", "--client-secret-stdin"];
            ward.home.vestal_reading(&set, CLIENT_SECRET).ok();
            until("both to be accepted again", || {
                let code = |name| ward.home.vestal(&["refresh", name]).status.code();
                (code("shop") == Some(0) && code("other") == Some(0)).then_some(())
            });
        }),
    );
    ward.case(
        Trouble::NeedReauth,
        |ward| {
            let grants = ward.provider.sandbox().grants(ward.provider.now_ms());
            for grant in grants {
                ward.provider.sandbox().revoke_by_user(grant.id, ward.provider.now_ms());
            }
            until("the provider to say so", || {
                (ward.home.vestal(&["refresh", "shop"]).status.code() == Some(3)).then_some(())
            });
        },
        By(&|ward| {
            for name in ["shop", "other"] {
                ward.home.consent(name, &["--same-account"], "").ok();
            }
        }),
    );
    ward.case(
        Trouble::NotRenewable,
        |ward| {
            ward.provider.sandbox().settings_mut().refresh_tokens.only_with_scope = Some("offline".into());
            ward.home.consent("bare", &["--client", "custom"], "").ok();
        },
        By(&|ward| {
            ward.provider.sandbox().settings_mut().refresh_tokens.only_with_scope = None;
            ward.home.consent("bare", &["--same-account"], "").ok();
        }),
    );
    ward.case(
        Trouble::AnswersWait,
        an_answer_waits,
        By(&|ward| drop(ward.home.vestal(&["refresh", "--due"]).ok())),
    );
    assert_eq!(ward.found.len(), 12, "{:?}", ward.found);
}

/// The store goes away while a refresh is under way, and comes back when whoever refreshed is gone.
fn an_answer_waits(ward: &Ward) {
    let store = ward.home.store();
    ward.provider.sandbox().add_fault(Fault::on_refresh(Mishap::Delay(600)));
    let before = ward.provider.sandbox().stats().refreshes;
    let refresh: Running = ward.home.start(&["refresh", "shop"]);
    until("a refresh to be under way", || (ward.provider.sandbox().stats().refreshes > before).then_some(()));
    let files = ["", "-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", store.display())));
    let away = |path: &Path| ward.at("elsewhere").join(path.file_name().unwrap());
    fs::create_dir_all(ward.at("elsewhere")).unwrap();
    let moved: Vec<_> = files.iter().filter(|path| fs::rename(path, away(path)).is_ok()).collect();
    refresh.end();
    moved.iter().for_each(|path| fs::rename(away(path), path).unwrap());
}
