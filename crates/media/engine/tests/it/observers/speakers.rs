//! The active speaker observer.

use super::*;

#[test]
fn ten_speakers_take_turns() {
    let mut round = Round::of(10);
    round.observe_speakers();
    round.speak(0, NOISE, 1000 * MS);
    assert_eq!(round.dominant(), [], "nobody speaks");
    let order = [3, 7, 0, 9, 1, 5, 8, 2, 6, 4];
    for who in order {
        // Not all are equally loud.
        let below = 20 + who as u8;
        round.speak(who, below, 2000 * MS);
    }
    let expected: Vec<_> = order.map(|who| round.producer(who)).into();
    assert_eq!(round.dominant(), expected);
}

#[test]
fn a_cough_takes_the_floor_from_nobody() {
    let mut round = Round::of(2);
    round.observe_speakers();
    round.speak(0, 30, 2000 * MS);
    assert_eq!(round.dominant(), [round.producer(0)]);
    for _ in 0..5 {
        // Louder than who speaks, while they take a breath.
        round.speak(1, 10, 120 * MS);
        round.speak(0, 30, 1000 * MS);
    }
    assert_eq!(round.dominant(), []);
}

#[test]
fn who_talks_over_somebody_waits_until_they_are_done() {
    let mut round = Round::of(2);
    round.observe_speakers();
    round.speak(0, 30, 1000 * MS);
    let both = |index: usize| Some([30, 20][index]);
    for _ in 0..100 {
        round.talk(40 * MS, both);
        round.talk(20 * MS, |index| Some([31, 75][index]));
    }
    assert_eq!(round.dominant(), [round.producer(0)]);
    round.speak(1, 20, 2000 * MS);
    assert_eq!(round.dominant(), [round.producer(1)]);
}

#[test]
fn noise_is_nobody_speaking() {
    let mut round = Round::of(2);
    round.observe_speakers();
    round.speak(1, NOISE, 100 * MS);
    // A fan, as loud as a voice.
    round.talk(20_000 * MS, |index| Some([NOISE, 40][index]));
    let early = round.dominant();
    round.talk(20_000 * MS, |index| Some([NOISE, 40][index]));
    assert_eq!(round.dominant(), []);
    round.speak(0, 30, 2000 * MS);
    // It was new at first, and so may have been taken for a voice.
    let told = [early, round.dominant()].concat();
    assert_eq!(told.last(), Some(&round.producer(0)));
}

#[test]
fn who_stops_sending_or_is_paused_or_leaves_makes_room() {
    let mut round = Round::of(4);
    round.observe_speakers();
    round.speak(0, 30, 2000 * MS);
    assert_eq!(round.dominant(), [round.producer(0)]);
    // Without packets.
    for number in 0..100 {
        let level = 30 + VOICE.get(number % 13).copied().unwrap_or(PAUSE);
        round.talk(20 * MS, |index| (index == 1).then_some(level));
    }
    assert_eq!(round.dominant(), [round.producer(1)]);
    let paused = round.producer(1);
    let engine = &mut round.world.engine;
    engine.pause_producer(paused).expect("it is there");
    for number in 0..100 {
        let level = 30 + VOICE.get(number % 13).copied().unwrap_or(PAUSE);
        round.talk(20 * MS, |index| (index <= 2).then_some(level));
        if number == 0 {
            let gone = round.producer(0);
            round.world.engine.close_producer(gone);
        }
    }
    assert_eq!(round.dominant(), [round.producer(2)]);
    let gone = round.producer(2);
    round.world.engine.close_producer(gone);
    round.speak(3, 30, 2000 * MS);
    assert_eq!(round.dominant(), [round.producer(3)]);
}

#[test]
fn whoever_speaks_again_is_told_again_only_after_somebody_else() {
    let mut round = Round::of(2);
    round.observe_speakers();
    round.speak(0, 30, 2000 * MS);
    round.talk(5000 * MS, |_| Some(NOISE));
    round.speak(0, 30, 2000 * MS);
    assert_eq!(round.dominant(), [round.producer(0)]);
    let engine = &mut round.world.engine;
    engine.pause_observer(SPEAKERS).expect("it is there");
    round.speak(1, 30, 2000 * MS);
    assert_eq!(round.dominant(), []);
    let now = round.world.now;
    let resumed = round.world.engine.resume_observer(now, SPEAKERS);
    resumed.expect("it is there");
    round.speak(1, 30, 1000 * MS);
    assert_eq!(round.dominant(), [round.producer(1)]);
}
