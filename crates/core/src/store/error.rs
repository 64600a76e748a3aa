//! What can go wrong with a store.

/// What can go wrong with a store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or has no room, or may not be written: nothing was changed.
    #[error("the store cannot be used: {detail}")]
    Unavailable {
        /// What happened.
        detail: String,
    },
    /// A write was sent, and it is not known whether it took place: read back.
    #[error("it is not known whether the store kept a write: {detail}")]
    OutcomeUnknown {
        /// What happened.
        detail: String,
    },
    /// What is stored makes no sense. Nothing was changed.
    #[error("the store holds something damaged: {what}")]
    Corrupt {
        /// Which table, row and column.
        what: String,
    },
    /// It was written by a later version of Vestal. Nothing was changed.
    #[error(
        "the store was written by a newer version of Vestal: its schema is {found}, this version knows {known}"
    )]
    NewerSchema {
        /// The store's.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// It may only be read.
    #[error("the store may only be read: {detail}")]
    ReadOnly {
        /// What happened.
        detail: String,
    },
    /// It cannot be used safely as it is set up.
    #[error("{detail}")]
    Unfit {
        /// What is wrong, and what to do about it.
        detail: String,
    },
}
