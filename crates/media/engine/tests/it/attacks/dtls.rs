//! Handshakes of strangers, of impostors, and of those who never finish.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use plenum_dtls::Certificate;
use plenum_ids::TransportId;
use plenum_params::{
    event::Event,
    transport::{DtlsFingerprint, DtlsState, WebRtcTransportOptions},
};
use plenum_testkit::peer::SendStream;

use super::{
    Call, check, client_hello, dtls_states, ice_states, impossible_client_hello, packet, stranger,
};
use crate::world::{ROUTER, World, encoding, transport, vp8, vp8_receiver};

#[test]
fn a_strangers_client_hello_is_not_read_before_nor_after_the_real_one() {
    for hello in [client_hello, impossible_client_hello] {
        let mut world = World::new();
        let peer = world.add_peer();
        world.connect(peer);
        let hello = hello(&world);
        // Nor one with the peer's address on it, as long as no check has come from there.
        let first = world.peers[peer].address;
        world.deliver(&mut [(first, hello.clone()), (stranger(0), hello.clone())]);
        assert_eq!(world.engine.stats().datagrams_discarded, 2);
        for step in 0..1000 {
            world.step();
            world.deliver(&mut [(stranger(step), hello.clone())]);
        }
        assert!(world.peers[peer].is_connected());
        let states = dtls_states(&world, peer);
        assert_eq!(states, [DtlsState::Connecting, DtlsState::Connected]);
        assert_eq!(world.elsewhere, [], "strangers hear nothing");
        assert_eq!(world.engine.footprint().addresses, 1);
    }
}

#[test]
fn a_strangers_client_hello_does_not_reach_a_running_call() {
    let mut call = Call::new();
    let hellos = [
        client_hello(&call.world),
        impossible_client_hello(&call.world),
    ];
    for number in 0..100 {
        let mut batch = hellos.clone().map(|hello| (stranger(number), hello));
        call.world.deliver(&mut batch);
        call.talk(1);
    }
    assert_eq!(call.world.elsewhere, []);
    call.assert_unharmed();
}

#[test]
fn a_second_client_hello_from_the_peers_own_address_does_not_end_the_call() {
    let mut call = Call::new();
    let from = call.world.peers[super::SENDER].address;
    for hello in [
        client_hello(&call.world),
        impossible_client_hello(&call.world),
    ] {
        call.world.deliver(&mut [(from, hello)]);
        call.talk(1);
    }
    call.assert_unharmed();
}

#[test]
fn plaintext_alerts_from_the_peers_own_address_do_not_end_the_call() {
    let mut call = Call::new();
    let from = call.world.peers[super::SENDER].address;
    // Fatal handshake_failure, and close_notify, in epochs 0 and 1.
    for (epoch, alert) in [(0, [2, 40]), (0, [1, 0]), (1, [2, 40]), (1, [1, 0])] {
        for sequence in 0..20 {
            let mut record = vec![21, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, sequence, 0, 2];
            record.extend(alert);
            call.world.deliver(&mut [(from, record)]);
        }
        call.talk(1);
    }
    call.assert_unharmed();
}

#[test]
fn a_wrong_fingerprint_fails_the_transport_and_carries_no_media() {
    let mut call = Call::new();
    let impostor = call.world.add_peer();
    let mut parameters = call.world.peers[impostor].dtls_parameters();
    let other = Certificate::generate().expect("key generation works");
    parameters.fingerprints = vec![DtlsFingerprint {
        algorithm: other.fingerprint().algorithm.name().into(),
        value: other.fingerprint().to_string(),
    }];
    let connected = call.world.engine.connect_webrtc_transport(
        call.world.now,
        transport(impostor),
        &parameters,
    );
    assert_eq!(connected, Ok(()));
    let producer = call.world.produce(impostor, 30, vp8(vec![encoding(7000)]));
    call.world.consume(
        impostor,
        40,
        plenum_ids::ProducerId::from_u128(10),
        vp8_receiver(8000),
    );
    call.world.peers[impostor].add_sender(SendStream::new(7000, Some((7001, 97))));
    let failed = call.world.run_until(Duration::from_secs(5), |world| {
        dtls_states(world, impostor).contains(&DtlsState::Failed)
    });
    assert!(failed);
    // The impostor's side of the handshake may well be through: it tries to talk.
    for number in 0..50 {
        let mut packet = packet(number);
        packet.ssrc = 7000;
        call.world.peers[impostor].send_rtp(&packet.write());
        call.talk(1);
    }
    let stats = call.world.engine.producer_stats(call.world.now, producer);
    assert_eq!(stats.map(|stats| stats.len()), Ok(0), "no stream was seen");
    assert_eq!(call.world.received(impostor).len(), 0);
    assert_eq!(call.world.peers[impostor].failures, 0, "nor anything sent");
    assert_eq!(call.world.peers[impostor].rtcp_seen, HashMap::new());
    let states = dtls_states(&call.world, impostor);
    assert_eq!(states, [DtlsState::Connecting, DtlsState::Failed]);
    call.assert_unharmed();
}

/// Transports whose handshake never goes on after the client's hello.
const HALF_OPEN: u16 = 1000;

#[test]
fn a_thousand_half_open_handshakes_are_bounded_and_end_by_themselves() {
    let mut call = Call::new();
    let before = call.world.engine.footprint();
    let hello = client_hello(&call.world);
    let parameters = call.world.peers[super::SENDER].dtls_parameters();
    let mut checks = Vec::new();
    for number in 0..HALF_OPEN {
        let id = half_open(number);
        let options = WebRtcTransportOptions::default();
        let created =
            call.world
                .engine
                .create_webrtc_transport(call.world.now, ROUTER, id, &options);
        let info = created.expect("the router exists");
        let connected = call
            .world
            .engine
            .connect_webrtc_transport(call.world.now, id, &parameters);
        assert_eq!(connected, Ok(()));
        checks.push((stranger(number), check(&info.ice_parameters, true)));
        let mut batch = [
            checks[usize::from(number)].clone(),
            (stranger(number), hello.clone()),
        ];
        call.world.deliver(&mut batch);
    }
    let during = call.world.engine.footprint();
    let half_open_now = during.dtls_endpoints - before.dtls_endpoints;
    assert_eq!(half_open_now, usize::from(HALF_OPEN));
    // Consent goes on, and so do repeated hellos: neither keeps a handshake alive.
    let mut answers: HashMap<SocketAddr, usize> = HashMap::new();
    for round in 0..650 {
        if round % 100 == 0 {
            let hellos = checks.iter().map(|(from, _)| (*from, hello.clone()));
            let mut hellos: Vec<_> = hellos.collect();
            call.world.deliver(&mut checks.clone());
            call.world.deliver(&mut hellos);
        }
        call.world.now += Duration::from_millis(49);
        call.say();
        call.world.step();
        for (to, bytes) in call.world.elsewhere.drain(..) {
            *answers.entry(to).or_default() += bytes.len();
        }
        call.received();
        let now = call.world.engine.footprint();
        assert!(now.dtls_endpoints <= during.dtls_endpoints);
        assert!(now.timers <= 8 * usize::from(HALF_OPEN), "{now:?}");
    }
    let after = call.world.engine.footprint();
    assert_eq!(after.dtls_endpoints, before.dtls_endpoints, "all gave up");
    let failed = call.world.events.iter().filter(|event| {
        let Event::DtlsState { transport, state } = event else {
            return false;
        };
        *state == DtlsState::Failed && *transport >= half_open(0)
    });
    assert_eq!(failed.count(), usize::from(HALF_OPEN), "each with an event");
    let most = answers.values().max().copied().unwrap_or(0);
    assert!(most < 64 * 1024, "a flight and its repetitions: {most}");
    assert_eq!(
        dtls_states(&call.world, super::SENDER).last(),
        Some(&DtlsState::Connected)
    );
    assert!(!ice_states(&call.world, super::RECEIVER).is_empty());
    call.assert_unharmed();
}

fn half_open(number: u16) -> TransportId {
    TransportId::from_u128(0x1_0000 + u128::from(number))
}
