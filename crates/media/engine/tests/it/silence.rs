//! Senders that say little while nobody speaks (DTX).

use std::time::Duration;

use plenum_harness::{
    World,
    parameters::{opus, opus_receiver},
};
use plenum_params::event::Event;
use plenum_testkit::{
    media::{ExtensionIds, OpusSource, RtpSource, RtpSourceConfig},
    peer::{ReceiveStream, SendStream},
};

use crate::layers::stage::MS;

/// Between packets of comfort noise: libopus sends one every 400 ms.
const NOISE: Duration = Duration::from_millis(400);

struct Talk {
    world: World,
    source: OpusSource,
    elapsed: Duration,
    sent: usize,
}

impl Talk {
    fn new(dtx: bool) -> Self {
        let mut world = World::new();
        let [sender, receiver] = [(), ()].map(|()| world.add_connected_peer());
        let mut parameters = opus(1000);
        parameters.encodings[0].dtx = dtx;
        let producer = world.produce(sender, 10, parameters);
        world.peers[sender].add_sender(SendStream::new(1000, None));
        world.peers[receiver].add_receiver(ReceiveStream::new(5000, None, 111));
        world.consume(receiver, 20, producer, opus_receiver(5000));
        let source = OpusSource::new(RtpSource::new(RtpSourceConfig {
            ssrc: 1000,
            payload_type: 111,
            clock_rate: 48_000,
            first_sequence_number: 65_000,
            first_timestamp: 5,
            extensions: ExtensionIds::default(),
        }));
        Self {
            world,
            source,
            elapsed: Duration::ZERO,
            sent: 0,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.elapsed += time;
        self.world.run(time);
    }

    fn speak(&mut self, time: Duration) {
        let end = self.elapsed + time;
        while self.elapsed < end {
            let packet = self.source.speech(self.elapsed, 80, 30);
            self.world.peers[0].send_rtp(&packet);
            self.sent += 1;
            self.pass(20 * MS);
        }
    }

    fn be_silent(&mut self, time: Duration) {
        let end = self.elapsed + time;
        while self.elapsed < end {
            let packet = self.source.silence(self.elapsed);
            self.world.peers[0].send_rtp(&packet);
            self.sent += 1;
            self.pass(NOISE);
        }
    }

    /// All scores that were told, of the producer and of the consumer.
    fn scores(&self) -> Vec<u8> {
        let mut scores = Vec::new();
        for event in &self.world.events {
            match event {
                Event::ProducerScore { scores: told, .. } => {
                    scores.extend(told.iter().map(|score| score.score));
                }
                Event::ConsumerScore { score, .. } => {
                    scores.extend([score.score, score.producer_score]);
                }
                _ => {}
            }
        }
        scores
    }
}

#[test]
fn silence_costs_neither_score_nor_the_first_word_after_it() {
    for dtx in [false, true] {
        let mut talk = Talk::new(dtx);
        for minute in 0..3 {
            talk.speak(3000 * MS);
            talk.be_silent(NOISE * 60);
            // Some say nothing at all.
            talk.pass(Duration::from_secs(20 * minute));
        }
        talk.speak(1000 * MS);
        let received = talk.world.received(1).len();
        assert_eq!(received, talk.sent, "dtx {dtx}");
        let scores = talk.scores();
        assert!(!scores.is_empty());
        assert!(scores.iter().all(|&score| score == 10), "{scores:?}");
        let stats = talk.world.engine.stats();
        assert_eq!((stats.media.nacks_sent, stats.media.lost_received), (0, 0));
    }
}
