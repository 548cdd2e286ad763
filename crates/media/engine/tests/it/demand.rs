//! What senders are told of what anybody watches.

use std::time::Duration;

use plenum_ids::{ConsumerId, ProducerId};
use plenum_params::event::{Event, Layers};

use crate::world::{World, simulcast, vp8, vp8_receiver};

/// A sender of three streams and two viewers who do not watch yet.
struct Scene {
    world: World,
    producer: ProducerId,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        for _ in 0..3 {
            world.add_connected_peer();
        }
        let encodings = ["r0", "r1", "r2"].map(simulcast).to_vec();
        let producer = world.produce(0, 1, vp8(encodings));
        Self { world, producer }
    }

    fn watch(&mut self, peer: usize) -> ConsumerId {
        let id = 100 + peer as u128;
        self.world
            .consume(peer, id, self.producer, vp8_receiver(5000))
    }

    fn prefer(&mut self, consumer: ConsumerId, spatial: u8) {
        let layers = Layers {
            spatial,
            temporal: None,
        };
        let now = self.world.now;
        let set = self
            .world
            .engine
            .set_preferred_layers(now, consumer, layers);
        set.expect("it exists");
        self.world.drain();
    }

    /// What the sender was told since this was last asked.
    fn told(&mut self) -> Vec<Vec<bool>> {
        self.world.drain();
        let events = self.world.events.drain(..);
        let demands = events.filter_map(|event| match event {
            Event::ProducerDemand {
                producer,
                encodings,
            } if producer == self.producer => Some(encodings),
            _ => None,
        });
        demands.collect()
    }
}

const LONG_ENOUGH: Duration = Duration::from_secs(8);

#[test]
fn a_producer_that_nobody_watches_is_told_to_rest_and_wakes_at_once() {
    let mut scene = Scene::new();
    scene.world.run(Duration::from_secs(3));
    assert_eq!(scene.told(), [[false; 3]; 0], "somebody may come");
    scene.world.run(LONG_ENOUGH);
    assert_eq!(scene.told(), [[false; 3]]);
    let consumer = scene.watch(1);
    assert_eq!(scene.told(), [[true; 3]]);
    scene
        .world
        .engine
        .pause_consumer(consumer)
        .expect("it exists");
    scene.world.run(LONG_ENOUGH);
    assert_eq!(scene.told(), [[false; 3]]);
    let now = scene.world.now;
    let resumed = scene.world.engine.resume_consumer(now, consumer);
    resumed.expect("it exists");
    assert_eq!(scene.told(), [[true; 3]]);
    scene.world.engine.close_consumer(consumer);
    scene.world.run(LONG_ENOUGH);
    assert_eq!(scene.told(), [[false; 3]]);
}

#[test]
fn the_viewer_who_wants_most_decides() {
    let mut scene = Scene::new();
    let (first, second) = (scene.watch(1), scene.watch(2));
    scene.prefer(first, 0);
    scene.prefer(second, 1);
    scene.world.run(LONG_ENOUGH);
    assert_eq!(scene.told(), [[true, true, false]]);
    scene.prefer(first, 2);
    assert_eq!(scene.told(), [[true, true, true]]);
    scene.prefer(first, 0);
    scene.world.run(Duration::from_secs(2));
    scene.prefer(first, 2);
    scene.world.run(LONG_ENOUGH);
    assert_eq!(scene.told(), [[true; 3]; 0], "who comes back costs nothing");
    scene.world.engine.close_consumer(first);
    scene.world.run(LONG_ENOUGH);
    assert_eq!(scene.told(), [[true, true, false]]);
}

#[test]
fn nothing_is_said_of_a_closed_producer() {
    let mut scene = Scene::new();
    scene.world.run(LONG_ENOUGH);
    assert_eq!(scene.told().len(), 1);
    let (now, transport) = (scene.world.now, crate::world::transport(1));
    let consumed = scene.world.engine.consume(
        now,
        transport,
        ConsumerId::from_u128(7),
        scene.producer,
        vp8_receiver(5000),
        false,
    );
    consumed.expect("both exist");
    scene.world.engine.close_producer(scene.producer);
    assert_eq!(scene.told(), [[true; 3]; 0]);
}
