//! H.264 payloads (RFC 6184): NAL units, alone, aggregated or in fragments; temporal layers where prefix units tell.

use crate::CodecError;

/// NAL unit types that matter to forwarding (ITU-T H.264 table 7-1).
pub mod nal_type {
    /// Slice of an instantaneous decoding refresh picture.
    pub const IDR: u8 = 5;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Prefix unit: layers of the slice behind it.
    pub const PREFIX: u8 = 14;
    /// Slice of a scalable extension.
    pub const SLICE_EXTENSION: u8 = 20;
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

/// What a prefix unit tells of the slice behind it: `nal_unit_header_svc_extension()` of ITU-T H.264 §G.7.3.1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SvcLayer {
    /// `idr_flag`: no picture of this layer before it is needed any more.
    pub idr: bool,
    /// `priority_id`, 0–63.
    pub priority_id: u8,
    /// `dependency_id`, 0–7: the spatial layer.
    pub dependency_id: u8,
    /// `quality_id`, 0–15.
    pub quality_id: u8,
    /// `temporal_id`, 0–7.
    pub temporal_id: u8,
    /// `discardable_flag`: no layer above refers to this one.
    pub discardable: bool,
}

impl SvcLayer {
    /// The layer that a NAL unit's header extension tells; `None` in units that have none.
    ///
    /// A fragment that is not the first does not have it either. With `svc_extension_flag` 0 the three bytes are those of
    /// multi-view coding, whose temporal id lies elsewhere (§H.7.3.1.1); nobody sends that over RTP.
    pub fn of(unit: &NalUnit<'_>) -> Result<Option<Self>, CodecError> {
        if !matches!(unit.nal_type, nal_type::PREFIX | nal_type::SLICE_EXTENSION) || !unit.is_start
        {
            return Ok(None);
        }
        let &[flags, layer, last] = unit.body.first_chunk().ok_or(CodecError::TooShort)?;
        if flags & 0x80 == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            idr: flags & 0x40 != 0,
            priority_id: flags & 0x3f,
            dependency_id: layer >> 4 & 0x07,
            quality_id: layer & 0x0f,
            temporal_id: last >> 5,
            discardable: last & 0x08 != 0,
        }))
    }
}

/// The layer told by the first prefix unit of a payload, alone or in an aggregation packet.
///
/// `None` in a payload without one: the fragments of the slice behind it have the layer of the prefix unit in an earlier
/// packet with the same timestamp.
pub fn svc_layer(payload: &[u8]) -> Result<Option<SvcLayer>, CodecError> {
    for unit in NalUnits::new(payload) {
        if let Some(layer) = SvcLayer::of(&unit)? {
            return Ok(Some(layer));
        }
    }
    Ok(None)
}

/// The highest `nal_ref_idc` in a payload: 0 when no picture refers to any of its slices. `None` when it has no NAL
/// unit.
pub fn reference_idc(payload: &[u8]) -> Option<u8> {
    NalUnits::new(payload).map(|unit| unit.reference_idc).max()
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

    /// A prefix unit of temporal layer 2, discardable, whose slice nobody refers to.
    const PREFIX: [u8; 4] = [0x0e, 0x80 | 5, 0x80, 2 << 5 | 0x0f];

    #[test]
    fn prefix_units_tell_the_temporal_layer_alone_and_aggregated() {
        let layer = SvcLayer {
            priority_id: 5,
            temporal_id: 2,
            discardable: true,
            ..SvcLayer::default()
        };
        assert_eq!(svc_layer(&PREFIX), Ok(Some(layer)));
        assert_eq!(reference_idc(&PREFIX), Some(0));
        let mut aggregated = vec![0x78, 0, 4];
        aggregated.extend(PREFIX);
        aggregated.extend([0, 2, 0x41, 0x9a]);
        assert_eq!(svc_layer(&aggregated), Ok(Some(layer)));
        assert_eq!(reference_idc(&aggregated), Some(2));
        let idr = svc_layer(&[0x6e, 0xc0, 0x13, 0x07])
            .map(|layer| layer.map(|layer| (layer.idr, layer.dependency_id, layer.quality_id)));
        assert_eq!(idr, Ok(Some((true, 1, 3))));
    }

    #[test]
    fn payloads_without_a_whole_prefix_unit_tell_no_layer() {
        assert_eq!(svc_layer(&[0x41, 0x9a, 0xff, 0xff]), Ok(None));
        assert_eq!(svc_layer(&[0x5c, 0x81, 0x9a]), Ok(None));
        assert_eq!(svc_layer(&[]), Ok(None));
        assert_eq!(reference_idc(&[]), None);
        // Multi-view coding.
        assert_eq!(svc_layer(&[0x6e, 0x40, 0, 0x47]), Ok(None));
        assert_eq!(svc_layer(&PREFIX[..3]), Err(CodecError::TooShort));
        assert_eq!(
            svc_layer(&[0x78, 0, 2, 0x0e, 0x80]),
            Err(CodecError::TooShort)
        );
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
