//! The audio level observer.

use super::*;

const SILENCE: Event = Event::Silence { observer: LEVELS };

fn options(max_entries: u16) -> AudioLevelOptions {
    AudioLevelOptions {
        max_entries,
        ..AudioLevelOptions::default()
    }
}

fn volumes(volumes: &[(ProducerId, i8)]) -> Event {
    Event::Volumes {
        observer: LEVELS,
        volumes: volumes.to_vec(),
    }
}

#[test]
fn ten_speakers_come_in_order_of_their_loudness() {
    let mut round = Round::of(10);
    round.observe_levels(options(10));
    // Neither in the order in which they came nor against it.
    let level = |index: usize| 20 + 5 * ((index * 7 + 3) % 10) as u8;
    round.talk(1000 * MS, |index| Some(level(index)));
    let mut expected: Vec<_> = (0..10)
        .map(|index| (round.producer(index), -level(index).cast_signed()))
        .collect();
    expected.sort_by_key(|(_, average)| -average);
    assert_eq!(round.told(), [volumes(&expected)]);
}

#[test]
fn only_so_many_as_asked_for_and_only_who_is_loud_enough() {
    let mut round = Round::of(4);
    round.observe_levels(AudioLevelOptions {
        max_entries: 2,
        threshold: -50,
        interval_ms: 500,
    });
    round.talk(500 * MS, |index| Some([60, 30, 50, 40][index]));
    let loudest = [(round.producer(1), -30), (round.producer(3), -40)];
    assert_eq!(round.told(), [volumes(&loudest)]);
    round.talk(500 * MS, |index| Some([60, 90, 50, 51][index]));
    assert_eq!(round.told(), [volumes(&[(round.producer(2), -50)])]);
}

#[test]
fn an_average_is_of_its_own_interval_alone() {
    let mut round = Round::of(1);
    round.observe_levels(options(1));
    round.talk(500 * MS, |_| Some(30));
    round.talk(500 * MS, |_| Some(50));
    assert_eq!(round.told(), [volumes(&[(round.producer(0), -40)])]);
    round.talk(1000 * MS, |_| Some(70));
    assert_eq!(round.told(), [volumes(&[(round.producer(0), -70)])]);
}

#[test]
fn silence_is_told_once() {
    let mut round = Round::of(3);
    round.observe_levels(options(3));
    round.talk(3000 * MS, |_| Some(NOISE));
    assert_eq!(round.told(), [], "nobody was heard before");
    round.talk(1000 * MS, |_| Some(40));
    assert_eq!(round.told().len(), 1);
    round.talk(3000 * MS, |_| Some(NOISE));
    assert_eq!(round.told(), [SILENCE]);
    round.talk(1000 * MS, |_| Some(40));
    round.talk(3000 * MS, |_| None);
    assert_eq!(round.told()[1..], [SILENCE], "no packets are silence too");
}

#[test]
fn a_few_packets_say_nothing() {
    let mut round = Round::of(1);
    round.observe_levels(options(1));
    round.talk(180 * MS, |_| Some(20));
    round.talk(820 * MS, |_| None);
    assert_eq!(round.told(), []);
    round.talk(200 * MS, |_| Some(20));
    round.talk(800 * MS, |_| None);
    assert_eq!(round.told(), [volumes(&[(round.producer(0), -20)])]);
}

#[test]
fn who_is_paused_is_not_heard() {
    let mut round = Round::of(2);
    round.observe_levels(options(2));
    let engine = &mut round.world.engine;
    let paused = round.speakers[0].producer;
    engine.pause_producer(paused).expect("it is there");
    round.talk(1000 * MS, |_| Some(30));
    assert_eq!(round.told(), [volumes(&[(round.producer(1), -30)])]);
    let now = round.world.now;
    let resumed = round.world.engine.resume_producer(now, paused);
    resumed.expect("it is there");
    round.talk(1000 * MS, |index| Some([20, 30][index]));
    let both = [(round.producer(0), -20), (round.producer(1), -30)];
    assert_eq!(round.told(), [volumes(&both)]);
}

#[test]
fn who_has_left_is_not_heard_and_the_last_leaves_silence() {
    let mut round = Round::of(2);
    round.observe_levels(options(2));
    round.talk(990 * MS, |_| Some(30));
    round.talk(20 * MS, |_| Some(30));
    assert_eq!(round.told().len(), 1);
    let (first, second) = (round.producer(0), round.producer(1));
    round.world.engine.close_producer(first);
    let unobserved = round.world.engine.unobserve_producer(LEVELS, second);
    unobserved.expect("both are there");
    round.talk(3000 * MS, |_| Some(30));
    assert_eq!(round.told(), [SILENCE]);
    assert_eq!(round.world.engine.dump().orphans, 0);
}

#[test]
fn a_paused_observer_says_nothing_but_that_it_is_silent() {
    let mut round = Round::of(1);
    round.observe_levels(options(1));
    round.talk(1000 * MS, |_| Some(30));
    assert_eq!(round.told().len(), 1);
    let engine = &mut round.world.engine;
    engine.pause_observer(LEVELS).expect("it is there");
    engine.pause_observer(LEVELS).expect("nor is it an error");
    round.talk(3000 * MS, |_| Some(20));
    assert_eq!(round.told(), [SILENCE]);
    let now = round.world.now;
    let resumed = round.world.engine.resume_observer(now, LEVELS);
    resumed.expect("it is there");
    round.talk(1000 * MS, |_| Some(40));
    assert_eq!(round.told(), [volumes(&[(round.producer(0), -40)])]);
}

#[test]
fn levels_travel_over_trunks() {
    let mut near = Round::of(3);
    let mut far = TrunkLine::far_world();
    let perfect = NetemConfig::default();
    let network = plenum_harness::Network::new(perfect, perfect, 1);
    let mut line = TrunkLine::lay(&mut near.world, &mut far, network);
    let made = far
        .engine
        .create_audio_level_observer(ROUTER, LEVELS, options(3));
    made.expect("the router is there");
    let made = far
        .engine
        .create_active_speaker_observer(ROUTER, SPEAKERS, SPEAKER_INTERVAL_MS);
    made.expect("the router is there");
    for index in 0..3 {
        let producer = near.producer(index);
        line.pipe(&mut near.world, &mut far, producer, &audio(index));
        for observer in [LEVELS, SPEAKERS] {
            let watched = far.engine.observe_producer(far.now, observer, producer);
            watched.expect("it was piped");
        }
    }
    for number in 0..100 {
        let voice = VOICE.get(number % 13).map_or(PAUSE, |voice| 30 + voice);
        for (index, level) in [NOISE, voice, 60].into_iter().enumerate() {
            let speaker = &mut near.speakers[index];
            let packet = speaker.source.speech(20 * MS * number as u32, 40, level);
            near.world.peers[index].send_rtp(&packet);
        }
        line.run(&mut near.world, &mut far, 20 * MS);
    }
    let heard = far.events.iter().rev().find_map(|event| match event {
        Event::Volumes { volumes, .. } => Some(volumes.clone()),
        _ => None,
    });
    let order: Vec<_> = heard.expect("told").iter().map(|(id, _)| *id).collect();
    assert_eq!(order, [near.producer(1), near.producer(2)]);
    let producer = near.producer(1);
    let dominant = Event::DominantSpeaker {
        observer: SPEAKERS,
        producer,
    };
    assert!(far.events.contains(&dominant));
}
