//! The connections: what is stored of them, and what their providers say.

use std::fs;

use vestal_api::{Level, Trouble};
use vestal_sandbox::{Client, Fault, Trouble as Mishap};

use super::Mend::{AsTold, By};
use super::Ward;
use crate::errors::sql;
use crate::harness::{CLIENT_ID, CLIENT_SECRET, until};

pub(super) const KINDS: &[Trouble] = &[
    Trouble::ClientRefused,
    Trouble::Damaged,
    Trouble::Failing,
    Trouble::NeedReauth,
    Trouble::NoPlace,
    Trouble::NotRenewable,
    Trouble::Sealed,
    Trouble::SharedRefreshToken,
];

#[test]
fn trouble_with_connections_is_found_and_mended_as_told() {
    let mut ward = Ward::new();
    // Everything is in the one file.
    sql(&ward.home, "UPDATE store SET one = 1");
    let bytes = ward.home.store_bytes();
    ward.case(
        Trouble::Damaged,
        |ward| sql(&ward.home, "UPDATE connections SET state_data = '{' WHERE name = 'shop'"),
        By(&|ward| fs::write(ward.home.store(), &bytes).unwrap()),
    );
    let seal = "access_token = CAST(substr(access_token, 1, length(access_token) - 1) || x'00' AS BLOB)";
    // Whether its file holds it, nobody can tell.
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("shop");
    let files = format!("[files]\nshop = {file:?}");
    ward.configure(&files);
    ward.home.vestal(&["refresh", "--due"]).ok();
    let files_are_well =
        |ward: &Ward| ward.doctor("").findings.iter().any(|it| it.about == "files" && it.level == Level::Ok);
    assert!(files_are_well(&ward));
    ward.configure("");
    ward.case(
        Trouble::Sealed,
        |ward| {
            sql(&ward.home, &format!("UPDATE connections SET {seal} WHERE name = 'shop'"));
            ward.configure(&files);
            assert!(!files_are_well(ward));
        },
        By(&|ward| drop(ward.home.consent("shop", &["--same-account"], "").ok())),
    );
    // Where the store keeps the provider's endpoints, one is at many places all of a sudden, and no connection says at which.
    let endpoints = |change: &str| format!("UPDATE clients SET endpoints = {change} WHERE name = 'custom'");
    let endpoint = format!("{}/token", ward.provider.issuer);
    ward.case(
        Trouble::NoPlace,
        |ward| sql(&ward.home, &endpoints("json_set(endpoints, '$.token', 'https://{shop}.example/token')")),
        By(&|ward| sql(&ward.home, &endpoints(&format!("json_set(endpoints, '$.token', '{endpoint}')")))),
    );
    // A provider that is away, one that refuses the client, and one whose user has had enough.
    ward.case(
        Trouble::Failing,
        |ward| {
            let away = Mishap::AnswerUnprocessed(Mishap::empty(http::StatusCode::SERVICE_UNAVAILABLE));
            ward.provider.sandbox().add_fault(Fault::on_refresh(away).times(1_000));
            ward.home.vestal(&["refresh", "shop"]).code(4);
            let told = ward.home.vestal(&["refresh", "--due"]).code(4);
            let one = "1 connection is failing\n  why:  shop\n  next: nothing yet; it is tried again: ";
            assert!(told.stderr.contains(one), "{told}");
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
            let shown = ward.home.vestal(&["client", "show", "custom"]).ok().stdout;
            let refused = shown.lines().find(|line| line.trim_start().starts_with("refused ")).unwrap();
            assert!(refused.contains(" ago): ") || refused.contains(" (now): "), "{refused}");
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
    ward.has_found(KINDS);
}
