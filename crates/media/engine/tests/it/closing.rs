//! Closing every object at every stage: no orphan, no event after the close, nothing that grows.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use plenum_engine::{Datagram, SendBatch};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{
    event::Event,
    transport::{DtlsState, IceState, WebRtcTransportOptions},
};
use plenum_testkit::peer::{ReceiveStream, SendStream, TestPeer};

use crate::world::{
    ROUTER, STEP, Vp8Packet, World, address, encoding, transport, vp8, vp8_receiver,
};

mod cycles;
mod handshake;
mod model;
mod stages;

/// Nothing but what a new engine holds.
fn assert_empty(world: &World, routers: u32) {
    let stats = world.engine.stats();
    assert_eq!(
        (
            stats.routers,
            stats.transports,
            stats.producers,
            stats.consumers
        ),
        (routers, 0, 0, 0)
    );
    let dump = world.engine.dump();
    assert_eq!(
        (
            dump.transports.len(),
            dump.producers.len(),
            dump.consumers.len()
        ),
        (0, 0, 0)
    );
    assert_eq!(dump.addresses, []);
    assert_eq!((dump.deadlines, dump.events, dump.waiting), (0, 0, 0));
    assert_eq!(dump.orphans, 0);
    assert_eq!(world.engine.poll_timeout(), None);
}

/// A packet that a consumer can start with, and by whose payload its producer can be told: all its bytes are `tag`.
fn packet(ssrc: u32, sequence_number: u16, tag: u8) -> Vec<u8> {
    Vp8Packet {
        ssrc,
        sequence_number,
        timestamp: u32::from(sequence_number) * 3000,
        picture_id: u16::from(tag),
        key_frame: true,
        first: true,
        marker: true,
        len: 300,
        rid: None,
        transport_sequence: Some(sequence_number),
    }
    .write()
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Object {
    Transport(TransportId),
    Producer(ProducerId),
    Consumer(ConsumerId),
}

fn object(event: &Event) -> Object {
    match event {
        Event::IceState { transport, .. }
        | Event::DtlsState { transport, .. }
        | Event::MediaStarted { transport } => Object::Transport(*transport),
        Event::ProducerScore { producer, .. } => Object::Producer(*producer),
        Event::ConsumerScore { consumer, .. } | Event::ConsumerLayers { consumer, .. } => {
            Object::Consumer(*consumer)
        }
        other => panic!("unknown {other:?}"),
    }
}

/// Tells states that are told twice in a row.
#[derive(Default)]
struct States {
    ice: BTreeMap<TransportId, IceState>,
    dtls: BTreeMap<TransportId, DtlsState>,
}

impl States {
    fn check(&mut self, event: &Event) {
        let repeated = match event {
            Event::IceState {
                transport, state, ..
            } => self.ice.insert(*transport, *state) == Some(*state),
            Event::DtlsState { transport, state } => {
                self.dtls.insert(*transport, *state) == Some(*state)
            }
            _ => false,
        };
        assert!(!repeated, "told twice: {event:?}");
    }
}
