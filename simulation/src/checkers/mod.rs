//! What must always hold. Each file is one rule of the promise, written from its text and not from the engine's code.

pub(crate) mod alive;
pub(crate) mod answers;
pub(crate) mod attempts;
pub(crate) mod death;
pub(crate) mod leases;
pub(crate) mod order;
pub(crate) mod readers;
pub(crate) mod wire;
