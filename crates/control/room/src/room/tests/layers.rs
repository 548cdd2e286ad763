//! Who gets which layers, and who need not send them.

use plenum_params::{
    event::{Event, Layers},
    media::MediaKind,
};

use super::*;
use crate::room::tests::worker::Failure;

/// A producing peer, its producer, and a peer with a consumer of it.
struct Call {
    world: World,
    alice: (SessionId, TransportId),
    producer: ProducerId,
    bob: SessionId,
    consumer: ConsumerId,
}

fn call() -> Call {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let (bob, _) = world.join(2, "bob");
    let producer = world.produce(alice);
    let (_, ask, consumer) = world.questions().remove(0);
    world.accept(ask);
    world.rest();
    Call {
        world,
        alice,
        producer,
        bob,
        consumer: consumer.consumer,
    }
}

fn demand(world: &mut World, producer: ProducerId, encodings: &[bool]) {
    let encodings = encodings.to_vec();
    world.event(Event::ProducerDemand {
        producer,
        encodings,
    });
}

fn told(producer: ProducerId, encodings: &[bool]) -> PeerEvent {
    let encodings = encodings.to_vec();
    PeerEvent::ProducerDemand {
        producer,
        encodings,
    }
}

/// Joins without understanding demand, with a producing transport.
fn join_classic(world: &mut World, session: u64, peer: &str) -> (SessionId, TransportId) {
    let session = world.connect(session, peer);
    let transport = world.transport(session, false);
    let mut join = clients::join(peer);
    let PeerRequest::Join { demand, .. } = &mut join else {
        unreachable!("is a join");
    };
    *demand = false;
    world.ask(session, join).expect("joins");
    (session, transport)
}

#[test]
fn a_choice_of_layers_and_a_priority_reach_the_worker() {
    let Call {
        mut world,
        bob,
        consumer,
        ..
    } = call();
    let layers = Layers {
        spatial: 1,
        temporal: None,
    };
    let choice = PeerRequest::SetConsumerPreferredLayers { consumer, layers };
    assert_eq!(world.ask(bob, choice), Ok(PeerReply::Done));
    assert_eq!(world.worker.consumers[&consumer].preferred, Some(layers));
    for priority in [1, 255] {
        let request = PeerRequest::SetConsumerPriority { consumer, priority };
        assert_eq!(world.ask(bob, request), Ok(PeerReply::Done));
        assert_eq!(world.worker.consumers[&consumer].priority, priority);
    }
    assert_eq!(world.rest(), [], "nobody else need know");
}

#[test]
fn a_priority_of_nothing_is_refused() {
    let Call {
        mut world,
        bob,
        consumer,
        ..
    } = call();
    let request = PeerRequest::SetConsumerPriority {
        consumer,
        priority: 0,
    };
    let error = world.ask(bob, request).expect_err("out of range");
    assert_eq!(error.kind, ErrorKind::BadRequest);
    assert_eq!(world.worker.consumers[&consumer].priority, 1);
}

#[test]
fn only_its_own_client_chooses_for_a_consumer_and_only_when_it_has_heard_of_it() {
    let Call {
        mut world,
        alice,
        bob,
        consumer,
        ..
    } = call();
    let layers = Layers {
        spatial: 0,
        temporal: Some(0),
    };
    let choose =
        |consumer: ConsumerId| PeerRequest::SetConsumerPreferredLayers { consumer, layers };
    let prefer = |consumer: ConsumerId| PeerRequest::SetConsumerPriority {
        consumer,
        priority: 9,
    };
    world.send(alice.0, clients::produce(alice.1));
    assert!(world.answer_one());
    let unheard = world.room.dump().consumers;
    let unheard = *unheard.iter().find(|id| **id != consumer).expect("new one");
    for (session, consumer) in [(alice.0, consumer), (bob, unheard)] {
        for request in [choose(consumer), prefer(consumer)] {
            world.send(session, request);
            let Some(Effect::Reply { result, .. }) = world.rest().pop() else {
                panic!("no reply");
            };
            assert_eq!(result.expect_err("not theirs").kind, ErrorKind::NotFound);
        }
    }
}

#[test]
fn a_worker_that_refuses_layers_is_quoted() {
    let Call {
        mut world,
        bob,
        consumer,
        ..
    } = call();
    world.worker.failures.push(Failure::Refused);
    let layers = Layers {
        spatial: 0,
        temporal: None,
    };
    let choice = PeerRequest::SetConsumerPreferredLayers { consumer, layers };
    let error = world.ask(bob, choice).expect_err("refused");
    assert_eq!(error.reason, "no");
}

#[test]
fn of_a_single_stream_without_layers_no_layers_are_told() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let (bob, _) = world.join(2, "bob");
    let mut rtp_parameters = clients::vp8();
    rtp_parameters.encodings.truncate(1);
    let produce = PeerRequest::Produce {
        transport: alice.1,
        kind: MediaKind::Video,
        rtp_parameters,
        app_data: serde_json::Map::new(),
        paused: false,
        voice: false,
        wish: None,
    };
    world.ask(alice.0, produce).expect("produces");
    let consumer = world.questions().remove(0).2.consumer;
    world.rest();
    let layers = Some(Layers {
        spatial: 0,
        temporal: Some(0),
    });
    world.event(Event::ConsumerLayers { consumer, layers });
    assert_eq!(world.events(bob), []);
}

#[test]
fn a_producing_client_hears_which_encodings_are_wanted_when_that_changes() {
    let Call {
        mut world,
        alice,
        producer,
        ..
    } = call();
    demand(&mut world, producer, &[true, true]);
    assert_eq!(world.rest(), [], "so it was from the start");
    demand(&mut world, producer, &[true, false]);
    demand(&mut world, producer, &[true, false]);
    assert_eq!(world.events(alice.0), [told(producer, &[true, false])]);
    demand(&mut world, producer, &[true, true]);
    assert_eq!(world.events(alice.0), [told(producer, &[true, true])]);
    assert_eq!(world.rest(), [], "nobody else need know");
}

#[test]
fn there_is_one_word_for_every_encoding_whatever_the_worker_says() {
    let Call {
        mut world,
        alice,
        producer,
        ..
    } = call();
    demand(&mut world, producer, &[true]);
    demand(&mut world, producer, &[false, true, true]);
    assert_eq!(
        world.events(alice.0),
        [
            told(producer, &[true, false]),
            told(producer, &[false, true])
        ]
    );
}

#[test]
fn a_client_that_does_not_understand_demand_is_left_alone() {
    let mut world = World::new();
    let alice = join_classic(&mut world, 1, "alice");
    let producer = world.produce(alice);
    demand(&mut world, producer, &[false, false]);
    assert_eq!(world.events(alice.0), []);
}

#[test]
fn demand_that_is_known_before_the_producer_is_told_right_after_it() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.rest();
    world.send(alice.0, clients::produce(alice.1));
    let producer = world.room.dump().producers[0];
    demand(&mut world, producer, &[false, false]);
    assert_eq!(world.rest(), [], "the client does not know it yet");
    world.run_worker();
    let effects = world.rest();
    let [Effect::Reply { result, .. }, Effect::Notify { event, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(*result, Ok(PeerReply::Produced { producer }));
    assert_eq!(*event, told(producer, &[false, false]));
}

#[test]
fn demand_for_what_is_closed_reaches_nobody_and_leaves_nothing() {
    let Call {
        mut world,
        alice,
        producer,
        ..
    } = call();
    demand(&mut world, producer, &[false, false]);
    world
        .ask(alice.0, PeerRequest::CloseProducer { producer })
        .expect("closes");
    world.rest();
    demand(&mut world, producer, &[true, true]);
    demand(&mut world, ProducerId::from_u128(99), &[false]);
    assert_eq!(world.rest(), []);
    assert!(world.room.dump().producers.is_empty());
}
