//! The verbs in virtual time, against a provider that punishes mistakes.

mod faulty_store;
mod races;
mod refreshing;
mod saving;
mod world;
