//! H.265 payloads (RFC 7798): NAL units, alone, aggregated or in fragments.
//!
//! Decoding order numbers are taken to be absent, as they are in WebRTC (`sprop-max-don-diff` is 0).

/// NAL unit types that matter to forwarding (ITU-T H.265 table 7-1).
pub mod nal_type {
    /// First of the intra random access point types.
    pub const IRAP_FIRST: u8 = 16;
    /// Last of the intra random access point types.
    pub const IRAP_LAST: u8 = 23;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
}

/// Aggregation packet (RFC 7798 §4.4.2).
const AP: u8 = 48;
/// Fragmentation unit (RFC 7798 §4.4.3).
const FU: u8 = 49;

/// A NAL unit, or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NalUnit<'a> {
    /// Type of the whole unit, 0–63.
    pub nal_type: u8,
    /// Scalable or multiview layer, 0 in WebRTC.
    pub layer_id: u8,
    /// Temporal sub-layer, counted from 0.
    pub temporal_id: u8,
    /// Whether the unit begins here.
    pub is_start: bool,
    /// Whether the unit ends here.
    pub is_end: bool,
    /// What follows the NAL unit header, or the FU header.
    pub body: &'a [u8],
}

impl NalUnit<'_> {
    /// Whether a decoder can start here: a video or sequence parameter set, or the first slice segment of an intra
    /// random access point.
    pub fn is_key(&self) -> bool {
        match self.nal_type {
            nal_type::VPS | nal_type::SPS => self.is_start,
            // `first_slice_segment_in_pic_flag` is the first bit of the slice header.
            nal_type::IRAP_FIRST..=nal_type::IRAP_LAST => {
                self.is_start && self.body.first().is_some_and(|byte| byte & 0x80 != 0)
            }
            _ => false,
        }
    }

    const fn new(head: [u8; 2], body: &[u8]) -> NalUnit<'_> {
        NalUnit {
            nal_type: head[0] >> 1 & 0x3f,
            layer_id: (head[0] & 1) << 5 | head[1] >> 3,
            temporal_id: (head[1] & 7).saturating_sub(1),
            is_start: true,
            is_end: true,
            body,
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
            [head, _, ref rest @ ..] if head >> 1 & 0x3f == AP => Self {
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
        let (&head, body) = unit.split_first_chunk()?;
        Some(NalUnit::new(head, body))
    }
}

fn read_single(payload: &[u8]) -> Option<NalUnit<'_>> {
    let (&head, body) = payload.split_first_chunk()?;
    let unit = NalUnit::new(head, body);
    if unit.nal_type < AP {
        return Some(unit);
    }
    if unit.nal_type != FU {
        return None;
    }
    let (&fragment, body) = body.split_first()?;
    Some(NalUnit {
        nal_type: fragment & 0x3f,
        is_start: fragment & 0x80 != 0,
        is_end: fragment & 0x40 != 0,
        body,
        ..unit
    })
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
            (&[0x40, 1, 0][..], true),
            (&[0x42, 1, 0], true),
            (&[0x44, 1, 0], false),
            (&[0x26, 1, 0x80], true),
            (&[0x26, 1, 0x00], false),
            (&[0x02, 1, 0x80], false),
            (&[0x60, 1, 0, 3, 0x44, 1, 0, 0, 3, 0x26, 1, 0x80], true),
            (&[0x60, 1, 0, 3, 0x44, 1, 0], false),
            (&[0x60, 1, 0, 9, 0x40, 1, 0], false),
            (&[0x62, 1, 0x93, 0x80], true),
            (&[0x62, 1, 0x13, 0x80], false),
            (&[0x62, 1], false),
            (&[0x64, 1, 0x93, 0x80], false),
            (&[0x40], false),
            (&[], false),
        ] {
            assert_eq!(is_key_frame(payload), expected, "{payload:x?}");
        }
    }

    #[test]
    fn temporal_ids_are_counted_from_zero() {
        let unit = NalUnits::new(&[0x02, 0x03, 0]).next().expect("a unit");
        assert_eq!((unit.nal_type, unit.layer_id, unit.temporal_id), (1, 0, 2));
    }

    proptest! {
        #[test]
        fn aggregated_units_are_found(units in prop::collection::vec((0u8..48, prop::collection::vec(any::<u8>(), 0..40)), 1..8)) {
            let mut payload = vec![AP << 1, 1];
            for (kind, body) in &units {
                payload.extend((body.len() as u16 + 2).to_be_bytes());
                payload.extend([kind << 1, 1]);
                payload.extend(body);
            }
            let read: Vec<_> = NalUnits::new(&payload).map(|unit| (unit.nal_type, unit.body.to_vec())).collect();
            prop_assert_eq!(read, units);
        }
    }
}
