//! The last moment before a request is on its way.
//!
//! A connection takes its time, and a machine may sleep meanwhile. Whoever must not send late is asked once more when the
//! connection stands, right before the first byte. No connection is used twice, so there is one for each request, and it
//! is made by the task that sends.

use std::error::Error;

use crate::departure::Departure;

tokio::task_local! {
    /// Of the request that is being sent by this task.
    static CURRENT: Departure;
}

/// Does the sending, for which a connection is given up that came too late.
pub(crate) async fn in_time<F: Future>(departure: Option<Departure>, sending: F) -> F::Output {
    match departure {
        Some(departure) => CURRENT.scope(departure, sending).await,
        None => sending.await,
    }
}

/// A connection stands.
pub(crate) async fn connected<C>(connection: C) -> Result<C, Box<dyn Error + Send + Sync>> {
    match CURRENT.try_with(Departure::is_in_time) {
        Ok(false) => Err(Box::new(TooLate)),
        Ok(true) | Err(_) => Ok(connection),
    }
}

/// The request was not sent.
#[derive(Debug, thiserror::Error)]
#[error("it came too late, since it took long or this machine slept; nothing was sent")]
struct TooLate;
