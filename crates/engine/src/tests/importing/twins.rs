//! One token, and several that want it; one connection, and several tokens for it.

use super::super::faulty_store::{Fault, FaultyStore};
use super::*;

#[tokio::test(start_paused = true)]
async fn no_two_connections_are_given_the_same_token() {
    let (world, engine) = world().await;
    let token = elsewhere(&world, &engine).await;
    let told = |outcome: &Result<Imported, Error>| outcome.as_ref().unwrap_err().to_string();
    let batch = vec![new("shop", token.clone()), new("twin", token.clone()), new("other", "another")];
    let outcomes = engine.import(batch, false, &Holders::default()).await.unwrap();
    assert!(told(&outcomes[1]).contains("\"shop\" has this token already"), "{outcomes:?}");
    assert!(matches!((&outcomes[0], &outcomes[2]), (Ok(Imported::Added), Ok(Imported::Added))));

    world.serve(&engine, 3 * DAY).await;
    assert!(world.shop().await.generation() >= 4, "it is another token by now");
    for replace in [false, true] {
        for name in ["twin", "other"] {
            let refused = import(&engine, new(name, token.clone()), replace).await;
            assert!(told(&refused).contains("\"shop\" has this token already"), "{refused:?}");
        }
    }
    assert_eq!(import(&engine, new("shop", token), true).await.unwrap(), Imported::AlreadyThere);
    assert_eq!(world.store.connection_named(&"twin".parse().unwrap()).await.unwrap(), None);

    // Nor where the token came with a consent, or was refreshed since: these are looked for once, before all.
    let client = engine.client_named("sandbox").await.unwrap();
    let current = engine.export(&world.shop().await, &client).await.unwrap().refresh_token.unwrap();
    let holders = engine.holders().await.unwrap();
    let batch = vec![new("twin", current.clone()), new("shop", current), new("one more", "rt")];
    let outcomes = engine.import(batch, true, &holders).await.unwrap();
    assert!(told(&outcomes[0]).contains("\"shop\" has this token already"), "{outcomes:?}");
    assert!(matches!((&outcomes[1], &outcomes[2]), (Ok(Imported::AlreadyThere), Ok(Imported::Added))));

    // What has no token cannot share one.
    let alone =
        |name| NewConnection { renewal: Renewal::ClientCredentials, refresh_token: None, ..new(name, "") };
    for expected in [Imported::Added, Imported::AlreadyThere] {
        for name in ["job-1", "job-2"] {
            assert_eq!(import(&engine, alone(name), false).await.unwrap(), expected, "{name}");
        }
    }
}

/// A world whose store can be slow, and two processes in it.
async fn two_processes() -> (World, std::sync::Arc<FaultyStore>, [Engine; 2]) {
    let (world, store) = World::faulty(&Behaviour::strict());
    let processes = [world.node(), world.node()];
    processes[0].add_client(client()).await.unwrap();
    (world, store, processes)
}

/// One imports while the other's write is on its way; returns what it came to for that one.
async fn overtaken(
    (slow, fast): (&Engine, &Engine),
    (late, first): (NewConnection, NewConnection),
    store: &FaultyStore,
) -> Result<Imported, Error> {
    store.update.lock().unwrap().push_back(Fault::Late(Duration::from_secs(1)));
    let importing = tokio::spawn({
        let slow = slow.clone();
        async move { import(&slow, late, true).await }
    });
    slow.inner.clock.sleep(Duration::from_millis(100)).await;
    assert_eq!(import(fast, first, true).await.unwrap(), Imported::Replaced);
    importing.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_that_replace_at_once_one_wins_and_the_other_says_so() {
    let (world, store, [one, other]) = two_processes().await;
    import(&one, new("shop", "rt-1"), false).await.unwrap();
    let both = (new("shop", "rt-2"), new("shop", "rt-3"));
    assert_eq!(overtaken((&one, &other), both, &store).await.unwrap(), Imported::Overtaken);
    let after = world.shop().await;
    assert_eq!(after.generation(), 2, "it was replaced once");
    let again = import(&other, new("shop", "rt-3"), true).await.unwrap();
    assert_eq!((again, world.shop().await), (Imported::AlreadyThere, after), "by the one that says so");
    assert_eq!(import(&one, new("shop", "rt-2"), true).await.unwrap(), Imported::Replaced, "later it may");
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_only_one_gives_a_token_to_its_connection() {
    let (world, store, [one, other]) = two_processes().await;
    for (name, token) in [("shop", "rt-1"), ("twin", "rt-2")] {
        import(&one, new(name, token), false).await.unwrap();
    }
    let both = (new("shop", "rt-3"), new("twin", "rt-3"));
    let refused = overtaken((&one, &other), both, &store).await.unwrap_err();
    assert!(refused.to_string().contains("\"twin\" has this token already"), "{refused}");
    assert_eq!((world.shop().await.generation(), world.named("twin").await.generation()), (1, 2));
}
