//! Native peers in front of an engine, in virtual time and without sockets: what the two sets of protocol parts cost that
//! such a peer can stand on.

use std::{net::SocketAddr, time::Instant};

use plenum_harness::Vp8Packet;
use plenum_params::transport::{DtlsFingerprint, DtlsParameters, DtlsRole, WebRtcTransportInfo};
use plenum_rtp::RtpHeader;

pub use aead::{Aead, Work};
pub use plenum_client::peer::Direction;
pub use stage::{Spent, Stage};

mod aead;
mod own;
mod stage;
mod str0m_peer;

/// Packets of a frame.
pub const PACKETS: usize = 8;

/// Bytes of a packet's payload: 1200 with the header of who sends it.
pub const PAYLOAD: usize = 1180;

/// A header as short as a peer's can be, with a transport-wide number: the packets that the engine is sent.
const HEADER: usize = 20;

/// VP8's payload descriptor and the first byte of the frame tag.
const DESCRIPTOR: usize = 5;

/// Bytes at the end of a payload that count packets.
const STAMP: usize = size_of::<u64>();

/// Every so many frames there is a key frame: nobody waits long for one.
const KEY_FRAME_EVERY: u64 = 30;

/// 30 frames a second.
const TICKS_PER_FRAME: u32 = 3000;

/// Packets that a sender keeps for retransmission: what ours does.
const HISTORY: usize = 512;

/// What a native peer stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two that are compared")]
pub enum Parts {
    /// `plenum_client::peer`.
    Own,
    /// `str0m::Rtc` in RTP mode.
    Str0m,
}

impl Parts {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Own, Self::Str0m];

    /// For tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Str0m => "str0m",
        }
    }
}

/// A peer that receives or sends one stream. Whoever drives it measures what each call takes.
trait Peer {
    /// Takes datagrams, which may be decrypted where they lie, until nothing is left to be done.
    fn handle_datagrams(&mut self, now: Instant, inbox: &mut [Vec<u8>], taken: &mut Taken);

    /// Sends a frame.
    fn send(&mut self, now: Instant, frame: &Frame);

    /// Does what is due.
    fn handle_timeout(&mut self, now: Instant);

    /// When something is due.
    fn due(&self) -> Option<Instant>;

    /// Whether media can flow.
    fn is_connected(&self) -> bool;

    /// Copies what is to be sent since the last call. The memory of it is given back in the next call that is measured.
    fn collect(&mut self, into: &mut Vec<Vec<u8>>);
}

/// Where a peer is, and what it has to know of the engine.
struct Seat {
    address: SocketAddr,
    direction: Direction,
    /// Of the stream that it sends or receives; retransmissions have the next one.
    ssrc: u32,
    info: WebRtcTransportInfo,
}

impl Seat {
    /// Peers have numbers above 0, which is that of the harness's own peer.
    const fn ssrc(number: usize) -> u32 {
        10_000 + 10 * number as u32
    }

    /// The engine's address.
    fn remote(&self) -> Option<SocketAddr> {
        let candidate = self.info.ice_candidates.first()?;
        Some(SocketAddr::new(candidate.address.ip()?, candidate.port))
    }
}

/// What tells the engine a peer's certificate.
fn dtls_parameters(algorithm: &str, value: String) -> DtlsParameters {
    DtlsParameters {
        role: DtlsRole::Client,
        fingerprints: vec![DtlsFingerprint {
            algorithm: algorithm.to_owned(),
            value,
        }],
    }
}

/// A picture in packets: headers of who sends to the engine, and payloads.
struct Frame {
    number: u64,
    packets: Vec<Vec<u8>>,
}

impl Frame {
    fn new(number: u64) -> Self {
        let packets = (0..PACKETS).map(|packet| {
            let index = number * PACKETS as u64 + packet as u64;
            let mut bytes = Vp8Packet {
                ssrc: Seat::ssrc(0),
                sequence_number: index as u16,
                timestamp: Self::timestamp(number),
                picture_id: number as u16 & 0x7fff,
                key_frame: number.is_multiple_of(KEY_FRAME_EVERY),
                first: packet == 0,
                marker: packet + 1 == PACKETS,
                len: PAYLOAD - DESCRIPTOR,
                rid: None,
                transport_sequence: Some(index as u16),
            }
            .write();
            let stamp = bytes.len() - STAMP;
            bytes[stamp..].copy_from_slice(&index.to_be_bytes());
            bytes
        });
        Self {
            number,
            packets: packets.collect(),
        }
    }

    const fn timestamp(number: u64) -> u32 {
        (number as u32).wrapping_mul(TICKS_PER_FRAME)
    }

    fn payloads(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let payloads = self.packets.iter().map(|packet| &packet[HEADER..]);
        payloads.enumerate()
    }
}

/// What has come out of a peer, or out of the engine.
#[derive(Clone, Debug, Default)]
struct Taken {
    packets: u64,
    wrong: u64,
    /// Whether every byte is looked at, and not only length and number.
    looks_closely: bool,
}

impl Taken {
    fn take(&mut self, payload: &[u8]) {
        let stamp = payload.last_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        let is_right = payload.len() == PAYLOAD
            && stamp == Some(self.packets)
            && (!self.looks_closely || is_whole(payload, self.packets));
        self.wrong += u64::from(!is_right);
        self.packets += 1;
    }

    /// Takes a whole plain packet.
    fn take_packet(&mut self, packet: &[u8]) {
        let header = RtpHeader::parse(packet);
        let payload = header.and_then(|header| header.payload(packet));
        self.take(payload.map_or(&[], |range| &packet[range]));
    }
}

/// Whether everything between descriptor and stamp is as it was sent.
fn is_whole(payload: &[u8], index: u64) -> bool {
    let number = index / PACKETS as u64;
    let body = &payload[DESCRIPTOR..PAYLOAD - STAMP];
    let is_inter = !number.is_multiple_of(KEY_FRAME_EVERY);
    payload[DESCRIPTOR - 1] == u8::from(is_inter) && body.iter().all(|byte| *byte == number as u8)
}
