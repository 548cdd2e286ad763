//! What is refused, and that it changes nothing.

use super::*;

/// A scene with a piped producer, and what both engines hold.
fn scene() -> (Scene, Pipe) {
    let mut scene = Scene::new();
    let pipe = scene.pipe(1, &vp8(vec![encoding(1000)]));
    (scene, pipe)
}

fn options(remote: u16) -> TrunkOptions {
    let (send_key, receive_key) = keys();
    TrunkOptions {
        remote: address(remote),
        local: None,
        send_key,
        receive_key,
    }
}

fn is_invalid<T>(result: Result<T, EngineError>) -> bool {
    matches!(result.err(), Some(EngineError::Invalid(_)))
}

fn is_conflict<T>(result: Result<T, EngineError>) -> bool {
    matches!(result.err(), Some(EngineError::AlreadyExists(_)))
}

#[test]
fn one_trunk_leads_to_a_worker() {
    let (scene, _) = scene();
    let (mut engine, now) = (scene.near.engine, scene.near.now);
    let before = engine.dump();
    let other = TransportId::from_u128(7);
    assert!(is_conflict(engine.create_trunk(
        now,
        TRUNK,
        &options(12_000)
    )));
    assert!(is_conflict(engine.create_trunk(
        now,
        transport(0),
        &options(12_000)
    )));
    assert!(is_conflict(engine.create_trunk(now, other, &options(FAR))));
    let nowhere = TrunkOptions {
        remote: "[::1]:11000".parse().expect("an address"),
        local: None,
        ..options(FAR)
    };
    assert!(is_invalid(engine.create_trunk(now, other, &nowhere)));
    let mut one_key = options(12_000);
    one_key.receive_key = one_key.send_key.clone();
    assert!(is_invalid(engine.create_trunk(now, other, &one_key)));
    assert_eq!(engine.dump(), before);
    engine
        .create_trunk(now, other, &options(12_000))
        .expect("another worker");
}

#[test]
fn a_trunk_is_no_peer_and_a_peer_no_trunk() {
    let (mut scene, pipe) = scene();
    let now = scene.near.now;
    let dtls = scene.near.peers[0].dtls_parameters();
    let parameters = vp8(vec![encoding(9000)]);
    let (received, sent) = piped(&parameters, &mut TrunkSsrcs::default());
    let id = ProducerId::from_u128(50);
    let consumer = ConsumerId::from_u128(50);
    let engine = &mut scene.near.engine;
    let before = engine.dump();
    assert!(is_invalid(
        engine.connect_webrtc_transport(now, TRUNK, &dtls)
    ));
    assert!(is_invalid(engine.restart_ice(TRUNK)));
    assert!(is_invalid(engine.set_max_incoming_bitrate(TRUNK, Some(1))));
    let limits = plenum_params::transport::OutgoingLimits::default();
    assert!(is_invalid(engine.set_outgoing_limits(now, TRUNK, limits)));
    assert!(is_invalid(engine.produce(TRUNK, id, parameters, false)));
    let receiver = vp8_receiver(5000);
    assert!(is_invalid(engine.consume(
        now,
        TRUNK,
        consumer,
        pipe.producer,
        receiver,
        false
    )));
    assert!(is_invalid(engine.pipe_produce(
        transport(0),
        ROUTER,
        id,
        received,
        false
    )));
    let source = (pipe.producer, 0);
    let sent = sent[0].clone();
    assert!(is_invalid(engine.pipe_consume(
        now,
        transport(0),
        consumer,
        source,
        sent,
        false
    )));
    assert_eq!(engine.dump(), before);
}

#[test]
fn every_stream_of_a_trunk_has_a_number_of_its_own_for_ever() {
    let (mut scene, pipe) = scene();
    let now = scene.near.now;
    let used = piped(&vp8(vec![encoding(1)]), &mut TrunkSsrcs::default());
    let source = (pipe.producer, 0);
    let engine = &mut scene.near.engine;
    let id = ConsumerId::from_u128(50);
    let before = engine.dump();
    let again = engine.pipe_consume(now, TRUNK, id, source, used.1[0].clone(), false);
    assert!(is_conflict(again), "it is there");
    assert_eq!(engine.dump(), before);
    engine.close_consumer(pipe.consumers[0]);
    let again = engine.pipe_consume(now, TRUNK, id, source, used.1[0].clone(), false);
    assert!(is_conflict(again), "its nonces were used");
    let mut half = used.1[0].clone();
    half.ssrc = 77;
    assert!(is_conflict(engine.pipe_consume(
        now,
        TRUNK,
        id,
        source,
        half.clone(),
        false
    )));
    half.rtx_ssrc = Some(77);
    assert!(is_conflict(engine.pipe_consume(
        now,
        TRUNK,
        id,
        source,
        half.clone(),
        false
    )));
    half.rtx_ssrc = Some(78);
    let made = engine.pipe_consume(now, TRUNK, id, source, half, false);
    made.expect("nothing refused has used a number");

    let far = &mut scene.far.engine;
    let other = ProducerId::from_u128(2);
    let again = far.pipe_produce(TRUNK, ROUTER, other, used.0.clone(), false);
    assert!(is_conflict(again));
    far.close_producer(pipe.producer);
    assert!(is_conflict(
        far.pipe_produce(TRUNK, ROUTER, other, used.0, false)
    ));
}

#[test]
fn a_pipe_needs_both_its_ends() {
    let (mut scene, pipe) = scene();
    let now = scene.near.now;
    let mut ssrcs = TrunkSsrcs::default();
    for _ in 0..10 {
        ssrcs.take();
    }
    let (received, sent) = piped(&vp8(vec![encoding(1)]), &mut ssrcs);
    let id = ConsumerId::from_u128(50);
    let before = (scene.near.engine.dump(), scene.far.engine.dump());
    let engine = &mut scene.near.engine;
    let mut consume = |producer, stream, parameters| {
        engine.pipe_consume(now, TRUNK, id, (producer, stream), parameters, false)
    };
    assert!(is_invalid(consume(pipe.producer, 1, sent[0].clone())));
    let nobody = ProducerId::from_u128(99);
    assert_eq!(
        consume(nobody, 0, sent[0].clone()),
        Err(EngineError::ProducerNotFound(nobody))
    );
    let mut bare = sent[0].clone();
    bare.codecs.clear();
    assert!(is_invalid(consume(pipe.producer, 0, bare)));

    let far = &mut scene.far.engine;
    let back = far.pipe_consume(now, TRUNK, id, (pipe.producer, 0), sent[0].clone(), false);
    assert!(is_invalid(back), "it would come back to where it is from");
    let (nowhere, other) = (RouterId::from_u128(99), ProducerId::from_u128(2));
    assert_eq!(
        far.pipe_produce(TRUNK, nowhere, other, received.clone(), false),
        Err(EngineError::RouterNotFound(nowhere))
    );
    assert!(is_conflict(far.pipe_produce(
        TRUNK,
        ROUTER,
        pipe.producer,
        received.clone(),
        false
    )));
    let mut unknown = received;
    unknown.encodings[0].ssrc = None;
    assert!(is_invalid(
        far.pipe_produce(TRUNK, ROUTER, other, unknown, false)
    ));
    assert_eq!((scene.near.engine.dump(), scene.far.engine.dump()), before);
}

#[test]
fn only_the_router_that_it_was_piped_to_has_the_producer() {
    let (mut scene, pipe) = scene();
    let (now, other) = (scene.far.now, RouterId::from_u128(2));
    scene.far.engine.create_router(other).expect("it is new");
    let elsewhere = TransportId::from_u128(40);
    let options = plenum_params::transport::WebRtcTransportOptions::default();
    let engine = &mut scene.far.engine;
    let made = engine.create_webrtc_transport(now, other, elsewhere, &options);
    made.expect("the router is there");
    let id = ConsumerId::from_u128(50);
    let receiver = vp8_receiver(5000);
    assert!(is_invalid(engine.consume(
        now,
        elsewhere,
        id,
        pipe.producer,
        receiver,
        false
    )));
}

#[test]
fn the_counters_of_a_trunk_say_what_it_carries() {
    let (mut scene, pipe) = scene();
    scene.near.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
    scene.watch(20, pipe.producer, 5000);
    scene.send(1000, 0..20);
    let near = scene.near.engine.transport_stats(scene.near.now, TRUNK);
    let near = near.expect("it is there");
    let far = scene.far.engine.transport_stats(scene.far.now, TRUNK);
    let far = far.expect("it is there");
    assert_eq!(near.sent.packets, 20);
    assert_eq!(far.received.packets, 20);
    assert_eq!((near.discarded, far.discarded), (0, 0));
    assert_eq!(near.srtp_profile.as_deref(), Some("AEAD_AES_256_GCM"));
    let tuple = near.selected_tuple.expect("it has a path");
    assert_eq!((tuple.local, tuple.remote), (address(NEAR), address(FAR)));
    assert_eq!(near.available_outgoing_bitrate, None);
    assert_eq!(scene.received(), 20);
}
