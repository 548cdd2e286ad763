//! What is kept of a received RTP packet beside its payload.

use plenum_params::media::{CodecKind, ExtensionId, HeaderExtension};

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
    /// The first packet of a key frame, or any packet of a stream whose payload tells nothing: a consumer can start here.
    pub(crate) sync_point: bool,
    pub(crate) extensions: ExtensionValues,
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

/// Whether a consumer may start with this packet.
pub(crate) fn is_sync_point(codec: CodecKind, payload: &[u8]) -> bool {
    use plenum_codec::VideoCodec;
    let codec = match codec {
        CodecKind::Vp8 => VideoCodec::Vp8,
        CodecKind::Vp9 => VideoCodec::Vp9,
        CodecKind::H264 => VideoCodec::H264,
        CodecKind::H265 => VideoCodec::H265,
        CodecKind::Av1 => VideoCodec::Av1,
        _ => return true,
    };
    plenum_codec::is_key_frame(codec, payload)
}
