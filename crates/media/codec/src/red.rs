//! Redundant audio data (RFC 2198): a packet that repeats what earlier ones carried.
//!
//! Headers of the repeated blocks come first, four bytes each, then one byte for the block that is new, then the blocks
//! in that order. The new one, the primary, goes to the end of the payload.

use crate::CodecError;

/// Repeated blocks that one packet can have here. Browsers send one or two; what is longer is nobody's sound.
const MAX_REPEATED: usize = 16;

/// The block that is new in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what RFC 2198 says of it")]
pub struct Primary {
    /// Its payload type: never that of the redundant payload.
    pub payload_type: u8,
    /// Where it begins. It ends with the payload.
    pub start: usize,
    /// Blocks in front of it, which repeat earlier packets.
    pub repeated: usize,
}

impl Primary {
    /// Finds it in a redundant payload. It is not empty.
    pub fn find(payload: &[u8]) -> Result<Self, CodecError> {
        let (mut at, mut lengths) = (0, 0);
        for repeated in 0..=MAX_REPEATED {
            let &first = payload.get(at).ok_or(CodecError::TooShort)?;
            if first & FOLLOWED == 0 {
                let start = at + 1 + lengths;
                return if start < payload.len() {
                    Ok(Self {
                        payload_type: first,
                        start,
                        repeated,
                    })
                } else {
                    Err(CodecError::TooShort)
                };
            }
            let header = payload.get(at..at + HEADER_LEN);
            let &[_, _, high, low] = header.unwrap_or_default() else {
                return Err(CodecError::TooShort);
            };
            lengths += usize::from(u16::from_be_bytes([high & 0x03, low]));
            at += HEADER_LEN;
        }
        Err(CodecError::Malformed("number of redundant blocks"))
    }
}

/// The F bit: another header follows.
const FOLLOWED: u8 = 0x80;

/// Of a repeated block: F bit and payload type, 14 bits of timestamp offset, 10 bits of length.
const HEADER_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Opus, as Chromium numbers it.
    const OPUS: u8 = 0x6f;

    /// A payload of blocks, the last one the primary.
    fn red(blocks: &[&[u8]]) -> Vec<u8> {
        let (primary, repeated) = blocks.split_last().expect("one block");
        let mut payload = Vec::new();
        for (block, back) in repeated.iter().zip((1..=repeated.len()).rev()) {
            let offset = back as u32 * 960;
            payload.push(FOLLOWED | OPUS);
            let rest = offset << 10 | block.len() as u32;
            payload.extend(&rest.to_be_bytes()[1..]);
        }
        payload.push(OPUS);
        for block in repeated {
            payload.extend(*block);
        }
        payload.extend(*primary);
        payload
    }

    #[test]
    fn the_primary_is_found_behind_any_number_of_blocks() {
        let blocks: [&[u8]; 3] = [&[1; 600], &[], &[3; 80]];
        for count in 1..=3 {
            let blocks = &blocks[3 - count..];
            let payload = red(blocks);
            let primary = Primary::find(&payload).expect("well-formed");
            assert_eq!((primary.payload_type, primary.repeated), (OPUS, count - 1));
            assert_eq!(payload[primary.start..], [3; 80]);
        }
    }

    #[test]
    fn what_is_cut_off_empty_or_endless_is_refused() {
        let payload = red(&[&[1; 20], &[2; 10]]);
        for len in 0..payload.len() - 9 {
            assert_eq!(Primary::find(&payload[..len]), Err(CodecError::TooShort));
        }
        assert_eq!(Primary::find(&[OPUS]), Err(CodecError::TooShort));
        let endless = [FOLLOWED, 0, 0, 0].repeat(MAX_REPEATED + 1);
        assert!(matches!(
            Primary::find(&endless),
            Err(CodecError::Malformed(_))
        ));
    }
}
