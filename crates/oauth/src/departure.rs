//! Until when a request may leave.

use std::fmt;
use std::sync::Arc;

use http::Request;

/// Whether a request may still be sent. It travels in the request's extensions; one without may always be.
#[derive(Clone)]
pub struct Departure(Arc<dyn Fn() -> bool + Send + Sync>);

impl Departure {
    /// `is_in_time` says whether the first byte may leave now.
    pub fn new(is_in_time: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_in_time))
    }

    /// Of a request, if it has one.
    pub fn of<T>(request: &Request<T>) -> Option<&Self> {
        request.extensions().get()
    }

    /// Whether the first byte may leave now.
    pub fn is_in_time(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Departure")
    }
}
