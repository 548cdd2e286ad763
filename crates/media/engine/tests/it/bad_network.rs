//! Calls over networks that lose, delay, reorder and repeat datagrams in both directions.

use std::time::Duration;

use plenum_engine::{Datagram, SendBatch};
use plenum_ids::ProducerId;
use plenum_rtp::NtpTime;
use plenum_testkit::{
    media::{
        ExtensionIds, FrameAssembler, RtpSource, RtpSourceConfig, Stamper, VideoFormat, VideoSource,
    },
    netem::{Bottleneck, Loss, Netem, NetemConfig},
    peer::{ReceiveStream, SendStream},
};

use crate::world::{STEP, World, encoding, vp8, vp8_receiver};

const MS: Duration = Duration::from_millis(1);

const SENT_SSRC: u32 = 1000;

/// Time between two frames.
const FRAME_TIME: Duration = Duration::from_millis(33);

/// Receiving peers have this SSRC plus their number.
const RECEIVED_SSRC: u32 = 5000;

/// A call of one sender and some receivers, each behind a network of its own.
struct Call {
    world: World,
    up: Vec<Netem<()>>,
    down: Vec<Netem<()>>,
    source: VideoSource,
    stamper: Stamper,
    assemblers: Vec<FrameAssembler>,
    batch: SendBatch,
    elapsed: Duration,
    next_frame: Duration,
    key_frames_wanted: u32,
    sent_frames: u32,
    frame_len: usize,
}

impl Call {
    /// Peer 0 sends; `networks` are (up, down) of each peer.
    fn new(networks: &[(NetemConfig, NetemConfig)]) -> Self {
        let mut world = World::new();
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for (seed, &(to_engine, from_engine)) in (1..).zip(networks) {
            let index = world.add_peer();
            world.connect(index);
            up.push(Netem::new(to_engine, seed));
            down.push(Netem::new(from_engine, seed + 100));
        }
        let producer = world.produce(0, 10, vp8(vec![encoding(SENT_SSRC)]));
        world.peers[0].add_sender(SendStream::new(SENT_SSRC, Some((SENT_SSRC + 1, 97))));
        for index in 1..networks.len() {
            let ssrc = RECEIVED_SSRC + 10 * index as u32;
            world.consume(index, index as u128 + 20, producer, vp8_receiver(ssrc));
            world.peers[index].add_receiver(ReceiveStream::new(ssrc, Some(ssrc + 1), 101));
            let now = world.now;
            world.peers[index].report_arrivals(now, 5);
        }
        let config = RtpSourceConfig {
            ssrc: SENT_SSRC,
            payload_type: 96,
            clock_rate: 90_000,
            first_sequence_number: 65_400,
            first_timestamp: u32::MAX - 90_000,
            extensions: extensions(),
        };
        Self {
            world,
            up,
            down,
            source: VideoSource::new(RtpSource::new(config), VideoFormat::Vp8, 0x7ff0),
            stamper: Stamper::default(),
            assemblers: networks
                .iter()
                .map(|_| FrameAssembler::new(300 * MS))
                .collect(),
            batch: SendBatch::new(),
            elapsed: Duration::ZERO,
            next_frame: Duration::ZERO,
            key_frames_wanted: 0,
            sent_frames: 0,
            frame_len: 2500,
        }
    }

    /// Runs for `time`, sending video as soon as the sender is connected.
    fn run(&mut self, time: Duration, is_sending: bool) {
        let end = self.elapsed + time;
        while self.elapsed < end {
            self.elapsed += STEP;
            self.world.now += STEP;
            if is_sending && self.elapsed >= self.next_frame && self.world.peers[0].is_connected() {
                self.next_frame = self.elapsed + FRAME_TIME;
                self.send_frame();
            }
            self.step();
        }
    }

    /// A frame; a key frame when somebody asked for one.
    fn send_frame(&mut self) {
        let wanted = self.world.peers[0]
            .key_frame_requests
            .get(&SENT_SSRC)
            .copied()
            .unwrap_or(0);
        let is_key = self.sent_frames == 0 || wanted > self.key_frames_wanted;
        self.key_frames_wanted = wanted;
        for mut packet in self.source.frame(self.elapsed, is_key, self.frame_len) {
            self.stamper.stamp(&extensions(), &mut packet, self.elapsed);
            self.world.peers[0].send_rtp(&packet);
        }
        if self.sent_frames.is_multiple_of(30) {
            let ntp = NtpTime::from_unix(Duration::from_hours(500_000) + self.elapsed);
            let timestamp = self.source.rtp().timestamp(self.elapsed);
            self.world.peers[0].send_sender_report(SENT_SSRC, ntp, timestamp);
        }
        self.sent_frames += 1;
    }

    fn step(&mut self) {
        let now = self.world.now;
        let mut arriving = Vec::new();
        for (peer, up) in self.world.peers.iter_mut().zip(&mut self.up) {
            if peer.poll_timeout().is_some_and(|due| due <= now) {
                peer.handle_timeout(now);
            }
            while let Some(datagram) = peer.poll_transmit() {
                up.handle_packet(now, datagram, ());
            }
            while let Some(((), datagram)) = up.poll(now) {
                arriving.push((peer.address, datagram));
            }
        }
        let datagrams = arriving.iter_mut().map(|(from, data)| Datagram {
            socket: 0,
            from: *from,
            data,
        });
        self.world.engine.handle_datagrams(now, datagrams);
        self.drain();
        if self
            .world
            .engine
            .poll_timeout()
            .is_some_and(|due| due <= now)
        {
            self.world.engine.handle_timeout(now);
            self.drain();
        }
        for (index, down) in self.down.iter_mut().enumerate() {
            let peer = &mut self.world.peers[index];
            while let Some(((), datagram)) = down.poll(now) {
                peer.handle_datagram(now, &datagram);
            }
            while let Some(packet) = peer.poll_received() {
                self.assemblers[index].handle_packet(now, &packet);
            }
        }
    }

    fn drain(&mut self) {
        let now = self.world.now;
        loop {
            let more = self.world.engine.poll_transmit(now, &mut self.batch);
            for transmit in self.batch.transmits() {
                let index = self
                    .world
                    .peers
                    .iter()
                    .position(|peer| peer.address == transmit.to);
                let down = &mut self.down[index.expect("a peer's address")];
                for datagram in transmit.data.chunks(usize::from(transmit.segment_size)) {
                    down.handle_packet(now, datagram.to_vec(), ());
                }
            }
            self.batch.clear();
            if !more {
                break;
            }
        }
        while self.world.engine.poll_event().is_some() {}
    }
}

fn extensions() -> ExtensionIds {
    ExtensionIds {
        mid: Some((4, "1".into())),
        transport_cc: Some(3),
        ..ExtensionIds::default()
    }
}

/// A mobile network on a bad day.
fn bad() -> NetemConfig {
    NetemConfig {
        loss: Loss::Burst {
            to_bad: 0.01,
            to_good: 0.25,
            good: 0.005,
            bad: 0.6,
        },
        delay: 30 * MS,
        jitter: 12 * MS,
        reorder: 0.01,
        reorder_delay: 15 * MS,
        duplicate: 0.005,
        bottleneck: Some(Bottleneck {
            bits_per_second: 20_000_000,
            max_queue: 200 * MS,
        }),
    }
}

fn lossy(loss: f64) -> NetemConfig {
    NetemConfig {
        loss: Loss::Random(loss),
        delay: 10 * MS,
        ..NetemConfig::default()
    }
}

#[test]
fn every_frame_arrives_through_networks_that_lose_and_reorder() {
    let perfect = NetemConfig::default();
    let mut call = Call::new(&[
        (bad(), bad()),
        (bad(), bad()),
        (lossy(0.1), lossy(0.1)),
        (perfect, perfect),
    ]);
    call.run(20_000 * MS, true);
    // Nobody can know that the very last packet is missing: it gets through.
    for netem in call.up.iter_mut().chain(&mut call.down) {
        netem.configure(perfect);
    }
    call.run(100 * MS, true);
    call.run(2_000 * MS, false);
    for (index, assembler) in call.assemblers.iter_mut().enumerate().skip(1) {
        let stats = assembler.stats(call.world.now);
        assert_eq!(assembler.errors(), [], "receiver {index}");
        assert!(
            !assembler.is_stuck(),
            "receiver {index} misses something: {stats:?}"
        );
        let first = assembler.poll_frame().expect("frames").number;
        let frames = std::iter::from_fn(|| assembler.poll_frame()).count() as u32 + 1;
        assert_eq!(
            first + frames,
            call.sent_frames,
            "receiver {index}: all frames from its first on"
        );
        assert!(first < 90, "receiver {index} began late: {first}");
    }
    let lost: u64 = call
        .up
        .iter()
        .chain(&call.down)
        .map(|netem| netem.counters().lost)
        .sum();
    assert!(lost > 250, "the networks did their worst: {lost}");
}

/// Longest time that a viewer may look at one picture.
const STALL_LIMIT: Duration = Duration::from_millis(500);

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figures are what the test is about"
)]
fn five_percent_loss_and_30_ms_jitter_both_ways_do_not_stall_the_picture() {
    let network = NetemConfig {
        loss: Loss::Random(0.05),
        delay: 20 * MS,
        jitter: 30 * MS,
        reorder: 0.01,
        reorder_delay: 30 * MS,
        ..NetemConfig::default()
    };
    let mut call = Call::new(&[(network, network), (network, network)]);
    call.assemblers = (0..2).map(|_| FrameAssembler::new(STALL_LIMIT)).collect();
    // Eight or nine packets a frame: 2.5 Mbit/s.
    call.frame_len = 10_000;
    call.run(60_000 * MS, true);
    let stats = call.assemblers[1].stats(call.world.now);
    let receiver = call.world.peers[1]
        .receiver(RECEIVED_SSRC + 10)
        .expect("announced");
    println!(
        "5 % loss, 20 ms + 0–30 ms each way, 60 s: {} of {} frames, longest gap {:?}, {} packets asked for, \
         {} repaired, {} given up, {} key frames",
        stats.frames,
        call.sent_frames,
        stats.longest_gap,
        receiver.nacked,
        receiver.recovered,
        receiver.lost_for_good,
        stats.key_frames,
    );
    assert_eq!(call.assemblers[1].errors(), []);
    assert_eq!(stats.stalls, 0, "{stats:?}");
    assert!(
        receiver.recovered > 500,
        "{} losses were repaired",
        receiver.recovered
    );
    assert!(stats.longest_gap <= STALL_LIMIT, "{:?}", stats.longest_gap);
}

#[test]
fn repeated_and_reordered_datagrams_are_forwarded_once() {
    let messy = NetemConfig {
        delay: 10 * MS,
        reorder: 0.1,
        reorder_delay: 4 * MS,
        duplicate: 0.1,
        ..NetemConfig::default()
    };
    let perfect = NetemConfig::default();
    let mut call = Call::new(&[(messy, perfect), (perfect, perfect)]);
    call.run(5_000 * MS, true);
    call.run(100 * MS, false);
    let stats = call.assemblers[1].stats(call.world.now);
    assert_eq!(
        (stats.errors, stats.duplicates),
        (0, 0),
        "{:?}",
        call.assemblers[1].errors()
    );
    let receiver = call.world.peers[1]
        .receiver(RECEIVED_SSRC + 10)
        .expect("announced");
    assert_eq!(receiver.duplicates, 0);
    let first = call.assemblers[1].poll_frame().expect("frames").number;
    assert_eq!(stats.frames, u64::from(call.sent_frames - first));
}

#[test]
fn a_sender_that_is_away_for_seconds_comes_back_without_a_rejoin() {
    let network = lossy(0.0);
    let mut call = Call::new(&[(network, network), (network, network)]);
    call.run(3_000 * MS, true);
    let before = call.assemblers[1].stats(call.world.now).frames;
    assert!(before > 50);
    // Nothing of what is sent in these seconds arrives: far more than anybody keeps.
    call.up[0].configure(lossy(1.0));
    call.frame_len = 20_000;
    call.run(4_000 * MS, true);
    call.up[0].configure(network);
    call.frame_len = 2_500;
    call.run(3_000 * MS, true);
    call.run(500 * MS, false);
    let assembler = &call.assemblers[1];
    let stats = assembler.stats(call.world.now);
    assert_eq!(assembler.errors(), []);
    assert!(stats.frames > before + 60, "{stats:?}");
    assert!(stats.key_frames >= 2, "{stats:?}");
}

#[test]
fn viewers_who_come_later_get_a_key_frame() {
    let network = lossy(0.02);
    let mut call = Call::new(&[(network, network), (network, network)]);
    call.run(3_000 * MS, true);
    for viewer in 2..6 {
        let index = call.world.add_peer();
        assert_eq!(index, viewer);
        call.world.connect(index);
        call.up.push(Netem::new(network, index as u64));
        call.down.push(Netem::new(network, 100 + index as u64));
        call.assemblers.push(FrameAssembler::new(300 * MS));
        let ssrc = RECEIVED_SSRC + 10 * index as u32;
        let producer = ProducerId::from_u128(10);
        call.world
            .consume(index, index as u128 + 20, producer, vp8_receiver(ssrc));
        call.world.peers[index].add_receiver(ReceiveStream::new(ssrc, Some(ssrc + 1), 101));
        call.run(200 * MS, true);
    }
    call.run(3_000 * MS, true);
    for (index, assembler) in call.assemblers.iter().enumerate().skip(1) {
        assert_eq!(assembler.errors(), [], "viewer {index}");
        let stats = assembler.stats(call.world.now);
        assert!(stats.frames > 60, "viewer {index}: {stats:?}");
    }
    let key_frames = call.assemblers[1].stats(call.world.now).key_frames;
    assert!(
        key_frames <= 8,
        "one for several viewers, not one for each request: {key_frames}"
    );
}
