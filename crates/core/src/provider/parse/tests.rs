//! What is read, and what is refused.

use super::*;
use crate::provider::{IdleLimit, catalogue};
use crate::testing::builtin;

mod kinds;

const SOUND: &str = include_str!("tests/sound.toml");

/// What is said of the sound file after a change to it, as `line:column: what`.
fn said(from: &str, to: &str) -> Vec<String> {
    assert!(SOUND.contains(from), "{from}");
    said_of(&SOUND.replacen(from, to, 1))
}

fn said_of(text: &str) -> Vec<String> {
    let say = |mistake: Mistake| format!("{}:{}: {}", mistake.line, mistake.column, mistake.what);
    Provider::parse(text).err().unwrap_or_default().into_iter().map(say).collect()
}

#[test]
fn a_sound_file_is_read() {
    let provider = Provider::parse(SOUND).unwrap();
    assert_eq!(provider.id, "small");
    let limit = std::time::Duration::from_secs(60 * 86_400);
    assert_eq!(provider.idle_limit(), IdleLimit::After { limit, verified: false });
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once() {
    let changes = [
        ("id = \"small\"\n", ""),
        ("docs = ", "doc = "),
        ("2026-11-15", "soon"),
        ("\"24h\"", "\"0s\""),
        (", unverified = true }\n\n[auth", " }\n\n[auth"),
        ("\"transient\"", "\"later\""),
        ("code = \"gone\"", "says = \"slow\""),
    ];
    let text = changes.iter().fold(SOUND.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
    let said = said_of(&text);
    let lines: Vec<&str> = said.iter().filter_map(|said| said.split(':').next()).collect();
    assert_eq!(lines, ["1", "2", "6", "19", "27", "55", "59"], "{said:#?}");
}

#[test]
fn of_a_file_without_an_id_nothing_else_is_missing() {
    let said = said_of("[refresh_token]\nidle_limit = { is = \"10d\", unverified = true }\n");
    assert!(matches!(said.as_slice(), [only] if only.starts_with("1:1: `id` is missing")), "{said:#?}");
}

#[test]
fn a_file_is_laid_over_another_key_by_key() {
    let over = r#"
id = "small"
name = "Our small"
[sources]
tried = { url = "https://ours.example/notes", verified_on = "2026-11-20" }
[authorization]
parameters = { is = { prompt = "login" }, source = "tried" }
[refresh_token]
idle_limit = { is = "30d", source = "tried" }
[[errors]]
code = "throttled"
means = "refused"
unverified = true
"#;
    let provider = Provider::overlay(SOUND, over).unwrap();
    assert_eq!((provider.name.as_str(), provider.register.as_str()), ("Our small", "Ask them."));
    let idle = provider.refresh_token.idle_limit.as_ref().unwrap();
    assert_eq!(
        (idle.source.as_deref(), idle.unverified),
        (Some("tried"), false),
        "nothing of ours is left in it"
    );
    assert!(provider.sources.contains_key("page") && provider.refresh_token.rotation.is_some());
    let means: Vec<_> = provider.errors.iter().map(|error| error.means.as_str()).collect();
    assert_eq!(means, ["refused", "transient", "permanent"], "the first one that fits counts");
    assert_eq!(
        provider.laid_over,
        [
            "name",
            "sources.tried.url",
            "sources.tried.verified_on",
            "authorization.parameters",
            "refresh_token.idle_limit",
            "errors"
        ]
    );
    let stated = provider.stated.iter().find(|stated| stated.name == "refresh_token.idle_limit").unwrap();
    assert_eq!((stated.value.as_str(), stated.source.as_deref()), ("30d", Some("tried")));
}

/// Forms would be named twice, and a smaller quota would stand beside a larger one.
/// An instance of one's own, of which only the endpoints were written down.
#[test]
fn where_the_tokens_come_from_elsewhere_nothing_of_them_goes_to_the_first_place() {
    let over = |id: &str, token: &str| {
        let over = format!("id = \"{id}\"\n[endpoints]\ntoken = {{ is = \"{token}\", unverified = true }}\n");
        Provider::overlay(catalogue::text(id).unwrap(), &over).unwrap()
    };
    let github = over("github", "https://github.corp.example/login/oauth/access_token");
    assert_eq!((github.revocation, github.identity), (None, None));
    assert_eq!(github.endpoints.device_authorization, None);
    assert!(over("mailchimp", "https://elsewhere.example/token").api.lookup.is_none());
    assert!(over("google", "https://elsewhere.example/token").endpoints.revocation.is_none());

    let same = over("github", "https://github.com/login/oauth/another");
    assert!(same.revocation.is_some() && same.identity.is_some());
    let stated =
        "id = \"google\"\n[endpoints]\ntoken = { is = \"https://a.example/token\", unverified = true }
        revocation = { is = \"https://a.example/revoke\", unverified = true }";
    let google = Provider::overlay(catalogue::text("google").unwrap(), stated).unwrap();
    assert_eq!(google.endpoints.revocation.unwrap().value.host_str(), Some("a.example"));
}

#[test]
fn what_lists_say_as_a_whole_is_replaced() {
    let own = builtin("spotify").client.redirect_uris.len();
    let over =
        "id = \"spotify\"\n[client]\nredirect_uris = [{ is = \"http-loopback\", unverified = true }]\n";
    let spotify = Provider::overlay(catalogue::text("spotify").unwrap(), over).unwrap();
    assert!(own > 1 && spotify.client.redirect_uris.len() == 1, "{own}");
    let over = "id = \"zoho\"\n[[quotas]]\nis = \"100 per 10min\"\nper = \"connection\"\ncounts = \"refreshes\"\nunverified = true\n";
    let zoho = Provider::overlay(catalogue::text("zoho").unwrap(), over).unwrap();
    assert_eq!(zoho.quotas.len(), 1);
}

#[test]
fn each_of_our_files_may_be_laid_over_itself() {
    for id in catalogue::ids() {
        let text = catalogue::text(id).unwrap();
        Provider::overlay(text, text).unwrap_or_else(|mistakes| panic!("{id}: {mistakes:?}"));
    }
}

#[test]
fn a_mistake_is_told_by_its_place_in_the_file_that_is_laid_over() {
    for (over, expected) in [
        (
            "id = \"small\"\n[refresh_token]\nidle_limt = { is = \"1d\", unverified = true }",
            (3, 1, "did you mean `idle_limit`?"),
        ),
        ("id = \"small\"\n[refresh_token]\n  idle_limit = { is = \"1d\" }", (3, 3, "names no source")),
        ("id = \"small\"\n[refresh_token", (2, 15, "expected `]`")),
        ("id = \"small\"\nname = 5", (2, 8, "put it in quotes")),
        // Ours and theirs do not fit together.
        (
            "id = \"small\"\n[refresh_token]\nabsolute_life = { is = \"10d\", unverified = true }",
            (1, 1, "cannot lie unused for longer"),
        ),
    ] {
        let mistake = Provider::overlay(SOUND, over).unwrap_err().remove(0);
        assert_eq!((mistake.line, mistake.column), (expected.0, expected.1), "{over}: {mistake}");
        assert!(mistake.what.contains(expected.2), "{over}: {mistake}");
    }
}
