//! Other keepers' files.

use vestal_api::ClientView;

use super::*;

#[test]
fn a_table_finds_its_clients_by_their_ids() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    let elsewhere = Elsewhere::new(&old, &provider, &["shop"]);
    let home = with_client(&old, &provider);
    let token = elsewhere.refresh_token("shop");
    let table = format!(
        "name,client_id,refresh_token,tag:batch,scope\nshop,{CLIENT_ID},\"{token}\",7,\"a b\"\nother,unknown,rt,,\nshort,1\n"
    );
    let file = elsewhere.write("customers.csv", &table);
    // A client of the same id at another provider would be sent the token.
    let told = home.vestal(&["import", "--from", "csv", "--file", &file]).code(1);
    assert!(
        told.stdout.contains("0 imported, 3 not imported") && told.stderr.contains("--provider"),
        "{told}"
    );
    let told = home.vestal(&["import", "--from", "csv", "--file", &file, "--provider", "custom"]).code(1);
    assert_eq!(told.stdout, "1 imported, 2 not imported\n");
    assert!(told.stderr.contains("line 3: \"other\" was not imported"), "{told}");
    assert!(
        told.stderr.contains("line 4: it was not imported: it has 2 values, and there are 5 columns"),
        "{told}"
    );
    home.vestal(&["refresh", "shop"]).ok();
    assert_eq!(status(&home, "shop").tags["batch"], "7");
}

#[test]
fn an_account_of_oidc_agent_brings_its_client() {
    let old = Home::new();
    let provider = Provider::start(old.record(), |_| {});
    let elsewhere = Elsewhere::new(&old, &provider, &["shop"]);
    let home = Home::beside(&old);
    let printed = json!({
        "name": "wlcg", "client_name": "oidc-agent:wlcg", "issuer_url": provider.issuer, "daeSetByUser": 0,
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": elsewhere.refresh_token("shop"),
        "cert_path": "", "scope": "contacts offline_access", "audience": "",
    });
    let import = ["import", "--from", "oidc-agent", "--file", "-"];
    let told = home.vestal_reading(&import, &printed.to_string()).ok();
    assert!(told.stderr.contains("added the client \"127.0.0.1\" (custom)"), "{told}");
    home.vestal(&["refresh", "wlcg"]).ok();
    let again = home.vestal_reading(&import, &printed.to_string()).ok();
    assert_eq!(again.stdout, "0 imported, 1 there already\n");
    let clients: Vec<ClientView> = home.vestal(&["client", "list", "--json"]).ok().json();
    assert_eq!(clients.len(), 1);
    let none = home.vestal_reading(&import, "Error: wrong password\n").code(1);
    assert!(none.stderr.contains("oidc-gen --print ACCOUNT"), "{none}");
}

#[test]
fn an_id_of_a_client_is_its_providers_own() {
    let old = Home::new();
    let (first, second) = (Provider::start(old.record(), |_| {}), Provider::start(old.record(), |_| {}));
    let home = Home::beside(&old);
    home.record().add_secret(Secret::new(Kind::RefreshToken, "planted-refresh-token"));
    let account = |name: &str, provider: &Provider| {
        json!({"name": name, "issuer_url": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
               "refresh_token": format!("planted-refresh-token-{name}")})
        .to_string()
    };
    let import = ["import", "--from", "oidc-agent", "--file", "-", "--paused"];
    home.vestal_reading(&import, &account("a", &first)).ok();
    // Both are at this machine: the second client needs another name.
    let told = home.vestal_reading(&import, &account("b", &second)).code(1);
    assert!(told.stderr.contains("another one's name") && told.stderr.contains("--client CLIENT"), "{told}");
    let named = [&import[..], &["--client", "second"]].concat();
    home.vestal_reading(&named, &account("b", &second)).ok();
    let told = home.vestal_reading(&named, &account("c", &first)).code(1);
    assert!(told.stderr.contains("or is at another provider"), "{told}");
    let clients: Vec<ClientView> = home.vestal(&["client", "list", "--json"]).ok().json();
    let token = |name: &str| {
        let client = clients.iter().find(|client| client.name == name).unwrap();
        client.endpoints.token.as_str().to_owned()
    };
    assert!(token("127.0.0.1").starts_with(&first.issuer) && token("second").starts_with(&second.issuer));
    assert_eq!(status(&home, "b").client, "second");

    // A table says itself which client it means.
    let rows = "client,client_id,name,refresh_token\n127.0.0.1,ID,d,planted-refresh-token-d\nsecond,ID,e,planted-refresh-token-e\n";
    let rows = rows.replace("ID", CLIENT_ID);
    let told = home.vestal_reading(&["import", "--from", "csv", "--file", "-", "--paused"], &rows).ok();
    assert_eq!(told.stdout, "2 imported\n");
    assert_eq!(
        (status(&home, "d").client.as_str(), status(&home, "e").client.as_str()),
        ("127.0.0.1", "second")
    );
}

#[test]
fn a_google_file_brings_its_client() {
    let recorded = Home::new();
    let home = Home::beside(&recorded);
    home.record().add_secret(Secret::new(Kind::RefreshToken, "1//planted-refresh-token"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("application_default_credentials.json");
    let text = json!({
        "account": "", "client_id": "1-a.apps.googleusercontent.com", "client_secret": CLIENT_SECRET,
        "refresh_token": "1//planted-refresh-token", "type": "authorized_user", "universe_domain": "googleapis.com",
    });
    std::fs::write(&file, text.to_string()).unwrap();
    let from = ["--from", "google-authorized-user", "--file", file.to_str().unwrap()];
    home.vestal(&[&["import", "drive", "--paused"], &from[..]].concat()).ok();
    let client: ClientView = home.vestal(&["client", "show", "google", "--json"]).ok().json();
    assert_eq!((client.provider.as_str(), client.has_secret), ("google", true));
    assert_eq!(client.endpoints.token.as_str(), "https://oauth2.googleapis.com/token");
    assert_eq!(status(&home, "drive").state.state.as_str(), "paused");
    let nameless = home.vestal(&[&["import"], &from[..]].concat()).code(1);
    assert!(nameless.stderr.contains("vestal import NAME"), "{nameless}");
}
