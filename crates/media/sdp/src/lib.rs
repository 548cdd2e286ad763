//! Session descriptions of WHIP and WHEP, to RTP parameters and back.
//!
//! ```text
//! a publisher's offer ── Offer::parse ── Section::producer_parameters ──▶ RtpParameters of a producer ─┐
//! a player's offer    ── Offer::parse ── Section::player ──▶ capabilities, and the player's own numbers ├─ Answer::write ──▶ answer
//!                                                               what a worker told of the transport ────┘
//! a fragment (RFC 8840) ── Fragment::parse ──▶ whether ICE shall restart;  Fragment::write ──▶ the answer to that
//! ```
//!
//! Nothing of an offer is copied into an answer: what is understood becomes typed values, and the answer is written from
//! those. Candidates are not even kept, because an ICE-lite server learns addresses from checks.
//!
//! Texts come from outside: every function returns whatever the bytes, and what it keeps is bounded ([`MAX_TEXT`],
//! [`MAX_SECTIONS`], [`MAX_ENTRIES`]).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod answer;
mod codecs;
mod encodings;
mod fragment;
#[doc(hidden)]
pub mod fuzzing;
mod offer;
mod player;
mod producer;
mod section;
#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerSection, Reply, Stream};
pub use fragment::Fragment;
pub use offer::{Credentials, Offer, Setup};
pub use player::Player;
pub use section::Section;

/// Longest description taken, in bytes. Offers of browsers with all their codecs have some 10,000.
pub const MAX_TEXT: usize = 64 * 1024;

/// Media sections of one description that are looked at. A publisher or player has two.
pub const MAX_SECTIONS: usize = 16;

/// Entries of one sort (payload types, extensions, SSRCs, RIDs) kept of a section. Browsers list about 50 payload types.
pub const MAX_ENTRIES: usize = 128;

/// Why a description is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no description, or lacks what every description of WebRTC has.
    #[error("the session description cannot be understood: {0}")]
    Malformed(String),
    /// It is one, but asks for something else than what is done here.
    #[error("the session description asks for what is not done here: {0}")]
    Unacceptable(String),
}

impl Error {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed(what.into())
    }

    pub(crate) fn unacceptable(what: impl Into<String>) -> Self {
        Self::Unacceptable(what.into())
    }
}
