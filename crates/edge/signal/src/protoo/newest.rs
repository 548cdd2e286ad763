//! The newest dialect of protoo signalling: mostly other names for the same, see [`plenum_api::newest`].

mod incoming;
mod outgoing;

pub(crate) use incoming::decode_request;
pub(crate) use outgoing::{
    encode_ask, encode_event, encode_reply, encode_transport, version_notification,
};
