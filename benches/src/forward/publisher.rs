//! Who sends what is forwarded.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use plenum_harness::parameters::{encoding, sent};
use plenum_params::media::ReceiveEncoding;
use plenum_rtp::{HeaderFields, RtpWriter};
use plenum_srtp::Sealer;
use plenum_testkit::peer::TestPeer;
use plenum_udp::{Message, Sender, UdpSocket};

use super::{Load, PACKET_BYTES, PACKETS};

/// Of the first stream; others are ten apart.
pub(super) const SSRC: u32 = 1000;

/// Simulcast streams.
pub(super) const STREAMS: usize = 3;

/// Every so many frames a stream has a key frame, each stream at its own time: nobody waits long for one.
const KEY_FRAME_EVERY: u32 = 9;

/// 30 frames a second.
const TICKS_PER_FRAME: u32 = 3000;

/// A sender with its socket.
pub(super) struct Publisher {
    load: Load,
    socket: UdpSocket,
    sender: Sender,
    sealer: Sealer,
    overhead: usize,
    frame: u32,
    next_index: u64,
}

/// What a publisher announces for video.
pub(super) fn encodings(load: Load) -> Vec<ReceiveEncoding> {
    (0..streams(load))
        .map(|stream| encoding(ssrc(stream)))
        .collect()
}

const fn ssrc(stream: u32) -> u32 {
    SSRC + 10 * stream
}

const fn streams(load: Load) -> u32 {
    match load {
        Load::Plain | Load::Feedback => 1,
        Load::Switching => STREAMS as u32,
    }
}

impl Publisher {
    pub(super) fn new(load: Load, socket: UdpSocket, peer: TestPeer) -> Result<Self> {
        let profile = peer.profile().context("the sender is connected")?;
        let (sealer, _) = peer.into_keys().context("the sender is connected")?;
        Ok(Self {
            load,
            socket,
            sender: Sender::new(),
            sealer,
            overhead: profile.rtp_overhead(),
            frame: 0,
            next_index: 1000,
        })
    }

    /// Sends a frame of each stream; returns how many packets these are.
    pub(super) fn publish(&mut self, to: SocketAddr) -> Result<usize> {
        let mut region = Vec::new();
        let mut size = 0;
        let streams = streams(self.load);
        for stream in 0..streams {
            for number in 0..PACKETS {
                let index = self.next_index + number as u64;
                let mut packet = vec![0; 64];
                let header = self.write_header(stream, number, index, &mut packet)?;
                packet.truncate(header);
                if self.load != Load::Plain {
                    packet.extend(self.descriptor(stream, number));
                }
                packet.resize(PACKET_BYTES, 0x5a);
                packet.resize(PACKET_BYTES + self.overhead, 0);
                size = self
                    .sealer
                    .seal_rtp(index, &mut packet, header, PACKET_BYTES)?;
                region.extend(&packet[..size]);
            }
        }
        self.next_index += PACKETS as u64;
        self.frame += 1;
        let message = Message {
            to,
            data: &region,
            segment_size: size as u16,
        };
        let packets = streams as usize * PACKETS;
        let report = self.sender.send(&self.socket, std::iter::once(message));
        ensure!(report.datagrams == packets as u64, "publishing failed");
        Ok(packets)
    }

    fn write_header(
        &self,
        stream: u32,
        number: usize,
        index: u64,
        buffer: &mut [u8],
    ) -> Result<usize> {
        let fields = HeaderFields {
            marker: number + 1 == PACKETS,
            payload_type: if self.load == Load::Plain { 111 } else { 96 },
            sequence_number: index as u16,
            timestamp: self.frame.wrapping_mul(TICKS_PER_FRAME),
            ssrc: ssrc(stream),
            padding: false,
        };
        let mut writer = RtpWriter::begin(buffer, fields)?;
        if self.load != Load::Plain {
            let all = self.frame * streams(self.load) * PACKETS as u32;
            let sequence = (all + stream * PACKETS as u32 + number as u32) as u16;
            writer.push_extension(sent::MID, b"1")?;
            writer.push_extension(sent::TRANSPORT_CC, &sequence.to_be_bytes())?;
        }
        Ok(writer.finish())
    }

    /// VP8's payload descriptor with a picture id, and the first byte of the frame tag.
    fn descriptor(&self, stream: u32, number: usize) -> [u8; 5] {
        let [high, low] = (0x8000 | self.frame as u16).to_be_bytes();
        let is_key = self.frame == 0 || (self.frame + 3 * stream).is_multiple_of(KEY_FRAME_EVERY);
        let first = u8::from(number == 0) << 4;
        [0x80 | first, 0x80, high, low, u8::from(!is_key)]
    }
}
