//! Which URLs may be spoken to at all.

use std::net::IpAddr;

use url::{Host, Url};

/// Why a URL is not accepted as an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitEndpoint {
    /// It would be spoken to in the clear.
    #[error(
        "{host} is not spoken to over {scheme}: use https (http is accepted for this machine's own addresses only)"
    )]
    InTheClear {
        /// The URL's scheme.
        scheme: String,
        /// The URL's host.
        host: String,
    },
    /// It holds a user name or a password.
    #[error("the endpoint at {host} holds a user name or a password: leave them out of the URL")]
    UserInfo {
        /// The URL's host.
        host: String,
    },
    /// Its port is 0, at which nobody can listen.
    #[error("the endpoint at {host} has port 0, which there is not: correct the URL, or leave the port out")]
    NoPort {
        /// The URL's host.
        host: String,
    },
    /// It has a fragment (RFC 6749 §3.1, §3.2).
    #[error("the endpoint at {host} has a fragment (#…): leave it out of the URL")]
    Fragment {
        /// The URL's host.
        host: String,
    },
}

/// Whether `url` may be an endpoint of an authorization server: https, or http to this very machine.
///
/// # Errors
/// Where it may not.
pub fn check(url: &Url) -> Result<(), UnfitEndpoint> {
    let host = || url.host_str().unwrap_or("an unnamed host").to_owned();
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url)) {
        return Err(UnfitEndpoint::InTheClear { scheme: url.scheme().to_owned(), host: host() });
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UnfitEndpoint::UserInfo { host: host() });
    }
    if url.port() == Some(0) {
        return Err(UnfitEndpoint::NoPort { host: host() });
    }
    if url.fragment().is_some() {
        return Err(UnfitEndpoint::Fragment { host: host() });
    }
    Ok(())
}

/// A URL that is refused, as it may be shown: without a user name, a password, a query and a fragment.
pub fn bare(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    // Where the slashes were forgotten, there may be a password all the same.
    let begins = url.find("//").map_or(0, |slashes| slashes + 2);
    let (scheme, rest) = url.split_at(begins);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{scheme}{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// Whether the URL's host is this machine: `localhost`, or a loopback address.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear_and_nobody_at_no_port() {
        for fit in [
            "https://login.example.com/token",
            "https://login.example.com:8443/token?tenant=7",
            "http://localhost:8724/token",
            "http://127.0.0.1/token",
            "http://127.8.9.10/token",
            "http://[::1]:9/token",
        ] {
            assert_eq!(check(&Url::parse(fit).unwrap()), Ok(()), "{fit}");
        }
        for unfit in [
            "http://login.example.com/token",
            "http://localhost.example.com/token",
            "http://10.0.0.1/token",
            "http://[::ffff:127.0.0.1]/token",
            "http://0.0.0.0/token",
            "ftp://localhost/token",
            "data:text/plain,token",
            "https://user@login.example.com/token",
            "https://:word@login.example.com/token",
            "https://login.example.com/token#top",
            "https://login.example.com:0/token",
            "http://localhost:0/token",
        ] {
            assert!(check(&Url::parse(unfit).unwrap()).is_err(), "{unfit}");
        }
    }

    #[test]
    fn no_secret_in_a_url_is_shown() {
        for (url, shown) in [
            ("https://user:word@login.example.com/a@b?c=d#e", "https://login.example.com/a@b"),
            ("https://user@wo@rd@login.example.com#e", "https://login.example.com"),
            ("https://login.example.com/a@b", "https://login.example.com/a@b"),
            ("https://user:word@", "https://"),
            ("https:user:word@login.example.com/a", "login.example.com/a"),
            ("user:word@login.example.com", "login.example.com"),
            ("login.example.com", "login.example.com"),
        ] {
            assert_eq!(bare(url), shown);
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_nothing_else_of_the_url() {
        let url = Url::parse("http://login.example.com/secret-path?secret=1").unwrap();
        let said = check(&url).unwrap_err().to_string();
        assert!(said.contains("login.example.com") && !said.contains("secret"), "{said}");
    }
}
