//! Tokens in files: written once, and kept up to date.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use vestal_api::TokenView;

use crate::harness::{Home, Provider, until};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Adds lines to the configuration.
fn configure(home: &Home, lines: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(home.config()).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

#[test]
fn a_token_is_written_into_a_file_as_it_would_be_printed() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let outside = tempfile::tempdir().unwrap();
    let at = |name: &str| outside.path().join(name).to_str().unwrap().to_owned();
    let file = at("token");
    fs::write(&file, "what was there before").unwrap();
    for format in [&[][..], &["--header"]] {
        let written = home.vestal(&[&["token", "shop", "--write", &file], format].concat()).ok();
        assert_eq!((written.stdout.as_str(), written.stderr.as_str()), ("", ""));
        let printed = home.vestal(&[&["token", "shop"], format].concat()).ok();
        assert_eq!(read(Path::new(&file)), printed.stdout);
    }
    let printed = home.vestal(&["token", "shop", "--write", "-"]).ok();
    assert_eq!(printed.stdout, home.vestal(&["token", "shop"]).ok().stdout);
    assert!(!home.path().join("-").exists(), "{printed}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    home.vestal(&["token", "shop", "--write", &file, "--json"]).ok();
    let view: TokenView = serde_json::from_str(&read(Path::new(&file))).unwrap();
    assert!(provider.accepts(&view.access_token));

    symlink(&file, at("link")).unwrap();
    for (place, told) in [(at("link"), "is a symbolic link"), (at(""), "is a folder")] {
        let refused = home.vestal(&["token", "shop", "--write", &place]).code(2);
        assert!(refused.stderr.contains(told) && refused.stderr.contains("next: "), "{refused}");
    }
    // What every connection depends on is not for that, by whatever way it is named.
    let roundabout = home.store().parent().unwrap().join("../vestal/vestal.db");
    for own in [home.store(), home.master_key(), home.config(), roundabout] {
        let before = fs::read(&own).unwrap();
        let refused = home.vestal(&["token", "shop", "--write", own.to_str().unwrap()]).code(2);
        assert!(refused.stderr.contains("is a file of Vestal's own"), "{refused}");
        assert_eq!(fs::read(&own).unwrap().len(), before.len());
    }
    home.vestal(&["token", "shop", "--write", &at("no/folder")]).code(1);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 2, "nothing else is left there");
}

#[test]
fn the_daemon_keeps_files_up_to_date_whoever_refreshes() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 4_000);
    home.connect("shop", &provider);
    home.consent("crm", &["--client", "custom"], "").ok();
    // Nobody else asks for it: the file alone has it renewed.
    home.vestal(&["set", "shop", "--policy", "on-demand"]).ok();
    let outside = tempfile::tempdir().unwrap();
    let (shop, crm) = (outside.path().join("shop"), outside.path().join("later/crm.json"));
    let nobody = outside.path().join("nobody");
    configure(
        &home,
        &format!(
            "[files]\nshop = {shop:?}\ncrm = {{ path = {crm:?}, format = \"json\" }}\nnobody = {nobody:?}\n"
        ),
    );
    let mut daemon = home.start(&["serve"]);
    let first = until("the first token", || Some(read(&shop)).filter(|token| !token.is_empty()));
    assert!(provider.accepts(first.trim()));
    until("another one, before or when it ends", || {
        let token = read(&shop);
        (token != first && provider.accepts(token.trim())).then_some(())
    });
    daemon.hear("that a folder is missing", |log| log.contains("later/crm.json").then_some(()));
    daemon.hear("that there is no such connection", |log| {
        log.contains("no connection \"nobody\"").then_some(())
    });
    assert_eq!(fs::metadata(&shop).unwrap().permissions().mode() & 0o777, 0o600);

    provider.sandbox().settings_mut().access_token_life_ms = 3_600_000;
    home.vestal(&["refresh", "shop"]).ok();
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    until("what another process got", || (read(&shop) == token).then_some(()));
    daemon.stop().ok();
    assert_eq!(provider.sandbox().stats().reuses, 0);
}

#[test]
fn what_somebody_does_to_a_file_is_noticed() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let outside = tempfile::tempdir().unwrap();
    let shop = outside.path().join("shop");
    configure(&home, &format!("[files]\nshop = {shop:?}\n"));
    let token = home.vestal(&["token", "shop"]).ok().stdout;
    let daemon = home.start(&["serve"]);
    let mode = || fs::metadata(&shop).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    let is_as_it_should_be = || (read(&shop) == token && mode() == 0o600).then_some(());
    until("the token", is_as_it_should_be);
    fs::remove_file(&shop).unwrap();
    until("the token, once it was removed", is_as_it_should_be);
    fs::write(&shop, "another's\n").unwrap();
    until("the token, once it was overwritten", is_as_it_should_be);
    fs::set_permissions(&shop, fs::Permissions::from_mode(0o644)).unwrap();
    until("the token, once others could read it", is_as_it_should_be);
    daemon.stop().ok();
    assert_eq!(provider.sandbox().stats().refreshes, 0, "the token was fresh all the while");
}

#[test]
fn two_who_keep_a_file_leave_it_alone_while_its_token_stays() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let outside = tempfile::tempdir().unwrap();
    let shop = outside.path().join("shop.json");
    configure(&home, &format!("[files]\nshop = {{ path = {shop:?}, format = \"json\" }}\n"));
    home.vestal(&["refresh", "--due"]).ok();
    let view: TokenView = serde_json::from_str(&read(&shop)).unwrap();
    assert!(provider.accepts(&view.access_token));
    assert!(
        view.expires_at.is_some() && view.expires_in.is_none(),
        "in how many seconds depends on when it is read"
    );

    let written_at = || fs::metadata(&shop).unwrap().modified().unwrap();
    let before = written_at();
    let daemons = [home.start(&["serve"]), home.start(&["serve"])];
    // Each looks at the file every 2 s.
    std::thread::sleep(Duration::from_millis(4_500));
    home.vestal(&["refresh", "--due"]).ok();
    assert_eq!(written_at(), before);
    home.vestal(&["refresh", "shop"]).ok();
    assert_ne!(written_at(), before, "another token");
    for daemon in daemons {
        daemon.stop().ok();
    }
}

#[test]
fn an_older_token_never_takes_a_newer_ones_place() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let outside = tempfile::tempdir().unwrap();
    let shop = outside.path().join("shop");
    let path = shop.to_str().unwrap().to_owned();
    // Whoever writes holds this: a command that has the first token waits here for its turn.
    let lock = fs::File::create(format!("{}-files", home.store().display())).unwrap();
    lock.lock().unwrap();
    let writing = home.start(&["token", "shop", "--write", &path]);
    until("the command to wait for its turn", || writing.has_open("vestal.db-files").then_some(()));
    home.vestal(&["refresh", "shop"]).ok();
    assert_eq!(read(&shop), "", "it is not its turn");
    lock.unlock().unwrap();
    writing.end().ok();
    assert_eq!(read(&shop), home.vestal(&["token", "shop"]).ok().stdout, "the second one");
}

#[test]
fn cron_keeps_files_up_to_date_too() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    home.consent("crm", &["--client", "custom"], "").ok();
    let outside = tempfile::tempdir().unwrap();
    let (shop, crm) = (outside.path().join("shop"), outside.path().join("crm"));
    configure(&home, &format!("[files]\nshop = {shop:?}\ncrm = {crm:?}\n"));
    let silent = home.vestal(&["refresh", "--due"]).ok();
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    assert!(provider.accepts(read(&shop).trim()) && provider.accepts(read(&crm).trim()));

    let (shop_before, crm_before) = (read(&shop), read(&crm));
    home.vestal(&["refresh", "shop"]).ok();
    assert_eq!(read(&shop), home.vestal(&["token", "shop"]).ok().stdout);
    assert!(read(&shop) != shop_before && read(&crm) == crm_before);

    fs::remove_file(&shop).unwrap();
    fs::create_dir(&shop).unwrap();
    let told = home.vestal(&["refresh", "--due"]).code(2);
    assert!(told.stderr.contains("is a folder"), "{told}");
}
