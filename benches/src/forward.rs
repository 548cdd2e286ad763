//! One producer, many consumers, through the engine and real loopback sockets.

use std::time::Duration;

use anyhow::{Context as _, Result};
use plenum_dtls::SrtpProfileId;
use plenum_harness::{
    World,
    parameters::{opus, opus_receiver, vp8, vp8_receiver},
};
use plenum_ids::ConsumerId;
use plenum_params::{
    event::Layers,
    media::{ReceiveParameters, SendParameters},
};
use plenum_srtp::Opener;
use plenum_udp::thread_cpu_time;

use crate::{
    node::{self, Cost, Node},
    receivers::Receivers,
    sink::Sink,
    wire::Wire,
};

mod publisher;

use publisher::Publisher;

/// Packets of a frame.
pub const PACKETS: usize = 8;

/// Bytes of a plain packet, RTP header included.
pub const PACKET_BYTES: usize = 1200;

/// Virtual time from frame to frame: 30 a second, 2.3 Mb/s.
const FRAME_TIME: Duration = Duration::from_micros(33_333);

/// Frames between two changes of a receiver.
const SWITCH_EVERY: usize = 30;

/// Far above what is sent, so that nothing but the cost of congestion control is seen.
const PATH_BITRATE: u32 = 10_000_000;

/// What is forwarded and what receivers say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the rows of the benchmark")]
pub enum Load {
    /// Opus without header extensions, receivers are silent: every packet is a point to start from, so that nothing but
    /// forwarding is measured.
    Plain,
    /// VP8 with the header extensions of browsers, every receiver reports arrivals as browsers do; timers run.
    Feedback,
    /// Like [`Self::Feedback`] with three equal simulcast streams, between which every receiver changes once a second,
    /// each at its own time.
    Switching,
}

/// An engine with one sender and connected receivers.
pub struct Forwarding {
    load: Load,
    node: Node,
    publisher: Publisher,
    receivers: Receivers,
    frames: usize,
}

impl Forwarding {
    /// Connects one publisher and a receiver per socket of `sink`, without sockets; returns also what the receivers
    /// decrypt with. The stream of receiver `index` has the SSRC [`Self::ssrc`].
    pub fn connect(
        load: Load,
        profile: SrtpProfileId,
        sink: &Sink,
        wire: &Wire,
    ) -> Result<(Self, Vec<Opener>)> {
        let (socket, publisher) = (node::bind_at(wire.near())?, wire.bind_far(node::bind_at)?);
        let mut world = node::world(profile, &socket);
        let path = node::path(PATH_BITRATE);
        for address in std::iter::once(&publisher.local_addr()).chain(sink.addresses()) {
            let index = world.add_peer_at(*address, &path);
            world.connect_at_once(index);
        }
        let producer = world.produce(0, 1, load.sent());
        for index in 0..sink.addresses().len() {
            let received = load.received(Self::ssrc(load, index));
            world.consume(index + 1, index as u128, producer, received);
        }
        let World {
            engine,
            now,
            mut peers,
            ..
        } = world;
        let receivers = peers.split_off(1);
        let (sealers, openers) = node::keys(receivers)?;
        let sender = peers.pop().context("the sender")?;
        let forwarding = Self {
            load,
            node: Node::new(engine, now, socket),
            publisher: Publisher::new(load, publisher, sender)?,
            receivers: Receivers::new(sealers),
            frames: 0,
        };
        Ok((forwarding, openers))
    }

    /// What receiver `index` gets.
    pub const fn ssrc(load: Load, index: usize) -> u32 {
        (load as u32 + 1) * 10_000 + 2 * index as u32
    }

    /// Sends one frame to the engine's socket and forwards it; then the time to the next one passes.
    pub fn forward_frame(&mut self) -> Result<Cost> {
        let packets = self.publisher.publish(self.node.socket.local_addr())?;
        let mut cost = Cost::default();
        if self.load == Load::Switching {
            cost.add(self.switch()?);
        }
        cost.add(self.node.take(packets)?);
        if self.load == Load::Plain {
            self.node.now += FRAME_TIME;
        }
        self.frames += 1;
        Ok(cost)
    }

    /// Receivers whose turn it is want another stream than before.
    fn switch(&mut self) -> Result<Cost> {
        let start = thread_cpu_time();
        let first = self.frames % SWITCH_EVERY;
        for index in (first..self.receivers.count()).step_by(SWITCH_EVERY) {
            let turn = index + self.frames / SWITCH_EVERY;
            let layers = Layers {
                spatial: (turn % publisher::STREAMS) as u8,
                temporal: None,
            };
            let consumer = ConsumerId::from_u128(index as u128);
            let engine = &mut self.node.engine;
            engine.set_preferred_layers(self.node.now, consumer, layers)?;
        }
        Ok(Cost {
            datagrams: self.node.send(),
            cpu: thread_cpu_time().saturating_sub(start),
        })
    }

    /// Lets the receivers answer what `sink` has got since the last call, and the time to the next frame pass; to be
    /// called when all datagrams of [`Self::forward_frame`] have arrived. Nothing for [`Load::Plain`].
    pub fn listen(&mut self, sink: &Sink) -> Result<Cost> {
        let mut cost = Cost::default();
        if self.load == Load::Plain {
            return Ok(cost);
        }
        self.receivers.note(sink, self.node.now);
        let next_frame = self.node.now + FRAME_TIME;
        let half_time = self.node.now + FRAME_TIME / 2;
        cost.add(self.node.pass(half_time));
        for chunk in self.receivers.due(next_frame) {
            self.receivers
                .report(&chunk, sink, self.node.socket.local_addr())?;
            cost.add(self.node.take(chunk.len())?);
        }
        cost.add(self.node.pass(next_frame));
        Ok(cost)
    }

    /// How many messages left with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 segments so far.
    pub fn group_sizes(&self) -> [u64; 6] {
        self.node.engine.stats().group_sizes
    }

    /// Datagrams sent so far.
    pub fn datagrams_sent(&self) -> u64 {
        self.node.engine.stats().datagrams_sent
    }
}

impl Load {
    fn sent(self) -> ReceiveParameters {
        match self {
            Self::Plain => {
                let mut sent = opus(publisher::SSRC);
                (sent.mid, sent.extensions) = (None, Vec::new());
                sent.codecs[0].feedback.transport_cc = false;
                sent
            }
            Self::Feedback | Self::Switching => vp8(publisher::encodings(self)),
        }
    }

    fn received(self, ssrc: u32) -> SendParameters {
        match self {
            Self::Plain => {
                let mut received = opus_receiver(ssrc);
                (received.mid, received.extensions) = (None, Vec::new());
                received.codecs[0].feedback.transport_cc = false;
                received
            }
            Self::Feedback | Self::Switching => vp8_receiver(ssrc),
        }
    }
}
