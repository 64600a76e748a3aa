//! How an access token itself is exchanged for another one, where there are no refresh tokens.

use serde::Deserialize;

use super::{Fact, Life, Provider};
use crate::token::{Grant, Renewal, TokenSet};

/// Where it says nothing, an access token is not exchanged.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ExchangeFacts {
    /// How a short-lived access token, as a consent brings it, becomes a long-lived one.
    pub lengthen: Option<Fact<TokenExchange>>,
    /// How a long-lived one is exchanged for a newer one. Without it, a person has to consent again before it ends.
    pub renew: Option<Fact<TokenExchange>>,
    /// How long a short-lived one lives, where answers do not say.
    pub short_life: Option<Fact<Life>>,
}

/// The request: a GET, with its parameters in the query.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TokenExchange {
    /// Its `grant_type`.
    pub grant_type: String,
    /// The parameter that holds the access token.
    pub token: String,
    /// What it says of the client.
    #[serde(default)]
    pub client: Vec<ClientParameter>,
}

/// What a request says of the client.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ClientParameter {
    /// Its identifier.
    ClientId,
    /// Its secret.
    ClientSecret,
}

/// What is to be done with an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeStep {
    /// It is short-lived, and becomes a long-lived one.
    Lengthen,
    /// It is long-lived, and is exchanged for a newer one in time.
    Renew,
}

impl ClientParameter {
    /// The parameter's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientId => "client_id",
            Self::ClientSecret => "client_secret",
        }
    }
}

impl ExchangeFacts {
    /// How a step is asked for.
    pub fn of(&self, step: ExchangeStep) -> Option<&TokenExchange> {
        let fact = match step {
            ExchangeStep::Lengthen => &self.lengthen,
            ExchangeStep::Renew => &self.renew,
        };
        fact.as_ref().map(|fact| &fact.value)
    }
}

impl Provider {
    /// How a grant without a refresh token is renewed.
    pub fn renewal_without_refresh_token(&self) -> Renewal {
        match (&self.exchange.lengthen, &self.exchange.renew) {
            (None, None) => Renewal::None,
            _ => Renewal::Exchange,
        }
    }

    /// How the access token of a grant is exchanged next; `None` where it is not.
    pub fn exchange_step(&self, grant: &Grant) -> Option<ExchangeStep> {
        if grant.renewal != Renewal::Exchange {
            return None;
        }
        let step = match self.is_short_lived(&grant.tokens) {
            true => ExchangeStep::Lengthen,
            false => ExchangeStep::Renew,
        };
        self.exchange.of(step).map(|_| step)
    }

    /// Whether nothing renews the access token of a grant: when it ends, a person must consent again.
    pub fn cannot_renew(&self, grant: &Grant) -> bool {
        match grant.renewal {
            Renewal::None => true,
            Renewal::Exchange => self.exchange_step(grant).is_none(),
            Renewal::RefreshToken
            | Renewal::ClientCredentials
            | Renewal::JwtBearer
            | Renewal::TokenExchange => false,
        }
    }

    /// Whether an access token lives much shorter than one that was lengthened.
    fn is_short_lived(&self, tokens: &TokenSet) -> bool {
        let lives = tokens.life().zip(self.access_token_life());
        self.exchange.lengthen.is_some() && lives.is_some_and(|(life, long)| life < long / 2)
    }

    /// How long an access token lives that a consent brings, where the answer does not say.
    pub fn first_access_token_life(&self) -> Option<std::time::Duration> {
        let short = self.exchange.short_life.as_ref().map(|fact| fact.value.0);
        short.or_else(|| self.access_token_life())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DAY, HOUR, builtin, connection};

    /// What is done next with an access token of this life.
    fn step(provider: &str, life: Option<std::time::Duration>) -> (Option<ExchangeStep>, bool) {
        let grant = connection(life).renewal(Renewal::Exchange).grant.unwrap();
        let provider = builtin(provider);
        (provider.exchange_step(&grant), provider.cannot_renew(&grant))
    }

    #[test]
    fn a_short_lived_access_token_is_lengthened_and_a_long_lived_one_renewed() {
        let (lengthen, renew) = (Some(ExchangeStep::Lengthen), Some(ExchangeStep::Renew));
        assert_eq!(step("instagram", Some(HOUR)), (lengthen, false));
        assert_eq!(step("instagram", Some(60 * DAY)), (renew, false));
        assert_eq!(step("instagram", None), (renew, false));
        assert_eq!(step("facebook", Some(2 * HOUR)), (lengthen, false));
        assert_eq!(step("facebook", Some(59 * DAY)), (None, true), "a person has to consent again");
        assert_eq!(step("google", Some(HOUR)), (None, true));
    }

    #[test]
    fn what_a_consent_brings_without_a_refresh_token() {
        let by = |provider| builtin(provider).renewal_without_refresh_token();
        assert_eq!((by("instagram"), by("facebook")), (Renewal::Exchange, Renewal::Exchange));
        assert_eq!((by("google"), by("mailchimp")), (Renewal::None, Renewal::None));
        assert_eq!(builtin("instagram").first_access_token_life(), Some(HOUR));
        assert_eq!(builtin("google").first_access_token_life(), Some(HOUR));
    }
}
