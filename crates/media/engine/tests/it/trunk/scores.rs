//! What consumers behind a pipe hear of their producer's quality.

use plenum_params::event::ConsumerScore;
use plenum_testkit::netem::Loss;

use super::*;

/// The last score that a consumer was told.
fn told(world: &World, id: ConsumerId) -> Option<ConsumerScore> {
    let events = world.events.iter().rev();
    events.clone().find_map(|event| match event {
        Event::ConsumerScore { consumer, score } if *consumer == id => Some(score.clone()),
        _ => None,
    })
}

#[test]
fn it_is_the_origins_and_not_what_the_trunk_loses() {
    let mut scene = Scene::new();
    let pipe = scene.pipe(1, &vp8(vec![encoding(1000)]));
    scene.near.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
    let consumer = scene.watch(20, pipe.producer, 5000);
    let engine = &mut scene.far.engine;
    let done = engine.set_origin_scores(pipe.producer, vec![7]);
    done.expect("it is piped");
    scene.send(1000, 0..10);
    let score = |world: &World| {
        let score = told(world, consumer).expect("it was told");
        (score.producer_score, score.producer_scores)
    };
    assert_eq!(score(&scene.far), (7, vec![7]));
    scene.line.network.up.configure(NetemConfig {
        loss: Loss::Random(0.3),
        ..NetemConfig::default()
    });
    scene.send(1000, 10..210);
    assert!(scene.line.network.up.counters().lost > 20);
    assert_eq!(score(&scene.far), (7, vec![7]));
    for changed in [3, 10] {
        let engine = &mut scene.far.engine;
        let done = engine.set_origin_scores(pipe.producer, vec![changed]);
        done.expect("it is piped");
        scene.run(MS);
        assert_eq!(score(&scene.far), (changed, vec![changed]));
    }
}

#[test]
fn only_of_what_is_piped_another_worker_can_say_it() {
    let mut scene = Scene::new();
    let pipe = scene.pipe(1, &vp8(vec![encoding(1000)]));
    let near = scene.near.engine.set_origin_scores(pipe.producer, vec![1]);
    assert!(matches!(near, Err(EngineError::Invalid(_))));
    let unknown = ProducerId::from_u128(99);
    let far = &mut scene.far.engine;
    assert_eq!(
        far.set_origin_scores(unknown, vec![1]),
        Err(EngineError::ProducerNotFound(unknown))
    );
    assert!(far.set_origin_scores(pipe.producer, vec![]).is_err());
    // More than it has streams: the rest means nothing.
    assert!(far.set_origin_scores(pipe.producer, vec![1; 100]).is_ok());
}
