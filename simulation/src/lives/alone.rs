//! The ways of a provider that gives no refresh tokens: its access tokens have no end, or are exchanged themselves, or a
//! person has to consent again before they end. Pure.

use std::time::Duration;

use vestal_core::provider::{ExchangeStep, Provider};
use vestal_sandbox::{ExpiresIn, RefreshTokens, TokenExchange};

use crate::lives::behaviour::{AccessTokens, Behaviour, ENDLESS, known, ms, settings};
use crate::lives::wordings;

/// What the sandbox waits for before it gives a refresh token.
const NEVER_ASKED_FOR: &str = "a scope that nobody asks for";

/// Every way in which it may behave: whether answers say how long access tokens live decides who has to know it.
pub(crate) fn behaviours(provider: &Provider) -> Vec<Behaviour> {
    let ways = match provider.access_token_life() {
        Some(_) => [
            (vec!["answers say when the access token ends".to_owned()], ExpiresIn::Number),
            (vec![], ExpiresIn::Absent),
        ],
        None => [(vec![], ExpiresIn::Absent), (vec!["answers say expires_in 0".to_owned()], ExpiresIn::Zero)],
    };
    let way = |(number, (chosen, told))| behaviour(provider, number, chosen, told);
    ways.into_iter().enumerate().map(way).collect()
}

fn behaviour(provider: &Provider, number: usize, chosen: Vec<String>, told: ExpiresIn) -> Behaviour {
    let life = provider.access_token_life();
    let access_token_life = life.unwrap_or(ENDLESS);
    let first = life.and_then(|_| provider.first_access_token_life()).unwrap_or(access_token_life);
    let refresh_tokens =
        RefreshTokens { only_with_scope: Some(NEVER_ASKED_FOR.to_owned()), ..RefreshTokens::default() };
    let mut settings = settings(provider, AccessTokens { life: first, told }, refresh_tokens);
    settings.wordings = wordings::of(provider, number);
    settings.dialect.exchange = exchange(provider, access_token_life);
    let is_renewed = provider.exchange.renew.is_some();
    Behaviour {
        chosen,
        access_token_life,
        idle_limit: life.filter(|_| is_renewed),
        absolute_life: life.filter(|_| !is_renewed),
        // The access token that was exchanged stays valid.
        survives_lost_answers: true,
        settings,
    }
}

/// How access tokens are exchanged, where they are.
fn exchange(provider: &Provider, long_life: Duration) -> Option<TokenExchange> {
    let lengthen = provider.exchange.of(ExchangeStep::Lengthen)?;
    let renew = provider.exchange.of(ExchangeStep::Renew);
    Some(TokenExchange {
        lengthen: known(&lengthen.grant_type),
        renew: renew.map(|asked| known(&asked.grant_type)),
        token: known(&lengthen.token),
        long_life_ms: ms(long_life),
        minimum_age_ms: provider.minimum_age().map_or(0, ms),
    })
}
