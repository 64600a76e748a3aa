//! What Vestal does with a provider's tokens: asked of the functions that decide it when it runs.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;
use vestal_core::connection::{Attempt, Connection, Lease, Policy};
use vestal_core::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use vestal_core::outcome::{Reply, Verdict, judge};
use vestal_core::provider::{Grace, Provider};
use vestal_core::schedule::{MARGIN, Next, Plan, QuotaPlan, Schedule, schedule};
use vestal_core::seal::{Fingerprint, Sealed};
use vestal_core::state::{Cause, State, Transition};
use vestal_core::token::{About, Grant, Renewal, StoredRefreshToken, TokenSet, saturating_add};

/// When the tokens of the example were issued.
pub(crate) const START: Timestamp = Timestamp::UNIX_EPOCH;

/// Any seed does: what is told leaves the jitter out.
pub(crate) const SEED: u64 = 7;

/// More tries than any provider needs to show all that it does to a lost answer.
const TRIES_MAX: usize = 64;

/// What Vestal does, where answers say no more than the provider's file.
pub(crate) struct Conduct {
    /// The schedule while somebody reads the access token.
    pub(crate) read: Schedule,
    /// The schedule while nobody does.
    pub(crate) unread: Schedule,
    /// What follows when an answer is lost, step by step; none where nothing can be lost.
    pub(crate) after_loss: Vec<Step>,
    /// How long after an `invalid_grant` it is tried once more; `None` where it is believed at once.
    pub(crate) doubts_for: Option<Duration>,
}

/// A further try with a refresh token that the provider may have replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// At once.
    AtOnce,
    /// As long as the provider accepts the replaced one.
    WithinGrace(Duration),
    /// When the access token has ended: until then, a try could end it.
    WhenAccessEnds,
    /// After some seconds, then ever more rarely.
    Spaced,
}

impl Conduct {
    pub(crate) fn of(provider: &Provider) -> Result<Self, Box<dyn Error>> {
        let unread = connection(provider)?;
        let read = Connection { last_read_at: Some(START), ..unread.clone() };
        let plan = |connection| schedule(connection, provider, &QuotaPlan::AMPLE, START, SEED);
        let (read_plan, unread_plan) = (plan(&read), plan(&unread));
        let sent_at = match read_plan.next {
            Next::At { at, .. } => at,
            Next::Never(_) => START,
        };
        Ok(Self {
            after_loss: after_loss(read.clone(), provider, sent_at)?,
            doubts_for: doubts_for(read, provider, sent_at),
            read: read_plan,
            unread: unread_plan,
        })
    }
}

fn after_loss(
    mut connection: Connection,
    provider: &Provider,
    sent_at: Timestamp,
) -> Result<Vec<Step>, Box<dyn Error>> {
    // As the judgement reckons it: a safety margin before the end.
    let access_end = provider.access_token_life().map(|life| {
        let end = saturating_add(START, life);
        end.checked_sub(MARGIN.min(life / 10)).unwrap_or(end)
    });
    let mut steps = Vec::new();
    let mut now = sent_at;
    for _ in 0..TRIES_MAX {
        let lost = Reply::NoAnswer { detail: "lost".into() };
        let Some((cause, next)) = failure(&mut connection, provider, &lost, now) else { break };
        if !cause.is_outcome_unknown() {
            break;
        }
        let step = match provider.grace() {
            _ if next <= now => Step::AtOnce,
            Grace::For(grace) if next <= saturating_add(sent_at, grace) => Step::WithinGrace(grace),
            _ if access_end == Some(next) => Step::WhenAccessEnds,
            _ => Step::Spaced,
        };
        if steps.last() != Some(&step) {
            steps.push(step);
        }
        if matches!(step, Step::Spaced | Step::WhenAccessEnds) {
            break;
        }
        connection.state = connection.state.apply(Transition::Fail { cause, next }, now)?;
        now = next;
    }
    Ok(steps)
}

fn doubts_for(mut connection: Connection, provider: &Provider, now: Timestamp) -> Option<Duration> {
    let code = "invalid_grant".to_owned();
    let refused =
        Reply::Error { status: 400, detail: code.clone(), code, retry_after: None, holds_tokens: false };
    match failure(&mut connection, provider, &refused, now)? {
        (Cause::Doubted { .. }, next) => Duration::try_from(next.duration_since(now)).ok(),
        _ => None,
    }
}

/// What follows when a refresh that starts now comes to this; `None` where no further try does.
fn failure(
    connection: &mut Connection,
    provider: &Provider,
    reply: &Reply,
    now: Timestamp,
) -> Option<(Cause, Timestamp)> {
    let grant = connection.grant.as_ref()?;
    let attempt = Attempt {
        id: AttemptId::from_uuid(Uuid::nil()),
        node: NodeId::from_uuid(Uuid::nil()),
        grant: grant.id,
        generation: grant.tokens.generation,
        fingerprint: grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint),
        started_at: now,
    };
    connection.lease = Some(Lease { attempt: attempt.clone(), until: Timestamp::MAX, valid: true });
    match judge(connection, &attempt, reply, provider, now, SEED) {
        Verdict::Move(Transition::Fail { cause, next }) => Some((cause, next)),
        _ => None,
    }
}

/// A connection whose tokens were just issued, and which nobody has read.
fn connection(provider: &Provider) -> Result<Connection, Box<dyn Error>> {
    let refresh_token = provider.issues_refresh_tokens().then(|| StoredRefreshToken {
        sealed: Sealed::from_bytes(vec![]),
        fingerprint: Fingerprint::from_bytes([0; 32]),
        end: None,
    });
    let renewal = match refresh_token {
        Some(_) => Renewal::RefreshToken,
        None => provider.renewal_without_refresh_token(),
    };
    let tokens = TokenSet {
        generation: 1,
        issued_at: START,
        expires_at: provider.access_token_life().map(|life| saturating_add(START, life)),
        token_type: "Bearer".into(),
        scope: None,
        access_token: Some(Sealed::from_bytes(vec![])),
        refresh_token,
        id_token: None,
        extra: None,
    };
    let id = GrantId::from_uuid(Uuid::nil());
    Ok(Connection {
        id: ConnectionId::from_uuid(Uuid::nil()),
        revision: 1,
        name: "example".parse()?,
        client: ClientId::from_uuid(Uuid::nil()),
        external_id: None,
        tags: BTreeMap::new(),
        policy: Policy::Auto,
        created_at: START,
        last_read_at: None,
        state: State::Active,
        grant: Some(Grant { id, consented_at: START, renewal, means: None, tokens, about: About::default() }),
        plan: Plan::default(),
        lease: None,
    })
}

#[cfg(test)]
mod tests {
    use vestal_core::provider::catalogue;

    use super::*;
    use crate::words::interval;

    fn conduct(id: &str) -> Conduct {
        Conduct::of(&catalogue::builtin(id).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn a_lost_answer_is_treated_as_the_providers_rotation_asks() {
        let minutes = |minutes: u64| Step::WithinGrace(Duration::from_secs(minutes * 60));
        for (id, steps) in [
            ("google", vec![]),
            ("microsoft", vec![]),
            ("xero", vec![minutes(30), Step::Spaced]),
            ("atlassian", vec![minutes(10), Step::Spaced]),
            ("auth0", vec![Step::WhenAccessEnds]),
            ("slack", vec![Step::AtOnce, Step::Spaced]),
            ("github", vec![Step::Spaced]),
        ] {
            assert_eq!(conduct(id).after_loss, steps, "{id}");
        }
        assert_eq!(conduct("okta").after_loss.last(), Some(&Step::WhenAccessEnds));
    }

    #[test]
    fn only_where_a_second_try_does_no_harm_is_invalid_grant_doubted() {
        assert!(conduct("google").doubts_for.is_some() && conduct("microsoft").doubts_for.is_some());
        assert!(conduct("auth0").doubts_for.is_none() && conduct("constant-contact").doubts_for.is_none());
    }

    #[test]
    fn what_is_told_of_an_interval_is_what_the_schedule_does() {
        for id in catalogue::ids() {
            let Conduct { read, unread, .. } = conduct(id);
            for schedule in [read, unread] {
                let Next::At { at, why, .. } = schedule.next else { continue };
                let (told, real) =
                    (interval(why).unwrap(), Duration::try_from(at.duration_since(START)).unwrap());
                assert!(real <= told && real >= told.mul_f64(0.9), "{id}: {told:?} is told, {real:?} it is");
            }
        }
    }
}
