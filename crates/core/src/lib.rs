//! What a connection is, and when its tokens must be refreshed.
//!
//! Everything here is pure: decisions are functions of values that are passed in, and the outside world is
//! a handful of traits ([`clock::Clock`], [`clock::Entropy`], [`store::Store`]) that other crates implement.
//!
//! Start with [`connection::Connection`], then [`schedule::schedule`] (when to refresh, and why) and
//! [`outcome::judge`] (what an answer means).

pub mod backoff;
pub mod client;
pub mod clock;
pub mod connection;
pub mod event;
pub mod evidence;
pub mod id;
pub mod journal;
pub mod outcome;
pub mod provider;
pub mod schedule;
pub mod seal;
pub mod secret;
pub mod site;
pub mod state;
pub mod store;
pub mod text;
pub mod token;
pub mod warnings;

#[cfg(test)]
mod testing;
