//! The classic dialect of protoo signalling: its words for what rooms understand.

mod incoming;
mod outgoing;

pub(crate) use incoming::decode_request;
pub(crate) use outgoing::{encode_ask, encode_event, encode_reply, version_notification};
