//! What fits no file, whatever it means: the schema of files tells it too.

use super::Kind;

pub(super) const SHAPES: &[Kind] = &[
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
    (
        "instead = \"publish it\"",
        "do = \"publish it\"",
        &["38:1: `instead` is missing: add `instead = \"…\"`", "41:1: unknown field `do`, expected one of …"],
    ),
    // Missing.
    (
        "id = \"small\"\n",
        "",
        &[
            "1:1: `id` is missing: add `id = \"…\"`; that of a provider which comes with Vestal, such as \"slack\", lays this file over it, and another one describes a provider of your own",
        ],
    ),
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
    ("on = \"2027-02-16\"\n", "", &["71:1: `on` is missing: add `on = \"2026-11-29\"`"]),
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
        "default_scopes = { is = [\"read\", \"offline\"], source = \"page\" }",
        "default_scopes = [\"read\", \"offline\"]",
        &[
            "24:18: invalid type: sequence, expected a fact: { is = …, source = \"…\" }, or { is = …, unverified = true }",
        ],
    ),
    (
        "parameters = { is = { prompt = \"consent\" }",
        "parameters = { is = { prompt = true }",
        &["23:32: invalid type: boolean `true`, expected a string"],
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
        "[requests]\n",
        "redirect_uris = [{ is = \"http\", source = \"page\" }]\n[requests]\n",
        &[
            "19:25: unknown variant `http`, expected one of `https`, `http-localhost`, `http-loopback`; did you mean `https`?",
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
    (
        "{ kind = \"ask\" }",
        "\"https://small.example\"",
        &[
            "10:10: invalid type: string \"https://small.example\", expected an issuer: { kind = \"is\", url = \"https://…\" }, or { kind = \"ask\" }",
        ],
    ),
    (
        "{ kind = \"ask\" }",
        "true",
        &[
            "10:10: invalid type: boolean `true`, expected an issuer: { kind = \"is\", url = \"https://…\" }, or { kind = \"ask\" }",
        ],
    ),
    ("kind = \"ask\"", "kind = \"guess\"", &["10:19: unknown variant `guess`, expected `ask` or `is`"]),
    ("kind = \"ask\"", "kind = \"is\"", &["10:10: `url` is missing: add `url = \"https://…\"`"]),
];
