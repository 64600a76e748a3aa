//! The verbs in virtual time, against a provider that punishes mistakes.

mod clients;
mod consents;
mod faulty_store;
mod isolation;
mod journal;
mod learning;
mod races;
mod refreshing;
mod saving;
mod time;
mod world;
