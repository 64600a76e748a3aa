//! What a person has set up: the configuration, the environment, the master key, the files.

use std::fs;

use vestal_api::{DoctorView, Trouble};

use super::Mend::{AsTold, By};
use super::{Ward, find, mode};
use crate::errors::sql;
use crate::harness::Home;

pub(super) const KINDS: &[Trouble] = &[
    Trouble::BadAuthorities,
    Trouble::BadConfiguration,
    Trouble::BadProviderFiles,
    Trouble::ConfigurationOpen,
    Trouble::FewOpenFiles,
    Trouble::FileForNobody,
    Trouble::FileOpen,
    Trouble::FileStale,
    Trouble::FileUnwritable,
    Trouble::NoHeartbeat,
    Trouble::NoMasterKey,
    Trouble::NotConfigured,
    Trouble::OtherKey,
    Trouble::ProxyIgnored,
    Trouble::RotationBegun,
    Trouble::UnknownVariable,
];

#[test]
fn a_command_that_gives_the_key_is_run_once_and_nothing_is_claimed() {
    let ward = Ward::new();
    let (count, key) = (ward.at("count"), ward.home.master_key());
    let command = format!("echo once >> '{}'; cat '{}'", count.display(), key.display());
    let config = format!("[master_key]\ncommand = [\"sh\", \"-c\", {command:?}]");
    ward.configure(&config);
    ward.doctor("");
    assert_eq!(fs::read_to_string(&count).unwrap(), "once\n");

    // Of what a store says of its key, nothing is made up.
    sql(&ward.home, "DELETE FROM store");
    let view = ward.doctor("");
    assert!(find(&view, Trouble::BadStore).unwrap().found.contains("has lost"), "{view:#?}");
    let bytes = ward.home.store_bytes();
    assert_eq!(fs::read_to_string(&count).unwrap(), "once\n".repeat(2));
    ward.doctor("");
    assert_eq!(ward.home.store_bytes(), bytes);
}

#[test]
fn where_nothing_is_set_up_nothing_is_wrong() {
    let home = Home::new();
    let view: DoctorView = home.vestal(&["doctor", "--json"]).ok().json();
    assert!(find(&view, Trouble::NotConfigured).unwrap().found.contains("nothing yet"), "{view:#?}");
    assert_eq!(view.findings.iter().filter(|it| it.trouble.is_some()).count(), 1, "{view:#?}");
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
    ward.has_found(KINDS);

    // One that holds nothing yet.
    let line = r#"{"name": "later", "client": "custom", "refresh_token": "none", "paused": true}"#;
    ward.home.vestal_reading(&["import", "--file", "-"], line).ok();
    ward.configure(&format!("[files]\nlater = {file:?}"));
    let view = ward.doctor("");
    assert!(find(&view, Trouble::FileStale).unwrap().found.ends_with("later, which has none"), "{view:#?}");
}
