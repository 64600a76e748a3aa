//! What an API answers to whoever asks it with an access token.

use serde_json::{Map, Value};

use crate::http::{BodyEnd, Exchange};

/// The longest text that is taken for a value.
const LONGEST: usize = 1024;

/// What it said, or a sentence that says why it said nothing.
pub(crate) fn json(exchange: Exchange) -> Result<Value, String> {
    let answer = match exchange {
        Exchange::NotSent { detail } | Exchange::ClientUnfit { detail } | Exchange::NoAnswer { detail } => {
            return Err(detail);
        }
        Exchange::Answered(answer) => answer,
    };
    if answer.status != 200 || answer.end != BodyEnd::Complete {
        return Err(format!("it answered {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|_| "its answer is no JSON".to_owned())
}

/// The text or the whole number at a path, if there is one that can tell accounts apart.
pub fn at(fields: &Map<String, Value>, path: &[String]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let found = rest.iter().try_fold(fields.get(first)?, |value, name| value.get(name))?;
    let text = match found {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
        _ => return None,
    };
    (!text.trim().is_empty() && text.len() <= LONGEST).then_some(text)
}
