//! How a provider's token answers differ from those of RFC 6749 §5, beyond what is understood of anybody's.

use serde::Deserialize;
use serde_json::Value;

use super::Fact;

/// Where it says nothing, answers are as RFC 6749 has them, more or less.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AnswerFacts {
    /// Where the token set stands in the answer to a code: the first place that holds one counts. A place is a path of
    /// names and numbers, as `data.0`; `.` is the answer itself.
    pub exchange: Option<Fact<Vec<String>>>,
    /// The same in the answer to a refresh.
    pub refresh: Option<Fact<Vec<String>>>,
    /// What a success says, where an error may come with HTTP 200.
    pub success: Option<Fact<Success>>,
    /// The field that holds an error's code, where it is none of the customary ones.
    pub error: Option<Fact<String>>,
}

/// What a field says in every success.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// The field.
    pub field: String,
    /// What it says.
    pub says: Value,
}

/// How one kind of answer is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape<'a> {
    /// Where the token set may stand; nowhere else, unless it is empty: then it is the answer itself.
    pub places: &'a [String],
    /// What a success says.
    pub success: Option<&'a Success>,
    /// The field that may hold an error's code.
    pub error: Option<&'a str>,
}

impl AnswerFacts {
    /// How the answer to a code is read.
    pub fn to_exchange(&self) -> Shape<'_> {
        self.shape(self.exchange.as_ref())
    }

    /// How the answer to a refresh is read.
    pub fn to_refresh(&self) -> Shape<'_> {
        self.shape(self.refresh.as_ref())
    }

    fn shape<'a>(&'a self, places: Option<&'a Fact<Vec<String>>>) -> Shape<'a> {
        Shape {
            places: places.map_or(&[], |fact| &fact.value),
            success: self.success.as_ref().map(|fact| &fact.value),
            error: self.error.as_ref().map(|fact| fact.value.as_str()),
        }
    }
}
