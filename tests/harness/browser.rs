//! What a person's browser does: follows redirects and keeps cookies. HTTP/1.1, one request per connection.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use url::Url;

use super::PATIENCE;

/// More redirects than any sign-in takes.
const REDIRECTS: usize = 20;

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Fetches one page.
pub(crate) fn get(url: &Url) -> Answer {
    Browser::default().get(url)
}

/// Fetches one page with these lines in the request's head.
pub(crate) fn get_with(url: &Url, lines: &[&str]) -> Answer {
    Browser::default().get_with(url, lines)
}

/// Where a person is sent unless somebody wants it otherwise.
const REDIRECT_URI: &str = "http://localhost:8724/callback";

#[derive(Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Signs in and consents at a provider that asks no questions, up to the redirect to the client, which is not
    /// followed.
    #[track_caller]
    pub(crate) fn consent(&mut self, authorization: &Url) -> Url {
        let redirect_uri = authorization.query_pairs().find(|(key, _)| key == "redirect_uri");
        // A request that was pushed names none here.
        let redirect_uri = redirect_uri.map_or_else(|| REDIRECT_URI.to_owned(), |(_, uri)| uri.into_owned());
        let is_end = |url: &Url| match redirect_uri.contains("://") {
            true => url.as_str().starts_with(&redirect_uri),
            // What is named leads away from the provider.
            false => url.host() != authorization.host(),
        };
        let mut url = authorization.clone();
        for _ in 0..REDIRECTS {
            let answer = self.get(&url);
            let Some(location) = answer.header("location") else {
                panic!("{url} answered {} and did not redirect: {}", answer.status, answer.body);
            };
            url = url.join(location).unwrap();
            if is_end(&url) {
                return url;
            }
        }
        panic!("{REDIRECTS} redirects after {authorization} there is still no end")
    }

    pub(crate) fn get(&mut self, url: &Url) -> Answer {
        self.get_with(url, &[])
    }

    /// Sends a form, and follows no redirect.
    pub(crate) fn post(&mut self, url: &Url, form: &str) -> Answer {
        let length = format!("Content-Length: {}", form.len());
        self.ask("POST", url, &["Content-Type: application/x-www-form-urlencoded", &length], form)
    }

    fn get_with(&mut self, url: &Url, lines: &[&str]) -> Answer {
        self.ask("GET", url, lines, "")
    }

    fn ask(&mut self, method: &str, url: &Url, lines: &[&str], body: &str) -> Answer {
        let (host, port) = (url.host_str().unwrap(), url.port_or_known_default().unwrap());
        let mut stream = TcpStream::connect((host, port)).unwrap_or_else(|error| panic!("{url}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = format!(
            "{method} {}{query} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {}\r\n{}Connection: close\r\n\r\n{body}",
            url.path(),
            cookies.join("; "),
            lines.iter().map(|line| format!("{line}\r\n")).collect::<String>(),
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let answer = read(&bytes);
        for (_, cookie) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.trim().to_owned(), value.to_owned());
        }
        answer
    }
}

fn read(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole answer");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    Answer {
        status: status.parse().unwrap(),
        body: if chunked { unchunk(body) } else { body.to_owned() },
        headers,
    }
}

/// RFC 9112 §7.1, for ASCII.
fn unchunk(mut rest: &str) -> String {
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
        if size == 0 {
            break;
        }
    }
    whole
}
