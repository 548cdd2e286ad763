//! Who listens to what.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{BusEvent, bus::Listener};

/// Everybody who listens, by topic.
#[derive(Default)]
pub(super) struct Listeners {
    topics: BTreeMap<String, Vec<Entry>>,
    numbers: u64,
}

struct Entry {
    number: u64,
    /// Whether its handle is cut off; which handle it is, too.
    is_cut: Arc<AtomicBool>,
    listener: Listener,
}

impl Listeners {
    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn add(
        &mut self,
        topic: &str,
        number: u64,
        is_cut: Arc<AtomicBool>,
        listener: Listener,
    ) {
        let entries = self.topics.entry(topic.to_owned()).or_default();
        entries.push(Entry {
            number,
            is_cut,
            listener,
        });
    }

    pub(super) fn remove(&mut self, topic: &str, number: u64) {
        let Some(entries) = self.topics.get_mut(topic) else {
            return;
        };
        entries.retain(|entry| entry.number != number);
        if entries.is_empty() {
            self.topics.remove(topic);
        }
    }

    pub(super) fn tell(&self, topic: &str, event: &BusEvent) {
        let entries = self.topics.get(topic).into_iter().flatten();
        for entry in entries.filter(|entry| !entry.is_cut.load(Ordering::Acquire)) {
            entry.listener.tell(event.clone());
        }
    }

    /// Those of one handle, or everybody who is connected, have missed something.
    pub(super) fn interrupted(&self, handle: Option<&Arc<AtomicBool>>) {
        let is_meant = |entry: &&Entry| match handle {
            Some(handle) => Arc::ptr_eq(handle, &entry.is_cut),
            None => !entry.is_cut.load(Ordering::Acquire),
        };
        for entry in self.topics.values().flatten().filter(is_meant) {
            entry.listener.tell(BusEvent::Resubscribed);
        }
    }
}
