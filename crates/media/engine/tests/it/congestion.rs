//! Who gets which layer on paths that do not carry everything.

use std::time::Duration;

use plenum_harness::congestion::{Path, run};
use plenum_ids::ConsumerId;
use plenum_params::{
    event::Event,
    media::{HeaderExtension, SendParameters},
    transport::OutgoingLimits,
};
use plenum_testkit::{netem::Capacity, peer::SendStream};

use crate::world::{Vp8Packet, World, simulcast, transport, vp8, vp8_receiver};

const S: Duration = Duration::from_secs(1);

const FRAME_TIME: Duration = Duration::from_millis(33);

/// Packets of 1000 bytes in each frame of each stream: 0.25, 0.75 and 2 Mb/s.
const FRAME_PACKETS: [u16; 3] = [1, 3, 8];

const RIDS: [&str; 3] = ["r0", "r1", "r2"];

/// One who sends three streams of everything, and one who watches.
struct Show {
    world: World,
    producers: u32,
    frame: u16,
    answered: u32,
    /// What is forwarded to each consumer.
    layers: Vec<Option<u8>>,
    /// How often it was told that nothing is.
    gone: u32,
}

impl Show {
    const SENDER: usize = 0;
    const RECEIVER: usize = 1;

    /// So many producers, each with a consumer that negotiated this.
    fn new(producers: u32, parameters: impl Fn(u32) -> SendParameters) -> Self {
        let mut world = World::new();
        assert_eq!(world.add_connected_peer(), Self::SENDER);
        assert_eq!(world.add_connected_peer(), Self::RECEIVER);
        for number in 0..producers {
            let mut sent = vp8(RIDS.map(simulcast).to_vec());
            sent.mid = Some(number.to_string());
            for (stream, encoding) in (0..).zip(&mut sent.encodings) {
                encoding.ssrc = Some(ssrc(number, stream));
                world.peers[0].add_sender(SendStream::new(ssrc(number, stream), None));
            }
            let producer = world.produce(Self::SENDER, u128::from(number) + 10, sent);
            let id = u128::from(number) + 100;
            world.consume(Self::RECEIVER, id, producer, parameters(5000 + 10 * number));
        }
        Self {
            world,
            producers,
            frame: 0,
            answered: 0,
            layers: vec![None; producers as usize],
            gone: 0,
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            self.send_frame();
            self.world.run(FRAME_TIME);
            for event in self.world.events.drain(..) {
                if let Event::ConsumerLayers { consumer, layers } = event {
                    let numbers = (0..).zip(&mut self.layers);
                    let mut found = numbers
                        .filter(|(number, _)| consumer == ConsumerId::from_u128(100 + number));
                    let (_, layer) = found.next().expect("one of ours");
                    *layer = layers.map(|layers| layers.spatial);
                    self.gone += u32::from(layers.is_none());
                }
            }
        }
    }

    fn send_frame(&mut self) {
        let sender = &mut self.world.peers[Self::SENDER];
        let asked = sender.key_frame_requests.values().sum();
        let key_frame = self.frame == 0 || asked > self.answered;
        self.answered = asked;
        for number in 0..self.producers {
            for (stream, packets) in (0..).zip(FRAME_PACKETS) {
                for index in 0..packets {
                    let packet = Vp8Packet {
                        ssrc: ssrc(number, stream),
                        sequence_number: (self.frame * packets).wrapping_add(index),
                        timestamp: u32::from(self.frame) * 3000,
                        picture_id: self.frame,
                        key_frame,
                        first: index == 0,
                        marker: index + 1 == packets,
                        len: 1000,
                        rid: None,
                        transport_sequence: None,
                    };
                    sender.send_rtp(&packet.write());
                }
            }
        }
        self.frame += 1;
    }

    fn limit(&mut self, max: Option<u32>) {
        let limits = OutgoingLimits { min: None, max };
        let receiver = transport(Self::RECEIVER);
        let done = self
            .world
            .engine
            .set_outgoing_limits(self.world.now, receiver, limits);
        done.expect("the transport exists");
    }

    fn estimate(&self) -> Option<u32> {
        let stats = self
            .world
            .engine
            .transport_stats(self.world.now, transport(Self::RECEIVER));
        stats
            .expect("the transport exists")
            .available_outgoing_bitrate
    }
}

fn ssrc(producer: u32, stream: u32) -> u32 {
    1000 + 10 * producer + stream
}

/// A receiver whose only word on the path is REMB.
fn remb_only(ssrc: u32) -> SendParameters {
    let mut parameters = vp8_receiver(ssrc);
    let is_number = |extension| extension == HeaderExtension::TransportWideCc;
    parameters
        .extensions
        .retain(|entry| !is_number(entry.extension));
    for codec in &mut parameters.codecs {
        codec.feedback.transport_cc = false;
    }
    parameters
}

#[test]
fn a_receiver_with_nothing_but_remb_gets_what_it_says_that_fits() {
    let mut show = Show::new(1, remb_only);
    show.run(2 * S);
    assert_eq!(show.layers, [Some(2)], "nobody knows of any limit");
    let mut watch = |bitrate: u64, time: Duration| {
        for _ in 0..time.as_secs() {
            let receiver = &mut show.world.peers[Show::RECEIVER];
            receiver.send_rtcp(|writer| writer.remb(1, bitrate, &[5000]).is_ok());
            show.run(S);
        }
        (show.layers[0], show.estimate())
    };
    let (layer, estimate) = watch(400_000, 3 * S);
    assert_eq!(layer, Some(0));
    assert!(
        estimate.is_some_and(|estimate| estimate <= 400_000),
        "{estimate:?}"
    );
    assert_eq!(watch(1_200_000, 5 * S).0, Some(1));
    assert_eq!(watch(20_000_000, 5 * S).0, Some(2));
}

#[test]
fn what_does_not_fit_a_limit_is_paused_and_comes_back() {
    let mut show = Show::new(4, remb_only);
    let receiver = &mut show.world.peers[Show::RECEIVER];
    receiver.send_rtcp(|writer| writer.remb(1, 50_000_000, &[5000]).is_ok());
    show.run(2 * S);
    assert_eq!(show.layers, [Some(2); 4]);
    show.limit(Some(600_000));
    show.run(3 * S);
    let shown = show.layers.iter().filter(|layers| layers.is_some()).count();
    assert_eq!(shown, 2, "two lowest streams fit: {:?}", show.layers);
    show.limit(Some(100_000));
    show.run(3 * S);
    let shown = show.layers.iter().filter(|layers| layers.is_some()).count();
    assert_eq!(shown, 1, "somebody is always shown: {:?}", show.layers);
    show.limit(None);
    for _ in 0..20 {
        let receiver = &mut show.world.peers[Show::RECEIVER];
        receiver.send_rtcp(|writer| writer.remb(1, 50_000_000, &[5000]).is_ok());
        show.run(S);
    }
    assert_eq!(show.layers, [Some(2); 4]);
}

#[test]
fn who_is_cut_off_is_told_that_nothing_comes() {
    let mut show = Show::new(1, remb_only);
    let receiver = &mut show.world.peers[Show::RECEIVER];
    receiver.send_rtcp(|writer| writer.remb(1, 50_000_000, &[5000]).is_ok());
    show.run(2 * S);
    show.limit(Some(100_000));
    show.run(3 * S);
    assert!(
        show.layers[0].is_none_or(|layer| layer == 0),
        "{:?}",
        show.layers
    );
    let before = show.gone;
    show.run(10 * S);
    let gone = show.gone - before;
    assert!(gone > 0, "the lowest takes more than twice what there is");
    show.limit(None);
    for _ in 0..10 {
        let receiver = &mut show.world.peers[Show::RECEIVER];
        receiver.send_rtcp(|writer| writer.remb(1, 50_000_000, &[5000]).is_ok());
        show.run(S);
    }
    assert_eq!(show.layers, [Some(2)]);
}

#[test]
fn layers_do_not_flap_at_an_estimate_that_sways() {
    let mut show = Show::new(1, remb_only);
    show.run(2 * S);
    let mut changes = 0;
    let mut last = None;
    for second in 0..30u64 {
        // 5 % to both sides of what the middle stream takes, headers and all.
        let bitrate = if second.is_multiple_of(2) {
            810_000
        } else {
            890_000
        };
        let receiver = &mut show.world.peers[Show::RECEIVER];
        receiver.send_rtcp(|writer| writer.remb(1, bitrate, &[5000]).is_ok());
        show.run(S);
        changes += u32::from(show.layers[0] != last);
        last = show.layers[0];
    }
    assert!(changes <= 3, "{changes} changes");
    let consumer = ConsumerId::from_u128(100);
    let stats = show.world.engine.consumer_stats(show.world.now, consumer);
    assert!(stats.expect("exists").outbound.packet_count > 0);
}

#[test]
fn a_narrow_link_brings_a_smaller_picture_within_three_seconds_and_a_wide_one_the_large_one_within_ten()
 {
    let steps = [
        (Duration::ZERO, 4_000_000),
        (15 * S, 400_000),
        (30 * S, 4_000_000),
    ];
    let path = Path::new("narrow", "4 → 0.4 → 4 Mb/s", Capacity::steps(&steps));
    let run = run(path, 45 * S);
    let layer_at = |at: Duration| {
        let change = run.layers.iter().rfind(|(since, _)| *since <= at);
        change.and_then(|(_, layer)| *layer)
    };
    assert_eq!(layer_at(15 * S), Some(2), "{:?}", run.layers);
    assert_eq!(layer_at(18 * S), Some(0), "{:?}", run.layers);
    assert_eq!(layer_at(40 * S), Some(2), "{:?}", run.layers);
    assert_eq!(run.frames.errors, 0);
    assert!(run.frames.longest_gap < 3 * S, "{:?}", run.frames);
}
