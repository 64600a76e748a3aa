//! Eight processes at the moment when the token ends, against a real provider that revokes the whole family when a
//! refresh token is used twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Proof, times};
use crate::harness::{Home, Kind, Peer, Running, Secret, until};

const READERS: usize = 8;

/// While one connection's token is fought over, those of the others end.
const CONNECTIONS: usize = 5;

/// Longer than all readers of a round take to be looked at.
const LIFE: Duration = Duration::from_secs(5);

#[test]
fn eight_processes_at_expiry_cost_one_refresh_round_after_round() {
    let proof = Proof::of("8 processes want a token at expiry, from `oidc-provider`");
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({"access_ttl_s": LIFE.as_secs()}));
    let client = peer.client("basic");
    let names: Vec<String> = (0..CONNECTIONS).map(|number| format!("shop-{number}")).collect();
    let registration = [
        "--provider",
        "custom",
        "--issuer",
        &peer.issuer,
        "--client-id",
        &client.id,
        "--client-secret-stdin",
    ];
    home.consent(&names[0], &registration, &client.secret).ok();
    for name in &names[1..] {
        home.consent(name, &["--client", "custom"], "").ok();
    }
    for name in &names {
        token(&home, home.start(&["token", name]));
    }
    let mut served_at = [Instant::now(); CONNECTIONS];

    let rounds = times(5, 100);
    let refreshes = || peer.stats()["granted"]["refresh_token"].as_u64().unwrap();
    let at_first = refreshes();
    for round in 0..rounds {
        let name = &names[round % CONNECTIONS];
        // The provider counts in whole seconds: it ends a token up to one before anybody else can know.
        until("the token to end", || (served_at[round % CONNECTIONS].elapsed() > LIFE).then_some(()));
        let readers: Vec<Running> = (0..READERS).map(|_| home.start(&["token", name])).collect();
        let served: BTreeSet<String> = readers
            .into_iter()
            .map(|reader| {
                let token = token(&home, reader);
                assert!(peer.accepts(&token), "round {round}: a token was served that is not active");
                token
            })
            .collect();
        assert_eq!(served.len(), 1, "round {round}: all were given the same token");
        served_at[round % CONNECTIONS] = Instant::now();
    }

    let stats = peer.stats();
    assert_eq!(stats["refresh_reuses"], 0, "{stats}");
    assert_eq!(stats["grants_revoked"], 0, "{stats}");
    assert_eq!(stats["refused"], json!({}), "{stats}");
    assert_eq!(refreshes() - at_first, rounds as u64, "each round costs one refresh: {stats}");
    for name in &names {
        home.vestal(&["refresh", name]).ok();
    }
    let tokens = rounds * READERS;
    proof.holds(
        format_args!("{rounds} rounds"),
        format_args!("{tokens} tokens, all active; {rounds} refreshes, no refresh token used twice"),
    );
}

/// The token that a process prints, which is a secret from then on.
#[track_caller]
fn token(home: &Home, reader: Running) -> String {
    let token = reader.end().ok().stdout.trim().to_owned();
    home.record().add_secret(Secret::new(Kind::AccessToken, token.clone()));
    token
}
