//! What an answer tells beyond its connection: of the host, of the time, of the client, and of how its provider's tokens
//! live.

use std::time::Duration;

use jiff::Timestamp;
use vestal_core::client::Client;
use vestal_core::clock::random;
use vestal_core::connection::{Attempt, Connection};
use vestal_core::event::What;
use vestal_core::evidence::Evidence;
use vestal_core::outcome::{Class, Reply, classify, not_before};
use vestal_oauth::read::Reading;

use crate::client_trouble::unchanged;
use crate::gate::Health;
use crate::holds::host_of;
use crate::hosts::Slot;
use crate::take::Cargo;
use crate::{Error, Inner};

/// An attempt that was concluded.
pub(crate) struct Lesson<'a> {
    pub(crate) reading: &'a Reading,
    pub(crate) cargo: &'a Cargo,
    pub(crate) attempt: &'a Attempt,
    /// What it tells of the host; `None` where it never came to be sent.
    pub(crate) health: Option<Health>,
    /// When its lease was taken, in the clock's uptime: it was sent right after.
    pub(crate) begun_at: Duration,
    /// When its refresh token was sent before, if that answer was lost.
    pub(crate) first_use: Option<Timestamp>,
    /// The connection as it is now.
    pub(crate) after: &'a Connection,
}

impl Inner {
    /// Takes note of what an answer tells. What goes wrong here is logged, and harms no connection.
    pub(crate) async fn learn(&self, lesson: Lesson<'_>, slot: &Slot) {
        let Lesson { reading, cargo, after, .. } = &lesson;
        let (client, reply, uptime) = (&cargo.client, &reading.reply, self.clock.uptime());
        if let Some(health) = lesson.health {
            slot.note(health, lesson.begun_at, uptime, u64::from_ne_bytes(random(&*self.entropy)));
        }
        if matches!(reply, Reply::Tokens(_) | Reply::Error { .. } | Reply::Unreadable { .. }) {
            self.time.note_answer(self.clock.now(), uptime, reading.date, &host_of(client));
        }
        if let Reply::Error { status: 429, .. } | Reply::Unreadable { status: 429, .. } = reply {
            let now = self.clock.now();
            let wait = not_before(reply, &cargo.provider, now).duration_since(now).unsigned_abs();
            self.holds.was_throttled(client, after.id, uptime, wait);
        }
        let class = classify(reply, &cargo.provider);
        let noted = match (class, reply) {
            (Class::Client, _) => self.client_was_refused(client, after, &reply.words().0).await,
            // Whatever is wrong with the grant or the request: the provider knows the client.
            (Class::Success | Class::Permanent | Class::Refused, _) => {
                self.client_was_accepted(client, after).await
            }
            _ => Ok(()),
        };
        let noted = match noted {
            Ok(()) => self.note_evidence(&lesson, class).await,
            error => error,
        };
        if let Err(error) = noted {
            tracing::warn!(client = %client.name, %error, "what an answer told of this client was not noted");
        }
    }

    /// Takes note of how tokens live, where there is something new to see. What contradicts the provider's file is told.
    async fn note_evidence(&self, lesson: &Lesson<'_>, class: Class) -> Result<(), Error> {
        let client = &lesson.cargo.client;
        // Mostly there is nothing new, and nothing to be read or written.
        if self.seen(lesson, class, &client.notes.evidence).is_none() {
            return Ok(());
        }
        let changed = self
            .change_client(client.id, |client: &Client| {
                let mut update = unchanged(client);
                update.notes.evidence = self.seen(lesson, class, &client.notes.evidence)?;
                Some(update)
            })
            .await?;
        let Some((before, after)) = changed else { return Ok(()) };
        let file = self.catalogue.get(&client.provider)?;
        for found in after.evidence.new_contradictions(&before.evidence, &file) {
            tracing::info!(
                client = %client.name, provider = %file.name, fact = ?found,
                "what is said of this provider does not fit what it does"
            );
            self.tell(lesson.after.id, What::Contradiction { found }).await?;
        }
        Ok(())
    }

    fn seen(&self, lesson: &Lesson<'_>, class: Class, evidence: &Evidence) -> Option<Evidence> {
        let Lesson { reading, attempt, first_use, after, .. } = *lesson;
        let now = self.clock.now();
        match (class, &reading.reply, &after.grant) {
            // Only where it was applied does it say something of this refresh token.
            (Class::Success, Reply::Tokens(answer), Some(grant))
                if grant.id == attempt.grant && grant.tokens.generation > attempt.generation =>
            {
                evidence.after_success(attempt, &grant.tokens, answer.expires_in, first_use, now)
            }
            (Class::Permanent, _, _) => evidence.after_refusal(attempt, first_use, now),
            _ => None,
        }
    }
}
