//! Entry points for fuzzing: whatever the bytes, these return.

use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    protoo::{Dialect, message::Incoming},
    remote,
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

/// What proxies, and whoever pretends to be one, write about who is behind them.
pub fn fuzz_forwarded(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let peer = SocketAddr::from(([10, 0, 0, 1], 1));
    let Ok(proxies) = "10.0.0.0/8".parse() else {
        return;
    };
    for name in [
        HeaderName::from_static("x-forwarded-for"),
        header::FORWARDED,
    ] {
        let mut headers = HeaderMap::new();
        headers.append(&name, value.clone());
        headers.append(&name, value.clone());
        let _ = remote::client(peer, &headers, &[proxies]);
        // Who is not trusted speaks for nobody.
        assert_eq!(remote::client(peer, &headers, &[]), peer);
    }
}
