//! Learning from its issuer identifier where a provider is (RFC 8414, OpenID Connect Discovery 1.0).

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;
use vestal_core::client::{ClientAuth, Endpoints};
use vestal_core::secret::Redactor;

use crate::endpoint;
use crate::form::get;
use crate::http::{Answer, BodyEnd, Exchange, Http};
use crate::read::{Body, redirect_target};
use crate::words::shown;

/// What a provider's metadata says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// Where it is.
    pub endpoints: Endpoints,
    /// The same for a client that shows a certificate (`mtls_endpoint_aliases`, RFC 8705 §5).
    pub mtls: Endpoints,
    /// Those ways for a client to prove itself that are known here, in the provider's order
    /// (`token_endpoint_auth_methods_supported`).
    pub auth_methods: Vec<ClientAuth>,
    /// `code_challenge_methods_supported`. Empty where it is left out, which says nothing.
    pub code_challenge_methods: Vec<String>,
}

/// Why there is no metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The issuer identifier itself is wrong.
    #[error("{issuer:?} is no issuer identifier: {detail}")]
    NotAnIssuer {
        /// The text.
        issuer: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The provider could not be reached. Trying again may help.
    #[error("{issuer} could not be asked: {detail}")]
    Unreachable {
        /// The issuer.
        issuer: String,
        /// What happened.
        detail: String,
    },
    /// It publishes no metadata.
    #[error("{issuer} publishes no metadata ({tried}): check the issuer, or name the endpoints themselves")]
    NotFound {
        /// The issuer.
        issuer: String,
        /// What was asked, and what came.
        tried: String,
    },
    /// The metadata is another issuer's (RFC 8414 §3.3).
    #[error(
        "{url} says that its issuer is {found}, not {issuer}: if that is the one you mean, write it exactly so"
    )]
    OtherIssuer {
        /// Where the metadata is.
        url: String,
        /// The issuer that was asked for.
        issuer: String,
        /// The one that it names.
        found: String,
    },
    /// The metadata cannot be used.
    #[error("the metadata at {url} cannot be used: {detail}")]
    Unusable {
        /// Where it is.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// Asks for the metadata of `issuer`, which is compared character by character: in the place of RFC 8414
/// first, then in that of OpenID Connect. At most two requests of `deadline` each.
///
/// # Errors
/// Where there is none, or it is not to be trusted.
pub async fn discover(
    http: &dyn Http,
    issuer: &str,
    deadline: Duration,
) -> Result<Discovered, DiscoveryError> {
    let mut tried = Vec::new();
    for url in well_known(issuer)? {
        let request = get(&url).map_err(|error| not_an_issuer(issuer, error.to_string()))?;
        let answer = match http.send(request, deadline).await {
            Exchange::Answered(answer) => answer,
            Exchange::NotSent { detail }
            | Exchange::ClientUnfit { detail }
            | Exchange::NoAnswer { detail } => {
                return Err(DiscoveryError::Unreachable { issuer: issuer.to_owned(), detail });
            }
        };
        match metadata(&answer) {
            Ok(fields) => return read(&url, issuer, &fields),
            Err(found) => tried.push(format!("{url} answered {found}")),
        }
    }
    Err(DiscoveryError::NotFound { issuer: issuer.to_owned(), tried: tried.join("; ") })
}

fn not_an_issuer(issuer: &str, detail: String) -> DiscoveryError {
    DiscoveryError::NotAnIssuer { issuer: shown(&endpoint::bare(issuer)), detail }
}

/// Where the metadata may be (RFC 8414 §3.1; OpenID Connect Discovery 1.0 §4).
fn well_known(issuer: &str) -> Result<[Url; 2], DiscoveryError> {
    let url = Url::parse(issuer).map_err(|error| not_an_issuer(issuer, error.to_string()))?;
    endpoint::check(&url).map_err(|error| not_an_issuer(issuer, error.to_string()))?;
    if url.query().is_some() {
        return Err(not_an_issuer(issuer, "it must not have a query (?…)".to_owned()));
    }
    let path = url.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = url.clone();
        url.set_path(&path);
        url
    };
    Ok([
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("{path}/.well-known/openid-configuration")),
    ])
}

/// The metadata in an answer, or what is there instead.
fn metadata(answer: &Answer) -> Result<Map<String, Value>, String> {
    let status = answer.status;
    if let Some(target) = redirect_target(answer) {
        return Err(format!("{status}, redirected to {target}"));
    }
    if status != 200 {
        return Err(status.to_string());
    }
    match Body::parse(answer) {
        Body::Object(fields) if fields.contains_key("issuer") => Ok(fields),
        Body::Object(_) => Err("200 with JSON that names no issuer".to_owned()),
        body if answer.end == BodyEnd::Complete => {
            Err(format!("200 with {}", body.name(&Redactor::default())))
        }
        _ => Err("200, but not in full".to_owned()),
    }
}

fn read(url: &Url, issuer: &str, fields: &Map<String, Value>) -> Result<Discovered, DiscoveryError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let found = text("issuer").unwrap_or_default();
    if found != issuer {
        let (url, issuer) = (url.to_string(), issuer.to_owned());
        return Err(DiscoveryError::OtherIssuer { url, issuer, found: shown(found) });
    }
    let unusable = |detail: String| DiscoveryError::Unusable { url: url.to_string(), detail };
    let flag = |name: &str| fields.get(name) == Some(&Value::Bool(true));
    let at = |fields: &Map<String, Value>, name: &str| match fields.get(name).and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => {
            let url =
                Url::parse(text).map_err(|error| unusable(format!("its {name} is no URL ({error})")))?;
            endpoint::check(&url).map_err(|error| unusable(format!("its {name}: {error}")))?;
            Ok(Some(url))
        }
    };
    let list = |name: &str| {
        let items = fields.get(name)?.as_array()?;
        Some(items.iter().filter_map(Value::as_str))
    };
    let endpoint = |name: &str| at(fields, name);
    let token =
        endpoint("token_endpoint")?.ok_or_else(|| unusable("it names no token_endpoint".to_owned()))?;
    let endpoints = Endpoints {
        issuer: Some(issuer.to_owned()),
        authorization: endpoint("authorization_endpoint")?,
        revocation: endpoint("revocation_endpoint")?,
        device_authorization: endpoint("device_authorization_endpoint")?,
        sends_iss: flag("authorization_response_iss_parameter_supported"),
        pushed_authorization: endpoint("pushed_authorization_request_endpoint")?,
        push: flag("require_pushed_authorization_requests"),
        // What is a help only does not keep a client from being used.
        introspection: endpoint("introspection_endpoint").ok().flatten(),
        userinfo: endpoint("userinfo_endpoint").ok().flatten(),
        jwks: endpoint("jwks_uri").ok().flatten(),
        ..Endpoints::at(token)
    };
    let mut mtls = endpoints.clone();
    if let Some(Value::Object(aliases)) = fields.get("mtls_endpoint_aliases") {
        let alias = |name: &str, usual: Option<Url>| Ok(at(aliases, name)?.or(usual));
        mtls.token = at(aliases, "token_endpoint")?.unwrap_or(mtls.token);
        mtls.revocation = alias("revocation_endpoint", mtls.revocation)?;
        mtls.pushed_authorization =
            alias("pushed_authorization_request_endpoint", mtls.pushed_authorization)?;
        mtls.device_authorization = alias("device_authorization_endpoint", mtls.device_authorization)?;
        mtls.introspection = alias("introspection_endpoint", mtls.introspection)?;
        mtls.userinfo = alias("userinfo_endpoint", mtls.userinfo)?;
    }
    Ok(Discovered {
        endpoints,
        mtls,
        auth_methods: match list("token_endpoint_auth_methods_supported") {
            Some(methods) => methods.filter_map(|name| name.parse().ok()).collect(),
            // What RFC 8414 §2 says a missing list means.
            None => vec![ClientAuth::ClientSecretBasic],
        },
        code_challenge_methods: list("code_challenge_methods_supported")
            .map(|methods| methods.map(str::to_owned).collect())
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
