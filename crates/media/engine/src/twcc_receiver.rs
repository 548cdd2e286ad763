//! Arrival times of packets with transport-wide sequence numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01),
//! collected until they are reported to their sender, whose bandwidth estimate lives on them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plenum_rtp::SequenceUnwrapper;

/// libwebrtc's default interval between two reports.
const INTERVAL: Duration = Duration::from_millis(100);

/// Packets in one report: even with two bytes for each it fits one datagram.
const MAX_REPORTED: usize = 400;

/// A report is due early with this many packets, so that fast senders hear soon.
const EARLY_REPORT: usize = 100;

/// A gap of more numbers than this, or a pause, is a new beginning: the format's deltas reach 8 s.
const MAX_GAP: u64 = 1000;
const MAX_PAUSE: Duration = Duration::from_secs(4);

/// One report, ready to be encoded.
#[derive(Debug)]
pub(crate) struct Feedback<'a> {
    pub(crate) base_sequence: u16,
    /// By sequence number from the base: arrival since the first packet ever; `None`: not received.
    pub(crate) arrivals: &'a [Option<Duration>],
}

/// What arrived since the last report.
#[derive(Debug, Default)]
pub(crate) struct TwccReceiver {
    unwrapper: SequenceUnwrapper,
    origin: Option<Instant>,
    /// Number of the first entry of `arrivals`.
    base: u64,
    arrivals: VecDeque<Option<Instant>>,
    last_arrival: Option<Instant>,
    due: Option<Instant>,
    scratch: Vec<Option<Duration>>,
}

impl TwccReceiver {
    /// Takes a packet; returns when a report is due if that is news.
    pub(crate) fn handle_packet(&mut self, now: Instant, sequence_number: u16) -> Option<Instant> {
        self.origin.get_or_insert(now);
        let paused = self.last_arrival.is_some_and(|last| now.saturating_duration_since(last) > MAX_PAUSE);
        self.last_arrival = Some(now);
        let sequence = self.unwrapper.extend(sequence_number);
        let newest = self.base + self.arrivals.len() as u64;
        if self.due.is_none() && self.arrivals.is_empty() && self.base == 0 || paused || sequence > newest + MAX_GAP {
            self.arrivals.clear();
            self.base = sequence;
        }
        // Already reported as missing: the sender has drawn its conclusion.
        let index = usize::try_from(sequence.checked_sub(self.base)?).ok()?;
        while self.arrivals.len() <= index {
            self.arrivals.push_back(None);
        }
        if let Some(slot) = self.arrivals.get_mut(index) {
            slot.get_or_insert(now);
        }
        if self.due.is_none() {
            self.due = Some(now + INTERVAL);
            return self.due;
        }
        if self.arrivals.len() >= EARLY_REPORT && self.due > Some(now) {
            self.due = Some(now);
            return self.due;
        }
        None
    }

    /// The next report that is due.
    pub(crate) fn poll_feedback(&mut self, now: Instant) -> Option<Feedback<'_>> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        while self.arrivals.front().is_some_and(Option::is_none) {
            self.arrivals.pop_front();
            self.base += 1;
        }
        let (Some(origin), Some(Some(_))) = (self.origin, self.arrivals.front()) else {
            self.due = None;
            return None;
        };
        let base_sequence = self.base as u16;
        let count = self.arrivals.len().min(MAX_REPORTED);
        self.scratch.clear();
        let since_origin = |arrival: Option<Instant>| Some(arrival?.saturating_duration_since(origin));
        self.scratch.extend(self.arrivals.drain(..count).map(since_origin));
        while self.scratch.last().is_some_and(Option::is_none) {
            self.scratch.pop();
        }
        self.base += count as u64;
        if self.arrivals.is_empty() {
            self.due = None;
        }
        Some(Feedback { base_sequence, arrivals: &self.scratch })
    }

    /// When to poll next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_came_and_what_did_not() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::default();
        let due = receiver.handle_packet(start, 65_535).expect("the first packet starts the interval");
        receiver.handle_packet(start + Duration::from_millis(10), 1);
        receiver.handle_packet(start + Duration::from_millis(5), 0);
        receiver.handle_packet(start + Duration::from_millis(20), 4);
        assert!(receiver.poll_feedback(start + Duration::from_millis(50)).is_none());
        let feedback = receiver.poll_feedback(due).expect("due");
        assert_eq!(feedback.base_sequence, 65_535);
        assert_eq!(feedback.arrivals, [0, 5, 10].map(|at| Some(Duration::from_millis(at))).into_iter().chain([None, None, Some(Duration::from_millis(20))]).collect::<Vec<_>>());
        assert_eq!(receiver.poll_timeout(), None);
        receiver.handle_packet(start + Duration::from_secs(1), 5);
        let feedback = receiver.poll_feedback(start + Duration::from_secs(2)).expect("due");
        assert_eq!(feedback.base_sequence, 5);
        assert_eq!(feedback.arrivals, [Some(Duration::from_secs(1))]);
    }

    #[test]
    fn what_was_reported_missing_is_not_reported_again() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::default();
        receiver.handle_packet(start, 1);
        receiver.handle_packet(start, 3);
        assert!(receiver.poll_feedback(start + INTERVAL).is_some());
        receiver.handle_packet(start + INTERVAL, 2);
        assert!(receiver.poll_feedback(start + 2 * INTERVAL).is_none());
    }

    #[test]
    fn jumps_do_not_grow_memory() {
        let mut now = Instant::now();
        let mut receiver = TwccReceiver::default();
        let mut sequence = 0u16;
        for _ in 0..100_000 {
            sequence = sequence.wrapping_add(999);
            now += Duration::from_millis(1);
            receiver.handle_packet(now, sequence);
            assert!(receiver.arrivals.len() <= 110 * 1000);
            while let Some(feedback) = receiver.poll_feedback(now) {
                assert!(feedback.arrivals.len() <= MAX_REPORTED);
            }
        }
    }
}
