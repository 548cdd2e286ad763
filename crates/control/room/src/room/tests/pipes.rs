//! Producers brought to other places.

use plenum_params::event::EncodingScore;

use super::{worker::Failure, *};

const FAR: PlaceId = PlaceId(7);

/// Alice produces at the first place, and Bob has joined at another one. The workers have answered everything.
fn piped() -> (World, (SessionId, TransportId), ProducerId, SessionId) {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let (bob, _) = world.join_at(FAR, 2, "bob");
    world.rest_but_questions();
    (world, alice, producer, bob)
}

impl World {
    fn far(&self) -> &FakeWorker {
        &self.beyond[&FAR]
    }

    fn rest_but_questions(&mut self) {
        self.effects
            .retain(|effect| matches!(effect, Effect::AskClient { .. }));
    }

    /// The near ends of the pipe of a producer, and whether they are paused.
    fn near_ends(&self, producer: ProducerId) -> Vec<bool> {
        let pipe = &self.room.producers[&producer].pipes[&FAR];
        let streams = pipe.streams.iter();
        streams
            .map(|stream| self.worker.consumers[&stream.consumer].paused)
            .collect()
    }

    fn later(&mut self, time: Duration) {
        self.now += time;
        self.handle(Command::Tick);
    }
}

#[test]
fn a_consumer_elsewhere_waits_for_the_pipe_and_the_next_one_finds_it() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let bob = world.connect_at(FAR, 2, "bob");
    world.transport(bob, true);
    world.send(bob, clients::join("Bob"));
    assert!(world.far().producers.contains_key(&producer), "asked for");
    assert!(world.far().consumers.is_empty(), "the pipe first");
    world.run_worker();
    assert_eq!(world.near_ends(producer), [false, false], "as encodings");
    assert_eq!(world.far().consumers.len(), 1);
    assert_eq!(world.questions().len(), 1);

    world.join_at(FAR, 3, "carol");
    assert_eq!(world.worker.consumers.len(), 2, "no second pipe");
    assert_eq!(world.far().consumers.len(), 2);
    assert_eq!(world.questions().len(), 1);
    assert_eq!(world.room.dump().pipes, [(producer, FAR)]);
}

#[test]
fn a_viewer_elsewhere_consumes_like_any_other() {
    let (mut world, alice, producer, bob) = piped();
    let (to, ask, consumer) = world.questions().remove(0);
    assert_eq!((to, consumer.producer), (bob, producer));
    assert_eq!(consumer.peer.as_str(), "alice");
    world.accept(ask);
    assert!(!world.far().consumers[&consumer.consumer].paused);
    world
        .ask(alice.0, PeerRequest::CloseProducer { producer })
        .expect("closes");
    assert!(matches!(
        world.events(bob)[..],
        [
            PeerEvent::ConsumerScore { .. },
            PeerEvent::ConsumerClosed { .. }
        ]
    ));
    assert!(world.far().producers.is_empty() && world.far().consumers.is_empty());
    assert!(world.worker.consumers.is_empty());
}

#[test]
fn a_pipe_is_closed_some_time_after_its_last_consumer() {
    let (mut world, _, producer, bob) = piped();
    // Somebody else stays, so that the place does.
    world.connect_at(FAR, 3, "carol");
    world.disconnect(bob);
    let due = world.room.poll_timeout().expect("a deadline");
    assert_eq!(due, world.now + Duration::from_secs(5));
    world.later(Duration::from_secs(4));
    let (dave, _) = world.join_at(FAR, 4, "dave");
    world.later(Duration::from_mins(1));
    assert_eq!(world.room.dump().pipes, [(producer, FAR)], "needed again");

    world.disconnect(dave);
    world.later(Duration::from_secs(5));
    assert_eq!(world.room.dump().pipes, []);
    assert!(world.far().producers.is_empty() && world.worker.consumers.is_empty());
}

#[test]
fn a_pipe_that_nobody_waits_for_any_more_is_closed_while_it_is_opened() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.produce(alice);
    world.connect_at(FAR, 2, "carol");
    let bob = world.connect_at(FAR, 3, "bob");
    world.transport(bob, true);
    world.send(bob, clients::join("Bob"));
    world.disconnect(bob);
    world.later(Duration::from_secs(5));
    world.run_worker();
    assert_eq!(world.room.dump().pipes, []);
    assert!(world.far().producers.is_empty() && world.worker.consumers.is_empty());
}

#[test]
fn pausing_reaches_both_ends_also_of_a_pipe_that_is_being_opened() {
    let (mut world, alice, producer, _) = piped();
    for (request, paused) in [
        (PeerRequest::PauseProducer { producer }, true),
        (PeerRequest::ResumeProducer { producer }, false),
    ] {
        world.ask(alice.0, request).expect("its own");
        assert_eq!(world.worker.producers[&producer].paused, paused);
        assert_eq!(world.far().producers[&producer].paused, paused);
    }

    let third = PlaceId(8);
    let carol = world.connect_at(third, 3, "carol");
    world.transport(carol, true);
    world.send(alice.0, PeerRequest::PauseProducer { producer });
    world.send(carol, clients::join("Carol"));
    world.run_worker();
    assert!(world.beyond[&third].producers[&producer].paused);
}

#[test]
fn streams_that_nobody_wants_behind_the_pipe_do_not_go_through_it() {
    let (mut world, alice, producer, _) = piped();
    world.rest();
    let demand = |encodings: &[bool]| Command::MediaEvent {
        place: FAR,
        event: Event::ProducerDemand {
            producer,
            encodings: encodings.to_vec(),
        },
    };
    world.handle(demand(&[false, true]));
    assert_eq!(world.near_ends(producer), [true, false]);
    world.handle(demand(&[]));
    assert_eq!(world.near_ends(producer), [true, true]);
    world.handle(demand(&[true, false]));
    assert_eq!(world.near_ends(producer), [false, true]);
    assert_eq!(world.rest(), [], "what the sender is told is the origin's");
    world.event(Event::ProducerDemand {
        producer,
        encodings: vec![false, false],
    });
    assert_eq!(world.near_ends(producer), [false, true]);
    assert_eq!(world.events(alice.0).len(), 1);
}

#[test]
fn a_pipe_that_could_not_be_made_is_undone_and_tried_again() {
    for failure in [Failure::Refused, Failure::LostAfter, Failure::LostBefore] {
        for near in [true, false] {
            let mut world = World::new();
            let alice = world.join(1, "alice");
            let producer = world.produce(alice);
            let bob = world.connect_at(FAR, 2, "bob");
            world.transport(bob, true);
            let worker = if near {
                &mut world.worker
            } else {
                world.beyond.get_mut(&FAR).expect("bob's")
            };
            worker.failures = vec![failure];
            world.ask(bob, clients::join("Bob")).expect("joins");
            assert_eq!(world.questions().len(), 1, "{failure:?}");
            assert_eq!(world.near_ends(producer), [false, false]);
            assert_eq!(world.worker.consumers.len(), 2, "{failure:?}");
            assert_eq!(world.far().producers.len(), 1);
        }
    }
}

#[test]
fn a_pipe_that_can_never_be_made_leaves_nothing_behind() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.produce(alice);
    let bob = world.connect_at(FAR, 2, "bob");
    world.transport(bob, true);
    let far = world.beyond.get_mut(&FAR).expect("bob's");
    far.failures = vec![Failure::Refused; 3];
    world.ask(bob, clients::join("Bob")).expect("joins");
    assert_eq!(world.questions(), []);
    let dump = world.room.dump();
    assert!(dump.pipes.is_empty() && dump.consumers.is_empty());
    assert!(world.far().producers.is_empty() && world.worker.consumers.is_empty());

    world.join_at(FAR, 3, "carol");
    assert_eq!(world.questions().len(), 1, "the next one tries again");
}

#[test]
fn a_pipe_ends_with_the_place_at_either_end() {
    let (mut world, _, producer, bob) = piped();
    world.lose(FAR);
    assert_eq!(world.room.dump().pipes, []);
    assert!(world.worker.consumers.is_empty());
    assert!(world.room.producers.contains_key(&producer));
    assert!(!world.live.contains(&bob));

    let (mut world, alice, _, bob) = piped();
    let (_, _, consumer) = world.questions().remove(0);
    world.lose(PlaceId::FIRST);
    let consumer = consumer.consumer;
    assert_eq!(
        world.events(bob),
        [
            PeerEvent::PeerClosed {
                peer: "alice".into()
            },
            PeerEvent::ConsumerClosed { consumer }
        ]
    );
    assert!(!world.live.contains(&alice.0));
    let dump = world.room.dump();
    assert_eq!(dump.places, [FAR]);
    assert!(dump.pipes.is_empty() && dump.consumers.is_empty());
    assert!(world.far().producers.is_empty() && world.far().consumers.is_empty());
}

#[test]
fn how_well_a_producer_comes_in_is_told_wherever_it_is_piped_to() {
    let score = |index: u8, score: u8| EncodingScore {
        encoding_index: index,
        ssrc: 7,
        rid: None,
        score,
    };
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let scores = vec![score(1, 6)];
    world.event(Event::ProducerScore { producer, scores });
    world.join_at(FAR, 2, "bob");
    assert_eq!(
        world.far().origin_scores[&producer],
        [0, 6],
        "from the start"
    );
    let scores = vec![score(0, 9), score(1, 3)];
    world.event(Event::ProducerScore { producer, scores });
    assert_eq!(world.far().origin_scores[&producer], [9, 3]);
    // What the far end itself finds is about the trunk.
    let scores = vec![score(0, 1)];
    let event = Event::ProducerScore { producer, scores };
    world.handle(Command::MediaEvent { place: FAR, event });
    assert_eq!(world.far().origin_scores[&producer], [9, 3]);
    assert!(world.worker.origin_scores.is_empty());
}
