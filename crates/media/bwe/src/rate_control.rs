//! What the estimate does when the queue grows, shrinks or stays (AIMD).
//!
//! After draft-ietf-rmcat-gcc-02 §5.5 and what is published about libwebrtc's `AimdRateControl`. Where it differs:
//!
//! * The estimate grows to [`GROWTH_LIMIT`] of what arrives (libwebrtc: 1.5 times). A forwarder sends layers, not
//!   whatever the estimate says, so growth without evidence would only end in a layer that does not fit. Probes bring
//!   the evidence.
//! * When much less is sent than the estimate and all of it arrives, growth of the delay is not our doing: the estimate
//!   falls by a step instead of to a part of the little that was sent. libwebrtc falls to 0.85 of that.
//! * After a cut the next one waits until feedback can show its effect, unless the queue is still growing fast.

use std::time::{Duration, Instant};

use crate::{Bitrate, Usage, busy_run::Saturated};

/// Part of what arrives that is left after overuse (draft §5.5, β).
const BACKOFF: f64 = 0.85;

/// A queue beyond the first is drained by sending less for as long as it is there, at most this much less when it is
/// longer than that by the second. At 0.85 alone a queue of 300 ms takes two seconds.
const DRAIN_FROM: Duration = Duration::from_millis(50);
const DRAIN_MOST_BEYOND: Duration = Duration::from_millis(200);
const DRAIN_MOST: f64 = 0.25;

/// Growth per second far from what the path carries (draft §5.5, η).
const GROWTH_PER_SECOND: f64 = 1.08;

/// The least multiplicative growth per second (draft §5.5).
const MIN_GROWTH: Bitrate = Bitrate::from_kbps(1);

/// Additive growth adds one packet of this size per response time (draft §5.5 takes the average packet).
const PACKET_BITS: f64 = 1200.0 * 8.0;

/// Response time is the round trip and this (draft §5.5).
const RESPONSE_EXTRA: Duration = Duration::from_millis(100);

/// The least additive growth per second (libwebrtc).
const MIN_ADDITIVE: f64 = 4_000.0;

/// The estimate grows no further above what arrives: one eighth is the headroom that the allocation wants for one
/// more layer, twice that is room to see that it is there.
pub(crate) const GROWTH_LIMIT: f64 = 1.25;

/// Growth is allowed to at least this much more than arrives (libwebrtc), so that a trickle can grow at all.
const GROWTH_LIMIT_OFFSET: Bitrate = Bitrate::from_kbps(10);

/// A longer pause between two updates counts as this (libwebrtc: one second).
const MAX_STEP: Duration = Duration::from_secs(1);

/// Smoothing of the capacity at overuse, and the deviations within which it holds (draft §5.5: 0.95 and 3).
const CAPACITY_SMOOTHING: f64 = 0.05;
const CAPACITY_DEVIATIONS: f64 = 3.0;

/// From this part of the capacity on, growth is additive. libwebrtc grows so wherever a capacity is known; the steps of
/// layers make it worth returning to it quickly.
const NEAR: f64 = 0.92;

/// More than this arriving means that the capacity was wrong. Above the deviations, because half a second of frames of
/// changing size is not exact.
const EXCEEDED: f64 = 1.05;

/// The estimate grows past a capacity that was measured by no more than this while less than that arrives. If the path
/// got wider, a probe tells.
const BEYOND: f64 = 1.05;

/// Bounds of the normalised variance of the capacity, in units of kb/s (libwebrtc's published values).
const MIN_VARIANCE: f64 = 0.4;
const MAX_VARIANCE: f64 = 2.5;

/// If this part of what was offered arrives, what was offered is not too much.
const DELIVERED_WHOLE: f64 = 0.9;

/// A queue that is longer is not taken for somebody else's jitter.
const HARMLESS_QUEUE: Duration = Duration::from_millis(80);

/// If less than this part of the rate comes through, the path is another one than it was.
const COLLAPSED: f64 = 0.5;

/// The queue in front of a link that is suddenly too narrow is longer than this when it is believed: what a radio holds back
/// now and then is not.
const COLLAPSED_WAIT: Duration = Duration::from_millis(100);

/// A cut shows in feedback after a round trip and up to this: an interval of feedback and the time in which the
/// detector sees that the slope has turned.
const CUT_SHOWS_AFTER: Duration = Duration::from_millis(200);

/// What the rate is decided by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signals {
    pub(crate) usage: Usage,
    /// Less must be sent although the queue does not grow.
    pub(crate) standing_queue: bool,
    pub(crate) acknowledged: Option<Bitrate>,
    /// What a link was found to carry that had a queue for a short while.
    pub(crate) saturated: Option<Saturated>,
    /// When the newest packets left of whose delay is known.
    pub(crate) measured: Instant,
    /// At what rate those packets left of which feedback has told.
    pub(crate) offered: Option<Bitrate>,
    pub(crate) queue: Duration,
    /// The queue is gone.
    pub(crate) drained: bool,
    pub(crate) round_trip: Duration,
    pub(crate) application_limited: bool,
    /// Loss and the health of feedback allow growth, up to this.
    pub(crate) ceiling: Bitrate,
}

#[derive(Debug)]
pub(crate) struct RateControl {
    rate: Bitrate,
    updated: Instant,
    last_cut: Option<Instant>,
    /// When the path was last found to carry far less than it did.
    last_collapse: Option<Instant>,
    capacity: Capacity,
    /// What the rate was cut to but for the queue that had to drain.
    after_draining: Option<Bitrate>,
    /// Growth may begin: neither over- nor underuse since.
    growing: bool,
}

impl RateControl {
    pub(crate) fn new(rate: Bitrate, now: Instant) -> Self {
        Self {
            rate,
            updated: now,
            last_cut: None,
            last_collapse: None,
            capacity: Capacity::default(),
            after_draining: None,
            growing: false,
        }
    }

    pub(crate) fn rate(&self) -> Bitrate {
        self.rate
    }

    /// Sets the rate from other evidence: a probe, loss, missing feedback, limits.
    pub(crate) fn set(&mut self, rate: Bitrate) {
        self.rate = rate;
    }

    /// A probe filled the path: what came through is what it carries.
    pub(crate) fn measured_capacity(&mut self, rate: Bitrate) {
        self.capacity.replace(rate);
    }

    /// A probe came through whole: the path carries more than was known.
    pub(crate) fn forget_capacity(&mut self) {
        self.capacity = Capacity::default();
    }

    /// Whether the last cut was less than `time` ago.
    pub(crate) fn cut_within(&self, now: Instant, time: Duration) -> bool {
        self.last_cut
            .is_some_and(|cut| now.saturating_duration_since(cut) < time)
    }

    /// Whether the path was found to carry far less than it did, less than `time` ago.
    pub(crate) fn collapsed_within(&self, now: Instant, time: Duration) -> bool {
        self.last_collapse
            .is_some_and(|at| now.saturating_duration_since(at) < time)
    }

    /// Feedback arrived; whether the rate was cut, be it to what it was already.
    pub(crate) fn update(&mut self, now: Instant, signals: Signals) -> bool {
        let step = now.saturating_duration_since(self.updated).min(MAX_STEP);
        self.updated = now;
        let collapsed = signals.saturated.is_some_and(|found| {
            found.rate < self.rate.scaled(COLLAPSED) && found.wait >= COLLAPSED_WAIT
        });
        if collapsed {
            self.last_collapse = Some(now);
        }
        if signals.usage == Usage::Overuse || signals.standing_queue || collapsed {
            self.growing = false;
            return self.cut(now, signals);
        }
        if signals.usage == Usage::Underuse {
            self.growing = false;
        } else if !self.growing {
            self.growing = true;
        } else {
            if signals.drained
                && let Some(rate) = self.after_draining.take()
            {
                self.rate = self.rate.max(rate.min(signals.ceiling));
            }
            self.grow(step, signals);
        }
        false
    }

    fn cut(&mut self, now: Instant, signals: Signals) -> bool {
        let saturated = signals.saturated.map(|found| found.rate);
        let queue = signals
            .saturated
            .map_or(signals.queue, |found| found.wait.max(signals.queue));
        let Some(acknowledged) = saturated.or(signals.acknowledged) else {
            return self.cut_blindly(now, signals);
        };
        // Far below: the rate is so wrong that waiting makes the queue much longer.
        let far_below = acknowledged < self.rate.scaled(COLLAPSED)
            && (saturated.is_some() || !signals.application_limited);
        let is_shown = !self.cut_within(now, signals.round_trip + CUT_SHOWS_AFTER)
            && self.last_cut.is_none_or(|cut| cut < signals.measured);
        if !far_below && !is_shown {
            return false;
        }
        let whole = signals
            .offered
            .is_some_and(|offered| acknowledged >= offered.scaled(DELIVERED_WHOLE));
        let harmless = signals.application_limited && whole && signals.queue < HARMLESS_QUEUE;
        let target = if harmless {
            self.rate.max(acknowledged).scaled(BACKOFF)
        } else {
            self.capacity.observe(acknowledged);
            self.after_draining = Some(acknowledged.scaled(BACKOFF).min(self.rate));
            acknowledged.scaled(BACKOFF - drain(queue))
        };
        self.last_cut = Some(now);
        self.rate = self.rate.min(target);
        true
    }

    /// Nothing is known of what arrives: right at the start.
    fn cut_blindly(&mut self, now: Instant, signals: Signals) -> bool {
        if self.cut_within(now, signals.round_trip + CUT_SHOWS_AFTER) {
            return false;
        }
        self.last_cut = Some(now);
        self.rate = self.rate.scaled(BACKOFF);
        true
    }

    fn grow(&mut self, step: Duration, signals: Signals) {
        let Some(acknowledged) = signals.acknowledged else {
            return;
        };
        if self.capacity.is_exceeded_by(acknowledged) {
            self.capacity = Capacity::default();
        }
        let seconds = step.as_secs_f64();
        let gain = if self.capacity.is_near(self.rate) {
            let response = (signals.round_trip + RESPONSE_EXTRA).as_secs_f64();
            let per_second = (PACKET_BITS / response).max(MIN_ADDITIVE);
            Bitrate::from_bps(1).scaled(per_second * seconds)
        } else {
            let grown = self.rate.scaled(GROWTH_PER_SECOND.powf(seconds));
            (grown - self.rate).max(MIN_GROWTH.scaled(seconds))
        };
        let limit = acknowledged.scaled(GROWTH_LIMIT) + GROWTH_LIMIT_OFFSET;
        let limit = limit.min(self.capacity.limit(acknowledged));
        let grown = (self.rate + gain).min(limit).min(signals.ceiling);
        self.rate = self.rate.max(grown);
    }
}

/// What to send less because of a queue.
fn drain(queue: Duration) -> f64 {
    let part = queue
        .saturating_sub(DRAIN_FROM)
        .div_duration_f64(DRAIN_MOST_BEYOND);
    DRAIN_MOST * part.min(1.0)
}

/// What arrived when the path was full, smoothed.
#[derive(Clone, Copy, Debug, Default)]
struct Capacity {
    kbps: Option<f64>,
    variance: f64,
}

impl Capacity {
    fn observe(&mut self, rate: Bitrate) {
        let sample = kbps(rate);
        let Some(mean) = self.kbps else {
            return self.replace(rate);
        };
        let error = mean - sample;
        let mean = mean - CAPACITY_SMOOTHING * error;
        let normalised = error * error / mean.max(1.0);
        let variance = (1.0 - CAPACITY_SMOOTHING) * self.variance + CAPACITY_SMOOTHING * normalised;
        self.variance = variance.clamp(MIN_VARIANCE, MAX_VARIANCE);
        // A path that carries much less than before is another path.
        self.kbps = Some(if sample < self.lower(mean) {
            sample
        } else {
            mean
        });
    }

    fn replace(&mut self, rate: Bitrate) {
        self.kbps = Some(kbps(rate));
        self.variance = MIN_VARIANCE;
    }

    fn is_exceeded_by(&self, rate: Bitrate) -> bool {
        self.kbps
            .is_some_and(|mean| kbps(rate) > mean * EXCEEDED + self.deviations(mean))
    }

    /// Whether a rate is so close that it should approach slowly.
    fn is_near(&self, rate: Bitrate) -> bool {
        self.kbps.is_some_and(|mean| kbps(rate) > mean * NEAR)
    }

    /// How far the estimate may grow while no more than this arrives.
    fn limit(&self, acknowledged: Bitrate) -> Bitrate {
        let known = self
            .kbps
            .map(|mean| Bitrate::from_bps(1000).scaled(mean * BEYOND));
        known.map_or(Bitrate::MAX, |known| known.max(acknowledged.scaled(BEYOND)))
    }

    fn lower(&self, mean: f64) -> f64 {
        // Small paths have wide deviations; more than a third below is not near.
        (mean - self.deviations(mean)).max(mean * 0.67)
    }

    fn deviations(&self, mean: f64) -> f64 {
        CAPACITY_DEVIATIONS * (self.variance * mean).sqrt()
    }
}

fn kbps(rate: Bitrate) -> f64 {
    rate.ratio(Bitrate::from_kbps(1))
}

#[cfg(test)]
mod tests;
