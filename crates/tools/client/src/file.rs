//! Media files: what encoders write and players read. Readers take the bytes of a whole file and never panic on any.
//!
//! * [`ivf`]: VP8, VP9 and AV1, frame by frame.
//! * [`ogg`]: Opus (RFC 7845).
//! * [`annex_b`]: H.264 as a byte stream.

pub mod annex_b;
pub mod ivf;
pub mod ogg;

/// Why bytes are not a file of their kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Nothing in it can be sent.
    #[error("the file holds no media")]
    Empty,
    /// It begins otherwise than such a file does.
    #[error("the file is no {0}")]
    Kind(&'static str),
}
