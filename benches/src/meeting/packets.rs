//! The packets of one stream.

use anyhow::Result;
use plenum_harness::parameters::sent;
use plenum_rtp::{HeaderFields, RtpWriter};
use plenum_srtp::Sealer;

use super::score::Note;

/// A stream that somebody sends.
pub(super) struct Stream {
    ssrc: u32,
    next_index: u64,
    frame: u16,
}

impl Stream {
    pub(super) fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            next_index: 1000,
            frame: 0,
        }
    }

    /// The next packet, encrypted.
    pub(super) fn packet(
        &mut self,
        note: &Note,
        transport_number: u16,
        sealer: &mut Sealer,
        overhead: usize,
    ) -> Result<Vec<u8>> {
        let is_voice = note.kind == 1;
        if note.first {
            self.frame = self.frame.wrapping_add(1);
        }
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
        writer.push_extension(sent::MID, if is_voice { b"0" } else { b"1" })?;
        writer.push_extension(sent::TRANSPORT_CC, &transport_number.to_be_bytes())?;
        let header = writer.finish();
        packet.truncate(header);
        if !is_voice {
            packet.extend(self.descriptor(note));
        }
        let plain = note.len.max(packet.len() + 1);
        packet.resize(plain, 0x5a);
        packet.resize(plain + overhead, 0);
        let size = sealer.seal_rtp(self.next_index, &mut packet, header, plain)?;
        packet.truncate(size);
        self.next_index += 1;
        Ok(packet)
    }

    /// VP8's payload descriptor with a picture id, and the first byte of the frame tag.
    fn descriptor(&self, note: &Note) -> [u8; 5] {
        let [high, low] = (0x8000 | self.frame).to_be_bytes();
        let first = u8::from(note.first) << 4;
        [0x80 | first, 0x80, high, low, u8::from(!note.key)]
    }
}
