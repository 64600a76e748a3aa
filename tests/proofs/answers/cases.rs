//! What can come back from a token endpoint, and what it must come to.

use std::time::Duration;

use super::bytes::{chunk, head, json, page, tokens, with_body};
use super::lost::{lost_by_status, lost_in_the_body, lost_on_the_way};

/// What an answer consists of.
pub(in crate::proofs) type Answer = Vec<Step>;

#[derive(Clone, Debug)]
pub(in crate::proofs) enum Step {
    Bytes(Vec<u8>),
    /// Text in which `{origin}` stands for the server itself.
    To(String),
    Pause(Duration),
    Drip {
        bytes: Vec<u8>,
        every: Duration,
    },
    /// Again and again, gigabytes of it.
    Endless(Vec<u8>),
    /// Nothing, until the other side hangs up.
    Silence,
    /// The connection is reset, rather than closed.
    Reset,
}

/// The tokens that an answer is about.
pub(super) struct Issued {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The answer is taken.
    Taken,
    /// It is tried again at once, and that works.
    TriedAgain,
    /// It is failing with one of these causes, until the provider behaves.
    Passes(&'static [&'static str]),
    /// The grant is dead, and that is what is told.
    Dies,
}

pub(super) struct Case {
    pub(super) name: String,
    /// Where it was met, or which row of the table of classes it belongs to.
    pub(super) source: &'static str,
    pub(super) profile: &'static str,
    /// Whether the provider rotates when it answers this.
    pub(super) rotates: bool,
    /// Whether the answer brings an access token, and leaves the refresh token as it is.
    pub(super) keeps_refresh_token: bool,
    /// Whether the provider ends the grant when it answers this.
    pub(super) dies: bool,
    /// For how long a refresh token that was used may be used again.
    pub(super) grace: Duration,
    pub(super) then: Then,
    pub(super) answer: Box<dyn Fn(&Issued) -> Answer + Send + Sync>,
}

/// The profile of this provider says: 30 seconds, and reuse is punished after that.
const WITH_GRACE: (&str, Duration) = ("okta", Duration::from_secs(30));
/// Of this one nothing is known.
const UNKNOWN: (&str, Duration) = ("custom", Duration::ZERO);

const TRANSIENT: Then = Then::Passes(&["transient"]);
const REFUSED: Then = Then::Passes(&["refused"]);
const CLIENT: Then = Then::Passes(&["client"]);
const LOST: Then = Then::Passes(&["outcome_unknown"]);

/// All that are tried.
#[derive(Default)]
pub(super) struct Table(Vec<Case>);

impl Table {
    fn add(
        &mut self,
        name: &str,
        source: &'static str,
        (profile, grace): (&'static str, Duration),
        then: Then,
        answer: impl Fn(&Issued) -> Answer + Send + Sync + 'static,
    ) -> &mut Case {
        self.0.push(Case {
            name: name.to_owned(),
            source,
            profile,
            rotates: false,
            keeps_refresh_token: false,
            dies: false,
            grace,
            then,
            answer: Box::new(answer),
        });
        self.0.last_mut().unwrap()
    }

    /// A token set in an unusual shape. The refresh token that it brings is the good one from now on, at a provider
    /// that forgives nothing.
    fn taken(
        &mut self,
        name: &str,
        source: &'static str,
        answer: impl Fn(&Issued) -> Answer + Send + Sync + 'static,
    ) {
        self.add(name, source, UNKNOWN, Then::Taken, answer).rotates = true;
    }

    /// A token set without a refresh token: the one before stays good.
    fn kept(
        &mut self,
        name: &str,
        source: &'static str,
        answer: impl Fn(&Issued) -> Answer + Send + Sync + 'static,
    ) {
        self.add(name, source, UNKNOWN, Then::Taken, answer).keeps_refresh_token = true;
    }

    /// An answer that provably changed nothing.
    fn passes(
        &mut self,
        name: &str,
        source: &'static str,
        then: Then,
        answer: impl Fn(&Issued) -> Answer + Send + Sync + 'static,
    ) {
        self.add(name, source, UNKNOWN, then, answer);
    }

    /// An answer behind which the provider may have rotated: it did, at one with a known grace; it did not, at one of
    /// which nothing is known, where one more try finds that out at once.
    pub(super) fn ambiguous(
        &mut self,
        name: &str,
        source: &'static str,
        answer: impl Fn(&Issued) -> Answer + Clone + Send + Sync + 'static,
    ) {
        self.add(name, source, WITH_GRACE, LOST, answer.clone()).rotates = true;
        self.add(&format!("{name}, and nothing was done"), source, UNKNOWN, Then::TriedAgain, answer);
    }

    /// An answer that ends the grant.
    fn dies(
        &mut self,
        name: &str,
        source: &'static str,
        answer: impl Fn(&Issued) -> Answer + Send + Sync + 'static,
    ) {
        self.add(name, source, UNKNOWN, Then::Dies, answer).dies = true;
    }
}

/// Every case.
pub(super) fn all() -> Vec<Case> {
    let mut table = Table::default();
    token_sets(&mut table);
    unprocessed(&mut table);
    refusals(&mut table);
    deaths(&mut table);
    lost_in_the_body(&mut table);
    lost_by_status(&mut table);
    lost_on_the_way(&mut table);
    table.0
}

/// Everything that is a token set all the same.
fn token_sets(table: &mut Table) {
    const SHAPE: &str = "table: token set";
    const PICKY: &str = "pizauth rejects it";
    table.taken("an answer as it should be", SHAPE, |issued| json("200 OK", &tokens(issued, "")));
    for (name, source, more) in [
        ("token_type bearer in lower case", PICKY, r#","token_type":"bearer","expires_in":3600"#),
        ("no token_type", SHAPE, r#","expires_in":3600"#),
        ("no expires_in", PICKY, r#","token_type":"Bearer""#),
        ("expires_in as a string", SHAPE, r#","token_type":"Bearer","expires_in":"3600""#),
        ("expires_in 0", SHAPE, r#","token_type":"Bearer","expires_in":0"#),
        ("expires_in negative", SHAPE, r#","token_type":"Bearer","expires_in":-1"#),
        ("expires_in huge", SHAPE, r#","token_type":"Bearer","expires_in":18446744073709551615"#),
        ("expires_in beyond any number", SHAPE, r#","token_type":"Bearer","expires_in":1e400"#),
        ("expires_in null", SHAPE, r#","token_type":"Bearer","expires_in":null"#),
        ("expires_in an object", SHAPE, r#","token_type":"Bearer","expires_in":{"seconds":3600}"#),
        ("half a surrogate pair in a field", SHAPE, r#","expires_in":3600,"name":"\ud800""#),
        (
            "unknown fields",
            SHAPE,
            r#","expires_in":3600,"instance_url":"https://eu.example","x":[1,{"y":null}]"#,
        ),
    ] {
        table.taken(name, source, move |issued| json("200 OK", &tokens(issued, more)));
    }
    table.taken("nested too deep", SHAPE, |issued| {
        let deep = format!(r#","x":{}{}"#, "[".repeat(10_000), "]".repeat(10_000));
        json("200 OK", &tokens(issued, &deep))
    });
    table.taken("a byte order mark first", SHAPE, |issued| {
        json("200 OK", &format!("\u{feff}{}", tokens(issued, "")))
    });
    table.taken("called HTML", SHAPE, |issued| page("200 OK", &tokens(issued, "")));
    table.taken("a form, as GitHub's", SHAPE, |issued| {
        let Issued { access, refresh } = issued;
        let form = format!("access_token={access}&token_type=bearer&refresh_token={refresh}");
        with_body("200 OK", "Content-Type: application/x-www-form-urlencoded\r\n", form.as_bytes())
    });
    table.taken("201 Created", SHAPE, |issued| json("201 Created", &tokens(issued, "")));
    table.taken("in chunks", SHAPE, |issued| {
        let body = tokens(issued, "");
        let chunks: String =
            body.as_bytes().chunks(7).map(|part| chunk(str::from_utf8(part).unwrap())).collect();
        vec![Step::Bytes(
            format!("{}{chunks}0\r\nX-Trailer: 1\r\n\r\n", head("200 OK", "Transfer-Encoding: chunked\r\n"))
                .into(),
        )]
    });
    table.taken("in chunks, of which the last one is missing", "table: truncated", |issued| {
        let head = head("200 OK", "Transfer-Encoding: chunked\r\n");
        vec![Step::Bytes(format!("{head}{}", chunk(&tokens(issued, ""))).into())]
    });
    table.taken("a content-length that is too long", "table: truncated", |issued| {
        let head = head("200 OK", "Content-Length: 5000\r\n");
        vec![Step::Bytes(format!("{head}{}", tokens(issued, "")).into())]
    });
    table.taken("no length at all", SHAPE, |issued| {
        vec![Step::Bytes(format!("{}{}", head("200 OK", "Connection: close\r\n"), tokens(issued, "")).into())]
    });
    table.taken("HTTP/1.0", SHAPE, |issued| {
        vec![Step::Bytes(format!("HTTP/1.0 200 OK\r\n\r\n{}", tokens(issued, "")).into())]
    });
    table.taken("100 Continue first", SHAPE, |issued| {
        let mut answer = vec![Step::Bytes(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())];
        answer.extend(json("200 OK", &tokens(issued, "")));
        answer
    });
    table.taken("103 Early Hints first", SHAPE, |issued| {
        let mut answer = vec![Step::Bytes(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_vec())];
        answer.extend(json("200 OK", &tokens(issued, "")));
        answer
    });
    table.taken("two answers on one connection", SHAPE, |issued| {
        let mut answer = json("200 OK", &tokens(issued, ""));
        answer.extend(json("400 Bad Request", r#"{"error":"invalid_grant"}"#));
        answer
    });
    table.taken("a byte at a time", SHAPE, |issued| {
        let Some(Step::Bytes(bytes)) = json("200 OK", &tokens(issued, "")).pop() else { unreachable!() };
        vec![Step::Drip { bytes, every: Duration::from_millis(2) }]
    });
    for (name, refresh_token) in [
        ("no refresh token", ""),
        ("refresh token null", r#","refresh_token":null"#),
        ("refresh token empty", r#","refresh_token":"""#),
    ] {
        table.kept(name, "table: a missing, null or empty one keeps the old one", move |issued| {
            let access = &issued.access;
            json("200 OK", &format!(r#"{{"access_token":"{access}","expires_in":3600{refresh_token}}}"#))
        });
    }
}

/// Everything that never reached the token endpoint, or was turned away before it did anything.
fn unprocessed(table: &mut Table) {
    const GATE: &str = "table: 429, 503, a WAF's 403";
    for (name, source, status) in [
        ("a firewall's 403", "pizauth throws the token away", "403 Forbidden"),
        ("a proxy's 407", GATE, "407 Proxy Authentication Required"),
        ("a page with 401", GATE, "401 Unauthorized"),
        ("421", GATE, "421 Misdirected Request"),
        ("425", GATE, "425 Too Early"),
        ("451", GATE, "451 Unavailable For Legal Reasons"),
        ("429 and a page", GATE, "429 Too Many Requests"),
        ("503 and a page", "Nango: ends as invalid_grant does", "503 Service Unavailable"),
    ] {
        table.passes(name, source, TRANSIENT, move |_| page(status, "<html><h1>Wait</h1></html>"));
    }
    for (name, header) in [
        ("429, retry after seconds", "Retry-After: 1\r\n"),
        ("429, retry after a date", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        ("429, retry after a date far away", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n"),
        ("429, retry after nonsense", "Retry-After: soon\r\n"),
    ] {
        table.passes(name, GATE, TRANSIENT, move |_| {
            with_body("429 Too Many Requests", header, br#"{"error":"rate_limited"}"#)
        });
    }
    table.passes("503, retry after seconds, without a body", GATE, TRANSIENT, |_| {
        with_body("503 Service Unavailable", "Retry-After: 1\r\n", b"")
    });
    for (name, status, body) in [
        ("temporarily_unavailable", "400 Bad Request", r#"{"error":"temporarily_unavailable"}"#),
        ("temporarily_unavailable with 200", "200 OK", r#"{"error":"temporarily_unavailable"}"#),
        ("slow_down", "400 Bad Request", r#"{"error":"slow_down"}"#),
    ] {
        table.passes(name, GATE, TRANSIENT, move |_| json(status, body));
    }
}

/// Everything that the provider refused for a reason that says nothing about the grant.
fn refusals(table: &mut Table) {
    const CODES: &str = "table: unauthorized_client, invalid_request, invalid_scope, unknown codes";
    const SECRET: &str = "Vault's plugin: a mistyped secret destroys grants";
    for (name, status) in [
        ("401 invalid_client", "401 Unauthorized"),
        ("400 invalid_client", "400 Bad Request"),
        ("200 invalid_client", "200 OK"),
    ] {
        table.passes(name, SECRET, CLIENT, move |_| json(status, r#"{"error":"invalid_client"}"#));
    }
    for (name, status, body) in [
        ("invalid_request", "400 Bad Request", r#"{"error":"invalid_request"}"#),
        ("unauthorized_client", "400 Bad Request", r#"{"error":"unauthorized_client"}"#),
        ("unsupported_grant_type", "400 Bad Request", r#"{"error":"unsupported_grant_type"}"#),
        ("invalid_scope", "400 Bad Request", r#"{"error":"invalid_scope"}"#),
        ("a code that nobody knows", "400 Bad Request", r#"{"error":"quota_of_moons"}"#),
        ("access_denied with 403", "403 Forbidden", r#"{"error":"access_denied"}"#),
        ("an error with 200", "200 OK", r#"{"error":"invalid_request"}"#),
        ("ok: false with 200, as Slack's", "200 OK", r#"{"ok":false,"error":"internal_hiccup"}"#),
    ] {
        // Whose fault it is may also be the client's, where it has no other connection.
        table.passes(name, CODES, Then::Passes(&["refused", "client"]), move |_| json(status, body));
    }
    const WIPES: &str = "an e-mail proxy clears its tokens on any 400";
    for (name, status, body) in [
        ("400 with JSON that is no OAuth", "400 Bad Request", r#"{"message":"Bad Request","code":400}"#),
        (
            "400 with a list, as Constant Contact's",
            "400 Bad Request",
            r#"[{"error_key":"contacts.api.bad"}]"#,
        ),
        ("400 with nothing", "400 Bad Request", ""),
        (
            "400 with an error that is an object",
            "400 Bad Request",
            r#"{"error":{"code":"invalid_grant_not"}}"#,
        ),
        ("404 with JSON", "404 Not Found", r#"{"message":"no such path"}"#),
    ] {
        table.passes(name, WIPES, REFUSED, move |_| json(status, body));
    }
    for (name, status) in [
        ("400 with a page", "400 Bad Request"),
        ("404 with a page", "404 Not Found"),
        ("405 with a page", "405 Method Not Allowed"),
    ] {
        table.passes(name, WIPES, REFUSED, move |_| page(status, "<html>invalid_grant</html>"));
    }
}

/// The only true deaths.
fn deaths(table: &mut Table) {
    const PERMANENT: &str = "table: invalid_grant in the body, whatever the status";
    for (name, status) in [
        ("invalid_grant", "400 Bad Request"),
        ("invalid_grant with 401", "401 Unauthorized"),
        ("invalid_grant with 403, as Atlassian's", "403 Forbidden"),
        ("invalid_grant with 200", "200 OK"),
        ("invalid_grant with 500", "500 Internal Server Error"),
    ] {
        table.dies(name, PERMANENT, move |_| {
            json(status, r#"{"error":"invalid_grant","error_description":"Token is revoked"}"#)
        });
    }
}
