//! Calls on other ways than UDP over IPv4 to the port that all share, and those who come to listening ports for no good.

use std::{
    collections::HashSet,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
};

use plenum_harness::parameters::{encoding, vp8, vp8_receiver};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId, WorkerId};
use plenum_ipc::Event;
use plenum_params::transport::{IceState, ListenInfo, Protocol, Protocols, WebRtcTransportOptions};
use plenum_rtp::RtpHeader;
use plenum_supervisor::{
    ConsumerHandle, PortMode, ProducerHandle, RouterHandle, Supervisor, SupervisorConfig, Worker,
    WorkerEvent,
};
use plenum_testkit::{
    peer::{ReceiveStream, SendStream},
    rng::Rng,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    client::{Client, Framed, Line, numbers, packet, stats},
    supervised::{config, start_with},
};

/// Turns in which what is on the way must arrive: see `attacks`.
const MAX_TURNS: u32 = 200_000;

/// Ends the picture that a sender was asked for.
const MARK: u8 = 0x77;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

struct Stage {
    supervisor: Supervisor,
    events: UnboundedReceiver<WorkerEvent>,
    worker: Worker,
    router: RouterHandle,
}

impl Stage {
    async fn new(ips: &[IpAddr], port_mode: PortMode) -> Self {
        let config = SupervisorConfig {
            listen: ips.iter().copied().map(ListenInfo::new).collect(),
            port_mode,
            ..config(1)
        };
        let (supervisor, events) = start_with(config).await;
        let worker = supervisor.worker(WorkerId(0)).expect("running");
        let router = RouterHandle::create(&worker, RouterId::random()).await;
        Self {
            supervisor,
            events,
            worker,
            router: router.expect("new"),
        }
    }

    /// Where connections are taken.
    async fn tcp_address(&self) -> SocketAddr {
        let options = WebRtcTransportOptions {
            protocols: Protocols::TCP_ONLY,
            ..WebRtcTransportOptions::default()
        };
        let created = self
            .router
            .create_webrtc_transport(TransportId::random(), options)
            .await;
        let (_, info) = created.expect("the router exists");
        let candidate = &info.ice_candidates[0];
        SocketAddr::new(candidate.address.ip().expect("a number"), candidate.port)
    }

    /// Lets all clients work until `done`; the worker has had its turn after each of theirs.
    async fn settle(
        &self,
        clients: &mut [Client],
        mut done: impl FnMut(&mut [Client], &plenum_params::stats::WorkerStats) -> bool,
    ) {
        for _ in 0..MAX_TURNS {
            clients.iter_mut().for_each(Client::turn);
            let stats = stats(&self.worker).await;
            if done(clients, &stats) {
                return;
            }
        }
        panic!("not within {MAX_TURNS} turns");
    }

    /// A sender and a receiver that the first picture has reached.
    async fn call(&self, protocols: [Protocol; 2]) -> Call {
        let mut clients = Vec::new();
        for protocol in protocols {
            clients.push(Client::connect_by(&self.router, protocol).await);
        }
        self.settle(&mut clients, |clients, _| {
            clients.iter().all(|client| client.peer.is_connected())
        })
        .await;
        let [sender, receiver] = &mut clients[..] else {
            panic!("two protocols, two clients");
        };
        let id = ProducerId::random();
        let parameters = vp8(vec![encoding(1000)]);
        let produced = sender.transport.produce(id, parameters, false).await;
        let consumed = receiver
            .transport
            .consume(ConsumerId::random(), id, vp8_receiver(5000), false)
            .await;
        let stream = SendStream::new(1000, Some((1001, 97)));
        sender.peer.add_sender(stream);
        let stream = ReceiveStream::new(5000, Some(5001), 101);
        receiver.peer.add_receiver(stream);
        let mut call = Call {
            clients,
            received: Vec::new(),
            sent: 0,
            _producer: produced.expect("connected"),
            _consumer: consumed.expect("both exist"),
        };
        call.go_on(self, 1).await;
        call
    }
}

struct Call {
    clients: Vec<Client>,
    received: Vec<u16>,
    /// Number of the next picture.
    sent: u16,
    _producer: ProducerHandle,
    _consumer: ConsumerHandle,
}

impl Call {
    /// Sends so many pictures, which must all arrive.
    async fn go_on(&mut self, stage: &Stage, pictures: u16) {
        let wanted = self.received.len() + usize::from(pictures);
        for _ in 0..pictures {
            self.clients[0].peer.send_rtp(&packet(self.sent));
            self.sent += 1;
            self.clients[0].turn();
            stats(&stage.worker).await;
            self.clients[1].turn();
        }
        let received = &mut self.received;
        stage
            .settle(&mut self.clients, |clients, _| {
                received.extend(numbers(&mut clients[1]));
                received.len() >= wanted
            })
            .await;
    }
}

/// Requests for key frames that a sender has got.
fn requests(sender: &Client) -> u32 {
    sender.peer.key_frame_requests.values().sum()
}

#[tokio::test]
async fn calls_go_over_both_protocols_and_both_families() {
    let stage = Stage::new(&[V4, V6], PortMode::Shared).await;
    let pairs = [
        [Protocol::Tcp, Protocol::Tcp],
        [Protocol::Udp, Protocol::Tcp],
        [Protocol::Tcp, Protocol::Udp],
    ];
    for protocols in pairs {
        let mut call = stage.call(protocols).await;
        call.go_on(&stage, 200).await;
        assert_eq!(call.received, (0..201).collect::<Vec<u16>>());
        for (client, protocol) in call.clients.iter().zip(protocols) {
            let stats = client.transport.stats().await.expect("it is there");
            let tuple = stats.selected_tuple.expect("connected");
            assert_eq!(tuple.protocol, protocol);
            assert_eq!(tuple.local, client.peer.remote);
            assert_eq!(tuple.remote, client.peer.address);
            assert_eq!(client.peer.failures, 0);
        }
    }
    drop(stage.router);
    // The transports are closed, and with them their connections.
    let mut turns = 0;
    while stats(&stage.worker).await.connections > 0 {
        turns += 1;
        assert!(turns < MAX_TURNS);
    }
    stage.supervisor.shutdown().await;
}

#[tokio::test]
async fn ipv6_alone_is_enough() {
    let stage = Stage::new(&[V6], PortMode::Shared).await;
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let mut call = stage.call([protocol; 2]).await;
        call.go_on(&stage, 50).await;
        assert!(
            call.clients
                .iter()
                .all(|client| client.peer.remote.is_ipv6())
        );
    }
    stage.supervisor.shutdown().await;
}

#[tokio::test]
async fn every_transport_has_ports_of_its_own_if_that_is_wanted() {
    let stage = Stage::new(&[V4], PortMode::PerTransport).await;
    let mut ports = HashSet::new();
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        let mut call = stage.call([protocol; 2]).await;
        call.go_on(&stage, 50).await;
        let remotes = call.clients.iter().map(|client| client.peer.remote);
        ports.extend(remotes.map(|remote| (protocol, remote.port())));
    }
    assert_eq!(ports.len(), 4, "{ports:?}");
    // What belongs to closed transports is closed, too, and does not come back while their numbers are used again.
    let address = stage.tcp_address().await;
    let mut turns = 0;
    while TcpStream::connect(address).is_ok() {
        stats(&stage.worker).await;
        turns += 1;
        assert!(turns < MAX_TURNS);
    }
    let before = stats(&stage.worker).await.descriptors;
    for _ in 0..20 {
        stage.tcp_address().await;
    }
    let after = stats(&stage.worker).await.descriptors;
    assert!(after <= before, "{before} became {after}");
    stage.supervisor.shutdown().await;
}

#[tokio::test]
async fn those_who_say_nothing_sensible_are_closed_and_a_call_goes_on() {
    let stage = Stage::new(&[V4], PortMode::Shared).await;
    let mut call = stage.call([Protocol::Tcp; 2]).await;
    let address = stage.tcp_address().await;
    let mut rng = Rng::new(7);
    // No frame is so long.
    let mut web = Framed::open(address);
    web.stream
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("open");
    // Frames, but never a check; more than anybody says before one.
    let mut noisy = Framed::open(address);
    for _ in 0..40 {
        let noise: Vec<u8> = (0..500).map(|_| rng.next_u64() as u8).collect();
        noisy.send(&noise);
        call.go_on(&stage, 1).await;
    }
    // Half a frame, and then nothing; and one that hangs up in the midst of one.
    let mut half = Framed::open(address);
    half.stream.write_all(&[1, 0, 0, 1]).expect("open");
    let mut gone = Framed::open(address);
    gone.stream.write_all(&[1, 0, 0, 1]).expect("open");
    drop(gone);
    stage
        .settle(&mut call.clients, |_, stats| {
            web.receive(|_| panic!("an answer"));
            noisy.receive(|_| panic!("an answer"));
            half.receive(|_| panic!("an answer"));
            // The call's two, and the one that may yet become sensible.
            web.is_over && noisy.is_over && stats.connections == 3
        })
        .await;
    assert!(!half.is_over);
    call.go_on(&stage, 100).await;
    assert!(call.received.iter().copied().eq(0..call.sent));
    stage.supervisor.shutdown().await;
}

#[tokio::test]
async fn a_thousand_connections_at_once_are_few_for_the_worker() {
    let stage = Stage::new(&[V4], PortMode::Shared).await;
    let mut call = stage.call([Protocol::Tcp; 2]).await;
    let address = stage.tcp_address().await;
    let mut strangers: Vec<Framed> = (0..1000).map(|_| Framed::open(address)).collect();
    // Most are closed at once, as they come from one address.
    stage
        .settle(&mut call.clients, |_, stats| {
            for stranger in &mut strangers {
                stranger.receive(|_| panic!("an answer"));
            }
            let open = strangers.iter().filter(|stranger| !stranger.is_over);
            open.count() == 64 && stats.connections == 66
        })
        .await;
    let counted = stats(&stage.worker).await;
    assert_eq!(counted.connections_refused, 936);
    call.go_on(&stage, 100).await;
    assert!(call.received.iter().copied().eq(0..call.sent));
    // Who leaves makes room.
    drop(strangers);
    let mut other = stage.call([Protocol::Tcp; 2]).await;
    other.go_on(&stage, 10).await;
    stage.supervisor.shutdown().await;
}

#[tokio::test]
async fn a_reader_that_stops_costs_little_and_goes_on_with_a_key_frame() {
    let stage = Stage::new(&[V4], PortMode::Shared).await;
    let mut call = stage.call([Protocol::Udp, Protocol::Tcp]).await;
    call.clients[1].framed().is_reading = false;
    // Far more than fits between the two, until the worker notices.
    let before = stats(&stage.worker).await;
    let mut sent = 0_u64;
    let mut now = before.clone();
    while now.media.connections_blocked == before.media.connections_blocked {
        for _ in 0..20 {
            // A picture of a thousand bytes, and now and then one that needs no other.
            let mut picture = packet(call.sent);
            picture.resize(1_100, 0x33);
            if call.sent.is_multiple_of(10) {
                picture[16] = 0;
            }
            call.clients[0].peer.send_rtp(&picture);
            call.sent += 1;
            sent += 1;
        }
        call.clients.iter_mut().for_each(Client::turn);
        now = stats(&stage.worker).await;
        assert!(sent < 20_000, "never blocked");
    }
    // From then on nothing more is sent to it, whatever comes.
    let blocked = stats(&stage.worker).await;
    for number in 0..6000 {
        // So much that the last key frame is no longer kept.
        let mut picture = packet(call.sent);
        picture.resize(1_100, 0x33);
        call.clients[0].peer.send_rtp(&picture);
        call.sent += 1;
        call.clients[0].turn();
        if number % 20 == 0 {
            stats(&stage.worker).await;
        }
    }
    let after = stats(&stage.worker).await;
    assert_eq!(after.media.rtp_sent, blocked.media.rtp_sent);
    let grown = after.memory.saturating_sub(blocked.memory);
    assert!(grown < 4 << 20, "{grown} bytes more");
    assert_eq!(after.datagrams_dropped, before.datagrams_dropped);
    // It reads again, and is asked for a picture to go on with.
    let mut answered = requests(&call.clients[0]);
    call.clients[1].framed().is_reading = true;
    let mut received: Vec<Vec<u8>> = Vec::new();
    let is_marked = |packet: &Vec<u8>| packet.last() == Some(&MARK);
    for _ in 0..MAX_TURNS {
        call.clients.iter_mut().for_each(Client::turn);
        stats(&stage.worker).await;
        received.extend(std::iter::from_fn(|| call.clients[1].peer.poll_received()));
        if requests(&call.clients[0]) > answered {
            // One may have been asked for while it was still blocked.
            answered = requests(&call.clients[0]);
            let mut picture = packet(call.sent);
            picture[16] = 0;
            *picture.last_mut().expect("long") = MARK;
            call.clients[0].peer.send_rtp(&picture);
            call.sent += 1;
        }
        if received.last().is_some_and(is_marked) {
            break;
        }
    }
    assert!(
        received.last().is_some_and(is_marked),
        "a key frame comes last"
    );
    // Before it came what had been on its way, and nothing else. What waited for its turn at that moment was left out.
    assert!(received.len() as u64 <= now.media.rtp_sent + 2);
    let headers = received
        .iter()
        .map(|packet| RtpHeader::parse(packet).expect("well-formed"));
    let sequence: Vec<u16> = headers.map(|header| header.sequence_number).collect();
    let gaps = sequence
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[1] != pair[0].wrapping_add(1));
    let gaps: Vec<_> = gaps.collect();
    let before_key = sequence.len() - 2;
    assert!(
        gaps.iter().all(|(at, _)| *at == before_key),
        "{gaps:?} of {}",
        sequence.len()
    );
    call.received.clear();
    call.go_on(&stage, 50).await;
    assert_eq!(call.clients[1].peer.failures, 0);
    stage.supervisor.shutdown().await;
}

#[tokio::test]
async fn who_hangs_up_in_the_midst_of_a_call_may_come_back() {
    let mut stage = Stage::new(&[V4], PortMode::Shared).await;
    let mut call = stage.call([Protocol::Udp, Protocol::Tcp]).await;
    let id = call.clients[1].transport.id();
    let remote = call.clients[1].peer.remote;
    let (line, _) = Line::open(remote, Protocol::Tcp);
    drop(std::mem::replace(&mut call.clients[1].line, line));
    // The client does nothing until the worker has said that it is gone.
    let disconnected = |event: &WorkerEvent| matches!(event, WorkerEvent::Media { event: Event::IceState { transport, state: IceState::Disconnected, .. }, .. } if *transport == id);
    while !disconnected(&crate::supervised::next(&mut stage.events).await) {}
    let answered = call.clients[1].peer.checks_answered();
    stage
        .settle(&mut call.clients, |clients, _| {
            clients[1].peer.checks_answered() > answered
        })
        .await;
    // What it missed it does not get; what comes now it does.
    let before = call.received.len();
    call.go_on(&stage, 50).await;
    assert!(call.received.len() >= before + 50);
    assert_eq!(stats(&stage.worker).await.connections, 1);
    stage.supervisor.shutdown().await;
}
