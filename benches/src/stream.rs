//! The packets of one stream.

use anyhow::Result;
use plenum_harness::parameters::sent;
use plenum_rtp::{HeaderFields, RtpWriter};
use plenum_srtp::Sealer;

use crate::score::{Note, Payload};

/// Bytes of a stamp at the end of a payload.
pub(crate) const STAMP: usize = size_of::<u64>();

/// A stream that somebody sends.
pub(crate) struct Stream {
    ssrc: u32,
    payload: Payload,
    next_index: u64,
    frame: u16,
}

impl Stream {
    pub(crate) fn new(ssrc: u32, payload: Payload) -> Self {
        Self {
            ssrc,
            payload,
            next_index: 1000,
            frame: 0,
        }
    }

    /// The next packet, encrypted; without a transport-wide number it has no header extensions. The end of its payload is
    /// `stamp`, if it is long enough.
    pub(crate) fn packet(
        &mut self,
        note: &Note,
        transport_number: Option<u16>,
        stamp: u64,
        sealer: &mut Sealer,
        overhead: usize,
    ) -> Result<Vec<u8>> {
        let is_voice = self.payload == Payload::Opus;
        if note.first {
            self.frame = self.frame.wrapping_add(1);
        }
        // Who begins in the middle of a trace begins with a key frame, too.
        let is_key = note.key || self.frame == 1;
        let mut packet = vec![0; 64];
        let fields = HeaderFields {
            marker: note.marker,
            payload_type: if is_voice { 111 } else { 96 },
            sequence_number: self.next_index as u16,
            timestamp: note.timestamp,
            ssrc: self.ssrc,
            padding: false,
        };
        let mut writer = RtpWriter::begin(&mut packet, fields)?;
        if let Some(number) = transport_number {
            writer.push_extension(sent::MID, if is_voice { b"0" } else { b"1" })?;
            writer.push_extension(sent::TRANSPORT_CC, &number.to_be_bytes())?;
        }
        let header = writer.finish();
        packet.truncate(header);
        match self.payload {
            Payload::Opus => {}
            Payload::Vp8 => packet.extend(self.vp8_descriptor(note, is_key)),
            Payload::H264 => packet.extend(fragment_header(note, is_key)),
        }
        let plain = note.len.max(packet.len() + 1);
        let stamp_at = plain.saturating_sub(STAMP).max(packet.len());
        packet.resize(stamp_at, 0x5a);
        packet.extend(stamp.to_be_bytes());
        packet.truncate(plain);
        packet.resize(plain + overhead, 0);
        let size = sealer.seal_rtp(self.next_index, &mut packet, header, plain)?;
        packet.truncate(size);
        self.next_index += 1;
        Ok(packet)
    }

    /// VP8's payload descriptor with a picture id, and the first byte of the frame tag.
    fn vp8_descriptor(&self, note: &Note, is_key: bool) -> [u8; 5] {
        let [high, low] = (0x8000 | self.frame).to_be_bytes();
        let first = u8::from(note.first) << 4;
        [0x80 | first, 0x80, high, low, u8::from(!is_key)]
    }
}

/// A fragment of an H.264 slice (FU-A, RFC 6184 §5.8), and the first byte of the slice's header: that of the first macroblock.
fn fragment_header(note: &Note, is_key: bool) -> [u8; 3] {
    let slice = if is_key { 5 } else { 1 };
    let (start, end) = (u8::from(note.first) << 7, u8::from(note.marker) << 6);
    [0x7c, start | end | slice, 0x80]
}
