//! The recipes, as they are written down, with the programs that they are for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Home, Kind, PATIENCE, Provider, Secret, page};

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
    let (tell, asked) = channel();
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

/// What the page has in such a file, with other words where `instead` has them.
fn file(name: &str, instead: &[(&str, &str)]) -> String {
    let (_, rest) = PAGE.split_once(&format!("\n`{name}`")).expect(name);
    let mut block =
        rest.split("```").nth(1).and_then(|block| block.strip_prefix("text\n")).unwrap().to_owned();
    for (there, here) in instead {
        assert!(block.contains(there), "{name} says nothing of {there}");
        block = block.replace(there, here);
    }
    block
}

/// A mail server that talks to one program. Returns its port, and what proves to it who is there.
fn mail_server(
    greeting: &'static str,
    mut answer: impl FnMut(&str) -> String + Send + 'static,
) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{greeting}\r\n").unwrap();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let line = line.unwrap();
            let proof = line.split(' ').find_map(|word| String::from_utf8(STANDARD.decode(word).ok()?).ok());
            proof
                .filter(|proof| proof.contains("auth="))
                .into_iter()
                .for_each(|proof| tell.send(proof).unwrap());
            stream.write_all(answer(&line).as_bytes()).unwrap();
            if ["QUIT", "LOGOUT"].iter().any(|end| line.ends_with(end)) {
                break;
            }
        }
    });
    (port, told)
}

/// Takes any mail (RFC 5321, RFC 4954).
fn smtp() -> (u16, Receiver<String>) {
    let mut is_text = false;
    mail_server("220 here", move |line| {
        let said = match line.split(' ').next().unwrap_or_default() {
            "." => "250 taken",
            _ if is_text => return String::new(),
            "EHLO" => "250-here\r\n250 AUTH XOAUTH2",
            "AUTH" if line == "AUTH XOAUTH2" => "334 ",
            "MAIL" | "RCPT" => "250 well",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "235 it is you",
        };
        is_text = line == "DATA";
        format!("{said}\r\n")
    })
}

/// Has one mailbox, and nothing in it (RFC 3501, RFC 4959).
fn imap() -> (u16, Receiver<String>) {
    mail_server("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] here", |line| {
        let (tag, command) = line.split_once(' ').unwrap();
        let besides = if command.starts_with("LIST ") { "* LIST () \"/\" \"INBOX\"\r\n" } else { "" };
        format!("{besides}{tag} OK done\r\n")
    })
}

#[test]
fn mail_programs_send_the_token_to_their_server() {
    let (home, _provider, token) = connected();
    let proof = format!("user=me@example.com\u{1}auth=Bearer {token}\u{1}\u{1}");
    let works = |line: &str, told: &Receiver<String>| {
        let done = home.sh(line);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{line}: {said}");
        assert!(told.recv_timeout(PATIENCE).expect("a proof") == proof, "{line}: another proof");
        (String::from_utf8(done.stdout).unwrap(), said)
    };
    let put = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();

    let (port, told) = smtp();
    let here = [
        ("host smtp.gmail.com", "host 127.0.0.1"),
        ("port 465", &format!("port {port}")),
        ("tls on", "tls off"),
    ];
    put(".msmtprc", &file("~/.msmtprc", &here));
    works("echo hello | msmtp you@example.com", &told);

    let (port, told) = smtp();
    let here = [("smtps:", "smtp:"), ("@smtp.gmail.com/", &format!("@127.0.0.1:{port}/"))];
    put("neomuttrc", &file("~/.config/neomutt/neomuttrc", &here));
    let plainly = "-e 'set copy = no' -e 'set ssl_starttls = no' -e 'set ssl_force_tls = no'";
    works(&format!("echo hello | neomutt -n -F neomuttrc {plainly} -s hello you@example.com"), &told);
    // It reads mail on a terminal alone.
    let understood = home.sh("neomutt -n -F neomuttrc -Q imap_oauth_refresh_command -Q imap_authenticators");
    let queried = String::from_utf8_lossy(&understood.stdout).into_owned();
    assert!(understood.stderr.is_empty(), "{understood:?}");
    assert!(queried.lines().count() == 2 && queried.lines().all(|line| PAGE.contains(line)), "{queried}");

    let (port, told) = imap();
    let here = [("imap.gmail.com", &*format!("127.0.0.1\nPort {port}")), ("SSLType IMAPS", "SSLType None")];
    let account = file("~/.mbsyncrc", &here);
    let rest = "IMAPStore far\nAccount mail\n\nMaildirStore near\nPath ~/mail/\n\nChannel all\nFar :far:\nNear :near:\nPatterns *\n";
    put(".mbsyncrc", &format!("{account}\n{rest}"));
    std::fs::create_dir(home.path().join("mail")).unwrap();
    let (listed, _) = works("mbsync --list all", &told);
    assert!(listed.contains("INBOX"), "{listed}");
}

#[test]
fn a_file_holds_what_a_program_reads_from_it() {
    let (home, provider, _) = connected();
    let outside = tempfile::tempdir().unwrap();
    let here = |text: &str| text.replace("/run/user/1000", outside.path().to_str().unwrap());
    let (_, rest) = PAGE.split_once("```toml\n").unwrap();
    let config = std::fs::read_to_string(home.config()).unwrap();
    std::fs::write(home.config(), config + "\n" + &here(rest.split("```").next().unwrap())).unwrap();
    home.vestal(&["refresh", "--all"]).ok();
    let mail = std::fs::read_to_string(outside.path().join("mail.token")).unwrap();
    assert!(provider.accepts(mail.trim()), "the newest token of the mail");
    let (tell, asked) = channel();
    let there = page::server(move |head| {
        tell.send(page::bearer(head).map(str::to_owned)).unwrap();
        ("200 OK", "[]".to_owned())
    });
    let [recipe] = commands("curl ")[..] else { panic!("one recipe") };
    let got = home.sh(&here(recipe).replace("https://api.example.com", &there));
    assert!(got.status.success() && got.stdout == b"[]", "{}", String::from_utf8_lossy(&got.stderr));
    let token = asked.recv().unwrap().expect("a token");
    home.record().add_secret(Secret::new(Kind::AccessToken, token.clone()));
    assert!(provider.accepts(&token) && provider.sandbox().stats().refreshes == 3, "the newest token");
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
