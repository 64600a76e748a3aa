//! The verbs in virtual time, against a provider that punishes mistakes.

mod clients;
mod faulty_store;
mod isolation;
mod learning;
mod races;
mod refreshing;
mod saving;
mod time;
mod world;
