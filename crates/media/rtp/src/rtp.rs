//! The RTP header (RFC 3550 §5.1) and its extension block (RFC 8285).

use std::ops::Range;

use crate::bytes::{u16_at, u32_at};

mod extension;
#[cfg(test)]
mod tests;
mod writer;

pub use extension::ExtensionIter;
pub use writer::{HeaderFields, RtpWriter};

/// Length of the header without CSRCs and extension block.
pub const FIXED_HEADER_LEN: usize = 12;

/// Length of profile and word count at the head of an extension block.
pub const EXTENSION_HEADER_LEN: usize = 4;

/// Profile of the one-byte extension form (RFC 8285 §4.2).
pub const ONE_BYTE_PROFILE: u16 = 0xbede;

/// Profile of the two-byte extension form, application bits zero (RFC 8285 §4.3).
pub const TWO_BYTE_PROFILE: u16 = 0x1000;

/// The header of one packet. All positions were checked against the packet it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Marker bit: last packet of a video frame, first of an audio talk spurt.
    pub marker: bool,
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence_number: u16,
    /// Media timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Number of contributing sources.
    pub csrc_count: u8,
    /// Whether the payload ends in padding. Where it begins is known only after decryption.
    pub has_padding: bool,
    /// Whether there is an extension block.
    pub has_extension: bool,
    /// Profile of the extension block, zero without one.
    pub extension_profile: u16,
    /// Length of everything before the payload, CSRCs and extension block included.
    pub header_len: usize,
}

impl RtpHeader {
    /// Reads the header. Safe on packets that are still encrypted: the padding is not looked at.
    pub fn parse(packet: &[u8]) -> Result<Self, RtpError> {
        let fixed: &[u8; FIXED_HEADER_LEN] = packet.first_chunk().ok_or(RtpError::TooShort)?;
        let [
            flags,
            marker_and_type,
            s0,
            s1,
            t0,
            t1,
            t2,
            t3,
            i0,
            i1,
            i2,
            i3,
        ] = *fixed;
        if flags >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let csrc_count = flags & 0x0f;
        let mut header = Self {
            marker: marker_and_type & 0x80 != 0,
            payload_type: marker_and_type & 0x7f,
            sequence_number: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            csrc_count,
            has_padding: flags & 0x20 != 0,
            has_extension: flags & 0x10 != 0,
            extension_profile: 0,
            header_len: FIXED_HEADER_LEN + usize::from(csrc_count) * 4,
        };
        if header.has_extension {
            let start = header.header_len;
            header.extension_profile = u16_at(packet, start).ok_or(RtpError::TooShort)?;
            let words = u16_at(packet, start + 2).ok_or(RtpError::TooShort)?;
            header.header_len += EXTENSION_HEADER_LEN + usize::from(words) * 4;
        }
        if header.header_len > packet.len() {
            return Err(RtpError::TooShort);
        }
        Ok(header)
    }

    /// Where the payload lies in the decrypted packet, padding excluded.
    pub fn payload(&self, packet: &[u8]) -> Result<Range<usize>, RtpError> {
        let (_, rest) = packet
            .split_at_checked(self.header_len)
            .ok_or(RtpError::TooShort)?;
        let padding = match rest.last() {
            _ if !self.has_padding => 0,
            None | Some(0) => return Err(RtpError::Padding),
            Some(&padding) => usize::from(padding),
        };
        let len = rest.len().checked_sub(padding).ok_or(RtpError::Padding)?;
        Ok(self.header_len..self.header_len + len)
    }

    /// Elements of the extension block, or none when its profile is a private one. `packet` is the packet that this
    /// header was read from.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> ExtensionIter<'a> {
        if !self.has_extension {
            return ExtensionIter::default();
        }
        let start = FIXED_HEADER_LEN + usize::from(self.csrc_count) * 4 + EXTENSION_HEADER_LEN;
        let block = packet.get(start..self.header_len).unwrap_or_default();
        ExtensionIter::new(self.extension_profile, block)
    }

    /// Contributing sources.
    pub fn csrcs<'a>(&self, packet: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        let count = usize::from(self.csrc_count);
        (0..count).map_while(move |index| u32_at(packet, FIXED_HEADER_LEN + index * 4))
    }
}

/// Why bytes are not an RTP packet, or cannot be made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RtpError {
    /// The packet ends inside its header.
    #[error("packet ends inside its header")]
    TooShort,
    /// The version is not 2.
    #[error("version is not 2")]
    Version,
    /// The padding is longer than the payload, or empty.
    #[error("padding does not fit the payload")]
    Padding,
    /// The buffer to write into is too small.
    #[error("no space in the buffer")]
    NoSpace,
    /// An extension id is 0, or a value has more than 255 bytes.
    #[error("extension id or length cannot be written")]
    Extension,
}
