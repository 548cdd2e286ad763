//! Payload descriptors of VP8, VP9, H.264, H.265, AV1 and Opus: key frames, layers, rewriting.
//!
//! All functions look at one RTP payload (or header extension) and nothing else; none allocates, and no input makes
//! one panic. What a stream looks like over time is the business of whoever forwards it.
//!
//! * [`is_key_frame`]: whether a receiver can start with this packet.
//! * [`vp8`], [`vp9`]: payload descriptors, which can be rewritten in place, any number of copies after reading once:
//!   [`PictureFields`].
//! * [`h264`], [`h265`]: NAL units of a payload. [`av1`]: OBUs of a payload.
//! * [`dependency_descriptor`]: the header extension that tells an SFU the layers of any codec; it can be
//!   rewritten for one receiver.
//! * [`opus`]: table-of-contents byte, silence. [`red`]: sound that comes twice.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod av1;
mod bits;
pub mod dependency_descriptor;
#[doc(hidden)]
pub mod fuzzing;
pub mod h264;
pub mod h265;
pub mod opus;
mod picture_fields;
pub mod red;
pub mod vp8;
pub mod vp9;

pub use dependency_descriptor::{DependencyDescriptor, PacketDependencies, TemplateStructure};
pub use picture_fields::PictureFields;

/// Video codecs whose payload is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// RFC 7798.
    H265,
    /// RTP Payload Format For AV1, v1.0.0.
    Av1,
}

/// Whether this payload is the first of a key frame, or begins with parameter sets that precede one. Malformed
/// payloads are not.
pub fn is_key_frame(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::Vp8 => {
            vp8::Descriptor::parse(payload).is_ok_and(|descriptor| descriptor.is_key_frame)
        }
        VideoCodec::Vp9 => {
            vp9::Descriptor::parse(payload).is_ok_and(|descriptor| descriptor.is_key_frame())
        }
        VideoCodec::H264 => h264::is_key_frame(payload),
        VideoCodec::H265 => h265::is_key_frame(payload),
        VideoCodec::Av1 => av1::is_key_frame(payload),
    }
}

/// Why bytes are not a payload of their codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The payload ends inside a descriptor.
    #[error("payload ends inside a descriptor")]
    TooShort,
    /// A field has a value that the specification excludes.
    #[error("field out of range: {0}")]
    Malformed(&'static str),
}
