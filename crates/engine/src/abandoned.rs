//! Connections that nobody ever consented to: a person was asked, and went away.

use jiff::SignedDuration;
use vestal_core::connection::ConnectionName;
use vestal_core::event::PENDING_KEPT_DAYS;

use crate::{Engine, Error};

impl Engine {
    /// Removes connections that nobody ever consented to, and that nothing has happened to for [`PENDING_KEPT_DAYS`]: some of
    /// them. Returns their names. Call until it returns none.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn remove_abandoned(&self) -> Result<Vec<ConnectionName>, Error> {
        let kept = SignedDuration::from_hours(PENDING_KEPT_DAYS * 24);
        match self.inner.clock.now().checked_sub(kept) {
            Ok(before) => Ok(self.inner.store.remove_abandoned(before).await?),
            Err(_) => Ok(Vec::new()),
        }
    }
}
