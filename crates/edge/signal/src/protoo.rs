//! protoo: requests, responses and notifications as JSON over a WebSocket.

mod app_data;
mod classic;
mod connection;
mod dialect;
pub(crate) mod message;
mod newest;
pub(crate) mod pending;
mod upgrade;
pub(crate) mod wire;

pub(crate) use app_data::is_shared;
pub(crate) use classic::{members, parse, unix_milliseconds};
pub(crate) use dialect::Dialect;
pub(crate) use upgrade::upgrade;
