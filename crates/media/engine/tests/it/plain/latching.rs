//! Whom packets are taken from.

use plenum_ice::controlling::BindingRequest;
use plenum_testkit::peer::ReceiveStream;

use super::*;
use crate::layers::stage::MS;

#[test]
fn with_comedia_the_first_packet_says_where_the_other_side_is_and_no_later_one_does() {
    let mut scene = Scene::producing(comedia());
    assert_eq!(
        (scene.info.local, scene.info.remote),
        (address(40_000), None)
    );
    // What is neither RTP nor RTCP is nobody.
    scene.arrive(THERE + 9, vec![0x80; 5]);
    scene.arrive(THERE + 9, b"hello".to_vec());
    assert_eq!((scene.found(), scene.discarded()), (vec![], 2));
    for number in 0..3 {
        scene.arrive(THERE, picture(number));
        scene.arrive(THERE + 1, picture(100 + number));
    }
    assert_eq!(scene.found(), [(address(THERE), false)]);
    assert_eq!((scene.taken(), scene.discarded()), (3, 5));
    // What is sent goes there, too.
    scene.world.run(MS * 1100);
    assert!(!scene.sent_to(THERE).is_empty());
    assert!(scene.world.elsewhere.is_empty());
}

#[test]
fn who_only_receives_shows_where_by_any_packet() {
    for first in [picture(1), receiver_report()] {
        let mut scene = Scene::new(comedia());
        scene.arrive(THERE, first);
        assert_eq!(scene.found(), [(address(THERE), false)]);
    }
    // RTCP that is cut off is nobody's.
    let mut scene = Scene::new(comedia());
    let mut report = receiver_report();
    report.truncate(6);
    scene.arrive(THERE, report);
    assert_eq!(scene.found(), []);
}

#[test]
fn rtcp_with_a_port_of_its_own_is_found_by_itself() {
    let mut scene = Scene::producing(PlainTransportOptions {
        rtcp_mux: false,
        ..comedia()
    });
    assert_eq!(scene.info.rtcp_local, Some(address(40_001)));
    let [rtp, rtcp] = scene.sockets;
    // Each in the other's place says nothing.
    scene.deliver(rtcp, THERE, picture(0));
    scene.deliver(rtp, THERE, receiver_report());
    assert_eq!(scene.found(), []);
    scene.deliver(rtp, THERE, picture(1));
    scene.world.run(MS * 1100);
    assert!(
        scene.world.elsewhere.is_empty(),
        "nobody knows where RTCP goes"
    );
    scene.deliver(rtcp, THERE + 5, receiver_report());
    scene.deliver(rtcp, THERE + 6, receiver_report());
    let found = [(address(THERE), false), (address(THERE + 5), true)];
    assert_eq!(scene.found(), found);
    scene.world.run(MS * 1100);
    assert!(!scene.sent_to(THERE + 5).is_empty());
    assert!(scene.world.elsewhere.is_empty());
}

#[test]
fn without_comedia_packets_come_from_where_connect_said() {
    let mut scene = Scene::producing(PlainTransportOptions::default());
    scene.arrive(THERE, picture(0));
    assert_eq!((scene.taken(), scene.discarded()), (0, 1));
    let info = scene.connect(remote(THERE, None), None);
    assert_eq!(info.map(|info| info.remote), Ok(Some(address(THERE))));
    for number in 1..4 {
        scene.arrive(THERE, picture(number));
        scene.arrive(THERE + 1, picture(100 + number));
    }
    assert_eq!((scene.taken(), scene.discarded()), (3, 4));
    assert_eq!(scene.found(), [], "the node knows");
    assert_eq!(
        scene.connect(remote(THERE + 1, None), None),
        Err(EngineError::AlreadyConnected(PLAIN))
    );
}

#[test]
fn an_address_is_given_when_it_is_needed_and_can_be_sent_to() {
    fn is_refused(options: PlainTransportOptions, remote: impl Into<Option<PlainRemote>>) -> bool {
        let mut scene = Scene::new(options);
        let refused = scene.connect(remote, None);
        matches!(refused, Err(EngineError::Invalid(_)))
    }
    let muxed = PlainTransportOptions::default();
    let apart = PlainTransportOptions {
        rtcp_mux: false,
        ..muxed
    };
    assert!(is_refused(muxed, None));
    assert!(is_refused(muxed, remote(THERE, Some(THERE + 1))));
    assert!(is_refused(muxed, remote(0, None)));
    assert!(is_refused(apart, remote(THERE, None)));
    assert!(!is_refused(apart, remote(THERE, Some(THERE + 1))));
    assert!(is_refused(comedia(), remote(THERE, None)));
    assert!(!is_refused(comedia(), None));
    for unreachable in ["[::1]:9", "0.0.0.0:9"] {
        let rtp = unreachable.parse().expect("an address");
        assert!(is_refused(muxed, PlainRemote { rtp, rtcp: None }));
    }
}

#[test]
fn sockets_are_of_one_transport_and_free_when_it_is_closed() {
    let mut scene = Scene::producing(comedia());
    let other = TransportId::from_u128(1001);
    let [socket, _] = scene.sockets;
    for own in [&[socket][..], &[0], &[], &[socket + 1]] {
        let made = scene.world.engine.create_plain_transport(
            scene.world.now,
            ROUTER,
            other,
            &comedia(),
            own,
        );
        assert!(matches!(made, Err(EngineError::Invalid(_))), "{own:?}");
    }
    scene.arrive(THERE, picture(0));
    let engine = &mut scene.world.engine;
    engine.close_transport(scene.world.now, PLAIN);
    assert_eq!(engine.poll_released_socket(), Some(socket));
    assert_eq!(engine.poll_released_socket(), None);
    let footprint = engine.footprint();
    assert_eq!((footprint.ssrcs, footprint.addresses), (0, 0));
    assert_eq!(engine.dump().orphans, 0);
    scene.arrive(THERE + 1, picture(1));
    assert_eq!(scene.found(), [(address(THERE), false)]);
}

#[test]
fn a_check_with_the_right_password_opens_no_plain_transport() {
    let mut scene = Scene::producing(comedia());
    let peer = scene.world.add_peer();
    let ice = scene.world.infos[peer].ice_parameters.clone();
    let request = BindingRequest {
        remote_username_fragment: &ice.username_fragment,
        local_username_fragment: "peer",
        transaction_id: [1; 12],
        priority: 1,
        tie_breaker: 1,
        use_candidate: true,
        nomination: None,
    };
    let mut buffer = [0; 256];
    let len = request.write(&ice.password, &mut buffer);
    scene.arrive(THERE, buffer[..len.expect("there is room")].to_vec());
    assert!(scene.world.elsewhere.is_empty(), "no answer");
    scene.arrive(THERE + 1, picture(0));
    assert_eq!(scene.found(), [(address(THERE + 1), false)]);
}

#[test]
fn a_sender_that_was_started_again_with_its_ssrc_is_heard() {
    let mut scene = Scene::producing(PlainTransportOptions::default());
    scene
        .connect(remote(THERE, None), None)
        .expect("first connect");
    let viewer = scene.world.add_connected_peer();
    let receiver = ReceiveStream::new(5000, Some(5001), 101);
    scene.world.peers[viewer].add_receiver(receiver);
    scene
        .world
        .consume(viewer, 20, PRODUCER, vp8_receiver(5000));
    let mut send = |numbers: std::ops::Range<u16>| {
        let mut received = 0;
        for number in numbers {
            scene.arrive(THERE, picture(number));
            scene.world.run(20 * MS);
            received += scene.world.received(viewer).len();
        }
        received
    };
    assert_eq!(send(20_000..20_050), 50);
    // One that is late by so much is nothing.
    assert_eq!(send(7..8) + send(20_050..20_060), 10);
    assert_eq!(send(100..150), 49, "all but the first");
    assert_eq!(send(60_000..60_001) + send(150..160), 10);
}
