//! A web form that adds contacts through Constant Contact's API, with tokens from Vestal.
//!
//! The form is a function from a request to a response, over three ports: where tokens come from, the way to the API, and
//! the clock. So the same form runs on real sockets (`serve.rs`, `vestal.rs`) and through five years in a second, in
//! Vestal's simulation.
//!
//! It keeps nothing of a visitor. Where somebody cannot be added, that is said on the page, with what was typed still in
//! it: a form that thanks and then queues would need a place for other people's addresses, and somebody who minds it.

mod contacts;
mod entry;
mod form;
mod page;
mod ports;
#[cfg(feature = "serve")]
mod serve;
mod sign_up;
mod stamp;
#[cfg(feature = "serve")]
mod vestal;

#[cfg(test)]
mod tests;

pub use form::{BODY_BYTES, Form, Settings};
pub use ports::{Api, Clock, NoToken, Ports, Request, Response, Token, Tokens, Unanswered};
#[cfg(feature = "serve")]
pub use serve::{HttpApi, SystemClock, serve};
pub use stamp::LEAST_FILL_TIME;
#[cfg(feature = "serve")]
pub use vestal::Vestal;
