//! What could stand in a file, and does not make sense.

use super::Kind;

pub(super) const MEANINGS: &[Kind] = &[
    ("\"Small\"", "\"Sm\\u001ball\"", &["2:8: it holds \\u{1b}, which does not show: leave it out"]),
    ("\"Small\"", "\"Sm\\nall\"", &["2:1: `name` is more than a line"]),
    (
        "\"Ask them.\"",
        "\"Ask \u{202e}.meht\"",
        &["4:12: it holds \\u{202e}, which does not show: leave it out"],
    ),
    ("\"Ask them.\"", "\"\"\"\r\n\tAsk\r\nthem.\"\"\"", &[]),
    (
        "[authorization]\n",
        "[authorization]\nscopes = { \"r\\u0000\" = \"\" }\n",
        &["23:12: it holds \\u{0}, which does not show: leave it out"],
    ),
    (
        "[authorization]\n",
        "[authorization]\nscopes = 2026-11-15\n",
        &["23:10: a day is written in quotes, as \"2026-11-29\", and nothing else as a date"],
    ),
    (
        "name = \"Small\"",
        "name = \"Small\"\n\"\\u001b[2J\" = 1",
        &["3:1: unknown field `\u{fffd}[2J`, expected one of …"],
    ),
    (
        "\"https://small.example/docs\"\n",
        "\"javascript:alert(1)\"\n",
        &["3:1: javascript: is no page to be read: it has to begin with https://"],
    ),
    (
        "{ url = \"https://small",
        "{ url = \"data:small",
        &["7:1: data: is no page to be read: it has to begin with https://"],
    ),
    (
        "\"24h\"",
        "\"0s\"",
        &[
            "28:15: invalid value: string \"0s\", expected \"none\", or a length of time such as \"24h\", \"30min\" or \"180d\"",
        ],
    ),
    ("prompt = \"consent\"", "state = \"x\"", &["23:23: state is said by Vestal itself: leave it out"]),
    (
        "\"small\"",
        "\"Small Co\"",
        &["1:1: the id \"Small Co\" may hold lower-case letters, digits and hyphens only"],
    ),
    (
        "[client]",
        "[revocation]\nis = { url = \"http://small.example/revoke\" }\nunverified = true\n[client]",
        &[
            "15:2: secrets are sent there: it has to begin with https://",
            "15:2: the token is nowhere in it: write {token} into a parameter, or say proof = \"bearer\", or token = \"none\"",
        ],
    ),
    (
        "[api]\n",
        "[api]\nlookup = { is = { get = \"https://small.example/me\", prefer = \"main\", take = { id = \"id\" } }, unverified = true }\n",
        &["45:1: `prefer` tells which entry of a list counts: say where the list is, by `list`"],
    ),
    (
        "[api]\n",
        "[api]\nlookup = { is = { get = \"https://small.example/me\", of_consent = { field = \"e\", claim = \"e\" }, take = { id = \"id\" } }, unverified = true }\n",
        &["45:1: `of_consent` tells which entry of a list counts: say where the list is, by `list`"],
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
        &["78:1: notes names no source: add `source = \"…\"`, or mark it `unverified = true`"],
    ),
    (
        "small.example/token\"\nsource = \"page\"",
        "small.example/token\"",
        &["65:1: retired names no source: add `source = \"…\"`, or mark it `unverified = true`"],
    ),
    (
        "instead = \"https://small.example/token\"\nsource",
        "instead = \"https://small.example/token\"\nwas = \"Older Co\"\nsource",
        &["65:1: the was \"Older Co\" may hold lower-case letters, digits and hyphens only"],
    ),
    (
        "\"offline\"], source = \"page\" }",
        "\"offline\"] }",
        &[
            "24:1: authorization.default_scopes names no source: add `source = \"…\"`, or mark it `unverified = true`",
        ],
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
        "{ kind = \"ask\", url = \"small\" }",
        &[
            "10:32: invalid type: string \"small\", expected an issuer: { kind = \"is\", url = \"https://…\" }, or { kind = \"ask\" }",
        ],
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
        "[requests]\n",
        "redirect_uris = [{ is = \"https\", source = \"page\" }, { is = \"https\", unverified = true }]\n[requests]\n",
        &["19:1: a form is named twice"],
    ),
    (
        "[requests]\n",
        "redirect_uris = [{ is = \"https\", when = \"it is published\" }]\n[requests]\n",
        &[
            "19:18: client.redirect_uris names no source: add `source = \"…\"`, or mark it `unverified = true`",
        ],
    ),
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
            "46:1: of what stands in braces, only {token}, {client_id}, {client_secret} and what is kept of each account are filled in in a header field",
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
        &["71:1: `prefix` is no beginning of a URL, such as \"https://old.example.com/oauth/\""],
    ),
];
