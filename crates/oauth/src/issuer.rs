//! Issuers, compared.

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

#[cfg(test)]
mod tests {
    use super::*;

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
