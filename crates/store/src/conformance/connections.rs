use std::collections::BTreeMap;
use std::sync::Arc;

use vestal_core::connection::{Connection, Policy};
use vestal_core::schedule::Plan;
use vestal_core::state::{Cause, Failing, OutcomeUnknown, Reason, State};
use vestal_core::store::{
    Add, AddImport, Authorization, Brought, Filter, Finished, Holder, Import, Renewed, StoreError, Update,
    Write,
};
use vestal_core::token::{Candidate, CandidateAnswer, Grant, Renewal, TokenSet, WhyCandidate};

use super::data::*;
use super::{ManualClock, Subject};

pub async fn a_connection_reads_back_as_it_was_added(store: Arc<dyn Subject>, _: &ManualClock) {
    store.add_client(&client(1)).await.unwrap();
    let full = Connection {
        revision: 17,
        external_id: Some("الحساب 1".to_owned()),
        policy: Policy::OnDemand,
        last_read_at: Some(at(-5)),
        plan: Plan { due_at: Some(at(10)), dies_at: Some(at(20)), warned_at: Some(at(15)) },
        ..connection(1)
    };
    let bare_tokens = TokenSet {
        expires_at: None,
        scope: None,
        refresh_token: None,
        id_token: None,
        extra: None,
        ..tokens(1)
    };
    let bare = Connection {
        name: "متجر 🏪 / wide".parse().unwrap(),
        tags: BTreeMap::new(),
        grant: Some(Grant {
            renewal: Renewal::ClientCredentials,
            means: None,
            tokens: bare_tokens,
            ..grant(2, 1)
        }),
        ..connection(2)
    };
    let pending = Connection { state: State::Pending, grant: None, ..connection(3) };
    for connection in [full, bare, pending] {
        assert_eq!(store.add_connection(&connection, &[event(connection.id, 1)]).await.unwrap(), Add::Done);
        let expected = Some(Connection { revision: 1, ..connection.clone() });
        assert_eq!(store.connection(connection.id).await.unwrap(), expected);
        assert_eq!(store.connection_named(&connection.name).await.unwrap(), expected);
        assert_eq!(store.events(Some(connection.id), 0, 10).await.unwrap().len(), 1);
    }
    assert_eq!(store.connection(connection_id(9)).await.unwrap(), None);
    assert_eq!(store.connection_named(&"nobody".parse().unwrap()).await.unwrap(), None);
}

pub async fn several_are_read_at_once(store: Arc<dyn Subject>, clock: &ManualClock) {
    let mut all = Vec::new();
    for n in 1..=3 {
        all.push(added(&store, &connection(n)).await);
    }
    all[1] = begun(&store, &all[1], 1).await;
    clock.advance(LEASE);
    all[1] = read(&store, all[1].id).await;
    let ids = [all[2].id, connection_id(9), all[1].id, all[0].id];
    let mut found = store.connections_by_id(&ids).await.unwrap();
    found.sort_by_key(|connection| connection.id);
    assert_eq!(found, all);
    assert_eq!(store.connections_by_id(&[]).await.unwrap(), []);
}

pub async fn names_and_external_ids_are_unique(store: Arc<dyn Subject>, _: &ManualClock) {
    let first = Connection { external_id: Some("shop".to_owned()), ..connection(1) };
    added(&store, &first).await;
    store.add_client(&client(2)).await.unwrap();
    let same_name = Connection { name: first.name.clone(), ..connection(2) };
    let same_external_id = Connection { external_id: Some("shop".to_owned()), ..connection(2) };
    let same_id = Connection { name: "another".parse().unwrap(), grant: None, ..first.clone() };
    for taken in [same_name, same_external_id.clone(), same_id] {
        assert_eq!(store.add_connection(&taken, &[event(first.id, 1)]).await.unwrap(), Add::Taken);
    }
    assert_eq!(read(&store, first.id).await, first);
    assert_eq!(store.events(None, 0, 10).await.unwrap(), [], "what was not added has no history");

    let other_client = Connection { client: client_id(2), ..same_external_id };
    assert_eq!(store.add_connection(&other_client, &[]).await.unwrap(), Add::Done);
}

pub async fn one_is_found_by_its_external_id(store: Arc<dyn Subject>, _: &ManualClock) {
    let shop = added(&store, &Connection { external_id: Some("a 1".to_owned()), ..connection(1) }).await;
    store.add_client(&client(2)).await.unwrap();
    let elsewhere = Connection { client: client_id(2), external_id: Some("a 1".to_owned()), ..connection(2) };
    assert_eq!(store.add_connection(&elsewhere, &[]).await.unwrap(), Add::Done);
    store.add_connection(&connection(3), &[]).await.unwrap();
    let found = async |client, id: &str| store.connection_with_external_id(client, id).await.unwrap();
    assert_eq!(found(client_id(1), "a 1").await, Some(shop));
    assert_eq!(found(client_id(2), "a 1").await.map(|found| found.id), Some(elsewhere.id));
    assert_eq!(found(client_id(1), "A 1").await, None);
    assert_eq!(found(client_id(1), "").await, None);
}

pub async fn several_are_imported_at_once(store: Arc<dyn Subject>, _: &ManualClock) {
    let import = |n: u128, connection: Connection| Import {
        events: vec![event(connection_id(n), 1)],
        connection: Connection { id: connection_id(n), ..connection },
    };
    let first = Connection { external_id: Some("shop".to_owned()), ..connection(1) };
    let bare = TokenSet { access_token: None, expires_at: None, ..tokens(1) };
    let without_access_token = Connection {
        state: State::Paused { prior: Box::new(UNVERIFIED) },
        grant: Some(Grant { tokens: bare, ..grant(2, 1) }),
        ..connection(2)
    };
    let nowhere = store.import_connections(vec![import(1, first.clone())]).await;
    assert!(matches!(nowhere, Err(StoreError::Corrupt { .. })), "there is no client: {nowhere:?}");
    store.add_client(&client(1)).await.unwrap();
    let imports = vec![
        import(1, first.clone()),
        import(2, without_access_token.clone()),
        import(3, Connection { name: first.name.clone(), ..connection(3) }),
        import(4, Connection { external_id: Some("shop".to_owned()), ..connection(4) }),
        import(5, connection(5)),
    ];
    let (done, taken) = (|| AddImport::Done, || AddImport::Taken);
    let held = |n: u128| AddImport::Held(connection(n).name);
    assert_eq!(
        store.import_connections(imports.clone()).await.unwrap(),
        [done(), done(), taken(), taken(), done()],
        "also where both are in one import"
    );
    for added in [&first, &without_access_token] {
        assert_eq!(read(&store, added.id).await, *added);
        assert_eq!(store.events(Some(added.id), 0, 10).await.unwrap().len(), 1);
    }
    assert_eq!(
        store.import_connections(imports).await.unwrap(),
        [held(1), held(2), taken(), taken(), held(5)],
        "the same again"
    );
    let twins = [(8, 2), (9, 9), (10, 9)];
    let twins = twins.map(|(n, same)| import(n, Connection { grant: Some(grant(same, 1)), ..connection(n) }));
    assert_eq!(store.import_connections(twins.to_vec()).await.unwrap(), [held(2), done(), held(9)]);
    let holder = async |n| store.connection_with_grant(grant_id(n)).await.unwrap().map(|found| found.id);
    assert_eq!((holder(2).await, holder(10).await), (Some(connection_id(2)), None));
    assert!(store.remove_connection(connection_id(9)).await.unwrap());
    assert_eq!(holder(9).await, None);

    let held = |n: u128| Holder {
        connection: connection_id(n),
        grant: grant_id(n),
        token: tokens(1).refresh_token.unwrap().fingerprint,
    };
    let holders = async |after, limit| store.refresh_tokens(after, limit).await.unwrap();
    assert_eq!(holders(None, 10).await, [held(1), held(2), held(5)]);
    assert_eq!(holders(Some(connection_id(1)), 1).await, [held(2)]);
    assert_eq!(holders(Some(connection_id(5)), 10).await, []);
    assert_eq!(store.events(None, 0, 10).await.unwrap().len(), 3);

    let stray = Connection { client: client_id(9), ..connection(7) };
    let all_or_none = vec![import(6, connection(6)), import(7, stray)];
    let refused = store.import_connections(all_or_none).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert_eq!(store.connection(connection_id(6)).await.unwrap(), None);
}

pub async fn connections_are_listed_by_tag(store: Arc<dyn Subject>, _: &ManualClock) {
    store.add_client(&client(1)).await.unwrap();
    let tags = |tags: &[(&str, &str)]| {
        tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
    };
    for (n, state, tags) in [
        (1, State::Active, tags(&[("batch", "7"), ("it's \"odd\"", "a.b")])),
        (2, UNVERIFIED, tags(&[("batch", "7")])),
        (3, State::Active, tags(&[("batch", "77"), ("other", "7")])),
        (4, State::Active, tags(&[])),
    ] {
        store.add_connection(&Connection { state, tags, ..connection(n) }, &[]).await.unwrap();
    }
    let listed = async |name: &str, value: &str, state: Option<&str>| {
        let tag = Some((name.to_owned(), value.to_owned()));
        let filter = Filter { client: None, state: state.map(str::to_owned), tag };
        let found = store.connections(&filter, None, 10).await.unwrap().connections;
        found.iter().map(|found| found.name.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(listed("batch", "7", None).await, "connection-1 connection-2");
    assert_eq!(listed("batch", "7", Some("active")).await, "connection-1");
    assert_eq!(listed("it's \"odd\"", "a.b", None).await, "connection-1");
    assert_eq!(listed("batch", "", None).await, "");
}

pub async fn the_client_must_be_there(store: Arc<dyn Subject>, _: &ManualClock) {
    let refused = store.add_connection(&connection(1), &[]).await;
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
    assert_eq!(store.connection(connection_id(1)).await.unwrap(), None);
}

pub async fn every_state_reads_back(store: Arc<dyn Subject>, _: &ManualClock) {
    let detail = || "\"said\" so\n".to_owned();
    let failing = |cause| State::Failing(Failing { cause, since: at(1), tries: 3, next: at(9) });
    let unknown = Cause::OutcomeUnknown(Box::new(OutcomeUnknown {
        attempt: attempt_id(1),
        sent_at: at(1),
        hold_until: at(8),
        detail: "timed out".into(),
        last: Some("no route".into()),
        untried: true,
        lost_at: None,
        rejected: false,
        client_refused: false,
    }));
    let dead = State::NeedsReauth { reason: Reason::InvalidGrant { detail: detail() }, since: at(1) };
    let mut current = added(&store, &connection(1)).await;
    for state in [
        State::Pending,
        UNVERIFIED,
        State::Active,
        failing(Cause::Transient { detail: detail() }),
        failing(Cause::Client { detail: detail() }),
        failing(Cause::Refused { detail: detail() }),
        failing(Cause::Doubted { detail: detail() }),
        failing(unknown.clone()),
        dead.clone(),
        State::NeedsReauth {
            reason: Reason::OutcomeUnknown {
                attempt: attempt_id(1),
                detail: "timed out; then: invalid_grant".into(),
            },
            since: at(1),
        },
        State::NeedsReauth { reason: Reason::NothingToRenewWith, since: at(1) },
        State::Paused { prior: Box::new(failing(unknown)) },
        State::Paused { prior: Box::new(dead) },
        State::Disconnecting,
    ] {
        let update = Update { state: state.clone(), ..update(&current) };
        assert_eq!(store.update_connection(&update).await.unwrap(), Write::Done);
        current = read(&store, current.id).await;
        assert_eq!(current.state, state);
    }
}

pub async fn connections_are_listed_by_name(store: Arc<dyn Subject>, _: &ManualClock) {
    store.add_client(&client(1)).await.unwrap();
    store.add_client(&client(2)).await.unwrap();
    for (n, name, client, state) in [
        (1, "b", 1, State::Active),
        (2, "a", 2, State::Active),
        (3, "é", 1, UNVERIFIED),
        (4, "B", 2, UNVERIFIED),
        (5, "c", 1, State::Active),
    ] {
        let client = client_id(client);
        let connection = Connection { name: name.parse().unwrap(), client, state, ..connection(n) };
        assert_eq!(store.add_connection(&connection, &[]).await.unwrap(), Add::Done);
    }
    let names = async |client: Option<u128>, state: Option<&str>, after: Option<&str>, limit| {
        let filter = Filter { client: client.map(client_id), state: state.map(str::to_owned), tag: None };
        let after = after.map(|name| name.parse().unwrap());
        let found = store.connections(&filter, after.as_ref(), limit).await.unwrap();
        assert!(found.damaged.is_empty());
        let names: Vec<_> = found.connections.iter().map(|connection| connection.name.to_string()).collect();
        let full = names.len() == limit as usize;
        assert_eq!(found.next.map(|next| next.to_string()), names.last().filter(|_| full).cloned());
        names.join(" ")
    };
    assert_eq!(names(None, None, None, 10).await, "B a b c é", "in the order of their bytes");
    assert_eq!(names(None, None, None, 2).await, "B a");
    assert_eq!(names(None, None, Some("a"), 2).await, "b c");
    assert_eq!(names(None, None, Some("bb"), 10).await, "c é", "from a name that is gone");
    assert_eq!(names(Some(1), None, None, 10).await, "b c é");
    assert_eq!(names(None, Some("unverified"), None, 10).await, "B é");
    assert_eq!(names(Some(1), Some("active"), Some("b"), 10).await, "c");
    assert_eq!(names(Some(3), None, None, 10).await, "");
    assert_eq!(names(None, Some("nonsense"), None, 10).await, "");

    let counted = async |of: Option<u128>| store.count_states(of.map(|of| client(of).id)).await.unwrap();
    assert_eq!(counted(None).await, [("active".to_owned(), 3), ("unverified".to_owned(), 2)]);
    assert_eq!(counted(Some(1)).await, [("active".to_owned(), 2), ("unverified".to_owned(), 1)]);
    assert_eq!(counted(Some(3)).await, []);

    let sampled = async |of, limit| store.sample(client(of).id, limit).await.unwrap();
    let mut all = sampled(1, 10).await;
    all.sort();
    assert_eq!(all, [1, 3, 5].map(|n| connection(n).id));
    assert!(sampled(1, 2).await.iter().all(|id| all.contains(id)) && sampled(1, 2).await.len() == 2);
    assert_eq!(sampled(3, 10).await, []);
}

pub async fn removal_takes_all_that_belongs(store: Arc<dyn Subject>, _: &ManualClock) {
    let current = added(&store, &connection(1)).await;
    let current = refreshed(&store, &current, 1).await;
    let current = begun(&store, &current, 2).await;
    let candidate = Candidate {
        attempt: attempt_id(2),
        kept_at: at(0),
        why: WhyCandidate::Unreadable,
        sealed_for: Some((grant_id(1), 2)),
        answer: CandidateAnswer::Raw(sealed("raw")),
    };
    let finish = finish(&current, 2, Brought::Candidate(Box::new(candidate)));
    store.finish_attempt(&finish).await.unwrap();
    let current = begun(&store, &read(&store, current.id).await, 3).await;
    store.begin_authorization(&authorization(1)).await.unwrap();
    let change = Update { events: vec![event(current.id, 1)], ..update(&current) };
    store.update_connection(&change).await.unwrap();

    assert!(store.remove_connection(current.id).await.unwrap());
    assert_eq!(store.connection(current.id).await.unwrap(), None);
    assert_eq!(store.connection_named(&current.name).await.unwrap(), None);
    assert_eq!(store.token_sets(current.id).await, []);
    assert_eq!(store.candidates(current.id, 10).await.unwrap(), []);
    assert_eq!(store.events(None, 0, 10).await.unwrap(), []);
    for n in [1, 2, 3] {
        assert_eq!(store.attempt(attempt_id(n)).await.unwrap(), None);
    }
    assert_eq!(store.take_authorization(&[1; 32], START).await.unwrap(), None);
    assert!(!store.remove_connection(current.id).await.unwrap());
    assert_eq!(store.add_connection(&connection(1), &[]).await.unwrap(), Add::Done, "the name is free again");
}

pub async fn nothing_happens_to_what_is_gone(store: Arc<dyn Subject>, _: &ManualClock) {
    let gone = added(&store, &connection(1)).await;
    store.remove_connection(gone.id).await.unwrap();
    assert_eq!(store.update_connection(&update(&gone)).await.unwrap(), Write::Gone);
    assert_eq!(store.begin_attempt(&begin(&gone, 1)).await.unwrap(), Write::Gone);
    assert_eq!(store.finish_attempt(&finish(&gone, 1, Brought::Nothing)).await.unwrap(), Finished::Gone);
    assert_eq!(store.renew_lease(attempt_id(1), LEASE).await.unwrap(), Renewed::Lost);
}

/// An authorization of connection 1 that expires at second 600.
pub(super) fn authorization(n: u8) -> Authorization {
    Authorization {
        state_hash: [n; 32],
        connection: connection_id(1),
        client: client_id(1),
        endpoints: endpoints(),
        site: [("shop".to_owned(), "acme".to_owned())].into(),
        redirect_uri: "http://localhost:8724/callback".parse().unwrap(),
        scopes: vec!["a b".to_owned()],
        code_verifier: sealed("verifier"),
        created_at: at(0),
        expires_at: at(600),
    }
}
