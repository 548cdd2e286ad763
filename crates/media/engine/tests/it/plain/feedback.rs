//! RTCP of plain transports.

use plenum_params::transport::WebRtcTransportOptions;
use plenum_testkit::peer::{ReceiveStream, SendStream};

use super::*;
use crate::layers::stage::MS;

/// A browser sends, the other side of a plain transport watches.
fn watching(options: PlainTransportOptions) -> Scene {
    let mut scene = Scene::new(options);
    let world = &mut scene.world;
    let peer = world.add_connected_peer();
    world.produce(peer, 10, vp8(vec![encoding(SSRC)]));
    world.peers[peer].add_sender(SendStream::new(SSRC, Some((SSRC + 1, 97))));
    let id = ConsumerId::from_u128(20);
    let made = world
        .engine
        .consume(world.now, PLAIN, id, PRODUCER, vp8_receiver(5000), false);
    made.expect("both are there");
    scene
}

fn send(scene: &mut Scene, numbers: std::ops::Range<u16>) {
    for number in numbers {
        scene.world.peers[0].send_rtp(&picture(number));
        scene.world.run(20 * MS);
    }
}

/// Sequence numbers of RTP packets with this SSRC.
fn numbers(datagrams: &[Vec<u8>], ssrc: u32) -> Vec<u16> {
    let headers = datagrams.iter().flat_map(|it| RtpHeader::parse(it));
    let ours = headers.filter(|header| header.ssrc == ssrc && header.payload_type < 110);
    ours.map(|header| header.sequence_number).collect()
}

#[test]
fn what_was_lost_is_sent_again_and_key_frames_are_asked_for() {
    let mut scene = watching(PlainTransportOptions::default());
    scene
        .connect(remote(THERE, None), None)
        .expect("first connect");
    send(&mut scene, 0..10);
    let datagrams = scene.sent_to(THERE);
    let received = numbers(&datagrams, 5000);
    assert_eq!(received.len(), 10);
    let lost = [received[3], received[7]];
    let nack = rtcp(|writer| writer.nack(77, 5000, lost).expect("there is room"));
    scene.arrive(THERE, nack);
    scene.world.run(10 * MS);
    let again = scene.sent_to(THERE);
    assert_eq!(numbers(&again, 5001).len(), 2);

    let before = asked(&scene);
    scene.world.run(1000 * MS);
    let pli = rtcp(|writer| writer.pli(77, 5000).expect("there is room"));
    scene.arrive(THERE, pli);
    scene.world.run(1000 * MS);
    assert!(asked(&scene) > before);
}

fn asked(scene: &Scene) -> u32 {
    let requests = &scene.world.peers[0].key_frame_requests;
    requests.get(&SSRC).copied().unwrap_or(0)
}

#[test]
fn nothing_that_the_receiver_says_of_its_path_holds_media_back() {
    let mut scene = watching(PlainTransportOptions::default());
    scene
        .connect(remote(THERE, None), None)
        .expect("first connect");
    let low = rtcp(|writer| {
        writer.receiver_report(77, []).expect("there is room");
        writer.remb(77, 30_000, &[5000]).expect("there is room");
    });
    scene.arrive(THERE, low);
    let lossy = ReportBlock {
        ssrc: 5000,
        fraction_lost: 200,
        ..ReportBlock::default()
    };
    scene.arrive(
        THERE,
        rtcp(|writer| {
            writer.receiver_report(77, [lossy]).expect("there is room");
        }),
    );
    send(&mut scene, 0..200);
    let datagrams = scene.sent_to(THERE);
    assert_eq!(numbers(&datagrams, 5000).len(), 200);
    let stats = scene.world.engine.transport_stats(scene.world.now, PLAIN);
    let stats = stats.expect("it is there");
    assert_eq!((stats.probation_bytes, stats.paced_queue_packets), (0, 0));
}

#[test]
fn requests_to_a_sender_go_where_its_rtcp_is() {
    let mut scene = Scene::producing(PlainTransportOptions {
        rtcp_mux: false,
        ..PlainTransportOptions::default()
    });
    let there = remote(THERE, Some(THERE + 1));
    scene.connect(there, None).expect("first connect");
    scene.arrive(THERE, picture(0));
    // Numbers 1 and 2 are missing.
    scene.arrive(THERE, picture(3));
    scene.world.run(200 * MS);
    let datagrams = scene.sent_to(THERE + 1);
    let lost: Vec<u16> = datagrams
        .iter()
        .flat_map(|datagram| RtcpPackets::new(datagram).flatten())
        .filter_map(|packet| match packet {
            RtcpPacket::Nack(nack) => Some(nack.lost().collect::<Vec<_>>()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(lost[..2], [1, 2]);
    let viewer = scene
        .world
        .add_peer_with(&WebRtcTransportOptions::default());
    scene.world.connect_at_once(viewer);
    scene.world.peers[viewer].add_receiver(ReceiveStream::new(5000, Some(5001), 101));
    scene
        .world
        .consume(viewer, 20, PRODUCER, vp8_receiver(5000));
    scene.world.run(1000 * MS);
    scene.sent_to(THERE + 1);
    let id = ConsumerId::from_u128(20);
    let asked = scene.world.engine.request_key_frame(scene.world.now, id);
    asked.expect("it is there");
    scene.world.run(1000 * MS);
    let datagrams = scene.sent_to(THERE + 1);
    assert!(datagrams.iter().any(|it| asks_for_key_frame(it, SSRC)));
    assert!(scene.sent_to(THERE).is_empty());
    scene.arrive(THERE, picture(4));
    scene.world.run(20 * MS);
    assert!(!scene.world.received(viewer).is_empty());
}
