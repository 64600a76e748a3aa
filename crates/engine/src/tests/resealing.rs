//! Another master key, while all goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::StatusCode;
use vestal_core::id::ConnectionId;
use vestal_core::seal::{Field, KeyId, KeyRing, MasterKey, OpenError, Sealed, Vault};
use vestal_core::secret::SecretString;
use vestal_core::state::State;
use vestal_core::store::{Reseal, SealedOwner};
use vestal_core::token::{CandidateAnswer, Renewal};
use vestal_sandbox::{Endpoint, Fault, Trouble};

use super::importing::new;
use super::world::{Behaviour, DAY, World, client, shop, start_refresh};
use crate::{Account, BeginConnect, Engine, Error, Holders, NewConnection, Parts, Walk, Want};

const OLD: u8 = 9;
const NEW: u8 = 10;

fn key(n: u8) -> KeyId {
    MasterKey::from_bytes(&[n; 32]).id()
}

/// A node that holds these keys, the newest last.
async fn node_with(world: &World, keys: &[u8]) -> Engine {
    let mut keys: Vec<_> = keys.iter().map(|n| MasterKey::from_bytes(&[*n; 32])).collect();
    let ring = KeyRing::new(keys.pop().unwrap(), keys);
    let vault = Vault::unlock(ring, &world.identity().await).unwrap();
    world.node_with(|parts| Parts { vault, ..parts })
}

/// Makes the new key the one that seals, and tells these.
async fn switch(world: &World, engines: &[&Engine]) {
    let before = world.identity().await;
    let after = engines[0].vault().identity_under(key(NEW), &*engines[0].inner.entropy).unwrap();
    assert!(world.store.replace_identity(&before, &after).await.unwrap());
    for engine in engines {
        assert_eq!(engine.vault().follow(&after), Ok(true));
    }
}

/// Goes through everything: what each key seals, how much was sealed anew, and what was left.
async fn walk(engine: &Engine, walk: Walk) -> (BTreeMap<KeyId, u64>, u64, Vec<String>) {
    let mut parts = vec![engine.walk_clients(walk).await.unwrap()];
    let mut after = None;
    loop {
        let part = engine.walk_connections(after, walk).await.unwrap();
        after = part.next;
        parts.push(part);
        if after.is_none() {
            break;
        }
    }
    let mut sealed = BTreeMap::new();
    let mut left = Vec::new();
    let mut resealed = 0;
    for part in parts {
        part.sealed.into_iter().for_each(|(key, count)| *sealed.entry(key).or_default() += count);
        left.extend(part.left.into_iter().map(|left| format!("{}: {}", left.what, left.why)));
        resealed += part.resealed;
    }
    (sealed, resealed, left)
}

/// The next answer of the token endpoint.
fn answer(world: &World, status: StatusCode, body: &str) {
    let answer = Trouble::answer(status, "application/json", body.to_owned());
    let fault = Fault::at(Endpoint::Token, Trouble::AnswerUnprocessed(answer));
    world.wire.sandbox.lock().unwrap().add_fault(fault);
}

/// Of an account, with a field that no standard knows.
fn tokens_of(account: &str) -> String {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let claims = format!(r#"{{"iss":"https://sandbox.example","sub":"{account}"}}"#);
    let id_token = format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims));
    format!(
        r#"{{"access_token":"{account}'s","token_type":"Bearer","expires_in":86400,"instance_url":"https://{account}.example",
            "refresh_token":"{account}'s rt","id_token":"{id_token}"}}"#
    )
}

/// A store with every field, and a consent that a person is being asked for.
async fn full() -> (World, crate::ConsentRequest) {
    let world = World::new(&Behaviour::lasting());
    let engine = world.connected().await;
    // A token set with everything in it, twice: one is kept beside the other. Then one of another account, and one that cannot
    // be read, which are kept aside.
    answer(&world, StatusCode::OK, &tokens_of("alice"));
    answer(&world, StatusCode::OK, &tokens_of("alice"));
    engine.refresh(&shop()).await.unwrap();
    engine.refresh(&shop()).await.unwrap();
    answer(&world, StatusCode::OK, &tokens_of("bob"));
    engine.refresh(&shop()).await.unwrap_err();
    world.pass(DAY / 24).await;
    answer(&world, StatusCode::OK, r#"[{"access_token":"at","refresh_token":"unreadable"}]"#);
    engine.refresh(&shop()).await.unwrap_err();

    // One that has what an earlier grant brought.
    for _ in 0..2 {
        let (other, scopes) = ("other".parse().unwrap(), ["contacts", "offline_access"]);
        world.consent_to(&engine, other, "sandbox", &scopes).await.unwrap();
    }
    engine.set_client_secret("sandbox", &SecretString::from("the client's secret"), true).await.unwrap();

    // And one whose tokens are bound to a key.
    let mut bound = client();
    (bound.name, bound.endpoints.dpop) = ("bound".into(), true);
    engine.add_client(bound).await.unwrap();
    let job = NewConnection {
        client: "bound".to_owned(),
        renewal: Renewal::ClientCredentials,
        refresh_token: None,
        token_type: "DPoP".to_owned(),
        ..new("job", "")
    };
    engine.import(vec![job], false, &Holders::default()).await.unwrap().remove(0).unwrap();

    let begin = BeginConnect {
        name: "third".parse().unwrap(),
        client: "sandbox".into(),
        scopes: None,
        site: BTreeMap::new(),
        parameters: BTreeMap::new(),
    };
    let asked = engine.begin_connect(begin).await.unwrap();
    (world, asked)
}

/// Every value that lies in the store, with what it is.
async fn values(world: &World) -> Vec<(Field, Sealed)> {
    let mut found = Vec::new();
    for client in world.store.clients().await.unwrap().clients {
        found.extend(
            client.secret.into_iter().chain(client.second_secret).map(|it| (Field::ClientSecret, it)),
        );
    }
    for of in world.store.sealed(None, 100).await.unwrap().of {
        let grant = of.connection.grant.into_iter().map(|grant| (grant.means, grant.tokens));
        let earlier = of.earlier.into_iter().map(|earlier| (earlier.means, earlier.tokens));
        for (means, tokens) in grant.chain(earlier) {
            found.extend(means.map(|means| (Field::GrantMeans, means)));
            found.extend(tokens.sealed().map(|(field, sealed)| (field, sealed.clone())));
        }
        for candidate in of.candidates {
            match candidate.answer {
                CandidateAnswer::Raw(raw) => found.push((Field::RawAnswer, raw)),
                CandidateAnswer::Tokens(tokens) => {
                    found.extend(tokens.sealed().map(|(field, sealed)| (field, sealed.clone())));
                }
            }
        }
        found.extend(of.authorizations.into_iter().map(|it| (Field::CodeVerifier, it.code_verifier)));
    }
    found
}

/// Whether a field lies in the store's tables: a new one has to be said here, and gone through.
fn lies_in_tables(field: Field) -> bool {
    match field {
        Field::AccessToken
        | Field::RefreshToken
        | Field::IdToken
        | Field::Extra
        | Field::ClientSecret
        | Field::CodeVerifier
        | Field::RawAnswer
        | Field::GrantMeans => true,
        // In journals, from which it goes into the tables; and in the store's identity.
        Field::JournalAnswer | Field::FingerprintKey => false,
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_sealed_anew_and_the_old_key_is_not_needed_any_more() {
    let (world, asked) = full().await;
    let before = values(&world).await;
    let fields: BTreeSet<u8> = before.iter().map(|(field, _)| *field as u8).collect();
    let expected: BTreeSet<u8> =
        Field::ALL.into_iter().filter(|field| lies_in_tables(*field)).map(|field| field as u8).collect();
    assert_eq!(fields, expected, "every field is in this store");
    let revisions = || async {
        let page = world.store.sealed(None, 100).await.unwrap();
        page.of.iter().map(|of| of.connection.revision).collect::<Vec<_>>()
    };
    let before_revisions = revisions().await;

    let engine = node_with(&world, &[OLD, NEW]).await;
    let count = before.len() as u64;
    assert_eq!(walk(&engine, Walk::Count).await, (BTreeMap::from([(key(OLD), count)]), 0, vec![]));
    assert_eq!(walk(&engine, Walk::Reseal).await.1, 0, "the old one seals still");
    switch(&world, &[&engine]).await;
    assert_eq!(walk(&engine, Walk::Reseal).await, (BTreeMap::from([(key(OLD), count)]), count, vec![]));
    assert_eq!(walk(&engine, Walk::Reseal).await, (BTreeMap::from([(key(NEW), count)]), 0, vec![]));
    assert_eq!(revisions().await, before_revisions);
    for ((field, old), (same, new)) in before.iter().zip(values(&world).await) {
        assert_eq!((*field, new.key()), (same, Ok(key(NEW))));
        assert_ne!(*old, new);
    }

    let alone = node_with(&world, &[NEW]).await;
    let third = alone.finish_connect(&world.browse(&asked.url), Account::Vouched).await.unwrap();
    assert!(third.refresh_token);
    for (name, client) in [("shop", "sandbox"), ("other", "sandbox"), ("job", "bound")] {
        let client = alone.client_named(client).await.unwrap();
        let secrets = alone.export(&world.named(name).await, &client).await.unwrap();
        assert_eq!(secrets.means.contains_key("proof_key"), name == "job");
        assert_eq!(secrets.extra.contains_key("instance_url"), name == "shop");
    }
    assert_eq!(alone.refresh(&"other".parse().unwrap()).await.unwrap().generation, 3);
    let mut kept = 0;
    for candidate in world.store.candidates(world.shop().await.id, 10).await.unwrap() {
        let (grant, generation) = candidate.sealed_for.unwrap();
        let (field, generation, sealed) = match candidate.answer {
            CandidateAnswer::Raw(raw) => (Field::RawAnswer, generation, raw),
            CandidateAnswer::Tokens(tokens) => {
                (Field::AccessToken, generation + 1, tokens.access_token.unwrap())
            }
        };
        let place = crate::secrets::place(world.shop().await.id, field, grant, generation);
        alone.vault().open_text(&place, &sealed).unwrap();
        kept += 1;
    }
    assert_eq!(kept, 2);
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_late_under_the_old_key_is_found_by_the_next_pass() {
    let world = World::new(&Behaviour::strict());
    drop(world.connected().await);
    let (rotates, daemon) = (node_with(&world, &[OLD, NEW]).await, node_with(&world, &[OLD, NEW]).await);
    *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
    let refreshing = start_refresh(&daemon);
    world.pass(Duration::from_secs(2)).await;
    // The daemon has not heard of it yet.
    switch(&world, &[&rotates]).await;
    let (_, resealed, left) = walk(&rotates, Walk::Reseal).await;
    assert!(resealed > 0 && left.is_empty());
    assert_eq!(refreshing.await.unwrap().unwrap().generation, 2, "what was under way is not disturbed");
    let (sealed, late, _) = walk(&rotates, Walk::Reseal).await;
    assert!(late > 0 && sealed[&key(OLD)] == late, "{sealed:?}");
    daemon.vault().follow(&world.identity().await).unwrap();
    assert_eq!(walk(&rotates, Walk::Reseal).await.1, 0);

    let alone = node_with(&world, &[NEW]).await;
    assert_eq!(alone.refresh(&shop()).await.unwrap().generation, 3);
    assert_eq!((world.reuses(), world.families()), (0, (1, 0)));
}

#[tokio::test(start_paused = true)]
async fn what_is_sealed_with_a_key_that_is_lacking_is_neither_damaged_nor_touched() {
    let (world, _) = full().await;
    let behind = node_with(&world, &[OLD]).await;
    let rotates = node_with(&world, &[OLD, NEW]).await;
    switch(&world, &[&rotates]).await;
    walk(&rotates, Walk::Reseal).await;
    assert_eq!(behind.vault().follow(&world.identity().await), Err(OpenError::KeyMissing(key(NEW))));
    let before = values(&world).await;
    let sent = world.wire.forms_sent().len();
    for name in ["shop", "other", "job"] {
        let lacking = |error: &Error| matches!(error, Error::Sealed { source: OpenError::KeyMissing(it), .. } if *it == key(NEW));
        let name = name.parse().unwrap();
        let error = behind.refresh(&name).await.unwrap_err();
        assert!(lacking(&error), "{name:?}: {error:?}");
        let error = behind.issue_token(&name, Want::default()).await.unwrap_err();
        assert!(lacking(&error), "{name:?}: {error:?}");
    }
    world.serve(&behind, 3 * DAY).await;
    assert_eq!(world.wire.forms_sent().len(), sent, "nothing was asked for");
    assert_eq!(values(&world).await, before);
    assert_eq!(world.named("other").await.state, State::Active);

    // Given the key, it goes on.
    behind.vault().add(&KeyRing::new(MasterKey::from_bytes(&[NEW; 32]), vec![]));
    behind.vault().follow(&world.identity().await).unwrap();
    assert_eq!(behind.refresh(&"other".parse().unwrap()).await.unwrap().generation, 3);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_value_is_named_and_left() {
    let (world, _) = full().await;
    let id: ConnectionId = world.named("other").await.id;
    let sealed = world.named("other").await.grant.unwrap().tokens.refresh_token.unwrap().sealed;
    let mut bytes = sealed.as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let damage =
        Reseal { of: SealedOwner::Connection(id), values: vec![(sealed, Sealed::from_bytes(bytes.clone()))] };
    assert_eq!(world.store.reseal(vec![damage]).await.unwrap(), 1);
    let engine = node_with(&world, &[OLD, NEW]).await;
    let count = values(&world).await.len() as u64;
    switch(&world, &[&engine]).await;
    let (_, resealed, left) = walk(&engine, Walk::Reseal).await;
    assert_eq!(resealed, count - 1);
    assert!(
        matches!(&left[..], [one] if one.starts_with("the refresh token of \"other\": ") && one.contains("damaged")),
        "{left:?}"
    );
    let (sealed, ..) = walk(&engine, Walk::Count).await;
    assert_eq!(sealed, BTreeMap::from([(key(NEW), count - 1), (key(OLD), 1)]));
    let stays = world.named("other").await.grant.unwrap().tokens.refresh_token.unwrap().sealed;
    assert_eq!(stays.as_bytes(), bytes);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_the_journal_goes_into_the_store_first() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.connected().await;
    let fails = super::faulty_store::Fault::Refused;
    store.finish.lock().unwrap().extend(std::iter::repeat_n(fails, 100_000));
    engine.refresh(&shop()).await.unwrap_err();
    drop(engine);
    let engine = node_with(&world, &[OLD, NEW]).await;
    switch(&world, &[&engine]).await;
    assert_eq!(engine.walk_journals().await.unwrap(), 1, "the store does not take it");
    store.finish.lock().unwrap().clear();
    assert_eq!(engine.walk_journals().await.unwrap(), 0);
    assert_eq!(world.shop().await.generation(), 2);
    walk(&engine, Walk::Reseal).await;
    let alone = node_with(&world, &[NEW]).await;
    assert_eq!(alone.refresh(&shop()).await.unwrap().generation, 3);
    assert_eq!(world.reuses(), 0);
}
