//! The recipes, as they are written down, with the programs that they are for.

use crate::harness::{Home, Kind, Provider, Secret, page};

const PAGE: &str = include_str!("../docs/recipes.md");

/// A home in which the recipes' connections are, and the token that each of them gives.
fn connected() -> (Home, Provider, String) {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    for name in ["shop", "git", "mail"] {
        home.connect(name, &provider);
    }
    let token = home.vestal(&["token", "mail"]).ok().stdout.trim().to_owned();
    home.record().add_secret(Secret::new(Kind::AccessToken, token.clone()));
    (home, provider, token)
}

/// The commands of the page that begin like this.
fn commands(beginning: &str) -> Vec<&'static str> {
    let blocks = PAGE.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter(|line| line.starts_with(beginning)).collect()
}

#[test]
fn curl_sends_the_header_that_it_is_given() {
    let (home, _provider, _) = connected();
    let token = home.vestal(&["token", "shop"]).ok().stdout.trim().to_owned();
    home.record().add_secret(Secret::new(Kind::AccessToken, token.clone()));
    let (tell, asked) = std::sync::mpsc::channel();
    let there = page::server(move |head| {
        tell.send(head.to_owned()).unwrap();
        ("200 OK", "[]".to_owned())
    }) + "/contacts";
    let [recipe] = commands("vestal token shop --header | curl")[..] else { panic!("one recipe") };
    let recipe = recipe.replace("https://api.example.com/contacts", &there);
    let got = home.sh(&recipe);
    assert!(got.status.success() && got.stdout == b"[]", "{}", String::from_utf8_lossy(&got.stderr));
    let asked = asked.recv().unwrap();
    let sent = asked.lines().any(|line| line == format!("Authorization: Bearer {token}"));
    assert!(asked.starts_with("GET /contacts ") && sent, "the API is asked with the token");
}

#[test]
fn git_is_told_a_password_whenever_it_asks() {
    let (home, _, _) = connected();
    let [recipe] = commands("git config")[..] else { panic!("one recipe") };
    assert!(home.sh(recipe).status.success());
    let asked = "printf 'protocol=https\\nhost=git.example.com\\n\\n' | git credential fill";
    let told = home.sh(asked);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let password = told.lines().find_map(|line| line.strip_prefix("password=")).expect("a password");
    let token = home.vestal(&["token", "git"]).ok().stdout;
    home.record().add_secret(Secret::new(Kind::AccessToken, token.trim()));
    assert!(told.contains("username=oauth2") && password == token.trim(), "git was told something else");
    // Nor does it ask for anything when git wants to store one.
    let stored = home.sh(&asked.replace("fill", "approve"));
    assert!(stored.stdout.is_empty(), "git stores nothing");
}

#[test]
fn mail_programs_get_a_token_by_the_command_that_they_run() {
    let (home, _, token) = connected();
    let settings = ["imap_oauth_refresh_command", "smtp_oauth_refresh_command", "PassCmd", "passwordeval"];
    for setting in settings {
        let line = PAGE.lines().find(|line| line.split(' ').any(|word| word == setting)).expect(setting);
        let command = line.split('"').nth(1).expect("a command in quotes");
        let got = home.sh(command);
        assert!(String::from_utf8_lossy(&got.stdout) == format!("{token}\n"), "{setting}");
        assert!(got.stderr.is_empty(), "{setting}: a mail program would show what is said besides");
    }
}

#[test]
fn the_other_commands_do_what_they_say() {
    let (home, _provider, _) = connected();
    let [run] = commands("vestal run")[..] else { panic!("one recipe") };
    let got = home.sh(run);
    assert!(got.status.success(), "{}", String::from_utf8_lossy(&got.stderr));
    let told: serde_json::Value = home.vestal(&["token", "shop", "--json"]).ok().json();
    assert_eq!(told["generation"], 1);
    // It was issued a moment ago: that is not what its API has against it.
    let [rejected] = commands("vestal refresh")[..] else { panic!("one recipe") };
    let got = home.sh(rejected);
    assert!(String::from_utf8_lossy(&got.stderr).contains("it was refreshed just now"), "{got:?}");
    assert_eq!(got.status.code(), Some(4));
}
