//! Requests as some providers want them, where that is not as RFC 6749 has them.

use vestal_sandbox::Dialect;

use crate::harness::{Home, Provider};

#[test]
fn each_provider_hears_its_own_dialect() {
    let plain = Dialect::default;
    for (profile, dialect) in [
        ("notion", Dialect { json: true, ..plain() }),
        ("square", Dialect { json: true, refuses_pkce: true, ..plain() }),
        ("tiktok", Dialect { client_id: "client_key", refuses_pkce: true, ..plain() }),
        ("pipedrive", Dialect { refuses_pkce: true, ..plain() }),
    ] {
        let home = Home::new();
        let provider = Provider::start(home.record(), |settings| settings.dialect = dialect);
        home.connect_with("shop", &["--provider", profile], &provider);
        home.vestal(&["refresh", "shop"]).ok();
        assert!(provider.accepts(home.vestal(&["token", "shop"]).ok().stdout.trim()), "{profile}");
        home.vestal(&["disconnect", "shop"]).ok();
        let stats = provider.sandbox().stats().clone();
        let counted = (stats.exchanges, stats.refreshes, stats.revocations, stats.refusals);
        assert_eq!(counted, (1, 1, 1, 0), "{profile}: {stats:?}");
    }
}
