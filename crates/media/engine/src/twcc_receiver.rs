//! Arrival times of packets by their transport-wide sequence number, and what to feed back about them
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! A report covers every number from the first unreported one on, lost packets included. A packet that arrives after a
//! later one was reported makes the next report begin with it, so that the sender learns that it was not lost.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Time between reports (libwebrtc's default; it lets 50 to 250 ms pass, depending on the bandwidth).
const INTERVAL: Duration = Duration::from_millis(100);

/// Packets after which a report is sent at once: at high rates the sender's estimate must not wait for 100 ms.
const EARLY_PACKETS: u32 = 64;

/// Numbers of one report: even when each needs two bytes of delta the packet stays below 1000 bytes.
const MAX_PER_REPORT: usize = 400;

/// Numbers that are remembered, reported or not; a larger step forward starts anew. Several reports' worth.
const MAX_REMEMBERED: usize = 2048;

/// How long reported packets are remembered for the sake of late ones (libwebrtc's `kBackWindow`).
const BACK_WINDOW: Duration = Duration::from_millis(500);

/// Collects the arrivals of one transport.
#[derive(Clone, Debug, Default)]
pub(crate) struct TwccReceiver {
    origin: Option<Instant>,
    /// Arrivals since `origin` by number, from `first` on; the last is never `None`.
    arrivals: VecDeque<Option<Duration>>,
    first: u64,
    /// Where the next report begins.
    next: u64,
    /// Packets that came since the last report.
    unreported: u32,
    due: Option<Instant>,
    last_report: Option<Instant>,
    report: Vec<Option<Duration>>,
}

/// The content of one feedback packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FeedbackDescription<'a> {
    /// The first number that is reported.
    pub(crate) base_sequence: u16,
    /// One entry per number: `None` when it did not arrive, else when it did, since the first arrival ever.
    pub(crate) arrivals: &'a [Option<Duration>],
}

impl TwccReceiver {
    /// Takes note of an arrived packet. Returns the time of the next report when it has changed.
    pub(crate) fn handle_packet(&mut self, now: Instant, sequence_number: u16) -> Option<Instant> {
        let origin = *self.origin.get_or_insert(now);
        let arrival = now.saturating_duration_since(origin);
        let sequence = self.extend(sequence_number);
        let end = self.first + self.arrivals.len() as u64;
        if self.arrivals.is_empty() || sequence >= end + MAX_REMEMBERED as u64 {
            self.arrivals.clear();
            self.arrivals.push_back(Some(arrival));
            (self.first, self.next) = (sequence, sequence);
        } else if sequence >= end {
            self.arrivals.extend((end..sequence).map(|_| None));
            self.arrivals.push_back(Some(arrival));
            self.forget(arrival);
        } else {
            let slot = usize::try_from(sequence.checked_sub(self.first)?)
                .ok()
                .and_then(|at| self.arrivals.get_mut(at))?;
            if slot.is_some() {
                return None;
            }
            *slot = Some(arrival);
            self.next = self.next.min(sequence);
        }
        self.unreported += 1;
        let due = if self.unreported >= EARLY_PACKETS {
            now
        } else {
            self.last_report
                .map_or(now + INTERVAL, |last| now.max(last + INTERVAL))
        };
        if self.due.is_none_or(|current| due < current) {
            self.due = Some(due);
            return self.due;
        }
        None
    }

    /// The next feedback packet that is due; to be called until it returns `None`.
    pub(crate) fn poll_feedback(&mut self, now: Instant) -> Option<FeedbackDescription<'_>> {
        if self.due.is_none_or(|due| now < due) {
            return None;
        }
        let Some(base) = self.fill_report() else {
            self.due = None;
            self.unreported = 0;
            self.last_report = Some(now);
            return None;
        };
        self.next = base + self.report.len() as u64;
        Some(FeedbackDescription {
            base_sequence: base as u16,
            arrivals: &self.report,
        })
    }

    /// When to poll next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// The number nearest to the last one of which these are the low bits.
    fn extend(&self, sequence_number: u16) -> u64 {
        let Some(last) = (self.first + self.arrivals.len() as u64).checked_sub(1) else {
            // One cycle above zero, so that older ones have a number, too.
            return 1 << 16 | u64::from(sequence_number);
        };
        let distance = sequence_number.wrapping_sub(last as u16).cast_signed();
        last.saturating_add_signed(distance.into())
    }

    /// Drops what is too much or, being reported, too old.
    fn forget(&mut self, now: Duration) {
        while let Some(oldest) = self.arrivals.front() {
            let is_reported = self.first < self.next;
            let is_old = oldest.is_none_or(|arrival| now.saturating_sub(arrival) > BACK_WINDOW);
            if self.arrivals.len() <= MAX_REMEMBERED && !(is_reported && is_old) {
                break;
            }
            self.arrivals.pop_front();
            self.first += 1;
        }
        self.next = self.next.max(self.first);
    }

    /// Fills `report` with the next report; returns its first number.
    fn fill_report(&mut self) -> Option<u64> {
        self.report.clear();
        let start = usize::try_from(self.next.checked_sub(self.first)?).ok()?;
        let leading = self.arrivals.iter().skip(start).position(Option::is_some)?;
        // A report without a single arrival cannot be written: of a long gap only the end is told.
        let skipped = leading.saturating_sub(MAX_PER_REPORT / 2);
        self.report.extend(
            self.arrivals
                .iter()
                .skip(start + skipped)
                .take(MAX_PER_REPORT),
        );
        Some(self.next + skipped as u64)
    }
}

#[cfg(test)]
mod tests;
