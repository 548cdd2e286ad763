//! Where media goes: consent, new addresses, and addresses of others.

use std::time::Duration;

use plenum_params::transport::{DtlsState, IceState, WebRtcTransportOptions};
use plenum_rtp::NtpTime;

use super::{Call, RECEIVER, SENDER, check, ice_states, packet, state_events, stranger};
use crate::world::{ROUTER, STEP, transport};

/// As configured in [`crate::world::World`].
const CONSENT_TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn without_consent_nothing_is_sent_and_the_address_is_forgotten() {
    let mut call = Call::new();
    report(&mut call);
    call.received();
    let silent_since = call.world.now;
    call.world.peers[RECEIVER].fall_silent();
    call.world.events.clear();
    let lost = call.world.run_until(2 * CONSENT_TIMEOUT, |world| {
        ice_states(world, RECEIVER).contains(&IceState::Disconnected)
    });
    assert!(lost);
    assert!(call.world.now - silent_since <= CONSENT_TIMEOUT + STEP);
    assert_eq!(call.world.engine.footprint().addresses, 1, "the sender's");
    let stats = call
        .world
        .engine
        .transport_stats(call.world.now, transport(RECEIVER))
        .expect("exists");
    assert_eq!(stats.ice_state, IceState::Disconnected);
    assert_eq!(stats.selected_tuple, None);

    call.received();
    let (arrived, heard) = (
        call.received.len(),
        call.world.peers[RECEIVER].rtcp_seen.clone(),
    );
    call.talk(200);
    assert_eq!(call.received().len(), arrived, "media went on");
    assert_eq!(call.world.peers[RECEIVER].rtcp_seen, heard, "RTCP went on");
    let discarded = call.world.engine.stats().datagrams_discarded;
    call.world.peers[RECEIVER].send_pli(5000);
    call.world.run(Duration::from_millis(5));
    let now = call.world.engine.stats().datagrams_discarded;
    assert_eq!(now, discarded + 1, "its packets lead nowhere");

    // A new check brings everything back, without a new handshake.
    let parameters = call.world.engine.restart_ice(transport(RECEIVER));
    let now = call.world.now;
    call.world.peers[RECEIVER].restart_ice(now, &parameters.expect("exists"));
    let back = call.world.run_until(Duration::from_secs(1), |world| {
        ice_states(world, RECEIVER).last() == Some(&IceState::Completed)
    });
    assert!(back);
    call.received();
    let arrived = call.received.len();
    report(&mut call);
    call.talk(100);
    assert!(call.received().len() >= arrived + 100);
    let reports = call.world.peers[RECEIVER].rtcp_seen.get("sr");
    assert!(reports > heard.get("sr"), "reports go on as well");
}

/// The sender says which time its last packet is of; from then on the engine can say so too.
fn report(call: &mut Call) {
    let timestamp = packet(call.sent).timestamp;
    let ntp = NtpTime::from_u64(1 << 40);
    call.world.peers[SENDER].send_sender_report(1000, ntp, timestamp);
    call.talk(100);
}

#[test]
fn a_peer_behind_a_new_nat_mapping_goes_on_and_the_old_address_is_harmless() {
    for peer in [SENDER, RECEIVER] {
        let mut call = Call::new();
        call.world.events.clear();
        let old = call.world.peers[peer].address;
        let new = stranger(1);
        call.world.peers[peer].address = new;
        let moved = call.world.run_until(Duration::from_secs(6), |world| {
            let stats = world.engine.transport_stats(world.now, transport(peer));
            let tuple = stats.expect("exists").selected_tuple;
            tuple.is_some_and(|tuple| tuple.remote == new)
        });
        assert!(moved, "the next check comes within the interval of consent");
        call.world.elsewhere.clear();
        call.talk(200);
        assert_eq!(call.world.elsewhere, [], "nothing for the old address");
        // What a stranger sends from the old address changes nothing.
        let hello = super::impossible_client_hello(&call.world);
        for garbage in [vec![0x80; 60], vec![0x81, 200, 0, 9], vec![0xff; 20]] {
            call.world.deliver(&mut [(old, garbage)]);
        }
        call.world.deliver(&mut [(old, hello)]);
        assert_eq!(call.world.elsewhere, []);
        assert_eq!(state_events(&call.world), [], "no new handshake");
        call.assert_unharmed();
    }
}

#[test]
fn a_peer_that_moves_again_and_again_takes_a_bounded_number_of_addresses() {
    let mut call = Call::new();
    for number in 0..40 {
        call.world.peers[RECEIVER].address = stranger(number);
        call.world.run(Duration::from_millis(5100));
        assert!(call.world.engine.footprint().addresses <= 1 + plenum_ice::agent::MAX_TUPLES);
    }
    call.world.run(Duration::from_secs(1));
    call.assert_unharmed();
}

#[test]
fn an_address_that_was_left_behind_serves_the_next_peer() {
    let mut call = Call::new();
    let old = call.world.peers[RECEIVER].address;
    call.world.peers[RECEIVER].address = stranger(1);
    call.world.run(Duration::from_millis(5100));
    let next = call.world.add_peer();
    call.world.peers[next].address = old;
    call.world.connect(next);
    let connected = call.world.run_until(Duration::from_secs(5), |world| {
        world.peers[next].is_connected()
    });
    assert!(connected);
    call.assert_unharmed();
}

#[test]
fn a_participant_cannot_take_over_the_address_of_another() {
    let mut call = Call::new();
    let options = WebRtcTransportOptions::default();
    let own = transport(99);
    let created = call
        .world
        .engine
        .create_webrtc_transport(call.world.now, ROUTER, own, &options);
    let ice = created.expect("the router exists").ice_parameters;
    for victim in [SENDER, RECEIVER] {
        // A good check of the attacker's own transport, with the victim's address on it.
        let from = call.world.peers[victim].address;
        for use_candidate in [true, false] {
            call.world
                .deliver(&mut [(from, check(&ice, use_candidate))]);
            call.talk(20);
        }
        let stats = call.world.engine.transport_stats(call.world.now, own);
        let stats = stats.expect("exists");
        assert_eq!(stats.ice_state, IceState::New);
        assert_eq!(stats.dtls_state, DtlsState::New);
    }
    call.assert_unharmed();
}

#[test]
fn an_address_taken_while_it_was_not_in_use_comes_back_with_the_next_check() {
    let mut call = Call::new();
    let options = WebRtcTransportOptions::default();
    let created =
        call.world
            .engine
            .create_webrtc_transport(call.world.now, ROUTER, transport(99), &options);
    let ice = created.expect("the router exists").ice_parameters;
    let home = call.world.peers[SENDER].address;
    call.world.peers[SENDER].address = stranger(1);
    call.world.run(Duration::from_millis(5100));
    call.world.deliver(&mut [(home, check(&ice, false))]);
    // The other one leaves, and the peer is back where it was.
    call.world
        .engine
        .close_transport(call.world.now, transport(99));
    call.world.peers[SENDER].address = home;
    call.world.run(Duration::from_millis(5100));
    call.assert_unharmed();
}

#[test]
fn a_replayed_check_diverts_media_only_until_the_next_real_one() {
    let mut call = Call::new();
    call.world.arrived = Some(Vec::new());
    call.world.run(Duration::from_millis(5100));
    let arrived = call.world.arrived.take().expect("recorded");
    let from = call.world.peers[RECEIVER].address;
    let checks = arrived.into_iter();
    let mut checks = checks.filter(|(sender, bytes)| *sender == from && bytes[0] == 0);
    let (_, check) = checks.next().expect("one every five seconds");
    // Whoever can read the path can do this once per check that it reads; what it gets is encrypted.
    call.world.deliver(&mut [(stranger(1), check)]);
    call.world.run(Duration::from_millis(5100));
    call.world.elsewhere.clear();
    call.talk(100);
    assert_eq!(call.world.elsewhere, []);
    call.assert_unharmed();
}
