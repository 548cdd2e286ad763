//! Packets of direct transports, on the second socket between node and worker: a pair of `SOCK_SEQPACKET`, so that the
//! kernel keeps packets apart. A packet is lost when the socket is full; nothing waits for it and nothing answers it.
//!
//! ```text
//!  0        1                        17
//!  ┌────────┬────────────────────────┬──────────────────────
//!  │ kind   │ object                 │ packet …
//!  │ 1 byte │ 16 bytes, as in UUIDs  │ to the end of the frame
//!  └────────┴────────────────────────┴──────────────────────
//! ```

use plenum_params::data_message::MAX_MESSAGE_PACKET_BYTES;

/// Bytes in front of the packet.
pub const PACKET_HEADER_BYTES: usize = 17;

/// Most bytes of an RTP or RTCP packet behind its header: as much as a UDP datagram could carry.
pub const MAX_PACKET_BYTES: usize = u16::MAX as usize;

/// Most bytes of a whole frame.
pub const MAX_PACKET_FRAME_BYTES: usize = PACKET_HEADER_BYTES + MAX_MESSAGE_PACKET_BYTES;

/// A packet on its way between node and worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct Packet<'a> {
    /// What it is.
    pub kind: PacketKind,
    /// Identifier of the object that it is for or comes from, which the kind tells.
    pub object: u128,
    /// The packet itself.
    pub data: &'a [u8],
}

/// What a packet is. The numbers are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PacketKind {
    /// Sent back by the worker as it is, to measure the way; the object means nothing.
    Probe = 0,
    /// RTP: to the worker for a producer, to the node from a consumer.
    Rtp = 1,
    /// RTCP of a transport, both ways.
    Rtcp = 2,
    /// A [message](crate::DataMessage) of a data channel: to the worker for a data producer, to the node from a data
    /// consumer.
    Message = 3,
}

/// A frame that is no packet, or a packet that makes no frame. The frames after it are not affected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// There is no such kind.
    #[error("packets of kind {kind} are not known")]
    Kind {
        /// The number in the frame.
        kind: u8,
    },
    /// The packet exceeds [`PacketKind::max_bytes`].
    #[error("packet of {length} bytes exceeds the limit of its kind")]
    TooLong {
        /// Bytes behind the header.
        length: usize,
    },
    /// The frame ends inside its header.
    #[error("frame of {length} bytes is shorter than its header of {PACKET_HEADER_BYTES}")]
    TooShort {
        /// Bytes in the frame.
        length: usize,
    },
}

impl<'a> Packet<'a> {
    /// Reads a whole frame.
    pub fn parse(frame: &'a [u8]) -> Result<Self, PacketError> {
        let length = frame.len();
        let Some((header, data)) = frame.split_first_chunk::<PACKET_HEADER_BYTES>() else {
            return Err(PacketError::TooShort { length });
        };
        let length = data.len();
        let [number, object @ ..] = *header;
        let kind = PacketKind::from_number(number).ok_or(PacketError::Kind { kind: number })?;
        if length > kind.max_bytes() {
            return Err(PacketError::TooLong { length });
        }
        Ok(Self {
            kind,
            object: u128::from_be_bytes(object),
            data,
        })
    }

    /// The header to put in front of the data, which is sent from where it is.
    pub fn header(&self) -> Result<[u8; PACKET_HEADER_BYTES], PacketError> {
        let length = self.data.len();
        if length > self.kind.max_bytes() {
            return Err(PacketError::TooLong { length });
        }
        let mut header = [0; PACKET_HEADER_BYTES];
        header[0] = self.kind as u8;
        header[1..].copy_from_slice(&self.object.to_be_bytes());
        Ok(header)
    }

    /// Appends the whole frame. On an error `out` is as it was.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), PacketError> {
        out.extend_from_slice(&self.header()?);
        out.extend_from_slice(self.data);
        Ok(())
    }
}

impl PacketKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Probe, Self::Rtp, Self::Rtcp, Self::Message];

    /// Most bytes of such a packet behind its header.
    pub const fn max_bytes(self) -> usize {
        match self {
            Self::Message => MAX_MESSAGE_PACKET_BYTES,
            _ => MAX_PACKET_BYTES,
        }
    }

    fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u8 == number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::fuzz_packet;

    proptest! {
        #[test]
        fn parse_undoes_write(
            kind in prop::sample::select(&PacketKind::ALL[..]),
            object in any::<u128>(),
            data in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            let packet = Packet { kind, object, data: &data };
            let mut frame = Vec::new();
            packet.write(&mut frame).expect("short");
            prop_assert_eq!(frame.len(), PACKET_HEADER_BYTES + data.len());
            prop_assert_eq!(Packet::parse(&frame), Ok(packet));
            for cut in 0..PACKET_HEADER_BYTES {
                prop_assert_eq!(Packet::parse(&frame[..cut]), Err(PacketError::TooShort { length: cut }));
            }
        }

        #[test]
        fn write_undoes_parse(frame in prop::collection::vec(any::<u8>(), 0..100), kind in 0_u8..5) {
            fuzz_packet(&frame);
            // The same with a kind that is likely to exist.
            let mut frame = frame;
            if let Some(first) = frame.first_mut() {
                *first = kind;
            }
            fuzz_packet(&frame);
        }
    }

    #[test]
    fn the_layout_is_fixed() {
        let packet = Packet {
            kind: PacketKind::Rtcp,
            object: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
            data: b"x",
        };
        let mut frame = Vec::new();
        packet.write(&mut frame).expect("short");
        assert_eq!(
            frame,
            b"\x02\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xffx"
        );
    }

    #[test]
    fn limits_and_unknown_kinds_are_refused_by_name() {
        let mut frame = vec![0; PACKET_HEADER_BYTES + MAX_PACKET_BYTES];
        assert!(Packet::parse(&frame).is_ok());
        frame[0] = 4;
        assert_eq!(Packet::parse(&frame), Err(PacketError::Kind { kind: 4 }));
        frame.push(0);
        frame[0] = 0;
        let length = MAX_PACKET_BYTES + 1;
        assert_eq!(Packet::parse(&frame), Err(PacketError::TooLong { length }));
        frame[0] = 3;
        assert!(Packet::parse(&frame).is_ok());
        let packet = Packet {
            kind: PacketKind::Rtp,
            object: 1,
            data: &frame[PACKET_HEADER_BYTES..],
        };
        let mut out = vec![1, 2];
        assert_eq!(packet.write(&mut out), Err(PacketError::TooLong { length }));
        assert_eq!(out, [1, 2]);
    }
}
