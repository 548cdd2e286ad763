//! What a worker says about itself at every heartbeat, and how fast it grows.

use std::time::{Duration, Instant};

use plenum_params::stats::WorkerStats;

/// Growth of a worker's counters over about the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkerRates {
    /// Datagrams received a second.
    pub datagrams_received: u64,
    /// Datagrams sent a second.
    pub datagrams_sent: u64,
    /// Bytes received a second, as UDP payload.
    pub bytes_received: u64,
    /// Bytes sent a second, as UDP payload.
    pub bytes_sent: u64,
    /// Datagrams that left in one message on average; 0: none left.
    pub group_size: f64,
}

/// The latest figures of one process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vitals {
    pub(crate) stats: WorkerStats,
    pub(crate) rates: WorkerRates,
    /// What growth is measured from.
    basis: Option<(Instant, WorkerStats)>,
}

/// Rates are of no shorter time: heartbeats come more often, and media comes in frames and bursts.
const MEASURED_TIME: Duration = Duration::from_secs(1);

impl Vitals {
    pub(crate) fn handle_stats(&mut self, now: Instant, stats: WorkerStats) {
        match &self.basis {
            Some((at, basis)) => {
                let elapsed = now.saturating_duration_since(*at);
                if elapsed >= MEASURED_TIME {
                    self.rates = rates(basis, &stats, elapsed);
                    self.basis = Some((now, stats.clone()));
                }
            }
            None => self.basis = Some((now, stats.clone())),
        }
        self.stats = stats;
    }
}

fn rates(before: &WorkerStats, after: &WorkerStats, elapsed: Duration) -> WorkerRates {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let a_second = |before: u64, after: u64| {
        let grown = after.saturating_sub(before);
        grown.saturating_mul(1000) / milliseconds.max(1)
    };
    let messages = |stats: &WorkerStats| stats.group_sizes.iter().sum::<u64>();
    let sent = after.datagrams_sent.saturating_sub(before.datagrams_sent);
    let groups = messages(after).saturating_sub(messages(before));
    WorkerRates {
        datagrams_received: a_second(before.datagrams_received, after.datagrams_received),
        datagrams_sent: a_second(before.datagrams_sent, after.datagrams_sent),
        bytes_received: a_second(before.bytes_received, after.bytes_received),
        bytes_sent: a_second(before.bytes_sent, after.bytes_sent),
        group_size: if groups == 0 {
            0.0
        } else {
            small(sent) / small(groups)
        },
    }
}

/// A count of a second, which 32 bits hold.
fn small(count: u64) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(seconds: u64) -> WorkerStats {
        WorkerStats {
            datagrams_received: 100 * seconds,
            datagrams_sent: 800 * seconds,
            bytes_received: 120_000 * seconds,
            bytes_sent: 960_000 * seconds,
            group_sizes: [0, 0, 0, 100 * seconds, 0, 0],
            ..WorkerStats::default()
        }
    }

    #[test]
    fn rates_are_growth_by_time() {
        let mut vitals = Vitals::default();
        let start = Instant::now();
        vitals.handle_stats(start, stats(0));
        assert_eq!(vitals.rates, WorkerRates::default());
        vitals.handle_stats(start + Duration::from_millis(250), stats(1));
        assert_eq!(vitals.rates, WorkerRates::default(), "too early to tell");
        assert_eq!(vitals.stats, stats(1));
        vitals.handle_stats(start + Duration::from_secs(2), stats(2));
        let expected = WorkerRates {
            datagrams_received: 100,
            datagrams_sent: 800,
            bytes_received: 120_000,
            bytes_sent: 960_000,
            group_size: 8.0,
        };
        assert_eq!(vitals.rates, expected);
    }

    #[test]
    fn an_idle_worker_has_no_groups_and_counters_that_fall_do_no_harm() {
        let mut vitals = Vitals::default();
        let start = Instant::now();
        vitals.handle_stats(start, stats(5));
        vitals.handle_stats(start + Duration::from_secs(1), stats(5));
        assert_eq!(vitals.rates, WorkerRates::default());
        vitals.handle_stats(start + Duration::from_secs(2), stats(0));
        assert_eq!(vitals.rates, WorkerRates::default());
    }
}
