//! Transports, producers and consumers.

use plenum_params::{
    event::{ConsumerScore, EncodingScore, Event, Layers},
    media::MediaKind,
};

use super::*;

/// Two peers who have joined; the first one produces, the second one has been asked about the consumer.
pub(super) fn consuming() -> (
    World,
    (SessionId, TransportId),
    ProducerId,
    SessionId,
    (AskId, ConsumerId),
) {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let (bob, _) = world.join(2, "bob");
    let producer = world.produce(alice);
    let (to, ask, consumer) = world.questions().remove(0);
    assert_eq!(to, bob);
    world.rest();
    (world, alice, producer, bob, (ask, consumer.consumer))
}

fn paused(world: &World, consumer: ConsumerId) -> bool {
    world.worker.consumers[&consumer].paused
}

#[test]
fn capabilities_are_answered_at_once() {
    let mut world = World::new();
    let alice = world.connect(1, "alice");
    world.send(alice, PeerRequest::GetRouterRtpCapabilities);
    let effects = world.rest();
    let [
        Effect::Reply {
            result: Ok(PeerReply::RouterRtpCapabilities(capabilities)),
            ..
        },
    ] = &effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!(capabilities.codecs[0].mime_type.as_str(), "audio/opus");
}

#[test]
fn producing_is_answered_before_the_others_are_asked() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.join(2, "bob");
    world.rest();
    world.send(alice.0, clients::produce(alice.1));
    world.run_worker();
    let effects = world.rest();
    assert!(matches!(
        effects[..],
        [
            Effect::Reply {
                result: Ok(PeerReply::Produced { .. }),
                ..
            },
            Effect::AskClient { .. }
        ]
    ));
}

#[test]
fn joining_is_answered_before_the_questions_about_what_is_there() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.produce(alice);
    world.produce(alice);
    let bob = world.connect(2, "bob");
    world.transport(bob, true);
    world.rest();
    world.send(bob, clients::join("Bob"));
    world.run_worker();
    let effects = world.rest();
    assert!(
        matches!(
            effects[..],
            [
                Effect::Reply {
                    result: Ok(PeerReply::Joined { .. }),
                    ..
                },
                Effect::Notify {
                    event: PeerEvent::NewPeer(_),
                    ..
                },
                Effect::AskClient { .. },
                Effect::AskClient { .. },
            ]
        ),
        "{effects:?}"
    );
}

#[test]
fn a_client_is_told_everything_about_its_consumer() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.join(2, "bob");
    let producer = world.produce(alice);
    let (_, _, consumer) = world.questions().remove(0);
    assert_eq!(
        (consumer.peer.as_str(), consumer.producer),
        ("alice", producer)
    );
    assert_eq!(consumer.kind, MediaKind::Video);
    assert_eq!(consumer.producer_type.as_str(), "simulcast");
    assert_eq!(
        Value::Object(consumer.app_data.clone()),
        json!({ "share": true, "peerId": "alice" })
    );
    assert!(!consumer.producer_paused);
    let parameters = &consumer.rtp_parameters;
    assert_eq!(parameters.mid.as_deref(), Some("0"));
    assert_eq!(parameters.codecs[0].payload_type, 101);
    assert!(
        parameters
            .rtcp
            .cname
            .as_ref()
            .is_some_and(|cname| !cname.is_empty())
    );
    assert!(world.worker.transports.contains_key(&consumer.transport));

    world.produce(alice);
    let (_, _, second) = world.questions().remove(0);
    assert_eq!(second.rtp_parameters.mid.as_deref(), Some("1"));
    assert_eq!(
        second.rtp_parameters.rtcp, parameters.rtcp,
        "one name per transport"
    );
    assert_ne!(second.rtp_parameters.encodings, parameters.encodings);
}

#[test]
fn a_consumer_starts_when_its_client_is_ready_and_then_its_score_is_told() {
    let (mut world, _, _, bob, (ask, consumer)) = consuming();
    assert!(paused(&world, consumer));
    world.accept(ask);
    assert!(!paused(&world, consumer));
    let score = ConsumerScore {
        score: 10,
        ..ConsumerScore::default()
    };
    assert_eq!(
        world.events(bob),
        [PeerEvent::ConsumerScore { consumer, score }]
    );
    world.accept(ask);
    assert_eq!(world.rest(), [], "an answer counts once");
}

#[test]
fn a_client_that_refuses_keeps_a_paused_consumer() {
    let (mut world, _, _, bob, (ask, consumer)) = consuming();
    world.handle(Command::ClientAnswer {
        ask,
        accepted: false,
    });
    world.run_worker();
    assert!(paused(&world, consumer));
    assert_eq!(world.room.dump().pending_client_requests, 1, "may be late");
    assert_eq!(
        world.ask(bob, PeerRequest::ResumeConsumer { consumer }),
        Ok(PeerReply::Done)
    );
    assert!(!paused(&world, consumer));
    assert!(matches!(
        world.events(bob)[..],
        [PeerEvent::ConsumerScore { .. }]
    ));
}

#[test]
fn a_client_that_says_yes_late_gets_its_consumer() {
    let (mut world, alice, producer, _, (ask, consumer)) = consuming();
    let mut answer = |accepted| {
        world.handle(Command::ClientAnswer { ask, accepted });
        world.run_worker();
        paused(&world, consumer)
    };
    assert!(answer(false), "it took too long");
    assert!(!answer(true));
    assert_eq!(world.room.dump().pending_client_requests, 0);
    // Nothing is left of a question that is never answered.
    let (carol, _) = world.join(3, "carol");
    let (to, ask, _) = world.questions().remove(0);
    assert_eq!(to, carol);
    world.handle(Command::ClientAnswer {
        ask,
        accepted: false,
    });
    let close = PeerRequest::CloseProducer { producer };
    world.ask(alice.0, close).expect("its own");
    assert_eq!(world.room.dump().pending_client_requests, 0);
}

#[test]
fn an_own_pause_survives_a_late_answer() {
    let (mut world, _, _, bob, (ask, consumer)) = consuming();
    world
        .ask(bob, PeerRequest::PauseConsumer { consumer })
        .expect("pauses");
    world.accept(ask);
    assert!(paused(&world, consumer));
}

#[test]
fn connecting_is_answered_while_a_client_still_thinks_about_a_consumer() {
    let (mut world, _, _, bob, (ask, consumer)) = consuming();
    let transport = world
        .room
        .consumers
        .get(&consumer)
        .expect("exists")
        .transport;
    let connect = || PeerRequest::ConnectWebRtcTransport {
        transport,
        dtls: dtls(),
    };
    assert_eq!(world.ask(bob, connect()), Ok(PeerReply::Done));
    let error = world.ask(bob, connect()).expect_err("connected already");
    assert_eq!(error.kind, ErrorKind::Conflict);
    world.accept(ask);
    assert!(!paused(&world, consumer));
}

#[test]
fn pausing_and_resuming_a_producer_is_told_to_its_consumers_once() {
    let (mut world, alice, producer, bob, (_, consumer)) = consuming();
    for _ in 0..2 {
        let reply = world.ask(alice.0, PeerRequest::PauseProducer { producer });
        assert_eq!(reply, Ok(PeerReply::Done));
    }
    assert_eq!(world.events(bob), [PeerEvent::ConsumerPaused { consumer }]);
    let (_, _) = world.join(3, "carol");
    assert!(world.questions()[0].2.producer_paused);
    world.rest();
    world
        .ask(alice.0, PeerRequest::ResumeProducer { producer })
        .expect("resumes");
    assert_eq!(world.events(bob), [PeerEvent::ConsumerResumed { consumer }]);
}

#[test]
fn closing_a_producer_closes_its_consumers() {
    let (mut world, alice, producer, bob, (ask, consumer)) = consuming();
    let close = PeerRequest::CloseProducer { producer };
    assert_eq!(world.ask(alice.0, close.clone()), Ok(PeerReply::Done));
    assert_eq!(world.events(bob), [PeerEvent::ConsumerClosed { consumer }]);
    assert!(world.worker.consumers.is_empty());
    let dump = world.room.dump();
    assert!(dump.producers.is_empty() && dump.consumers.is_empty());
    assert_eq!(dump.pending_client_requests, 0);
    world.accept(ask);
    let error = world.ask(alice.0, close).expect_err("closed already");
    assert_eq!(
        error.reason,
        format!("producer with id \"{producer}\" not found")
    );
}

#[test]
fn a_consumer_whose_client_never_heard_of_it_goes_silently() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let (bob, _) = world.join(2, "bob");
    world.rest();
    world.send(alice.0, clients::produce(alice.1));
    assert!(world.answer_one(), "the producer");
    let Effect::Reply {
        result: Ok(PeerReply::Produced { producer }),
        ..
    } = world.rest()[0]
    else {
        panic!("not a producer");
    };
    world.send(alice.0, PeerRequest::CloseProducer { producer });
    world.run_worker();
    assert_eq!(world.events(bob), []);
    assert_eq!(world.questions(), []);
    assert!(world.worker.consumers.is_empty());
}

#[test]
fn who_leaves_takes_its_producers_and_consumers_along() {
    let (mut world, alice, _, bob, (_, consumer)) = consuming();
    world.produce((bob, world.room.sessions[&bob].transports[0]));
    world.rest();
    world.disconnect(alice.0);
    assert_eq!(
        world.events(bob),
        [
            PeerEvent::PeerClosed {
                peer: "alice".into()
            },
            PeerEvent::ConsumerClosed { consumer },
        ]
    );
    assert_eq!(world.worker.consumers.len(), 0);
    assert_eq!(world.worker.producers.len(), 1);
}

#[test]
fn replicas_are_consumers_of_their_own() {
    let mut world = World::with(|config| config.consumer_replicas = 2);
    let alice = world.join(1, "alice");
    world.join(2, "bob");
    world.produce(alice);
    let questions = world.questions();
    let mut ids: Vec<_> = questions
        .iter()
        .map(|(.., consumer)| consumer.consumer)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn who_cannot_decode_or_does_not_want_gets_no_consumer() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.join(2, "bob");
    let mute = world.connect(3, "carol");
    world.transport(mute, true);
    let join = PeerRequest::Join {
        display_name: String::new(),
        device: Value::Null,
        rtp_capabilities: None,
        data: false,
        volumes: false,
        demand: false,
        migrate: false,
        subscription: Subscription::All,
        app_data: serde_json::Map::new(),
        features: false,
    };
    world.ask(mute, join).expect("joins");
    let produce = PeerRequest::Produce {
        transport: alice.1,
        kind: MediaKind::Video,
        rtp_parameters: clients::vp9(),
        app_data: serde_json::Map::new(),
        paused: true,
        voice: false,
        wish: None,
    };
    world.ask(alice.0, produce).expect("produces");
    assert_eq!(world.questions(), []);
    world.produce(alice);
    assert_eq!(world.questions().len(), 1, "bob's VP8");
}

#[test]
fn a_receiving_transport_made_after_joining_is_filled_then() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.produce(alice);
    let bob = world.connect(2, "bob");
    world.ask(bob, clients::join("Bob")).expect("joins");
    assert_eq!(world.questions(), []);
    let first = world.transport(bob, true);
    let questions = world.questions();
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].2.transport, first);
    world.transport(bob, true);
    assert_eq!(world.questions(), [], "one consumer per producer");
}

#[test]
fn who_joins_while_a_producer_is_made_gets_it_once_it_is_there() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let bob = world.connect(2, "bob");
    world.transport(bob, true);
    world.send(alice.0, clients::produce(alice.1));
    world.send(bob, clients::join("Bob"));
    assert_eq!(
        world.room.dump().consumers,
        [],
        "the worker may still refuse the producer"
    );
    world.run_worker();
    assert_eq!(world.questions().len(), 1);
}

#[test]
fn scores_and_layers_reach_those_they_concern() {
    let (mut world, alice, producer, bob, (_, consumer)) = consuming();
    let scores = vec![EncodingScore {
        encoding_index: 0,
        ssrc: 7,
        rid: Some("r0".to_owned()),
        score: 9,
    }];
    world.event(Event::ProducerScore {
        producer,
        scores: scores.clone(),
    });
    assert_eq!(
        world.events(alice.0),
        [PeerEvent::ProducerScore { producer, scores }]
    );
    let score = ConsumerScore {
        score: 8,
        producer_score: 9,
        producer_scores: vec![9],
    };
    let layers = Some(Layers {
        spatial: 1,
        temporal: Some(0),
    });
    world.event(Event::ConsumerScore {
        consumer,
        score: score.clone(),
    });
    world.event(Event::ConsumerLayers { consumer, layers });
    assert_eq!(
        world.events(bob),
        [
            PeerEvent::ConsumerScore { consumer, score },
            PeerEvent::ConsumerLayersChanged { consumer, layers },
        ]
    );
    world.join(3, "carol");
    assert_eq!(world.questions()[0].2.score.producer_scores, [9]);
}
