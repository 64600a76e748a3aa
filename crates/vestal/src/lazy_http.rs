//! The way to providers, built when it is first used: reading the machine's certificates takes longer than
//! all else that `vestal token` does with a fresh token.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use url::Url;
use vestal_oauth::http::{Exchange, Http};
use vestal_oauth::reqwest_http::{ReqwestHttp, Settings};

use crate::node::Node;

/// What the configuration says of HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HttpSettings {
    /// The proxy through which to reach other machines.
    pub(crate) proxy: Option<Url>,
    /// Certificates of authorities to trust besides the machine's own, as PEM.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Real HTTP that costs nothing until it is used.
pub(crate) struct LazyHttp {
    settings: HttpSettings,
    /// Announced before anything is sent.
    node: Option<Arc<Node>>,
    /// Or why there is none.
    built: OnceLock<Result<ReqwestHttp, String>>,
}

impl LazyHttp {
    pub(crate) fn new(settings: HttpSettings, node: Option<Arc<Node>>) -> Self {
        Self { settings, node, built: OnceLock::new() }
    }

    fn get(&self) -> Result<&ReqwestHttp, &str> {
        let built = self.built.get_or_init(|| {
            if let Some(node) = &self.node {
                node.announce();
            }
            let extra_roots = match &self.settings.ca_file {
                Some(path) => fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?,
                None => Vec::new(),
            };
            let settings = Settings {
                user_agent: concat!("vestal/", env!("CARGO_PKG_VERSION")).to_owned(),
                proxy: self.settings.proxy.clone(),
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
    use super::*;

    #[tokio::test]
    async fn settings_that_cannot_be_used_are_a_request_that_was_not_sent() {
        let http = LazyHttp::new(HttpSettings { ca_file: Some("/nowhere/ca.pem".into()), proxy: None }, None);
        let request = Request::get("https://login.example.com/").body(Bytes::new()).unwrap();
        let exchange = http.send(request, Duration::from_secs(1)).await;
        assert!(
            matches!(&exchange, Exchange::NotSent { detail } if detail.contains("/nowhere/ca.pem")),
            "{exchange:?}"
        );
    }
}
