//! What a bot has seen and heard.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Whose and what: a peer's name, and `audio` or `video`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    pub(crate) peer: String,
    pub(crate) kind: String,
}

impl Source {
    /// Of a `newConsumer`.
    pub(crate) fn of(data: &Value) -> Self {
        let text = |key: &str| data[key].as_str().unwrap_or_default().to_owned();
        Self {
            peer: text("peerId"),
            kind: text("kind"),
        }
    }
}

/// How a source was heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The latest join whose consumers brought it, and when they first did.
    pub(crate) generation: u32,
    pub(crate) first: Instant,
    pub(crate) last: Instant,
    /// Longest time without a packet since the last look.
    pub(crate) longest: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Joins so far.
    pub(crate) generation: u32,
    pub(crate) joined_at: Option<Instant>,
    pub(crate) connections: u32,
    /// How connections ended.
    pub(crate) closes: Vec<Option<u16>>,
    /// `makeBeforeBreak` of each `migrate`.
    pub(crate) migrates: Vec<bool>,
    /// Old sessions that the server has let go.
    pub(crate) released: u32,
    /// Names of the others, as the server has told them since the latest join.
    pub(crate) roster: BTreeSet<String>,
    /// The bot's own producers, by kind.
    pub(crate) own: BTreeMap<String, String>,
    /// The others' producers.
    pub(crate) producers: BTreeMap<Source, String>,
    pub(crate) heard: BTreeMap<Source, Heard>,
}

impl Ledger {
    /// A packet arrived.
    pub(crate) fn note(&mut self, source: &Source, generation: u32, now: Instant) {
        let fresh = Heard {
            generation,
            first: now,
            last: now,
            longest: Duration::ZERO,
        };
        let heard = self.heard.entry(source.clone()).or_insert(fresh);
        if generation > heard.generation {
            (heard.generation, heard.first) = (generation, now);
        }
        heard.longest = heard.longest.max(now.saturating_duration_since(heard.last));
        heard.last = now;
    }

    /// Everything of so many others comes in the latest session.
    pub(crate) fn hears(&self, others: usize) -> bool {
        let now = self.heard.values();
        now.filter(|heard| heard.generation == self.generation)
            .count()
            == 2 * others
    }

    /// Begins to measure gaps anew.
    pub(crate) fn forget_gaps(&mut self) {
        let now = Instant::now();
        for heard in self.heard.values_mut() {
            heard.longest = Duration::ZERO;
            heard.last = now;
        }
    }

    /// The longest time for which a source of this kind was not heard, the present silence counted.
    pub(crate) fn longest_gap(&self, kind: &str) -> Duration {
        let of_kind = self.heard.iter().filter(|(source, _)| source.kind == kind);
        let gaps = of_kind.map(|(_, heard)| heard.longest.max(heard.last.elapsed()));
        gaps.max().unwrap_or_default()
    }

    /// When the last source was first heard in the latest session.
    pub(crate) fn complete_at(&self) -> Option<Instant> {
        self.heard.values().map(|heard| heard.first).max()
    }
}
