//! Mistakes on purpose: what the checker does not notice, it does not check.

use std::str::FromStr;

use vestal_core::provider::{Fact, Limit, Provider};

use crate::lives::behaviour::ENDLESS;

/// A mistake that somebody might make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// Tokens are refreshed when somebody asks for one, and by no daemon: what every OAuth library does.
    OnlyWhenRead,
    /// Nothing is known of what disuse does.
    NoIdleLimit,
    /// Nothing is known of an end that no refresh moves.
    NoAbsoluteEnd,
    /// Nothing is known of how old a token has to be.
    NoMinimumAge,
    /// Nothing is known of how an access token is exchanged for a newer one.
    NoRenewal,
    /// Tokens are refreshed by the clock, where the provider wants that left to rejections.
    ByTheClock,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::OnlyWhenRead,
        Self::NoIdleLimit,
        Self::NoAbsoluteEnd,
        Self::NoMinimumAge,
        Self::NoRenewal,
        Self::ByTheClock,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::OnlyWhenRead => "only-when-read",
            Self::NoIdleLimit => "no-idle-limit",
            Self::NoAbsoluteEnd => "no-absolute-end",
            Self::NoMinimumAge => "no-minimum-age",
            Self::NoRenewal => "no-renewal",
            Self::ByTheClock => "by-the-clock",
        }
    }

    /// What the engine is told of a provider.
    pub(crate) fn believed(mistake: Option<Self>, provider: &Provider) -> Provider {
        let mut believed = provider.clone();
        match mistake {
            None | Some(Self::OnlyWhenRead) => {}
            Some(Self::NoIdleLimit) => believed.refresh_token.idle_limit = Some(said(Limit::Endless)),
            Some(Self::NoAbsoluteEnd) => {
                believed.refresh_token.absolute_life = Some(said(Limit::Endless));
                // Without any end, a long-lived access token could not be told from a short-lived one.
                if believed.exchange.lengthen.is_some() {
                    believed.access_token.life = Some(said(Limit::After(ENDLESS)));
                }
            }
            Some(Self::NoMinimumAge) => believed.access_token.minimum_age = None,
            Some(Self::NoRenewal) => believed.exchange.renew = None,
            Some(Self::ByTheClock) => believed.access_token.refresh_on_rejection = None,
        }
        believed
    }
}

fn said(value: Limit) -> Fact<Limit> {
    Fact { value, source: None, unverified: true, note: None }
}

impl FromStr for Mistake {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|mistake| mistake.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|mistake| mistake.name()).collect();
            format!("the mistakes are {}", names.join(", "))
        })
    }
}
