//! protoo: requests, responses and notifications as JSON over a WebSocket.

pub(crate) mod message;
mod pending;
