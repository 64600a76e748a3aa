//! What a form sends: read as strictly as it is documented.

use serde_json::{Map, Value};

use super::answers::ApiError;
use super::{Contact, is_json};
use crate::Request;

/// The longest address, and the longest name, in characters.
const TEXT: usize = 50;

/// The most lists of one request.
const LISTS: usize = 50;

/// A request that can be carried out.
pub(super) struct SignUp {
    pub(super) email_address: String,
    first_name: Option<String>,
    last_name: Option<String>,
    lists: Vec<String>,
}

impl SignUp {
    pub(super) fn read(request: &Request, known: &[String]) -> Result<Self, ApiError> {
        if !is_json(request) {
            return Err(ApiError::unsupported());
        }
        let body: Map<String, Value> = serde_json::from_slice(request.body())
            .map_err(|_| ApiError::invalid("The body is no JSON object."))?;
        let email_address = text(&body, "email_address")?
            .filter(|address| address.split_once('@').is_some_and(|(name, host)| is_address(name, host)))
            .ok_or_else(|| ApiError::invalid("email_address is not a valid address."))?;
        Ok(Self {
            email_address,
            first_name: text(&body, "first_name")?,
            last_name: text(&body, "last_name")?,
            lists: lists(&body, known)?,
        })
    }

    pub(super) fn into_contact(self, id: String, now_ms: u64) -> Contact {
        let Self { email_address, first_name, last_name, lists } = self;
        Contact { id, email_address, first_name, last_name, lists, written_ms: now_ms }
    }

    /// What is told replaces what was; lists are only ever added to.
    pub(super) fn update(self, contact: &mut Contact, now_ms: u64) {
        contact.first_name = self.first_name.or(contact.first_name.take());
        contact.last_name = self.last_name.or(contact.last_name.take());
        let new = self.lists.into_iter().filter(|list| !contact.lists.contains(list)).collect::<Vec<_>>();
        contact.lists.extend(new);
        contact.written_ms = now_ms;
    }
}

fn is_address(name: &str, host: &str) -> bool {
    !name.is_empty() && host.contains('.') && !host.contains('@') && !host.starts_with('.')
}

fn text(body: &Map<String, Value>, name: &str) -> Result<Option<String>, ApiError> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(value)) if value.chars().count() <= TEXT => Ok(Some(value.clone())),
        Some(_) => Err(ApiError::invalid(format!("{name} is no text of at most {TEXT} characters."))),
    }
}

fn lists(body: &Map<String, Value>, known: &[String]) -> Result<Vec<String>, ApiError> {
    let asked = body.get("list_memberships").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if asked.is_empty() || asked.len() > LISTS {
        return Err(ApiError::invalid(format!("list_memberships needs 1 to {LISTS} lists.")));
    }
    let one = |list: &Value| match list.as_str() {
        Some(list) if known.iter().any(|id| id == list) => Ok(list.to_owned()),
        _ => Err(ApiError::not_found("There is no such list.")),
    };
    asked.iter().map(one).collect()
}
