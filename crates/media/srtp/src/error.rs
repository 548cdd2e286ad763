//! What can go wrong with one packet or one set of keys.

/// Why a packet was not sealed or not opened, or keys were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SrtpError {
    /// The tag does not fit: somebody else's packet, a changed packet, or wrong keys.
    #[error("authentication failed")]
    AuthenticationFailed,
    /// The buffer has no room for the tag after the packet.
    #[error("buffer too small: {needed} bytes needed")]
    BufferTooSmall {
        /// Bytes the protected packet takes.
        needed: usize,
    },
    /// The cipher refused to work; not caused by packet contents.
    #[error("cipher failure")]
    Cipher,
    /// All packet indexes under these keys are used up; new keys are needed.
    #[error("packet index exhausted")]
    IndexExhausted,
    /// The sequence number in the header is not the low half of the given packet index.
    #[error("sequence number does not belong to the packet index")]
    IndexMismatch,
    /// Keying material of the wrong length for the profile.
    #[error("keying material of {actual} bytes, expected {expected}")]
    KeyLength {
        /// Bytes the profile needs.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// The packet is too short, or its header length points outside it.
    #[error("malformed packet")]
    Malformed,
    /// A packet with this index was accepted before.
    #[error("replayed packet")]
    Replayed,
    /// The index lies below the replay window.
    #[error("packet older than the replay window")]
    TooOld,
}
