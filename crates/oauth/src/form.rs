//! A form, posted to an endpoint: what every request to an authorization server is, though some want it written otherwise.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::Value;
use url::{Url, form_urlencoded};
use vestal_core::provider::{Encoding, HeaderCredentials, RequestFacts};

use crate::client_auth::Credentials;
use crate::http::Exchange;

/// That the URL of an endpoint, or what is shown there, cannot be put into a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at {host} cannot be put into an HTTP request: correct it")]
pub struct Unsendable {
    what: &'static str,
    host: String,
}

impl Unsendable {
    pub(crate) fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or("an unnamed host").to_owned();
        Self { what: "the URL of the endpoint", host }
    }
}

impl From<Unsendable> for Exchange {
    fn from(error: Unsendable) -> Self {
        Self::NotSent { detail: error.to_string() }
    }
}

/// `fields` and the client's proof, written as the provider wants them: as a form (RFC 6749 appendix B), as a rule.
pub(crate) fn post(
    endpoint: &Url,
    credentials: &Credentials,
    fields: &[(&str, &str)],
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let wanted = requests.credentials();
    let proof = credentials.fields(wanted);
    let fields = fields.iter().chain(&proof).map(|(name, value)| (requests.name(name), *value));
    let mut request = written(Method::POST, endpoint, fields, requests.encoding())?;
    prove(&mut request, credentials, wanted)?;
    introduce(&mut request, credentials, requests);
    Ok(request)
}

/// A request with these parameters.
pub(crate) fn written<'a>(
    method: Method,
    endpoint: &Url,
    fields: impl Iterator<Item = (&'a str, &'a str)>,
    encoding: Encoding,
) -> Result<Request<Bytes>, Unsendable> {
    let (url, body, content_type) = match encoding {
        Encoding::Form => {
            let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            (uri(endpoint)?, form, "application/x-www-form-urlencoded")
        }
        Encoding::Json => {
            let object = Value::Object(json_object(fields));
            (uri(endpoint)?, object.to_string(), "application/json")
        }
        Encoding::Query => {
            (uri(&with_query(endpoint, fields))?, String::new(), "application/x-www-form-urlencoded")
        }
    };
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = method;
    *request.uri_mut() = url;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(request)
}

/// Puts what proves the client beside the parameters into a request.
pub(crate) fn prove(
    request: &mut Request<Bytes>,
    credentials: &Credentials,
    wanted: HeaderCredentials,
) -> Result<(), Unsendable> {
    if let Some(proof) = credentials.header(wanted) {
        authorize(request, &proof)?;
    }
    if let Some(certificate) = credentials.certificate() {
        request.extensions_mut().insert(certificate.clone());
    }
    if let Some(assertion) = credentials.assertion() {
        request.extensions_mut().insert(assertion.clone());
    }
    Ok(())
}

/// Puts a value into the `Authorization` header that nobody may read. Without it, nothing is to be sent.
pub(crate) fn authorize(request: &mut Request<Bytes>, value: &str) -> Result<(), Unsendable> {
    let mut value = HeaderValue::from_str(value).map_err(|_| Unsendable {
        what: "the secret or the token that is to be shown",
        host: request.uri().host().unwrap_or("an unnamed host").to_owned(),
    })?;
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

/// Fields as a JSON object; what a form would repeat is an array.
fn json_object<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> serde_json::Map<String, Value> {
    let mut object = serde_json::Map::new();
    for (name, value) in fields {
        match object.get_mut(name) {
            None => drop(object.insert(name.to_owned(), value.into())),
            Some(Value::Array(values)) => values.push(value.into()),
            Some(first) => *first = Value::Array(vec![first.take(), value.into()]),
        }
    }
    object
}

/// What every request of a client says, whatever it asks for.
pub(crate) fn introduce(request: &mut Request<Bytes>, credentials: &Credentials, requests: &RequestFacts) {
    let headers = request.headers_mut();
    for (name, value) in requests.headers() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.entry(name).or_insert(value);
        }
    }
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let user_agent = requests.user_agent(credentials.client_id());
    if let Some(user_agent) = user_agent.and_then(|text| HeaderValue::from_str(&text).ok()) {
        headers.insert(USER_AGENT, user_agent);
    }
}

/// The APIs that a token is asked for (RFC 8707 §2), as parameters.
pub(crate) fn resource_parameters(resources: &[String]) -> impl Iterator<Item = (&str, &str)> {
    resources.iter().map(|resource| ("resource", resource.as_str()))
}

/// A URL with these parameters behind its own.
pub(crate) fn with_query<'a>(url: &Url, fields: impl Iterator<Item = (&'a str, &'a str)>) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().extend_pairs(fields);
    url
}

/// A document, asked for.
pub(crate) fn get(url: &Url) -> Result<Request<Bytes>, Unsendable> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri(url)?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request)
}

pub(crate) fn uri(url: &Url) -> Result<Uri, Unsendable> {
    Uri::try_from(url.as_str()).map_err(|_| Unsendable::of(url))
}

#[cfg(test)]
mod recorded;

#[cfg(test)]
mod tests {
    use super::json_object;

    #[test]
    fn what_a_form_would_repeat_is_an_array() {
        let fields = [("resource", "a"), ("scope", "x"), ("resource", "b"), ("resource", "c")];
        let object = serde_json::Value::Object(json_object(fields.into_iter()));
        assert_eq!(object, serde_json::json!({"resource": ["a", "b", "c"], "scope": "x"}));
    }
}
