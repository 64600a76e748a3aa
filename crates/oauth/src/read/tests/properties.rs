//! What holds for any answer.

use proptest::prelude::*;

use super::*;

/// Text that is often nearly an answer.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "access_token",
        "refresh_token",
        "expires_in",
        "expires_at",
        "token_type",
        "scope",
        "error",
        "error_key",
        "errorCode",
        "ok",
        "refresh_expires_in",
        "id_token",
        "other",
    ]);
    let value = prop_oneof![
        Just(json!(null)),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        "[a-z]{0,3}\\.[A-Za-z0-9_-]{0,20}\\.[a-z]{0,3}".prop_map(Value::from),
        prop::collection::vec("[a-z]{0,3}", 0..3).prop_map(Value::from),
    ];
    let object = prop::collection::btree_map(name, value, 0..6).prop_map(|fields| {
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    });
    let whole = object.prop_map(|object| object.to_string().into_bytes());
    prop_oneof![
        any::<Vec<u8>>(),
        whole.clone(),
        (whole, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut body, at, byte)| {
            let at = at.index(body.len());
            body[at] = byte;
            body
        }),
        "(access_token|error|x)=[a-z%+]{0,4}(&[a-z_]{0,8}=[a-z0-9%]{0,4}){0,3}".prop_map(String::into_bytes),
    ]
}

/// A body in which this refresh token stands somewhere, more or less as it should.
fn holding(token: &str) -> impl Strategy<Value = String> + use<> {
    let member = format!(r#""refresh_token":"{token}""#);
    let beside = prop::sample::select(vec![
        "",
        r#""access_token":"at","#,
        r#""access_token":null,"#,
        r#""error":"invalid_request","#,
        r#""error":"temporarily_unavailable","#,
        r#""error":{"code":1},"#,
        r#""ok":false,"#,
        r#""x":1e400,"#,
        r#""refresh_token":null,"#,
        r#""refresh_token":"","#,
        r#""refresh_token":"other","#,
        r#""refresh_token":"\ud800","#,
        r#""refresh_token":[],"#,
    ]);
    let after = prop::sample::select(vec![
        "",
        r#","access_token":"at""#,
        r#","access_token":"""#,
        r#","error":"x""#,
        r#","refresh_token":null"#,
        r#","refresh_token":" ""#,
        r#","refresh_token":"other""#,
        r#","refresh_token":false"#,
        r#","x":"\ud800""#,
        ",",
        ",x",
        r#","x":"y"#,
    ]);
    let around = prop::sample::select(vec![
        ("{", "}"),
        ("{", ""),
        ("[{", "}]"),
        ("[0,{", "}"),
        (r#"{"data":{"#, "}}"),
        ("<pre>{", "}</pre>"),
        (")]}',\n{", "}"),
        ("{", "}\0"),
        ("{", "}{}"),
    ]);
    (prop::collection::vec(beside, 0..3), after, around).prop_map(move |(beside, after, (open, close))| {
        format!("{open}{}{member}{after}{close}", beside.concat())
    })
}

proptest! {
    #[test]
    fn no_refresh_token_that_came_is_thrown_away(
        status in prop_oneof![Just(200_u16), 200_u16..600],
        (token, body) in "[A-Za-z0-9._~+/-]{1,20}".prop_flat_map(|token| (Just(token.clone()), holding(&token))),
        end in prop::sample::select(vec![BodyEnd::Complete, BodyEnd::Truncated, BodyEnd::TooLarge, BodyEnd::TimedOut]),
    ) {
        let reading = read(Answer { end, ..answer(status, body.clone()) });
        match &reading.reply {
            Reply::Tokens(tokens) => {
                let taken = tokens.refresh_token.as_ref().map(|taken| taken.expose_secret());
                prop_assert_eq!(taken, Some(token.as_str()), "{}", body);
            }
            reply => {
                let provider = catalogue::builtin("custom").unwrap().unwrap();
                prop_assert_eq!(reading.raw, Some(Bytes::from(body)));
                prop_assert_eq!(classify(reply, &provider), Class::Ambiguous);
            }
        }
    }

    #[test]
    fn any_answer_can_be_read(
        status in prop_oneof![Just(200_u16), 100_u16..600],
        body in body(),
        end in prop::sample::select(vec![BodyEnd::Complete, BodyEnd::Truncated, BodyEnd::TooLarge, BodyEnd::TimedOut]),
        date in "\\PC{0,12}",
        started_at in any::<i64>(),
    ) {
        let mut headers = HeaderMap::new();
        for name in ["date", "retry-after", "location"] {
            headers.extend(date.parse().ok().map(|value| (name.parse::<HeaderName>().unwrap(), value)));
        }
        let started_at = Timestamp::from_second(started_at % 100_000_000_000).unwrap();
        let body = Bytes::from(body);
        let answer = Answer { status, headers, body: body.clone(), end };
        let reading = read_token_answer(Exchange::Answered(answer), started_at, &Redactor::default());
        let successful = (200..300).contains(&status);
        match reading.reply {
            Reply::Tokens(tokens) => {
                prop_assert!(successful && end != BodyEnd::TooLarge && reading.raw.is_none());
                let text = String::from_utf8_lossy(&body);
                prop_assert!(text.contains("access_token"));
                prop_assert!(!tokens.access_token.expose_secret().trim().is_empty());
                let refresh_token = tokens.refresh_token.as_ref().map_or("", |token| token.expose_secret());
                let scope = tokens.scope.as_deref().unwrap_or_default();
                for text in [tokens.access_token.expose_secret(), refresh_token, &tokens.token_type, scope] {
                    prop_assert!(!text.contains(char::is_control));
                }
                prop_assert!(tokens.expires_in.is_none_or(|life| !life.is_zero() && life <= LONGEST_LIFE));
            }
            Reply::Unreadable { .. } if successful => {
                prop_assert_eq!(reading.raw, (!body.is_empty()).then_some(body));
            }
            Reply::Error { .. } | Reply::Unreadable { .. } => {
                if let Some(raw) = reading.raw {
                    prop_assert!(String::from_utf8_lossy(&raw).contains("_token"));
                }
            }
            Reply::NotSent { .. } | Reply::ClientUnfit { .. } | Reply::NoAnswer { .. } => prop_assert!(false, "there was an answer"),
        }
    }
}
