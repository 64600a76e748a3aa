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
    /// The field that is true in the entry that counts. Where there is none, the first one does.
    pub prefer: Option<String>,
    /// What is kept: under these names, what stands at these paths, each of names with dots between them.
    pub take: BTreeMap<String, String>,
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
        (self.prefer.is_some() && self.list.is_none()).then(|| {
            "`prefer` tells which entry of a list counts: say where the list is, by `list`".to_owned()
        })
    }
}
