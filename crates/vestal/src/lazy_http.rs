//! The way to providers, built when it is first used: reading the machine's certificates takes longer than
//! all else that `vestal token` does with a fresh token.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Deserializer};
use url::Url;
use vestal_oauth::http::{Exchange, Http};
use vestal_oauth::reqwest_http::{ReqwestHttp, Settings};

use crate::config::text_file;
use crate::failure::Failure;

/// All authorities that browsers trust, and what some programs write beside each, are a megabyte.
const AUTHORITIES_MAX: u64 = 16 << 20;

/// What the configuration says of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HttpSettings {
    /// The proxy through which to reach other machines.
    pub(crate) proxy: Option<Proxy>,
    /// Certificates of authorities to trust besides the machine's own, as PEM.
    pub(crate) ca_file: Option<PathBuf>,
}

impl HttpSettings {
    /// Whether they can be used, as far as that can be known without a request: a mistake in them is found before
    /// anything is begun. `config` is the file that they are in.
    pub(crate) fn check(&self, config: &Path) -> Result<(), Failure> {
        let Some(path) = &self.ca_file else { return Ok(()) };
        authorities(path).map_err(|why| {
            Failure::failed(format!("{}: [http] ca_file cannot be used", config.display()))
                .why(format!("{}: {why}", path.display()))
                .next("name a file of certificates in PEM, or leave `ca_file` out")
        })
    }
}

/// Reads certificates, all of them; there is at least one.
pub(crate) fn authorities(path: &Path) -> Result<(), String> {
    let pem = text_file::bytes(path, AUTHORITIES_MAX).map_err(|error| error.to_string())?;
    let mut certificates = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        certificate.map_err(|error| error.to_string())?;
        certificates += 1;
    }
    if certificates == 0 { Err("there is no certificate in it".to_owned()) } else { Ok(()) }
}

/// The URL of a proxy, which may hold a password: it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy(Url);

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&self.0.host_str()).finish()
    }
}

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = String::deserialize(deserializer)?.parse::<Url>().ok();
        url.filter(|url| matches!(url.scheme(), "http" | "https")).map(Self).ok_or_else(|| {
            serde::de::Error::custom("this is no URL of a proxy, such as \"http://proxy.example.com:3128\"")
        })
    }
}

/// Real HTTP that costs nothing until it is used.
pub(crate) struct LazyHttp {
    settings: HttpSettings,
    /// Or why there is none.
    built: OnceLock<Result<ReqwestHttp, String>>,
}

impl LazyHttp {
    pub(crate) fn new(settings: HttpSettings) -> Self {
        Self { settings, built: OnceLock::new() }
    }

    fn get(&self) -> Result<&ReqwestHttp, &str> {
        let built = self.built.get_or_init(|| {
            let extra_roots = match &self.settings.ca_file {
                Some(path) => text_file::bytes(path, AUTHORITIES_MAX)
                    .map_err(|error| format!("{}: {error}", path.display()))?,
                None => Vec::new(),
            };
            let settings = Settings {
                user_agent: concat!("vestal/", env!("CARGO_PKG_VERSION")).to_owned(),
                proxy: self.settings.proxy.clone().map(|Proxy(url)| url),
                extra_roots,
            };
            ReqwestHttp::new(&settings).map_err(|error| error.to_string())
        });
        built.as_ref().map_err(String::as_str)
    }
}

#[async_trait]
impl Http for LazyHttp {
    async fn send(&self, request: Request<Bytes>, deadline: Duration) -> Exchange {
        match self.get() {
            Ok(http) => http.send(request, deadline).await,
            Err(detail) => Exchange::NotSent { detail: detail.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn settings_that_cannot_be_used_are_a_request_that_was_not_sent() {
        let http = LazyHttp::new(HttpSettings { ca_file: Some("/nowhere/ca.pem".into()), proxy: None });
        let request = Request::get("https://login.example.com/").body(Bytes::new()).unwrap();
        let exchange = http.send(request, Duration::from_secs(1)).await;
        assert!(
            matches!(&exchange, Exchange::NotSent { detail } if detail.contains("/nowhere/ca.pem")),
            "{exchange:?}"
        );
    }

    #[test]
    fn authorities_are_looked_at_before_anything_is_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let check = || {
            let settings = HttpSettings { ca_file: Some(path.clone()), proxy: None };
            settings.check(Path::new("vestal.toml")).map_err(|failure| failure.view().unwrap().why.unwrap())
        };
        assert!(check().unwrap_err().contains("No such file"));
        fs::write(&path, "hello\n").unwrap();
        assert!(check().unwrap_err().contains("no certificate in it"));
        fs::write(&path, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
        check().unwrap_err();
        fs::write(&path, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n").unwrap();
        check().unwrap();
    }

    /// A pipe that nobody writes to would be waited for, and a device be read for ever.
    #[test]
    fn authorities_are_a_file_that_ends() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, large) = (folder.path().join("pipe"), folder.path().join("large.pem"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::File::create(&large).unwrap().set_len(AUTHORITIES_MAX + 1).unwrap();
        for (path, why) in [
            (pipe.as_path(), "no regular file"),
            (Path::new("/dev/zero"), "no regular file"),
            (large.as_path(), "larger than"),
        ] {
            let told = authorities(path).unwrap_err();
            assert!(told.contains(why), "{}: {told}", path.display());
        }
    }

    #[test]
    fn a_proxy_s_password_is_not_shown() {
        let proxy =
            |text: &str| Proxy::deserialize(toml::Value::from(text)).map_err(|error| error.to_string());
        let shown = format!("{:?}", proxy("http://me:hunter2@proxy.example.com:3128").unwrap());
        assert!(shown.contains("proxy.example.com") && !shown.contains("hunter2"), "{shown}");
        for wrong in
            ["me:hunter2@proxy.example.com", "socks5://me:hunter2@proxy.example.com", "http://:hunter2@"]
        {
            let error = proxy(wrong).unwrap_err();
            assert!(error.contains("no URL of a proxy") && !error.contains("hunter2"), "{error}");
        }
    }
}
