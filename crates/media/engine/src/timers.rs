//! Deadlines of transports, in one heap with lazy removal.

use std::{cmp::Reverse, collections::BinaryHeap, time::Instant};

/// The next deadline of each transport. A transport that is asked to wake earlier is entered again; the later entry is
/// recognised as stale when it comes up.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    /// By transport key; `None`: nothing scheduled.
    scheduled: Vec<Option<Instant>>,
}

/// Entries of the heap per transport key beyond which it is tidied up. Low enough to stay small, high enough that tidying
/// costs little on average.
const MAX_STALE_SHARE: usize = 4;

/// A heap smaller than this is never worth tidying.
const MIN_HEAP: usize = 64;

impl Timers {
    /// Wakes transport `key` at `at`, or earlier if that was already scheduled.
    pub(crate) fn schedule(&mut self, key: usize, at: Instant) {
        if self.scheduled.len() <= key {
            self.scheduled.resize(key + 1, None);
        }
        if self.scheduled[key].is_none_or(|current| at < current) {
            self.scheduled[key] = Some(at);
            self.heap.push(Reverse((at, key)));
        }
    }

    /// Forgets what was scheduled for a closed transport.
    pub(crate) fn cancel(&mut self, key: usize) {
        if let Some(slot) = self.scheduled.get_mut(key) {
            *slot = None;
        }
        // Transports that come and go leave entries whose time is far away: sooner or later more than there are
        // transports, and the last one to go takes all of them along.
        if self.heap.len() > MAX_STALE_SHARE * self.scheduled.len() + MIN_HEAP {
            self.heap.retain(|&Reverse((at, key))| {
                self.scheduled.get(key).copied().flatten() == Some(at)
            });
        }
        while self.heap.peek().is_some_and(|&Reverse((at, key))| {
            self.scheduled.get(key).copied().flatten() != Some(at)
        }) {
            self.heap.pop();
        }
    }

    /// Entries and keys that there is memory for.
    pub(crate) fn capacity(&self) -> usize {
        self.heap.capacity() + self.scheduled.capacity()
    }

    /// Keys that have a deadline.
    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> {
        let scheduled = self.scheduled.iter().enumerate();
        scheduled.filter(|(_, at)| at.is_some()).map(|(key, _)| key)
    }

    /// Removes and returns a transport whose deadline has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        while let Some(&Reverse((at, key))) = self.heap.peek() {
            let stale = self.scheduled.get(key).copied().flatten() != Some(at);
            if !stale && at > now {
                return None;
            }
            self.heap.pop();
            if !stale {
                self.scheduled[key] = None;
                return Some(key);
            }
        }
        None
    }

    /// Entries, stale ones included.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// The earliest deadline. A stale entry may make it too early, which costs one empty wake-up.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|&Reverse((at, _))| at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_earlier_deadline_replaces_a_later_one() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.schedule(3, start + Duration::from_secs(5));
        timers.schedule(3, start + Duration::from_secs(2));
        timers.schedule(3, start + Duration::from_secs(9));
        assert_eq!(timers.pop_due(start + Duration::from_secs(1)), None);
        assert_eq!(timers.pop_due(start + Duration::from_secs(2)), Some(3));
        assert_eq!(timers.pop_due(start + Duration::from_secs(10)), None);
    }

    #[test]
    fn a_cancelled_deadline_never_comes() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.schedule(0, start);
        timers.cancel(0);
        assert_eq!(timers.next(), None);
        assert_eq!(timers.pop_due(start), None);
    }

    #[test]
    fn cancelled_deadlines_do_not_pile_up() {
        let start = Instant::now();
        let mut timers = Timers::default();
        timers.schedule(1, start);
        for turn in 0..10_000 {
            timers.schedule(
                0,
                start + Duration::from_secs(20) + Duration::from_millis(turn),
            );
            timers.cancel(0);
            assert!(timers.len() <= 2 * MAX_STALE_SHARE + MIN_HEAP + 1);
        }
        assert_eq!(timers.pop_due(start), Some(1));
        timers.cancel(1);
        assert_eq!((timers.next(), timers.len()), (None, 0));
    }
}
