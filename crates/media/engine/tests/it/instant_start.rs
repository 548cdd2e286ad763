//! Viewers who come between two key frames.

use std::time::{Duration, Instant};

use plenum_harness::Network;
use plenum_ids::ConsumerId;
use plenum_testkit::{
    media::{Frame, FrameAssembler, RtpSource, RtpSourceConfig, VideoFormat, VideoSource},
    netem::{Bottleneck, Loss, NetemConfig},
    peer::{ReceiveStream, SendStream},
    rng::Rng,
};

use crate::world::{World, encoding, vp8, vp8_receiver};

const MS: Duration = Duration::from_millis(1);

const SENT_SSRC: u32 = 1000;

/// Viewers have this SSRC plus ten times their number.
const RECEIVED_SSRC: u32 = 5000;

/// 30 frames a second.
const FRAME_TIME: Duration = Duration::from_micros(33_333);

/// With 30 frames a second 0.9 Mb/s.
const FRAME_LEN: usize = 3750;

/// A key frame of a talking head is about four times as large as others.
const KEY_FRAME_LEN: usize = 4 * FRAME_LEN;

/// Most viewers that a test has, the one who is there from the beginning not counted.
const VIEWERS: usize = 50;

/// A sender, a viewer who is there from the beginning, and others who come later.
struct Show {
    world: World,
    source: VideoSource,
    began: Instant,
    frames_sent: u32,
    /// Requests that the sender has answered.
    answered: u32,
    viewers: Vec<Viewer>,
}

struct Viewer {
    peer: usize,
    consumer: ConsumerId,
    assembler: FrameAssembler,
    resumed: Option<Instant>,
    frames: Vec<Frame>,
}

impl Show {
    /// The first viewer watches from the beginning; the others' consumers are paused.
    fn new(viewers: usize, down: NetemConfig) -> Self {
        let mut world = World::new();
        let path = NetemConfig {
            delay: 20 * MS,
            ..NetemConfig::default()
        };
        for index in 0..=viewers {
            world.add_connected_peer();
            let down = if index < 2 { path } else { down };
            world.set_network(index, Network::new(path, down, index as u64));
        }
        let producer = world.produce(0, 1, vp8(vec![encoding(SENT_SSRC)]));
        world.peers[0].add_sender(SendStream::new(SENT_SSRC, Some((SENT_SSRC + 1, 97))));
        let viewers = (1..=viewers).map(|peer| {
            let ssrc = RECEIVED_SSRC + 10 * peer as u32;
            let consumer = world.consume(peer, 100 + peer as u128, producer, vp8_receiver(ssrc));
            world.peers[peer].add_receiver(ReceiveStream::new(ssrc, Some(ssrc + 1), 101));
            let now = world.now;
            world.peers[peer].report_arrivals(now, 5);
            if peer > 1 {
                world.engine.pause_consumer(consumer).expect("it exists");
            }
            Viewer {
                peer,
                consumer,
                assembler: FrameAssembler::new(300 * MS),
                resumed: (peer == 1).then_some(now),
                frames: Vec::new(),
            }
        });
        let viewers = viewers.collect();
        let config = RtpSourceConfig {
            ssrc: SENT_SSRC,
            payload_type: 96,
            clock_rate: 90_000,
            first_sequence_number: 1000,
            first_timestamp: 10_000,
            ..RtpSourceConfig::default()
        };
        let began = world.now;
        Self {
            world,
            source: VideoSource::new(RtpSource::new(config), VideoFormat::Vp8, 1),
            began,
            frames_sent: 0,
            answered: 0,
            viewers,
        }
    }

    /// Lets time pass, with key frames as they are asked for.
    fn run(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            if self.world.now >= self.began + FRAME_TIME * self.frames_sent {
                let asked = self.requests();
                let is_key = self.frames_sent == 0 || asked > self.answered;
                self.answered = asked;
                let len = if is_key { KEY_FRAME_LEN } else { FRAME_LEN };
                let elapsed = FRAME_TIME * self.frames_sent;
                for packet in self.source.frame(elapsed, is_key, len) {
                    self.world.peers[0].send_rtp(&packet);
                }
                self.frames_sent += 1;
            }
            self.world.step();
            for viewer in &mut self.viewers {
                for packet in self.world.received(viewer.peer) {
                    viewer.assembler.handle_packet(self.world.now, &packet);
                }
                while let Some(frame) = viewer.assembler.poll_frame() {
                    viewer.frames.push(frame);
                }
            }
        }
    }

    /// Key frame requests that reached the sender.
    fn requests(&self) -> u32 {
        let requests = &self.world.peers[0].key_frame_requests;
        requests.get(&SENT_SSRC).copied().unwrap_or(0)
    }

    fn resume(&mut self, viewer: usize) {
        let viewer = &mut self.viewers[viewer];
        viewer.resumed = Some(self.world.now);
        let resumed = self
            .world
            .engine
            .resume_consumer(self.world.now, viewer.consumer);
        resumed.expect("it exists");
        self.world.drain();
    }

    fn pause(&mut self, viewer: usize) {
        let consumer = self.viewers[viewer].consumer;
        let paused = self.world.engine.pause_consumer(consumer);
        paused.expect("it exists");
    }

    /// How long after it was taken a frame arrived.
    fn delay(&self, frame: &Frame) -> Duration {
        frame.at - (self.began + FRAME_TIME * frame.number)
    }

    /// No viewer saw anything that a decoder cannot take.
    fn assert_sound(&self) {
        for viewer in &self.viewers {
            assert_eq!(viewer.assembler.errors(), [], "viewer {}", viewer.peer);
        }
    }
}

/// The value that 95 of 100 are not above.
fn p95(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    values[(values.len() * 95).div_ceil(100) - 1]
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "figures to look at, shown by --nocapture"
)]
fn fifty_viewers_in_two_seconds_cost_two_key_frames_and_are_in_time_with_everybody() {
    let down = NetemConfig {
        delay: 20 * MS,
        bottleneck: Some(Bottleneck {
            bits_per_second: 10_000_000,
            max_queue: 200 * MS,
        }),
        ..NetemConfig::default()
    };
    let mut show = Show::new(1 + VIEWERS, down);
    // Long enough for the first key frame to be of no help.
    show.run(Duration::from_secs(5));
    let before = show.requests();
    let mut rng = Rng::new(7);
    let mut arrivals: Vec<Duration> = (0..VIEWERS)
        .map(|_| rng.duration_up_to(Duration::from_secs(2)))
        .collect();
    arrivals.sort_unstable();
    let doors = show.world.now;
    for (viewer, arrival) in (1..).zip(arrivals) {
        let wait = (doors + arrival).saturating_duration_since(show.world.now);
        show.run(wait);
        show.resume(viewer);
    }
    show.run(Duration::from_millis(2500));
    let requests = show.requests() - before;

    let late = &show.viewers[1..];
    let first = late.iter().map(|viewer| {
        let first = viewer.frames.first().expect("everybody sees something");
        assert!(first.is_key);
        first.at - viewer.resumed.expect("resumed")
    });
    let first = p95(first.collect());
    println!("key frame requests {requests}, first frame p95 {first:?}");
    assert!(requests <= 2, "{requests} key frames were asked for");
    assert!(first <= 300 * MS, "first frame p95 {first:?}");

    let early = &show.viewers[0];
    for viewer in late {
        let since = viewer.resumed.expect("resumed") + Duration::from_secs(2);
        let mine = viewer.frames.iter().find(|frame| frame.at >= since);
        let mine = mine.expect("it goes on");
        let theirs = early
            .frames
            .iter()
            .find(|frame| frame.number == mine.number);
        let theirs = theirs.expect("seen from the beginning");
        let behind = show.delay(mine).saturating_sub(show.delay(theirs));
        // Only the narrower path of who came late makes a difference: 3750 bytes at 10 Mb/s take 3 ms.
        assert!(
            behind <= 10 * MS,
            "viewer {} is {behind:?} behind",
            viewer.peer
        );
        assert_eq!(mine.timestamp, theirs.timestamp, "viewer {}", viewer.peer);
        // Nothing is left out and nothing comes twice.
        let numbers = viewer.frames.windows(2);
        assert!(
            numbers
                .clone()
                .all(|pair| pair[1].number == pair[0].number + 1)
        );
    }
    show.assert_sound();
}

#[test]
fn times_of_past_frames_are_drawn_together() {
    let mut show = Show::new(2, NetemConfig::default());
    show.run(900 * MS);
    show.resume(1);
    show.run(500 * MS);
    assert_eq!(show.requests(), 0);
    let viewer = &show.viewers[1];
    let resumed = viewer.resumed.expect("resumed");
    let is_past = |frame: &&Frame| show.began + FRAME_TIME * frame.number + 50 * MS < resumed;
    let past: Vec<&Frame> = viewer.frames.iter().filter(is_past).collect();
    assert!(past.len() > 20, "{} frames", past.len());
    let span = past[past.len() - 1].timestamp - past[0].timestamp;
    // 0.9 s of video in less than two frames' time.
    assert!(span < 2 * 3000, "{span} ticks");
    show.assert_sound();
}

#[test]
fn an_old_key_frame_is_no_help() {
    let mut show = Show::new(2, NetemConfig::default());
    show.run(Duration::from_secs(3));
    show.resume(1);
    show.run(500 * MS);
    assert_eq!(show.requests(), 1);
    let viewer = &show.viewers[1];
    assert!(viewer.frames[0].number > 80, "nothing of three seconds ago");
    show.assert_sound();
}

#[test]
fn who_paused_for_a_moment_sees_no_frame_twice() {
    let mut show = Show::new(2, NetemConfig::default());
    show.run(200 * MS);
    show.resume(1);
    for pause in [5 * MS, 30 * MS, 200 * MS, 700 * MS] {
        show.run(300 * MS);
        show.pause(1);
        show.run(pause);
        show.resume(1);
    }
    show.run(Duration::from_secs(1));
    show.assert_sound();
    let viewer = &show.viewers[1];
    assert!(viewer.frames.len() > 60, "{}", viewer.frames.len());
}

#[test]
fn a_lossy_path_is_no_obstacle() {
    let down = NetemConfig {
        delay: 20 * MS,
        loss: Loss::Random(0.05),
        ..NetemConfig::default()
    };
    let mut show = Show::new(10, down);
    show.run(500 * MS);
    for viewer in 1..10 {
        show.run(40 * MS);
        show.resume(viewer);
    }
    // Who lost the very first packet cannot miss it. Receivers ask for a key frame then.
    for _ in 0..10 {
        show.run(300 * MS);
        for viewer in &show.viewers {
            if viewer.frames.is_empty() {
                let ssrc = RECEIVED_SSRC + 10 * viewer.peer as u32;
                show.world.peers[viewer.peer].send_pli(ssrc);
            }
        }
    }
    show.assert_sound();
    for viewer in &show.viewers {
        let last = viewer.frames.last().expect("everybody sees something");
        assert!(
            show.frames_sent - last.number < 15,
            "viewer {}",
            viewer.peer
        );
    }
}
