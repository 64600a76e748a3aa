//! Issuers, compared.

use std::borrow::Cow;

use url::Url;

/// Where Microsoft's metadata for several tenants has the one that answers.
pub(crate) const TENANT: &str = "{tenantid}";

/// Whether `found` is the issuer that is expected, as text (RFC 9207 §2.4), or a tenant of the one that Microsoft has for several.
pub fn is_or_stands_for(expected: &str, found: &str) -> bool {
    expected == found
        || expected.split_once(TENANT).is_some_and(|(before, after)| {
            let tenant = found.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            tenant.is_some_and(|tenant| !tenant.is_empty() && !tenant.contains('/'))
        })
}

/// The issuer of the one tenant whose token endpoint this is, where that names a tenant by its id, at the place where Microsoft's
/// issuer has it. Another name may be several tenants' (`common`), or does not show in an issuer (a domain).
pub fn of_tenant<'a>(issuer: &'a str, token_endpoint: &Url) -> Cow<'a, str> {
    let tenant = issuer
        .split_once(TENANT)
        .and_then(|(before, _)| token_endpoint.as_str().strip_prefix(before)?.split('/').next());
    match tenant {
        Some(tenant) if is_uuid(tenant) => Cow::Owned(issuer.replace(TENANT, &tenant.to_ascii_lowercase())),
        _ => Cow::Borrowed(issuer),
    }
}

fn is_uuid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_endpoint_of_one_tenant_has_its_issuer() {
        const MANY: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
        let of = |issuer, tenant: &str| {
            let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
            of_tenant(issuer, &url.parse().unwrap()).into_owned()
        };
        for tenant in ["8EAEF023-2B34-4DA1-9BAA-8BC8C9D6A490", "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"] {
            let one = "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0";
            assert_eq!(of(MANY, tenant), one);
        }
        for tenant in ["common", "organizations", "consumers", "contoso.onmicrosoft.com"] {
            assert_eq!(of(MANY, tenant), MANY);
        }
        let tenant = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
        for issuer in ["https://as.example", "https://login.microsoftonline.us/{tenantid}/v2.0"] {
            assert_eq!(of(issuer, tenant), issuer, "elsewhere");
        }
    }

    #[test]
    fn an_issuer_of_several_tenants_stands_for_each() {
        const MANY: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
        assert!(is_or_stands_for(MANY, MANY) && is_or_stands_for("https://as.example", "https://as.example"));
        assert!(is_or_stands_for(MANY, "https://login.microsoftonline.com/common/v2.0"));
        for other in [
            "https://login.microsoftonline.com//v2.0",
            "https://login.microsoftonline.com/a/b/v2.0",
            "https://login.microsoftonline.com/a/v1.0",
            "https://evil.example/a/v2.0",
        ] {
            assert!(!is_or_stands_for(MANY, other), "{other}");
        }
        assert!(!is_or_stands_for("https://as.example", "https://as.example/"));
    }
}
