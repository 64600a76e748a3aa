//! Kinds of mistake: what is changed in the sound file, and all that is said of it.

use super::*;

const KINDS: &[(&str, &str, &[&str])] = &[
    // Syntax.
    ("name = \"Small\"", "name = ", &["2:8: string values must be quoted, expected literal string"]),
    ("name = \"Small\"", "name = \"Small", &["2:14: invalid basic string, expected `\"`"]),
    ("name = \"Small\"", "name \"Small\"", &["2:6: key with no value, expected `=`"]),
    ("[endpoints]", "[endpoints", &["9:11: unclosed table, expected `]`"]),
    ("docs = ", "name = ", &["3:1: duplicate key"]),
    ("[client]", "[endpoints]", &["15:2: duplicate key"]),
    (
        "\"read\", \"offline\"]",
        "\"read\" \"offline\"]",
        &["24:26: missing comma between array elements, expected `,`"],
    ),
    ("is = 10", "is = 1_", &["30:23: `_` may only go between digits, expected nothing"]),
    // Names.
    ("docs = ", "doc = ", &["3:1: unknown field `doc`, expected one of …; did you mean `docs`?"]),
    (
        "[refresh_token]",
        "[refreshtoken]",
        &["32:2: unknown field `refreshtoken`, expected one of …; did you mean `refresh_token`?"],
    ),
    (
        "idle_limit",
        "idle_limt",
        &["33:1: unknown field `idle_limt`, expected one of …; did you mean `idle_limit`?"],
    ),
    (
        "idle_limit = { is",
        "idle_limit = { iss",
        &["33:16: unknown field `iss`, expected one of …; did you mean `is`?"],
    ),
    (
        "unverified = true }\n\n[auth",
        "unverifed = true }\n\n[auth",
        &["20:31: unknown field `unverifed`, expected one of …; did you mean `unverified`?"],
    ),
    (
        "note = \"Half",
        "nota = \"Half",
        &["36:40: unknown field `nota`, expected one of …; did you mean `note`?"],
    ),
    (
        "code = \"throttled\"",
        "cod = \"throttled\"",
        &["55:1: unknown field `cod`, expected one of …; did you mean `code`?"],
    ),
    ("prompt = \"consent\"", "state = \"x\"", &["23:16: state is said by Vestal itself: leave it out"]),
    (
        "instead = \"publish it\"",
        "do = \"publish it\"",
        &["38:1: `instead` is missing: add `instead = \"…\"`", "41:1: unknown field `do`, expected one of …"],
    ),
    // Missing.
    ("id = \"small\"\n", "", &["1:1: `id` is missing: add `id = \"lower-case-with-hyphens\"`"]),
    ("name = \"Small\"\n", "", &["1:1: `name` is missing: add `name = \"…\"`"]),
    ("register = \"Ask them.\"\n", "", &["1:1: `register` is missing: add `register = \"…\"`"]),
    ("is = \"24h\", ", "", &["28:8: this fact does not say what is so: add `is = …`"]),
    ("per = \"connection\", ", "", &["30:15: `per` is missing: add `per = \"…\"`"]),
    ("counts = \"all-requests\"\n", "", &["48:1: `counts` is missing: add `counts = \"…\"`"]),
    (
        "means = \"transient\"\n",
        "",
        &[
            "54:1: `means` is missing: add `means = \"permanent\", or \"client\", \"refused\", \"transient\", \"ambiguous\"`",
        ],
    ),
    ("since = \"2022-03-31\"\n", "", &["65:1: `since` is missing: add `since = \"2026-11-29\"`"]),
    ("on = \"2027-02-16\"\n", "", &["70:1: `on` is missing: add `on = \"2026-11-29\"`"]),
    ("when = \"the application is in testing\"\n", "", &["38:1: `when` is missing: add `when = \"…\"`"]),
    (
        ", verified_on = \"2026-11-15\"",
        "",
        &["7:8: `verified_on` is missing: add `verified_on = \"2026-11-29\"`"],
    ),
    (
        "url = \"https://small.example/docs\", verified_on",
        "verified_on",
        &["7:8: `url` is missing: add `url = \"https://…\"`"],
    ),
    // Types.
    (
        "name = \"Small\"",
        "name = 5",
        &["2:8: invalid type: integer `5`, expected a string: put it in quotes"],
    ),
    (
        "idle_limit = { is = \"60d\", unverified = true }",
        "idle_limit = \"60d\"",
        &[
            "33:14: invalid type: string \"60d\", expected a fact: { is = …, source = \"…\" }, or { is = …, unverified = true }",
        ],
    ),
    (
        "page = { url = \"https://small.example/docs\", verified_on = \"2026-11-15\" }",
        "page = \"https://small.example/docs\"",
        &[
            "7:8: invalid type: string \"https://small.example/docs\", expected a source: { url = \"https://…\", verified_on = \"2026-11-29\" }",
        ],
    ),
    (
        "[api]\n",
        "[api]\nhosts = 3\n[apis]\n",
        &[
            "45:9: invalid type: integer `3`, expected a fact: { is = …, source = \"…\" }, or { is = …, unverified = true }",
            "46:2: unknown field `apis`, expected one of …; did you mean `api`?",
        ],
    ),
    (
        "is = [\"client_secret_basic\", \"none\"]",
        "is = \"client_secret_basic\"",
        &[
            "16:15: invalid type: string \"client_secret_basic\", expected a sequence: put it in brackets, as [\"…\"]",
        ],
    ),
    (
        "unverified = true }\n\n[auth",
        "unverified = \"yes\" }\n\n[auth",
        &["20:44: invalid type: string \"yes\", expected a boolean: write true or false, without quotes"],
    ),
    ("is = 10", "is = \"10\"", &["30:22: invalid type: string \"10\", expected a whole number, 0 or more"]),
    ("is = 10", "is = -1", &["30:22: invalid value: integer `-1`, expected a whole number, 0 or more"]),
    (
        "is = \"60d\"",
        "is = 60",
        &[
            "33:21: invalid type: integer `60`, expected \"none\", or a length of time such as \"24h\", \"30min\" or \"180d\"",
        ],
    ),
    (
        "parameters = { prompt = \"consent\" }",
        "parameters = { prompt = true }",
        &["23:25: invalid type: boolean `true`, expected a string"],
    ),
    (
        "[[errors]]\ncode = \"gone\"",
        "[[errors]]\nstatus = \"403\"\ncode = \"gone\"",
        &["61:10: invalid type: string \"403\", expected a whole number, such as 403"],
    ),
    (
        "[[errors]]\ncode = \"gone\"",
        "[[errors]]\nstatus = 70000\ncode = \"gone\"",
        &["61:10: invalid value: integer `70000`, expected a whole number, such as 403"],
    ),
    // Values.
    (
        "\"60d\"",
        "\"sixty\"",
        &[
            "33:21: invalid value: string \"sixty\", expected \"none\", or a length of time such as \"24h\", \"30min\" or \"180d\"",
        ],
    ),
    (
        "\"24h\"",
        "\"0s\"",
        &[
            "28:15: invalid value: string \"0s\", expected \"none\", or a length of time such as \"24h\", \"30min\" or \"180d\"",
        ],
    ),
    (
        "\"365d\"",
        "\"forever\"",
        &[
            "34:24: invalid value: string \"forever\", expected \"none\", or a length of time such as \"24h\", \"30min\" or \"180d\"",
        ],
    ),
    (
        "\"30s\"",
        "\"a while\"",
        &[
            "36:16: invalid value: string \"a while\", expected \"none\", \"until-successor-used\", \"old-stays-valid\", or a length of time such as \"30s\"",
        ],
    ),
    (
        "\"always\"",
        "\"sometimes\"",
        &["35:19: unknown variant `sometimes`, expected one of `never`, `always`, `app-setting`, `unknown`"],
    ),
    (
        "\"none\"]",
        "\"basic\"]",
        &[
            "16:39: unknown variant `basic`, expected one of `client_secret_basic`, `client_secret_post`, `client_secret_jwt`, `private_key_jwt`, `tls_client_auth`, `self_signed_tls_client_auth`, `none`",
        ],
    ),
    (
        "[\"authorization_code\"]",
        "[\"device\"]",
        &[
            "17:17: unknown variant `device`, expected one of `authorization_code`, `device_code`, `client_credentials`, `jwt_bearer`, `token_exchange`; did you mean `device_code`?",
        ],
    ),
    (
        "\"4 per second\"",
        "\"4/s\"",
        &[
            "49:6: invalid value: string \"4/s\", expected a number of requests in a time, such as \"4 per second\", \"10000 per day\" or \"10 per 10min\"",
        ],
    ),
    (
        "per = \"client\"",
        "per = \"app\"",
        &[
            "50:7: unknown variant `app`, expected one of `account`, `account-and-client`, `client`, `connection`, `organization`",
        ],
    ),
    (
        "\"all-requests\"",
        "\"everything\"",
        &[
            "51:10: unknown variant `everything`, expected one of `refreshes`, `token-requests`, `all-requests`, `api-calls`, `codes`, `client-credentials`",
        ],
    ),
    (
        "\"transient\"",
        "\"later\"",
        &[
            "56:9: unknown variant `later`, expected one of `permanent`, `client`, `refused`, `transient`, `ambiguous`",
        ],
    ),
    (
        "\"1s\"",
        "\"noon\"",
        &[
            "57:8: invalid value: string \"noon\", expected \"utc-midnight\", or a length of time such as \"1s\" or \"10min\"",
        ],
    ),
    (
        "https://small.example/token",
        "small",
        &[
            "13:16: relative URL without a base: \"small\"; a URL is written as \"https://login.example.com/token\"",
        ],
    ),
    (
        "https://small.example/docs\"\nreg",
        "https://\"\nreg",
        &["3:8: empty host: \"https://\"; a URL is written as \"https://login.example.com/token\""],
    ),
    (
        "2026-11-15",
        "soon",
        &[
            "7:60: failed to parse four digit integer as year: invalid digit, expected 0-9 but got s; a day is written as \"2026-11-29\"",
        ],
    ),
    (
        "2026-11-15",
        "2026-11-31",
        &[
            "7:60: parsed date is not valid: parameter 'day' for `2026-11` is invalid, must be in range `1..=30`; a day is written as \"2026-11-29\"",
        ],
    ),
    ("kind = \"ask\"", "kind = \"guess\"", &["10:19: unknown variant `guess`, expected `ask` or `is`"]),
    ("kind = \"ask\"", "kind = \"is\"", &["10:10: `url` is missing: add `url = \"https://…\"`"]),
    // Meaning.
    (
        "\"small\"",
        "\"Small Co\"",
        &["1:1: the id \"Small Co\" may hold lower-case letters, digits and hyphens only"],
    ),
    ("\"Ask them.\"", "\"\"", &["4:1: `register` is empty: say it in a few sentences"]),
    (
        ", unverified = true }\n\n[auth",
        "}\n\n[auth",
        &[
            "20:1: requests.scope_separator names no source: add `source = \"…\"`, or mark it `unverified = true`",
        ],
    ),
    (
        "source = \"page\"",
        "source = \"pge\"",
        &[
            "12:68: endpoints.authorization names the source \"pge\", which is not among [sources]; did you mean \"page\"?",
        ],
    ),
    (
        "source = \"page\"",
        "source = \"leaf\"",
        &["12:68: endpoints.authorization names the source \"leaf\", which is not among [sources]"],
    ),
    (
        "[[notes]]\nis = \"It is small.\"\nsource = \"page\"",
        "[[notes]]\nis = \"It is small.\"",
        &["77:1: notes names no source: add `source = \"…\"`, or mark it `unverified = true`"],
    ),
    (
        "wait = \"1s\"\nsource = \"page\"",
        "wait = \"1s\"",
        &["54:1: errors names no source: add `source = \"…\"`, or mark it `unverified = true`"],
    ),
    (
        "issuer = { kind = \"ask\" }\nissuer_example = \"https://login.small.example\"\nauthorization = { is = \"https://small.example/authorize\", source = \"page\" }\ntoken =",
        "authorization =",
        &["9:2: neither a token endpoint nor an issuer: add `token` or `issuer` to [endpoints]"],
    ),
    (
        "{ kind = \"ask\" }",
        "{ kind = \"is\", url = \"small\" }",
        &["10:1: the issuer \"small\" is no URL, such as \"https://login.example.com\""],
    ),
    (
        "https://small.example/token",
        "http://small.example/token",
        &["13:1: secrets are sent there: it has to begin with https://"],
    ),
    (
        "https://small.example/token",
        "https://me:pw@small.example/token",
        &["13:1: it holds a user name or a password: leave them out of the URL"],
    ),
    (
        "https://small.example/token",
        "https://small.example/token#x",
        &["13:1: it has a fragment (#…), which is never sent: leave it out of the URL"],
    ),
    (
        "https://small.example/token",
        "https://old.small.example/token",
        &["13:1: the file itself says that this ended on 2022-03-31: use https://small.example/token"],
    ),
    (
        "[\"client_secret_basic\", \"none\"]",
        "[]",
        &["16:1: no way to prove a client: name one, such as \"client_secret_basic\""],
    ),
    ("\"none\"]", "\"client_secret_basic\"]", &["16:1: \"client_secret_basic\" is named twice"]),
    (
        "[\"read\", \"offline\"]",
        "[\"read\"]",
        &["24:1: without \"offline\" among them, there is no refresh token: add it"],
    ),
    ("is = \",\"", "is = \"\"", &["20:1: scopes without anything between them cannot be told apart"]),
    (
        "is = \"1h\"",
        "is = \"24h\"",
        &["29:1: an access token that is refreshed only when it has ended cannot be kept alive"],
    ),
    (
        "is = \"60d\"",
        "is = \"400d\"",
        &["33:1: it cannot lie unused for longer than it lives (absolute_life)"],
    ),
    (
        "\"always\"",
        "\"never\"",
        &["36:1: what is never replaced needs no grace: leave it out, or say how it rotates"],
    ),
    (
        "is = 10",
        "is = 0",
        &["30:1: where no token may live, there is nothing to keep alive: a cap is at least 1"],
    ),
    (
        "https://api.small.example",
        "api.small.example",
        &["45:1: \"api.small.example\" is no beginning of a URL, such as \"https://api.example.com\""],
    ),
    (
        "Authorization: Bearer {token}",
        "Bearer {token}",
        &["46:1: a header field is written as \"Name: value\""],
    ),
    (
        "Authorization: Bearer {token}",
        "Authorization: Bearer {tokn}",
        &[
            "46:1: of what stands in braces, only {token} and {client_id} are filled in in a header field",
            "46:1: the access token is in none of them: write {token} where it belongs",
        ],
    ),
    (
        "code = \"gone\"",
        "code = \"throttled\"",
        &["60:1: an entry above says the same, and the first one that fits counts"],
    ),
    ("code = \"gone\"", "says = \"slow\"", &["60:1: an error that `says` something needs its `code` too"]),
    (
        "code = \"gone\"",
        "",
        &["60:1: an error names neither a `code` nor a `status`: what does it speak of?"],
    ),
    ("code = \"gone\"", "code = \"\"", &["60:1: an error's code is empty: leave it out"]),
    (
        "code = \"gone\"",
        "status = 200",
        &["60:1: an error without a `code` needs a `status` from 400 to 599"],
    ),
    (
        "code = \"gone\"",
        "status = 403",
        &["60:1: no status alone means that a grant is dead: name the error's `code`"],
    ),
    (
        "https://old.small.example/\"",
        "old.small.example\"",
        &["65:1: `prefix` is no beginning of a URL, such as \"https://old.example.com/oauth/\""],
    ),
    (
        "https://small.example/v1/",
        "/v1/",
        &["70:1: `prefix` is no beginning of a URL, such as \"https://old.example.com/oauth/\""],
    ),
];

#[test]
fn every_kind_of_mistake_is_told_with_its_place_and_what_to_do() {
    assert!(KINDS.len() > 50);
    for (from, to, expected) in KINDS {
        let said: Vec<String> = said(from, to).iter().map(|said| without_keys(said)).collect();
        assert_eq!(said, *expected, "{from} → {to}");
    }
}

/// What is said, without the keys that there are: they become more.
fn without_keys(said: &str) -> String {
    match said.split_once(", expected one of ") {
        Some((unknown, keys)) if unknown.contains("unknown field") => {
            let hint = keys.split_once(';').map(|(_, hint)| format!(";{hint}")).unwrap_or_default();
            format!("{unknown}, expected one of …{hint}")
        }
        _ => said.to_owned(),
    }
}
