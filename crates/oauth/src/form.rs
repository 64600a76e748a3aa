//! A form, posted to an endpoint: what every request to an authorization server is, though some want it written as JSON.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use url::{Url, form_urlencoded};
use vestal_core::provider::{Encoding, RequestFacts};

use crate::client_auth::Credentials;
use crate::http::Exchange;

/// An endpoint whose URL cannot be put into a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URL of the endpoint at {host} cannot be put into an HTTP request: correct it")]
pub struct UnsendableUrl {
    host: String,
}

impl From<UnsendableUrl> for Exchange {
    fn from(error: UnsendableUrl) -> Self {
        Self::NotSent { detail: error.to_string() }
    }
}

/// `fields` and the client's proof, written as the provider wants them: as a form (RFC 6749 appendix B), as a rule.
pub(crate) fn post(
    endpoint: &Url,
    credentials: &Credentials,
    fields: &[(&str, &str)],
    requests: &RequestFacts,
) -> Result<Request<Bytes>, UnsendableUrl> {
    let proof = credentials.fields();
    let fields = fields.iter().chain(&proof).map(|(name, value)| (requests.name(name), *value));
    let (body, content_type) = match requests.encoding() {
        Encoding::Form => {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            (form, "application/x-www-form-urlencoded")
        }
        Encoding::Json => {
            let object: serde_json::Map<_, _> =
                fields.map(|(name, value)| (name.to_owned(), value.into())).collect();
            (serde_json::Value::Object(object).to_string(), "application/json")
        }
    };
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri(endpoint)?;
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(mut proof) = credentials.header().and_then(|text| HeaderValue::from_str(&text).ok()) {
        proof.set_sensitive(true);
        headers.insert(AUTHORIZATION, proof);
    }
    if let Some(certificate) = credentials.certificate() {
        request.extensions_mut().insert(certificate.clone());
    }
    Ok(request)
}

/// The APIs that a token is asked for (RFC 8707 §2), as parameters.
pub(crate) fn resource_parameters(resources: &[String]) -> impl Iterator<Item = (&str, &str)> {
    resources.iter().map(|resource| ("resource", resource.as_str()))
}

/// A document, asked for.
pub(crate) fn get(url: &Url) -> Result<Request<Bytes>, UnsendableUrl> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri(url)?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request)
}

fn uri(url: &Url) -> Result<Uri, UnsendableUrl> {
    let unsendable = |_| UnsendableUrl { host: url.host_str().unwrap_or("an unnamed host").to_owned() };
    Uri::try_from(url.as_str()).map_err(unsendable)
}
