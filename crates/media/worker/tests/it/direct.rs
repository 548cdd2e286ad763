//! The node itself sends and receives over direct transports.

use std::time::Instant;

use plenum_harness::parameters::{encoding, vp8, vp8_receiver};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId, WorkerId};
use plenum_rtp::{RtpHeader, rtcp::RtcpWriter};
use plenum_supervisor::RouterHandle;
use plenum_testkit::peer::{ReceiveStream, SendStream};
use tokio::time::timeout;

use crate::{
    client::{Client, numbers, packet, stats},
    node::PATIENCE,
    supervised::{start_with, with_clients_here},
};

#[tokio::test]
async fn what_the_node_sends_reaches_a_client() {
    let (supervisor, _events) = start_with(with_clients_here(1)).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let direct = router.create_direct_transport(TransportId::random()).await;
    let direct = direct.expect("new");
    let parameters = vp8(vec![encoding(1000)]);
    let producer = direct
        .produce(ProducerId::random(), parameters, false)
        .await;
    let producer = producer.expect("the transport is there");
    let mut asked = direct.rtcp(1000);
    let mut client = Client::connect(&router).await;
    let receiver = ReceiveStream::new(5000, Some(5001), 101);
    client.peer.add_receiver(receiver);
    let consumer = client
        .transport
        .consume(
            ConsumerId::random(),
            producer.id(),
            vp8_receiver(5000),
            false,
        )
        .await;
    let _consumer = consumer.expect("both are there");
    let (start, mut number, mut received) = (Instant::now(), 0, Vec::new());
    while received.len() < 20 {
        assert!(start.elapsed() < PATIENCE, "{received:?}");
        if client.peer.is_connected() {
            let mut picture = packet(number);
            // Each can be begun with.
            picture[16] = 0;
            producer.send_rtp(&picture).expect("running");
            number += 1;
        }
        client.turn();
        stats(&worker).await;
        received.extend(numbers(&mut client));
    }
    let report = timeout(PATIENCE, asked.next()).await.expect("in time");
    assert!(report.is_some_and(|report| report.len() >= 8));
    let stats = direct.stats().await.expect("it is there");
    assert!(stats.received.packets >= 20);
    supervisor.shutdown().await;
}

#[tokio::test]
async fn what_a_client_sends_reaches_the_node_which_can_ask_for_key_frames() {
    let (supervisor, _events) = start_with(with_clients_here(1)).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let mut client = Client::connect(&router).await;
    client
        .peer
        .add_sender(SendStream::new(1000, Some((1001, 97))));
    let produced = client
        .transport
        .produce(ProducerId::random(), vp8(vec![encoding(1000)]), false);
    let producer = produced.await.expect("connected");
    let direct = router.create_direct_transport(TransportId::random()).await;
    let direct = direct.expect("new");
    let consumed = direct
        .consume(
            ConsumerId::random(),
            producer.id(),
            vp8_receiver(5000),
            false,
            1000,
        )
        .await;
    let (_consumer, mut packets) = consumed.expect("both are there");
    let (start, mut number) = (Instant::now(), 0);
    let mut pli = [0; 64];
    let mut writer = RtcpWriter::new(&mut pli);
    writer.pli(7, 5000).expect("there is room");
    let len = writer.len();
    let mut received = 0;
    let asked = |client: &Client| -> u32 { client.peer.key_frame_requests.values().sum() };
    while received < 20 || asked(&client) < 2 {
        assert!(start.elapsed() < PATIENCE, "{received}");
        if client.peer.is_connected() {
            client.peer.send_rtp(&packet(number));
            number += 1;
        }
        client.turn();
        stats(&worker).await;
        while let Ok(Some(packet)) = timeout(std::time::Duration::ZERO, packets.next()).await {
            let header = RtpHeader::parse(&packet).expect("well-formed");
            assert_eq!(header.ssrc, 5000);
            received += 1;
        }
        if received >= 20 {
            direct.send_rtcp(&pli[..len]).expect("running");
        }
    }
    supervisor.shutdown().await;
}
