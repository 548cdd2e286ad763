//! Notices a queue that stays: it does not grow, so the slope of the delay is silent about it, but everybody waits
//! in it. And tells whose it is.
//!
//! libwebrtc has neither. When several cuts do not shorten the queue, somebody else fills it (or the path itself became
//! longer), and yielding more would only starve us, as happens to estimators that know nothing but delay next to a
//! download. Then delay is not listened to for a while, and loss alone decides.

use std::time::{Duration, Instant};

/// A queue longer than this is noticed by people who talk: half of the 100 ms that we allow ourselves at the 95th
/// percentile.
const LONG_MS: f64 = 50.0;

/// A queue shorter than this counts as gone.
const SHORT_MS: f64 = 25.0;

/// It must stay for so long: longer than a key frame takes to drain.
const STAYS: Duration = Duration::from_millis(500);

/// A queue that has shrunk to this part of its longest is draining; it gets the time once more.
const DRAINING: f64 = 0.8;

/// Cuts in a row before the queue is judged: four cuts to 0.85 leave half, which drains a queue of 200 ms in less than
/// half a second if it is ours.
const JUDGED_AFTER: u8 = 4;

/// The queue is ours if it has shrunk to this part since the first of the cuts.
const SHRUNK: f64 = 0.7;

/// For so long somebody else's queue is left alone before it is asked again whose it is.
const LEFT_ALONE: Duration = Duration::from_secs(10);

/// A queue that is short for so long is nobody's any more. A download that halves its window empties it for less.
const GONE: Duration = Duration::from_secs(1);

/// With a queue beyond this there is no talking: whoever fills it, we yield.
const UNBEARABLE_MS: f64 = 400.0;

#[derive(Debug, Default)]
pub(crate) struct StandingQueue {
    queue_ms: f64,
    /// Since when the queue has been long without a pause, and its longest since.
    long_since: Option<(Instant, f64)>,
    /// Since when it has been short without a pause.
    short_since: Option<Instant>,
    /// Cuts since it was short, and the queue at the first of them.
    cuts: u8,
    first_cut_ms: f64,
    left_alone_until: Option<Instant>,
}

impl StandingQueue {
    /// A group of packets found a queue of this length.
    pub(crate) fn update(&mut self, now: Instant, queue_ms: f64) {
        self.queue_ms = queue_ms;
        if queue_ms < SHORT_MS {
            self.cuts = 0;
            let since = *self.short_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= GONE {
                self.left_alone_until = None;
            }
        } else {
            self.short_since = None;
        }
        if queue_ms < LONG_MS {
            self.long_since = None;
        } else {
            let (_, longest) = self.long_since.get_or_insert((now, queue_ms));
            *longest = longest.max(queue_ms);
        }
    }

    /// Whether to send less because of a queue that stays.
    pub(crate) fn wants_cut(&mut self, now: Instant) -> bool {
        let Some((since, longest)) = self.long_since else {
            return false;
        };
        if now.saturating_duration_since(since) < STAYS {
            return false;
        }
        if self.queue_ms > DRAINING * longest {
            return true;
        }
        self.long_since = Some((now, self.queue_ms));
        false
    }

    /// The rate was cut because of the queue.
    pub(crate) fn note_cut(&mut self, now: Instant) {
        self.long_since = None;
        if self.cuts == 0 {
            self.first_cut_ms = self.queue_ms;
        }
        self.cuts += 1;
        if self.cuts < JUDGED_AFTER {
            return;
        }
        self.cuts = 0;
        if self.queue_ms > SHRUNK * self.first_cut_ms {
            self.left_alone_until = Some(now + LEFT_ALONE);
        }
    }

    /// Whether the queue is somebody else's, to be left alone.
    pub(crate) fn is_foreign(&self, now: Instant) -> bool {
        self.queue_ms < UNBEARABLE_MS && self.left_alone_until.is_some_and(|until| now < until)
    }

    /// Whether there is a queue that is noticed.
    pub(crate) fn is_long(&self) -> bool {
        self.queue_ms >= LONG_MS
    }

    /// Whether the queue is gone.
    pub(crate) fn is_short(&self) -> bool {
        self.queue_ms < SHORT_MS
    }

    /// The newest length.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64((self.queue_ms / 1000.0).clamp(0.0, 60.0))
    }

    /// Another clock: nothing is known.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(100);

    /// Steps at which a queue is cut.
    fn cuts(queue: &mut StandingQueue, start: Instant, lengths: impl Fn(u32) -> f64) -> Vec<u32> {
        let mut cuts = Vec::new();
        for step in 0..60 {
            let now = start + STEP * step;
            queue.update(now, lengths(step));
            if queue.wants_cut(now) && !queue.is_foreign(now) {
                queue.note_cut(now);
                cuts.push(step);
            }
        }
        cuts
    }

    #[test]
    fn a_queue_that_stays_whatever_we_do_is_somebody_elses_until_it_is_gone() {
        let start = Instant::now();
        let mut queue = StandingQueue::default();
        assert_eq!(cuts(&mut queue, start, |_| 80.0), [5, 11, 17, 23]);
        let later = start + STEP * 60;
        assert!(queue.is_foreign(later));
        queue.update(later, 5.0);
        assert!(queue.is_foreign(later), "only for a moment");
        queue.update(later + GONE, 5.0);
        assert!(!queue.is_foreign(later + GONE));
    }

    #[test]
    fn a_queue_that_yields_is_ours() {
        let start = Instant::now();
        let mut queue = StandingQueue::default();
        let cuts = cuts(&mut queue, start, |step| 300.0 * 0.97_f64.powf(step.into()));
        assert!(cuts.len() > 6, "{cuts:?}");
        assert!(!queue.is_foreign(start + STEP * 60));
    }
}
