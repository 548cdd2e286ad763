//! What is told of a piped producer, and what is not.

use super::*;

/// Longer than until less demand is told.
const LONG_ENOUGH: Duration = Duration::from_secs(8);

/// What was told of the wish for a producer since this was last asked.
fn told(world: &mut World, wanted: ProducerId) -> Vec<Vec<bool>> {
    let events = world.events.drain(..);
    let demands = events.filter_map(|event| match event {
        Event::ProducerDemand {
            producer,
            encodings,
        } if producer == wanted => Some(encodings),
        _ => None,
    });
    demands.collect()
}

#[test]
fn whoever_watches_behind_the_pipe_is_wanted_at_the_origin() {
    let mut scene = Scene::new();
    let pipe = scene.pipe(1, &vp8(["r0", "r1", "r2"].map(simulcast).to_vec()));
    scene.run(LONG_ENOUGH);
    assert_eq!(told(&mut scene.far, pipe.producer), [[false; 3]]);
    assert_eq!(told(&mut scene.near, pipe.producer), [[false; 3]; 0]);
    for &consumer in &pipe.consumers {
        let paused = scene.near.engine.pause_consumer(consumer);
        paused.expect("it is there");
    }
    scene.run(LONG_ENOUGH);
    assert_eq!(told(&mut scene.near, pipe.producer), [[false; 3]]);

    scene.watch(20, pipe.producer, 5000);
    scene.far.drain();
    assert_eq!(told(&mut scene.far, pipe.producer), [[true; 3]]);
    let now = scene.near.now;
    for (stream, wanted) in [(0, [true, false, false]), (2, [true, false, true])] {
        let resumed = scene
            .near
            .engine
            .resume_consumer(now, pipe.consumers[stream]);
        resumed.expect("it is there");
        scene.near.drain();
        assert_eq!(told(&mut scene.near, pipe.producer), [wanted]);
    }
}

#[test]
fn scores_are_the_origins() {
    let mut scene = Scene::new();
    let pipe = scene.pipe(1, &vp8(vec![encoding(1000)]));
    scene.near.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
    let viewer = scene.watch(20, pipe.producer, 5000);
    scene.send(1000, 0..200);
    let of_producer = |world: &World| {
        let events = world.events.iter();
        events
            .filter(|event| matches!(event, Event::ProducerScore { .. }))
            .count()
    };
    let of_consumers = |world: &World| -> Vec<ConsumerId> {
        let events = world.events.iter();
        let scores = events.filter_map(|event| match event {
            Event::ConsumerScore { consumer, .. } => Some(*consumer),
            _ => None,
        });
        scores.collect()
    };
    assert!(of_producer(&scene.near) > 0);
    assert_eq!(of_producer(&scene.far), 0);
    assert_eq!(of_consumers(&scene.near), []);
    assert!(of_consumers(&scene.far).contains(&viewer));
}
