//! How fast a client may talk: a bucket of tokens.

use std::time::{Duration, Instant};

/// Refilled steadily, emptied by one per message.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    tokens: f64,
    burst: f64,
    per_second: f64,
    filled_at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst.max(1));
        Self {
            tokens: burst,
            burst,
            per_second: f64::from(per_second.max(1)),
            filled_at: now,
        }
    }

    /// Takes one token, on credit if there is none, and says how long to wait until the debt is paid.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        self.fill(now);
        self.tokens -= 1.0;
        if self.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(-self.tokens / self.per_second)
        }
    }

    /// Takes one token if there is one.
    pub(crate) fn try_take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }

    /// Whether it is as it was at first.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.filled(now) >= self.burst
    }

    fn fill(&mut self, now: Instant) {
        self.tokens = self.filled(now);
        self.filled_at = now;
    }

    fn filled(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.filled_at);
        (passed.as_secs_f64().mul_add(self.per_second, self.tokens)).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_counts() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(10, 3, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Duration::ZERO);
        }
        assert_eq!(bucket.take(start), Duration::from_millis(100));
        // The debt is paid by waiting, and no more than a burst is ever saved up.
        assert_eq!(
            bucket.take(start + Duration::from_millis(200)),
            Duration::ZERO
        );
        let later = start + Duration::from_secs(100);
        for _ in 0..3 {
            assert_eq!(bucket.take(later), Duration::ZERO);
        }
        assert!(bucket.take(later) > Duration::ZERO);
    }
}
