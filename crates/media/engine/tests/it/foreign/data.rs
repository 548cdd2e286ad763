//! Data channels of clients made of str0m.

use std::time::Duration;

use plenum_params::data::{SctpOptions, SctpStreamParameters};

use super::*;

/// Messages each way.
const MESSAGES: u32 = 10_000;

/// Two clients, one of them the DTLS server, who read what the other one writes.
fn conversation() -> Foreign {
    let mut call = Foreign::new(World::new());
    for active in [true, false] {
        let options = WebRtcTransportOptions {
            sctp: Some(SctpOptions::default()),
            ..WebRtcTransportOptions::default()
        };
        let dialect = if active { &SENDER } else { &RECEIVER };
        let peer = call.add_with(dialect, active, None, &options);
        call.peers[peer].start_sctp(active);
    }
    for peer in 0..2_usize {
        // What each sends on 0 the other one gets on 1.
        call.peers[peer].open_channel(0);
        call.peers[peer].open_channel(1);
    }
    for peer in 0..2_usize {
        let (out, back) = (
            SctpStreamParameters::reliable(0),
            SctpStreamParameters::reliable(1),
        );
        let producer = call.world.produce_data(peer, peer as u128 + 1, out);
        let id = peer as u128 + 10;
        call.world.consume_data(1 - peer, id, producer, back);
    }
    let open = |call: &Foreign| {
        call.peers.iter().all(|peer| peer.channels_open == 2)
            && call.world.events.iter().filter(|it| is_open(it)).count() == 2
    };
    assert!(call.run_until(Duration::from_secs(10), open), "never open");
    call
}

fn is_open(event: &Event) -> bool {
    let connected = plenum_params::data::SctpState::Connected;
    matches!(event, Event::SctpState { state, .. } if *state == connected)
}

#[test]
fn ten_thousand_messages_each_way_survive_loss() {
    let mut call = conversation();
    for peer in &mut call.peers {
        // Every so-and-so-many-th datagram in either direction.
        peer.lose_incoming = Some(lose_one_in(43));
        peer.lose_outgoing = Some(lose_one_in(61));
    }
    let mut next = [0; 2];
    let done = |call: &Foreign| {
        let arrived = |peer: &Str0mPeer| peer.messages.len() == MESSAGES as usize;
        call.peers.iter().all(arrived)
    };
    for _ in 0..120_000 {
        for (peer, next) in call.peers.iter_mut().zip(&mut next) {
            while *next < MESSAGES && peer.say(0, &message(*next)) {
                *next += 1;
            }
        }
        call.run(Duration::from_millis(2));
        if done(&call) {
            break;
        }
    }
    for peer in &call.peers {
        assert_eq!(peer.messages.len(), MESSAGES as usize);
        for (number, (stream, data)) in (0..).zip(&peer.messages) {
            assert_eq!((*stream, &data[..]), (1, &message(number)[..]));
        }
    }
    assert_eq!(call.world.engine.stats().media.messages_dropped, 0);
    let discarded = call.world.engine.stats().media.messages_discarded;
    assert_eq!(discarded, 0);
}

fn message(number: u32) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.resize(4 + number as usize % 400, number as u8);
    message
}

fn lose_one_in(count: u32) -> str0m_peer::Loss {
    let mut seen = 0;
    Box::new(move |datagram| {
        seen += u32::from(classify(datagram) == PacketKind::Dtls);
        seen % count == count - 1 && classify(datagram) == PacketKind::Dtls
    })
}
