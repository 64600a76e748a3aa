//! The part of an API that opt-in forms use: `POST /v3/contacts/sign_up_form`, as Constant Contact has it.
//!
//! What it does is taken from <https://developer.constantcontact.com/api_guide/glossary_responses.html>, `rate_limits.html`
//! beside it, and <https://api.cc.email/v3/swagger.yaml>; of the fields of a contact it knows those that the form sends.

mod answers;
mod limits;
mod sign_up;

use bytes::Bytes;
use http::StatusCode;

pub use answers::ApiErrorShape;

use crate::memory::Memory;
use crate::{Request, Response, Sandbox, resource};
use answers::ApiError;
use limits::Limits;
use sign_up::SignUp;

/// So many contacts are remembered.
const CONTACTS: usize = 10_000;

/// The scope without which no contact is written.
const SCOPE: &str = "contact_data";

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct ContactsApi {
    /// The identifiers of the lists that a contact may be put on.
    pub lists: Vec<String>,
    /// How many requests of one application are answered within a second.
    pub per_second: u32,
    /// How many within a day, which begins at 00:00 UTC.
    pub per_day: u32,
    /// For how long a contact that was written is not to be written again: who tries is told 409.
    pub busy_ms: u64,
    /// The applications that are deactivated, by their client id.
    pub deactivated: Vec<String>,
}

impl ContactsApi {
    /// One with these lists, and the limits that are documented.
    pub fn new(lists: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            lists: lists.into_iter().map(Into::into).collect(),
            per_second: 4,
            per_day: 10_000,
            busy_ms: 100,
            deactivated: Vec::new(),
        }
    }

    /// An error as the API words it, for a [`Trouble`](crate::Trouble).
    pub fn error(status: StatusCode, shape: ApiErrorShape, key: &'static str) -> Response {
        ApiError { status, shape, key, message: status.canonical_reason().unwrap_or("Error").to_owned() }
            .into_response()
    }
}

/// Somebody who has signed up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its identifier, a UUID.
    pub id: String,
    /// As it was written first.
    pub email_address: String,
    /// The newest that was told.
    pub first_name: Option<String>,
    /// The newest that was told.
    pub last_name: Option<String>,
    /// The lists that it was put on, in that order.
    pub lists: Vec<String>,
    /// When it was written last, in milliseconds since the Unix epoch.
    pub written_ms: u64,
}

/// Everybody who has signed up, and who has asked how often.
pub(crate) struct Contacts {
    /// By their address in lower case.
    stored: Memory<Contact>,
    limits: Limits,
}

impl Default for Contacts {
    fn default() -> Self {
        Self { stored: Memory::new(CONTACTS), limits: Limits::default() }
    }
}

impl Sandbox {
    /// Everybody who has signed up, in the order of their addresses.
    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.stored.values()
    }

    pub(crate) fn sign_up(&mut self, request: &Request, now_ms: u64) -> Response {
        self.try_to_sign_up(request, now_ms).unwrap_or_else(ApiError::into_response)
    }

    /// Who asks, how often, whether it may, and what for: in this order.
    fn try_to_sign_up(&mut self, request: &Request, now_ms: u64) -> Result<Response, ApiError> {
        // There is such an endpoint only where there are such settings.
        let Some(api) = &self.settings.contacts else { return Err(ApiError::unauthorized()) };
        let bearer = resource::bearer(request).ok_or_else(ApiError::unauthorized)?;
        let token = self.grants.access_token(bearer, now_ms).ok_or_else(ApiError::unauthorized)?;
        let client = self.grants.client_of(token);
        self.contacts.limits.count(client, api, now_ms)?;
        let may = token.scope.split(' ').any(|scope| scope == SCOPE);
        if !may || api.deactivated.iter().any(|id| id == client) {
            return Err(ApiError::forbidden());
        }
        let sign_up = SignUp::read(request, &api.lists)?;
        let (key, busy_ms) = (sign_up.email_address.to_lowercase(), api.busy_ms);
        if let Some(contact) = self.contacts.stored.get_mut(&key) {
            if now_ms < contact.written_ms.saturating_add(busy_ms) {
                return Err(ApiError::conflict());
            }
            sign_up.update(contact, now_ms);
            return Ok(answers::written(StatusCode::OK, &contact.id, "updated"));
        }
        let contact = sign_up.into_contact(self.random.uuid(), now_ms);
        let answer = answers::written(StatusCode::CREATED, &contact.id, "created");
        self.contacts.stored.insert(key, contact);
        Ok(answer)
    }
}

/// Whether a body is said to be JSON.
fn is_json(request: &http::Request<Bytes>) -> bool {
    let stated = request.headers().get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = stated.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
