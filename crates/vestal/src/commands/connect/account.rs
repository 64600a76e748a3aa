//! Whose consent is taken.

use vestal_core::connection::ConnectionName;
use vestal_engine::Account;

use crate::context::Vestal;
use crate::failure::{Failure, word};
use crate::terminal;

/// Whose consent is taken: as somebody said, or else that of before, if it is known whose that was.
pub(super) async fn whose(
    vestal: &Vestal,
    name: &ConnectionName,
    said: Option<Account>,
) -> Result<Account, Failure> {
    if let Some(said) = said {
        return Ok(said);
    }
    if vestal.engine.knows_account(name).await? {
        return Ok(Account::AsBefore);
    }
    let quoted = name.as_str();
    if !terminal::has_person() {
        let typed = word(quoted);
        return Err(Failure::usage(format!("whose account {quoted:?} is, is not known"))
            .why("the provider did not say it, so the next consent cannot be compared; and there is nobody at the terminal to ask")
            .next(format!(
                "vestal connect --same-account {typed}; or, for another account: vestal connect --another-account {typed}"
            )));
    }
    let question =
        format!("It is not known whose account {quoted:?} is. Will you consent as the same one as before?");
    if terminal::confirm(&question)? {
        return Ok(Account::Vouched);
    }
    Err(Failure::usage("nothing was begun")
        .why("a connection is one account's")
        .next(format!("for another account: vestal connect --another-account {}", word(quoted))))
}
