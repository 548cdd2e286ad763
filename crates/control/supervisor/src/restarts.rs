//! When a worker that died may be started again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Longest pause between restarts within the allowance.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A worker that lived this long did not die from starting.
const HEALTHY: Duration = Duration::from_secs(10);

/// At most this many restarts…
const ALLOWANCE: usize = 5;

/// … within this time. A worker that uses it up costs more than it gives.
const PERIOD: Duration = Duration::from_mins(1);

/// The restarts of one worker.
#[derive(Debug)]
pub(crate) struct Restarts {
    recent: VecDeque<Instant>,
    first_pause: Duration,
    pause: Duration,
}

/// What to do about a death.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Wait this long.
    pub(crate) pause: Duration,
    /// The allowance is used up: someone should look.
    pub(crate) held: bool,
}

impl Restarts {
    pub(crate) fn new(first_pause: Duration) -> Self {
        Self {
            recent: VecDeque::with_capacity(ALLOWANCE),
            first_pause,
            pause: first_pause,
        }
    }

    /// The worker died (or could not be started) at `now`, after it had lived for `lived`.
    pub(crate) fn handle_death(&mut self, now: Instant, lived: Duration) -> Verdict {
        if lived >= HEALTHY {
            self.pause = self.first_pause;
        }
        while self.recent.front().is_some_and(|&at| at + PERIOD <= now) {
            self.recent.pop_front();
        }
        let verdict = match self.recent.front() {
            Some(&oldest) if self.recent.len() >= ALLOWANCE => {
                self.recent.pop_front();
                Verdict {
                    pause: oldest + PERIOD - now,
                    held: true,
                }
            }
            _ => Verdict {
                pause: self.pause,
                held: false,
            },
        };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.recent.push_back(now + verdict.pause);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_PAUSE: Duration = Duration::from_millis(100);

    #[test]
    fn pauses_grow_until_the_allowance_is_used_up() {
        let mut restarts = Restarts::new(FIRST_PAUSE);
        let mut now = Instant::now();
        let start = now;
        for pause in [100, 200, 400, 800, 1600] {
            let verdict = restarts.handle_death(now, Duration::ZERO);
            assert_eq!(verdict.pause, Duration::from_millis(pause));
            assert!(!verdict.held);
            now += verdict.pause;
        }
        let verdict = restarts.handle_death(now, Duration::ZERO);
        assert!(verdict.held);
        assert_eq!(now + verdict.pause, start + FIRST_PAUSE + PERIOD);
        // The pace stays within the allowance afterwards.
        now += verdict.pause;
        assert!(restarts.handle_death(now, Duration::ZERO).pause > Duration::ZERO);
    }

    #[test]
    fn a_healthy_life_is_forgiven() {
        let mut restarts = Restarts::new(FIRST_PAUSE);
        let now = Instant::now();
        restarts.handle_death(now, Duration::ZERO);
        restarts.handle_death(now, Duration::ZERO);
        let verdict = restarts.handle_death(now, HEALTHY);
        assert_eq!(verdict.pause, FIRST_PAUSE);
    }

    #[test]
    fn pauses_are_bounded() {
        let mut restarts = Restarts::new(FIRST_PAUSE);
        let mut now = Instant::now();
        for _ in 0..100 {
            let verdict = restarts.handle_death(now, Duration::ZERO);
            assert!(verdict.held || verdict.pause <= LONGEST_PAUSE);
            now += verdict.pause + PERIOD;
            assert!(restarts.recent.len() <= ALLOWANCE);
        }
    }
}
