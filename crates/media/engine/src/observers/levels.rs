//! How loud one producer is: what its packets say (RFC 6464).

use std::time::{Duration, Instant};

/// Length of a slot: one packet of Opus as browsers send it, and the frame of Volfin and Cohen's immediate interval.
const SLOT: Duration = Duration::from_millis(20);

/// Slots that are looked back on: the long interval.
const SLOTS: u32 = (LONG_UNITS * MEDIUM_UNITS) as u32;

/// Sub-units of the immediate interval, N1 in the paper: there sub-bands with speech in them, here steps of the level.
pub(super) const IMMEDIATE_UNITS: u8 = 13;

/// Slots in one medium interval, N2: 100 ms.
pub(super) const MEDIUM_UNITS: u8 = 5;

/// Medium intervals in the long one, N3: a second.
pub(super) const LONG_UNITS: u8 = 10;

/// Steps of the level that a slot must be above to count as speech in the medium interval, and slots that a medium
/// interval must have more than to count in the long one: Jitsi's and mediasoup's values, which put the first at
/// −47 dBov.
const MEDIUM_THRESHOLD: u8 = 7;
const LONG_THRESHOLD: u8 = 4;

/// The level in steps: 0 to 127 dB above the quietest, in [`IMMEDIATE_UNITS`].
const STEP: u8 = 127_u8.div_ceil(IMMEDIATE_UNITS);

/// After so long without a packet silence is assumed: two packets, as in Jitsi.
const IDLE: Duration = Duration::from_millis(40);

/// Packets after which the noise floor may rise: 15 s of them, as in Jitsi.
const FLOOR_PACKETS: u32 = 750;

/// Sums over a producer's packets; the difference of two is an interval's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// dB below full scale.
    pub(super) below: u64,
    pub(super) packets: u64,
}

/// What the packets of a producer say of its loudness.
#[derive(Debug)]
pub(crate) struct Levels {
    /// Who watches.
    pub(crate) observers: Vec<usize>,
    sum: Sum,
    /// The end of the newest slot.
    until: Instant,
    /// Steps of the newest slot.
    newest: u8,
    /// Bit `n`: there was speech in the slot `n` before the newest.
    speech: u64,
    floor: Floor,
}

/// Speech activity in the three intervals of the paper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Activity {
    pub(super) immediate: u8,
    pub(super) medium: u8,
    pub(super) long: u8,
}

impl Levels {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            observers: Vec::new(),
            sum: Sum::default(),
            until: now,
            newest: 0,
            speech: 0,
            floor: Floor::default(),
        }
    }

    /// Takes a packet's level: the byte of the extension, whose first bit is the sender's own opinion.
    #[inline]
    pub(crate) fn handle_packet(&mut self, now: Instant, byte: u8) {
        let below = byte & 0x7f;
        self.sum.below += u64::from(below);
        self.sum.packets += 1;
        let level = 127 - below;
        self.floor.handle(level);
        // What is within a step of the quietest that there was is noise.
        let above_floor = level >= self.floor.level().saturating_add(STEP);
        let steps = if above_floor { level / STEP } else { 0 };
        // Packets of other lengths fill more slots or share one.
        let slots = self.slots_until(now);
        self.advance(slots, steps);
    }

    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// What there was up to now. Without packets it is silence.
    pub(super) fn activity(&mut self, now: Instant) -> Activity {
        if now.saturating_duration_since(self.until) > IDLE {
            let slots = self.slots_until(now);
            self.advance(slots, 0);
        }
        let mask = (1 << MEDIUM_UNITS) - 1;
        let medium = |index: u8| (self.speech >> (index * MEDIUM_UNITS) & mask).count_ones();
        let long = (0..LONG_UNITS).filter(|&index| medium(index) > LONG_THRESHOLD.into());
        Activity {
            immediate: self.newest,
            medium: medium(0) as u8,
            long: long.count() as u8,
        }
    }

    /// Whole slots since the last one.
    fn slots_until(&self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.until).as_micros();
        u32::try_from(passed / SLOT.as_micros()).unwrap_or(u32::MAX)
    }

    /// Slots that were all like this.
    fn advance(&mut self, slots: u32, steps: u8) {
        if slots == 0 {
            return;
        }
        self.until += SLOT * slots;
        self.newest = steps;
        let is_speech = steps > MEDIUM_THRESHOLD;
        let shifted = self.speech.checked_shl(slots).unwrap_or(0);
        let filled = if is_speech {
            1u64.checked_shl(slots).map_or(u64::MAX, |bit| bit - 1)
        } else {
            0
        };
        self.speech = (shifted | filled) & ((1 << SLOTS) - 1);
    }
}

/// The quietest level of the last while.
#[derive(Debug, Default)]
struct Floor {
    /// Of the window before, and of this one.
    lowest: [Option<u8>; 2],
    packets: u32,
}

impl Floor {
    fn handle(&mut self, level: u8) {
        let [_, current] = &mut self.lowest;
        *current = Some(current.map_or(level, |lowest| lowest.min(level)));
        self.packets += 1;
        if self.packets >= FLOOR_PACKETS {
            self.packets = 0;
            self.lowest = [self.lowest[1], None];
        }
    }

    fn level(&self) -> u8 {
        self.lowest.iter().flatten().min().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// dB below full scale.
    const LOUD: u8 = 20;
    const QUIET: u8 = 90;

    fn fed(start: Instant, levels: impl IntoIterator<Item = u8>) -> (Levels, Instant) {
        let (mut fed, mut now) = (Levels::new(start), start);
        for level in levels {
            now += SLOT;
            fed.handle_packet(now, level);
        }
        (fed, now)
    }

    #[test]
    fn speech_fills_the_intervals_one_after_the_other() {
        let quiet = std::iter::repeat_n(QUIET, 5);
        for (spoken, medium, long) in [(0, 0, 0), (3, 3, 0), (5, 5, 1), (25, 5, 5), (80, 5, 10)] {
            let speech = std::iter::repeat_n(LOUD, spoken);
            let (mut levels, now) = fed(Instant::now(), quiet.clone().chain(speech));
            let activity = levels.activity(now);
            assert_eq!((activity.medium, activity.long), (medium, long), "{spoken}");
            assert_eq!(activity.immediate > MEDIUM_THRESHOLD, spoken > 0);
        }
    }

    #[test]
    fn without_packets_there_is_silence() {
        let levels = std::iter::once(QUIET).chain(std::iter::repeat_n(LOUD, 60));
        let (mut levels, now) = fed(Instant::now(), levels);
        assert_eq!(levels.activity(now + IDLE).long, 10);
        assert_eq!(levels.activity(now + Duration::from_millis(500)).long, 5);
        assert_eq!(
            levels.activity(now + Duration::from_secs(5)),
            Activity::default()
        );
    }

    #[test]
    fn an_even_noise_is_no_speech_and_something_louder_is() {
        let noise = std::iter::repeat_n(40, 200);
        let (mut levels, now) = fed(Instant::now(), noise.clone());
        assert_eq!(levels.activity(now), Activity::default());
        let speech = std::iter::repeat_n(LOUD, 10);
        let (mut levels, now) = fed(Instant::now(), noise.chain(speech));
        assert_eq!(levels.activity(now).medium, 5);
    }

    #[test]
    fn a_floor_that_rose_is_found_out() {
        let silence = std::iter::repeat_n(127, 1);
        let noise = std::iter::repeat_n(40, 3 * FLOOR_PACKETS as usize);
        let (mut levels, now) = fed(Instant::now(), silence.chain(noise));
        assert_eq!(levels.activity(now), Activity::default());
    }

    #[test]
    fn packets_of_other_lengths_take_the_time_that_they_take() {
        let start = Instant::now();
        let mut levels = Levels::new(start);
        levels.handle_packet(start + SLOT, QUIET);
        for packet in 1..=10 {
            let now = start + SLOT + SLOT * 3 * packet;
            levels.handle_packet(now, LOUD);
        }
        assert_eq!(levels.activity(start + SLOT * 31).long, 6);
        // Late ones that come together are no more than one.
        let before = levels.activity(start + SLOT * 31);
        levels.handle_packet(start + SLOT * 31, QUIET);
        assert_eq!(levels.activity(start + SLOT * 31), before);
    }

    #[test]
    fn the_senders_opinion_is_no_part_of_the_level() {
        let (levels, _) = fed(Instant::now(), [0x9e, 0x1e]);
        assert_eq!(
            levels.sum(),
            Sum {
                below: 60,
                packets: 2
            }
        );
    }
}
