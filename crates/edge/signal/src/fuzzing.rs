//! Entry points for fuzzing: whatever the bytes, these return.

use crate::protoo::{decode_request, message::Incoming};

/// The protoo envelope, and requests of the classic dialect in it.
pub fn fuzz_protoo_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(Incoming::Request { method, data, .. }) = Incoming::parse(text) {
        let _ = decode_request(&method, data);
    }
}
