//! Who can be heard, and who has the floor.

use super::*;

/// Somebody with a voice, who hears everything if `volumes`.
fn join(
    world: &mut World,
    place: PlaceId,
    (session, peer): (u64, &str),
    wants_volumes: bool,
) -> (SessionId, ProducerId) {
    let session = world.connect_at(place, session, peer);
    let transport = world.transport(session, false);
    let mut request = clients::join(peer);
    if let PeerRequest::Join { volumes, .. } = &mut request {
        *volumes = wants_volumes;
    }
    world.ask(session, request).expect("joins");
    match world.ask(session, clients::speak(transport)) {
        Ok(PeerReply::Produced { producer }) => (session, producer),
        other => panic!("not a producer: {other:?}"),
    }
}

/// Alice at the first place, who asked for volumes; Bob there too, who did not; Carl elsewhere.
fn three() -> (World, [(SessionId, ProducerId); 3]) {
    let mut world = World::new();
    let alice = join(&mut world, PlaceId::FIRST, (1, "alice"), true);
    let bob = join(&mut world, PlaceId::FIRST, (2, "bob"), false);
    let carl = join(&mut world, PlaceId(1), (3, "carl"), true);
    world.rest();
    (world, [alice, bob, carl])
}

fn hear(world: &mut World, place: PlaceId, volumes: &[(ProducerId, i8)]) {
    let ([observer, _], _) = world.room.speakers.voices_at(place).expect("voices");
    let event = match volumes {
        [] => Event::Silence { observer },
        _ => Event::Volumes {
            observer,
            volumes: volumes.to_vec(),
        },
    };
    world.handle(Command::MediaEvent { place, event });
}

fn dominant(world: &mut World, place: PlaceId, producer: ProducerId) {
    let ([_, observer], _) = world.room.speakers.voices_at(place).expect("voices");
    let event = Event::DominantSpeaker { observer, producer };
    world.handle(Command::MediaEvent { place, event });
}

fn volumes(all: &[(&str, i8)]) -> PeerEvent {
    let all = all
        .iter()
        .map(|(peer, volume)| (PeerId::from(*peer), *volume));
    PeerEvent::Volumes {
        volumes: all.collect(),
    }
}

fn loudest(speaker: Option<(&str, i8)>) -> PeerEvent {
    PeerEvent::Loudest {
        speaker: speaker.map(|(peer, volume)| (peer.into(), volume)),
    }
}

fn floor(peer: Option<&str>) -> PeerEvent {
    PeerEvent::DominantSpeaker {
        peer: peer.map(PeerId::from),
    }
}

#[test]
fn volumes_of_all_places_are_told_together_once_in_an_interval() {
    let (mut world, [alice, bob, carl]) = three();
    hear(&mut world, PlaceId::FIRST, &[(bob.1, -30), (alice.1, -50)]);
    assert_eq!(
        world.events(alice.0),
        [volumes(&[("bob", -30), ("alice", -50)])]
    );
    assert_eq!(world.events(bob.0), [loudest(Some(("bob", -30)))]);
    world.rest();
    // The first place reports again in its turn; until then the other one's news wait.
    hear(&mut world, PlaceId(1), &[(carl.1, -40)]);
    assert_eq!(world.rest(), []);
    hear(&mut world, PlaceId::FIRST, &[(bob.1, -31)]);
    assert_eq!(
        world.events(carl.0),
        [volumes(&[("bob", -31), ("carl", -40)])]
    );
    // Of the loudest alone it is told half as often.
    assert_eq!(world.events(bob.0), []);
    hear(&mut world, PlaceId::FIRST, &[(bob.1, -32)]);
    assert_eq!(world.events(bob.0), [loudest(Some(("bob", -32)))]);
    world.rest();
    // Now the other place is the first one that hears anybody.
    hear(&mut world, PlaceId::FIRST, &[]);
    assert_eq!(world.rest(), []);
    hear(&mut world, PlaceId(1), &[(carl.1, -41)]);
    assert_eq!(world.events(alice.0), [volumes(&[("carl", -41)])]);
    hear(&mut world, PlaceId(1), &[]);
    assert_eq!(world.events(alice.0), [volumes(&[])]);
    assert_eq!(
        world.events(bob.0),
        [loudest(Some(("carl", -41))), loudest(None)]
    );
    world.rest();
    hear(&mut world, PlaceId(1), &[]);
    assert_eq!(world.rest(), [], "silence is told once");
}

#[test]
fn who_is_alone_is_told_nothing() {
    let mut world = World::new();
    let alice = join(&mut world, PlaceId::FIRST, (1, "alice"), true);
    world.rest();
    hear(&mut world, PlaceId::FIRST, &[(alice.1, -20)]);
    assert_eq!(world.rest(), []);
    join(&mut world, PlaceId::FIRST, (2, "bob"), false);
    world.rest();
    hear(&mut world, PlaceId::FIRST, &[(alice.1, -20)]);
    assert_eq!(world.events(alice.0), [volumes(&[("alice", -20)])]);
    world.disconnect(SessionId(2));
    world.rest();
    hear(&mut world, PlaceId::FIRST, &[(alice.1, -20)]);
    assert_eq!(world.events(alice.0), [volumes(&[])], "it must not stay");
    hear(&mut world, PlaceId::FIRST, &[(alice.1, -20)]);
    assert_eq!(world.rest(), []);
}

#[test]
fn in_a_large_room_only_who_can_be_heard_is_told() {
    let mut world = World::with(|config| config.announce_up_to = 1);
    let alice = join(&mut world, PlaceId::FIRST, (1, "alice"), true);
    let bob = join(&mut world, PlaceId::FIRST, (2, "bob"), false);
    world.rest();
    let both = |a, b| [(alice.1, a), (bob.1, b)];
    hear(&mut world, PlaceId::FIRST, &both(-20, -30));
    assert_eq!(world.rest().len(), 2);
    hear(&mut world, PlaceId::FIRST, &both(-22, -28));
    assert_eq!(world.rest(), []);
    hear(&mut world, PlaceId::FIRST, &both(-28, -22));
    assert_eq!(world.events(bob.0), [loudest(Some(("bob", -22)))]);
    assert_eq!(world.rest(), [], "the same can be heard");
    hear(&mut world, PlaceId::FIRST, &[(bob.1, -22)]);
    assert_eq!(world.events(alice.0), [volumes(&[("bob", -22)])]);
    assert_eq!(world.rest(), []);
}

#[test]
fn the_floor_changes_within_a_place_at_once_and_between_places_by_loudness() {
    let (mut world, [alice, bob, carl]) = three();
    dominant(&mut world, PlaceId::FIRST, alice.1);
    assert_eq!(world.events(alice.0), [floor(Some("alice"))]);
    assert_eq!(world.events(bob.0), [], "did not ask for it");
    dominant(&mut world, PlaceId::FIRST, bob.1);
    assert_eq!(world.events(alice.0), [floor(Some("bob"))]);

    hear(&mut world, PlaceId::FIRST, &[(bob.1, -30)]);
    hear(&mut world, PlaceId(1), &[(carl.1, -25)]);
    dominant(&mut world, PlaceId(1), carl.1);
    world.rest();
    hear(&mut world, PlaceId(1), &[(carl.1, -25)]);
    assert_eq!(world.rest(), [], "not clearly louder");
    hear(&mut world, PlaceId(1), &[(carl.1, -24)]);
    assert_eq!(world.events(alice.0), [floor(Some("carl"))]);
    hear(&mut world, PlaceId(1), &[]);
    assert_eq!(world.events(alice.0), [floor(Some("bob"))]);
    world.rest();
    hear(&mut world, PlaceId::FIRST, &[]);
    let told = world.events(alice.0);
    assert!(
        !told.contains(&floor(None)),
        "silence changes nothing: {told:?}"
    );

    let late = join(&mut world, PlaceId(1), (4, "late"), true);
    assert!(world.events(late.0).contains(&floor(Some("bob"))));
    world.disconnect(bob.0);
    assert!(world.events(alice.0).contains(&floor(Some("carl"))));
}

#[test]
fn observers_are_there_as_long_as_a_voice_is() {
    let (mut world, [alice, bob, _]) = three();
    assert_eq!(world.worker.observers.len(), 2);
    let screen = world.transport(alice.0, false);
    let mut sound = clients::speak(screen);
    if let PeerRequest::Produce { voice, .. } = &mut sound {
        *voice = false;
    }
    world.ask(alice.0, sound).expect("produces");
    let watched = world.worker.observers.values().next().expect("one");
    assert_eq!(watched.producers, BTreeSet::from([alice.1, bob.1]));
    world.disconnect(bob.0);
    assert_eq!(world.worker.observers.len(), 2);
    let request = PeerRequest::CloseProducer { producer: alice.1 };
    world.ask(alice.0, request).expect("closes");
    assert!(world.worker.observers.is_empty());
}
