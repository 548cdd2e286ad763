//! Messages between a node and a real worker process.

use plenum_ids::{DataConsumerId, DataProducerId, RouterId, TransportId, WorkerId};
use plenum_ipc::ErrorCode;
use plenum_params::{
    data::{MAX_MESSAGE_BYTES, SctpOptions, SctpStreamParameters, ppid},
    transport::WebRtcTransportOptions,
};
use plenum_supervisor::{ConsumeData, RouterHandle, WorkerError};
use tokio::time::timeout;

use crate::{client::stats, node::PATIENCE, supervised::start};

#[tokio::test]
async fn the_node_hears_what_it_says_through_a_worker() {
    let (supervisor, _events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let direct = router.create_direct_transport(TransportId::random()).await;
    let direct = direct.expect("new");
    let producer = DataProducerId::random();
    let bot = direct.produce_data(producer, false).await.expect("new");
    let consumed = direct.consume_data(
        DataConsumerId::random(),
        producer,
        ConsumeData::default(),
        8,
    );
    let (consumer, mut messages) = consumed.await.expect("new");
    let other = direct.consume_data(
        DataConsumerId::random(),
        producer,
        ConsumeData {
            subchannels: vec![5],
            ..ConsumeData::default()
        },
        8,
    );
    let (_other, mut chosen) = other.await.expect("new");

    let longest = vec![7; MAX_MESSAGE_BYTES as usize];
    for (ppid, message) in [(ppid::STRING, &b"hello"[..]), (ppid::BINARY, &longest[..])] {
        assert_eq!(bot.send(ppid, message), Ok(true));
        let received = timeout(PATIENCE, messages.next()).await.expect("in time");
        let received = received.expect("the worker runs");
        assert_eq!((received.ppid, &received.data[..]), (ppid, message));
    }
    assert_eq!(bot.send_to(ppid::STRING, Some(5), &[], b"five"), Ok(true));
    assert_eq!(bot.send(ppid::STRING, b"all"), Ok(true));
    for expected in [&b"hello"[..], &longest, b"five", b"all"] {
        let received = timeout(PATIENCE, chosen.next()).await.expect("in time");
        let received = received.expect("the worker runs");
        assert_eq!(&received.data[..], expected);
    }
    let received = timeout(PATIENCE, messages.next()).await.expect("in time");
    assert_eq!(&received.expect("the worker runs").data[..], b"all");

    let counted = bot.stats().await.expect("the counters");
    assert_eq!(counted.messages_received, 4);
    let counted = consumer.stats().await.expect("the counters");
    assert_eq!((counted.messages_sent, counted.messages_dropped), (3, 0));
    consumer.pause().await.expect("there");
    consumer.resume().await.expect("there");
    let now = stats(&worker).await;
    assert_eq!((now.data_producers, now.data_consumers), (1, 2));
    drop(bot);
    let refused = consumer
        .stats()
        .await
        .expect_err("it went with its data producer");
    let WorkerError::Refused(refusal) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refusal.code, ErrorCode::NotFound);
    drop(direct);
    let now = stats(&worker).await;
    assert_eq!((now.data_producers, now.data_consumers), (0, 0));
    supervisor.shutdown().await;
}

#[tokio::test]
async fn data_channels_of_a_transport_are_made_through_its_handle() {
    let (supervisor, _events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let options = WebRtcTransportOptions {
        sctp: Some(SctpOptions::default()),
        ..WebRtcTransportOptions::default()
    };
    let created = router.create_webrtc_transport(TransportId::random(), options);
    let (transport, info) = created.await.expect("new");
    assert_eq!(info.sctp_parameters.map(|sctp| sctp.port), Some(5000));
    let id = DataProducerId::random();
    let stream = SctpStreamParameters::reliable(0);
    let producer = transport.produce_data(id, stream, false).await;
    let producer = producer.expect("new");
    producer.pause().await.expect("there");
    producer.resume().await.expect("there");
    let how = ConsumeData {
        stream: Some(stream),
        ..ConsumeData::default()
    };
    let consumer = transport.consume_data(DataConsumerId::random(), id, how);
    let consumer = consumer.await.expect("new");
    let done = consumer.set_buffered_amount_low_threshold(1000).await;
    assert_eq!(done, Ok(()));
    assert_eq!(consumer.set_subchannels(vec![1, 2]).await, Ok(()));
    assert_eq!(
        producer.send(ppid::STRING, b"it is no direct one"),
        Ok(true)
    );
    let counted = producer.stats().await.expect("the counters");
    assert_eq!(counted.messages_received, 0);
    drop(transport);
    let gone = consumer.stats().await;
    assert!(matches!(gone, Err(WorkerError::Refused(_))), "{gone:?}");
    supervisor.shutdown().await;
}
