//! The engine between two clients made of str0m, a WebRTC stack with its own ICE, SRTP, RTP and RTCP.

use std::time::Duration;

use plenum_dtls::SrtpProfileId;
use plenum_ids::{ConsumerId, ProducerId};
use plenum_params::{
    event::Event,
    media::ReceiveEncoding,
    transport::{DtlsState, IceState, WebRtcTransportOptions},
};
use plenum_rtp::{PacketKind, classify};
use str0m::{
    IceConnectionState, bwe::Bitrate, ice::IceCreds, media::KeyframeRequestKind, rtp::RtpWrite,
};

use crate::world::{ROUTER, World, address, encoding, transport};

use call::{
    AUDIO, AUDIO_OUT, FIRST_AUDIO, FIRST_VIDEO, Foreign, KEY_FRAME_INTERVAL, PACKETS_PER_FRAME,
    VIDEO, VIDEO_OUT, audio, by_sequence, lose_every,
};
use str0m_peer::{RECEIVER, SENDER, Str0mPeer};

mod call;
mod data;
mod str0m_peer;

#[test]
fn media_arrives_unchanged_with_every_srtp_profile() {
    for (profile, name) in [
        (SrtpProfileId::AeadAes256Gcm, "AEAD_AES_256_GCM"),
        (SrtpProfileId::AeadAes128Gcm, "AEAD_AES_128_GCM"),
        (SrtpProfileId::Aes128CmSha1_80, "AES_CM_128_HMAC_SHA1_80"),
    ] {
        let mut call = Foreign::call(World::with_profiles(vec![profile]), None);
        let stats = call
            .world
            .engine
            .transport_stats(call.world.now, transport(0))
            .expect("exists");
        assert_eq!(stats.srtp_profile.as_deref(), Some(name));
        call.send_frames(0..20);
        let order: Vec<u64> = call.peers[1]
            .packets
            .iter()
            .filter(|packet| *packet.header.ssrc == VIDEO_OUT)
            .map(|p| *p.seq_no)
            .collect();
        assert!(order.is_sorted(), "nothing was lost, so nothing is late");
        call.assert_video_complete(20);
        let heard = by_sequence(&call.peers[1], AUDIO_OUT);
        assert_eq!(heard.len(), 20);
        for (frame, (number, packet)) in heard.iter().enumerate() {
            assert_eq!(
                *number,
                heard.keys().next().expect("not empty") + frame as u64
            );
            assert_eq!(&packet.payload[..], audio(frame as u64));
            assert_eq!(packet.header.ext_vals.audio_level, Some(-42));
            assert_eq!(packet.header.ext_vals.voice_activity, Some(true));
            assert!(packet.header.ext_vals.abs_send_time.is_some());
        }
        assert_eq!((call.discarded(0), call.discarded(1)), (0, 0));
        assert_eq!(call.peers[0].rtcp.nacked_packets, 0, "nothing to ask for");
    }
}

#[test]
fn the_engine_can_be_the_dtls_client() {
    let mut call = Foreign::new(World::new());
    call.add(&SENDER, false, None);
    call.add(&RECEIVER, false, None);
    call.publish(vec![encoding(VIDEO)]);
    call.send_frames(0..5);
    call.assert_video_complete(5);
}

#[test]
fn a_stream_without_signalled_ssrc_is_found_by_its_mid() {
    let mut call = Foreign::new(World::new());
    call.add(&SENDER, true, None);
    call.add(&RECEIVER, true, None);
    call.publish(vec![ReceiveEncoding {
        ssrc: None,
        rtx_ssrc: None,
        ..encoding(VIDEO)
    }]);
    call.peers[0].lose_outgoing = Some(lose_every(19, &[96]));
    call.send_frames(0..30);
    call.run(Duration::from_secs(1));
    call.assert_video_complete(30);
}

#[test]
fn key_frame_requests_of_the_receiver_reach_the_sender() {
    let mut call = Foreign::call(World::new(), None);
    call.send_frames(0..40);
    assert!(
        call.peers[0].key_frame_requests.is_empty(),
        "the stream began with a key frame"
    );
    for (round, kind) in (1..).zip([KeyframeRequestKind::Pli, KeyframeRequestKind::Fir]) {
        call.peers[1].request_key_frame(VIDEO_OUT, kind);
        let asked = |call: &Foreign| !call.peers[0].key_frame_requests.is_empty();
        assert!(
            call.run_until(Duration::from_millis(500), asked),
            "{kind:?} did not get through"
        );
        let request = call.peers[0].key_frame_requests.remove(0);
        assert_eq!(request.mid.to_string(), "1");
        let next = round * KEY_FRAME_INTERVAL;
        call.send_frames(next - 10..next + 40);
        assert!(!asked(&call), "once is enough");
    }
    let stats = call
        .world
        .engine
        .consumer_stats(call.world.now, ConsumerId::from_u128(20))
        .expect("exists");
    assert_eq!((stats.outbound.pli_count, stats.outbound.fir_count), (1, 1));
}

#[test]
fn losses_towards_the_receiver_are_repaired_by_retransmission() {
    let mut call = Foreign::call(World::new(), None);
    call.peers[1].lose_incoming = Some(lose_every(17, &[101]));
    call.send_frames(0..60);
    call.run(Duration::from_secs(1));
    call.assert_video_complete(60);
    let lost = 60 * PACKETS_PER_FRAME / 17;
    assert_eq!(u64::from(call.peers[1].rtx_received), lost);
    let stats = call
        .world
        .engine
        .consumer_stats(call.world.now, ConsumerId::from_u128(20))
        .expect("exists");
    assert_eq!(stats.outbound.packets_retransmitted, lost);
    assert_eq!(
        call.peers[0].rtcp.nacked_packets, 0,
        "the sender is not bothered"
    );
}

#[test]
fn losses_from_the_sender_are_repaired_by_its_retransmission() {
    let mut call = Foreign::call(World::new(), None);
    call.peers[0].lose_outgoing = Some(lose_every(17, &[96]));
    call.send_frames(0..60);
    call.run(Duration::from_secs(1));
    call.assert_video_complete(60);
    let lost = 60 * PACKETS_PER_FRAME / 17;
    assert_eq!(u64::from(call.peers[0].rtcp.nacked_packets), lost);
    let stats = call
        .world
        .engine
        .producer_stats(call.world.now, ProducerId::from_u128(10))
        .expect("exists");
    assert_eq!(stats[0].packets_repaired, lost);
}

#[test]
fn losses_everywhere_are_repaired() {
    let mut call = Foreign::call(World::new(), None);
    call.peers[0].lose_outgoing = Some(lose_every(23, &[96, 97]));
    call.peers[1].lose_incoming = Some(lose_every(29, &[101, 102]));
    call.send_frames(0..150);
    call.run(Duration::from_secs(2));
    call.assert_video_complete(150);
}

#[test]
fn str0m_estimates_its_bandwidth_from_our_feedback() {
    let initial = Bitrate::kbps(3000);
    let mut call = Foreign::call(World::new(), Some(initial));
    call.peers[0]
        .rtc
        .bwe()
        .set_bitrate(Bitrate::ZERO, Bitrate::kbps(6000));
    call.send_frames(0..180);
    call.run(Duration::from_secs(1));
    let sender = &call.peers[0];
    // Six seconds of media with feedback every 50 to 250 ms.
    assert!(sender.rtcp.transport_feedback >= 24, "{:?}", sender.rtcp);
    let last = sender
        .estimates
        .last()
        .copied()
        .expect("str0m has an opinion");
    assert!(
        last > initial,
        "an empty network looks faster than {initial}: {last}"
    );
    let stats = sender.peer_stats.as_ref().expect("statistics every second");
    assert_eq!(
        stats.egress_loss_fraction,
        Some(0.0),
        "every packet was acknowledged"
    );
    // Padding and probes are not media and not errors.
    call.assert_video_complete(180);
    assert_eq!(call.discarded(0), 0);
}

#[test]
fn reports_say_the_same_on_both_sides() {
    let mut call = Foreign::call(World::new(), None);
    call.send_frames(0..150);
    // str0m works out a loss when the highest sequence number has moved between two reports.
    assert_eq!(
        call.peers[0].egress.get("1").and_then(|egress| egress.loss),
        Some(0.0)
    );
    call.run(Duration::from_secs(3));
    // str0m's reports come when its random timer says so.
    let measured = |call: &Foreign| {
        let consumer = ConsumerId::from_u128(20);
        let stats = call.world.engine.consumer_stats(call.world.now, consumer);
        stats.is_ok_and(|stats| stats.outbound.round_trip_time_ms.is_some())
    };
    assert!(
        call.run_until(Duration::from_secs(20), measured),
        "no round trip"
    );
    let [sender, receiver] = &call.peers[..] else {
        panic!("two peers")
    };
    assert!(sender.rtcp.receiver_reports >= 3 && receiver.rtcp.sender_reports >= 3);
    let egress = sender.egress.get("1").expect("statistics of video");
    assert!(
        egress.rtt.is_some(),
        "our receiver reports echo str0m's sender reports"
    );
    let remote = egress.remote.as_ref().expect("from our receiver reports");
    assert_eq!(remote.packets_lost, 0);
    let sent = FIRST_VIDEO + 150 * PACKETS_PER_FRAME - 1;
    assert_eq!(*remote.maximum_sequence_number as u16, sent as u16);
    let ingress = receiver.ingress.get("0").expect("statistics of video");
    let remote = ingress.remote.as_ref().expect("from our sender reports");
    assert_eq!(remote.packets, 150 * PACKETS_PER_FRAME);
    let stats = call
        .world
        .engine
        .consumer_stats(call.world.now, ConsumerId::from_u128(20))
        .expect("exists");
    assert!(
        stats.outbound.round_trip_time_ms.is_some(),
        "str0m's receiver reports echo our sender reports"
    );
    assert_eq!(stats.outbound.packets_lost, 0);
}

#[test]
fn consent_holds_as_long_as_str0m_checks_and_no_longer() {
    let mut call = Foreign::call(World::new(), None);
    call.send_frames(0..1);
    call.run(Duration::from_mins(1));
    for index in 0..2 {
        assert!(!call.ice_states(index).contains(&IceState::Disconnected));
        assert!(
            !call.peers[index]
                .ice_states
                .contains(&IceConnectionState::Disconnected)
        );
    }
    call.send_frames(1..3);
    call.assert_video_complete(3);
    call.peers[1].lose_outgoing = Some(Box::new(|_| true));
    let gone = |call: &Foreign| call.ice_states(1).last() == Some(&IceState::Disconnected);
    assert!(
        call.run_until(Duration::from_secs(25), gone),
        "a silent peer has withdrawn its consent"
    );
    assert!(
        !call.ice_states(0).contains(&IceState::Disconnected),
        "the other peer is not concerned"
    );
}

#[test]
fn media_flows_on_through_an_ice_restart() {
    let mut call = Foreign::call(World::new(), None);
    call.send_frames(0..10);
    let before = call.peers[1].packets.len();
    for index in 0..2 {
        let parameters = call
            .world
            .engine
            .restart_ice(transport(index))
            .expect("exists");
        let local = IceCreds {
            ufrag: format!("again{index}"),
            pass: "another-password-of-the-peer".into(),
        };
        call.peers[index].restart_ice(local, &parameters);
        let username = format!("{}:again{index}", parameters.username_fragment);
        call.peers[index].lose_outgoing = Some(Box::new(move |datagram| {
            let names = |name: &str| {
                datagram
                    .windows(name.len())
                    .any(|part| part == name.as_bytes())
            };
            classify(datagram) == PacketKind::Stun && !names(&username)
        }));
    }
    call.send_frames(10..20);
    assert!(call.peers[1].packets.len() > before);
    // Longer than consent lasts: only checks with the new credentials can have kept it.
    call.run(Duration::from_secs(30));
    for index in 0..2 {
        assert!(
            !call.ice_states(index).contains(&IceState::Disconnected),
            "{:?}",
            call.ice_states(index)
        );
        assert!(
            !call.peers[index]
                .ice_states
                .contains(&IceConnectionState::Disconnected)
        );
    }
    call.send_frames(20..30);
    call.assert_video_complete(30);
}

#[test]
fn a_client_with_another_certificate_than_announced_gets_nowhere() {
    let mut call = Foreign::new(World::new());
    let options = WebRtcTransportOptions::default();
    let created =
        call.world
            .engine
            .create_webrtc_transport(call.world.now, ROUTER, transport(0), &options);
    let info = created.expect("router exists");
    let new_peer = |port| Str0mPeer::new(address(port), &info, &SENDER, true, None, call.world.now);
    let mut announced = new_peer(30_001);
    call.peers.push(new_peer(30_000));
    let parameters = announced.dtls_parameters(true);
    call.world
        .engine
        .connect_webrtc_transport(call.world.now, transport(0), &parameters)
        .expect("first connect");
    let failed = |call: &Foreign| {
        call.world.events.iter().any(|event| {
            matches!(
                event,
                Event::DtlsState {
                    state: DtlsState::Failed,
                    ..
                }
            )
        })
    };
    assert!(call.run_until(Duration::from_secs(5), failed));
    let stats = call
        .world
        .engine
        .transport_stats(call.world.now, transport(0))
        .expect("exists");
    assert_eq!(stats.srtp_profile, None);
}

#[test]
fn sequence_numbers_roll_over_towards_the_receiver_too() {
    // A consumer begins anywhere in the lower half.
    const PACKETS: u64 = 66_000;
    let mut call = Foreign::call(World::new(), None);
    for number in 0..PACKETS {
        let sequence = (FIRST_AUDIO + number).into();
        let timestamp = 960 * number as u32;
        let write = RtpWrite::new(
            111.into(),
            sequence,
            timestamp,
            call.world.now,
            [number as u8; 20],
        );
        call.peers[0].send(AUDIO, write);
        if number % 20 == 19 {
            call.step();
        }
    }
    call.run(Duration::from_millis(5));
    let heard = by_sequence(&call.peers[1], AUDIO_OUT);
    assert_eq!(heard.len() as u64, PACKETS);
    let (first, last) = (
        heard.keys().next().expect("not empty"),
        heard.keys().last().expect("not empty"),
    );
    assert_eq!(last - first, PACKETS - 1);
    assert!(first >> 16 < last >> 16);
    assert!(
        heard
            .values()
            .zip(0..PACKETS)
            .all(|(packet, number)| packet.payload[..] == [number as u8; 20])
    );
}
