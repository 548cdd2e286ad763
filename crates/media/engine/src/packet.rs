//! What is kept of a received RTP packet beside its payload.

use plenum_codec::PictureFields;
use plenum_params::media::{ExtensionId, HeaderExtension};

/// Values of forwarded header extensions, in their wire form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExtensionValues {
    /// RFC 6464 byte.
    pub(crate) audio_level: Option<u8>,
    /// Coordination byte of `3gpp:video-orientation`.
    pub(crate) video_orientation: Option<u8>,
    /// RFC 5450 offset.
    pub(crate) toffset: Option<[u8; 3]>,
    /// `playout-delay`, two 12-bit numbers.
    pub(crate) playout_delay: Option<[u8; 3]>,
    /// `abs-capture-time`, 8 or 16 bytes; the length says which.
    pub(crate) capture_time: Option<([u8; 16], u8)>,
}

impl ExtensionValues {
    /// Whether the packet had none of them.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.audio_level.is_none()
            && self.video_orientation.is_none()
            && self.toffset.is_none()
            && self.playout_delay.is_none()
            && self.capture_time.is_none()
    }

    /// Takes over one extension of a received packet, if it is one that is forwarded.
    pub(crate) fn set(&mut self, extension: HeaderExtension, value: &[u8]) {
        match extension {
            HeaderExtension::AudioLevel => self.audio_level = value.first().copied(),
            HeaderExtension::VideoOrientation => self.video_orientation = value.first().copied(),
            HeaderExtension::TransmissionTimeOffset => self.toffset = value.try_into().ok(),
            HeaderExtension::PlayoutDelay => self.playout_delay = value.try_into().ok(),
            HeaderExtension::AbsCaptureTime if value.len() == 8 || value.len() == 16 => {
                let mut bytes = [0; 16];
                bytes[..value.len()].copy_from_slice(value);
                self.capture_time = Some((bytes, value.len() as u8));
            }
            _ => {}
        }
    }
}

/// One received packet, as its producer stream remembers it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PacketMeta {
    /// The sender's RTP timestamp.
    pub(crate) timestamp: u32,
    /// The router's payload type.
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    /// The router's payload type of the block that is new in a redundant packet.
    pub(crate) primary_type: u8,
    /// Where that block begins; 0: the packet is not redundant.
    pub(crate) primary_at: u16,
    /// The first packet of a key frame, or any packet of a stream whose payload tells nothing: a consumer can start here.
    pub(crate) sync_point: bool,
    /// Which receivers need the packet.
    pub(crate) layer: LayerInfo,
    pub(crate) extensions: ExtensionValues,
}

/// Spatial layers of one stream that are told apart: what the dependency descriptor has two bits for, and one more than
/// any scalability mode has. Frames above are not forwarded to whoever chooses layers.
pub(crate) const MAX_SPATIAL_LAYERS: u8 = 4;

/// Temporal layers that are told apart: what VP8 has two bits for, and one more than any scalability mode has.
pub(crate) const MAX_TEMPORAL_LAYERS: u8 = 4;

/// Where a packet stands among the layers of its stream. What is said of a frame holds for each of its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, most of them bits of descriptors"
)]
pub(crate) struct LayerInfo {
    /// The frame's spatial layer.
    pub(crate) spatial: u8,
    /// The frame's temporal layer.
    pub(crate) temporal: u8,
    /// Bit `n`: who watches spatial layer `n` needs the frame, if its temporal layer is not above.
    pub(crate) needed_by: u8,
    /// What tells the layer has not come yet: the structure of dependency descriptors, the prefix unit of H.264.
    pub(crate) unknown: bool,
    /// The first packet of its frame.
    pub(crate) start: bool,
    /// The last packet of its frame.
    pub(crate) end: bool,
    /// Highest spatial layer that can be watched from this frame on.
    pub(crate) spatial_up: u8,
    /// Whether the frame can be the first of its temporal layer for who has everything below it.
    pub(crate) enters: bool,
    /// By spatial layer: the highest temporal layer that can be watched from this frame on by who has its own layer, or
    /// enters that here.
    pub(crate) temporal_up: [u8; MAX_SPATIAL_LAYERS as usize],
    /// TL0PICIDX of VP8 and VP9.
    pub(crate) tl0: u8,
    /// Length of the dependency descriptor that is kept in front of the payload.
    pub(crate) descriptor_len: u8,
    /// Frame number of the dependency descriptor.
    pub(crate) frame_number: u16,
    /// Picture id of VP8 and VP9.
    pub(crate) picture_id: Option<u16>,
    /// Where the payload has picture id and TL0PICIDX.
    pub(crate) picture_fields: PictureFields,
}

impl LayerInfo {
    /// A packet of a stream that tells nothing of layers: everybody needs it.
    pub(crate) const ONLY: Self = Self {
        spatial: 0,
        temporal: 0,
        needed_by: u8::MAX,
        unknown: false,
        start: false,
        end: false,
        spatial_up: 0,
        enters: false,
        temporal_up: [0; MAX_SPATIAL_LAYERS as usize],
        tl0: 0,
        descriptor_len: 0,
        frame_number: 0,
        picture_id: None,
        picture_fields: PictureFields::NONE,
    };

    /// Everything can be watched from this frame on.
    pub(crate) fn set_key(&mut self) {
        self.spatial_up = MAX_SPATIAL_LAYERS - 1;
        self.temporal_up = [MAX_TEMPORAL_LAYERS - 1; MAX_SPATIAL_LAYERS as usize];
    }
}

impl Default for LayerInfo {
    fn default() -> Self {
        Self::ONLY
    }
}

/// Extension ids of one transport's sender, indexed by id, so that a received extension is recognised by one load.
#[derive(Clone, Debug)]
pub(crate) struct ExtensionTable(Box<[Option<HeaderExtension>; 256]>);

impl ExtensionTable {
    /// Adds the ids of a producer (BUNDLE: all producers of a transport share one id space, RFC 9143 §9.1).
    pub(crate) fn extend(&mut self, ids: &[ExtensionId]) {
        for entry in ids {
            self.0[usize::from(entry.id)] = Some(entry.extension);
        }
    }

    pub(crate) fn get(&self, id: u8) -> Option<HeaderExtension> {
        self.0[usize::from(id)]
    }
}

impl Default for ExtensionTable {
    fn default() -> Self {
        Self(Box::new([None; 256]))
    }
}
