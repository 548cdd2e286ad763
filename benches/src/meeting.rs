//! A meeting as it is: everybody has a small picture and a voice that is not always heard, and receives all others.
//!
//! Sizes and times of the packets are those of a real sender, each member at a time of its own.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use plenum_dtls::SrtpProfileId;
use plenum_harness::{
    World,
    parameters::{encoding, opus, opus_receiver, vp8, vp8_receiver},
};
use plenum_srtp::Opener;
use plenum_udp::{Message, Sender};

use crate::{
    node::{self, Cost, Node},
    receivers::Receivers,
    score::{Note, Score, Track},
    sink::Sink,
    stream::Stream,
};

/// Far above what everybody receives, so that nobody's picture is taken away.
const PATH_BITRATE: u32 = 100_000_000;

/// A room with everybody in it.
pub struct Meeting {
    node: Node,
    score: Score,
    members: Vec<Member>,
    receivers: Receivers,
    sender: Sender,
    overhead: usize,
    /// How long the loop waits before it takes what has come.
    window: Duration,
    /// When the meeting began, and how long it lasts so far.
    origin: Instant,
    time: Duration,
}

struct Member {
    /// Picture and voice.
    streams: [Stream; 2],
    /// Transport-wide, the next.
    transport_number: u16,
}

/// What a span of a meeting was.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "plain figures")]
pub struct Span {
    /// What it cost, with everything that goes out.
    pub cost: Cost,
    /// Packets of media that receivers ought to get.
    pub media: u64,
    /// Datagrams that did not arrive.
    pub missing: u64,
}

impl Meeting {
    /// Connects a member for each socket of `sink`, without sockets. Packets that come within `window` of the first one are
    /// taken in one turn of the loop.
    pub fn connect(
        profile: SrtpProfileId,
        window: Duration,
        sink: &Sink,
    ) -> Result<(Self, Vec<Opener>)> {
        let socket = node::bind()?;
        let mut world = node::world(profile, &socket);
        let path = node::path(PATH_BITRATE);
        let count = sink.addresses().len();
        for address in sink.addresses() {
            let index = world.add_peer_at(*address, &path);
            world.connect_at_once(index);
        }
        for from in 0..count {
            let [picture, voice] = ssrcs(from);
            let sent = [vp8(vec![encoding(picture)]), opus(voice)];
            for (kind, sent) in sent.into_iter().enumerate() {
                let producer = world.produce(from, (2 * from + kind) as u128, sent);
                for to in (0..count).filter(|to| *to != from) {
                    let ssrc = Self::ssrc(from, kind);
                    let received = if kind == 0 {
                        vp8_receiver(ssrc)
                    } else {
                        opus_receiver(ssrc)
                    };
                    let id = (to * count + from) * 2 + kind;
                    world.consume(to, id as u128, producer, received);
                }
            }
        }
        let World {
            engine, now, peers, ..
        } = world;
        let first = peers.first().context("a meeting needs somebody")?;
        let overhead = first
            .profile()
            .context("everybody is connected")?
            .rtp_overhead();
        let (sealers, openers) = node::keys(peers)?;
        let tracks = vec![Track::thumbnail(), Track::conversation()];
        let member = |index| Member {
            streams: [0, 1].map(|kind| Stream::new(ssrcs(index)[kind], tracks[kind].payload)),
            transport_number: 0,
        };
        let meeting = Self {
            origin: now,
            node: Node::new(engine, now, socket),
            members: (0..count).map(member).collect(),
            score: Score::new(tracks, count),
            receivers: Receivers::new(sealers),
            sender: Sender::new(),
            overhead,
            window,
            time: Duration::ZERO,
        };
        Ok((meeting, openers))
    }

    /// What members get of member `from`; `kind` 0 is the picture, 1 the voice.
    pub const fn ssrc(from: usize, kind: usize) -> u32 {
        100_000 + 10 * from as u32 + 4 * kind as u32
    }

    /// What packets of so long a time are, as the bare loop is to send them: whose, and how long.
    pub fn notes(&self, time: Duration) -> Vec<Vec<(usize, usize)>> {
        let mut score = self.score.clone();
        let mut turns = Vec::new();
        while score.next_at() < self.time + time {
            let turn = score.take_within(self.window);
            turns.push(turn.iter().map(|note| (note.member, note.len)).collect());
        }
        turns
    }

    /// Lets so much time pass; `expected` datagrams have arrived at `sink` before, and after.
    pub fn play(&mut self, time: Duration, sink: &Sink, expected: &mut u64) -> Result<Span> {
        let until = self.time + time;
        let hearers = self.members.len() as u64 - 1;
        let mut span = Span::default();
        while self.score.next_at() < until {
            let turn = self.score.take_within(self.window);
            self.time = turn.last().map_or(self.time, |note| note.at);
            let mut cost = self.node.pass(self.origin + self.time);
            for note in &turn {
                self.publish(note, sink)?;
            }
            cost.add(self.node.take(turn.len())?);
            span.media += turn.len() as u64 * hearers;
            span.missing += arrive(sink, expected, cost.datagrams);
            span.cost.add(cost);
            self.receivers.note(sink, self.node.now);
            for chunk in self.receivers.due(self.node.now) {
                self.receivers
                    .report(&chunk, sink, self.node.socket.local_addr())?;
                let cost = self.node.take(chunk.len())?;
                span.missing += arrive(sink, expected, cost.datagrams);
                span.cost.add(cost);
            }
        }
        self.time = self.time.max(until);
        let cost = self.node.pass(self.origin + self.time);
        span.missing += arrive(sink, expected, cost.datagrams);
        span.cost.add(cost);
        Ok(span)
    }

    /// How many messages left with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 segments so far.
    pub fn group_sizes(&self) -> [u64; 6] {
        self.node.engine.stats().group_sizes
    }

    /// Datagrams sent so far.
    pub fn datagrams_sent(&self) -> u64 {
        self.node.engine.stats().datagrams_sent
    }

    fn publish(&mut self, note: &Note, sink: &Sink) -> Result<()> {
        let member = &mut self.members[note.member];
        let number = member.transport_number;
        member.transport_number = number.wrapping_add(1);
        let sealer = self.receivers.sealer(note.member);
        let packet =
            member.streams[note.kind].packet(note, Some(number), 0, sealer, self.overhead)?;
        let message = Message {
            to: self.node.socket.local_addr(),
            segment_size: packet.len() as u16,
            data: &packet,
        };
        let from = sink.socket(note.member);
        let report = self.sender.send(from, std::iter::once(message));
        ensure!(report.datagrams == 1, "a packet was not sent");
        Ok(())
    }
}

/// Waits for so many more; returns how many did not come.
fn arrive(sink: &Sink, expected: &mut u64, more: u64) -> u64 {
    *expected += more;
    let missing = sink.wait_for(*expected);
    *expected -= missing;
    missing
}

/// Of a member's picture and voice.
fn ssrcs(member: usize) -> [u32; 2] {
    let first = 1000 + 10 * member as u32;
    [first, first + 4]
}
