//! Mistakes on purpose, each a wrapper around a port: what a checker does not notice, it does not check.

mod http;
mod store;

use std::str::FromStr;

pub(crate) use http::Mistaken;
pub(crate) use store::Mutated;

/// A mistake that somebody might make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A write is acknowledged before it is durable, and the last one is lost with whoever is killed.
    SkipTheFsync,
    /// A token set is given out, and stored a little later.
    PublishBeforeSaving,
    /// Whoever stores an outcome ends the lease, whoever holds it.
    ReleaseWithoutProof,
    /// Whatever is not a success is taken for the grant's death.
    ClassifyByStatus,
    /// An answer is applied whichever refresh token it was got with.
    ApplyWithoutFingerprint,
    /// The HTTP client tries again by itself.
    RetryInsideTheHttpClient,
    /// The request waits long after the lease was taken.
    SendLongAfterTheLease,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::SkipTheFsync,
        Self::PublishBeforeSaving,
        Self::ReleaseWithoutProof,
        Self::ClassifyByStatus,
        Self::ApplyWithoutFingerprint,
        Self::RetryInsideTheHttpClient,
        Self::SendLongAfterTheLease,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SkipTheFsync => "skip-the-fsync",
            Self::PublishBeforeSaving => "publish-before-saving",
            Self::ReleaseWithoutProof => "release-without-proof",
            Self::ClassifyByStatus => "classify-by-status",
            Self::ApplyWithoutFingerprint => "apply-without-fingerprint",
            Self::RetryInsideTheHttpClient => "retry-inside-the-http-client",
            Self::SendLongAfterTheLease => "send-long-after-the-lease",
        }
    }
}

impl FromStr for Mutation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|mutation| mutation.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|mutation| mutation.name()).collect();
            format!("the mutations are {}", names.join(", "))
        })
    }
}
