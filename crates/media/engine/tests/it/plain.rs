//! Plain transports: who has neither ICE nor DTLS, and is known by its address alone.

use std::net::SocketAddr;

use plenum_engine::{Datagram, EngineError, SocketConfig, SocketIndex};
use plenum_harness::{
    ROUTER, Vp8Packet, World, address,
    parameters::{encoding, vp8, vp8_receiver},
};
use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_params::{
    event::Event,
    transport::{
        PlainRemote, PlainTransportInfo, PlainTransportOptions, SrtpParameters, SrtpSuite,
    },
};
use plenum_rtp::{
    RtpHeader,
    rtcp::{FirEntry, ReportBlock, RtcpPacket, RtcpPackets, RtcpWriter},
};

mod feedback;
mod latching;
mod protection;
mod redundancy;

const PLAIN: TransportId = TransportId::from_u128(1000);

const PRODUCER: ProducerId = ProducerId::from_u128(10);

/// Where the other side of [`Scene::plain`] is.
const THERE: u16 = 30_000;

const SSRC: u32 = 1000;

/// A world with a plain transport.
struct Scene {
    world: World,
    /// For RTP, and for RTCP.
    sockets: [SocketIndex; 2],
    info: PlainTransportInfo,
}

impl Scene {
    fn new(options: PlainTransportOptions) -> Self {
        let mut world = World::new();
        let mut add = |port| {
            let added = world.engine.add_socket(SocketConfig::new(address(port)));
            added.expect("there is room")
        };
        let rtp = add(40_000);
        let (sockets, own) = if options.rtcp_mux {
            ([rtp; 2], vec![rtp])
        } else {
            let rtcp = add(40_001);
            ([rtp, rtcp], vec![rtp, rtcp])
        };
        let info = world
            .engine
            .create_plain_transport(world.now, ROUTER, PLAIN, &options, &own);
        Self {
            info: info.expect("the router is there"),
            sockets,
            world,
        }
    }

    /// With a producer on it.
    fn producing(options: PlainTransportOptions) -> Self {
        let mut scene = Self::new(options);
        let parameters = vp8(vec![encoding(SSRC)]);
        let made = scene
            .world
            .engine
            .produce(PLAIN, PRODUCER, parameters, false);
        made.expect("the transport is there");
        scene
    }

    fn connect(
        &mut self,
        remote: impl Into<Option<PlainRemote>>,
        srtp: Option<&SrtpParameters>,
    ) -> Result<PlainTransportInfo, EngineError> {
        let remote = remote.into();
        let world = &mut self.world;
        world
            .engine
            .connect_plain_transport(world.now, PLAIN, remote, srtp)
    }

    /// A datagram arrives on a socket.
    fn deliver(&mut self, socket: SocketIndex, from: u16, mut data: Vec<u8>) {
        let datagram = Datagram {
            socket,
            from: address(from),
            data: &mut data,
        };
        self.world
            .engine
            .handle_datagrams(self.world.now, [datagram]);
        self.world.drain();
    }

    /// A datagram arrives where RTP does.
    fn arrive(&mut self, from: u16, data: Vec<u8>) {
        self.deliver(self.sockets[0], from, data);
    }

    /// Packets of the producer that were taken.
    fn taken(&self) -> u64 {
        let engine = &self.world.engine;
        let stats = engine.producer_stats(self.world.now, PRODUCER);
        let stats = stats.expect("it is there");
        stats.iter().map(|stream| stream.packet_count).sum()
    }

    fn discarded(&self) -> u64 {
        let stats = self.world.engine.transport_stats(self.world.now, PLAIN);
        stats.expect("it is there").discarded
    }

    /// What was sent to a port since the last time.
    fn sent_to(&mut self, port: u16) -> Vec<Vec<u8>> {
        let at = address(port);
        let (here, elsewhere) = std::mem::take(&mut self.world.elsewhere)
            .into_iter()
            .partition(|(to, _): &(SocketAddr, Vec<u8>)| *to == at);
        self.world.elsewhere = elsewhere;
        here.into_iter().map(|(_, datagram)| datagram).collect()
    }

    /// Where the other side was found: address and whether it is RTCP's.
    fn found(&self) -> Vec<(SocketAddr, bool)> {
        let events = self.world.events.iter();
        let found = events.filter_map(|event| match event {
            Event::PlainTuple { tuple, rtcp, .. } => Some((tuple.remote, *rtcp)),
            _ => None,
        });
        found.collect()
    }
}

fn comedia() -> PlainTransportOptions {
    PlainTransportOptions {
        comedia: true,
        ..PlainTransportOptions::default()
    }
}

fn remote(rtp: u16, rtcp: Option<u16>) -> PlainRemote {
    PlainRemote {
        rtp: address(rtp),
        rtcp: rtcp.map(address),
    }
}

/// A picture of one packet that a receiver can begin with.
fn picture(number: u16) -> Vec<u8> {
    Vp8Packet {
        ssrc: SSRC,
        sequence_number: number,
        timestamp: u32::from(number) * 3000,
        picture_id: number,
        key_frame: true,
        first: true,
        marker: true,
        len: 300,
        rid: None,
        transport_sequence: None,
    }
    .write()
}

fn rtcp(build: impl FnOnce(&mut RtcpWriter<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; 1200];
    let mut writer = RtcpWriter::new(&mut buffer);
    build(&mut writer);
    let len = writer.len();
    buffer.truncate(len);
    buffer
}

fn receiver_report() -> Vec<u8> {
    rtcp(|writer| writer.receiver_report(77, []).expect("there is room"))
}

/// Whether a datagram asks for a key frame of `ssrc`.
fn asks_for_key_frame(datagram: &[u8], ssrc: u32) -> bool {
    RtcpPackets::new(datagram)
        .flatten()
        .any(|packet| match packet {
            RtcpPacket::Pli(pli) => pli.media_ssrc == ssrc,
            RtcpPacket::Fir(fir) => fir.entries().any(|entry: FirEntry| entry.ssrc == ssrc),
            _ => false,
        })
}
