//! Which transports have something to send, and for which of their consumers packets came.

use std::collections::VecDeque;

/// End of a list.
const NONE: u32 = u32::MAX;

/// Transports in the order of their turns, each with a list of consumers.
///
/// The lists lie here in one piece, and not in the transports: what belongs to hundreds of receivers does not stay in the
/// processor's cache from frame to frame, and each place that is looked at costs as much as many packets' bookkeeping.
#[derive(Debug, Default)]
pub(super) struct Queue {
    turns: VecDeque<usize>,
    /// By transport key.
    lists: Vec<List>,
    /// Entries of all lists. Empty while nothing is queued.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct List {
    queued: bool,
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    consumer: u32,
    next: u32,
}

/// Consumers of a transport whose turn it is, to be taken by [`Queue::next_consumer`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ConsumerList(u32);

impl Default for List {
    fn default() -> Self {
        Self {
            queued: false,
            first: NONE,
            last: NONE,
        }
    }
}

impl Queue {
    /// Queues a transport.
    #[inline]
    pub(super) fn push(&mut self, transport: usize) {
        if self.lists.len() <= transport {
            self.lists.resize(transport + 1, List::default());
        }
        let list = &mut self.lists[transport];
        if !list.queued {
            list.queued = true;
            self.turns.push_back(transport);
        }
    }

    /// Queues a transport and adds a consumer to its list.
    #[inline]
    pub(super) fn push_consumer(&mut self, transport: usize, consumer: usize) {
        self.push(transport);
        let index = self.entries.len() as u32;
        self.entries.push(Entry {
            consumer: consumer as u32,
            next: NONE,
        });
        let list = &mut self.lists[transport];
        match self.entries.get_mut(list.last as usize) {
            Some(last) => last.next = index,
            None => list.first = index,
        }
        list.last = index;
    }

    /// The transport whose turn it is, and its consumers.
    pub(super) fn pop(&mut self) -> Option<(usize, ConsumerList)> {
        let Some(transport) = self.turns.pop_front() else {
            // All lists were taken.
            self.entries.clear();
            return None;
        };
        let list = self.lists.get_mut(transport)?;
        let first = std::mem::take(list).first;
        Some((transport, ConsumerList(first)))
    }

    /// The transport whose turn comes after so many others, and its first consumer.
    #[inline]
    pub(super) fn upcoming(&self, turns: usize) -> Option<(usize, Option<usize>)> {
        let transport = *self.turns.get(turns)?;
        let first = self.lists.get(transport)?.first;
        let first = self.entries.get(first as usize);
        Some((transport, first.map(|entry| entry.consumer as usize)))
    }

    /// Takes a consumer off a list.
    #[inline]
    pub(super) fn next_consumer(&self, list: &mut ConsumerList) -> Option<usize> {
        let entry = self.entries.get(list.0 as usize)?;
        list.0 = entry.next;
        Some(entry.consumer as usize)
    }

    /// The consumers on a transport's list.
    pub(super) fn consumers(&self, transport: usize) -> impl Iterator<Item = usize> {
        let first = self.lists.get(transport).map_or(NONE, |list| list.first);
        let mut list = ConsumerList(first);
        let all = std::iter::from_fn(move || self.next_consumer(&mut list));
        all.filter(|consumer| *consumer != NONE as usize)
    }

    /// Takes a transport out.
    pub(super) fn forget(&mut self, transport: usize) {
        self.turns.retain(|&queued| queued != transport);
        if let Some(list) = self.lists.get_mut(transport) {
            *list = List::default();
        }
    }

    /// Takes a consumer off its transport's list.
    pub(super) fn forget_consumer(&mut self, transport: usize, consumer: usize) {
        let mut at = self.lists.get(transport).map_or(NONE, |list| list.first);
        while let Some(entry) = self.entries.get_mut(at as usize) {
            if entry.consumer as usize == consumer {
                // No consumer has this key.
                entry.consumer = NONE;
            }
            at = entry.next;
        }
    }

    /// Transports that wait.
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(queue: &mut Queue) -> Option<(usize, Vec<usize>)> {
        let (transport, mut list) = queue.pop()?;
        let consumers = std::iter::from_fn(|| queue.next_consumer(&mut list));
        Some((transport, consumers.collect()))
    }

    #[test]
    fn transports_come_in_turn_with_their_consumers_in_order() {
        let mut queue = Queue::default();
        queue.push_consumer(5, 50);
        queue.push(2);
        queue.push_consumer(3, 30);
        queue.push_consumer(5, 51);
        queue.push_consumer(2, 20);
        assert_eq!(queue.len(), 3);
        assert!(queue.consumers(5).eq([50, 51]));
        assert_eq!(take(&mut queue), Some((5, vec![50, 51])));
        queue.push_consumer(5, 52);
        assert_eq!(take(&mut queue), Some((2, vec![20])));
        assert_eq!(take(&mut queue), Some((3, vec![30])));
        assert_eq!(take(&mut queue), Some((5, vec![52])));
        assert_eq!(take(&mut queue), None);
        assert!(queue.entries.is_empty(), "memory is used again");
    }

    #[test]
    fn what_is_closed_is_not_served() {
        let mut queue = Queue::default();
        queue.push_consumer(1, 10);
        queue.push_consumer(1, 11);
        queue.push_consumer(2, 20);
        queue.forget_consumer(1, 10);
        assert!(queue.consumers(1).eq([11]));
        queue.forget(2);
        queue.push_consumer(2, 21);
        assert_eq!(take(&mut queue), Some((1, vec![NONE as usize, 11])));
        assert_eq!(take(&mut queue), Some((2, vec![21])));
    }
}
