//! Subscriptions, and consumers in batches.

use super::*;

fn subscriber(peer: &str) -> Admission {
    Admission {
        batch: true,
        ..Admission::new(peer.into())
    }
}

/// Takes all questions about batches out of the effects.
fn batches(world: &mut World, to: SessionId) -> Vec<(AskId, Vec<NewConsumer>)> {
    let mut batches = Vec::new();
    world.effects.retain(|effect| match effect {
        Effect::AskClient {
            session,
            ask,
            body: ClientRequest::NewConsumers(consumers, _),
        } if *session == to => {
            batches.push((*ask, consumers.clone()));
            false
        }
        _ => true,
    });
    batches
}

/// Whose video somebody gets, by name.
fn seen(world: &World, session: SessionId) -> BTreeSet<String> {
    let consumers = world.room.consumers.values();
    let own = consumers.filter(|it| it.session == session);
    let producers = own.map(|it| &world.room.producers[&it.producer]);
    let video = producers.filter(|it| it.kind == MediaKind::Video);
    let owners = video.map(|it| world.room.sessions[&it.session].id.to_string());
    owners.collect()
}

fn speaks(world: &mut World, producer: ProducerId) {
    let stage = world.room.speakers.voices_at(PlaceId::FIRST);
    let ([_, observer], _) = stage.expect("somebody has a voice");
    world.event(Event::DominantSpeaker { observer, producer });
    world.run_worker();
}

#[test]
fn what_a_join_brings_is_asked_about_at_once() {
    let mut world = World::with_data(|_| {});
    for (number, peer) in [(1, "alice"), (2, "bob")] {
        let joined = world.join(number, peer);
        world.produce(joined);
        world
            .ask(joined.0, clients::speak(joined.1))
            .expect("speaks");
        let chat = clients::write(joined.1, 0, Audience::Everybody);
        world.ask(joined.0, chat).expect("writes");
    }
    let join = clients::join_featured("Carol", Subscription::All);
    let (carol, _) = world.join_as(3, subscriber("carol"), join);
    let told: Vec<_> = world
        .rest()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::AskClient { session, ask, body } if session == carol => Some((ask, body)),
            _ => None,
        })
        .collect();
    let [(ask, ClientRequest::NewConsumers(consumers, data))] = &told[..] else {
        panic!("not one question: {told:?}");
    };
    assert_eq!((consumers.len(), data.len()), (4, 3));
    // Its transport has no connection yet: they are there when it stands.
    let all = |world: &World, paused| {
        let mut sinks = consumers.iter();
        sinks.all(|it| world.worker.consumers[&it.consumer].paused == paused)
    };
    assert!(all(&world, false));
    world.handle(Command::ClientAnswer {
        ask: *ask,
        accepted: false,
    });
    assert!(all(&world, true));
    // Those of the other two, and this one, to which a late yes may come.
    assert_eq!(world.room.dump().pending_client_requests, 2 * 4 + 1);
}

#[test]
fn a_batch_waits_for_the_answer_on_a_connection_that_stands() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let join = clients::join_featured("Bob", Subscription::All);
    let (bob, _) = world.join_as(2, subscriber("bob"), join);
    for transport in world.room.dump().transports {
        world.event(Event::DtlsState {
            transport,
            state: DtlsState::Connected,
        });
    }
    world.produce(alice);
    let (ask, consumers) = batches(&mut world, bob).remove(0);
    let consumer = consumers[0].consumer;
    assert!(world.worker.consumers[&consumer].paused);
    world.accept(ask);
    assert!(!world.worker.consumers[&consumer].paused);
}

#[test]
fn what_comes_while_a_client_connects_waits_for_its_answer() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let join = clients::join_featured("Bob", Subscription::All);
    let (bob, _) = world.join_as(2, subscriber("bob"), join);
    let first = batches(&mut world, bob).remove(0).1[0].consumer;
    assert!(!world.worker.consumers[&first].paused, "it connects for it");
    world
        .ask(alice.0, clients::speak(alice.1))
        .expect("a second one");
    let (ask, second) = batches(&mut world, bob).remove(0);
    assert!(world.worker.consumers[&second[0].consumer].paused);
    world.accept(ask);
    world.run_worker();
    assert!(!world.worker.consumers[&second[0].consumer].paused);
    // Nor does it begin anew when the first one is gone.
    let close = PeerRequest::CloseProducer { producer };
    world.ask(alice.0, close).expect("its own");
    world.produce(alice);
    let (_, third) = batches(&mut world, bob).remove(0);
    assert!(world.worker.consumers[&third[0].consumer].paused);
}

#[test]
fn who_was_too_slow_for_what_runs_already_gets_it_with_a_late_yes() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.produce(alice);
    let join = clients::join_featured("Bob", Subscription::All);
    let (bob, _) = world.join_as(2, subscriber("bob"), join);
    let (ask, consumers) = batches(&mut world, bob).remove(0);
    let consumer = consumers[0].consumer;
    for (accepted, paused) in [(false, true), (true, false)] {
        world.handle(Command::ClientAnswer { ask, accepted });
        world.run_worker();
        assert_eq!(world.worker.consumers[&consumer].paused, paused);
    }
}

#[test]
fn a_batch_does_not_wait_for_what_is_gone() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let carol = world.join(2, "carol");
    world.produce(alice);
    world.produce(carol);
    let session = world.connect_as(PlaceId::FIRST, 3, subscriber("bob"));
    world.transport(session, true);
    let join = clients::join_featured("Bob", Subscription::All);
    world.send(session, join);
    world.disconnect(alice.0);
    world.run_worker();
    let batches = batches(&mut world, session);
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].1.len(), 1);
    // A question goes with the last thing that it is about.
    world.disconnect(carol.0);
    assert_eq!(world.room.dump().pending_client_requests, 0);
}

#[test]
fn a_subscription_opens_and_closes_consumers() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    world.produce(alice);
    world.ask(alice.0, clients::speak(alice.1)).expect("speaks");
    let join = clients::join_featured("Bob", Subscription::Audio);
    let (bob, _) = world.join_as(2, Admission::new("bob".into()), join);
    let count = |world: &mut World, subscription| {
        let body = PeerRequest::Subscribe { subscription };
        assert_eq!(world.ask(bob, body), Ok(PeerReply::Done));
        world.run_worker();
        world.worker.consumers.len()
    };
    assert_eq!(world.worker.consumers.len(), 1);
    assert_eq!(count(&mut world, Subscription::All), 2);
    for (_, ask, _) in world.questions() {
        world.accept(ask);
    }
    world.events(bob);
    assert_eq!(count(&mut world, Subscription::None), 0);
    let closed = world.events(bob);
    assert_eq!(closed.len(), 2, "{closed:?}");
    assert_eq!(count(&mut world, Subscription::Audio), 1);
}

#[test]
fn what_was_chosen_is_left_alone_by_subscriptions() {
    let mut world = World::new();
    let alice = world.join(1, "alice");
    let producer = world.produce(alice);
    let join = clients::join_featured("Bob", Subscription::Manual);
    let (bob, _) = world.join_as(2, Admission::new("bob".into()), join);
    world.ask(bob, clients::consume(producer)).expect("chooses");
    for subscription in [Subscription::None, Subscription::All] {
        let body = PeerRequest::Subscribe { subscription };
        world.ask(bob, body).expect("subscribes");
        assert_eq!(world.worker.consumers.len(), 1);
    }
}

#[test]
fn who_sees_two_sees_those_who_spoke_last() {
    let mut world = World::new();
    let mut voices = BTreeMap::new();
    for (number, peer) in [(1, "ada"), (2, "bob"), (3, "cyd"), (4, "dan")] {
        let joined = world.join(number, peer);
        world.ask(joined.0, clients::film(joined.1)).expect("films");
        let Ok(PeerReply::Produced { producer }) = world.ask(joined.0, clients::speak(joined.1))
        else {
            panic!("speaks");
        };
        voices.insert(peer, producer);
    }
    let join = clients::join_featured("Eve", Subscription::Speakers(2));
    let (eve, _) = world.join_as(5, Admission::new("eve".into()), join);
    let names = |names: [&str; 2]| BTreeSet::from(names.map(str::to_owned));
    assert_eq!(seen(&world, eve), names(["ada", "bob"]), "the oldest");
    speaks(&mut world, voices["dan"]);
    assert_eq!(seen(&world, eve), names(["dan", "ada"]));
    speaks(&mut world, voices["cyd"]);
    assert_eq!(seen(&world, eve), names(["cyd", "dan"]));
    speaks(&mut world, voices["dan"]);
    assert_eq!(seen(&world, eve), names(["cyd", "dan"]));
    let audio = |world: &World| {
        let consumers = world.room.consumers.values();
        consumers.filter(|it| it.session == eve).count() - 2
    };
    assert_eq!(audio(&world), 4, "everybody is heard");
    // Whose camera goes makes room for the next.
    world.disconnect(SessionId(3));
    world.run_worker();
    assert_eq!(seen(&world, eve), names(["dan", "ada"]));
    // A screen is seen, whoever speaks.
    let (session, transport) = world.join(6, "fay");
    world.produce((session, transport));
    assert!(seen(&world, eve).contains("fay"));
}
