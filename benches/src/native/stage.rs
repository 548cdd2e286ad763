//! Peers of both kinds in front of one engine, which they all send to, or from which they all receive.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use plenum_dtls::SrtpProfileId;
use plenum_harness::{
    World, WorldConfig, address,
    parameters::{encoding, vp8, vp8_receiver},
    transport,
};
use plenum_ids::ProducerId;
use plenum_testkit::peer::SendStream;
use plenum_udp::thread_cpu_time;

use super::{
    Direction, Frame, PACKETS, Parts, Peer, Seat, Taken, own::OwnPeer, str0m_peer::Str0mPeer,
};
use crate::node;

/// Virtual time between frames: 30 a second, 2.3 Mb/s.
const FRAME_TIME: Duration = Duration::from_micros(33_336);

/// Turns of everybody in that time: timers are served 4 ms late at most.
const TURNS: u32 = 8;

/// Virtual time that handshakes may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Far above what is sent, so that nothing waits.
const PATH_BITRATE: u32 = 100_000_000;

/// What peers of one kind took.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "plain figures")]
pub struct Spent {
    /// Processor time of the calls that took or gave media.
    pub media: Duration,
    /// Processor time of all others: timers, and feedback to who sends.
    pub rest: Duration,
    /// How often the clock was asked for each.
    pub spans: (u32, u32),
}

impl Spent {
    fn media(&mut self, work: impl FnOnce()) {
        self.media += timed(work);
        self.spans.0 += 1;
    }

    fn rest(&mut self, work: impl FnOnce()) {
        self.rest += timed(work);
        self.spans.1 += 1;
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.media += other.media;
        self.rest += other.rest;
        self.spans.0 += other.spans.0;
        self.spans.1 += other.spans.1;
    }
}

/// Processor time of something.
pub(super) fn timed(work: impl FnOnce()) -> Duration {
    let start = thread_cpu_time();
    work();
    thread_cpu_time().saturating_sub(start)
}

/// An engine and everybody in front of it. The harness's own peer is the other side: it sends to all peers, or receives
/// from the first of each kind.
pub struct Stage {
    world: World,
    direction: Direction,
    /// In the order of [`Parts::ALL`].
    kinds: [Kind; 2],
    frames: u64,
    turns: u64,
}

struct Kind {
    seats: Vec<Place>,
}

struct Place {
    seat: Seat,
    peer: Box<dyn Peer>,
    inbox: Vec<Vec<u8>>,
    /// What the peer received; what of it the engine handed on, where it sends.
    taken: Taken,
}

impl Stage {
    /// So many peers of each kind, connected.
    pub fn connect(direction: Direction, peers: usize) -> Result<Self> {
        let mut world = World::with_config(WorldConfig {
            srtp_profiles: vec![SrtpProfileId::AeadAes128Gcm],
            consent_timeout: Duration::from_hours(1),
            ..WorldConfig::default()
        });
        world.add_peer_at(address(20_000), &node::path(PATH_BITRATE));
        world.connect_at_once(0);
        let mut kinds = [(); 2].map(|()| Kind { seats: Vec::new() });
        for (kind, parts) in kinds.iter_mut().zip(Parts::ALL) {
            for index in 0..peers {
                let number = 1 + parts as usize * peers + index;
                kind.seats
                    .push(Place::new(&mut world, direction, parts, number)?);
            }
        }
        let mut stage = Self {
            world,
            direction,
            kinds,
            frames: 0,
            turns: 0,
        };
        let end = stage.world.now + HANDSHAKE;
        while !stage.places().all(|place| place.peer.is_connected()) {
            ensure!(stage.world.now < end, "somebody never connected");
            stage.turn(&mut [Spent::default(); 2]);
        }
        // The engine is the last to know.
        for _ in 0..TURNS {
            stage.turn(&mut [Spent::default(); 2]);
        }
        for number in 1..=2 * peers {
            let stats = stage
                .world
                .engine
                .transport_stats(stage.world.now, transport(number))?;
            let profile = stats.srtp_profile.context("no keys")?;
            ensure!(profile.contains("AEAD_AES_128_GCM"), "{profile}");
        }
        stage.announce();
        Ok(stage)
    }

    /// Streams begin.
    fn announce(&mut self) {
        let Self { world, kinds, .. } = self;
        match self.direction {
            Direction::Receive => {
                let ssrc = Seat::ssrc(0);
                world.peers[0].add_sender(SendStream::new(ssrc, Some((ssrc + 1, 97))));
                let producer = world.produce(0, 1, vp8(vec![encoding(ssrc)]));
                for (number, place) in (1..).zip(kinds.iter().flat_map(|kind| &kind.seats)) {
                    let received = vp8_receiver(place.seat.ssrc);
                    world.consume(number, number as u128, producer, received);
                }
            }
            Direction::Send => {
                for (number, place) in (1..).zip(kinds.iter().flat_map(|kind| &kind.seats)) {
                    let sent = vp8(vec![encoding(place.seat.ssrc)]);
                    world.produce(number, number as u128, sent);
                }
                for kind in kinds.iter() {
                    let Some(place) = kind.seats.first() else {
                        continue;
                    };
                    let id = place.number() as u128;
                    let received = vp8_receiver(place.seat.ssrc);
                    world.consume(0, id, ProducerId::from_u128(id), received);
                }
            }
        }
    }

    /// Frames so far.
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// One frame, and the time to the next one. `looks_closely`: every byte that arrives is compared, which takes time that
    /// is in the result.
    pub fn play(&mut self, looks_closely: bool) -> [Spent; 2] {
        let mut spent = [Spent::default(); 2];
        for place in self.places_mut() {
            place.taken.looks_closely = looks_closely;
        }
        let frame = Frame::new(self.frames);
        match self.direction {
            Direction::Receive => {
                for packet in &frame.packets {
                    self.world.peers[0].send_rtp(packet);
                }
                self.world.exchange();
            }
            Direction::Send => self.send(&frame, &mut spent),
        }
        for _ in 0..TURNS {
            self.turn(&mut spent);
        }
        self.note_received();
        self.frames += 1;
        // What the harness remembers of everything would grow.
        self.world.groups.clear();
        self.world.events.clear();
        spent
    }

    fn send(&mut self, frame: &Frame, spent: &mut [Spent; 2]) {
        let now = self.world.now;
        for index in self.order() {
            spent[index].media(|| {
                for place in &mut self.kinds[index].seats {
                    place.peer.send(now, frame);
                }
            });
        }
        self.carry();
    }

    /// Everybody takes what has come and does what is due; then a part of the frame's time passes.
    fn turn(&mut self, spent: &mut [Spent; 2]) {
        self.route();
        let now = self.world.now;
        for index in self.order() {
            let (spent, places) = (&mut spent[index], &mut self.kinds[index].seats);
            if places.iter().any(|place| !place.inbox.is_empty()) {
                let take = || take_all(now, places);
                match self.direction {
                    Direction::Receive => spent.media(take),
                    Direction::Send => spent.rest(take),
                }
            }
            for place in places.iter_mut() {
                place.inbox.clear();
            }
            let is_due = |place: &Place| place.peer.due().is_some_and(|due| due <= now);
            if places.iter().any(is_due) {
                spent.rest(|| {
                    for place in places.iter_mut().filter(|place| is_due(place)) {
                        place.peer.handle_timeout(now);
                    }
                });
            }
        }
        self.turns += 1;
        self.world.now += FRAME_TIME / TURNS;
        self.carry();
        self.world.exchange();
    }

    /// Each kind is the first one every other time.
    fn order(&self) -> [usize; 2] {
        if (self.frames + self.turns).is_multiple_of(2) {
            [0, 1]
        } else {
            [1, 0]
        }
    }

    /// What peers have sent reaches the engine.
    fn carry(&mut self) {
        let mut arriving = Vec::new();
        let mut datagrams = Vec::new();
        for place in self.kinds.iter_mut().flat_map(|kind| &mut kind.seats) {
            place.peer.collect(&mut datagrams);
            let from = place.seat.address;
            arriving.extend(datagrams.drain(..).map(|datagram| (from, datagram)));
        }
        self.world.deliver(&mut arriving);
    }

    /// What the engine has sent reaches peers.
    fn route(&mut self) {
        let first = address(Place::PORT).port();
        let per_kind = self.kinds[0].seats.len();
        for (to, datagram) in self.world.elsewhere.drain(..) {
            let index = usize::from(to.port() - first) - 1;
            let kind = &mut self.kinds[index / per_kind];
            kind.seats[index % per_kind].inbox.push(datagram);
        }
    }

    /// What the engine has handed on of the first peers' streams.
    fn note_received(&mut self) {
        for packet in self.world.received(0) {
            let ssrc = packet.get(8..12).and_then(|bytes| bytes.try_into().ok());
            let ssrc = ssrc.map(u32::from_be_bytes);
            let mut places = self.kinds.iter_mut().flat_map(|kind| &mut kind.seats);
            if let Some(place) = places.find(|place| Some(place.seat.ssrc) == ssrc) {
                place.taken.looks_closely = true;
                place.taken.take_packet(&packet);
            }
        }
    }

    /// Whether everything has arrived, and as it was sent.
    pub fn check(&self) -> Result<()> {
        let expected = self.frames * PACKETS as u64;
        for kind in &self.kinds {
            for (index, place) in kind.seats.iter().enumerate() {
                let number = place.number();
                let Taken { packets, wrong, .. } = place.taken;
                if self.direction == Direction::Receive || index == 0 {
                    ensure!(
                        packets == expected && wrong == 0,
                        "peer {number}: {packets} packets of {expected}, {wrong} of them wrong"
                    );
                }
                if self.direction == Direction::Send {
                    let id = ProducerId::from_u128(number as u128);
                    let stats = self.world.engine.producer_stats(self.world.now, id)?;
                    let count: u64 = stats.iter().map(|stream| stream.packet_count).sum();
                    ensure!(
                        count == expected,
                        "peer {number}: {count} of {expected} packets"
                    );
                }
            }
        }
        Ok(())
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.kinds.iter().flat_map(|kind| &kind.seats)
    }

    fn places_mut(&mut self) -> impl Iterator<Item = &mut Place> {
        self.kinds.iter_mut().flat_map(|kind| &mut kind.seats)
    }
}

impl Place {
    /// Of peer 0, if it were here.
    const PORT: u16 = 30_000;

    fn new(world: &mut World, direction: Direction, parts: Parts, number: usize) -> Result<Self> {
        let id = transport(number);
        let options = node::path(PATH_BITRATE);
        let router = plenum_harness::ROUTER;
        let info = world
            .engine
            .create_webrtc_transport(world.now, router, id, &options)?;
        let seat = Seat {
            address: address(Self::PORT + number as u16),
            direction,
            ssrc: Seat::ssrc(number),
            info,
        };
        let (peer, told): (Box<dyn Peer>, _) = match parts {
            Parts::Own => {
                let (peer, told) = OwnPeer::new(world.now, &seat)?;
                (Box::new(peer), told)
            }
            Parts::Str0m => {
                let (peer, told) = Str0mPeer::new(world.now, &seat)?;
                (Box::new(peer), told)
            }
        };
        world
            .engine
            .connect_webrtc_transport(world.now, id, &told)?;
        Ok(Self {
            seat,
            peer,
            inbox: Vec::new(),
            taken: Taken::default(),
        })
    }

    const fn number(&self) -> usize {
        self.seat.address.port() as usize - Self::PORT as usize
    }
}

fn take_all(now: Instant, places: &mut [Place]) {
    for place in places {
        if !place.inbox.is_empty() {
            let Place {
                peer, inbox, taken, ..
            } = place;
            peer.handle_datagrams(now, inbox, taken);
        }
    }
}
