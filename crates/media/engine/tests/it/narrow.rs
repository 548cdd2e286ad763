//! Pictures on a path that carries next to nothing.

use std::time::Duration;

use plenum_params::transport::WebRtcTransportOptions;
use plenum_rtp::RtpHeader;
use plenum_testkit::peer::SendStream;

use crate::world::{Vp8Packet, World, encoding, vp8, vp8_receiver};

const MS: Duration = Duration::from_millis(1);

const S: Duration = Duration::from_secs(1);

/// Between two frames.
const FRAME_TIME: Duration = Duration::from_millis(50);

/// Ticks of 90 kHz in that.
const FRAME_TICKS: u32 = 4500;

const SSRC: u32 = 1000;

const OUT: u32 = 5000;

/// One who sends a stream and one who receives it over such a path.
struct Narrow {
    world: World,
    sender: usize,
    receiver: usize,
    sequence: u16,
    frame: u16,
    /// Timestamps of what arrived since the last time.
    arrived: Vec<u32>,
}

impl Narrow {
    /// What the path is said to carry at first, and at most.
    fn new(initial: u32, max: Option<u32>) -> Self {
        let mut world = World::new();
        let sender = world.add_connected_peer();
        let receiver = world.add_peer_with(&WebRtcTransportOptions {
            initial_outgoing_bitrate: Some(initial),
            max_outgoing_bitrate: max,
            ..WebRtcTransportOptions::default()
        });
        world.connect(receiver);
        assert!(world.run_until(5 * S, |world| world.peers[receiver].is_connected()));
        let picture = world.produce(sender, 1, vp8(vec![encoding(SSRC)]));
        world.peers[sender].add_sender(SendStream::new(SSRC, None));
        world.consume(receiver, 2, picture, vp8_receiver(OUT));
        let now = world.now;
        world.peers[receiver].report_arrivals(now, 5);
        Self {
            world,
            sender,
            receiver,
            sequence: 0,
            frame: 0,
            arrived: Vec::new(),
        }
    }

    /// Sends a frame of so many packets of so many bytes, and lets its time pass.
    fn send(&mut self, packets: u16, len: usize, key_frame: bool) {
        for index in 0..packets {
            let packet = Vp8Packet {
                ssrc: SSRC,
                sequence_number: self.sequence,
                timestamp: u32::from(self.frame) * FRAME_TICKS,
                picture_id: self.frame,
                key_frame,
                first: index == 0,
                marker: index + 1 == packets,
                len,
                rid: None,
                transport_sequence: None,
            };
            self.sequence = self.sequence.wrapping_add(1);
            self.world.peers[self.sender].send_rtp(&packet.write());
        }
        self.frame += 1;
        self.world.run(FRAME_TIME);
        self.arrived.clear();
        for bytes in self.world.received(self.receiver) {
            let header = RtpHeader::parse(&bytes).expect("sent by us");
            if header.ssrc == OUT {
                self.arrived.push(header.timestamp);
            }
        }
    }

    /// How many frames old the oldest picture is that came with the last frame.
    fn lag(&self) -> u32 {
        let newest = u32::from(self.frame) * FRAME_TICKS;
        let oldest = self.arrived.iter().min();
        oldest.map_or(0, |oldest| (newest - oldest) / FRAME_TICKS)
    }

    /// How often the sender was asked for a key frame.
    fn asked(&self) -> u32 {
        let sender = &self.world.peers[self.sender];
        sender.key_frame_requests.get(&SSRC).copied().unwrap_or(0)
    }
}

#[test]
fn a_newer_key_frame_makes_the_older_one_and_what_follows_it_worthless() {
    let mut narrow = Narrow::new(60_000, Some(60_000));
    let (mut most, mut seen) = (0, 0);
    for frame in 0..1200 {
        // 280 kb/s, and a key frame every second.
        let key_frame = frame % 20 == 0;
        narrow.send(if key_frame { 5 } else { 1 }, 1000, key_frame);
        most = most.max(narrow.lag());
        seen += narrow.arrived.len();
    }
    // Twenty frames a second.
    assert!(most <= 20 * 3, "{most} frames late");
    assert!(seen > 500, "{seen} packets in a minute");
}

#[test]
fn a_key_frame_that_takes_a_minute_is_given_up() {
    let mut narrow = Narrow::new(60_000, Some(60_000));
    // Rates are measured first.
    for frame in 0..20 {
        narrow.send(1, 200, frame == 0);
    }
    let before = narrow.asked();
    narrow.send(600, 1000, true);
    let mut late = 0;
    for _ in 0..20 * 35 {
        narrow.send(1, 200, false);
        late = late.max(narrow.lag());
    }
    assert!(narrow.asked() > before, "nobody asked for another one");
    assert!(late <= 20 * 31, "{late} frames late");
    narrow.send(4, 1000, true);
    for _ in 0..20 * 5 {
        narrow.send(1, 200, false);
    }
    assert!(narrow.lag() <= 4, "{} frames late", narrow.lag());
}

#[test]
fn what_everybody_gets_in_any_case_leaves_in_time() {
    let mut narrow = Narrow::new(30_000, None);
    // What the receiver says is less than what the smallest picture takes.
    let mut seen = 0;
    for frame in 0..600 {
        if frame % 10 == 0 {
            let receiver = &mut narrow.world.peers[narrow.receiver];
            receiver.send_rtcp(|writer| writer.remb(1, 30_000, &[OUT]).is_ok());
        }
        // 100 kb/s.
        narrow.send(1, 600, frame == 0);
        seen += narrow.arrived.len();
        assert!(narrow.lag() <= 10, "{} frames late", narrow.lag());
    }
    assert!(seen >= 595, "{seen} of 600 packets");
    narrow.world.run(100 * MS);
    assert_eq!(narrow.world.engine.footprint().paced_packets, 0);
}
