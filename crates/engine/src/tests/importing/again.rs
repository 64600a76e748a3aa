//! What was imported before is imported again.

use proptest::prelude::*;
use vestal_core::connection::Connection;
use vestal_core::store::Filter;

use super::*;

#[tokio::test(start_paused = true)]
async fn the_same_again_changes_nothing_however_often_it_was_refreshed_since() {
    let (world, engine) = world().await;
    let token = elsewhere(&world, &engine).await;
    import(&engine, new("shop", token.clone()), false).await.unwrap();
    world.serve(&engine, 3 * DAY).await;
    let before = world.shop().await;
    assert!(before.generation() >= 4 && before.state == State::Active, "{before:?}");
    for replace in [false, true] {
        let again = import(&engine, new("shop", token.clone()), replace).await;
        assert_eq!(again.unwrap(), Imported::AlreadyThere, "a dead token must not replace a living one");
    }
    assert_eq!(world.shop().await, before);

    let other = import(&engine, new("shop", "another"), false).await;
    assert_eq!(other.unwrap(), Imported::HasAnother);
    assert_eq!(world.shop().await, before);
    assert_eq!(import(&engine, new("shop", "another"), true).await.unwrap(), Imported::Replaced);
    let after = world.shop().await;
    assert!(matches!(after.state, State::Unverified { .. }) && after.generation() > before.generation());
    assert_eq!((after.id, after.created_at), (before.id, before.created_at));
}

/// All that is stored of all connections.
async fn everything(engine: &Engine) -> Vec<Connection> {
    engine.store().connections(&Filter::default(), None, 1_000).await.unwrap().connections
}

fn any_new() -> impl Strategy<Value = NewConnection> {
    let few = |names: &'static [&'static str]| prop::sample::select(names);
    let id = prop::option::of(few(&["1", "2"]));
    let which = (few(&["sandbox", "other", "nobody"]), few(&["a", "b", "c", "d"]), id);
    (which, few(&["", "rt-1", "rt-2", "rt-3"]), any::<bool>()).prop_map(
        |((client, name, id), token, paused)| NewConnection {
            client: client.to_owned(),
            external_id: id.map(str::to_owned),
            refresh_token: (!token.is_empty()).then(|| token.into()),
            paused,
            ..new(name, "")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Also in pieces, as where it was killed in between: whatever the lines are, and however they contradict each other.
    #[test]
    fn to_import_again_changes_nothing(
        lines in prop::collection::vec(any_new(), 1..24),
        cut in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (_world, engine) = world().await;
            let other = crate::NewClient { name: "other".into(), ..client() };
            engine.add_client(other).await.unwrap();
            let killed_at = cut.index(lines.len());
            engine.import(lines[..killed_at].to_vec(), false, &Holders::default()).await.unwrap();
            let first = engine.import(lines.clone(), false, &Holders::default()).await.unwrap();
            let stored = everything(&engine).await;
            let added = first.iter().filter(|outcome| matches!(outcome, Ok(Imported::Added))).count();
            prop_assert!(added <= stored.len());
            let again = engine.import(lines.clone(), false, &Holders::default()).await.unwrap();
            for (first, again) in first.iter().zip(&again) {
                prop_assert!(!matches!(again, Ok(Imported::Added | Imported::Replaced)), "{again:?}");
                // What was skipped for another reason may be told of as a twin of what came after it.
                let is_twin = matches!(first, Ok(Imported::HasAnother))
                    && again.as_ref().is_err_and(|error| error.to_string().contains("has this token already"));
                prop_assert!(is_twin || first.is_err() == again.is_err(), "{:?} {:?}", first, again);
            }
            prop_assert_eq!(everything(&engine).await, stored);
            Ok(())
        })?;
    }
}
