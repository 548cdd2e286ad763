//! Random lives of objects against a model that knows who belongs to whom. Keys are reused all the time.

use proptest::prelude::*;

use super::*;

/// One thing that happens; numbers choose among what there is at that moment.
#[derive(Clone, Debug)]
enum Happening {
    /// A peer with a new transport, connected or not, at an address that may have been another's.
    Arrive {
        slot: usize,
        router: u8,
        handshake: bool,
    },
    Produce(usize),
    Consume(usize, usize),
    CloseConsumer(usize),
    CloseProducer(usize),
    CloseTransport(usize),
    CloseRouter(u8),
    PauseConsumer(usize),
    ResumeConsumer(usize),
    PauseProducer(usize),
    ResumeProducer(usize),
    RestartIce(usize),
    /// Every peer sends on all its producers, closed ones included, and `close` happens before anything is taken out.
    Media {
        close: usize,
    },
    Nack(usize),
    Wait(u16),
}

fn happening() -> impl Strategy<Value = Happening> {
    let number = 0..64_usize;
    prop_oneof![
        4 => (0..SLOTS, 0..ROUTERS, prop::bool::weighted(0.6))
            .prop_map(|(slot, router, handshake)| Happening::Arrive { slot, router, handshake }),
        6 => number.clone().prop_map(Happening::Produce),
        8 => (number.clone(), number.clone()).prop_map(|(to, of)| Happening::Consume(to, of)),
        2 => number.clone().prop_map(Happening::CloseConsumer),
        2 => number.clone().prop_map(Happening::CloseProducer),
        1 => number.clone().prop_map(Happening::CloseTransport),
        1 => (0..ROUTERS).prop_map(Happening::CloseRouter),
        1 => number.clone().prop_map(Happening::PauseConsumer),
        1 => number.clone().prop_map(Happening::ResumeConsumer),
        1 => number.clone().prop_map(Happening::PauseProducer),
        1 => number.clone().prop_map(Happening::ResumeProducer),
        1 => number.clone().prop_map(Happening::RestartIce),
        10 => number.clone().prop_map(|close| Happening::Media { close }),
        2 => number.prop_map(Happening::Nack),
        2 => (1..1500_u16).prop_map(Happening::Wait),
    ]
}

const SLOTS: usize = 4;
const ROUTERS: u8 = 2;

#[derive(Clone, Copy, Debug)]
struct ModelTransport {
    router: u8,
    slot: usize,
}

#[derive(Clone, Copy, Debug)]
struct ModelProducer {
    transport: TransportId,
    tag: u8,
}

#[derive(Clone, Copy, Debug)]
struct ModelConsumer {
    transport: TransportId,
    producer: ProducerId,
    ssrc: u32,
}

/// The engine and what should be in it.
struct Model {
    world: World,
    routers: BTreeSet<u8>,
    transports: BTreeMap<TransportId, ModelTransport>,
    producers: BTreeMap<ProducerId, ModelProducer>,
    consumers: BTreeMap<ConsumerId, ModelConsumer>,
    /// SSRCs that each slot's peer sends, whether their producers live or not, with the payload's byte.
    sending: [Vec<(u32, u8)>; SLOTS],
    /// Consumers by SSRC, closed ones included: the transport and the payload's byte.
    ever: BTreeMap<u32, (TransportId, u8)>,
    slots: [Option<TransportId>; SLOTS],
    ports: [u16; SLOTS],
    states: States,
    next: u32,
    sequence_number: u16,
    received: usize,
}

fn router_id(router: u8) -> RouterId {
    RouterId::from_u128(100 + u128::from(router))
}

fn pick<K: Copy, V>(map: &BTreeMap<K, V>, index: usize) -> Option<K> {
    map.keys().nth(index % map.len().max(1)).copied()
}

impl Model {
    fn new() -> Self {
        let mut world = World::new();
        world.engine.close_router(world.now, ROUTER);
        // Every slot has a peer from the start, which knows a transport that is gone.
        world.engine.create_router(router_id(0)).expect("new");
        for slot in 0..SLOTS {
            let info = world.engine.create_webrtc_transport(
                world.now,
                router_id(0),
                TransportId::from_u128(slot as u128),
                &WebRtcTransportOptions::default(),
            );
            let info = info.expect("router exists");
            let mut peer = TestPeer::new(address(20_000 + slot as u16), &info, world.now)
                .expect("DTLS starts");
            peer.fall_silent();
            world.peers.push(peer);
        }
        world.engine.close_router(world.now, router_id(0));
        Self {
            world,
            routers: BTreeSet::new(),
            transports: BTreeMap::new(),
            producers: BTreeMap::new(),
            consumers: BTreeMap::new(),
            sending: Default::default(),
            ever: BTreeMap::new(),
            slots: [None; SLOTS],
            ports: std::array::from_fn(|slot| 20_000 + slot as u16),
            states: States::default(),
            next: 1000,
            sequence_number: 100,
            received: 0,
        }
    }

    fn fresh(&mut self) -> u32 {
        self.next += 2;
        self.next
    }

    fn happen(&mut self, happening: &Happening) {
        let now = self.world.now;
        match *happening {
            Happening::Arrive {
                slot,
                router,
                handshake,
            } => self.arrive(slot, router, handshake),
            Happening::Produce(index) => self.produce(index),
            Happening::Consume(to, of) => self.consume(to, of),
            Happening::CloseConsumer(index) => {
                if let Some(id) = pick(&self.consumers, index) {
                    self.world.engine.close_consumer(id);
                    self.consumers.remove(&id);
                }
            }
            Happening::CloseProducer(index) => {
                if let Some(id) = pick(&self.producers, index) {
                    self.world.engine.close_producer(id);
                    self.forget_producer(id);
                }
            }
            Happening::CloseTransport(index) => {
                if let Some(id) = pick(&self.transports, index) {
                    self.world.engine.close_transport(now, id);
                    self.forget_transport(id);
                }
            }
            Happening::CloseRouter(router) => {
                self.world.engine.close_router(now, router_id(router));
                self.routers.remove(&router);
                let inside = self.transports.iter().filter(|(_, it)| it.router == router);
                let inside: Vec<_> = inside.map(|(id, _)| *id).collect();
                for id in inside {
                    self.forget_transport(id);
                }
            }
            Happening::PauseConsumer(index) => {
                let id = pick(&self.consumers, index);
                if let Some(id) = id {
                    self.world.engine.pause_consumer(id).expect("lives");
                }
            }
            Happening::ResumeConsumer(index) => {
                let id = pick(&self.consumers, index);
                if let Some(id) = id {
                    self.world.engine.resume_consumer(now, id).expect("lives");
                }
            }
            Happening::PauseProducer(index) => {
                let id = pick(&self.producers, index);
                if let Some(id) = id {
                    self.world.engine.pause_producer(id).expect("lives");
                }
            }
            Happening::ResumeProducer(index) => {
                let id = pick(&self.producers, index);
                if let Some(id) = id {
                    self.world.engine.resume_producer(now, id).expect("lives");
                }
            }
            Happening::RestartIce(index) => {
                if let Some(id) = pick(&self.transports, index) {
                    let slot = self.transports[&id].slot;
                    let parameters = self.world.engine.restart_ice(id).expect("lives");
                    if self.slots[slot] == Some(id) {
                        self.world.peers[slot].restart_ice(now, &parameters);
                    }
                }
            }
            Happening::Media { close } => self.media(close),
            Happening::Nack(index) => {
                if let Some(id) = pick(&self.consumers, index) {
                    let consumer = self.consumers[&id];
                    let slot = self.transports[&consumer.transport].slot;
                    let numbers: Vec<_> = (0..5)
                        .map(|n| self.sequence_number.wrapping_sub(n))
                        .collect();
                    self.world.peers[slot]
                        .send_rtcp(|writer| writer.nack(1, consumer.ssrc, numbers).is_ok());
                }
            }
            Happening::Wait(milliseconds) => {
                self.world
                    .run(Duration::from_millis(u64::from(milliseconds)));
            }
        }
    }

    fn arrive(&mut self, slot: usize, router: u8, handshake: bool) {
        let now = self.world.now;
        if self.routers.insert(router) {
            self.world
                .engine
                .create_router(router_id(router))
                .expect("new");
        }
        let id = TransportId::from_u128(u128::from(self.fresh()));
        let options = WebRtcTransportOptions::default();
        let info = self
            .world
            .engine
            .create_webrtc_transport(now, router_id(router), id, &options)
            .expect("router exists");
        if self.transports.values().any(|it| it.slot == slot) {
            // An address stays with a transport that lives, and is free again once that is closed.
            self.ports[slot] += SLOTS as u16;
        }
        let mut peer = TestPeer::new(address(self.ports[slot]), &info, now).expect("DTLS starts");
        if handshake {
            let parameters = peer.dtls_parameters();
            let connected = self
                .world
                .engine
                .connect_webrtc_transport(now, id, &parameters);
            connected.expect("first connect");
        } else {
            peer.fall_silent();
        }
        self.world.peers[slot] = peer;
        self.sending[slot].clear();
        self.slots[slot] = Some(id);
        self.transports.insert(id, ModelTransport { router, slot });
        if handshake {
            let connected = |world: &World| world.peers[slot].is_connected();
            assert!(self.world.run_until(Duration::from_secs(5), connected));
        }
    }

    fn produce(&mut self, index: usize) {
        let Some(transport) = pick(&self.transports, index) else {
            return;
        };
        let ssrc = self.fresh();
        let id = ProducerId::from_u128(u128::from(ssrc));
        let parameters = vp8(vec![encoding(ssrc)]);
        let produced = self.world.engine.produce(transport, id, parameters, false);
        if let Err(error) = produced {
            assert!(error.to_string().contains("more than"), "{error}");
            return;
        }
        let tag = (ssrc / 2 % 128) as u8;
        let producer = ModelProducer { transport, tag };
        self.producers.insert(id, producer);
        let slot = self.transports[&transport].slot;
        if self.slots[slot] == Some(transport) {
            self.world.peers[slot].add_sender(SendStream::new(ssrc, Some((ssrc + 1, 97))));
            self.sending[slot].push((ssrc, tag));
        }
    }

    fn consume(&mut self, to: usize, of: usize) {
        let chosen = pick(&self.transports, to).zip(pick(&self.producers, of));
        let Some((transport, producer)) = chosen else {
            return;
        };
        let source = self.producers[&producer];
        let ssrc = self.fresh();
        let id = ConsumerId::from_u128(u128::from(ssrc));
        let now = self.world.now;
        let parameters = vp8_receiver(ssrc);
        let engine = &mut self.world.engine;
        let done = engine.consume(now, transport, id, producer, parameters, false);
        let same = self.transports[&transport].router == self.transports[&source.transport].router;
        assert_eq!(done.is_ok(), same, "{done:?}");
        if same {
            let consumer = ModelConsumer {
                transport,
                producer,
                ssrc,
            };
            self.consumers.insert(id, consumer);
            self.ever.insert(ssrc, (transport, source.tag));
        }
    }

    fn media(&mut self, close: usize) {
        self.world.step();
        self.sequence_number = self.sequence_number.wrapping_add(1);
        let mut arriving = Vec::new();
        for (slot, peer) in self.world.peers.iter_mut().enumerate() {
            for &(ssrc, tag) in &self.sending[slot] {
                peer.send_rtp(&packet(ssrc, self.sequence_number, tag));
            }
            let from = peer.address;
            arriving.extend(std::iter::from_fn(|| peer.poll_transmit()).map(|data| (from, data)));
        }
        let datagrams = arriving.iter_mut().map(|(from, data)| Datagram {
            socket: 0,
            from: *from,
            data,
        });
        self.world
            .engine
            .handle_datagrams(self.world.now, datagrams);
        let closing = match close % 8 {
            0 => Happening::CloseConsumer(close / 8),
            1 => Happening::CloseProducer(close / 8),
            2 => Happening::CloseTransport(close / 8),
            _ => return,
        };
        self.happen(&closing);
        // The keys that became free are taken at once.
        self.produce(close);
        self.consume(close, close / 4);
    }

    fn forget_producer(&mut self, id: ProducerId) {
        self.producers.remove(&id);
        self.consumers.retain(|_, it| it.producer != id);
    }

    fn forget_transport(&mut self, id: TransportId) {
        self.transports.remove(&id);
        let own = self.producers.iter().filter(|(_, it)| it.transport == id);
        let own: Vec<_> = own.map(|(id, _)| *id).collect();
        for id in own {
            self.forget_producer(id);
        }
        self.consumers.retain(|_, it| it.transport != id);
    }

    /// Whether engine and model tell the same story.
    fn check(&mut self) {
        let dump = self.world.engine.dump();
        assert!(dump.transports.iter().eq(self.transports.keys()));
        assert!(dump.producers.iter().eq(self.producers.keys()));
        assert!(dump.consumers.iter().eq(self.consumers.keys()));
        assert_eq!(dump.routers.len(), self.routers.len());
        assert_eq!(dump.orphans, 0);
        // Events that waited for the last step's end speak of what lived then and lives now.
        self.world.events.clear();
        self.world.drain();
        for event in &self.world.events {
            let lives = match object(event) {
                Object::Transport(id) => self.transports.contains_key(&id),
                Object::Producer(id) => self.producers.contains_key(&id),
                Object::Consumer(id) => self.consumers.contains_key(&id),
            };
            assert!(lives, "closed before: {event:?}");
        }
        for (slot, peer) in self.world.peers.iter_mut().enumerate() {
            assert_eq!(
                peer.failures, 0,
                "sealed with the keys of another transport"
            );
            while let Some(packet) = peer.poll_received() {
                self.received += 1;
                let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
                let Some(&(transport, tag)) = self.ever.get(&ssrc) else {
                    assert!(self.ever.contains_key(&(ssrc - 1)), "nobody's SSRC {ssrc}");
                    continue;
                };
                assert_eq!(self.slots[slot], Some(transport), "at the wrong peer");
                let last = packet[packet.len() - 1];
                assert!(
                    last == tag,
                    "of the wrong producer: {last} instead of {tag}"
                );
            }
        }
    }

    /// As [`Self::happen`], with every event looked at.
    fn step(&mut self, happening: &Happening) {
        self.happen(happening);
        for event in std::mem::take(&mut self.world.events) {
            self.states.check(&event);
        }
        self.check();
        for event in &self.world.events {
            self.states.check(event);
        }
        self.world.events.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_closes_nothing_reaches_the_wrong_object(
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut model = Model::new();
        for happening in &happenings {
            model.step(happening);
        }
        for router in 0..ROUTERS {
            model.step(&Happening::CloseRouter(router));
        }
        model.world.run(Duration::from_millis(100));
        assert_empty(&model.world, 0);
    }
}

#[test]
fn the_model_sees_media() {
    let mut model = Model::new();
    for slot in 0..2 {
        model.step(&Happening::Arrive {
            slot,
            router: 0,
            handshake: true,
        });
    }
    model.step(&Happening::Produce(0));
    model.step(&Happening::Produce(0));
    model.step(&Happening::Consume(1, 0));
    model.step(&Happening::Consume(1, 1));
    for _ in 0..5 {
        model.step(&Happening::Media { close: 7 });
    }
    assert_eq!(model.received, 10);
    model.step(&Happening::CloseProducer(0));
    for _ in 0..5 {
        model.step(&Happening::Media { close: 7 });
    }
    // Packets of the closed producer still arrive at the engine, and do not become the other's.
    assert_eq!(model.received, 15);
}
