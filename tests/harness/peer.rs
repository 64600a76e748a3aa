//! The real `oidc-provider`, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::browser::get;
use super::record::{Kind, Record, Secret};

/// How long a peer may take to start, and how often it is started.
const START_WITHIN: Duration = Duration::from_secs(60);
const STARTS: usize = 3;

pub(crate) struct Peer {
    child: Child,
    pub(crate) issuer: String,
    clients: Value,
}

/// A registered client.
pub(crate) struct Registered {
    pub(crate) id: String,
    /// Empty for a public client.
    pub(crate) secret: String,
    /// Its method, as `client_secret_basic`.
    pub(crate) auth: String,
}

impl Peer {
    pub(crate) fn start(record: &Arc<Record>, settings: &Value) -> Self {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/peers/oidc-provider"));
        assert!(
            folder.join("node_modules").is_dir(),
            "the peer is not installed: run `cargo xtask test`, or `npm ci` in tests/peers/oidc-provider"
        );
        // Node 20 was seen to hang at its start, on a futex of its own: it is not what is tested here.
        let started = (0..STARTS).find_map(|_| started(&folder.join("server.mjs"), settings));
        let (child, ready) = started.expect("the peer says when it is ready");
        let ready: Value = serde_json::from_str(&ready).expect("the peer says what it is");
        let peer = Self {
            child,
            issuer: ready["issuer"].as_str().unwrap().to_owned(),
            clients: ready["clients"].clone(),
        };
        for name in ["basic", "post", "secret_jwt"] {
            record.add_secret(Secret::new(Kind::ClientSecret, peer.client(name).secret));
        }
        peer
    }

    /// A registered client, by the name that the peer has for it.
    pub(crate) fn client(&self, name: &str) -> Registered {
        let client = &self.clients[name];
        let text = |field: &str| client[field].as_str().unwrap_or_default().to_owned();
        Registered {
            id: text("client_id"),
            secret: text("client_secret"),
            auth: text("token_endpoint_auth_method"),
        }
    }

    /// Whether introspection would call this token active.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        let mut url = self.url("/_test/active");
        url.query_pairs_mut().append_pair("token", token);
        get(&url).json()["active"].as_bool().unwrap()
    }

    /// Whether a person who types this code in is asked, and consents.
    pub(crate) fn approve(&self, user_code: &str) -> bool {
        let mut url = self.url("/_test/approve");
        url.query_pairs_mut().append_pair("user_code", user_code);
        get(&url).status == 200
    }

    pub(crate) fn stats(&self) -> Value {
        get(&self.url("/_test/stats")).json()
    }

    fn url(&self, path: &str) -> Url {
        format!("{}{path}", self.issuer).parse().unwrap()
    }
}

/// A peer that has said its first line; none, where that did not come.
fn started(server: &Path, settings: &Value) -> Option<(Child, String)> {
    let mut child = Command::new("node")
        .arg(server)
        .arg(settings.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed");
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (say, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = stdout.read_line(&mut line).map(|_| say.send(line));
    });
    let ready = said.recv_timeout(START_WITHIN).ok().filter(|line| !line.is_empty());
    if ready.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    Some((child, ready?))
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
