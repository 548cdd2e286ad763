//! What every packet needs of a consumer's parameters, in one place: the parameters themselves are spread over memory.

use plenum_params::media::{CodecKind, MediaKind, SendCodec, SendParameters};

/// Streams and payload types of a consumer.
#[derive(Debug)]
pub(crate) struct Outline {
    pub(crate) kind: MediaKind,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
    /// The first payload type is nearly always the only one.
    first: Option<Format>,
    others: Box<[Format]>,
}

/// What the receiver expects behind a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    payload_type: u8,
    /// What stands in packets for it.
    pub(crate) wire_payload_type: u8,
    pub(crate) rtx_payload_type: Option<u8>,
    pub(crate) codec: CodecKind,
    pub(crate) clock_rate: u32,
}

impl Outline {
    pub(super) fn new(parameters: &SendParameters) -> Self {
        let mut formats = parameters.codecs.iter().map(Format::new);
        Self {
            kind: parameters.kind,
            ssrc: parameters.ssrc,
            rtx_ssrc: parameters.rtx_ssrc,
            first: formats.next(),
            others: formats.collect(),
        }
    }

    #[inline]
    pub(super) fn format(&self, payload_type: u8) -> Option<Format> {
        let is_it = |format: &Format| format.payload_type == payload_type;
        let first = self.first.filter(is_it);
        first.or_else(|| self.others.iter().copied().find(is_it))
    }
}

impl Format {
    fn new(codec: &SendCodec) -> Self {
        Self {
            payload_type: codec.payload_type,
            wire_payload_type: codec.own_payload_type.unwrap_or(codec.payload_type),
            rtx_payload_type: codec.rtx_payload_type,
            codec: codec.codec,
            clock_rate: codec.clock_rate,
        }
    }
}
