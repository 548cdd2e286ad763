//! protoo: requests, responses and notifications as JSON over a WebSocket.

mod app_data;
mod classic;
mod connection;
mod dialect;
pub(crate) mod message;
mod newest;
mod pending;
mod upgrade;
mod wire;

pub(crate) use dialect::Dialect;
pub(crate) use upgrade::upgrade;
