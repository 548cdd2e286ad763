//! The classic dialect of protoo signalling: its words for what rooms understand.

mod incoming;
mod outgoing;

pub(crate) use incoming::{decode_request, members, parse, understands_migrate};
pub(crate) use outgoing::{
    draining_notification, encode_ask, encode_event, encode_reply, encode_transport,
    migrate_notification, unix_milliseconds, version_notification,
};
