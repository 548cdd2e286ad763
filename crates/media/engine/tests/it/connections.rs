//! Transports whose path is a TCP connection, and sockets of single transports.

use std::time::Duration;

use plenum_engine::{EngineError, SocketConfig};
use plenum_harness::{
    ROUTER, World, WorldConfig, address,
    parameters::{encoding, opus, opus_receiver, vp8, vp8_receiver},
    transport,
};
use plenum_ids::TransportId;
use plenum_params::{
    event::Event,
    transport::{Address, IceState, ListenInfo, Protocol, Protocols, WebRtcTransportOptions},
};
use plenum_rtp::{HeaderFields, RtpHeader, RtpWriter};
use plenum_testkit::peer::{ReceiveStream, SendStream};

fn tcp_world() -> World {
    World::with_config(WorldConfig {
        socket: SocketConfig {
            protocol: Protocol::Tcp,
            ..SocketConfig::new(address(10_000))
        },
        ..WorldConfig::default()
    })
}

/// A VP8 picture of so many packets, or a sound of one.
fn send(world: &mut World, ssrc: u32, sequence: &mut u16, picture: u16, packets: u16, key: bool) {
    for index in 0..packets {
        let mut buffer = vec![0; 64];
        let fields = HeaderFields {
            marker: index + 1 == packets,
            payload_type: if ssrc == 1000 { 96 } else { 111 },
            sequence_number: *sequence,
            timestamp: u32::from(picture) * 3000,
            ssrc,
            padding: false,
        };
        let len = RtpWriter::begin(&mut buffer, fields)
            .expect("room")
            .finish();
        buffer.truncate(len);
        if ssrc == 1000 {
            let [high, low] = (0x8000 | picture).to_be_bytes();
            let start = if index == 0 { 0x90 } else { 0x80 };
            buffer.extend([start, 0x80, high, low, u8::from(!key)]);
        }
        buffer.extend([0x33; 300]);
        *sequence += 1;
        world.peers[0].send_rtp(&buffer);
    }
}

/// Sequence numbers and timestamps of what a peer has received of a stream.
fn received(world: &mut World, ssrc: u32) -> Vec<(u16, u32)> {
    let packets = world.received(1);
    let headers = packets
        .iter()
        .filter_map(|packet| RtpHeader::parse(packet).ok());
    let stream = headers.filter(|header| header.ssrc == ssrc);
    stream
        .map(|header| (header.sequence_number, header.timestamp))
        .collect()
}

#[test]
fn a_blocked_connection_gets_whole_pictures_again_from_a_key_frame_on() {
    let mut world = tcp_world();
    world.add_connected_peer();
    world.add_connected_peer();
    let video = world.produce(0, 1, vp8(vec![encoding(1000)]));
    world.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
    world.consume(1, 2, video, vp8_receiver(5000));
    world.peers[1].add_receiver(ReceiveStream::new(5000, Some(5001), 101));
    let mut sequence = 0;
    let mut picture = 0;
    let mut talk = |world: &mut World, pictures: u16, key: bool| {
        for number in 0..pictures {
            send(world, 1000, &mut sequence, picture, 3, key && number == 0);
            picture += 1;
            world.run(Duration::from_millis(33));
        }
    };
    talk(&mut world, 10, true);
    let before = received(&mut world, 5000);
    assert_eq!(before.len(), 30);

    let remote = world.peers[1].address;
    world.engine.handle_blocked(0, remote);
    // So many that the last key frame is no longer worth sending.
    talk(&mut world, 150, false);
    assert_eq!(received(&mut world, 5000), []);
    let requests = |world: &World| world.peers[0].key_frame_requests.values().sum::<u32>();
    let asked = requests(&world);
    world.engine.handle_unblocked(world.now, 0, remote);
    world.drain();
    assert!(world.run_until(Duration::from_secs(2), |world| requests(world) > asked));
    talk(&mut world, 10, false);
    let early = received(&mut world, 5000);
    assert_eq!(early, [], "nothing without a key frame");
    talk(&mut world, 10, true);
    let after = received(&mut world, 5000);
    assert_eq!(after.len(), 30);
    let last = before.last().expect("30");
    assert_eq!(after[0].0, last.0.wrapping_add(1), "numbers without a gap");
    assert_eq!(after[0].1.wrapping_sub(last.1), (150 + 10 + 1) * 3000);
}

#[test]
fn sound_goes_on_where_it_is_when_a_connection_flows_again() {
    let mut world = tcp_world();
    world.add_connected_peer();
    world.add_connected_peer();
    let audio = world.produce(0, 1, opus(2000));
    world.peers[0].add_sender(SendStream::new(2000, None));
    world.consume(1, 2, audio, opus_receiver(6000));
    world.peers[1].add_receiver(ReceiveStream::new(6000, None, 0));
    let mut sequence = 0;
    let mut talk = |world: &mut World, packets: u16| {
        for _ in 0..packets {
            let number = sequence;
            send(world, 2000, &mut sequence, number, 1, false);
            world.run(Duration::from_millis(20));
        }
    };
    talk(&mut world, 10);
    assert_eq!(received(&mut world, 6000).len(), 10);
    let remote = world.peers[1].address;
    world.engine.handle_blocked(0, remote);
    talk(&mut world, 50);
    assert_eq!(received(&mut world, 6000), []);
    world.engine.handle_unblocked(world.now, 0, remote);
    talk(&mut world, 10);
    assert_eq!(received(&mut world, 6000).len(), 10);
}

#[test]
fn who_hangs_up_is_disconnected_at_once_and_its_path_is_closed() {
    let mut world = tcp_world();
    world.add_connected_peer();
    let remote = world.peers[0].address;
    assert!(world.engine.takes_path(0, remote));
    world.engine.handle_hang_up(world.now, 0, remote);
    world.drain();
    assert!(!world.engine.takes_path(0, remote));
    let disconnected = |event: &Event| {
        matches!(
            event,
            Event::IceState {
                state: IceState::Disconnected,
                tuple: None,
                ..
            }
        )
    };
    assert!(world.events.iter().any(disconnected));
    assert_eq!(world.engine.poll_closed_path(), Some((0, remote)));
    assert_eq!(world.engine.poll_closed_path(), None);
    // The peer goes on with its checks: over a new connection in the world outside.
    assert!(world.run_until(Duration::from_secs(10), |world| {
        world.engine.takes_path(0, remote)
    }));
    world.engine.close_transport(world.now, transport(0));
    assert_eq!(world.engine.poll_closed_path(), Some((0, remote)));
}

#[test]
fn candidates_follow_sockets_and_wishes() {
    let name: Address = "media.example.org".parse().expect("a name");
    let mut world = World::with_config(WorldConfig {
        socket: SocketConfig {
            announced: vec![name.clone(), Address::Ip([203, 0, 113, 7].into())],
            expose_internal: true,
            ..SocketConfig::new(address(10_000))
        },
        ..WorldConfig::default()
    });
    let index = world.add_peer();
    let told: Vec<_> = world.infos[index]
        .ice_candidates
        .iter()
        .map(|candidate| (candidate.address.to_string(), candidate.priority))
        .collect();
    let priority = |preference: u32| (64 << 24) + (preference << 8) + 255;
    let expected = [
        (name.to_string(), priority(10_000)),
        ("203.0.113.7".to_owned(), priority(9_900)),
        ("127.0.0.1".to_owned(), priority(9_000)),
    ];
    assert_eq!(told, expected);
    let options = |protocols| WebRtcTransportOptions {
        protocols,
        ..WebRtcTransportOptions::default()
    };
    let id = TransportId::from_u128(99);
    let tcp = options(Protocols::TCP_ONLY);
    let refused = world
        .engine
        .create_webrtc_transport(world.now, ROUTER, id, &tcp);
    assert!(matches!(refused, Err(EngineError::Invalid(_))));
    let preferred = options(Protocols {
        prefer: Some(Protocol::Udp),
        ..Protocols::default()
    });
    let info = world
        .engine
        .create_webrtc_transport(world.now, ROUTER, id, &preferred);
    let candidates = info.expect("the router exists").ice_candidates;
    assert_eq!(candidates[0].priority, priority(11_000));
}

#[test]
fn sockets_of_a_transport_are_its_own_and_are_released_with_it() {
    let mut world = World::new();
    let listen = ListenInfo::new([127, 0, 0, 1].into());
    let mut own = |port| {
        let config = SocketConfig::new(listen.at(port));
        world.engine.add_socket(config).expect("few")
    };
    let (first, second) = (own(10_001), own(10_002));
    let id = TransportId::from_u128(99);
    let options = WebRtcTransportOptions::default();
    let now = world.now;
    let mut create = |id, sockets: &[u16]| {
        let engine = &mut world.engine;
        engine.create_webrtc_transport_on(now, ROUTER, id, &options, sockets)
    };
    let info = create(id, &[first, second]).expect("free");
    let ports: Vec<_> = info.ice_candidates.iter().map(|it| it.port).collect();
    assert_eq!(ports, [10_001, 10_002]);
    let other = TransportId::from_u128(98);
    assert!(create(other, &[second]).is_err(), "another's");
    assert!(create(other, &[0]).is_err(), "everybody's");
    assert!(create(other, &[7]).is_err(), "nobody's");
    world.engine.remove_socket(second);
    assert_eq!(world.engine.poll_released_socket(), None);
    world.engine.close_router(now, ROUTER);
    let mut released: Vec<_> = std::iter::from_fn(|| world.engine.poll_released_socket()).collect();
    released.sort_unstable();
    assert_eq!(released, [first, second]);
    let again = world.engine.add_socket(SocketConfig::new(address(10_003)));
    assert_eq!(again, Ok(first));
}
