//! One-way delay of groups of packets, and how long the queue is.
//!
//! The delay of a group is that of its *quickest* packet. libwebrtc compares the last packets of groups, so the size of
//! a frame that left as one burst counts as delay; a forwarder sends nearly everything in bursts, and what matters is
//! how much queue the burst found when it came. The quickest packet tells that, and it forgives jitter of the others.

/// Packets that leave within this time are one group. libwebrtc's is 5 ms, for a pacer that spreads frames; ours
/// sends what it may at once and the rest of a large frame in steps of 5 ms, which would be many groups of one frame,
/// each in the queue of the one before. 20 ms is also the interval of audio.
const GROUP_MICROS: u64 = 20_000;

/// A jump of the delay that no queue explains: the receiver's clock was set, its 24-bit reference time came round,
/// or its host slept. libwebrtc's limit is 3 s.
const JUMP_MICROS: i64 = 3_000_000;

/// The lowest delay is that of the path if nothing was lower for this long (up to twice as long). Long enough for a
/// key frame's queue to drain, and short enough that 100 ppm of clock drift is 3 ms.
const BASE_MICROS: u64 = 15_000_000;

/// What a group of packets met.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GroupDelay {
    /// When the group left, in milliseconds.
    pub(crate) sent: f64,
    /// Delay above the lowest one known, in milliseconds.
    pub(crate) queue: f64,
    /// Delay with an unknown but constant offset, in milliseconds.
    pub(crate) delay: f64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Grouped {
    /// It belongs to the group that is still open.
    Open,
    /// It began a new group; this was the one before.
    Complete(GroupDelay),
    /// Its clock jumped: everything known about delays is void.
    Reset,
}

/// Collects packets to groups.
#[derive(Debug, Default)]
pub(crate) struct DelayMeter {
    group: Option<Group>,
    /// Offset of the clocks, so that delays are small numbers.
    offset: i64,
    base: BaseDelay,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: u64,
    delay: i64,
}

impl DelayMeter {
    /// A packet arrived.
    pub(crate) fn add(&mut self, sent: u64, arrival: i64) -> Grouped {
        let raw = arrival.saturating_sub(sent.cast_signed());
        let delay = raw.saturating_sub(self.offset);
        let Some(group) = &mut self.group else {
            return self.restart(sent, raw);
        };
        if delay.saturating_sub(group.delay).unsigned_abs() > JUMP_MICROS.unsigned_abs() {
            return self.restart(sent, raw);
        }
        if sent < group.first_sent {
            // Reordered from a group that is complete.
            return Grouped::Open;
        }
        if sent - group.first_sent < GROUP_MICROS {
            group.delay = group.delay.min(delay);
            return Grouped::Open;
        }
        let complete = *group;
        *group = Group {
            first_sent: sent,
            delay,
        };
        let base = self.base.update(complete.first_sent, complete.delay);
        Grouped::Complete(GroupDelay {
            sent: millis(complete.first_sent.cast_signed()),
            queue: millis(complete.delay.saturating_sub(base)),
            delay: millis(complete.delay),
        })
    }

    /// How long a packet waited, in microseconds: its delay above the lowest one known.
    pub(crate) fn wait(&self, sent: u64, arrival: i64) -> i64 {
        let raw = arrival.saturating_sub(sent.cast_signed());
        let delay = raw.saturating_sub(self.offset);
        self.base
            .lowest
            .map_or(0, |base| delay.saturating_sub(base))
    }

    fn restart(&mut self, sent: u64, raw: i64) -> Grouped {
        let first = self.group.is_none();
        *self = Self {
            group: Some(Group {
                first_sent: sent,
                delay: 0,
            }),
            offset: raw,
            base: BaseDelay::default(),
        };
        if first { Grouped::Open } else { Grouped::Reset }
    }
}

/// The lowest delay of the last one to two periods.
#[derive(Debug, Default)]
struct BaseDelay {
    period: u64,
    this: Option<i64>,
    last: Option<i64>,
    /// The lower one of both.
    lowest: Option<i64>,
}

impl BaseDelay {
    fn update(&mut self, sent: u64, delay: i64) -> i64 {
        let period = sent / BASE_MICROS;
        if period != self.period {
            self.last = self.this.filter(|_| period == self.period + 1);
            self.this = None;
            self.period = period;
        }
        let this = self.this.map_or(delay, |this| this.min(delay));
        self.this = Some(this);
        let lowest = self.last.map_or(this, |last| last.min(this));
        self.lowest = Some(lowest);
        lowest
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "delays of days fit a float exactly"
)]
fn millis(micros: i64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_counts_by_its_quickest_packet() {
        let mut meter = DelayMeter::default();
        let far = 1 << 40;
        assert_eq!(meter.add(0, far + 50_000), Grouped::Open);
        assert_eq!(meter.add(1000, far + 45_000), Grouped::Open);
        let Grouped::Complete(group) = meter.add(33_000, far + 90_000) else {
            panic!("a new group");
        };
        assert_eq!((group.delay, group.queue), (-6.0, 0.0));
        let Grouped::Complete(group) = meter.add(66_000, far + 110_000) else {
            panic!("a new group");
        };
        assert_eq!((group.sent, group.queue), (33.0, 13.0));
    }

    #[test]
    fn the_lowest_delay_is_forgotten_after_two_periods() {
        let mut base = BaseDelay::default();
        assert_eq!(base.update(0, 10), 10);
        assert_eq!(base.update(BASE_MICROS, 50), 10);
        assert_eq!(base.update(2 * BASE_MICROS, 60), 50);
        assert_eq!(base.update(9 * BASE_MICROS, 70), 70);
    }

    #[test]
    fn a_jump_of_the_clock_starts_over() {
        let mut meter = DelayMeter::default();
        meter.add(0, i64::MAX);
        assert_eq!(meter.add(50_000, 3), Grouped::Reset);
        assert!(matches!(meter.add(100_000, 50_003), Grouped::Complete(_)));
        assert_eq!(meter.add(150_000, i64::MIN), Grouped::Reset);
    }
}
