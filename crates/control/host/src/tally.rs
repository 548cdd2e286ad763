//! Live counts of what rooms have at workers. Heartbeats tell it a second late, and thousands may join in a second.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// A room with nobody who sends is waiting for somebody with a microphone and a camera: its audience spreads before. The
/// worker has nothing to do for it yet.
const LEAST_PRODUCERS: usize = 2;

/// The consumers of a room at one worker, as far as its sessions will have them, joined or not.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Of the sessions that are there, if the room has as many producers as are to be expected.
    seated: AtomicU64,
    /// The same for sessions on their way.
    arriving: AtomicU64,
    /// Of the sessions that are there.
    exact: AtomicU64,
    /// Of all rooms at the worker.
    of_worker: Arc<AtomicU64>,
}

impl Tally {
    pub(crate) fn new(of_worker: Arc<AtomicU64>) -> Self {
        Self {
            seated: AtomicU64::new(0),
            arriving: AtomicU64::new(0),
            exact: AtomicU64::new(0),
            of_worker,
        }
    }

    /// So many sessions are there, which have `own` of the room's `producers`.
    pub(crate) fn set(&self, sessions: usize, producers: usize, own: usize) {
        // Nobody consumes what it produces itself.
        let consumers = |producers: usize| sessions.saturating_mul(producers) - own.min(producers);
        let expected = consumers(producers.max(LEAST_PRODUCERS));
        self.seated.store(expected as u64, Relaxed);
        let now = consumers(producers) as u64;
        let before = self.exact.swap(now, Relaxed);
        self.of_worker.fetch_add(now.wrapping_sub(before), Relaxed);
    }

    /// The consumers of the sessions that are there.
    pub(crate) fn exact(&self) -> u64 {
        self.exact.load(Relaxed)
    }

    /// The consumers of the room at the worker to reckon with.
    pub(crate) fn consumers(&self) -> u64 {
        let seated = self.seated.load(Relaxed);
        seated.saturating_add(self.arriving.load(Relaxed))
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let exact = *self.exact.get_mut();
        self.of_worker.fetch_sub(exact, Relaxed);
    }
}

/// Counts what a session will have while it is on its way.
#[derive(Debug)]
pub(crate) struct Arrival {
    tally: Arc<Tally>,
    expected: u64,
    exact: u64,
}

impl Arrival {
    /// To a room with so many producers.
    pub(crate) fn new(tally: &Arc<Tally>, producers: usize) -> Self {
        let expected = producers.max(LEAST_PRODUCERS) as u64;
        let exact = producers as u64;
        tally.arriving.fetch_add(expected, Relaxed);
        tally.of_worker.fetch_add(exact, Relaxed);
        Self {
            tally: Arc::clone(tally),
            expected,
            exact,
        }
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.tally.arriving.fetch_sub(self.expected, Relaxed);
        self.tally.of_worker.fetch_sub(self.exact, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_has_what_its_rooms_have_and_what_is_on_the_way() {
        let worker = Arc::new(AtomicU64::new(0));
        let all = || worker.load(Relaxed);
        let meeting = Arc::new(Tally::new(Arc::clone(&worker)));
        meeting.set(3, 6, 6);
        assert_eq!((meeting.consumers(), all()), (12, 12));
        let webinar = Arc::new(Tally::new(Arc::clone(&worker)));
        webinar.set(100, 0, 0);
        assert_eq!((webinar.consumers(), all()), (200, 12), "an audience waits");
        webinar.set(101, 3, 3);
        assert_eq!((webinar.consumers(), all()), (300, 312));
        let arrival = Arrival::new(&webinar, 3);
        assert_eq!((webinar.consumers(), all()), (303, 315));
        webinar.set(102, 3, 3);
        drop(arrival);
        assert_eq!((webinar.consumers(), all()), (303, 315));
        drop(meeting);
        assert_eq!(all(), 303);
        let late = Arrival::new(&webinar, 3);
        drop(webinar);
        assert_eq!(all(), 306);
        drop(late);
        assert_eq!(all(), 0);
    }
}
