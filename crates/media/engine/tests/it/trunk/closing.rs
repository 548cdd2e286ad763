//! Everything that a pipe is made of, closed in any order: nothing stays behind.

use plenum_testkit::rng::Rng;

use super::*;

/// The objects of one pipe, at either end.
const PARTS: [Part; 10] = [
    Part::PipeConsumer,
    Part::Producer,
    Part::Sender,
    Part::NearRouter,
    Part::NearTrunk,
    Part::Viewer,
    Part::PipedProducer,
    Part::ViewerTransport,
    Part::FarRouter,
    Part::FarTrunk,
];

#[derive(Clone, Copy, Debug)]
enum Part {
    PipeConsumer,
    Producer,
    Sender,
    NearRouter,
    NearTrunk,
    Viewer,
    PipedProducer,
    ViewerTransport,
    FarRouter,
    FarTrunk,
}

impl Scene {
    fn close(&mut self, part: Part, pipe: &Pipe, viewer: ConsumerId) {
        let (now, near, far) = (self.near.now, &mut self.near.engine, &mut self.far.engine);
        match part {
            Part::PipeConsumer => near.close_consumer(pipe.consumers[0]),
            Part::Producer => near.close_producer(pipe.producer),
            Part::Sender => near.close_transport(now, transport(0)),
            Part::NearRouter => near.close_router(now, ROUTER),
            Part::NearTrunk => near.close_transport(now, TRUNK),
            Part::Viewer => far.close_consumer(viewer),
            Part::PipedProducer => far.close_producer(pipe.producer),
            Part::ViewerTransport => far.close_transport(now, transport(0)),
            Part::FarRouter => far.close_router(now, ROUTER),
            Part::FarTrunk => far.close_transport(now, TRUNK),
        }
    }

    fn is_sound(&self) -> bool {
        self.near.engine.dump().orphans == 0 && self.far.engine.dump().orphans == 0
    }
}

#[test]
fn in_any_order() {
    for seed in 0..40 {
        let mut random = Rng::new(seed);
        let mut scene = Scene::new();
        let pipe = scene.pipe(1, &vp8(vec![encoding(1000)]));
        scene.near.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
        let viewer = scene.watch(20, pipe.producer, 5000);
        // Something is missing and asked for when it ends.
        scene.send(1000, 0..5);
        scene.send(1000, 7..9);
        assert_eq!(scene.received(), 7);
        let mut parts = PARTS.to_vec();
        while !parts.is_empty() {
            let index = random.range(0..parts.len() as u64) as usize;
            let part = parts.swap_remove(index);
            let packet = picture(1000, 9 + parts.len() as u16);
            scene.near.peers[0].send_rtp(&packet);
            if random.chance(0.5) {
                scene.run(7 * MS);
            } else {
                scene.near.exchange();
            }
            scene.close(part, &pipe, viewer);
            assert!(scene.is_sound(), "{seed}: {part:?}");
        }
        scene.near.elsewhere.clear();
        scene.far.elsewhere.clear();
        scene.run(100 * MS);
        for world in [&mut scene.near, &mut scene.far] {
            world.drain();
            let dump = world.engine.dump();
            assert_eq!((dump.routers.len(), dump.transports.len()), (0, 0));
            assert_eq!((dump.producers.len(), dump.consumers.len()), (0, 0));
            assert_eq!((dump.addresses.len(), dump.deadlines), (0, 0));
            assert_eq!((dump.waiting, dump.orphans), (0, 0));
        }
    }
}

#[test]
fn a_router_takes_its_piped_producers_along_and_no_others() {
    let mut scene = Scene::new();
    let mut ssrcs = TrunkSsrcs::default();
    let other = RouterId::from_u128(2);
    scene.far.engine.create_router(other).expect("it is new");
    for (id, router) in [(1, ROUTER), (2, other), (3, ROUTER)] {
        let (received, _) = piped(&vp8(vec![encoding(1)]), &mut ssrcs);
        let id = ProducerId::from_u128(id);
        let far = &mut scene.far.engine;
        let made = far.pipe_produce(TRUNK, router, id, received, false);
        made.expect("trunk and router are there");
    }
    scene.far.engine.close_router(scene.far.now, ROUTER);
    let dump = scene.far.engine.dump();
    assert_eq!(dump.producers, [ProducerId::from_u128(2)]);
    assert_eq!(dump.transports, [TRUNK]);
    assert_eq!(dump.orphans, 0);
    assert_eq!(scene.far.engine.footprint().ssrcs, 2);
}

#[test]
fn a_worker_that_was_replaced_gets_another_trunk() {
    let mut scene = Scene::new();
    let parameters = vp8(vec![encoding(1000)]);
    let pipe = scene.pipe(1, &parameters);
    scene.near.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
    scene.watch(20, pipe.producer, 5000);
    scene.send(1000, 0..5);
    assert_eq!(scene.received(), 5);

    // The far worker dies, and with it everything that was in it.
    scene.far = TrunkLine::far_world();
    scene.far.now = scene.far.now.max(scene.near.now);
    scene.near.now = scene.far.now;
    scene.send(1000, 5..10);
    scene.near.engine.close_transport(scene.near.now, TRUNK);
    assert!(scene.is_sound());
    scene.far.add_connected_peer();
    scene.near.now = scene.far.now;

    let (near, far) = (&mut scene.near, &mut scene.far);
    scene.line.create(near, far, 2);
    scene.line.pipe(near, far, pipe.producer, &parameters);
    scene.watch(20, pipe.producer, 5000);
    scene.send(1000, 10..15);
    assert!(scene.received() >= 5);
    assert!(scene.is_sound());
}
