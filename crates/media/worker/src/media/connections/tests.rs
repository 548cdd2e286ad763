use std::{
    io::Read,
    net::{Ipv4Addr, TcpStream},
};

use plenum_dtls::Certificate;
use plenum_engine::{EngineConfig, SocketConfig};
use plenum_params::transport::Protocol;
use plenum_udp::{Events, TcpListener};

use super::*;

/// Connections of a listening socket, without an event loop; its clock is the test's.
struct Stage {
    engine: Engine,
    poller: Poller,
    listener: TcpListener,
    connections: Connections,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let poller = Poller::new().expect("epoll");
        let added = poller.add(&listener, 0, Interest::Readable);
        added.expect("new");
        let now = Instant::now();
        let config = EngineConfig {
            node: 1,
            worker: 0,
            seed: [1; 32],
            certificate: Certificate::generate().expect("key generation works"),
            sockets: vec![SocketConfig {
                protocol: Protocol::Tcp,
                ..SocketConfig::new(listener.local_addr())
            }],
            consent_timeout: Duration::from_secs(30),
            unix_time: Duration::ZERO,
            srtp_profiles: Vec::new(),
        };
        Self {
            engine: Engine::new(config, now),
            poller,
            listener,
            connections: Connections::new(),
            now,
        }
    }

    fn connect(&mut self) -> TcpStream {
        let client = TcpStream::connect(self.listener.local_addr()).expect("it listens");
        let mut events = Events::with_capacity(4);
        let stream = loop {
            match self.listener.accept().expect("it listens") {
                Some(stream) => break stream,
                None => self.poller.wait(None, &mut events).expect("epoll"),
            };
        };
        let now = self.now;
        self.connections.insert(now, 0, stream, |_, _| Ok(()));
        client
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.connections.handle_timeout(self.now, &self.engine);
    }

    fn stats(&self) -> (u32, u64) {
        let mut stats = WorkerStats::default();
        self.connections.fill(&mut stats);
        (stats.connections, stats.connections_refused)
    }
}

#[test]
fn a_customer_is_an_address_or_a_network() {
    let of = |text: &str| network(text.parse().expect("an address"));
    assert_eq!(of("192.0.2.1"), of("192.0.2.1"));
    assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::4"));
    assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
}

#[test]
fn a_strangers_time_ends() {
    let mut stage = Stage::new();
    assert_eq!(stage.connections.poll_timeout(), None);
    let mut first = stage.connect();
    stage.wait(STRANGERS_TIME / 2);
    let _second = stage.connect();
    assert_eq!(stage.stats(), (2, 0));
    let due = stage.connections.poll_timeout().expect("the first one's");
    assert_eq!(due, stage.now + STRANGERS_TIME / 2);
    stage.wait(STRANGERS_TIME / 2);
    assert_eq!(stage.stats(), (1, 1));
    assert_eq!(first.read(&mut [0]).ok(), Some(0), "it is told");
    stage.wait(STRANGERS_TIME);
    assert_eq!(stage.stats(), (0, 2));
    assert!(stage.connections.strangers_of.is_empty());
    assert_eq!(stage.connections.strangers, 0);
}

#[test]
fn one_address_has_few_strangers_and_those_that_are_known_do_not_count() {
    let mut stage = Stage::new();
    let clients: Vec<_> = (0..MAX_STRANGERS_OF_ADDRESS)
        .map(|_| stage.connect())
        .collect();
    let _refused = stage.connect();
    assert_eq!(stage.stats(), (MAX_STRANGERS_OF_ADDRESS, 1));
    for key in 0..clients.len() {
        stage.connections.welcome(key);
    }
    let _taken = stage.connect();
    assert_eq!(stage.stats(), (MAX_STRANGERS_OF_ADDRESS + 1, 1));
    // Whose time is over is not closed if it is known by then.
    stage.wait(STRANGERS_TIME);
    assert_eq!(stage.stats(), (MAX_STRANGERS_OF_ADDRESS, 2));
    stage.connections.close_all_of(0);
    assert_eq!(stage.stats(), (0, 2));
    assert!(stage.connections.by_path.is_empty());
}

#[test]
fn arrivals_do_not_pile_up() {
    let mut stage = Stage::new();
    for _ in 0..5 * MAX_STRANGERS {
        let client = stage.connect();
        let remote = client.local_addr().expect("bound");
        stage.connections.close(0, remote);
    }
    assert!(stage.connections.arrivals.len() <= 4 * MAX_STRANGERS);
    assert_eq!(stage.stats(), (0, 0));
}
