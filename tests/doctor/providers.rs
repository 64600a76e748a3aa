//! Providers, and the clients that are registered with them.

use std::net::TcpListener;

use vestal_api::Trouble;

use super::Mend::By;
use super::{Ward, find};
use crate::errors::sql;
use crate::harness::{CLIENT_ID, CLIENT_SECRET};

pub(super) const KINDS: &[Trouble] = &[
    Trouble::BadClient,
    Trouble::CapNear,
    Trouble::EndpointEnded,
    Trouble::Ends,
    Trouble::GrantsEnd,
    Trouble::QuotaShort,
    Trouble::RedirectTaken,
];

#[test]
fn trouble_with_providers_is_found_and_mended_as_told() {
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
    let retired = "[[retired]]\nprefix = \"https://old.example/\"\nsince = \"2026-01-01\"\ninstead = \"https://new.example/\"\nunverified = true";
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
    ward.has_found(KINDS);
}
