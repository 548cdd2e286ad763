//! Opus packets (RFC 6716 §3): the table-of-contents byte and silence.

use std::time::Duration;

use crate::CodecError;

/// First byte of every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toc {
    /// Mode, bandwidth and frame size, 0–31.
    pub config: u8,
    /// Whether the packet is stereo.
    pub stereo: bool,
    /// Code of the number of frames, 0–3.
    pub frame_count_code: u8,
}

impl Toc {
    /// Reads the first byte of a packet.
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let &byte = payload.first().ok_or(CodecError::TooShort)?;
        Ok(Self {
            config: byte >> 3,
            stereo: byte & 0x04 != 0,
            frame_count_code: byte & 0x03,
        })
    }

    /// Duration of one frame (RFC 6716 table 2).
    pub const fn frame_duration(self) -> Duration {
        let micros = match (self.config, self.config & 3) {
            (0..=11, 0) | (12..=15, 0 | 2) => 10_000,
            (0..=11, 1) | (12..=15, _) => 20_000,
            (0..=11, 2) => 40_000,
            (0..=11, _) => 60_000,
            (_, exponent) => 2_500 << exponent,
        };
        Duration::from_micros(micros)
    }
}

/// Largest packet that carries no audio: libopus counts packets of up to two bytes as discontinuous transmission.
const MAX_DTX_LEN: usize = 2;

/// Whether a packet only keeps the stream alive during silence: it is tiny or all its frames are empty.
pub fn is_dtx(payload: &[u8]) -> bool {
    payload.len() <= MAX_DTX_LEN || frames_are_empty(payload).unwrap_or(false)
}

/// Whether all frames of a code 3 packet (RFC 6716 §3.2.5) are empty; the other codes need no more than two bytes for
/// empty frames. `None` when the packet is malformed.
fn frames_are_empty(payload: &[u8]) -> Option<bool> {
    let &[toc, count, ref rest @ ..] = payload else {
        return None;
    };
    if toc & 0x03 != 3 {
        return Some(false);
    }
    let (variable, padded, count) = (
        count & 0x80 != 0,
        count & 0x40 != 0,
        usize::from(count & 0x3f),
    );
    let rest = if padded { strip_padding(rest)? } else { rest };
    if !variable {
        return Some(rest.is_empty());
    }
    // Every frame but the last has a length in front of all frames.
    Some(rest.len() == count.checked_sub(1)? && rest.iter().all(|&length| length == 0))
}

/// Removes the padding and its length: 255 stands for 254 bytes and says that another length byte follows.
fn strip_padding(mut data: &[u8]) -> Option<&[u8]> {
    let mut padding = 0;
    loop {
        let (&byte, rest) = data.split_first()?;
        data = rest;
        if byte < 255 {
            padding += usize::from(byte);
            return data.get(..data.len().checked_sub(padding)?);
        }
        padding += 254;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_recognised() {
        for (payload, expected) in [
            (&[][..], true),
            (&[0x78], true),
            (&[0x78, 0xff], true),
            (&[0x78, 0xff, 0xfe], false),
            (&[0x7b, 0x02], true),
            (&[0x7b, 0x02, 1, 1], false),
            (&[0x7b, 0x83, 0, 0], true),
            (&[0x7b, 0x83, 0, 1, 9], false),
            (&[0x7b, 0x42, 3, 0, 0, 0], true),
            (&[0x7b, 0x42, 2, 7, 0, 0], false),
            (&[0x7b, 0x42, 9, 0], false),
            (&[0x7b, 0x80, 0], false),
        ] {
            assert_eq!(is_dtx(payload), expected, "{payload:x?}");
        }
        let mut padded = vec![0x7b, 0x41, 255, 1];
        padded.extend([0; 255]);
        assert!(is_dtx(&padded));
        padded.push(0);
        assert!(!is_dtx(&padded));
    }

    #[test]
    fn frame_durations() {
        let duration =
            |config: u8| Toc::parse(&[config << 3]).map(|toc| toc.frame_duration().as_micros());
        assert_eq!(duration(3), Ok(60_000));
        assert_eq!(duration(13), Ok(20_000));
        assert_eq!(duration(14), Ok(10_000));
        assert_eq!(duration(16), Ok(2_500));
        assert_eq!(duration(31), Ok(20_000));
        assert_eq!(Toc::parse(&[]), Err(CodecError::TooShort));
        assert!(Toc::parse(&[0x7c]).is_ok_and(|toc| toc.stereo));
    }
}
