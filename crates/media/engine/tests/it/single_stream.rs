//! A screen that is sent as one stream, to a receiver whose path takes seconds for one of its key frames.

use std::time::{Duration, Instant};

use plenum_params::{media::ReceiveEncoding, transport::WebRtcTransportOptions};
use plenum_testkit::{
    media::{
        ExtensionIds, FrameAssembler, FrameStats, RtpSource, RtpSourceConfig, Stamper, VideoFormat,
        VideoSource,
    },
    netem::{Link, NetemConfig},
    peer::{ReceiveStream, SendStream},
};

use plenum_harness::{
    Network,
    parameters::{received, sent},
};

use crate::world::{World, encoding, vp8, vp8_receiver};

const MS: Duration = Duration::from_millis(1);

const SECOND: Duration = Duration::from_secs(1);

const SENT: u32 = 1000;

const RECEIVED: u32 = 5000;

/// A receiver that sees nothing asks for a key frame this often.
const PATIENCE: Duration = Duration::from_millis(500);

/// A still page with a clock: five small frames a second.
const FRAME_TIME: Duration = Duration::from_millis(200);
const FRAME_BYTES: usize = 300;

struct Stage {
    world: World,
    sender: usize,
    receiver: usize,
    screen: VideoSource,
    stamper: Stamper,
    key_frame_bytes: usize,
    /// Key frame requests that were answered.
    answered: u32,
    is_started: bool,
    assembler: FrameAssembler,
    start: Instant,
    patience_from: Instant,
}

fn extensions() -> ExtensionIds {
    ExtensionIds {
        mid: Some((sent::MID, "1".into())),
        transport_cc: Some(sent::TRANSPORT_CC),
        ..ExtensionIds::default()
    }
}

impl Stage {
    fn new(rate: u64, key_frame_bytes: usize) -> Self {
        let mut world = World::new();
        let options = WebRtcTransportOptions::default();
        let [sender, receiver] = [(), ()].map(|()| {
            let peer = world.add_peer_with(&options);
            world.connect_at_once(peer);
            peer
        });
        let screen = ReceiveEncoding {
            rtx_ssrc: None,
            ..encoding(SENT)
        };
        let producer = world.produce(sender, 10, vp8(vec![screen]));
        world.peers[sender].add_sender(SendStream::new(SENT, None));
        world.consume(receiver, 20, producer, vp8_receiver(RECEIVED));
        let now = world.now;
        let peer = &mut world.peers[receiver];
        peer.add_receiver(ReceiveStream::new(RECEIVED, Some(RECEIVED + 1), 101));
        peer.report_arrivals(now, received::TRANSPORT_CC);
        let way = NetemConfig {
            delay: 25 * MS,
            ..NetemConfig::default()
        };
        let mut network = Network::new(way, way, 7);
        network.down.set_link(now, Link::constant(rate, 300 * MS));
        world.set_network(receiver, network);
        let config = RtpSourceConfig {
            ssrc: SENT,
            payload_type: 96,
            clock_rate: 90_000,
            first_sequence_number: 1000,
            first_timestamp: 10_000,
            extensions: extensions(),
        };
        Self {
            screen: VideoSource::new(RtpSource::new(config), VideoFormat::Vp8, 100),
            sender,
            receiver,
            stamper: Stamper::default(),
            key_frame_bytes,
            answered: 0,
            is_started: false,
            assembler: FrameAssembler::new(SECOND),
            start: now,
            patience_from: now,
            world,
        }
    }

    /// Sends a frame, a large one if somebody asked for it.
    fn send(&mut self) {
        let elapsed = self.world.now - self.start;
        let peer = &mut self.world.peers[self.sender];
        let asked = peer.key_frame_requests.get(&SENT).copied().unwrap_or(0);
        let is_key = !self.is_started || asked > self.answered;
        (self.is_started, self.answered) = (true, asked);
        let len = if is_key {
            self.key_frame_bytes
        } else {
            FRAME_BYTES
        };
        for mut packet in self.screen.frame(elapsed, is_key, len) {
            self.stamper.stamp(&extensions(), &mut packet, elapsed);
            peer.send_rtp(&packet);
        }
        self.world.exchange();
    }

    /// Whether a picture came.
    fn watch(&mut self) -> bool {
        let now = self.world.now;
        let receiver = &mut self.world.peers[self.receiver];
        while let Some(packet) = receiver.poll_received() {
            self.assembler.handle_packet(now, &packet);
        }
        let mut came = false;
        while self.assembler.poll_frame().is_some() {
            self.patience_from = now;
            came = true;
        }
        let nothing_yet = self.assembler.stats(now).frames == 0;
        if (nothing_yet || self.assembler.is_stuck()) && now - self.patience_from >= PATIENCE {
            self.patience_from = now;
            receiver.send_pli(RECEIVED);
        }
        self.world.groups.clear();
        self.world.events.clear();
        came
    }

    /// Runs for `time`; when pictures came.
    fn run(&mut self, time: Duration) -> Vec<Duration> {
        let end = self.world.now + time;
        let mut next_frame = self.world.now;
        let mut seen = Vec::new();
        while self.world.now < end {
            self.world.advance(next_frame.min(end));
            if self.world.now >= next_frame {
                next_frame += FRAME_TIME;
                self.send();
            }
            if self.watch() {
                seen.push(self.world.now - self.start);
            }
        }
        seen
    }

    fn stats(&self) -> FrameStats {
        self.assembler.stats(self.world.now)
    }
}

#[test]
fn a_large_key_frame_gets_through_a_narrow_path_and_the_picture_goes_on() {
    for (rate, key_frame_bytes) in [
        (100_000, 100_000),
        (100_000, 200_000),
        (200_000, 150_000),
        (300_000, 100_000),
        (300_000, 200_000),
    ] {
        let mut stage = Stage::new(rate, key_frame_bytes);
        let ideal = SECOND * (key_frame_bytes as u32 * 8) / rate as u32;
        let seen = stage.run(ideal * 3 + 30 * SECOND);
        let stats = stage.stats();
        let what = format!(
            "{key_frame_bytes} bytes at {rate} b/s, {ideal:?} at best: {:?}, asked for {} times, {stats:?}",
            seen.first(),
            stage.answered
        );
        let first = seen.first().expect(&what);
        assert!(*first < ideal * 3 + 5 * SECOND, "{what}");
        assert!(stage.answered <= 3 && stats.errors == 0, "{what}");
        assert!(stats.frames > 10, "it stood still after that: {what}");
    }
}
