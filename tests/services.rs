//! Run by systemd, and watched from outside.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tempfile::TempDir;
use vestal_api::ConnectionView;
use vestal_sandbox::{Fault, Trouble};

use crate::docs;
use crate::harness::{Browser, CLIENT_ID, CLIENT_SECRET, Home, Provider, page, until};
use crate::proofs::not_tried_at_home;

const UNITS: [&str; 3] = ["vestal.service", "vestal-refresh.service", "vestal-refresh.timer"];

/// The units as they are installed, but that the binary is the one that was just built.
fn units() -> (TempDir, Vec<PathBuf>) {
    let folder = TempDir::new().unwrap();
    let from = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/systemd"));
    let units = UNITS.map(|name| {
        let unit = fs::read_to_string(from.join(name)).unwrap();
        let to = folder.path().join(name);
        fs::write(&to, unit.replace("/usr/bin/vestal", env!("CARGO_BIN_EXE_vestal"))).unwrap();
        to
    });
    (folder, units.into())
}

/// Whoever reads a service's log takes each line for something to look at.
#[test]
fn a_daemon_that_has_nothing_under_way_stops_without_a_word() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 10_000);
    home.connect("shop", &provider);
    // Whoever is not read is refreshed once a day only.
    home.vestal(&["token", "shop"]).ok();
    let daemon = home.start(&["serve", "--log", "warn"]);
    until("a refresh", || (provider.sandbox().stats().refreshes > 0).then_some(()));
    // The next one is seconds away.
    until("it to be stored", || {
        let listed: Vec<ConnectionView> = home.vestal(&["list", "--json"]).ok().json();
        (listed[0].generation == 2).then_some(())
    });
    let ended = daemon.stop().ok();
    assert!(ended.stderr.is_empty(), "{ended}");
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let (_folder, units) = units();
    let verified =
        Command::new("systemd-analyze").arg("verify").args(&units).output().expect("systemd is there");
    assert!(verified.status.success() && verified.stderr.is_empty(), "{verified:?}");
    for unit in units.iter().filter(|unit| unit.extension().is_some_and(|kind| kind == "service")) {
        // At most 2.0 of 10.
        let exposed = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--threshold=20"])
            .arg(unit)
            .output()
            .unwrap();
        assert!(exposed.status.success(), "{}", String::from_utf8_lossy(&exposed.stdout));
    }
}

/// Makes a copy of this machine that lasts as long as the process, and runs the script `$4` there, where `/mnt` is the repository.
const IN_A_COPY: &str = r#"set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for shared in dev proc; do mount --rbind "/$shared" "$1/root/$shared"; done
touch "$1/root/usr/bin/vestal"
mount --bind "$2" "$1/root/usr/bin/vestal"
mount --bind "$3" "$1/root/mnt"
mount -o remount,bind,ro "$1/root/mnt"
echo "there is a copy"
exec chroot "$1/root" sh -exc "cd /mnt; $4""#;

#[test]
fn what_root_does_without_the_package_makes_a_service() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    let commands = docs::commands(include_str!("../docs/service.md"));
    let mut commands: Vec<&str> =
        commands.iter().map(String::as_str).filter(|command| !command.starts_with("vestal ")).collect();
    assert_eq!(commands.len(), 9);
    let connect = commands.pop().unwrap();
    let config = "runuser -u vestal -- vestal --config /etc/vestal/vestal.toml";
    assert!(connect.starts_with(&format!("{config} connect shop ")), "{connect}");
    let to = format!("--issuer {} --client-id {CLIENT_ID} --client-secret-stdin", provider.issuer);
    let (connect, token, status) =
        (format!("{connect} {to}"), format!("{config} token shop > /dev/null"), format!("{config} status"));
    let looks = [&*connect, &token, &status, "systemctl is-enabled vestal.service"];
    let script = [&commands, &looks[..]].concat().join("\n");
    // Nothing can be started in a copy: `tests/packaging.rs` starts what the unit says.
    assert!(script.contains("systemctl enable --now vestal.service"), "{script}");
    let script = script.replace("enable --now", "enable");

    let folder = TempDir::new().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", IN_A_COPY, "sh"]).arg(folder.path());
    command.args([env!("CARGO_BIN_EXE_vestal"), concat!(env!("CARGO_MANIFEST_DIR"), "/../.."), &script]);
    let mut root = home.run(command);
    until("a copy of this machine", || (root.stdout().contains("a copy") || root.has_ended()).then_some(()));
    if !root.stdout().contains("a copy") {
        return not_tried_at_home("docs/service.md as root, no copy of this machine", &root.stderr());
    }
    root.say(&format!("{CLIENT_SECRET}\n"));
    let url = home.asked_to_open(&mut root);
    root.say(&format!("{}\n", Browser::default().consent(&url)));
    let ended = root.end().ok();
    assert!(
        ended.stdout.contains("1 connection: 1 active") && ended.stdout.contains("\nenabled\n"),
        "{ended}"
    );
}

#[test]
fn systemd_is_told_that_it_is_ready_works_and_stops() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 2_000);
    home.connect("shop", &provider);
    home.vestal(&["token", "shop"]).ok();
    let address = home.path().join("notify");
    let socket = UnixDatagram::bind(&address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let heard = || {
        let mut bytes = [0; 1_024];
        let length = socket.recv(&mut bytes).expect("systemd is told");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    let mut command = home.command(&["serve"]);
    command.env("NOTIFY_SOCKET", &address).env("WATCHDOG_USEC", "900000");
    let daemon = home.run(command);
    let ready = heard();
    assert!(ready.contains("READY=1") && ready.contains("keeping 1 connections alive"), "{ready}");
    for _ in 0..3 {
        assert_eq!(heard().trim(), "WATCHDOG=1");
    }
    // It asks for time while an answer is on its way.
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(2_000)));
    let before = provider.sandbox().stats().refreshes;
    until("a refresh to be under way", || (provider.sandbox().stats().refreshes > before).then_some(()));
    daemon.stop().ok();
    let mut last = std::iter::repeat_with(heard).filter(|said| !said.contains("WATCHDOG"));
    let stopping = last.next().unwrap();
    assert!(stopping.contains("STOPPING=1"), "{stopping}");
    let more = last.next().unwrap();
    assert!(more.contains("EXTEND_TIMEOUT_USEC=120000000"), "{more}");
    drop(last);

    // And for none where nothing is.
    provider.sandbox().settings_mut().access_token_life_ms = 3_600_000;
    home.vestal(&["refresh", "shop"]).ok();
    let mut command = home.command(&["serve"]);
    command.env("NOTIFY_SOCKET", &address);
    let mut daemon = home.run(command);
    daemon.hear("that it is ready", |log| log.contains("keeping connections alive").then_some(()));
    daemon.stop().ok();
    socket.set_nonblocking(true).unwrap();
    let mut bytes = [0; 1_024];
    let said: Vec<_> =
        std::iter::from_fn(|| socket.recv(&mut bytes).ok().map(|length| bytes[..length].to_vec())).collect();
    let said = said.iter().map(|message| String::from_utf8_lossy(message)).collect::<String>();
    assert!(said.contains("STOPPING=1") && !said.contains("EXTEND_TIMEOUT_USEC"), "{said}");
}

/// A page that answers with this, and counts.
fn watcher(status: &'static str) -> (String, Arc<AtomicUsize>) {
    let fetched = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fetched);
    let address = page::server(move |head| {
        count.fetch_add(usize::from(head.starts_with("GET /check-42 ")), Ordering::Relaxed);
        (status, String::new())
    });
    (address + "/check-42", fetched)
}

#[test]
fn a_heart_beats_while_refreshes_really_happen() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let (url, fetched) = watcher("200 OK");
    let beats = || fetched.load(Ordering::Relaxed);
    let with = |url: &str| {
        let config = fs::read_to_string(home.config()).unwrap();
        let config = config.split("\n[heartbeat]").next().unwrap().to_owned();
        fs::write(home.config(), format!("{config}\n[heartbeat]\nurl = {url:?}\n")).unwrap();
    };
    with(&url);
    let ended = home.vestal(&["refresh", "--due", "--within", "24h"]).ok();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str(), beats()), ("", "", 1));

    // What nobody can renew now is no sign of life.
    for _ in 0..3 {
        let down = Trouble::AnswerUnprocessed(Trouble::html_page(StatusCode::SERVICE_UNAVAILABLE));
        provider.sandbox().add_fault(Fault::on_refresh(down));
    }
    home.vestal(&["refresh", "shop"]).code(4);
    home.vestal(&["refresh", "--due", "--within", "24h"]).code(4);
    assert_eq!(beats(), 1);
    until("the provider to be back", || {
        (home.vestal(&["refresh", "shop"]).status.code() == Some(0)).then_some(())
    });

    let daemon = home.start(&["serve"]);
    until("the daemon's heart to beat", || (beats() == 2).then_some(()));
    daemon.stop().ok();

    // A watcher that is not there stops nothing, and its address is not told.
    let (refusing, _) = watcher("500 Internal Server Error");
    with(&refusing);
    let ended = home.vestal(&["refresh", "--due", "--within", "24h"]).ok();
    assert!(ended.stderr.contains("the heartbeat did not arrive: it answered 500"), "{ended}");
    assert!(!ended.stderr.contains("check-42"), "{ended}");
    with("nonsense");
    let told = home.vestal(&["status"]).code(1);
    assert!(told.stderr.contains("this is no page to fetch"), "{told}");
}

/// As where its disk is not mounted, and an empty one is made in its place.
#[test]
fn a_store_without_connections_has_no_heartbeat_and_the_daemon_warns_of_it() {
    let home = Home::new();
    home.vestal(&["init"]).ok();
    let (url, fetched) = watcher("200 OK");
    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), format!("{config}\n[heartbeat]\nurl = {url:?}\n")).unwrap();
    home.vestal(&["refresh", "--due"]).ok();
    let mut daemon = home.start(&["serve"]);
    daemon.hear("a warning", |log| log.contains("there is no connection yet").then_some(()));
    daemon.hear("no heartbeat to be sent", |log| log.contains("no heartbeat is sent").then_some(()));
    daemon.stop().ok();
    assert_eq!(fetched.load(Ordering::Relaxed), 0);
}
