//! Until when this node's lease holds, for everything that counts only as long as it does.
//!
//! What the driver has told everybody ([`Standing`](super::Standing)) may be old: a process that was stopped, or a machine that was
//! asleep, goes on with whichever task is first. So whoever decides something looks at the clock himself. The clock is one that nobody
//! sets and that goes on while a machine sleeps; no lease and no epoch hangs on the time of day anywhere in the cluster. Where all
//! clocks of a machine stand still, as in a copy of it that is started again, nobody here can notice: there the registry, which has a
//! clock of its own, refuses what is written, and the others follow the home with the higher epoch.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// A moment of this machine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn now() -> Self {
        let time = clock_gettime(ClockId::Boottime);
        // Neither is negative: it counts from the machine's start.
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanoseconds))
    }
}

/// How long the lease holds.
#[derive(Debug)]
pub(super) struct Term(Mutex<Until>);

#[derive(Clone, Copy, Debug)]
struct Until {
    ends: Duration,
    /// How often it was held anew: whoever has not heard of the last time does not know that others may have taken over.
    held: u64,
}

impl Term {
    /// The registry has granted what was asked for at that moment.
    pub(super) fn new(asked: Moment, lease: Duration) -> Self {
        let ends = asked.0.saturating_add(lease);
        Self(Mutex::new(Until { ends, held: 0 }))
    }

    /// It has done so again, or for the first time after the lease had ended.
    pub(super) fn extend(&self, asked: Moment, lease: Duration, held: u64) {
        let ends = asked.0.saturating_add(lease);
        *self.until() = Until { ends, held };
    }

    /// A later start of this node has it.
    pub(super) fn end(&self) {
        self.until().ends = Duration::ZERO;
    }

    /// Whether it holds at that moment, and was not held anew since somebody knew that it was so often.
    pub(super) fn holds(&self, now: Moment, held: u64) -> bool {
        let until = *self.until();
        until.held == held && now.0 < until.ends
    }

    fn until(&self) -> MutexGuard<'_, Until> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(3);

    #[test]
    fn it_holds_from_when_it_was_asked_for_and_no_longer() {
        let asked = Moment::now();
        let later = |ms| Moment(asked.0 + Duration::from_millis(ms));
        let term = Term::new(asked, LEASE);
        assert!(term.holds(asked, 0));
        assert!(term.holds(later(2_999), 0));
        assert!(!term.holds(later(3_000), 0));
        term.extend(later(1_000), LEASE, 0);
        assert!(term.holds(later(3_999), 0));
        assert!(!term.holds(later(60_000), 0), "it slept");
        term.extend(later(60_000), LEASE, 1);
        assert!(!term.holds(later(60_001), 0), "others may have taken over");
        assert!(term.holds(later(60_001), 1));
        term.end();
        assert!(!term.holds(later(60_001), 1), "fenced");
        assert!(Moment::now() >= asked);
    }
}
