//! The page.

use std::error::Error;

use vestal_core::provider::Provider;

use crate::conduct::Conduct;
use crate::{facts, words};

const HEAD: &str = "\
# Providers

<!-- Made by `cargo xtask generate` from providers/*.toml and the functions that decide: edit those. -->

When does it die, and what does Vestal do about it?

`?` after a value: nobody has checked it. *Not known*: nobody says; where it matters, Vestal assumes that a refresh token dies after 7 days of
disuse. What a live answer says always beats this page, and so do settings of your own registration. `vestal explain NAME` tells what holds for a
connection, and `vestal providers show PROVIDER` every fact with its source.

A refresh comes up to a tenth of the wait earlier than the table says, so that many connections spread out. A lost answer may have held the only new
refresh token: how soon the old one is tried again depends on whether that can do harm, and if it is refused, a person is told that an answer was lost.

The redirect URI that a text calls *shown here* is the one that `vestal connect` shows: `http://localhost:8724/callback`, or with `127.0.0.1` where the
provider takes no `localhost`, unless you name another by `--redirect-uri`. Where a provider takes https only, that is a page of your own: it need not
show anything, since you paste the URL that the browser ends at.
";

const COLUMNS: [&str; 8] = [
    "Provider",
    "Access token lives",
    "Refresh token dies",
    "Replaced by a refresh?",
    "A consent needs",
    "Vestal refreshes",
    "After a lost answer, it tries again",
    "What else ends it",
];

/// The whole page.
pub(crate) fn page(providers: &[Provider]) -> Result<String, Box<dyn Error>> {
    let mut providers: Vec<&Provider> = providers.iter().collect();
    providers.sort_by_key(|provider| provider.name.to_lowercase());
    let conducts = providers.iter().copied().map(Conduct::of).collect::<Result<Vec<_>, _>>()?;
    let both = || providers.iter().copied().zip(&conducts);
    let rows = both().map(|(provider, conduct)| line(&row(provider, conduct)));
    let head = [line(&COLUMNS.map(str::to_owned)), line(&COLUMNS.map(|_| "---".to_owned()))];
    let table: String = head.into_iter().chain(rows).collect();
    let sections: String = both().map(|(provider, conduct)| section(provider, conduct)).collect();
    Ok(format!("{HEAD}\n{table}{sections}"))
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
}

fn row(provider: &Provider, conduct: &Conduct) -> [String; 8] {
    [
        format!("[{}](#{})", provider.name, anchor(&provider.name)),
        words::access_token(provider),
        words::refresh_token(provider),
        words::rotation(provider),
        words::needed(provider),
        words::refreshes(provider, conduct),
        words::after_loss(provider, conduct),
        words::what_else_ends_it(provider),
    ]
}

/// What a heading can be linked by.
fn anchor(heading: &str) -> String {
    let plain = heading.to_lowercase().replace(' ', "-");
    plain.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect()
}

fn section(provider: &Provider, conduct: &Conduct) -> String {
    let docs = provider.docs.as_ref().map(|url| format!("[Its documentation]({url}). ")).unwrap_or_default();
    let conduct = [
        Some(words::refreshes_because(provider, conduct)),
        words::after_loss_because(provider, conduct),
        words::after_invalid_grant(conduct),
        words::warnings(conduct),
        Some(words::disconnecting(provider)),
    ];
    let conduct: Vec<String> = conduct.into_iter().flatten().collect();
    let mut text = format!(
        "\n## {}\n\n{docs}`vestal connect NAME --provider {}`\n\n*To register.* {}\n\n*What Vestal does.* {}\n",
        provider.name,
        provider.id,
        provider.register.trim(),
        conduct.join(" ")
    );
    let parts = [
        ("Worth knowing", facts::worth_knowing(provider)),
        ("Limits", facts::limits(provider)),
        ("Its API", facts::api(provider)),
        ("Going to end", facts::deprecations(provider)),
        ("Ended", facts::retired(provider)),
        ("Sources", facts::sources(provider)),
    ];
    for (title, lines) in parts {
        if !lines.is_empty() {
            let lines: String = lines.iter().map(|line| format!("- {line}\n")).collect();
            text.push_str(&format!("\n*{title}.*\n\n{lines}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_a_row_and_a_section_that_it_leads_to() {
        let providers = crate::providers().unwrap();
        let page = page(&providers).unwrap();
        for Provider { name, .. } in &providers {
            assert!(page.contains(&format!("| [{name}](#{})", anchor(name))), "{name}");
            assert!(page.contains(&format!("\n## {name}\n")), "{name}");
        }
        assert_eq!(anchor("GitHub (a GitHub App's user tokens)"), "github-a-github-apps-user-tokens");
    }

    #[test]
    fn what_nobody_has_checked_is_marked() {
        let page = page(&crate::providers().unwrap()).unwrap();
        let row = |name: &str| page.lines().find(|line| line.starts_with(&format!("| [{name}]"))).unwrap();
        assert!(row("Google").contains("| 1 h ? | 180 days of disuse |"), "{}", row("Google"));
    }
}
