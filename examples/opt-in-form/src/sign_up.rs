//! Adds one person: a token, a request, and what to do where it fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::contacts::{self, Meaning};
use crate::entry::Person;
use crate::stamp::Tag;
use crate::{NoToken, Ports, Token};

/// So often is it tried while a visitor waits.
const TRIES: u32 = 4;

/// The wait before the second try; it grows. The API's throttle lasts a second.
const PAUSE: Duration = Duration::from_millis(1_100);

/// So long a visitor waits for everything together: a turn, a token, and the API.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Why somebody was not added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// What they typed is not accepted.
    NotAccepted,
    /// Somebody else was added by this very form, or they were under another address.
    AnotherPerson,
    /// It is not their fault. It was logged.
    NotNow,
    /// Nor is this, and they may be on the list all the same.
    Unclear,
}

/// Adds a person to these lists, or finds out that it cannot be done while somebody waits. `tag` is the person's, `dealt` that of
/// whoever was added by this form.
///
/// What was sent twice is there once: the API goes by the address.
pub(crate) async fn sign_up(
    person: &Person,
    lists: &[String],
    ports: &Ports,
    tag: Tag,
    dealt: &Mutex<Option<Tag>>,
) -> Result<(), Failed> {
    // Whether the API may have been told, and nobody knows what it did.
    let is_open = AtomicBool::new(true);
    let signing_up = async {
        // Whoever presses the button twice waits for the first press, and gets its answer.
        let mut dealt = dealt.lock().await;
        is_open.store(false, Ordering::Relaxed);
        match *dealt {
            Some(done) if done == tag => return Ok(()),
            Some(_) => return Err(Failed::AnotherPerson),
            None => try_to(person, lists, ports, &is_open).await?,
        }
        *dealt = Some(tag);
        Ok(())
    };
    let signed_up = tokio::select! {
        biased;
        signed_up = signing_up => signed_up,
        () = ports.clock.sleep(PATIENCE) => Err(amiss("it took too long")),
    };
    match signed_up {
        Err(Failed::NotNow) if is_open.load(Ordering::Relaxed) => Err(Failed::Unclear),
        signed_up => signed_up,
    }
}

async fn try_to(
    person: &Person,
    lists: &[String],
    ports: &Ports,
    is_open: &AtomicBool,
) -> Result<(), Failed> {
    let mut reported = false;
    let mut last = String::new();
    for attempt in 0..TRIES {
        let token = ports.tokens.token().await.map_err(|why| without_token(&why))?;
        match send(person, lists, &token, ports, is_open).await {
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

async fn send(
    person: &Person,
    lists: &[String],
    token: &Token,
    ports: &Ports,
    is_open: &AtomicBool,
) -> Meaning {
    let request = match contacts::request(person, lists, token) {
        Ok(request) => request,
        Err(meaning) => return meaning,
    };
    let was_open = is_open.swap(true, Ordering::Relaxed);
    match ports.api.send(request).await {
        Ok(response) => {
            // Of one before, which was not answered, this says nothing.
            is_open.store(was_open, Ordering::Relaxed);
            contacts::meaning(&response)
        }
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
