//! Where a token set stands in an answer: some providers put it into something else.

use serde_json::{Map, Value};

use super::{lenient, token_set};

/// The answer itself, among the places.
const ITSELF: &str = ".";

/// The fields of the token set that stands in the first of `places` that holds one, and what else the answer says; without
/// places, the answer's own fields. `Err`: those of the answer, which holds none there.
pub(super) fn token_set(
    answer: Map<String, Value>,
    text: &str,
    places: &[String],
) -> Result<Map<String, Value>, Map<String, Value>> {
    let found = places.iter().find(|place| match place.as_str() {
        ITSELF => token_set::is_one(&answer),
        place => at(text, place).is_some_and(|fields| token_set::is_one(&fields)),
    });
    match found.map(String::as_str) {
        None if !places.is_empty() || !token_set::is_one(&answer) => Err(answer),
        None | Some(ITSELF) => Ok(answer),
        Some(place) => {
            let mut fields = at(text, place).unwrap_or_default();
            let first = place.split('.').next().unwrap_or_default();
            // What is said of another token set beside it says nothing of this one.
            let beside = |name: &str| name != first && !token_set::FIELDS.contains(&name);
            for (name, value) in answer.into_iter().filter(|(name, _)| beside(name)) {
                fields.entry(name).or_insert(value);
            }
            Ok(fields)
        }
    }
}

/// The object at a place.
fn at(text: &str, place: &str) -> Option<Map<String, Value>> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let found = place.split('.').try_fold(text, lenient::within)?;
    lenient::object(found)
}
