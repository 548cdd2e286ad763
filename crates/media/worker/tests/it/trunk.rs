//! A call between clients of two workers.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use plenum_harness::{
    parameters::{encoding, vp8, vp8_receiver},
    piped,
};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId, WorkerId};
use plenum_params::transport::{ListenInfo, TrunkKey, TrunkOptions, TrunkSsrcs};
use plenum_supervisor::{
    ConsumerHandle, ProducerHandle, RouterHandle, Supervisor, SupervisorConfig, TrunkHandle,
    WorkerEvent,
};
use plenum_testkit::peer::{ReceiveStream, SendStream};
use rand::{SeedableRng, rngs::StdRng};
use rustix::process::Signal;

use crate::{
    client::{Client, numbers, packet, stats},
    node::{PATIENCE, send_signal},
    supervised::{config, listening_on, next, start_with},
};

const NEAR: WorkerId = WorkerId(0);
const FAR: WorkerId = WorkerId(1);

/// The sender of a call and its worker.
struct Near {
    router: RouterHandle,
    client: Client,
    producer: ProducerHandle,
}

/// Everything that dies with the far worker, and the near end of the trunk to it.
struct Far {
    client: Client,
    trunks: [TrunkHandle; 2],
    _router: RouterHandle,
    _pipe: (ProducerHandle, ConsumerHandle),
    _consumer: ConsumerHandle,
}

impl Near {
    async fn new(supervisor: &Supervisor) -> Self {
        let worker = supervisor.worker(NEAR).expect("running");
        let router = RouterHandle::create(&worker, RouterId::random()).await;
        let router = router.expect("new");
        let mut client = Client::connect(&router).await;
        client
            .peer
            .add_sender(SendStream::new(1000, Some((1001, 97))));
        let parameters = vp8(vec![encoding(1000)]);
        let produced = client
            .transport
            .produce(ProducerId::random(), parameters, false);
        let producer = produced.await.expect("connected");
        Self {
            router,
            client,
            producer,
        }
    }
}

impl Far {
    /// A trunk to the far worker with the producer piped over it, and a viewer there.
    async fn new(supervisor: &Supervisor, near: &Near, seed: u64) -> Self {
        Self::at((supervisor, FAR), (supervisor, near), seed).await
    }

    /// The same with workers of two nodes.
    async fn at(
        (supervisor, id): (&Supervisor, WorkerId),
        (near_supervisor, near): (&Supervisor, &Near),
        seed: u64,
    ) -> Self {
        let worker = supervisor.worker(id).expect("running");
        let router = RouterHandle::create(&worker, RouterId::random()).await;
        let router = router.expect("new");
        let mut client = Client::connect(&router).await;
        client
            .peer
            .add_receiver(ReceiveStream::new(5000, Some(5001), 101));

        let mut random = StdRng::seed_from_u64(seed);
        let (there, back) = (TrunkKey::random(&mut random), TrunkKey::random(&mut random));
        let near_end = TrunkOptions {
            remote: supervisor.trunk_address(id).expect("it listens"),
            local: None,
            send_key: there.clone(),
            receive_key: back.clone(),
        };
        let far_end = TrunkOptions {
            remote: near_supervisor.trunk_address(NEAR).expect("it listens"),
            local: None,
            send_key: back,
            receive_key: there,
        };
        let id = TransportId::random();
        let near_end = TrunkHandle::create(near.router.worker(), id, near_end).await;
        let far_end = TrunkHandle::create(&worker, id, far_end).await;
        let trunks = [near_end.expect("no other"), far_end.expect("no other")];

        let parameters = vp8(vec![encoding(1000)]);
        let (received, mut sent) = piped(&parameters, &mut TrunkSsrcs::default());
        let producer = near.producer.id();
        let far_end = trunks[1]
            .pipe_produce(router.id(), producer, received, false)
            .await;
        let near_end = trunks[0]
            .pipe_consume(ConsumerId::random(), (producer, 0), sent.remove(0), false)
            .await;
        let consumer = client
            .transport
            .consume(ConsumerId::random(), producer, vp8_receiver(5000), false)
            .await;
        Self {
            client,
            trunks,
            _router: router,
            _pipe: (far_end.expect("awaited"), near_end.expect("sent")),
            _consumer: consumer.expect("both exist"),
        }
    }
}

/// Sends pictures until `done` is content with what has arrived.
async fn talk(near: &mut Near, far: &mut Far, mut done: impl FnMut(&Client, &[u16]) -> bool) {
    let (start, mut number, mut received) = (Instant::now(), 0, Vec::new());
    while !done(&near.client, &received) {
        assert!(start.elapsed() < PATIENCE, "{received:?}");
        if near.client.peer.is_connected() && far.client.peer.is_connected() {
            // Every tenth picture can be begun with.
            let mut picture = packet(number);
            if number.is_multiple_of(10)
                && let Some(last) = picture.get_mut(16)
            {
                *last = 0;
            }
            near.client.peer.send_rtp(&picture);
            number += 1;
        }
        for client in [&mut near.client, &mut far.client] {
            client.turn();
        }
        stats(near.router.worker()).await;
        received.extend(numbers(&mut far.client));
    }
}

fn listening(ip: Ipv4Addr) -> SupervisorConfig {
    let announced = (ip != Ipv4Addr::LOCALHOST).then_some(IpAddr::from(Ipv4Addr::LOCALHOST).into());
    let announced = announced.into_iter().collect();
    SupervisorConfig {
        listen: vec![ListenInfo {
            announced,
            ..ListenInfo::new(ip.into())
        }],
        ..config(2)
    }
}

#[tokio::test]
async fn media_and_requests_for_key_frames_go_through() {
    for ip in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        let (supervisor, _events) = start_with(listening(ip)).await;
        let mut near = Near::new(&supervisor).await;
        let mut far = Far::new(&supervisor, &near, 1).await;
        talk(&mut near, &mut far, |_, received| received.len() >= 50).await;
        ask_for_key_frame(&mut near, &mut far).await;
        for trunk in &far.trunks {
            let stats = trunk.stats().await.expect("it is there");
            assert_eq!(stats.srtp_profile.as_deref(), Some("AEAD_AES_256_GCM"));
            assert!(stats.sent.bytes > 0 && stats.received.bytes > 0);
            assert_eq!(stats.discarded, 0);
        }
        supervisor.shutdown().await;
    }
}

/// Has the viewer ask until the sender hears of it: a request right behind a key frame goes no further.
async fn ask_for_key_frame(near: &mut Near, far: &mut Far) {
    let before = requests(&near.client);
    while requests(&near.client) == before {
        far.client.peer.send_pli(5000);
        let is_heard =
            |sender: &Client, received: &[u16]| requests(sender) > before || received.len() >= 25;
        talk(near, far, is_heard).await;
    }
}

#[tokio::test]
async fn workers_of_two_hosts_are_as_near() {
    let (here, there) = (Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2));
    let (near_node, _events) = start_with(listening_on(here, 1)).await;
    let (far_node, _others) = start_with(listening_on(there, 1)).await;
    let mut near = Near::new(&near_node).await;
    let mut far = Far::at((&far_node, NEAR), (&near_node, &near), 1).await;
    talk(&mut near, &mut far, |_, received| received.len() >= 50).await;
    ask_for_key_frame(&mut near, &mut far).await;
    for (trunk, remote) in far.trunks.iter().zip([there, here]) {
        let stats = trunk.stats().await.expect("it is there");
        let tuple = stats.selected_tuple.expect("from the beginning");
        assert_eq!(tuple.remote.ip(), remote);
        assert_eq!(stats.discarded, 0);
    }
    near_node.shutdown().await;
    far_node.shutdown().await;
}

/// Key frames that the sender was asked for.
fn requests(sender: &Client) -> u32 {
    sender.peer.key_frame_requests.values().sum()
}

#[tokio::test]
async fn a_worker_that_was_replaced_is_reached_at_the_same_address() {
    let (supervisor, mut events) = start_with(listening(Ipv4Addr::LOCALHOST)).await;
    let mut near = Near::new(&supervisor).await;
    let mut far = Far::new(&supervisor, &near, 1).await;
    talk(&mut near, &mut far, |_, received| received.len() >= 20).await;

    let address = supervisor.trunk_address(FAR);
    let victim = supervisor.worker(FAR).expect("running");
    send_signal(victim.pid(), Signal::KILL);
    while !matches!(next(&mut events).await, WorkerEvent::Started { worker } if worker == FAR) {}
    drop(far);
    assert_eq!(supervisor.trunk_address(FAR), address);
    let mut far = Far::new(&supervisor, &near, 2).await;
    talk(&mut near, &mut far, |_, received| received.len() >= 20).await;
    supervisor.shutdown().await;
}
