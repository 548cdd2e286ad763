//! What is refused, and what closing leaves behind: nothing.

use super::*;

const OTHER: RouterId = RouterId::from_u128(9);

fn levels(interval_ms: u16, threshold: i8, max_entries: u16) -> AudioLevelOptions {
    AudioLevelOptions {
        max_entries,
        threshold,
        interval_ms,
    }
}

#[test]
fn what_cannot_be_observed_is_refused() {
    let mut round = Round::of(1);
    let sound = round.producer(0);
    let picture = round.world.produce(0, 50, vp8(vec![encoding(5000)]));
    let now = round.world.now;
    let engine = &mut round.world.engine;
    for options in [
        levels(249, -80, 1),
        levels(5001, -80, 1),
        levels(500, 1, 1),
        levels(500, -80, 0),
    ] {
        let refused = engine.create_audio_level_observer(ROUTER, LEVELS, options);
        assert!(
            matches!(refused, Err(EngineError::Invalid(_))),
            "{options:?}"
        );
    }
    for interval in [0, 49, 5001] {
        let refused = engine.create_active_speaker_observer(ROUTER, SPEAKERS, interval);
        assert!(matches!(refused, Err(EngineError::Invalid(_))));
    }
    let refused = engine.create_active_speaker_observer(OTHER, SPEAKERS, 300);
    assert_eq!(refused, Err(EngineError::RouterNotFound(OTHER)));
    let not_found = Err(EngineError::ObserverNotFound(LEVELS));
    assert_eq!(engine.observe_producer(now, LEVELS, sound), not_found);
    assert_eq!(engine.pause_observer(LEVELS), not_found);

    engine.create_router(OTHER).expect("new");
    let made = engine.create_audio_level_observer(OTHER, LEVELS, levels(250, -127, 1));
    made.expect("the router is there");
    let again = engine.create_active_speaker_observer(ROUTER, LEVELS, 300);
    assert!(matches!(again, Err(EngineError::AlreadyExists(_))));
    let elsewhere = engine.observe_producer(now, LEVELS, sound);
    assert!(matches!(elsewhere, Err(EngineError::Invalid(_))));
    let made = engine.create_active_speaker_observer(ROUTER, SPEAKERS, 300);
    made.expect("the router is there");
    let silent = engine.observe_producer(now, SPEAKERS, picture);
    assert!(matches!(silent, Err(EngineError::Invalid(_))));
    let nobody = ProducerId::from_u128(77);
    let unknown = engine.observe_producer(now, SPEAKERS, nobody);
    assert_eq!(unknown, Err(EngineError::ProducerNotFound(nobody)));
    for _ in 0..2 {
        engine
            .observe_producer(now, SPEAKERS, sound)
            .expect("twice is no error");
    }
    for _ in 0..2 {
        engine
            .unobserve_producer(SPEAKERS, sound)
            .expect("nor is this");
    }
    assert_eq!(engine.dump().orphans, 0);
}

#[test]
fn a_router_has_a_bounded_number_of_observers() {
    let mut world = World::new();
    let engine = &mut world.engine;
    let results: Vec<_> = (0..100)
        .map(|id| engine.create_active_speaker_observer(ROUTER, RtpObserverId::from_u128(id), 300))
        .collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 16);
    assert!(matches!(results[16], Err(EngineError::Limit(_))));
    engine.close_observer(RtpObserverId::from_u128(3));
    let made = engine.create_active_speaker_observer(ROUTER, RtpObserverId::from_u128(200), 300);
    made.expect("there is room again");
}

#[test]
fn closing_leaves_nothing() {
    let mut round = Round::of(3);
    round.observe_levels(AudioLevelOptions::default());
    round.observe_speakers();
    round.talk(1000 * MS, |_| Some(30));
    let now = round.world.now;
    let engine = &mut round.world.engine;
    engine.close_observer(LEVELS);
    engine.close_observer(LEVELS);
    assert_eq!(engine.dump().observers, [SPEAKERS]);
    assert_eq!(engine.dump().orphans, 0);
    engine.close_transport(now, transport(0));
    assert_eq!(engine.dump().orphans, 0);
    engine.close_router(now, ROUTER);
    let dump = engine.dump();
    assert_eq!(
        (dump.orphans, dump.observers.len(), dump.deadlines),
        (0, 0, 0)
    );
    // What was not fetched yet is said of nobody.
    assert!(engine.poll_event().is_none());
}

#[test]
fn nothing_is_said_of_whom_was_closed() {
    let mut round = Round::of(2);
    round.observe_levels(AudioLevelOptions {
        max_entries: 2,
        ..AudioLevelOptions::default()
    });
    round.talk(980 * MS, |_| Some(30));
    round.told();
    let due = round.world.now + 40 * MS;
    let (gone, stays) = (round.producer(0), round.producer(1));
    round.world.engine.handle_timeout(due);
    round.world.engine.close_producer(gone);
    let mut told = Vec::new();
    while let Some(event) = round.world.engine.poll_event() {
        told.push(event);
    }
    let volumes = Event::Volumes {
        observer: LEVELS,
        volumes: vec![(stays, -30)],
    };
    assert!(told.contains(&volumes), "{told:?}");
}

#[test]
fn an_observer_without_producers_sleeps() {
    let mut world = World::new();
    let made = world
        .engine
        .create_active_speaker_observer(ROUTER, SPEAKERS, 300);
    made.expect("the router is there");
    assert_eq!(world.engine.poll_timeout(), None);
}
