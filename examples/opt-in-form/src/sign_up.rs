//! Adds one person: a token, a request, and what to do where it fails.

use std::time::Duration;

use crate::contacts::{self, Meaning};
use crate::entry::Person;
use crate::{NoToken, Ports, Token};

/// So often is it tried while a visitor waits.
const TRIES: u32 = 4;

/// The wait before the second try; it grows. The API's throttle lasts a second.
const PAUSE: Duration = Duration::from_millis(1_100);

/// Why somebody was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// What they typed is not accepted.
    NotAccepted,
    /// It is not their fault. It was logged.
    NotNow,
}

/// Adds a person to these lists, or finds out that it cannot be done while somebody waits.
///
/// What was sent twice is there once: the API goes by the address.
pub(crate) async fn sign_up(person: &Person, lists: &[String], ports: &Ports) -> Result<(), Failed> {
    let mut reported = false;
    let mut last = String::new();
    for attempt in 0..TRIES {
        let token = ports.tokens.token().await.map_err(|why| without_token(&why))?;
        match send(person, lists, &token, ports).await {
            Meaning::SignedUp => return Ok(()),
            Meaning::NotAccepted(why) => {
                tracing::warn!(%why, "an address was not accepted");
                return Err(Failed::NotAccepted);
            }
            // One report, one more try, at once: if the next one is not taken either, no refresh will help.
            Meaning::Unauthorized if !reported => {
                reported = true;
                tracing::info!(
                    generation = token.generation,
                    "the access token was rejected, and that is reported"
                );
                ports.tokens.rejected(token.generation).await;
                continue;
            }
            Meaning::Unauthorized => {
                return Err(amiss("fresh access tokens are rejected: is the application active?"));
            }
            Meaning::UsedUp => return Err(amiss("the application's requests of today are used up")),
            Meaning::Amiss(why) => return Err(amiss(&why)),
            Meaning::Again(why) => last = why,
        }
        if attempt + 1 < TRIES {
            ports.clock.sleep(PAUSE * (attempt + 1)).await;
        }
    }
    Err(amiss(&last))
}

async fn send(person: &Person, lists: &[String], token: &Token, ports: &Ports) -> Meaning {
    let request = match contacts::request(person, lists, token) {
        Ok(request) => request,
        Err(meaning) => return meaning,
    };
    match ports.api.send(request).await {
        Ok(response) => contacts::meaning(&response),
        // It may have arrived: to send it again does no harm.
        Err(unanswered) => Meaning::Again(unanswered.0),
    }
}

fn without_token(why: &NoToken) -> Failed {
    match why {
        NoToken::NeedsPerson(why) => {
            tracing::error!(%why, "a contact was turned away: the connection needs a person");
        }
        NoToken::NotNow(why) => tracing::error!(%why, "a contact was turned away: there is no token"),
    }
    Failed::NotNow
}

/// Nothing of the visitor is logged.
fn amiss(why: &str) -> Failed {
    tracing::error!(%why, "a contact was turned away");
    Failed::NotNow
}
