//! Garbage at a worker's port while a call runs through it.

use std::{
    env,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
};

use plenum_harness::parameters::{encoding, vp8, vp8_receiver};
use plenum_ids::{ConsumerId, ProducerId, RouterId, WorkerId};
use plenum_params::transport::ListenInfo;
use plenum_supervisor::{RouterHandle, Supervisor, SupervisorConfig, Worker};
use plenum_testkit::{
    peer::{ReceiveStream, SendStream},
    rng::Rng,
};
use tokio::sync::mpsc::unbounded_channel;

use crate::client::{Client, client_socket, numbers, packet, send, stats};

/// Datagrams in the ordinary run; `PLENUM_LONG_TESTS=1` asks for a million.
const GARBAGE: u64 = 200_000;

/// Fired before every packet of the call: a few times what the worker takes from a socket at once.
const BURST: u64 = 100;

/// Turns in which what is on the way must arrive. A turn is a request to the worker and back, so that this is far more
/// than repairs need and yet an end.
const MAX_TURNS: u32 = 200_000;

/// The memory of a worker may grow by this much: what the allocator and the kernel's accounting do anyhow, and a
/// hundredth of what it would take to keep the garbage.
const MEMORY_TOLERANCE: u64 = 4 << 20;

/// Lets both peers work until `done`; the worker has had its turn after each of theirs.
async fn settle(
    worker: &Worker,
    clients: &mut [Client; 2],
    mut done: impl FnMut(&mut [Client; 2]) -> bool,
) {
    for _ in 0..MAX_TURNS {
        clients.iter_mut().for_each(Client::turn);
        if done(clients) {
            return;
        }
        stats(worker).await;
    }
    panic!("not within {MAX_TURNS} turns");
}

/// Garbage of all classes that a demultiplexer knows, from several addresses; some of it looks well-formed.
struct Attacker {
    rng: Rng,
    sockets: Vec<UdpSocket>,
    to: SocketAddr,
}

impl Attacker {
    fn fire(&mut self, count: u64) {
        let mut datagram = [0; 1200];
        for _ in 0..count {
            let len = self.rng.range(1..1200) as usize;
            for bytes in datagram.chunks_mut(8) {
                bytes.copy_from_slice(&self.rng.next_u64().to_le_bytes()[..bytes.len()]);
            }
            // STUN with its cookie, DTLS 1.2 handshake and alert records, RTP, RTCP, and noise.
            let front: &[u8] = match self.rng.range(0..7) {
                0 => &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42],
                1 => &[22, 0xfe, 0xfd, 0, 0],
                2 => &[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40],
                3 => &[0x90, 96],
                4 => &[0x80, 96],
                5 => &[0x80, 201],
                _ => &[],
            };
            datagram[..front.len()].copy_from_slice(front);
            let from = self.rng.range(0..self.sockets.len() as u64) as usize;
            send(&self.sockets[from], &datagram[..len], self.to);
        }
    }

    /// Datagrams that came back.
    fn answers(&self) -> usize {
        let mut buffer = [0; 2048];
        let mut answers = 0;
        for socket in &self.sockets {
            while socket.recv_from(&mut buffer).is_ok() {
                answers += 1;
            }
        }
        answers
    }
}

#[tokio::test]
async fn garbage_by_the_hundred_thousand_leaves_a_call_untouched_and_memory_flat() {
    let total = match env::var("PLENUM_LONG_TESTS") {
        Ok(value) if value == "1" => 1_000_000,
        _ => GARBAGE,
    };
    let (supervisor, worker) = start().await;
    let router = RouterHandle::create(&worker, RouterId::random()).await;
    let router = router.expect("new");
    let mut clients = [
        Client::connect(&router).await,
        Client::connect(&router).await,
    ];
    settle(&worker, &mut clients, |clients| {
        clients.iter().all(|client| client.peer.is_connected())
    })
    .await;
    let (_producer, _consumer) = call(&mut clients).await;
    // The receiver starts with the key frame, which nobody would send again.
    clients[0].peer.send_rtp(&packet(0));
    let mut received = Vec::new();
    settle(&worker, &mut clients, |clients| {
        received.extend(numbers(&mut clients[1]));
        !received.is_empty()
    })
    .await;

    let mut attacker = Attacker {
        rng: Rng::new(1),
        sockets: (0..8).map(|_| client_socket()).collect(),
        to: clients[0].peer.remote,
    };
    let before = stats(&worker).await;
    let packets = total / BURST;
    let mut warm = None;
    for number in 1..packets {
        attacker.fire(BURST);
        clients[0].peer.send_rtp(&packet(number as u16));
        clients.iter_mut().for_each(Client::turn);
        stats(&worker).await;
        received.extend(numbers(&mut clients[1]));
        if number == packets / 4 {
            // By now the rings of the call and all buffers have been in use.
            warm = Some(stats(&worker).await.memory);
        }
    }
    let mut turn = 0;
    settle(&worker, &mut clients, |clients| {
        // That the last packets are missing shows when others follow.
        if turn % 100 == 0 {
            clients[0]
                .peer
                .send_rtp(&packet((packets + turn / 100) as u16));
        }
        turn += 1;
        let arrived = numbers(&mut clients[1]).into_iter();
        received.extend(arrived.filter(|number| u64::from(*number) < packets));
        received.len() as u64 >= packets
    })
    .await;
    received.sort_unstable();
    let expected: Vec<u16> = (0..packets as u16).collect();
    assert_eq!(received, expected, "each once");

    let after = stats(&worker).await;
    let discarded = after.datagrams_discarded - before.datagrams_discarded;
    assert!(discarded > total / 2, "{discarded} of {total} got that far");
    assert_eq!(attacker.answers(), 0);
    assert_eq!(
        clients.each_ref().map(|client| client.peer.failures),
        [0; 2]
    );
    let warm = warm.expect("reached");
    assert!(
        after.memory <= warm + MEMORY_TOLERANCE,
        "{warm} bytes became {}",
        after.memory
    );
    supervisor.shutdown().await;
}

async fn start() -> (Supervisor, Worker) {
    let config = SupervisorConfig {
        worker_count: 1,
        listen: vec![ListenInfo::new(Ipv4Addr::LOCALHOST.into())],
        min_port: 0,
        executable: env!("CARGO_BIN_EXE_plenum-worker").into(),
        ..SupervisorConfig::default()
    };
    // Nobody asks for events; the channel's other end may go.
    let (sender, _) = unbounded_channel();
    let supervisor = Supervisor::start(config, sender).await.expect("a worker");
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    (supervisor, worker)
}

/// Producer and consumer between the two clients.
async fn call(
    clients: &mut [Client; 2],
) -> (
    plenum_supervisor::ProducerHandle,
    plenum_supervisor::ConsumerHandle,
) {
    let [sender, receiver] = clients;
    let id = ProducerId::random();
    let produced = sender
        .transport
        .produce(id, vp8(vec![encoding(1000)]), false)
        .await;
    let producer = produced.expect("connected");
    let consumed = receiver
        .transport
        .consume(ConsumerId::random(), id, vp8_receiver(5000), false)
        .await;
    let consumer = consumed.expect("both exist");
    sender
        .peer
        .add_sender(SendStream::new(1000, Some((1001, 97))));
    receiver
        .peer
        .add_receiver(ReceiveStream::new(5000, Some(5001), 101));
    (producer, consumer)
}
