//! `plenum load`: load on a node or a cluster by native peers, and what they measured.
//!
//! A run goes from left to right: [`options`] are what somebody wrote, [`scenario`] what that means, [`plan`] who does what
//! when (a pure function), `drive` carries the plan out with clients of `plenum-client`, [`figures`] collect what happened,
//! [`report`] says it: as JSON, as text, as a page. [`assertion`]s are judged by the report.
//!
//! Peers come when the plan says so, and what they wait counts from that moment on, also when the generator itself was late:
//! a generator that measures from when it came round to a request hides the very waiting that it is to measure. How late it
//! was stands beside it, and `saturated` says when its figures are worth nothing.
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "counts and times of minutes become figures for people"
)]

pub mod assertion;
mod drive;
mod duration;
pub mod exposition;
pub mod figures;
#[doc(hidden)]
pub mod fuzzing;
pub mod histogram;
pub mod html;
pub mod machine;
pub mod options;
mod peer;
pub mod plan;
pub mod processes;
mod progress;
pub mod report;
mod saturation;
pub mod scenario;
pub mod server;
pub mod studio;
mod tickets;

pub use drive::{DriveError, run};
pub use options::LoadArgs;
pub use tickets::TicketError;
