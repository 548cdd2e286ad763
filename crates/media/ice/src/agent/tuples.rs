//! The bounded table of an agent's valid tuples.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Most tuples of one agent. A client has a few interfaces times two address families; more are a NAT that
/// changes its mind, of which only the newest count.
pub const MAX_TUPLES: usize = 8;

/// One of our sockets and an address of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Number of our socket.
    pub socket: u16,
    /// Address of the peer.
    pub remote: SocketAddr,
}

#[derive(Debug)]
struct Entry {
    tuple: Tuple,
    /// Last authenticated check: what consent stands on.
    checked_at: Instant,
    /// Last authenticated packet of any kind: what eviction goes by.
    used_at: Instant,
}

#[derive(Debug)]
pub(super) struct Tuples {
    entries: Vec<Entry>,
    /// Index into `entries`; some as soon as there is an entry that was selected.
    selected: Option<usize>,
}

impl Tuples {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            selected: None,
        }
    }

    /// Notes a valid check. Returns whether the tuple is new, and which one left to make room for it.
    pub(super) fn check(&mut self, tuple: Tuple, now: Instant) -> (bool, Option<Tuple>) {
        let entry = Entry {
            tuple,
            checked_at: now,
            used_at: now,
        };
        if let Some(index) = self.position(tuple) {
            self.entries[index] = entry;
            return (false, None);
        }
        if self.entries.len() < MAX_TUPLES {
            self.entries.push(entry);
            return (true, None);
        }
        let oldest = self.least_recently_used();
        let evicted = std::mem::replace(&mut self.entries[oldest], entry);
        (true, Some(evicted.tuple))
    }

    /// Notes an authenticated packet that is no check.
    pub(super) fn touch(&mut self, tuple: Tuple, now: Instant) {
        if let Some(index) = self.position(tuple) {
            self.entries[index].used_at = now;
        }
    }

    /// Selects a tuple; `false` if it is selected already or unknown.
    pub(super) fn select(&mut self, tuple: Tuple) -> bool {
        let index = self.position(tuple);
        if index.is_none() || index == self.selected {
            return false;
        }
        self.selected = index;
        true
    }

    /// Removes a tuple; `false` if it is unknown. If it was selected, none is.
    pub(super) fn remove(&mut self, tuple: Tuple) -> bool {
        let Some(index) = self.position(tuple) else {
            return false;
        };
        self.entries.remove(index);
        self.selected = match self.selected {
            Some(selected) if selected > index => Some(selected - 1),
            Some(selected) if selected == index => None,
            selected => selected,
        };
        true
    }

    /// Removes and returns all.
    pub(super) fn clear(&mut self) -> impl Iterator<Item = Tuple> + use<> {
        self.selected = None;
        std::mem::take(&mut self.entries)
            .into_iter()
            .map(|entry| entry.tuple)
    }

    pub(super) fn selected(&self) -> Option<Tuple> {
        Some(self.selected_entry()?.tuple)
    }

    pub(super) fn selected_checked_at(&self) -> Option<Instant> {
        Some(self.selected_entry()?.checked_at)
    }

    pub(super) fn contains(&self, tuple: Tuple) -> bool {
        // Nearly every packet comes from the selected one.
        self.selected() == Some(tuple) || self.position(tuple).is_some()
    }

    /// The tuple with the latest check, if that is younger than `timeout`.
    pub(super) fn latest_checked(&self, now: Instant, timeout: Duration) -> Option<Tuple> {
        let latest = self.entries.iter().max_by_key(|entry| entry.checked_at)?;
        (now.saturating_duration_since(latest.checked_at) < timeout).then_some(latest.tuple)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Tuple> {
        self.entries.iter().map(|entry| entry.tuple)
    }

    fn selected_entry(&self) -> Option<&Entry> {
        self.entries.get(self.selected?)
    }

    fn position(&self, tuple: Tuple) -> Option<usize> {
        self.entries.iter().position(|entry| entry.tuple == tuple)
    }

    /// Index of the entry to give up: never the selected one.
    fn least_recently_used(&self) -> usize {
        let candidates = self.entries.iter().enumerate();
        let oldest = candidates
            .filter(|(index, _)| Some(*index) != self.selected)
            .min_by_key(|(_, entry)| entry.used_at);
        oldest.map_or(0, |(index, _)| index)
    }
}
