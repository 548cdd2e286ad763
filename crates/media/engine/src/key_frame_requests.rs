//! When to ask the sender of a stream for a key frame.
//!
//! Any number of receivers ask at any time; the sender is asked once for all of them, not too often, and again when no
//! key frame comes. Asking goes on until one comes: a receiver that never got a packet of the stream has nothing to
//! complain about, so nobody else would start it again.

use std::time::{Duration, Instant};

/// Shortest time between two requests. libwebrtc ignores a request that comes within 300 ms of the last one it took
/// (`kMinKeyframeSendIntervalMs`), and an ignored request costs a whole retry interval; the rest allows for jitter.
const MIN_INTERVAL: Duration = Duration::from_millis(320);

/// First wait for the key frame. mediasoup waits 1 s; most of that is spent watching a frozen picture, and a round trip
/// with a frame of encoding delay is over within half of it.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// The wait doubles up to this much, so that a sender whose camera is covered costs next to nothing.
const MAX_RETRY_INTERVAL: Duration = Duration::from_secs(4);

/// What [`KeyFrameRequests::poll`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFrameAction {
    /// Nothing to do.
    None,
    /// Send a PLI or FIR now.
    Send,
}

/// Key frame requests towards one stream's sender.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyFrameRequests {
    /// When to send the next request; `None`: no key frame is wanted.
    due: Option<Instant>,
    last_sent: Option<Instant>,
    /// Requests sent since a key frame was first wanted.
    attempts: u8,
}

impl KeyFrameRequests {
    /// Somebody needs a key frame. While one is waited for, this only ends a long wait early: the earlier requests may
    /// have been made for nobody.
    pub(crate) fn request(&mut self, now: Instant) {
        let pause = if self.due.is_some() {
            RETRY_INTERVAL
        } else {
            MIN_INTERVAL
        };
        let earliest = self.last_sent.map_or(now, |sent| now.max(sent + pause));
        if self.due.is_none() {
            self.attempts = 0;
        }
        self.due = Some(self.due.map_or(earliest, |due| due.min(earliest)));
    }

    /// The first packet of a key frame arrived: whoever waited is served.
    pub(crate) fn handle_key_frame(&mut self, _now: Instant) {
        self.due = None;
        self.attempts = 0;
    }

    /// What to do at `now`; [`KeyFrameAction::Send`] is answered once per due request.
    pub(crate) fn poll(&mut self, now: Instant) -> KeyFrameAction {
        if self.due.is_none_or(|due| now < due) {
            return KeyFrameAction::None;
        }
        let wait = RETRY_INTERVAL
            .saturating_mul(1 << self.attempts.min(8))
            .min(MAX_RETRY_INTERVAL);
        self.attempts = self.attempts.saturating_add(1);
        self.last_sent = Some(now);
        self.due = Some(now + wait);
        KeyFrameAction::Send
    }

    /// Whether a key frame is waited for and was asked for at least once.
    pub(crate) fn is_asked(&self) -> bool {
        self.due.is_some() && self.attempts > 0
    }

    /// Whether a key frame is waited for.
    pub(crate) fn is_wanted(&self) -> bool {
        self.due.is_some()
    }

    /// When to poll next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_request_goes_out_at_once_and_others_join_it() {
        let now = Instant::now();
        let mut requests = KeyFrameRequests::default();
        assert_eq!(requests.poll(now), KeyFrameAction::None);
        assert_eq!(requests.poll_timeout(), None);
        requests.request(now);
        requests.request(now);
        assert!(requests.is_wanted());
        assert_eq!(requests.poll(now), KeyFrameAction::Send);
        requests.request(now + 10 * MS);
        assert_eq!(requests.poll(now + 10 * MS), KeyFrameAction::None);
        requests.handle_key_frame(now + 40 * MS);
        assert!(!requests.is_wanted());
        assert_eq!(requests.poll_timeout(), None);
    }

    #[test]
    fn a_request_soon_after_a_key_frame_waits() {
        let now = Instant::now();
        let mut requests = KeyFrameRequests::default();
        requests.request(now);
        assert_eq!(requests.poll(now), KeyFrameAction::Send);
        requests.handle_key_frame(now + 40 * MS);
        requests.request(now + 50 * MS);
        assert_eq!(requests.poll(now + 50 * MS), KeyFrameAction::None);
        assert_eq!(requests.poll_timeout(), Some(now + MIN_INTERVAL));
        assert_eq!(requests.poll(now + MIN_INTERVAL), KeyFrameAction::Send);
    }

    #[test]
    fn an_unanswered_request_is_repeated_with_growing_waits() {
        let start = Instant::now();
        let mut requests = KeyFrameRequests::default();
        requests.request(start);
        let mut sent = Vec::new();
        for step in 0..20_000 {
            let now = start + MS * step;
            if requests.poll(now) == KeyFrameAction::Send {
                sent.push(step);
            }
        }
        assert_eq!(sent, [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500]);
    }

    proptest! {
        #[test]
        fn requests_keep_their_distance_and_are_never_forgotten(
            steps in prop::collection::vec((0u32..300, 0u8..4), 1..300),
        ) {
            let mut now = Instant::now();
            let mut requests = KeyFrameRequests::default();
            let mut last: Option<Instant> = None;
            for (gap, action) in steps {
                now += MS * gap;
                match action {
                    0 => requests.request(now),
                    1 => requests.handle_key_frame(now),
                    _ => {}
                }
                let wanted = requests.is_wanted();
                if requests.poll(now) == KeyFrameAction::Send {
                    prop_assert!(wanted);
                    prop_assert!(last.is_none_or(|last| now - last >= MIN_INTERVAL));
                    last = Some(now);
                }
                prop_assert_eq!(requests.poll_timeout().is_some(), requests.is_wanted());
                prop_assert!(requests.poll_timeout().is_none_or(|due| due > now && due - now <= MAX_RETRY_INTERVAL));
            }
        }
    }
}
