//! Single packets of a VP8 stream.

use plenum_rtp::{HeaderFields, RtpWriter};

use crate::parameters::sent;

/// A plain VP8 packet of a browser.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "tests fill in every field")]
pub struct Vp8Packet {
    /// SSRC.
    pub ssrc: u32,
    /// Sequence number.
    pub sequence_number: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Picture id, 15 bits.
    pub picture_id: u16,
    /// Whether its frame needs no other one.
    pub key_frame: bool,
    /// Whether it is the first one of its frame.
    pub first: bool,
    /// Whether it is the last one of its frame.
    pub marker: bool,
    /// Bytes behind descriptor and frame tag, all of them the picture id's low byte.
    pub len: usize,
    /// RID to name in a header extension.
    pub rid: Option<&'static str>,
    /// Transport-wide sequence number.
    pub transport_sequence: Option<u16>,
}

impl Vp8Packet {
    /// Header and payload.
    pub fn write(&self) -> Vec<u8> {
        let mut buffer = vec![0; 64];
        let fields = HeaderFields {
            marker: self.marker,
            payload_type: 96,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            padding: false,
        };
        let mut writer = RtpWriter::begin(&mut buffer, fields).expect("room");
        let mut push = |id: u8, value: &[u8]| writer.push_extension(id, value).expect("room");
        if let Some(rid) = self.rid {
            push(sent::MID, b"1");
            push(sent::RID, rid.as_bytes());
        }
        if let Some(sequence) = self.transport_sequence {
            push(sent::TRANSPORT_CC, &sequence.to_be_bytes());
        }
        let len = writer.finish();
        buffer.truncate(len);
        let [high, low] = (0x8000 | self.picture_id).to_be_bytes();
        buffer.extend([0x80 | u8::from(self.first) << 4, 0x80, high, low]);
        // The first bit of the frame tag is 0 on key frames (RFC 6386 §9.1).
        buffer.push(u8::from(!self.key_frame));
        buffer.extend(std::iter::repeat_n(self.picture_id as u8, self.len));
        buffer
    }
}
