//! Tells a growing queue from a steady one by the slope of the delay.
//!
//! After draft-ietf-rmcat-gcc-02 §5.3–§5.4 and libwebrtc's trendline filter, with these differences: the regression
//! runs over a window of *time* (libwebrtc: 20 groups), so that it means the same at 10 frames per second as at 60;
//! delays are not smoothed before it, because a group's delay is that of its quickest packet already (`delay.rs`); time
//! is that of sending, which jitter does not bend; and a step of the delay, which is what a key frame makes, is told from
//! growth that lasts.

use plenum_prefetch::{prefetch, prefetch_all};

use crate::{Usage, delay::GroupDelay};

/// Length of the regression. libwebrtc's 20 groups are 660 ms at 30 frames per second.
const WINDOW_MS: f64 = 600.0;

/// Most points of the regression: the window full of groups of 20 ms.
const MAX_POINTS: usize = 30;

/// Fewest points that have a slope worth looking at.
const MIN_POINTS: f64 = 4.0;

/// Milliseconds that a slope of one counts for when the window is full: libwebrtc's gain of 4 times its 60 groups.
const GAIN_MS: f64 = 240.0;

/// First threshold and its bounds (draft §5.4 and libwebrtc).
const FIRST_THRESHOLD_MS: f64 = 12.5;
const MIN_THRESHOLD_MS: f64 = 6.0;
const MAX_THRESHOLD_MS: f64 = 600.0;

/// How quickly the threshold follows, per millisecond (draft §5.4: `K_u`, `K_d`; the values are libwebrtc's).
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;

/// Beyond the threshold by more than this, a value is a leap that the threshold shall not follow (draft §5.4).
const MAX_ADAPT_OFFSET_MS: f64 = 15.0;

/// A gap between groups counts for the threshold as no more than this (libwebrtc).
const MAX_ADAPT_STEP_MS: f64 = 100.0;

/// The queue must grow for so long before it is overuse (draft §5.4, `overuse_time_th`), if it is long.
const OVERUSE_MS: f64 = 10.0;

/// While the queue is shorter than this, it must grow for so long: a key frame of five to ten frames' size leaves over 60
/// to 100 ms at the pacer's rate and steps up the delay, though on average no more is sent than fits. Each change of
/// layers begins with one, so without this a layer that fits would be taken away as soon as it is sent. libwebrtc, whose
/// encoder spreads a key frame over many frames' budget, needs no such rule.
const BURST_QUEUE_MS: f64 = 150.0;
const BURST_MS: f64 = 150.0;

/// Span of the recent slope, and the part of the whole slope that it must have for the queue to be still growing.
const RECENT_MS: f64 = 50.0;
const STILL: f64 = 0.5;

/// Detector of growing queues.
#[derive(Debug)]
pub(crate) struct Trendline {
    /// Time and delay of each group, a ring.
    points: [(f64, f64); MAX_POINTS],
    len: usize,
    next: usize,
    threshold: f64,
    last_sent: f64,
    overusing_ms: f64,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); MAX_POINTS],
            len: 0,
            next: 0,
            threshold: FIRST_THRESHOLD_MS,
            last_sent: 0.0,
            overusing_ms: 0.0,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    /// Takes a group's delay and says what the queue does.
    pub(crate) fn update(&mut self, group: GroupDelay) -> Usage {
        let step = (group.sent - self.last_sent).max(0.0);
        self.last_sent = group.sent;
        self.push(group);
        let (slope, filled) = self.slope().unwrap_or_default();
        let trend = slope * GAIN_MS * filled;
        self.judge(group, slope, trend, step);
        self.adapt(trend, step);
        self.usage
    }

    /// Asks for what an update needs.
    pub(crate) fn prefetch(&self) {
        prefetch_all(&self.points);
        prefetch(&self.threshold);
    }

    /// Forgets the delays: they are of another clock, or a probe is over.
    pub(crate) fn clear(&mut self) {
        (self.len, self.next) = (0, 0);
        self.overusing_ms = 0.0;
        self.usage = Usage::Normal;
    }

    pub(crate) fn usage(&self) -> Usage {
        self.usage
    }

    fn push(&mut self, group: GroupDelay) {
        if let Some(point) = self.points.get_mut(self.next) {
            *point = (group.sent, group.delay);
        }
        self.next = (self.next + 1) % MAX_POINTS;
        self.len = (self.len + 1).min(MAX_POINTS);
    }

    fn newest_first(&self) -> impl Iterator<Item = (f64, f64)> {
        // Until the ring is full, nothing is older than its beginning.
        let (newer, older) = self.points[..self.len].split_at(self.next.min(self.len));
        newer.iter().rev().chain(older.iter().rev()).copied()
    }

    /// Slope over the window, and the part of the window that is filled.
    fn slope(&self) -> Option<(f64, f64)> {
        let (mut count, mut oldest) = (0.0, 0.0);
        let (mut x_sum, mut y_sum, mut xx_sum, mut xy_sum) = (0.0, 0.0, 0.0, 0.0);
        for (sent, delay) in self.newest_first() {
            // Small numbers, so that squares lose nothing.
            let x = sent - self.last_sent;
            if -x > WINDOW_MS {
                break;
            }
            count += 1.0;
            x_sum += x;
            y_sum += delay;
            xx_sum += x * x;
            xy_sum += x * delay;
            oldest = x;
        }
        if count < MIN_POINTS {
            return None;
        }
        let numerator = xy_sum - x_sum * y_sum / count;
        let denominator = xx_sum - x_sum * x_sum / count;
        let filled = (-oldest / WINDOW_MS).min(1.0);
        (denominator > 0.0).then(|| (numerator / denominator, filled))
    }

    fn judge(&mut self, group: GroupDelay, slope: f64, trend: f64, step: f64) {
        if trend <= self.threshold {
            self.overusing_ms = 0.0;
            self.usage = if trend < -self.threshold {
                Usage::Underuse
            } else {
                Usage::Normal
            };
            return;
        }
        if self.recent_slope() < STILL * slope {
            // A step long past, or what was done about the growth takes effect.
            self.overusing_ms = (self.overusing_ms - step).max(0.0);
            self.usage = Usage::Normal;
            return;
        }
        self.overusing_ms += step;
        let bearable = group.queue < BURST_QUEUE_MS;
        let needed = if bearable { BURST_MS } else { OVERUSE_MS };
        if self.overusing_ms > needed {
            self.usage = Usage::Overuse;
            self.overusing_ms = 0.0;
        }
    }

    /// Slope over the last few groups.
    fn recent_slope(&self) -> f64 {
        let mut points = self.newest_first();
        let Some((newest, delay)) = points.next() else {
            return 0.0;
        };
        let earlier = points.find(|(sent, _)| newest - sent >= RECENT_MS);
        earlier.map_or(0.0, |(sent, before)| (delay - before) / (newest - sent))
    }

    fn adapt(&mut self, trend: f64, step: f64) {
        let size = trend.abs();
        if size > self.threshold + MAX_ADAPT_OFFSET_MS {
            return;
        }
        let speed = if size < self.threshold {
            THRESHOLD_DOWN
        } else {
            THRESHOLD_UP
        };
        self.threshold += speed * (size - self.threshold) * step.min(MAX_ADAPT_STEP_MS);
        self.threshold = self.threshold.clamp(MIN_THRESHOLD_MS, MAX_THRESHOLD_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        trendline: &mut Trendline,
        start: f64,
        delays: impl IntoIterator<Item = f64>,
    ) -> Vec<Usage> {
        let times = (0..).map(f64::from);
        let groups = times.zip(delays);
        groups
            .map(|(index, delay)| {
                trendline.update(GroupDelay {
                    sent: start + index * 33.0,
                    queue: 0.0,
                    delay,
                })
            })
            .collect()
    }

    #[test]
    fn a_growing_queue_is_overuse_and_a_shrinking_one_underuse() {
        let mut trendline = Trendline::default();
        let steady = run(&mut trendline, 0.0, [20.0; 30]);
        assert!(steady.iter().all(|usage| *usage == Usage::Normal));
        // 20 % more than the path carries.
        let growing = run(
            &mut trendline,
            990.0,
            (0..15).map(|index| 20.0 + f64::from(index) * 6.6),
        );
        assert!(growing[..12].contains(&Usage::Overuse), "{growing:?}");
        let shrinking = run(
            &mut trendline,
            1485.0,
            (0..30).map(|index| 120.0 - f64::from(index) * 6.6),
        );
        assert!(shrinking[..24].contains(&Usage::Underuse), "{shrinking:?}");
        assert!(!shrinking[2..].contains(&Usage::Overuse), "{shrinking:?}");
    }

    #[test]
    fn jitter_is_neither() {
        let mut trendline = Trendline::default();
        let mut seed = 1_u32;
        let jitter = (0..3000).map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 16) / 65_536.0 * 30.0
        });
        let usages = run(&mut trendline, 0.0, jitter);
        let overuses = usages
            .iter()
            .filter(|usage| **usage == Usage::Overuse)
            .count();
        assert!(overuses < 10, "{overuses}");
    }
}
