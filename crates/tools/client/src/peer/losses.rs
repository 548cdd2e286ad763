//! Packets of a stream that have not come, and when to ask for them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A gap may just be reordering for this long.
const REORDER_DELAY: Duration = Duration::from_millis(10);

/// Requests for one packet, and packets missed at a time (libwebrtc's `NackRequester`).
const MAX_REQUESTS: u8 = 10;
const MAX_MISSING: usize = 1000;

/// A packet that has not come in this time is given up: no decoder waits longer.
const GIVE_UP: Duration = Duration::from_secs(2);

/// Between two requests for one packet: a round trip, within these bounds. The lower one is libwebrtc's interval of looking,
/// the upper one keeps a wrong measurement from stopping repair.
const RETRY_BOUNDS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Numbers in one request.
pub(super) const MAX_ASKED: usize = 128;

/// What has not come.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// In ascending order of numbers.
    missing: VecDeque<Missing>,
    next: Option<Instant>,
}

/// What came of looking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// Packets that were asked for the first time.
    pub(super) missed: u64,
    /// Packets given up.
    pub(super) lost: u64,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    since: Instant,
    asked: Option<Instant>,
    requests: u8,
}

impl Losses {
    /// Packets between two that came. Returns how many are given up at once, because it is too many.
    pub(super) fn gap(&mut self, now: Instant, between: std::ops::Range<u64>) -> u64 {
        let len = between.end.saturating_sub(between.start);
        if len + self.missing.len() as u64 > MAX_MISSING as u64 {
            let given_up = len + self.missing.len() as u64;
            self.missing.clear();
            self.next = None;
            return given_up;
        }
        self.missing.extend(between.map(|sequence| Missing {
            sequence,
            since: now,
            asked: None,
            requests: 0,
        }));
        if len > 0 {
            let due = now + REORDER_DELAY;
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
        }
        0
    }

    /// A packet that is not the newest. `None`: it was not missing; else whether it had been asked for.
    pub(super) fn arrived(&mut self, sequence: u64) -> Option<bool> {
        let index = self
            .missing
            .binary_search_by_key(&sequence, |missing| missing.sequence)
            .ok()?;
        let missing = self.missing.remove(index)?;
        if self.missing.is_empty() {
            self.next = None;
        }
        Some(missing.requests > 0)
    }

    /// When to look.
    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Puts the numbers to be asked for now into `asked`.
    pub(super) fn look(
        &mut self,
        now: Instant,
        round_trip: Duration,
        asked: &mut Vec<u16>,
    ) -> Looked {
        let mut looked = Looked::default();
        let before = self.missing.len();
        self.missing
            .retain(|missing| now.saturating_duration_since(missing.since) < GIVE_UP);
        looked.lost = (before - self.missing.len()) as u64;
        let retry = round_trip.clamp(RETRY_BOUNDS.0, RETRY_BOUNDS.1);
        self.next = None;
        for missing in &mut self.missing {
            let mut due = missing.due(retry);
            if due.is_some_and(|due| due <= now) && asked.len() < MAX_ASKED {
                looked.missed += u64::from(missing.requests == 0);
                missing.asked = Some(now);
                missing.requests += 1;
                asked.push(missing.sequence as u16);
                due = missing.due(retry);
            }
            let due = due.unwrap_or(missing.since + GIVE_UP);
            self.next = Some(self.next.map_or(due, |next| next.min(due)));
        }
        looked
    }
}

impl Missing {
    /// When to ask for it; `None`: not again.
    fn due(&self, retry: Duration) -> Option<Instant> {
        if self.requests >= MAX_REQUESTS {
            return None;
        }
        Some(
            self.asked
                .map_or(self.since + REORDER_DELAY, |asked| asked + retry),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes() {
        let start = Instant::now();
        let mut losses = Losses::default();
        assert_eq!(losses.poll_timeout(), None);
        assert_eq!(losses.gap(start, 5..8), 0);
        // Overtaken only.
        assert_eq!(losses.arrived(5), Some(false));
        let due = losses.poll_timeout().expect("something is missing");
        assert_eq!(due, start + REORDER_DELAY);
        let mut asked = Vec::new();
        let looked = losses.look(due, ROUND_TRIP, &mut asked);
        assert_eq!((looked.missed, &asked[..]), (2, &[6, 7][..]));
        assert_eq!(losses.poll_timeout(), Some(due + ROUND_TRIP));
        assert_eq!(losses.arrived(6), Some(true));
        assert_eq!(losses.arrived(6), None);
        asked.clear();
        let looked = losses.look(due + ROUND_TRIP, ROUND_TRIP, &mut asked);
        assert_eq!((looked, &asked[..]), (Looked::default(), &[7][..]));
        let mut rounds = 0;
        let mut lost = 0;
        while let Some(due) = losses.poll_timeout() {
            asked.clear();
            lost += losses.look(due, ROUND_TRIP, &mut asked).lost;
            rounds += asked.len();
        }
        assert_eq!((rounds, lost), (usize::from(MAX_REQUESTS) - 2, 1));
    }

    #[test]
    fn too_much_is_given_up_at_once() {
        let start = Instant::now();
        let mut losses = Losses::default();
        assert_eq!(losses.gap(start, 0..600), 0);
        assert_eq!(losses.gap(start, 700..1200), 1100);
        assert_eq!(losses.poll_timeout(), None);
    }
}
