//! Entry points for fuzzing: whatever the bytes, these return.

use crate::{
    protoo::{Dialect, message::Incoming},
    socketio::Spoken,
};

/// The protoo envelope, and in it requests of a client whose dialect is to be found out.
pub fn fuzz_protoo_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Incoming::parse(text) {
        Some(Incoming::Request { method, data, .. }) => {
            let mut found_out = Dialect::Unknown;
            found_out.note_request(&method, data);
            for dialect in [found_out, Dialect::Classic, Dialect::Newest] {
                let _ = dialect.decode_request(&method, data);
            }
        }
        Some(Incoming::Notification { method, data }) => {
            let _ = Dialect::Newest.decode_notification(&method, data);
        }
        Some(Incoming::Response { .. }) | None => {}
    }
}

/// An event of Socket.IO: its name and arguments.
pub fn fuzz_socketio_event(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        Spoken::new(text).check();
    }
}

/// Messages of our own dialect.
pub fn fuzz_plenum_message(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        crate::plenum::fuzz_message(text);
    }
}
