//! AV1 payloads (RTP Payload Format For AV1 v1.0.0, §4.4): aggregation header and OBU elements.

use crate::CodecError;

/// OBU types that matter to forwarding (AV1 specification §6.2.2).
pub mod obu_type {
    /// Sequence header.
    pub const SEQUENCE_HEADER: u8 = 1;
    /// Frame header.
    pub const FRAME_HEADER: u8 = 3;
    /// Frame header and tile group in one.
    pub const FRAME: u8 = 6;
}

/// First byte of every payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AggregationHeader {
    /// Z: the first element continues an OBU of the packet before.
    pub continues_previous: bool,
    /// Y: the last element will be continued in the next packet.
    pub continues_next: bool,
    /// W: number of elements, 0 when every element has a length.
    pub element_count: u8,
    /// N: the first packet of a coded video sequence.
    pub new_sequence: bool,
}

impl AggregationHeader {
    /// Reads the header of a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let &byte = payload.first().ok_or(CodecError::TooShort)?;
        let header = Self {
            continues_previous: byte & 0x80 != 0,
            continues_next: byte & 0x40 != 0,
            element_count: byte >> 4 & 3,
            new_sequence: byte & 0x08 != 0,
        };
        if header.continues_previous && header.new_sequence {
            return Err(CodecError::Malformed("a new sequence continues an OBU"));
        }
        Ok(header)
    }
}

/// An OBU, or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obu<'a> {
    /// Type and layer; `None` in a fragment that is not the first.
    pub header: Option<ObuHeader>,
    /// The element, with the OBU's header.
    pub data: &'a [u8],
}

/// Header of an OBU (AV1 specification §5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObuHeader {
    /// Type.
    pub obu_type: u8,
    /// Temporal and spatial layer, if told.
    pub layer: Option<(u8, u8)>,
}

impl ObuHeader {
    fn parse(data: &[u8]) -> Option<Self> {
        let &first = data.first()?;
        let layer = match (first & 0x04, data.get(1)) {
            (0, _) => None,
            (_, extension) => extension.map(|byte| (byte >> 5, byte >> 3 & 3)),
        };
        // The forbidden bit.
        (first & 0x80 == 0).then_some(Self {
            obu_type: first >> 3 & 0x0f,
            layer,
        })
    }
}

/// Iterator over the OBU elements of a payload. A malformed one ends it.
#[derive(Clone, Debug)]
pub struct Obus<'a> {
    rest: &'a [u8],
    /// Elements still to come when their number is known.
    left: Option<u8>,
    is_fragment: bool,
}

impl<'a> Obus<'a> {
    /// Walks a payload.
    pub fn new(payload: &'a [u8]) -> Self {
        let header = AggregationHeader::parse(payload);
        let rest = header
            .and_then(|_| payload.get(1..).ok_or(CodecError::TooShort))
            .unwrap_or_default();
        let header = header.unwrap_or_default();
        let left = (header.element_count > 0).then_some(header.element_count);
        Self {
            rest,
            left,
            is_fragment: header.continues_previous,
        }
    }
}

impl<'a> Iterator for Obus<'a> {
    type Item = Obu<'a>;

    fn next(&mut self) -> Option<Obu<'a>> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        let data = if self.left == Some(1) {
            rest
        } else {
            let (len, rest) = leb128(rest)?;
            let (data, rest) = rest.split_at_checked(len)?;
            self.rest = rest;
            data
        };
        self.left = self.left.map(|left| left.saturating_sub(1));
        let is_fragment = std::mem::take(&mut self.is_fragment);
        let header = if is_fragment {
            None
        } else {
            ObuHeader::parse(data)
        };
        Some(Obu { header, data })
    }
}

/// A number in the little-endian base 128 of the AV1 specification (§4.10.5), and what follows.
fn leb128(data: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (index, &byte) in data.iter().enumerate().take(8) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, data.get(index + 1..)?));
        }
    }
    None
}

/// Whether a decoder can start with this payload: the first of a coded video sequence, or a sequence header.
pub fn is_key_frame(payload: &[u8]) -> bool {
    let Ok(header) = AggregationHeader::parse(payload) else {
        return false;
    };
    let is_sequence_header = |obu: Obu<'_>| {
        obu.header
            .is_some_and(|head| head.obu_type == obu_type::SEQUENCE_HEADER)
    };
    header.new_sequence || Obus::new(payload).any(is_sequence_header)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sequences_are_recognised() {
        for (payload, expected) in [
            (&[0x08, 1, 0x30][..], true),
            (&[0x10, 0x0a, 0x0b], true),
            (&[0x20, 1, 0x0a, 0x30, 1], true),
            (&[0x00, 1, 0x12, 1, 0x0a], true),
            (&[0x10, 0x30, 1], false),
            (&[0x90, 0x0a, 1], false),
            (&[0x88, 0x0a, 1], false),
            (&[0x00, 9, 0x0a], false),
            (&[0x10], false),
            (&[], false),
        ] {
            assert_eq!(is_key_frame(payload), expected, "{payload:x?}");
        }
    }

    #[test]
    fn extended_headers_tell_their_layer() {
        let obu = Obus::new(&[0x10, 0x34, 0b0100_1000])
            .next()
            .expect("an OBU");
        assert_eq!(
            obu.header,
            Some(ObuHeader {
                obu_type: obu_type::FRAME,
                layer: Some((2, 1))
            })
        );
    }

    #[test]
    fn lengths_have_at_most_eight_bytes() {
        assert_eq!(leb128(&[0xe5, 0x8e, 0x26, 9]), Some((624_485, &[9][..])));
        assert_eq!(leb128(&[0x80; 9]), None);
        assert_eq!(leb128(&[0x80]), None);
    }

    fn length(mut len: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while len >= 0x80 {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes
    }

    proptest! {
        #[test]
        fn elements_are_found(
            elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 1..=3),
            counted: bool,
            continues_previous: bool,
        ) {
            let count = if counted { elements.len() as u8 } else { 0 };
            let mut payload = vec![u8::from(continues_previous) << 7 | count << 4];
            for (index, element) in elements.iter().enumerate() {
                if !counted || index + 1 < elements.len() {
                    payload.extend(length(element.len()));
                }
                payload.extend(element);
            }
            let read: Vec<_> = Obus::new(&payload).collect();
            prop_assert_eq!(read.iter().map(|obu| obu.data.to_vec()).collect::<Vec<_>>(), elements);
            if continues_previous {
                prop_assert_eq!(read[0].header, None);
            }
        }
    }
}
