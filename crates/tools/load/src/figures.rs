//! What happened to peers, as it happens: times by stage, errors by kind, who is there.
//!
//! Peers of a shard write into one [`Figures`] behind a lock that nobody holds for longer than it takes to count. A
//! report adds all of them ([`Figures::add`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::histogram::Times;

/// Everything that one shard has seen.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// From the moment in which a join was due until the socket was open.
    pub connect: Times,
    /// From each request of joining to its answer, by its name.
    pub messages: BTreeMap<String, Times>,
    /// From the first check to the first answer, of each transport.
    pub ice: Times,
    /// From there to keys.
    pub dtls: Times,
    /// From the moment in which the join was due to the last answer of its protocol.
    pub last_answer: Times,
    /// To the first media packet.
    pub first_packet: Times,
    /// To the first key frame.
    pub first_key_frame: Times,
    /// From the loss of a connection until the session went on.
    pub resumed: Times,
    /// From the loss of a connection until the peer was in its room again, as somebody new.
    pub rejoined: Times,
    /// Until the node that was asked had named another one.
    pub redirected: Times,
    /// From the moment in which a join was due until it was begun.
    pub lateness: Times,
    /// Of each stream that somebody received, when it left.
    pub jitter: Times,
    /// Joins that were begun.
    pub begun: u64,
    /// Those that came to their end.
    pub joined: u64,
    /// Those that did not.
    pub failed: u64,
    /// Peers that left because it was their time.
    pub left: u64,
    /// Peers that were in the room and lost it for good.
    pub lost: u64,
    /// Joins by the node at which they ended.
    pub nodes: BTreeMap<String, u64>,
    /// What went wrong, by kind.
    pub errors: BTreeMap<String, u64>,
    /// The first one of each kind, in full.
    pub samples: BTreeMap<String, String>,
}

/// Kinds of errors that are told apart; servers choose the words of some.
const KINDS: usize = 64;

/// Of what an error says; servers choose the words.
const LONGEST_SAMPLE: usize = 500;

/// Nodes that are told apart: more than a cluster has.
pub const NODES: usize = 256;

/// Requests that are told apart: more than all dialects have together.
const MESSAGES: usize = 64;

impl Figures {
    /// One more error of a kind; what it says is kept of the first one.
    pub fn error(&mut self, kind: &str, text: impl FnOnce() -> String) {
        self.errors_of(kind, 1);
        if !self.samples.contains_key(kind) && self.samples.len() < KINDS {
            let text = text().chars().take(LONGEST_SAMPLE).collect();
            self.samples.insert(kind.to_owned(), text);
        }
    }

    fn errors_of(&mut self, kind: &str, count: u64) {
        if let Some(so_far) = self.errors.get_mut(kind) {
            *so_far += count;
        } else if self.errors.len() < KINDS {
            self.errors.insert(kind.to_owned(), count);
        } else {
            *self.errors.entry("other".to_owned()).or_default() += count;
        }
    }

    /// Somebody has joined at this node.
    pub fn joined_at(&mut self, node: &str, count: u64) {
        if let Some(joins) = self.nodes.get_mut(node) {
            *joins += count;
        } else if self.nodes.len() < NODES {
            self.nodes.insert(node.to_owned(), count);
        }
    }

    /// An answer to a request.
    pub fn message(&mut self, name: &str, took: Duration) {
        if let Some(times) = self.messages_of(name) {
            times.record(took);
        }
    }

    fn messages_of(&mut self, name: &str) -> Option<&mut Times> {
        if !self.messages.contains_key(name) && self.messages.len() >= MESSAGES {
            return None;
        }
        Some(self.messages.entry(name.to_owned()).or_default())
    }

    /// All that another one has.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.connect, &other.connect),
            (&mut self.ice, &other.ice),
            (&mut self.dtls, &other.dtls),
            (&mut self.last_answer, &other.last_answer),
            (&mut self.first_packet, &other.first_packet),
            (&mut self.first_key_frame, &other.first_key_frame),
            (&mut self.resumed, &other.resumed),
            (&mut self.rejoined, &other.rejoined),
            (&mut self.redirected, &other.redirected),
            (&mut self.lateness, &other.lateness),
            (&mut self.jitter, &other.jitter),
        ] {
            mine.add(theirs);
        }
        for (name, times) in &other.messages {
            if let Some(mine) = self.messages_of(name) {
                mine.add(times);
            }
        }
        for (kind, count) in &other.errors {
            self.errors_of(kind, *count);
        }
        for (kind, text) in &other.samples {
            if self.samples.len() < KINDS && !self.samples.contains_key(kind) {
                self.samples.insert(kind.clone(), text.clone());
            }
        }
        for (node, joins) in &other.nodes {
            self.joined_at(node, *joins);
        }
        self.begun += other.begun;
        self.joined += other.joined;
        self.failed += other.failed;
        self.left += other.left;
        self.lost += other.lost;
    }
}

/// Figures of all shards, and how many peers are in their rooms.
#[derive(Debug)]
pub struct Board {
    shards: Vec<Arc<Shard>>,
}

/// Where some of the peers write.
#[derive(Debug, Default)]
pub struct Shard {
    figures: Mutex<Figures>,
    present: AtomicU32,
}

impl Board {
    /// With so many shards, one at least.
    pub fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards.max(1)).map(|_| Arc::default()).collect(),
        }
    }

    /// The one that a peer writes to.
    pub fn shard(&self, number: u32) -> Arc<Shard> {
        let index = number as usize % self.shards.len();
        Arc::clone(&self.shards[index])
    }

    /// All of it until now.
    pub fn sum(&self) -> Figures {
        let mut sum = Figures::default();
        for shard in &self.shards {
            sum.add(&shard.lock());
        }
        sum
    }

    /// Who is in a room right now.
    pub fn present(&self) -> u32 {
        let each = self.shards.iter();
        each.map(|shard| shard.present.load(Ordering::Relaxed))
            .sum()
    }

    /// Nodes that peers are at, or were.
    pub fn nodes(&self) -> BTreeSet<String> {
        let mut nodes = BTreeSet::new();
        for shard in &self.shards {
            nodes.extend(shard.lock().nodes.keys().cloned());
        }
        nodes
    }

    /// Begun, failed and lost joins and errors, without adding histograms.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for shard in &self.shards {
            let figures = shard.lock();
            sum.joined += figures.joined;
            sum.failed += figures.failed + figures.lost;
            sum.errors += figures.errors.values().sum::<u64>();
            sum.reconnects += figures.resumed.count() + figures.rejoined.count();
        }
        sum
    }
}

/// What a line of progress shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Joins that came to their end.
    pub joined: u64,
    /// Those that did not, and peers that lost their room.
    pub failed: u64,
    /// Errors of all kinds.
    pub errors: u64,
    /// Connections that came back.
    pub reconnects: u64,
}

impl Shard {
    /// To write something down.
    pub fn lock(&self) -> MutexGuard<'_, Figures> {
        // Counting does not panic, so that nothing is half written.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody is in a room now.
    pub fn arrived(&self) {
        self.present.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody is no longer.
    pub fn departed(&self) {
        self.present.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let board = Board::new(3);
        for number in 0..30_u32 {
            let shard = board.shard(number);
            let mut figures = shard.lock();
            figures.joined += 1;
            figures.message("join", Duration::from_millis(u64::from(number)));
            let kind = if number % 2 == 0 {
                "timeout"
            } else {
                "refused"
            };
            figures.error(kind, || format!("{kind} of {number}"));
            figures.last_answer.record(Duration::from_millis(5));
            drop(figures);
            shard.arrived();
        }
        board.shard(4).departed();
        let sum = board.sum();
        assert_eq!((sum.joined, sum.last_answer.count()), (30, 30));
        assert_eq!(sum.messages["join"].count(), 30);
        assert_eq!((sum.errors["timeout"], sum.errors["refused"]), (15, 15));
        assert_eq!(sum.samples["timeout"], "timeout of 0");
        assert_eq!(board.present(), 29);
        assert_eq!(board.counts().errors, 30);
    }

    #[test]
    fn whatever_servers_say_there_are_only_so_many_kinds() {
        let mut figures = Figures::default();
        for number in 0..1000 {
            figures.error(&format!("kind {number}"), String::new);
            figures.message(&format!("message {number}"), Duration::ZERO);
        }
        assert_eq!(figures.errors.len(), KINDS + 1);
        assert_eq!(figures.errors["other"], 1000 - KINDS as u64);
        assert_eq!(figures.messages.len(), MESSAGES);
    }
}
