//! The verbs in virtual time, against a provider that punishes mistakes.

mod abandoned;
mod accounts;
mod clients;
mod consents;
mod devices;
mod exchanges;
mod faulty_store;
mod importing;
mod isolation;
mod journal;
mod learning;
mod lookups;
mod quotas;
mod races;
mod refreshing;
mod resealing;
mod revoking;
mod saving;
mod setting;
mod sites;
mod stopped;
mod time;
mod virtual_time;
mod warnings;
mod wire;
mod world;
