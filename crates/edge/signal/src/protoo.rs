//! protoo: requests, responses and notifications as JSON over a WebSocket.

mod classic;
mod connection;
pub(crate) mod message;
mod pending;
mod upgrade;
mod wire;

pub(crate) use classic::decode_request;
pub(crate) use upgrade::upgrade;
