//! Virtual time.

use std::time::{Duration, Instant};

/// A clock that moves only when it is told to. Its start is the one real time that a test looks at.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    now: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn new() -> Self {
        let start = Instant::now();
        Self { start, now: start }
    }

    /// The present.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Moves on by `step` and returns the new present.
    pub fn advance(&mut self, step: Duration) -> Instant {
        self.now += step;
        self.now
    }

    /// Moves on to `to`; time never goes back.
    pub fn advance_to(&mut self, to: Instant) -> Instant {
        self.now = self.now.max(to);
        self.now
    }

    /// Moves on to the earliest of the deadlines, at most to `limit`.
    pub fn advance_to_first(
        &mut self,
        deadlines: impl IntoIterator<Item = Option<Instant>>,
        limit: Instant,
    ) -> Instant {
        let first = deadlines.into_iter().flatten().min();
        self.advance_to(first.map_or(limit, |first| first.min(limit)))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_when_told_and_never_back() {
        let mut clock = Clock::new();
        let start = clock.now();
        assert_eq!(
            clock.advance(Duration::from_millis(5)),
            start + Duration::from_millis(5)
        );
        clock.advance_to(start);
        assert_eq!(clock.elapsed(), Duration::from_millis(5));
        let deadline = start + Duration::from_millis(8);
        let limit = start + Duration::from_millis(20);
        assert_eq!(
            clock.advance_to_first([None, Some(deadline)], limit),
            deadline
        );
        assert_eq!(clock.advance_to_first([None], limit), limit);
    }
}
