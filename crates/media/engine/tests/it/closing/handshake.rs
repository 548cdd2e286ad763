//! Closing between any two datagrams of the handshake.

use std::time::Instant;

use super::*;

/// One transport and its peer, whose datagrams are handed over one at a time.
struct Line {
    world: World,
    towards_engine: VecDeque<Vec<u8>>,
    towards_peer: VecDeque<Vec<u8>>,
    batch: SendBatch,
    states: States,
    /// Events that came after the close.
    late: Vec<Event>,
    closed: bool,
    /// When a handshake is over at the latest.
    limit: Instant,
}

impl Line {
    fn new() -> Self {
        let mut world = World::new();
        world.add_peer();
        world.connect(0);
        world.produce(0, 10, vp8(vec![encoding(1000)]));
        Self {
            limit: world.now + Duration::from_secs(10),
            world,
            towards_engine: VecDeque::new(),
            towards_peer: VecDeque::new(),
            batch: SendBatch::new(),
            states: States::default(),
            late: Vec::new(),
            closed: false,
        }
    }

    /// Delivers one datagram, and lets time pass until there is one. `false` once both are connected and silent.
    fn deliver_one(&mut self) -> bool {
        loop {
            self.collect();
            let (world, peer) = (&mut self.world, 0);
            if let Some(datagram) = self.towards_peer.pop_front() {
                world.peers[peer].handle_datagram(world.now, &datagram);
                return true;
            }
            if let Some(mut data) = self.towards_engine.pop_front() {
                let from = world.peers[peer].address;
                let datagram = Datagram {
                    socket: 0,
                    from,
                    data: &mut data,
                };
                world.engine.handle_datagrams(world.now, [datagram]);
                return true;
            }
            if world.peers[peer].is_connected() {
                return false;
            }
            assert!(world.now < self.limit, "never connects");
            world.now += STEP;
            let now = world.now;
            if world.peers[peer].poll_timeout().is_some_and(|at| at <= now) {
                world.peers[peer].handle_timeout(now);
            }
            world.engine.handle_timeout(now);
        }
    }

    fn collect(&mut self) {
        let world = &mut self.world;
        self.towards_engine
            .extend(std::iter::from_fn(|| world.peers[0].poll_transmit()));
        loop {
            let more = world.engine.poll_transmit(world.now, &mut self.batch);
            let sent = self.batch.transmits();
            self.towards_peer
                .extend(sent.map(|transmit| transmit.data.to_vec()));
            self.batch.clear();
            if !more {
                break;
            }
        }
        while let Some(event) = world.engine.poll_event() {
            self.states.check(&event);
            if self.closed {
                self.late.push(event);
            }
        }
    }

    /// Everything on the way arrives, and the peer goes on for a while.
    fn go_on(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            self.collect();
            let world = &mut self.world;
            world.now += STEP;
            let now = world.now;
            for datagram in self.towards_peer.drain(..) {
                world.peers[0].handle_datagram(now, &datagram);
            }
            if world.peers[0].poll_timeout().is_some_and(|at| at <= now) {
                world.peers[0].handle_timeout(now);
            }
            let from = world.peers[0].address;
            for mut data in self.towards_engine.drain(..) {
                let datagram = Datagram {
                    socket: 0,
                    from,
                    data: &mut data,
                };
                world.engine.handle_datagrams(now, [datagram]);
            }
            world.engine.handle_timeout(now);
        }
    }
}

/// Datagrams of an undisturbed handshake.
fn datagrams() -> usize {
    let mut line = Line::new();
    let mut count = 0;
    while line.deliver_one() {
        count += 1;
    }
    count
}

#[test]
fn at_every_datagram_boundary_nothing_is_left_and_nothing_is_told() {
    let count = datagrams();
    assert!(count >= 6, "a check, its answer and four flights: {count}");
    for boundary in 0..=count {
        for router in [false, true] {
            // Before and after what the last datagram led to was taken out.
            for collected in [false, true] {
                let mut line = Line::new();
                for _ in 0..boundary {
                    line.deliver_one();
                }
                if collected {
                    line.collect();
                }
                let now = line.world.now;
                for _ in 0..2 {
                    if router {
                        line.world.engine.close_router(now, ROUTER);
                    } else {
                        line.world.engine.close_transport(now, transport(0));
                    }
                    line.closed = true;
                    assert_eq!(line.world.engine.dump().orphans, 0);
                }
                // The peer knows nothing of it: its checks and flights find nobody.
                line.go_on(Duration::from_secs(2));
                line.collect();
                assert_eq!(line.late, [], "boundary {boundary}");
                line.world.drain();
                assert_empty(&line.world, u32::from(!router));
            }
        }
    }
}

#[test]
fn a_producer_closed_at_every_datagram_boundary_does_not_disturb_the_handshake() {
    for boundary in 0..=datagrams() {
        let mut line = Line::new();
        for _ in 0..boundary {
            line.deliver_one();
        }
        line.world.engine.close_producer(ProducerId::from_u128(10));
        while line.deliver_one() {}
        let stats = line.world.engine.stats();
        assert_eq!((stats.transports, stats.producers), (1, 0));
        assert_eq!(line.world.engine.dump().orphans, 0);
    }
}

#[test]
fn the_same_address_serves_the_next_transport_at_every_datagram_boundary() {
    for boundary in 0..=datagrams() {
        let mut line = Line::new();
        for _ in 0..boundary {
            line.deliver_one();
        }
        let now = line.world.now;
        line.world.engine.close_transport(now, transport(0));
        line.collect();
        let world = &mut line.world;
        let options = WebRtcTransportOptions::default();
        let info = world
            .engine
            .create_webrtc_transport(world.now, ROUTER, transport(1), &options)
            .expect("router exists");
        // What the old peer has sent arrives late, at tables whose keys are in use again. What was sent to it does not
        // reach the new one, which has another socket.
        line.towards_peer.clear();
        world.peers[0] = TestPeer::new(address(20_000), &info, world.now).expect("DTLS starts");
        let parameters = world.peers[0].dtls_parameters();
        world
            .engine
            .connect_webrtc_transport(world.now, transport(1), &parameters)
            .expect("first connect");
        while line.deliver_one() {}
        assert!(line.world.peers[0].is_connected(), "boundary {boundary}");
        let stats = line
            .world
            .engine
            .transport_stats(line.world.now, transport(1));
        assert_eq!(stats.expect("exists").dtls_state, DtlsState::Connected);
        assert_eq!(line.world.engine.dump().orphans, 0);
    }
}
