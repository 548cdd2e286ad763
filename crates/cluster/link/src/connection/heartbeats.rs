//! Heartbeats that are under way, and how long they take.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// Heartbeats of which the answer is awaited. Three without an answer are the end of the connection.
const UNDER_WAY: usize = 8;

#[derive(Debug)]
pub(super) struct Heartbeats {
    sent: Mutex<Sent>,
    /// One more than the highest number that was answered.
    answered: watch::Sender<u64>,
    /// Microseconds, smoothed; 0: not known.
    round_trip: AtomicU64,
}

#[derive(Debug, Default)]
struct Sent {
    next: u64,
    under_way: VecDeque<(u64, Instant)>,
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self {
            sent: Mutex::default(),
            answered: watch::Sender::new(0),
            round_trip: AtomicU64::new(0),
        }
    }
}

impl Heartbeats {
    /// One is sent: its number.
    pub(super) fn begin(&self) -> u64 {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let number = sent.next;
        sent.next += 1;
        sent.under_way.truncate(UNDER_WAY - 1);
        sent.under_way.push_front((number, Instant::now()));
        number
    }

    /// One was answered. What was never sent, or long ago, counts for nothing.
    pub(super) fn handle_pong(&self, number: u64) {
        let began = {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            let found = sent.under_way.iter().position(|(sent, _)| *sent == number);
            found.and_then(|index| sent.under_way.remove(index))
        };
        let Some((_, began)) = began else {
            return;
        };
        let took = began.elapsed().as_micros() as u64;
        // The smoothing of RFC 6298 §2.3.
        let smoothed = match self.round_trip.load(Relaxed) {
            0 => took,
            before => before - before / 8 + took / 8,
        };
        self.round_trip.store(smoothed.max(1), Relaxed);
        self.answered.send_if_modified(|answered| {
            let newer = number >= *answered;
            *answered = (number + 1).max(*answered);
            newer
        });
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        let micros = self.round_trip.load(Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.answered.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_are_timed_and_those_to_nothing_count_for_nothing() {
        let heartbeats = Heartbeats::default();
        for number in [0, 7, u64::MAX] {
            heartbeats.handle_pong(number);
        }
        assert_eq!(heartbeats.round_trip(), None);
        let number = heartbeats.begin();
        tokio::time::advance(Duration::from_millis(80)).await;
        heartbeats.handle_pong(number);
        assert_eq!(heartbeats.round_trip(), Some(Duration::from_millis(80)));
        assert_eq!(*heartbeats.subscribe().borrow(), 1);
        heartbeats.handle_pong(number);
        let number = heartbeats.begin();
        heartbeats.handle_pong(number);
        assert_eq!(heartbeats.round_trip(), Some(Duration::from_millis(70)));
        for _ in 0..1000 {
            heartbeats.begin();
        }
        let sent = heartbeats.sent.lock().expect("not poisoned");
        assert_eq!(sent.under_way.len(), UNDER_WAY);
    }
}
