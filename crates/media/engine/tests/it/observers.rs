//! Who is loud, and who speaks.

use std::time::Duration;

use plenum_engine::EngineError;
use plenum_harness::{
    ROUTER, TrunkLine, World,
    parameters::{encoding, opus, vp8},
    transport,
};
use plenum_ids::{ProducerId, RouterId, RtpObserverId};
use plenum_params::{
    event::Event,
    media::{ExtensionId, HeaderExtension, ReceiveParameters},
    observer::{AudioLevelOptions, SPEAKER_INTERVAL_MS},
};
use plenum_testkit::{
    media::{ExtensionIds, OpusSource, RtpSource, RtpSourceConfig},
    netem::NetemConfig,
    peer::SendStream,
};

use crate::layers::stage::MS;

mod commands;
mod speakers;
mod volumes;

/// Id of the level's extension in senders' packets.
const LEVEL_ID: u8 = 1;

const LEVELS: RtpObserverId = RtpObserverId::from_u128(0xa1);
const SPEAKERS: RtpObserverId = RtpObserverId::from_u128(0xa2);

/// dB below full scale of a room in which nobody speaks.
const NOISE: u8 = 90;

/// dB that somebody's voice varies by from packet to packet, and the pause after each word.
const VOICE: [u8; 12] = [3, 0, 2, 0, 1, 4, 0, 2, 1, 3, 0, 2];
const PAUSE: u8 = 45;

/// Somebody with a microphone.
struct Speaker {
    producer: ProducerId,
    source: OpusSource,
    spoken: usize,
}

/// A room of them, each on a transport of its own.
struct Round {
    world: World,
    speakers: Vec<Speaker>,
    /// Packets that each has sent.
    sent: u32,
}

fn ssrc(index: usize) -> u32 {
    1000 + 10 * index as u32
}

fn audio(index: usize) -> ReceiveParameters {
    let mut parameters = opus(ssrc(index));
    parameters.extensions.push(ExtensionId {
        extension: HeaderExtension::AudioLevel,
        id: LEVEL_ID,
    });
    parameters
}

fn source(index: usize) -> OpusSource {
    OpusSource::new(RtpSource::new(RtpSourceConfig {
        ssrc: ssrc(index),
        payload_type: 111,
        clock_rate: 48_000,
        first_sequence_number: 10,
        first_timestamp: 77,
        extensions: ExtensionIds {
            audio_level: Some(LEVEL_ID),
            ..ExtensionIds::default()
        },
    }))
}

impl Round {
    fn of(count: usize) -> Self {
        let mut world = World::new();
        let speakers = (0..count).map(|index| {
            let peer = world.add_peer();
            world.connect_at_once(peer);
            world.peers[peer].add_sender(SendStream::new(ssrc(index), None));
            let producer = world.produce(peer, 1 + index as u128, audio(index));
            Speaker {
                producer,
                source: source(index),
                spoken: 0,
            }
        });
        let speakers = speakers.collect();
        Self {
            world,
            speakers,
            sent: 0,
        }
    }

    fn producer(&self, index: usize) -> ProducerId {
        self.speakers[index].producer
    }

    fn observe_levels(&mut self, options: AudioLevelOptions) {
        let engine = &mut self.world.engine;
        let made = engine.create_audio_level_observer(ROUTER, LEVELS, options);
        made.expect("the router is there");
        self.watch_all(LEVELS);
    }

    fn observe_speakers(&mut self) {
        let engine = &mut self.world.engine;
        let made = engine.create_active_speaker_observer(ROUTER, SPEAKERS, SPEAKER_INTERVAL_MS);
        made.expect("the router is there");
        self.watch_all(SPEAKERS);
    }

    fn watch_all(&mut self, observer: RtpObserverId) {
        for speaker in &self.speakers {
            let now = self.world.now;
            let watched = (self.world.engine).observe_producer(now, observer, speaker.producer);
            watched.expect("it is there");
        }
    }

    /// Everybody sends for this long: packets with the level that `level` gives for each, none without.
    fn talk(&mut self, time: Duration, level: impl Fn(usize) -> Option<u8>) {
        for _ in 0..time.as_millis() / 20 {
            let elapsed = 20 * MS * self.sent;
            self.sent += 1;
            for (index, speaker) in self.speakers.iter_mut().enumerate() {
                if let Some(level) = level(index) {
                    let packet = speaker.source.speech(elapsed, 40, level);
                    self.world.peers[index].send_rtp(&packet);
                }
            }
            self.world.run(20 * MS);
        }
    }

    /// One speaks, `below` full scale; around the others there is noise.
    fn speak(&mut self, who: usize, below: u8, time: Duration) {
        for _ in 0..time.as_millis() / 20 {
            let spoken = &mut self.speakers[who].spoken;
            let voice = VOICE.get(*spoken % (VOICE.len() + 1));
            *spoken += 1;
            let level = below + voice.copied().unwrap_or(PAUSE);
            self.talk(20 * MS, |index| {
                Some(if index == who { level } else { NOISE })
            });
        }
    }

    /// What observers said since this was last asked.
    fn told(&mut self) -> Vec<Event> {
        let is_told = |event: &Event| {
            matches!(
                event,
                Event::Volumes { .. } | Event::Silence { .. } | Event::DominantSpeaker { .. }
            )
        };
        let events = std::mem::take(&mut self.world.events);
        events.into_iter().filter(is_told).collect()
    }

    /// Who was told to speak.
    fn dominant(&mut self) -> Vec<ProducerId> {
        let told = self.told().into_iter();
        told.filter_map(|event| match event {
            Event::DominantSpeaker { producer, observer } => {
                assert_eq!(observer, SPEAKERS);
                Some(producer)
            }
            _ => None,
        })
        .collect()
    }
}
