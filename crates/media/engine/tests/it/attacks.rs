//! Attacks by name. Each runs beside a call that must not notice.

use std::{net::SocketAddr, time::Duration};

use plenum_dtls::{Certificate, DtlsEndpoint, DtlsRole};
use plenum_ice::controlling::BindingRequest;
use plenum_params::{
    event::Event,
    transport::{DtlsState, IceParameters, IceState},
};
use plenum_rtp::RtpHeader;
use plenum_testkit::peer::{ReceiveStream, SendStream};

use crate::world::{Vp8Packet, World, encoding, vp8, vp8_receiver};

mod dtls;
mod garbage;
mod media;
mod paths;
mod stun;

/// The one who sends in a [`Call`].
const SENDER: usize = 0;

/// The one who receives.
const RECEIVER: usize = 1;

/// A call that goes on: one peer sends VP8, the other one gets it.
struct Call {
    world: World,
    sent: u16,
    received: Vec<u16>,
}

impl Call {
    fn new() -> Self {
        let mut world = World::new();
        assert_eq!(world.add_connected_peer(), SENDER);
        assert_eq!(world.add_connected_peer(), RECEIVER);
        let producer = world.produce(SENDER, 10, vp8(vec![encoding(1000)]));
        world.consume(RECEIVER, 20, producer, vp8_receiver(5000));
        world.peers[SENDER].add_sender(SendStream::new(1000, Some((1001, 97))));
        world.peers[RECEIVER].add_receiver(ReceiveStream::new(5000, Some(5001), 101));
        let mut call = Self {
            world,
            sent: 0,
            received: Vec::new(),
        };
        call.talk(10);
        call
    }

    /// Sends so many packets, 10 ms apart.
    fn talk(&mut self, packets: u16) {
        for _ in 0..packets {
            self.say();
            self.world.run(Duration::from_millis(10));
        }
    }

    /// Sends one packet, which arrives with the next step.
    fn say(&mut self) {
        self.world.peers[SENDER].send_rtp(&packet(self.sent).write());
        self.sent += 1;
    }

    /// Numbers of the sent packets that have arrived.
    fn received(&mut self) -> &[u16] {
        for bytes in self.world.received(RECEIVER) {
            let header = RtpHeader::parse(&bytes).expect("well-formed");
            // Attackers may have producers of their own.
            if header.ssrc != 5000 {
                continue;
            }
            let payload = &bytes[header.payload(&bytes).expect("well-formed")];
            let number = [payload[2], payload[3]].map(u16::from);
            self.received.push((number[0] << 8 | number[1]) & 0x7fff);
        }
        &self.received
    }

    /// Everything that was said until now has come through, once and in order, and no state has changed.
    fn assert_unharmed(&mut self) {
        self.world.events.clear();
        self.talk(5);
        let expected: Vec<u16> = (0..self.sent).collect();
        assert!(self.received() == expected, "{:?}", self.received);
        assert_eq!(self.world.peers[RECEIVER].failures, 0);
        assert_eq!(self.world.peers[SENDER].failures, 0);
        assert_eq!(state_events(&self.world), []);
    }
}

/// A packet that is a frame by itself and known by its picture id.
fn packet(number: u16) -> Vp8Packet {
    Vp8Packet {
        ssrc: 1000,
        sequence_number: number,
        timestamp: u32::from(number) * 900,
        picture_id: number,
        key_frame: number == 0,
        first: true,
        marker: true,
        len: 200,
        rid: None,
        transport_sequence: Some(number),
    }
}

/// Changes of ICE and DTLS states.
fn state_events(world: &World) -> Vec<Event> {
    let events = world.events.iter();
    let states =
        events.filter(|event| matches!(event, Event::IceState { .. } | Event::DtlsState { .. }));
    states.cloned().collect()
}

fn ice_states(world: &World, of: usize) -> Vec<IceState> {
    let states = world.events.iter().filter_map(|event| match event {
        Event::IceState {
            transport, state, ..
        } if *transport == crate::world::transport(of) => Some(*state),
        _ => None,
    });
    states.collect()
}

fn dtls_states(world: &World, of: usize) -> Vec<DtlsState> {
    let states = world.events.iter().filter_map(|event| match event {
        Event::DtlsState { transport, state } if *transport == crate::world::transport(of) => {
            Some(*state)
        }
        _ => None,
    });
    states.collect()
}

/// An address that no peer has.
fn stranger(number: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1024 + number))
}

/// A check for the transport with these parameters.
fn check(ice: &IceParameters, use_candidate: bool) -> Vec<u8> {
    let request = BindingRequest {
        remote_username_fragment: &ice.username_fragment,
        local_username_fragment: "them",
        transaction_id: [9; 12],
        priority: 1,
        tie_breaker: 1,
        use_candidate,
        nomination: None,
    };
    let mut bytes = vec![0; 500];
    let len = request.write(&ice.password, &mut bytes).expect("room");
    bytes.truncate(len);
    bytes
}

/// The first message of a DTLS client.
fn client_hello(world: &World) -> Vec<u8> {
    let certificate = Certificate::generate().expect("key generation works");
    let mut endpoint =
        DtlsEndpoint::new(DtlsRole::Client, &certificate, world.now).expect("DTLS starts");
    let mut bytes = vec![0; plenum_dtls::MAX_DATAGRAM];
    let len = endpoint.poll_transmit(&mut bytes).expect("a hello");
    bytes.truncate(len);
    bytes
}

/// The same with cipher suites that nobody has.
fn impossible_client_hello(world: &World) -> Vec<u8> {
    let mut hello = client_hello(world);
    // Record header 13, handshake header 12, version 2, random 32, then session id, cookie and suites, each with length.
    let mut at = 13 + 12 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 1 + usize::from(hello[at]);
    let len = usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    assert!(len >= 2 && len.is_multiple_of(2), "a list of suites");
    hello[at + 2..at + 2 + len].fill(0);
    hello
}
