//! A camera, an engine, and a receiver behind a narrow link.

use std::time::{Duration, Instant};

use plenum_ids::ConsumerId;
use plenum_params::{event::Event, transport::WebRtcTransportOptions};
use plenum_testkit::{
    media::{FrameAssembler, FrameStats},
    netem::{NetemConfig, NetemCounters, Passage},
    peer::ReceiveStream,
};

use super::{
    Path,
    camera::{Camera, FRAME_TIME},
};
use crate::{
    Network, World,
    parameters::{received, vp8_receiver},
    transport,
};

/// How often is looked at what changes slowly.
const SAMPLE_TIME: Duration = Duration::from_millis(50);

/// A picture that stands for longer counts as a stall.
const STALL_LIMIT: Duration = Duration::from_millis(500);

/// A receiver that cannot go on asks for a key frame after this, and again.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a browser may send that sends nothing: libwebrtc's start bitrate, by which it paces its feedback.
const OWN_BITRATE: u64 = 300_000;

/// What SRTP (the GCM tag), UDP and IPv4 add to a plain RTP packet.
const OVERHEAD: u64 = 16 + 28;

const SSRC: u32 = 5000;

const SENDER: usize = 0;
const RECEIVER: usize = 1;

/// What was seen at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample {
    /// Since the start.
    pub at: Duration,
    /// What the link carries, bit/s.
    pub capacity: u64,
    /// What the engine believes that it carries, bit/s.
    pub estimate: Option<u64>,
    /// How long a datagram would wait.
    pub queue: Duration,
    /// Simulcast stream that is forwarded.
    pub layer: Option<u8>,
}

/// What was seen in a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// Where it happened.
    pub path: Path,
    /// When it began.
    pub start: Instant,
    /// How long it took.
    pub time: Duration,
    /// One for every 50 ms.
    pub samples: Vec<Sample>,
    /// Every datagram towards the receiver.
    pub passages: Vec<Passage>,
    /// Of the link towards the receiver.
    pub counters: NetemCounters,
    /// Bits per second that each stream of the sender takes on the link, key frames not counted.
    pub stream_rates: [u64; 3],
    /// Which stream was forwarded from when on; `None`: none.
    pub layers: Vec<(Duration, Option<u8>)>,
    /// What the receiver saw.
    pub frames: FrameStats,
    /// Padding that was sent to measure, bytes.
    pub probation_bytes: u64,
}

/// Sends a camera through `path` for `time`.
pub fn run(path: Path, time: Duration) -> Run {
    Stage::new(path).run(time)
}

struct Stage {
    path: Path,
    world: World,
    consumer: ConsumerId,
    camera: Camera,
    assembler: FrameAssembler,
    start: Instant,
    samples: Vec<Sample>,
    layers: Vec<(Duration, Option<u8>)>,
    /// When the last frame came, or the receiver asked for a key frame.
    patience_from: Instant,
}

impl Stage {
    fn new(path: Path) -> Self {
        let mut world = World::new();
        for index in [SENDER, RECEIVER] {
            let options = WebRtcTransportOptions::default();
            assert_eq!(world.add_peer_with(&options), index);
            world.connect_at_once(index);
        }
        let producer = world.produce(SENDER, 10, Camera::parameters());
        Camera::announce(&mut world.peers[SENDER]);
        let consumer = world.consume(RECEIVER, 20, producer, vp8_receiver(SSRC));
        let now = world.now;
        let receiver = &mut world.peers[RECEIVER];
        receiver.add_receiver(ReceiveStream::new(SSRC, Some(SSRC + 1), 101));
        receiver.pace_feedback(OWN_BITRATE);
        receiver.report_arrivals(now, received::TRANSPORT_CC);
        let perfect = NetemConfig::default();
        world.set_network(SENDER, Network::new(perfect, perfect, path.seed));
        let mut network = Network::new(path.back, path.towards, path.seed + 1);
        network.down.set_link(now, path.link.clone());
        network.down.passages = Some(Vec::new());
        world.set_network(RECEIVER, network);
        Self {
            camera: Camera::new(path.ladder, path.seed + 2),
            path,
            consumer,
            assembler: FrameAssembler::new(STALL_LIMIT),
            start: now,
            samples: Vec::new(),
            layers: Vec::new(),
            patience_from: now,
            world,
        }
    }

    fn run(mut self, time: Duration) -> Run {
        let end = self.start + time;
        let (mut next_frame, mut next_sample) = (self.start, self.start);
        while self.world.now < end {
            self.world.advance(next_frame.min(next_sample).min(end));
            if self.world.now >= next_frame {
                next_frame += FRAME_TIME;
                let elapsed = self.world.now - self.start;
                self.camera.send(elapsed, &mut self.world.peers[SENDER]);
                self.world.exchange();
            }
            self.watch();
            if self.world.now >= next_sample {
                next_sample += SAMPLE_TIME;
                self.sample();
            }
        }
        self.finish(time)
    }

    /// What the receiver makes of what has come.
    fn watch(&mut self) {
        let now = self.world.now;
        let receiver = &mut self.world.peers[RECEIVER];
        while let Some(packet) = receiver.poll_received() {
            self.assembler.handle_packet(now, &packet);
        }
        while self.assembler.poll_frame().is_some() {
            self.patience_from = now;
        }
        if self.assembler.is_stuck() && now - self.patience_from >= PATIENCE {
            self.patience_from = now;
            receiver.send_pli(SSRC);
        }
        for event in self.world.events.drain(..) {
            if let Event::ConsumerLayers { layers, .. } = event {
                let layer = layers.map(|layers| layers.spatial);
                self.layers.push((now - self.start, layer));
            }
        }
        self.world.groups.clear();
    }

    fn sample(&mut self) {
        let now = self.world.now;
        let at = now - self.start;
        let engine = &self.world.engine;
        let stats = engine
            .transport_stats(now, transport(RECEIVER))
            .expect("the transport exists");
        let consumer = engine
            .consumer_stats(now, self.consumer)
            .expect("the consumer exists");
        self.samples.push(Sample {
            at,
            capacity: self.path.link.capacity.at(at),
            estimate: stats.available_outgoing_bitrate.map(u64::from),
            queue: self.world.network(RECEIVER).down.queue_delay(now),
            layer: consumer.current_layers.map(|layers| layers.spatial),
        });
    }

    fn finish(mut self, time: Duration) -> Run {
        let now = self.world.now;
        let stats = self
            .world
            .engine
            .transport_stats(now, transport(RECEIVER))
            .expect("the transport exists");
        let down = &mut self.world.network(RECEIVER).down;
        let (passages, counters) = (down.passages.take().unwrap_or_default(), down.counters());
        Run {
            stream_rates: self.camera.rates(OVERHEAD),
            path: self.path,
            start: self.start,
            time,
            samples: self.samples,
            passages,
            counters,
            layers: self.layers,
            frames: self.assembler.stats(now),
            probation_bytes: stats.probation_bytes,
        }
    }
}
