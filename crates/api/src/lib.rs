//! What `--json` prints and HTTP speaks: one type per answer, made from the types of `vestal-core`.
//!
//! Times are RFC 3339 in UTC. Lengths of time are whole seconds in fields that end in `_seconds`, except for
//! `expires_in`, whose name is RFC 6749's. A field that may be `null` says what
//! that means; one that may be absent says when it is. No type holds a secret but [`TokenView`] and
//! [`ConnectionRecord`], whose purpose it is.

mod client;
mod connect;
mod connection;
mod demo;
mod doctor;
mod error;
mod event;
mod evidence;
mod import;
mod init;
mod master_key;
mod own_file;
mod provider;
mod record;
mod refresh;
mod schedule;
#[cfg(feature = "schema")]
pub mod schema;
mod state;
mod status;
mod token;

pub use client::ClientView;
pub use connect::{ConnectedView, ConsentView, DeviceConsentView, DisconnectedView, Revocation};
pub use connection::ConnectionView;
pub use demo::{DemoSummary, LeftAloneSummary};
pub use doctor::{DoctorView, Finding, Level, Trouble};
pub use error::{Code, ErrorView};
pub use event::EventView;
pub use evidence::{EvidenceView, SeenView};
pub use import::{ChangedView, ImportResult, ImportView};
pub use init::InitView;
pub use master_key::{LeftValueView, MasterKeyView, RotationView};
pub use own_file::{MistakeView, NewFileView};
pub use provider::{
    DeprecationView, FactView, MeaningView, NoteView, Origin, ProviderView, QuotaView, RetiredView,
    ShorterView,
};
pub use record::{BadRecord, ConnectionRecord, RECORD_FIELDS};
pub use refresh::RefreshView;
pub use schedule::{
    AbsoluteEndView, BasisView, FloorName, FloorView, IdleEndView, NeverName, ScheduleView, WhyView,
    WishName, WishView,
};
pub use state::{CauseName, StateName, StateView};
pub use status::{StatusView, WarningView};
pub use token::TokenView;
