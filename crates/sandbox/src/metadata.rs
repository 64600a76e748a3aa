//! The server's metadata (RFC 8414 §2), served also where OpenID Connect looks for it. There are no ID tokens.

use http::StatusCode;
use serde_json::json;

use crate::{Response, Sandbox, answer, assertion, device};

impl Sandbox {
    pub(crate) fn metadata(&self) -> Response {
        let issuer = &self.settings.issuer;
        let base = issuer.trim_end_matches('/');
        let body = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "device_authorization_endpoint": format!("{base}/device_authorization"),
            "introspection_endpoint": format!("{base}/introspect"),
            "revocation_endpoint": format!("{base}/revoke"),
            "scopes_supported": ["offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported":
                ["authorization_code", "refresh_token", "client_credentials", device::GRANT_TYPE,
                    assertion::JWT_BEARER, assertion::TOKEN_EXCHANGE],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "authorization_response_iss_parameter_supported": true,
        });
        answer::json(StatusCode::OK, &body)
    }
}
