//! What an API says of an account that every use of it needs, where nothing else does.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use crate::site::variables;

/// What is asked for once, with the access token of a new grant, and what is kept of the answer.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// What is asked for. There may be variables in it, as in the endpoints.
    pub get: Url,
    /// The word before the token in the `Authorization` header, where it is not `Bearer`.
    pub scheme: Option<String>,
    /// Where the answer holds a list, of which one entry counts: a path of names; `.` is the answer itself.
    pub list: Option<String>,
    /// Which entries of the list are of this consent, where others are listed too.
    pub of_consent: Option<OfConsent>,
    /// The field that is true in the entry that counts, where none of them counted before. Without it, the first one does.
    pub prefer: Option<String>,
    /// What is kept: under these names, what stands at these paths, each of names with dots between them.
    pub take: BTreeMap<String, String>,
}

/// By what the entries of one consent are told from those of others.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct OfConsent {
    /// The field of an entry,
    pub field: String,
    /// and the claim of the access token, a JWT, that it is equal to.
    pub claim: String,
}

impl Lookup {
    /// The word before the token in the `Authorization` header.
    pub fn scheme(&self) -> &str {
        self.scheme.as_deref().unwrap_or("Bearer")
    }

    /// What is wrong with it, if anything is. `knows` tells which variables the endpoints have.
    pub(super) fn mistake(&self, knows: impl Fn(&str) -> bool) -> Option<String> {
        if let Some(name) = variables(self.get.as_str()).into_iter().find(|name| !knows(name)) {
            return Some(format!(
                "nothing says what may stand for {{{name}}}: no endpoint has such a variable"
            ));
        }
        if self.take.is_empty() {
            return Some("nothing is kept of the answer: name it in `take`".to_owned());
        }
        let is_path = |path: &&String| !path.split('.').any(str::is_empty);
        if let Some(path) = self.take.values().find(|path| !is_path(path)) {
            return Some(format!("{path:?} is no path of names, such as \"account.id\""));
        }
        if self.list.as_ref().is_some_and(|list| list != "." && !is_path(&list)) {
            return Some("`list` is a path of names, such as \"data.accounts\", or \".\"".to_owned());
        }
        let told_by = [("prefer", self.prefer.is_some()), ("of_consent", self.of_consent.is_some())];
        let (name, _) = told_by.into_iter().find(|(_, stated)| *stated && self.list.is_none())?;
        Some(format!("`{name}` tells which entry of a list counts: say where the list is, by `list`"))
    }
}
