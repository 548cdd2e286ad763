//! What a worker says about itself at every heartbeat, and how fast it grows.

use std::time::{Duration, Instant};

use plenum_params::stats::WorkerStats;
use plenum_udp::{descriptors_limit, open_descriptors, process_cpu_time, process_usage};

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
    /// Share of the senders' packets that had not come when their reports were due, 0 to 1.
    pub loss_received: f64,
    /// Share of the packets sent that receivers reported as lost, 0 to 1.
    pub loss_sent: f64,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeUsage {
    /// Processor time used so far by all its threads.
    pub cpu_time: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Open file descriptors.
    pub descriptors: u32,
    /// Most that it may have.
    pub descriptors_limit: u64,
}

impl NodeUsage {
    /// This process. Without `/proc` there are no figures of memory and descriptors.
    pub(crate) fn read() -> Self {
        Self {
            cpu_time: process_cpu_time(),
            memory: process_usage(std::process::id()).map_or(0, |usage| usage.memory),
            descriptors: open_descriptors().unwrap_or(0),
            descriptors_limit: descriptors_limit(),
        }
    }
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
    let (old, new) = (&before.media, &after.media);
    let lost_received = new.lost_received.saturating_sub(old.lost_received);
    let received = new.rtp_received.saturating_sub(old.rtp_received);
    let lost_sent = new.lost_sent.saturating_sub(old.lost_sent);
    let rtp_sent = new.rtp_sent.saturating_sub(old.rtp_sent);
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
        loss_received: share(lost_received, received.saturating_add(lost_received)),
        // What receivers report today may have been sent before.
        loss_sent: share(lost_sent, rtp_sent).min(1.0),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        small(part) / small(whole)
    }
}

/// A count of a second, which 32 bits hold.
fn small(count: u64) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use plenum_params::stats::MediaCounters;

    use super::*;

    fn stats(seconds: u64) -> WorkerStats {
        WorkerStats {
            datagrams_received: 100 * seconds,
            datagrams_sent: 800 * seconds,
            bytes_received: 120_000 * seconds,
            bytes_sent: 960_000 * seconds,
            group_sizes: [0, 0, 0, 100 * seconds, 0, 0],
            media: MediaCounters {
                rtp_received: 80 * seconds,
                rtp_sent: 800 * seconds,
                lost_received: 20 * seconds,
                ..MediaCounters::default()
            },
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
            loss_received: 0.2,
            loss_sent: 0.0,
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
