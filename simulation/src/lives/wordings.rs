//! How the sandbox words its errors: as the provider's file says that they come. Pure.

use http::StatusCode;
use vestal_core::provider::{ErrorFact, Means, Provider};
use vestal_sandbox::{Wording, Wordings};

/// The words of one life. Where a file knows several for the same, each life has others.
pub(crate) fn of(provider: &Provider, life: usize) -> Wordings {
    let dead: Vec<&ErrorFact> = with_code(provider, |fact| fact.means == Means::Permanent);
    let too_many: Vec<&ErrorFact> =
        with_code(provider, |fact| fact.means == Means::Transient && fact.wait.is_some());
    Wordings {
        // One life more has the words of the RFC.
        dead_grant: dead
            .get(life % (dead.len() + 1))
            .map(|fact| wording(fact, life, StatusCode::BAD_REQUEST)),
        too_many_requests: (!too_many.is_empty())
            .then(|| wording(too_many[life % too_many.len()], life, StatusCode::TOO_MANY_REQUESTS)),
    }
}

fn with_code(provider: &Provider, fits: impl Fn(&ErrorFact) -> bool) -> Vec<&ErrorFact> {
    provider.errors.iter().filter(|fact| fact.code.is_some() && fits(fact)).collect()
}

/// Where the file names no status, it comes with any.
fn wording(fact: &ErrorFact, life: usize, customary: StatusCode) -> Wording {
    let any = if life.is_multiple_of(2) { StatusCode::OK } else { customary };
    let status = fact.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(any);
    let code = fact.code.clone().unwrap_or_default();
    Wording::new(status, code, fact.says.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use vestal_core::provider::catalogue;

    use super::*;

    fn dead(id: &str, life: usize) -> Option<(u16, String)> {
        let provider = catalogue::builtin(id).unwrap().unwrap();
        of(&provider, life).dead_grant.map(|words| (words.status.as_u16(), words.code))
    }

    #[test]
    fn errors_come_as_the_files_say() {
        assert_eq!(dead("atlassian", 0), Some((403, "invalid_grant".to_owned())));
        assert_eq!(dead("slack", 0), Some((200, "invalid_refresh_token".to_owned())));
        assert_eq!(dead("slack", 1), Some((400, "token_expired".to_owned())));
        assert_eq!(dead("google", 0), None);
        let provider = catalogue::builtin("constant-contact").unwrap().unwrap();
        let words = of(&provider, 0).too_many_requests.unwrap();
        assert_eq!((words.status.as_u16(), &*words.code), (429, "throttled"));
    }
}
