//! The doors: protoo over WebSocket, HTTP status endpoints, the web page.
#![forbid(unsafe_code)]

mod page;
mod protoo;
mod rate;
mod settings;

pub use settings::Settings;

#[doc(hidden)]
pub mod fuzzing;
