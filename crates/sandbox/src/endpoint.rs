//! Which endpoint a request is for.

use http::Method;

use crate::{Request, Settings};

/// The endpoints, all below the issuer but for the API of opt-in forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `GET /.well-known/oauth-authorization-server` (RFC 8414) and `GET /.well-known/openid-configuration`.
    Metadata,
    /// `GET /authorize` (RFC 6749 §3.1).
    Authorize,
    /// `POST /token` (RFC 6749 §3.2).
    Token,
    /// `POST /device_authorization` (RFC 8628 §3.1).
    DeviceAuthorization,
    /// `POST /introspect` (RFC 7662).
    Introspect,
    /// `POST /revoke` (RFC 7009).
    Revoke,
    /// `GET /api/me`: a protected resource (RFC 6750).
    Resource,
    /// `POST /v3/contacts/sign_up_form`, where [`Settings::contacts`] says that there is one.
    SignUpForm,
    /// Any other path.
    Unknown,
}

impl Endpoint {
    pub(crate) fn of(settings: &Settings, request: &Request) -> Self {
        let path = request.uri().path();
        let below = issuer_path(&settings.issuer);
        // RFC 8414 §3.1 puts the well-known part before the issuer's path, OpenID Connect after it.
        if path.strip_prefix("/.well-known/oauth-authorization-server") == Some(below) {
            return Self::Metadata;
        }
        // An API is another server than its authorization server.
        if path == "/v3/contacts/sign_up_form" && settings.contacts.is_some() {
            return Self::SignUpForm;
        }
        match path.strip_prefix(below) {
            Some("/.well-known/openid-configuration") => Self::Metadata,
            Some("/authorize") => Self::Authorize,
            Some("/token") => Self::Token,
            Some("/device_authorization") => Self::DeviceAuthorization,
            Some("/introspect") => Self::Introspect,
            Some("/revoke") => Self::Revoke,
            Some("/api/me") => Self::Resource,
            _ => Self::Unknown,
        }
    }

    /// The one method the endpoint serves; `None` where there is no endpoint.
    pub(crate) fn method(self) -> Option<Method> {
        match self {
            Self::Metadata | Self::Authorize | Self::Resource => Some(Method::GET),
            Self::Token | Self::DeviceAuthorization | Self::Introspect | Self::Revoke | Self::SignUpForm => {
                Some(Method::POST)
            }
            Self::Unknown => None,
        }
    }
}

/// The path of an issuer without a trailing slash: empty for `http://host:port`.
fn issuer_path(issuer: &str) -> &str {
    let after_scheme = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    after_scheme.find('/').map_or("", |slash| &after_scheme[slash..]).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn endpoints_lie_below_the_issuer() {
        let root = "http://127.0.0.1:1";
        let tenant = "http://127.0.0.1:1/oauth2/default";
        for (issuer, path, expected) in [
            (root, "/token", Endpoint::Token),
            (root, "/token/", Endpoint::Unknown),
            (root, "/.well-known/oauth-authorization-server", Endpoint::Metadata),
            (root, "/.well-known/openid-configuration", Endpoint::Metadata),
            ("http://127.0.0.1:1/", "/authorize?client_id=x", Endpoint::Authorize),
            (tenant, "/oauth2/default/token", Endpoint::Token),
            (tenant, "/token", Endpoint::Unknown),
            (tenant, "/.well-known/oauth-authorization-server/oauth2/default", Endpoint::Metadata),
            (tenant, "/.well-known/oauth-authorization-server", Endpoint::Unknown),
            (tenant, "/oauth2/default/.well-known/openid-configuration", Endpoint::Metadata),
        ] {
            let request = Request::new(Bytes::new());
            let (mut parts, body) = request.into_parts();
            parts.uri = path.parse().unwrap();
            let request = Request::from_parts(parts, body);
            assert_eq!(Endpoint::of(&Settings::new(issuer), &request), expected, "{issuer} {path}");
        }
    }
}
