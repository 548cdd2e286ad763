//! One engine and its peers under a virtual clock.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use plenum_dtls::{Certificate, SrtpProfileId};
use plenum_engine::{Datagram, Engine, EngineConfig, SendBatch, SocketConfig};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{
    event::Event,
    media::{ReceiveParameters, SendParameters},
    transport::{WebRtcTransportInfo, WebRtcTransportOptions},
};
use plenum_testkit::peer::TestPeer;

use crate::Network;

/// Length of one step.
pub const STEP: Duration = Duration::from_millis(1);

/// The one router of a new world.
pub const ROUTER: RouterId = RouterId::from_u128(1);

/// Time that [`World::advance`] takes at least, so that a deadline that nobody moves does not stop the clock.
const SHORTEST_TURN: Duration = Duration::from_micros(10);

/// Turns that a handshake without a network may take: it needs five.
const HANDSHAKE_TURNS: u32 = 20;

/// Bit/s that a path is taken for, unless a test says otherwise.
const WIDE: u32 = 100_000_000;

/// What worlds differ in.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "settings with defaults")]
pub struct WorldConfig {
    /// Restricts the SRTP profiles; empty: the engine's order.
    pub srtp_profiles: Vec<SrtpProfileId>,
    /// The engine's one socket.
    pub socket: SocketConfig,
    /// How long a peer may be silent.
    pub consent_timeout: Duration,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            srtp_profiles: Vec::new(),
            socket: SocketConfig::new(address(10_000)),
            consent_timeout: Duration::from_secs(20),
        }
    }
}

/// Everything in one place. Without a [`Network`] a peer's datagrams arrive in the step after the one in which they were
/// sent, and the engine's at once.
pub struct World {
    /// The engine.
    pub engine: Engine,
    /// The present.
    pub now: Instant,
    /// Clients; the transport of each is numbered like it.
    pub peers: Vec<TestPeer>,
    /// What the engine said of the transport of each.
    pub infos: Vec<WebRtcTransportInfo>,
    /// Events so far.
    pub events: Vec<Event>,
    /// Messages sent, as (segments, bytes).
    pub groups: Vec<(usize, usize)>,
    /// Time, destination and size of every message that the engine sends, when somebody wants to see them.
    pub departures: Option<Vec<(Instant, SocketAddr, usize)>>,
    /// Every datagram that the engine sends, when somebody wants to see them.
    pub datagrams: Option<Vec<Vec<u8>>>,
    /// Every datagram that reaches the engine, when somebody wants to see them.
    pub arrived: Option<Vec<(SocketAddr, Vec<u8>)>>,
    /// Datagrams for addresses that none of `peers` has.
    pub elsewhere: Vec<(SocketAddr, Vec<u8>)>,
    networks: Vec<Option<Network>>,
    batch: SendBatch,
}

impl World {
    /// An engine with one router, without peers.
    pub fn new() -> Self {
        Self::with_config(WorldConfig::default())
    }

    /// Like [`Self::new`], restricted to these SRTP profiles.
    pub fn with_profiles(srtp_profiles: Vec<SrtpProfileId>) -> Self {
        Self::with_config(WorldConfig {
            srtp_profiles,
            ..WorldConfig::default()
        })
    }

    /// Like [`Self::new`] with other settings.
    pub fn with_config(config: WorldConfig) -> Self {
        let now = Instant::now();
        let config = EngineConfig {
            node: 1,
            worker: 2,
            seed: [42; 32],
            certificate: Certificate::generate().expect("key generation works"),
            sockets: vec![config.socket],
            consent_timeout: config.consent_timeout,
            unix_time: Duration::from_hours(500_000),
            srtp_profiles: config.srtp_profiles,
        };
        let mut engine = Engine::new(config, now);
        engine.create_router(ROUTER).expect("first router");
        Self {
            engine,
            now,
            peers: Vec::new(),
            infos: Vec::new(),
            events: Vec::new(),
            groups: Vec::new(),
            departures: None,
            datagrams: None,
            arrived: None,
            elsewhere: Vec::new(),
            networks: Vec::new(),
            batch: SendBatch::new(),
        }
    }

    /// Adds a peer with one transport, numbered like the peer, and waits until it is connected.
    pub fn add_connected_peer(&mut self) -> usize {
        let index = self.add_peer();
        self.connect(index);
        assert!(
            self.run_until(Duration::from_secs(5), |world| world.peers[index]
                .is_connected()),
            "never connected"
        );
        index
    }

    /// Adds a peer with a transport that was not told the peer's certificate yet.
    pub fn add_peer(&mut self) -> usize {
        // A path that is known to be wide: what estimates do is for those tests to say that set them.
        self.add_peer_with(&WebRtcTransportOptions {
            initial_outgoing_bitrate: Some(WIDE),
            ..WebRtcTransportOptions::default()
        })
    }

    /// Like [`Self::add_peer`], with these options of its transport.
    pub fn add_peer_with(&mut self, options: &WebRtcTransportOptions) -> usize {
        self.add_peer_at(address(20_000 + self.peers.len() as u16), options)
    }

    /// Like [`Self::add_peer_with`], at this address.
    pub fn add_peer_at(&mut self, at: SocketAddr, options: &WebRtcTransportOptions) -> usize {
        let index = self.peers.len();
        let info = self
            .engine
            .create_webrtc_transport(self.now, ROUTER, transport(index), options)
            .expect("router exists");
        let peer = TestPeer::new(at, &info, self.now).expect("DTLS starts");
        self.peers.push(peer);
        self.infos.push(info);
        index
    }

    /// Tells the engine the peer's certificate.
    pub fn connect(&mut self, index: usize) {
        let parameters = self.peers[index].dtls_parameters();
        self.engine
            .connect_webrtc_transport(self.now, transport(index), &parameters)
            .expect("first connect");
    }

    /// Connects a peer that has no network, while time stands still.
    pub fn connect_at_once(&mut self, index: usize) {
        self.connect(index);
        for _ in 0..HANDSHAKE_TURNS {
            self.exchange();
            if self.peers[index].is_connected() {
                return;
            }
        }
        panic!("never connected");
    }

    /// Puts a network between a peer and the engine.
    pub fn set_network(&mut self, peer: usize, network: Network) {
        if self.networks.len() <= peer {
            self.networks.resize_with(peer + 1, || None);
        }
        self.networks[peer] = Some(network);
    }

    /// The network in front of a peer that was given one.
    pub fn network(&mut self, peer: usize) -> &mut Network {
        let network = self.networks.get_mut(peer).and_then(Option::as_mut);
        network.expect("the peer was given a network")
    }

    /// All networks.
    pub fn networks(&self) -> impl Iterator<Item = &Network> {
        self.networks.iter().flatten()
    }

    /// Moves time on by one step.
    pub fn step(&mut self) {
        self.now += STEP;
        self.exchange();
    }

    /// Moves time on to the next thing that happens, at most to `limit`: as exact as the clock is.
    pub fn advance(&mut self, limit: Instant) {
        let next = if self.peers.iter().any(TestPeer::has_transmit) {
            Some(self.now)
        } else {
            self.next_deadline()
        };
        let next = next.map_or(limit, |next| next.max(self.now + SHORTEST_TURN));
        self.now = next.min(limit).max(self.now);
        self.exchange();
    }

    fn next_deadline(&self) -> Option<Instant> {
        let peers = self.peers.iter().map(TestPeer::poll_timeout);
        let networks = self.networks().map(Network::poll_timeout);
        let engine = std::iter::once(self.engine.poll_timeout());
        peers.chain(networks).chain(engine).flatten().min()
    }

    /// Does what is due now, on both sides.
    pub fn exchange(&mut self) {
        let mut arriving = self.collect();
        if let Some(arrived) = &mut self.arrived {
            arrived.extend(arriving.iter().cloned());
        }
        self.deliver(&mut arriving);
        for (peer, network) in self.peers.iter_mut().zip(&mut self.networks) {
            let Some(network) = network else { continue };
            while let Some(((), datagram)) = network.down.poll(self.now) {
                peer.handle_datagram(self.now, &datagram);
            }
        }
    }

    /// What reaches the engine now.
    fn collect(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut arriving = Vec::new();
        for (index, peer) in self.peers.iter_mut().enumerate() {
            if peer.poll_timeout().is_some_and(|due| due <= self.now) {
                peer.handle_timeout(self.now);
            }
            let mut network = self.networks.get_mut(index).and_then(Option::as_mut);
            while let Some(datagram) = peer.poll_transmit() {
                match &mut network {
                    Some(network) => network.up.handle_packet(self.now, datagram, ()),
                    None => arriving.push((peer.address, datagram)),
                }
            }
            if let Some(network) = network {
                while let Some(((), datagram)) = network.up.poll(self.now) {
                    arriving.push((peer.address, datagram));
                }
            }
        }
        arriving
    }

    /// Gives the engine datagrams as one batch and sends its answers on their way.
    pub fn deliver(&mut self, arriving: &mut [(SocketAddr, Vec<u8>)]) {
        let datagrams = arriving.iter_mut().map(|(from, data)| Datagram {
            socket: 0,
            from: *from,
            data,
        });
        self.engine.handle_datagrams(self.now, datagrams);
        self.drain();
        if self
            .engine
            .poll_timeout()
            .is_some_and(|due| due <= self.now)
        {
            self.engine.handle_timeout(self.now);
        }
        self.drain();
    }

    /// Takes everything that the engine has to say.
    pub fn drain(&mut self) {
        loop {
            let more = self.engine.poll_transmit(self.now, &mut self.batch);
            for transmit in self.batch.transmits() {
                let segment = usize::from(transmit.segment_size);
                let segments = transmit.data.len().div_ceil(segment);
                self.groups.push((segments, transmit.data.len()));
                if let Some(departures) = &mut self.departures {
                    departures.push((self.now, transmit.to, transmit.data.len()));
                }
                let found = self
                    .peers
                    .iter()
                    .position(|peer| peer.address == transmit.to);
                for datagram in transmit.data.chunks(segment) {
                    if let Some(datagrams) = &mut self.datagrams {
                        datagrams.push(datagram.to_vec());
                    }
                    let Some(index) = found else {
                        self.elsewhere.push((transmit.to, datagram.to_vec()));
                        continue;
                    };
                    match self.networks.get_mut(index) {
                        Some(Some(network)) => {
                            network.down.handle_packet(self.now, datagram.to_vec(), ());
                        }
                        _ => self.peers[index].handle_datagram(self.now, datagram),
                    }
                }
            }
            self.batch.clear();
            if !more {
                break;
            }
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push(event);
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Lets time pass until a condition is met; `false` when it was not within `limit`.
    pub fn run_until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while self.now < end {
            if condition(self) {
                return true;
            }
            self.step();
        }
        condition(self)
    }

    /// A producer on a peer's transport.
    pub fn produce(&mut self, peer: usize, id: u128, parameters: ReceiveParameters) -> ProducerId {
        let id = ProducerId::from_u128(id);
        self.engine
            .produce(transport(peer), id, parameters, false)
            .expect("transport exists");
        id
    }

    /// A consumer on a peer's transport.
    pub fn consume(
        &mut self,
        peer: usize,
        id: u128,
        producer: ProducerId,
        parameters: SendParameters,
    ) -> ConsumerId {
        let id = ConsumerId::from_u128(id);
        let done = self
            .engine
            .consume(self.now, transport(peer), id, producer, parameters, false);
        done.expect("transport and producer exist");
        id
    }

    /// Everything that a peer has received so far.
    pub fn received(&mut self, peer: usize) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.peers[peer].poll_received()).collect()
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// A port of this machine, in the engine's eyes.
pub fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The transport of a peer.
pub const fn transport(index: usize) -> TransportId {
    TransportId::from_u128(index as u128)
}
