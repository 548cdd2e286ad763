//! H.264 payloads (RFC 6184): NAL units, alone, aggregated or in fragments.

/// NAL unit types that matter to forwarding (ITU-T H.264 table 7-1).
pub mod nal_type {
    /// Slice of an instantaneous decoding refresh picture.
    pub const IDR: u8 = 5;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
}

/// Single-time aggregation packet (RFC 6184 §5.7.1).
const STAP_A: u8 = 24;
/// Fragmentation unit (RFC 6184 §5.8).
const FU_A: u8 = 28;

/// A NAL unit, or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NalUnit<'a> {
    /// Type of the whole unit, 0–31.
    pub nal_type: u8,
    /// `nal_ref_idc`: 0 when no picture refers to it.
    pub reference_idc: u8,
    /// Whether the unit begins here.
    pub is_start: bool,
    /// Whether the unit ends here.
    pub is_end: bool,
    /// What follows the NAL unit header, or the FU header.
    pub body: &'a [u8],
}

impl NalUnit<'_> {
    /// Whether a decoder can start here: a sequence parameter set or the first slice of an IDR picture.
    pub fn is_key(&self) -> bool {
        match self.nal_type {
            nal_type::SPS => self.is_start,
            // `first_mb_in_slice` leads the slice header; zero is coded as a single 1 bit.
            nal_type::IDR => {
                self.is_start && self.body.first().is_some_and(|byte| byte & 0x80 != 0)
            }
            _ => false,
        }
    }
}

/// Iterator over the NAL units of a payload. A malformed one ends it.
#[derive(Clone, Debug)]
pub struct NalUnits<'a> {
    rest: &'a [u8],
    aggregated: bool,
}

impl<'a> NalUnits<'a> {
    /// Walks a payload.
    pub fn new(payload: &'a [u8]) -> Self {
        match *payload {
            [head, ref rest @ ..] if head & 0x1f == STAP_A => Self {
                rest,
                aggregated: true,
            },
            _ => Self {
                rest: payload,
                aggregated: false,
            },
        }
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = NalUnit<'a>;

    fn next(&mut self) -> Option<NalUnit<'a>> {
        let rest = std::mem::take(&mut self.rest);
        if !self.aggregated {
            return read_single(rest);
        }
        let (size, rest) = rest.split_first_chunk()?;
        let (unit, rest) = rest.split_at_checked(u16::from_be_bytes(*size).into())?;
        self.rest = rest;
        let (&head, body) = unit.split_first()?;
        Some(whole(head, body))
    }
}

fn read_single(payload: &[u8]) -> Option<NalUnit<'_>> {
    match *payload {
        [head, fragment, ref body @ ..] if head & 0x1f == FU_A => Some(NalUnit {
            nal_type: fragment & 0x1f,
            reference_idc: head >> 5 & 3,
            is_start: fragment & 0x80 != 0,
            is_end: fragment & 0x40 != 0,
            body,
        }),
        [head, ref body @ ..] if head & 0x1f < STAP_A => Some(whole(head, body)),
        _ => None,
    }
}

const fn whole(head: u8, body: &[u8]) -> NalUnit<'_> {
    NalUnit {
        nal_type: head & 0x1f,
        reference_idc: head >> 5 & 3,
        is_start: true,
        is_end: true,
        body,
    }
}

/// Whether a decoder can start with this payload.
pub fn is_key_frame(payload: &[u8]) -> bool {
    NalUnits::new(payload).any(|unit| unit.is_key())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameter_sets_and_first_slices_are_key() {
        for (payload, expected) in [
            (&[0x67, 0x42][..], true),
            (&[0x65, 0x88], true),
            (&[0x65, 0x08], false),
            (&[0x68, 0xce], false),
            (&[0x61, 0x88], false),
            (&[0x78, 0, 2, 0x68, 1, 0, 2, 0x67, 1], true),
            (&[0x78, 0, 2, 0x68, 1, 0, 2, 0x65, 0x80], true),
            (&[0x78, 0, 2, 0x68, 1], false),
            (&[0x78, 0, 9, 0x67, 1], false),
            (&[0x7c, 0x85, 0x88], true),
            (&[0x7c, 0x05, 0x88], false),
            (&[0x7c, 0x81, 0x88], false),
            (&[0x7c, 0x87], true),
            (&[0x7c], false),
            (&[0x79, 0x67], false),
            (&[], false),
        ] {
            assert_eq!(is_key_frame(payload), expected, "{payload:x?}");
        }
    }

    proptest! {
        #[test]
        fn aggregated_units_are_found(units in prop::collection::vec((1u8..24, prop::collection::vec(any::<u8>(), 0..40)), 1..8)) {
            let mut payload = vec![0x78];
            for (kind, body) in &units {
                payload.extend((body.len() as u16 + 1).to_be_bytes());
                payload.push(0x60 | kind);
                payload.extend(body);
            }
            let read: Vec<_> = NalUnits::new(&payload).map(|unit| (unit.nal_type, unit.body.to_vec())).collect();
            prop_assert_eq!(read, units);
        }
    }
}
