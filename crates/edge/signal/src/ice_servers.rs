//! The servers that help clients to find a path, with names and passwords that hold for a while.
//!
//! A TURN server and we share a secret, and every client gets a name of its own that says until when it holds: the
//! scheme of coturn's `use-auth-secret`, known as the TURN REST API (draft-uberti-behave-turn-rest-00).

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use plenum_api::ice::IceServer;
use plenum_ids::PeerId;

/// STUN and TURN servers for clients.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceServers {
    /// `stun:` addresses.
    pub stun: Vec<String>,
    /// `turn:` and `turns:` addresses.
    pub turn: Vec<String>,
    /// What we share with the TURN servers.
    pub turn_secret: String,
    /// How long a client may make allocations with what it got.
    pub turn_ttl: Duration,
}

impl Default for IceServers {
    fn default() -> Self {
        Self {
            stun: Vec::new(),
            turn: Vec::new(),
            turn_secret: String::new(),
            // A client refreshes an allocation under the name that it was made with (RFC 8656 §9.2), and a meeting may
            // last a day.
            turn_ttl: Duration::from_hours(24),
        }
    }
}

impl fmt::Debug for IceServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServers")
            .field("stun", &self.stun)
            .field("turn", &self.turn)
            .field("turn_ttl", &self.turn_ttl)
            .finish_non_exhaustive()
    }
}

impl IceServers {
    /// What a client is told: one entry for all STUN servers, one for all TURN servers.
    pub(crate) fn for_peer(&self, peer: &PeerId, now: SystemTime) -> Vec<IceServer> {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(IceServer {
                urls: self.stun.clone(),
                username: None,
                credential: None,
            });
        }
        if !self.turn.is_empty() {
            let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
            let expiry = (since_epoch + self.turn_ttl).as_secs();
            let username = format!("{expiry}:{}", user(peer));
            let key = hmac::Key::new(
                hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                self.turn_secret.as_bytes(),
            );
            let tag = hmac::sign(&key, username.as_bytes());
            servers.push(IceServer {
                urls: self.turn.clone(),
                credential: Some(base64(tag.as_ref())),
                username: Some(username),
            });
        }
        servers
    }
}

/// Peers choose their names freely, servers take 512 bytes of printable characters (RFC 8489 §14.3) and have them in
/// their logs.
fn user(peer: &PeerId) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "-_.@".contains(*c);
    peer.as_str().chars().filter(is_plain).take(128).collect()
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().enumerate().fold(0u32, |group, (index, byte)| {
            group | u32::from(*byte) << (16 - 8 * index)
        });
        for index in 0..4 {
            let sextet = group >> (18 - 6 * index) & 0x3f;
            text.push(if index <= chunk.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests;
