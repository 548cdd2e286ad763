//! SRTP and SRTCP protection in place, with replay windows.
//!
//! RFC 3711 (SRTP), RFC 7714 (AES-GCM) and the key layout of RFC 5764 (DTLS-SRTP), on `aws-lc-rs`.
//! Session keys are derived and their cipher contexts set up once, when a [`Sealer`] or an [`Opener`]
//! is made; sealing and opening a packet afterwards allocates nothing.
//!
//! What it is not: it does not parse RTP beyond the fixed fields it needs (the caller passes the header
//! length), does not choose packet indexes for outgoing RTP (the caller owns each stream's roll-over
//! counter), and has no MKI and no key derivation rate, which DTLS-SRTP does not use.
//!
//! All roll-over state can be read and restored as plain data: [`InboundStream::snapshot`],
//! [`Opener::rtcp_senders`], [`Sealer::next_rtcp_index`].

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod cipher;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod keys;
mod opener;
mod profile;
mod sealer;
mod stream;
mod window;

pub use error::SrtpError;
pub use keys::{KeyingMaterial, SrtpKeys};
pub use opener::{MAX_RTCP_SENDERS, OpenedRtp, Opener, RtcpSender};
pub use profile::SrtpProfile;
pub use sealer::Sealer;
pub use stream::{InboundSnapshot, InboundStream, RTP_WINDOW};

/// Largest SRTP packet index: 32 bits of roll-over counter above 16 bits of sequence number.
pub const MAX_PACKET_INDEX: u64 = (1 << 48) - 1;

/// Largest SRTCP index (RFC 3711 §3.4: 31 bits beside the E flag).
pub const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;

/// Length of the fixed RTP header (RFC 3550 §5.1).
const RTP_HEADER_LEN: usize = 12;

/// The part of a compound RTCP packet that stays readable: first word and sender SSRC (RFC 3711 §3.4).
const RTCP_CLEAR_LEN: usize = 8;

/// The word after an SRTCP packet: E flag and index.
const RTCP_INDEX_LEN: usize = 4;

/// The E flag of the SRTCP index word: the packet is encrypted, not only authenticated.
const RTCP_E_FLAG: u32 = 1 << 31;

/// Reads the big-endian word at `at`; `None` when the packet is too short.
fn word_at(packet: &[u8], at: usize) -> Option<u32> {
    let bytes = packet.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Reads the sequence number of an RTP packet.
fn sequence_number_of(packet: &[u8]) -> Option<u16> {
    let bytes = packet.get(2..4)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
