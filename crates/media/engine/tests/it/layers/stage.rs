//! One sender with layers, one receiver that checks every picture.

use std::time::Duration;

use plenum_harness::{Network, Pipe, STEP, TrunkLine, World, parameters, parameters::sent};
use plenum_ids::{ConsumerId, ProducerId};
use plenum_params::{
    event::{Event, Layers},
    media::{CodecKind, ExtensionId, HeaderExtension, ReceiveEncoding},
};
use plenum_rtp::NtpTime;
use plenum_testkit::{
    media::{
        ExtensionIds, Picture, PictureChecker, RtpSource, RtpSourceConfig, Stamper, SvcConfig,
        SvcMode, SvcSource, VideoFormat,
    },
    netem::NetemConfig,
    peer::{ReceiveStream, SendStream},
};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// The receiver's SSRC.
const RECEIVED_SSRC: u32 = 5000;

/// The sender's first one; streams are ten apart.
const SENT_SSRC: u32 = 1000;

/// Extension ids of the dependency descriptor, in the sender's packets and in the receiver's.
const SENT_DESCRIPTOR: u8 = 12;
const RECEIVED_DESCRIPTOR: u8 = 9;

/// Bit/s of spatial layers: less in all than any estimate starts with.
const BITRATES: [u32; 3] = [60_000, 150_000, 400_000];

/// Between two sender reports of a stream, as browsers send them.
const REPORT_INTERVAL: u32 = 30;

/// The seeds to run something with: one, or with `PLENUM_LONG_TESTS=1` twenty.
pub(crate) fn seeds(first: u64) -> impl Iterator<Item = u64> {
    let is_long = std::env::var("PLENUM_LONG_TESTS").is_ok_and(|value| value == "1");
    let count = if is_long { 20 } else { 1 };
    (0..count).map(move |index| first + 1000 * index)
}

/// What is sent.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one property of a sender"
)]
pub(crate) struct Setup {
    pub(crate) format: VideoFormat,
    /// Layers of each stream.
    pub(crate) mode: SvcMode,
    /// Simulcast streams.
    pub(crate) streams: u8,
    /// Whether packets bring the dependency descriptor.
    pub(crate) descriptor: bool,
    /// Whether simulcast streams are known by their RIDs alone.
    pub(crate) by_rid: bool,
    /// Whether upper temporal layers can be joined in the first half of their pattern alone.
    pub(crate) long_pattern: bool,
    /// VP9: flexible mode.
    pub(crate) flexible: bool,
    /// Whether streams are told apart by the clock of their sender reports.
    pub(crate) reports: bool,
}

impl Setup {
    /// One stream with the layers of a mode.
    pub(crate) fn svc(format: VideoFormat, mode: &str) -> Self {
        Self {
            format,
            mode: mode.parse().expect("a mode"),
            streams: 1,
            descriptor: format == VideoFormat::Av1,
            by_rid: false,
            long_pattern: false,
            flexible: false,
            reports: true,
        }
    }

    /// Three streams with the temporal layers of a mode.
    pub(crate) fn simulcast(format: VideoFormat, mode: &str) -> Self {
        Self {
            streams: 3,
            long_pattern: format == VideoFormat::Vp8,
            ..Self::svc(format, mode)
        }
    }

    /// Spatial layers in the words of signalling.
    pub(crate) fn spatial_layers(&self) -> u8 {
        self.streams.max(self.mode.spatial)
    }

    const fn codec(&self) -> (CodecKind, &'static str) {
        match self.format {
            VideoFormat::Av1 => (CodecKind::Av1, "video/AV1"),
            VideoFormat::H264 => (CodecKind::H264, "video/H264"),
            VideoFormat::Vp9 => (CodecKind::Vp9, "video/VP9"),
            _ => (CodecKind::Vp8, "video/VP8"),
        }
    }

    fn encodings(&self) -> Vec<ReceiveEncoding> {
        let encoding = |stream: u8| {
            let encoding = if self.by_rid {
                parameters::simulcast(rid(stream))
            } else {
                parameters::encoding(ssrc(stream))
            };
            ReceiveEncoding {
                spatial_layers: self.mode.spatial,
                temporal_layers: self.mode.temporal,
                spatial_dependency: self.mode.dependency,
                ..encoding
            }
        };
        (0..self.streams).map(encoding).collect()
    }
}

/// One stream of the sender.
pub(crate) struct Stream {
    pub(crate) source: SvcSource,
    /// Whether it is being sent.
    pub(crate) on: bool,
    ssrc: u32,
    /// Requests for key frames that were answered.
    answered: u32,
}

/// The engine of the receiver, when it is another one than the sender's.
pub(crate) struct Far {
    pub(crate) world: World,
    pub(crate) line: TrunkLine,
    pub(crate) pipe: Pipe,
    /// Whether what is not wanted behind the pipe is paused in front of it, as a node does.
    pub(crate) follows_demand: bool,
}

/// Sender, engine, receiver.
pub(crate) struct Stage {
    /// The sender's engine, and the receiver's if there is no other.
    pub(crate) world: World,
    pub(crate) far: Option<Far>,
    /// The receiver's number among the peers of its engine.
    viewer: usize,
    pub(crate) setup: Setup,
    pub(crate) streams: Vec<Stream>,
    pub(crate) producer: ProducerId,
    pub(crate) consumer: ConsumerId,
    pub(crate) checker: PictureChecker,
    /// Pictures shown since they were last looked at.
    pub(crate) shown: Vec<Picture>,
    /// Which packet of the next key picture of any stream is lost on its way, at first.
    pub(crate) lose_of_key: Option<usize>,
    stamper: Stamper,
    elapsed: Duration,
    pictures: u32,
    /// Senders so far; each restarted one is another.
    sources: u16,
}

impl Stage {
    /// A connected sender and receiver.
    pub(crate) fn new(setup: Setup) -> Self {
        Self::with_networks(setup, None, 200 * MS)
    }

    /// Like [`Self::new`], with networks in front of both whose seed this is, and gaps up to `stall` between pictures.
    pub(crate) fn with_networks(
        setup: Setup,
        networks: Option<(NetemConfig, u64)>,
        stall: Duration,
    ) -> Self {
        let mut stage = Self::prepared(setup, None, stall);
        if let Some((config, seed)) = networks {
            // A receiver that misses the very first packet does not know of it.
            stage.run(200 * MS);
            for peer in 0..2u8 {
                let network = Network::new(config, config, seed + u64::from(peer));
                stage.world.set_network(peer.into(), network);
            }
        }
        stage
    }

    /// A sender and a receiver at two engines, with a trunk of this kind between them.
    pub(crate) fn over_trunk(
        setup: Setup,
        network: Option<(NetemConfig, u64)>,
        stall: Duration,
    ) -> Self {
        let (config, seed) = network.unwrap_or_default();
        Self::prepared(setup, Some(Network::new(config, config, seed)), stall)
    }

    fn prepared(setup: Setup, trunk: Option<Network>, stall: Duration) -> Self {
        let mut world = World::new();
        world.add_connected_peer();
        let (kind, mime_type) = setup.codec();
        let mut sent = parameters::video(kind, mime_type, setup.encodings());
        let mut received = parameters::video_receiver(kind, mime_type, RECEIVED_SSRC);
        if setup.descriptor {
            let id = |id| ExtensionId {
                extension: HeaderExtension::DependencyDescriptor,
                id,
            };
            sent.extensions.push(id(SENT_DESCRIPTOR));
            received.extensions.push(id(RECEIVED_DESCRIPTOR));
        }
        let producer = world.produce(0, 10, sent.clone());
        let mut far = trunk.map(|network| {
            let mut far = TrunkLine::far_world();
            let mut line = TrunkLine::lay(&mut world, &mut far, network);
            let pipe = line.pipe(&mut world, &mut far, producer, &sent);
            Far {
                world: far,
                line,
                pipe,
                follows_demand: false,
            }
        });
        let viewers = far.as_mut().map_or(&mut world, |far| &mut far.world);
        let viewer = viewers.add_connected_peer();
        let consumer = viewers.consume(viewer, 20, producer, received);
        let receiver = ReceiveStream::new(RECEIVED_SSRC, Some(RECEIVED_SSRC + 1), 101);
        viewers.peers[viewer].add_receiver(receiver);
        let now = viewers.now;
        viewers.peers[viewer].report_arrivals(now, parameters::received::TRANSPORT_CC);
        world.now = now;
        let descriptor = setup.descriptor.then_some(RECEIVED_DESCRIPTOR);
        let mut stage = Self {
            world,
            far,
            viewer,
            setup,
            streams: Vec::new(),
            producer,
            consumer,
            checker: PictureChecker::new(setup.format, descriptor, stall),
            shown: Vec::new(),
            lose_of_key: None,
            stamper: Stamper::default(),
            elapsed: Duration::ZERO,
            pictures: 0,
            sources: 0,
        };
        for index in 0..setup.streams {
            let stream = stage.start_stream(index, ssrc(index));
            stage.streams.push(stream);
        }
        stage
    }

    /// The receiver's engine.
    pub(crate) fn viewers(&mut self) -> &mut World {
        self.far
            .as_mut()
            .map_or(&mut self.world, |far| &mut far.world)
    }

    /// A sender of a stream, new with every call.
    fn start_stream(&mut self, index: u8, ssrc: u32) -> Stream {
        let setup = &self.setup;
        let number = self.sources;
        self.sources += 1;
        let rtp = RtpSource::new(RtpSourceConfig {
            ssrc,
            payload_type: 96,
            clock_rate: 90_000,
            first_sequence_number: 65_000u16.wrapping_add(number * 77),
            first_timestamp: (u32::MAX - 90_000).wrapping_add(u32::from(number) * 1_234_567),
            extensions: ExtensionIds {
                mid: Some((sent::MID, "1".into())),
                rid: setup.by_rid.then(|| (sent::RID, rid(index).into())),
                transport_cc: Some(sent::TRANSPORT_CC),
                ..ExtensionIds::default()
            },
        });
        let bitrates = if setup.streams > 1 {
            vec![BITRATES[usize::from(index)]]
        } else {
            BITRATES.to_vec()
        };
        let source = SvcSource::new(
            rtp,
            SvcConfig {
                format: setup.format,
                mode: setup.mode,
                // The stream is what matters to a test.
                source: number * 10 + u16::from(index),
                bitrates,
                first_number: 0x7ff0u16.wrapping_add(number * 1003),
                dependency_descriptor: setup.descriptor.then_some(SENT_DESCRIPTOR),
                long_pattern: setup.long_pattern,
                flexible: setup.flexible,
                seed: u64::from(number) + 1,
            },
        );
        let repair = (!setup.by_rid).then_some((ssrc + 1, 97));
        self.world.peers[0].add_sender(SendStream::new(ssrc, repair));
        Stream {
            source,
            on: true,
            ssrc,
            answered: 0,
        }
    }

    /// Replaces a stream by one with another SSRC and other numbers, as a browser does that negotiated anew.
    pub(crate) fn restart_stream(&mut self, index: u8) {
        let ssrc = ssrc(index) + 5;
        self.streams[usize::from(index)] = self.start_stream(index, ssrc);
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.elapsed + time;
        while self.elapsed < end {
            if self.elapsed >= SvcSource::PICTURE_TIME * self.pictures {
                self.send_picture();
            }
            self.elapsed += STEP;
            match &mut self.far {
                Some(far) => {
                    far.line.step(&mut self.world, &mut far.world);
                    far.follow_demand(&mut self.world);
                }
                None => self.world.step(),
            }
            self.receive();
        }
    }

    /// Lets time pass until nothing more is on its way.
    pub(crate) fn settle(&mut self) {
        for stream in &mut self.streams {
            stream.on = false;
        }
        self.run(1500 * MS);
    }

    fn receive(&mut self) {
        let (now, viewer) = (self.world.now, self.viewer);
        while let Some(packet) = self.viewers().peers[viewer].poll_received() {
            self.checker.handle_packet(now, &packet);
        }
        self.shown
            .extend(std::iter::from_fn(|| self.checker.poll_picture()));
    }

    fn send_picture(&mut self) {
        let peer = &mut self.world.peers[0];
        for stream in &mut self.streams {
            let requests = peer.key_frame_requests.get(&stream.ssrc);
            let requests = requests.copied().unwrap_or(0);
            if !stream.on {
                continue;
            }
            let is_key = std::mem::replace(&mut stream.answered, requests) < requests;
            let ids = stream.source.rtp().config().extensions.clone();
            let lost = self.lose_of_key.take_if(|_| is_key);
            let packets = stream.source.picture(self.elapsed, is_key);
            for (index, mut packet) in packets.into_iter().enumerate() {
                self.stamper.stamp(&ids, &mut packet, self.elapsed);
                if lost == Some(index) {
                    peer.forget_on_the_way(&packet);
                } else {
                    peer.send_rtp(&packet);
                }
            }
            if self.setup.reports && self.pictures.is_multiple_of(REPORT_INTERVAL) {
                let ntp = NtpTime::from_unix(Duration::from_hours(500_000) + self.elapsed);
                let timestamp = stream.source.rtp().timestamp(self.elapsed);
                peer.send_sender_report(stream.ssrc, ntp, timestamp);
            }
        }
        self.pictures += 1;
    }

    /// Chooses layers.
    pub(crate) fn prefer(&mut self, spatial: u8, temporal: u8) {
        let layers = Layers {
            spatial,
            temporal: Some(temporal),
        };
        let consumer = self.consumer;
        let viewers = self.viewers();
        let chosen = viewers
            .engine
            .set_preferred_layers(viewers.now, consumer, layers);
        assert_eq!(chosen.expect("exists"), Some(layers));
        viewers.drain();
    }

    /// What the node was last told of the consumer's layers.
    pub(crate) fn told(&self) -> Option<Layers> {
        let viewers = self.far.as_ref().map_or(&self.world, |far| &far.world);
        let mut events = viewers.events.iter().rev();
        let last = events.find_map(|event| match event {
            Event::ConsumerLayers { consumer, layers } if *consumer == self.consumer => {
                Some(*layers)
            }
            _ => None,
        });
        last.flatten()
    }

    /// Waits until the node was told that the consumer gets these layers, and looks whether it does.
    pub(crate) fn expect_layers(&mut self, spatial: u8, temporal: u8, limit: Duration) {
        let wanted = Some(Layers {
            spatial,
            temporal: Some(temporal),
        });
        let end = self.elapsed + limit;
        while self.told() != wanted {
            assert!(
                self.elapsed < end,
                "{:?}: {wanted:?} wanted, {:?} told; {:?}",
                self.setup,
                self.told(),
                self.checker.violations()
            );
            self.run(5 * MS);
        }
        // What was on its way arrives.
        self.run(150 * MS);
        self.shown.clear();
        self.run(600 * MS);
        assert_eq!(self.told(), wanted, "{:?}", self.setup);
        let shown: Vec<(u8, u8)> = self
            .shown
            .iter()
            .map(|picture| self.layer(picture))
            .collect();
        let is_spatial = shown.iter().all(|layer| layer.0 == spatial);
        let highest = shown.iter().map(|layer| layer.1).max();
        assert!(
            is_spatial && highest == Some(temporal),
            "{:?}: {spatial} {temporal} wanted, {shown:?} shown",
            self.setup
        );
        // Four pictures of three temporal layers are 0 2 1 2, two of two are 0 1.
        let share = 1 << (self.setup.mode.temporal - 1 - temporal);
        let expected = 18 / share;
        assert!(
            shown.len().abs_diff(expected) <= 3,
            "{:?}: {expected} pictures expected, {} shown",
            self.setup,
            shown.len()
        );
    }

    /// Spatial layer in the words of signalling, and temporal layer.
    pub(crate) fn layer(&self, picture: &Picture) -> (u8, u8) {
        let spatial = if self.setup.streams > 1 {
            (picture.source % 10) as u8
        } else {
            picture.spatial
        };
        (spatial, picture.temporal)
    }

    /// Nothing was wrong, nothing is missing, no picture was cut off.
    pub(crate) fn finish(self) {
        assert_eq!(self.checker.cuts(), 0, "{:?}", self.setup);
        self.finish_after_losses();
    }

    /// Nothing was wrong, nothing is missing.
    pub(crate) fn finish_after_losses(mut self) {
        self.settle();
        assert_eq!(self.checker.violations(), [], "{:?}", self.setup);
        let stalls = self.checker.stalls();
        assert!(stalls.is_empty(), "{:?}: {stalls:?}", self.setup);
        assert!(
            !self.checker.is_stuck(),
            "{:?}: a packet is missing",
            self.setup
        );
        assert!(self.checker.picture_count() > 30, "{:?}", self.setup);
    }
}

impl Far {
    /// Pauses and resumes the near end of the pipe by what the far end was last told of.
    fn follow_demand(&self, near: &mut World) {
        if !self.follows_demand {
            return;
        }
        let mut events = self.world.events.iter().rev();
        let wanted = events.find_map(|event| match event {
            Event::ProducerDemand { encodings, .. } => Some(encodings.clone()),
            _ => None,
        });
        for (&consumer, is_wanted) in self.pipe.consumers.iter().zip(wanted.into_iter().flatten()) {
            let engine = &mut near.engine;
            let done = if is_wanted {
                engine.resume_consumer(near.now, consumer)
            } else {
                engine.pause_consumer(consumer)
            };
            done.expect("the pipe is there");
        }
        near.drain();
    }
}

/// SSRC of a stream.
const fn ssrc(stream: u8) -> u32 {
    SENT_SSRC + 10 * stream as u32
}

const fn rid(stream: u8) -> &'static str {
    ["r0", "r1", "r2"][stream as usize]
}
