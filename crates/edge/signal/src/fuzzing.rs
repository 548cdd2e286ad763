//! Entry points for fuzzing: whatever the bytes, these return.

use crate::protoo::message::Incoming;

/// The protoo envelope.
pub fn fuzz_protoo_message(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Incoming::parse(text);
    }
}
