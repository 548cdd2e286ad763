//! A look at all rooms every now and then, for the log.

use std::time::{Duration, Instant};

use plenum_host::{Host, NodeFigures};
use tracing::{Level, debug, enabled, info};

/// Rooms that have lines of their own: the largest. Who reads a log reads no thousands of them.
const MAX_ROOMS: usize = 100;

/// Logs how rooms are, as long as the node runs.
pub(crate) async fn log(host: Host, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    // A node that could not look for a while looks once.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut last = Look::new(&host.figures());
    loop {
        ticks.tick().await;
        let figures = host.figures();
        let look = Look::new(&figures);
        // Nobody wants to read that there still is nobody.
        if figures.rooms > 0 || last.rooms > 0 {
            log_all(&figures, &last, &look);
            if enabled!(Level::DEBUG) {
                log_each(&host);
            }
        }
        last = look;
    }
}

/// Counters at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    at: Instant,
    rooms: usize,
    received: u64,
    sent: u64,
}

impl Look {
    fn new(figures: &NodeFigures) -> Self {
        let sum =
            |bytes: fn(&plenum_host::WorkerFigures) -> u64| figures.workers.iter().map(bytes).sum();
        Self {
            at: Instant::now(),
            rooms: figures.rooms,
            received: sum(|worker| worker.totals.bytes_received),
            sent: sum(|worker| worker.totals.bytes_sent),
        }
    }

    /// Kilobits a second in and out since an earlier look.
    fn rates_since(&self, earlier: &Self) -> (u64, u64) {
        let millis = self.at.duration_since(earlier.at).as_millis().max(1);
        let rate = |now: u64, before: u64| {
            let bits = u128::from(now.saturating_sub(before)) * 8;
            u64::try_from(bits / millis).unwrap_or(u64::MAX)
        };
        (
            rate(self.received, earlier.received),
            rate(self.sent, earlier.sent),
        )
    }
}

fn log_all(figures: &NodeFigures, last: &Look, look: &Look) {
    let totals = figures.workers.iter().map(|worker| &worker.totals);
    let producers: u32 = totals.clone().map(|totals| totals.producers).sum();
    let consumers: u32 = totals.map(|totals| totals.consumers).sum();
    let (kbps_in, kbps_out) = look.rates_since(last);
    info!(
        rooms = figures.rooms,
        peers = figures.peers,
        producers,
        consumers,
        kbps_in,
        kbps_out,
        "status of all rooms"
    );
}

fn log_each(host: &Host) {
    let mut rooms = host.rooms(None);
    let all = rooms.len();
    rooms.sort_by(|a, b| b.peers.cmp(&a.peers).then_with(|| a.room.cmp(&b.room)));
    rooms.truncate(MAX_ROOMS);
    for room in &rooms {
        debug!(
            namespace = room.namespace,
            room = room.room,
            peers = room.peers,
            sessions = room.sessions,
            producers = room.producers,
            consumers = room.consumers,
            workers = ?room.workers,
            "status of a room"
        );
    }
    if all > rooms.len() {
        debug!(rooms = all - rooms.len(), "and smaller ones");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_time_between_two_looks() {
        let first = Look {
            at: Instant::now(),
            rooms: 0,
            received: 1_000,
            sent: 500,
        };
        let second = Look {
            at: first.at + Duration::from_secs(2),
            received: 251_000,
            sent: 500,
            ..first
        };
        assert_eq!(second.rates_since(&first), (1_000, 0));
        assert_eq!(first.rates_since(&first), (0, 0));
    }
}
