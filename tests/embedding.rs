//! `vestal` as a library, in the process of a Rust program, over the store that the binary uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use vestal::{Code, Keeper};
use vestal_sandbox::Settings;

use crate::harness::{Home, Kind, PATIENCE, Provider, Secret, page, until};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A connection, and a keeper of its store.
fn connected(adjust: impl FnOnce(&mut Settings)) -> (Home, Provider, Keeper) {
    let home = Home::new();
    let provider = Provider::start(home.record(), adjust);
    home.connect("shop", &provider);
    // This process has another user's environment than the binary has here: its configuration says where the store is.
    let config = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.config(), format!("{config}\n[store]\npath = {:?}\n", home.store())).unwrap();
    let keeper = Keeper::with_config(home.config()).unwrap();
    (home, provider, keeper)
}

#[test]
fn a_program_gets_the_tokens_that_commands_get() {
    let (home, provider, keeper) = connected(|_| {});
    runtime().block_on(async {
        let token = keeper.token("shop").await.unwrap();
        home.record().add_secret(Secret::new(Kind::AccessToken, token.expose().to_owned()));
        assert!(provider.accepts(token.expose()) && token.generation() == 1);
        assert!(token.expires_at().unwrap() > SystemTime::now() && token.token_type() == "Bearer");
        let header = token.authorization().unwrap();
        assert!(header.is_sensitive() && header.to_str().unwrap() == format!("Bearer {}", token.expose()));
        assert!(!format!("{keeper:?} {token:?}").contains(token.expose()), "nobody logs a token by mistake");

        // A command refreshes it meanwhile: whose token was rejected is given the newer one, and nothing is refreshed.
        tokio::task::block_in_place(|| home.vestal(&["refresh", "shop"]).ok());
        let newer = keeper.rejected("shop", &token).await.unwrap();
        assert_eq!((newer.generation(), provider.sandbox().stats().refreshes), (2, 1));

        let error = keeper.token("nobody").await.unwrap_err();
        assert!(error.code() == Code::Failed && error.to_string().contains("nobody"), "{error}");
        assert!(error.next().is_some(), "{error:?}");
        keeper.close().await;
    });
    home.vestal(&["token", "shop"]).ok();
}

#[test]
fn a_store_is_found_with_what_lies_beside_it() {
    let (home, provider, _) = connected(|_| {});
    let folder = home.path().join("together");
    std::fs::create_dir(&folder).unwrap();
    std::fs::rename(home.store(), folder.join("vestal.db")).unwrap();
    std::fs::copy(home.master_key(), folder.join("master.key")).unwrap();
    std::fs::write(folder.join("vestal.toml"), "").unwrap();
    let missing = Keeper::open(home.store()).unwrap_err();
    assert!(missing.why().unwrap().contains("there is no store at"), "{missing}");
    runtime().block_on(async {
        let keeper = Keeper::open(folder.join("vestal.db")).unwrap();
        assert!(provider.accepts(keeper.token_for("shop", Duration::from_secs(5)).await.unwrap().expose()));
        keeper.close().await;
    });
}

#[test]
fn a_program_may_be_the_daemon_too() {
    let (home, provider, _) = connected(|settings| settings.access_token_life_ms = 4_000);
    // What goes with a daemon: a heartbeat, a token file, and the work of a process that was killed.
    let beats = Arc::<AtomicUsize>::default();
    let beaten = Arc::clone(&beats);
    let watcher = page::server(move |_| {
        beaten.fetch_add(1, Ordering::Relaxed);
        ("200 OK", String::new())
    });
    let file = home.path().join("shop.token");
    let config = std::fs::read_to_string(home.config()).unwrap();
    let besides = format!("[heartbeat]\nurl = {watcher:?}\n[files]\nshop = {file:?}\n");
    std::fs::write(home.config(), config + &besides).unwrap();
    let killed = home.start(&["serve"]);
    let nodes = home.store().with_file_name("nodes");
    let nodes = || std::fs::read_dir(&nodes).map_or(0, Iterator::count);
    until("a daemon to show that it lives", || (nodes() == 1).then_some(()));
    drop(killed);
    let keeper = Keeper::with_config(home.config()).unwrap();
    let written = || std::fs::read_to_string(&file).unwrap_or_default();
    let mut is_up_to_date = false;
    runtime().block_on(async {
        keeper.token("shop").await.unwrap();
        // A token that is good at one moment may have ended at the next, on a machine that is busy.
        let enough = async {
            let deadline = tokio::time::Instant::now() + PATIENCE;
            while !is_up_to_date && tokio::time::Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(20)).await;
                is_up_to_date = beats.load(Ordering::Relaxed) >= 1
                    && provider.sandbox().stats().refreshes >= 3
                    && provider.accepts(written().trim())
                    // The one that was killed is gone.
                    && nodes() == 1;
            }
        };
        keeper.keep_alive(enough).await.unwrap();
        keeper.close().await;
    });
    std::fs::remove_file(&file).unwrap();
    assert!(
        is_up_to_date && nodes() == 0,
        "its heart beats, its file holds a good token after three refreshes, and nobody is left: {:?}",
        provider.sandbox().stats()
    );
    assert_eq!(provider.sandbox().stats().reuses, 0);
}

/// An API that takes some tokens. Returns its address.
#[cfg(feature = "reqwest-middleware")]
fn api(accepts: impl Fn(&str) -> bool + Send + 'static) -> String {
    page::server(move |head| {
        let status = match page::bearer(head) {
            Some(token) if accepts(token) => "200 OK",
            Some(_) => "401 Unauthorized",
            None => "403 Forbidden",
        };
        (status, String::new())
    })
}

#[cfg(feature = "reqwest-middleware")]
#[test]
fn requests_carry_the_token_to_the_api_and_nowhere_else() {
    use reqwest_middleware::{ClientBuilder, reqwest};

    let (home, provider, keeper) = connected(|_| {});
    let first = home.vestal(&["token", "shop"]).ok().stdout.trim().to_owned();
    home.record().add_secret(Secret::new(Kind::AccessToken, first.clone()));
    // A token that was just issued is not refreshed for being rejected.
    let (fresh, rejecting) = (first, api(|_| false));
    let (accepting, other) = (api(move |token| token == fresh), api(|_| true));
    runtime().block_on(async {
        let refused = vestal::Authorize::new(keeper.clone(), "shop", ["api.example.com"]).unwrap_err();
        assert!(refused.to_string().contains("https://api.example.com"), "{refused}");
        let layer = vestal::Authorize::new(keeper.clone(), "shop", [&*accepting, &*rejecting]).unwrap();
        let client = ClientBuilder::new(reqwest::Client::new()).with(layer).build();
        let status = async |url: &str| client.get(url).send().await.unwrap().status().as_u16();
        assert_eq!(status(&accepting).await, 200);
        assert_eq!(status(&other).await, 403, "others are sent no token");
        assert_eq!(status(&rejecting).await, 401, "what the API says is what there is to say");
        keeper.close().await;
    });
    assert_eq!(provider.sandbox().stats().refreshes, 0);
}

#[cfg(feature = "reqwest-middleware")]
#[test]
fn a_request_that_is_answered_401_is_sent_once_more_with_another_token() {
    use reqwest_middleware::{ClientBuilder, reqwest};

    let (home, provider, keeper) = connected(|_| {});
    let first = home.vestal(&["token", "shop"]).ok().stdout.trim().to_owned();
    home.record().add_secret(Secret::new(Kind::AccessToken, first.clone()));
    // Another process refreshes it while the request is under way, and the provider ends the old one with that.
    let refresh = std::sync::Mutex::new(home.command(&["refresh", "shop"]));
    let address = api(move |token| {
        let is_old = token == first;
        assert!(!is_old || refresh.lock().unwrap().output().unwrap().status.success());
        !is_old
    });
    runtime().block_on(async {
        let layer = vestal::Authorize::new(keeper.clone(), "shop", [&*address]).unwrap();
        let client = ClientBuilder::new(reqwest::Client::new()).with(layer).build();
        let answer = client.post(&address).body("a contact").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        keeper.close().await;
    });
    assert_eq!(provider.sandbox().stats().refreshes, 1);
}

#[cfg(feature = "reqwest-middleware")]
#[test]
fn only_the_api_itself_can_reject_a_token_and_may_do_so_whatever_was_sent_to_it() {
    use reqwest_middleware::{ClientBuilder, reqwest};

    let (home, _provider, keeper) = connected(|_| {});
    let token = "issued-an-hour-ago-and-never-renewed";
    home.record().add_secret(Secret::new(Kind::AccessToken, token.to_owned()));
    let client: serde_json::Value = home.vestal(&["client", "list", "--json"]).ok().json();
    let hour_ago = (SystemTime::now() - Duration::from_secs(3_600)).duration_since(SystemTime::UNIX_EPOCH);
    let line = serde_json::json!({
        "name": "fixed", "client": client[0]["name"], "renewal": "none", "access_token": token,
        "issued_at": hour_ago.unwrap().as_secs(),
    });
    home.vestal_reading(&["import", "--file", "-"], &line.to_string()).ok();

    let elsewhere = page::server(|head| {
        assert_eq!(page::bearer(head), None, "a token goes to nobody else");
        ("401 Unauthorized", String::new())
    });
    // A line of the head that follows the status.
    let redirect = &*format!("302 Found\r\nlocation: {elsewhere}").leak();
    let (moved, rejecting) = (page::server(move |_| (redirect, String::new())), api(|_| false));
    let state =
        || home.vestal(&["status", "fixed", "--json"]).ok().json::<serde_json::Value>()["state"].clone();
    let before = state();
    runtime().block_on(async {
        let layer = vestal::Authorize::new(keeper.clone(), "fixed", [&*moved, &*rejecting]).unwrap();
        let client = ClientBuilder::new(reqwest::Client::new()).with(layer).build();
        assert_eq!(client.get(&moved).send().await.unwrap().status(), 401);
        assert_eq!(tokio::task::block_in_place(state), before, "who was sent no token rejects none");

        // What another server answers, handed on: it is there once.
        let answer = reqwest::Client::new().get(&rejecting).send().await.unwrap();
        let posted = client.post(&rejecting).body(answer).send().await.unwrap();
        assert_eq!(posted.status(), 401);
        assert_eq!(tokio::task::block_in_place(state), "needs_reauth");
        keeper.close().await;
    });
}

#[cfg(feature = "reqwest-middleware")]
#[test]
fn the_example_forwards_what_the_api_says() {
    use crate::harness::Browser;

    let (home, provider, _) = connected(|_| {});
    let first = home.vestal(&["token", "shop"]).ok().stdout.trim().to_owned();
    home.record().add_secret(Secret::new(Kind::AccessToken, first.clone()));
    // As above: the first token ends while the request is under way.
    let refresh = std::sync::Mutex::new(home.command(&["refresh", "shop"]));
    let api = page::server(move |head| match page::bearer(head) {
        Some(token) if token == first => {
            assert!(refresh.lock().unwrap().output().unwrap().status.success());
            ("401 Unauthorized", String::new())
        }
        Some(_) => ("200 OK", format!("[{:?}]", page::path(head))),
        None => ("403 Forbidden", String::new()),
    });
    let mut example = home.example("axum", &["shop", &format!("{api}/contacts"), "127.0.0.1:0"]);
    let address = example.hear("where it listens", |said| {
        let line = said.lines().find(|_| said.ends_with('\n'))?;
        Some(line.strip_prefix("Listening on ")?.parse::<url::Url>().unwrap())
    });
    let answer = Browser::default().get(&address);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.body, "[\"/contacts\"]");
    assert_eq!(provider.sandbox().stats().refreshes, 1);
    home.vestal(&["disconnect", "shop", "--yes"]).ok();
    let answer = Browser::default().get(&address);
    assert!(answer.status == 500 && answer.body.contains("there is no connection"), "{}", answer.body);
    example.stop().ok();
}
