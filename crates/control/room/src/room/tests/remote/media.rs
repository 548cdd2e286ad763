//! What comes from other nodes, and what it costs them.

use plenum_params::event::EncodingScore;

use super::{super::worker::Failure, *};

const NEAR: &str = "n0";
const FAR: &str = "n1";

/// Alice sends at one node, Bob is at the other one.
fn two() -> (Cluster, (SessionId, TransportId), ProducerId, SessionId) {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join(NEAR, 1, "alice");
    let producer = cluster.produce(NEAR, alice);
    let (bob, _) = cluster.join(FAR, 2, "bob");
    (cluster, alice, producer, bob)
}

impl Cluster {
    /// The near ends of what a node takes, and whether they are paused.
    fn near_ends(&mut self) -> Vec<bool> {
        let world = self.world(NEAR);
        let streams = world.room.feed_streams(PlaceId::FIRST).into_iter();
        let streams = streams.map(|(consumer, _)| world.worker.consumers[&consumer].paused);
        streams.collect()
    }

    fn demand(&mut self, producer: ProducerId, encodings: Vec<bool>) {
        let event = Event::ProducerDemand {
            producer,
            encodings,
        };
        self.at(FAR, |world| world.event(event));
        self.deliver_all();
    }
}

#[test]
fn a_producer_is_brought_once_for_everybody_and_goes_some_time_after_the_last() {
    let (mut cluster, _, producer, bob) = two();
    let questions = cluster.world(FAR).questions();
    assert_eq!(questions.len(), 1);
    let (asked, ask, consumer) = &questions[0];
    assert_eq!(
        (*asked, &consumer.peer, consumer.producer),
        (bob, &"alice".into(), producer)
    );
    cluster.at(FAR, |world| world.accept(*ask));
    assert_eq!(cluster.near_ends(), [false, false], "each stream, running");
    assert!(cluster.world(FAR).worker.producers.contains_key(&producer));

    // At another place of that node: from the first one.
    let carol = cluster.at(FAR, |world| world.join_at(PlaceId(5), 3, "carol"));
    cluster.deliver_all();
    assert_eq!(cluster.near_ends().len(), 2, "not again from Alice's node");
    let world = cluster.world(FAR);
    assert!(world.beyond[&PlaceId(5)].producers.contains_key(&producer));
    assert_eq!(world.questions().len(), 1);

    for session in [bob, carol.0] {
        cluster.at(FAR, |world| world.disconnect(session));
    }
    cluster.deliver_all();
    assert_eq!(
        cluster.near_ends().len(),
        2,
        "who reloads the page finds it"
    );
    for _ in 0..2 {
        cluster.pass(Duration::from_secs(5));
        cluster.deliver_all();
    }
    assert!(cluster.near_ends().is_empty());
    assert!(cluster.world(FAR).worker.producers.is_empty());
    cluster.check_rest();
}

#[test]
fn only_wanted_streams_travel() {
    let (mut cluster, _, producer, _) = two();
    cluster.demand(producer, vec![true, false]);
    assert_eq!(cluster.near_ends(), [false, true]);
    cluster.demand(producer, vec![false, false]);
    assert_eq!(cluster.near_ends(), [true, true]);
    cluster.demand(producer, vec![false, true]);
    assert_eq!(cluster.near_ends(), [true, false]);
}

#[test]
fn pauses_scores_and_the_end_travel() {
    let (mut cluster, (alice, _), producer, bob) = two();
    let (_, ask, question) = cluster.world(FAR).questions().remove(0);
    cluster.at(FAR, |world| world.accept(ask));
    cluster.events(FAR, bob);
    let consumer = question.consumer;
    let pause = PeerRequest::PauseProducer { producer };
    cluster.ask(NEAR, alice, pause).expect("her own");
    assert_eq!(
        cluster.events(FAR, bob),
        [PeerEvent::ConsumerPaused { consumer }]
    );
    assert!(cluster.world(FAR).worker.producers[&producer].paused);
    let resume = PeerRequest::ResumeProducer { producer };
    cluster.ask(NEAR, alice, resume).expect("her own");
    assert_eq!(
        cluster.events(FAR, bob),
        [PeerEvent::ConsumerResumed { consumer }]
    );
    assert!(!cluster.world(FAR).worker.producers[&producer].paused);

    let scores = vec![EncodingScore {
        encoding_index: 1,
        ssrc: 7,
        rid: None,
        score: 4,
    }];
    let event = Event::ProducerScore { producer, scores };
    cluster.at(NEAR, |world| world.event(event));
    cluster.deliver_all();
    assert_eq!(cluster.world(FAR).worker.origin_scores[&producer], [0, 4]);

    let close = PeerRequest::CloseProducer { producer };
    cluster.ask(NEAR, alice, close).expect("her own");
    assert_eq!(
        cluster.events(FAR, bob),
        [PeerEvent::ConsumerClosed { consumer }]
    );
    assert!(cluster.world(FAR).worker.producers.is_empty());
    assert!(cluster.world(NEAR).worker.consumers.is_empty());
    cluster.check_rest();
}

#[test]
fn a_node_sends_something_to_some_others_who_send_it_on() {
    let mut cluster = Cluster::new(4, |config| config.fan_out = 1);
    let alice = cluster.join(NEAR, 1, "alice");
    let producer = cluster.produce(NEAR, alice);
    for (session, name) in ["n1", "n2", "n3"].into_iter().enumerate() {
        cluster.join(name, 10 + session as u64, name);
        assert_eq!(cluster.world(name).questions().len(), 1);
    }
    let feeds = |cluster: &mut Cluster, name| cluster.world(name).room.dump().feeds.len();
    let given = ["n0", "n1", "n2", "n3"].map(|name| feeds(&mut cluster, name));
    assert_eq!(given, [1, 1, 1, 0]);
    cluster.rest();
    cluster.check_rest();

    let key = cluster.key("n1");
    cluster.kill(&key);
    cluster.deliver_all();
    // Whoever asks first is given it; the other one comes again when there is somebody to be sent to.
    cluster.pass(Duration::from_millis(250));
    cluster.deliver_all();
    for name in ["n2", "n3"] {
        assert!(cluster.world(name).worker.producers.contains_key(&producer));
        assert_eq!(cluster.world(name).questions().len(), 1, "anew");
    }
    let given = ["n0", "n2", "n3"].map(|name| feeds(&mut cluster, name));
    assert_eq!((given[0], given[1] + given[2]), (1, 1));
    cluster.rest();
    cluster.check_rest();
}

#[test]
fn the_tree_grows_neither_deeper_nor_wider_than_it_may_and_who_finds_no_room_waits_for_it() {
    let mut cluster = Cluster::new(8, |config| (config.fan_out, config.depth) = (2, 2));
    let alice = cluster.join(NEAR, 1, "alice");
    let producer = cluster.produce(NEAR, alice);
    // All at once: most are sent away while the first are being served.
    let names: Vec<_> = (1..8).map(|number| format!("n{number}")).collect();
    for (session, name) in names.iter().enumerate() {
        cluster.at(name, |world| world.join(10 + session as u64, name));
    }
    cluster.deliver_all();
    for _ in 0..4 {
        cluster.pass(Duration::from_secs(4));
        cluster.deliver_all();
    }
    let has = |cluster: &mut Cluster, name: &str| {
        let producers = &cluster.world(name).worker.producers;
        producers.contains_key(&producer)
    };
    let served = names.iter().filter(|name| has(&mut cluster, name)).count();
    assert_eq!(served, 6, "two, and two below each of them");
    for name in std::iter::once(NEAR).chain(names.iter().map(String::as_str)) {
        let given = cluster.world(name).room.dump().feeds.len();
        assert!(given <= 2, "{name}: {given}");
    }
    // Somebody goes, and makes room.
    let without = names.iter().position(|name| !has(&mut cluster, name));
    let without = &names[without.expect("one of seven")];
    let first = names.iter().find(|name| *name != without).expect("others");
    let key = cluster.key(first);
    cluster.kill(&key);
    cluster.deliver_all();
    for _ in 0..4 {
        cluster.pass(Duration::from_secs(4));
        cluster.deliver_all();
    }
    assert!(has(&mut cluster, without));
    cluster.check_rest();
}

#[test]
fn it_is_taken_from_who_is_near_even_when_its_own_node_has_room() {
    let mut cluster = Cluster::new(3, |_| {});
    cluster.near = vec!["n1".into()];
    let alice = cluster.join(NEAR, 1, "alice");
    cluster.produce(NEAR, alice);
    // Nobody has it yet, and then somebody does.
    let bob = cluster.join("n1", 10, "bob");
    cluster.join("n2", 11, "carol");
    let given = ["n0", "n1", "n2"].map(|name| cluster.world(name).room.dump().feeds.len());
    assert_eq!(given, [1, 1, 0]);
    // It goes on there for others when nobody there takes it any more.
    cluster.at("n1", |world| world.disconnect(bob.0));
    cluster.rest();
    cluster.check_rest();
}

#[test]
fn what_is_not_made_at_once_is_tried_again() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join(NEAR, 1, "alice");
    cluster.produce(NEAR, alice);
    cluster.world(NEAR).worker.failures = vec![Failure::Refused];
    cluster.join(FAR, 2, "bob");
    assert_eq!(cluster.world(FAR).questions().len(), 0);
    assert!(
        cluster.world(NEAR).worker.consumers.is_empty(),
        "what was made is closed"
    );
    cluster.pass(Duration::from_millis(250));
    cluster.deliver_all();
    assert_eq!(cluster.world(FAR).questions().len(), 1);
    cluster.check();
}

#[test]
fn who_cannot_be_reached_is_asked_until_it_can() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join(NEAR, 1, "alice");
    cluster.produce(NEAR, alice);
    let (near, far) = (cluster.key(NEAR), cluster.key(FAR));
    cluster.cut(&near, &far);
    cluster.join(FAR, 2, "bob");
    for _ in 0..5 {
        cluster.pass(Duration::from_secs(4));
        cluster.deliver_all();
    }
    assert_eq!(cluster.world(FAR).questions().len(), 0);
    cluster.heal();
    cluster.pass(Duration::from_secs(4));
    cluster.deliver_all();
    assert_eq!(cluster.world(FAR).questions().len(), 1);
    cluster.check_rest();
}

#[test]
fn a_lost_place_is_not_the_end_of_what_came_in_there() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join(NEAR, 1, "alice");
    let producer = cluster.produce(NEAR, alice);
    let bob = cluster.at(FAR, |world| world.join_at(PlaceId(5), 2, "bob"));
    cluster.deliver_all();
    cluster.at(FAR, |world| world.join(3, "carol"));
    cluster.deliver_all();
    assert_eq!(cluster.world(FAR).questions().len(), 2);
    cluster.at(FAR, |world| {
        world.live.remove(&bob.0);
        world.lose(PlaceId(5));
    });
    cluster.deliver_all();
    let world = cluster.world(FAR);
    assert!(world.worker.producers.contains_key(&producer));
    let questions = world.questions();
    assert_eq!(questions.len(), 1, "Carol gets another consumer");
    cluster.rest();
    cluster.check_rest();
}

#[test]
fn a_node_that_gave_another_one_up_by_itself_serves_it_again() {
    let (mut cluster, _, producer, _) = two();
    let (near, far) = (cluster.key(NEAR), cluster.key(FAR));
    cluster.cut(&near, &far);
    cluster.give_up(&near, &far);
    assert!(cluster.near_ends().is_empty());
    cluster.world(FAR).questions();
    cluster.heal();
    cluster.deliver_all();
    assert_eq!(cluster.near_ends(), [false, false]);
    assert!(cluster.world(FAR).worker.producers.contains_key(&producer));
    cluster.check_rest();
}

#[test]
fn what_is_taken_from_a_part_that_is_gone_is_closed_at_the_one_that_followed_it() {
    let (mut cluster, ..) = two();
    let (near, far) = (cluster.key(NEAR), cluster.key(FAR));
    assert_eq!(cluster.near_ends(), [false, false]);
    // The end of an earlier part of that node is heard when there is another one, which was asked before it was known.
    cluster.give_up(&far, &near);
    cluster.deliver_all();
    assert!(cluster.near_ends().is_empty());
    cluster.rest();
    cluster.check_rest();
}

#[test]
fn messages_travel_as_long_as_somebody_reads_them() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.at(NEAR, |world| {
        world.data = true;
        world.join(1, "alice")
    });
    let chat = clients::write(alice.1, 0, Audience::Everybody);
    cluster.ask(NEAR, alice.0, chat).expect("writes");
    let (bob, _) = cluster.join(FAR, 2, "bob");
    let questions = cluster.world(FAR).data_questions();
    let read: Vec<_> = questions
        .iter()
        .map(|(to, _, it)| (*to, it.peer.clone()))
        .collect();
    assert!(read.contains(&(bob, Some("alice".into()))), "{read:?}");
    let taken = |cluster: &mut Cluster| cluster.world(NEAR).room.feed_readers(PlaceId::FIRST);
    assert_eq!(taken(&mut cluster).len(), 1);
    cluster.at(FAR, |world| world.disconnect(bob));
    cluster.deliver_all();
    assert_eq!(taken(&mut cluster).len(), 0, "at once");
    cluster.check_rest();
}

#[test]
fn what_the_bot_hears_is_said_everywhere() {
    let mut cluster = Cluster::new(2, |_| {});
    let alice = cluster.join(NEAR, 1, "alice");
    cluster.join(FAR, 2, "bob");
    let write = clients::write(alice.1, 0, Audience::Bot);
    cluster.ask(NEAR, alice.0, write).expect("writes");
    let ear = cluster.world(NEAR).room.ears.keys().next().copied();
    let data_consumer = ear.expect("an ear");
    let text = "hello".to_owned();
    cluster.world(FAR).rest();
    cluster.at(NEAR, |world| {
        world.handle(Command::Message {
            data_consumer,
            text,
        });
    });
    cluster.deliver_all();
    let said = cluster.world(FAR).rest();
    let mut said = said.iter();
    assert!(
        said.any(|it| matches!(it, Effect::SendMessage { text, .. } if text.contains("hello")))
    );
}
