//! NTP time as RTP uses it (RFC 3550 §4): seconds since 1900 as a 32.32 fixed-point number.

use std::time::Duration;

/// Seconds from 1900 to 1970.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// A point of wall-clock time, 32 bits of seconds and 32 bits of fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(u64);

impl NtpTime {
    /// From the 64 bits of the wire.
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// From the time since 1970. Seconds wrap in 2036, as they do for every sender.
    pub const fn from_unix(since_unix_epoch: Duration) -> Self {
        let seconds = since_unix_epoch.as_secs().wrapping_add(UNIX_EPOCH);
        let nanos = since_unix_epoch.subsec_nanos() as u64;
        // Rounded to nearest, so that nanoseconds survive the way there and back.
        let fraction = ((nanos << 32) + 500_000_000) / 1_000_000_000;
        Self((seconds << 32).wrapping_add(fraction))
    }

    /// Time since 1970. Seconds with the top bit unset belong to the era after 2036 (RFC 2030 §3).
    pub const fn to_unix(self) -> Duration {
        let seconds = self.0 >> 32;
        let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
        let nanos = ((self.0 & 0xffff_ffff) * 1_000_000_000 + (1 << 31)) >> 32;
        // No overflow: the sum is below 2^33 seconds and the fraction at most one second.
        Duration::from_secs((seconds + era).saturating_sub(UNIX_EPOCH))
            .saturating_add(Duration::from_nanos(nanos))
    }

    /// The 64 bits of the wire.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The middle 32 bits: 16.16 seconds, as in the LSR field of report blocks.
    pub const fn compact(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// Time from `earlier` to `self`, zero when `earlier` is the later one. Right over the wrap of the seconds.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        let ticks = self.0.wrapping_sub(earlier.0);
        if ticks.cast_signed() < 0 {
            return Duration::ZERO;
        }
        let nanos = ((ticks & 0xffff_ffff) * 1_000_000_000 + (1 << 31)) >> 32;
        Duration::from_secs(ticks >> 32).saturating_add(Duration::from_nanos(nanos))
    }
}

/// A duration in units of 1/65536 s, as in the DLSR field; saturates at about 18 hours.
pub const fn duration_to_compact(duration: Duration) -> u32 {
    if duration.as_secs() > 0xffff {
        return u32::MAX;
    }
    let fraction = (duration.subsec_nanos() as u64) << 16;
    (duration.as_secs() << 16) as u32 | (fraction / 1_000_000_000) as u32
}

/// The duration of a number of units of 1/65536 s.
pub const fn compact_to_duration(compact: u32) -> Duration {
    let nanos = ((compact & 0xffff) as u64 * 1_000_000_000) >> 16;
    Duration::new((compact >> 16) as u64, nanos as u32)
}

/// Round-trip time by RFC 3550 §6.4.1: arrival of the report − LSR − DLSR, all in compact form.
///
/// `None` when no sender report was answered yet or when the peer's delay exceeds the time that passed.
pub const fn round_trip(now: u32, last_sr: u32, delay_since_last_sr: u32) -> Option<Duration> {
    if last_sr == 0 {
        return None;
    }
    let ticks = now.wrapping_sub(last_sr).wrapping_sub(delay_since_last_sr);
    if ticks.cast_signed() < 0 {
        return None;
    }
    Some(compact_to_duration(ticks))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        assert_eq!(
            NtpTime::from_unix(Duration::ZERO).as_u64(),
            2_208_988_800 << 32
        );
        let half = NtpTime::from_unix(Duration::from_millis(500));
        assert_eq!(half.as_u64() & 0xffff_ffff, 1 << 31);
        assert_eq!(half.compact(), (2_208_988_800u64 << 16) as u32 | 0x8000);
    }

    /// The example of RFC 3550 figure 2: 5.25 s, then 6.125 s of round trip.
    #[test]
    fn round_trip_of_the_example() {
        let round_trip_time = round_trip(0xb710_8000, 0xb705_2000, 0x0005_4000).expect("answered");
        assert_eq!(round_trip_time, Duration::from_millis(6125));
        assert_eq!(round_trip(5, 0, 1), None);
        assert_eq!(round_trip(5, 4, 2), None);
    }

    #[test]
    fn compact_durations_saturate() {
        assert_eq!(
            duration_to_compact(Duration::from_millis(5250)),
            0x0005_4000
        );
        assert_eq!(duration_to_compact(Duration::from_secs(0x1_0000)), u32::MAX);
    }

    proptest! {
        #[test]
        fn unix_time_there_and_back(seconds in 0u64..4_233_000_000, nanos in 0u32..1_000_000_000) {
            let unix = Duration::new(seconds, nanos);
            prop_assert_eq!(NtpTime::from_unix(unix).to_unix(), unix);
        }

        #[test]
        fn differences(seconds in 0u64..6_000_000_000, nanos in 0u32..1_000_000_000, later in 0u64..1_000_000_000_000) {
            let unix = Duration::new(seconds, nanos);
            let later = Duration::from_nanos(later);
            let (a, b) = (NtpTime::from_unix(unix), NtpTime::from_unix(unix + later));
            prop_assert!(b.saturating_duration_since(a).abs_diff(later) <= Duration::from_nanos(1));
            if later > Duration::from_nanos(1) {
                prop_assert_eq!(a.saturating_duration_since(b), Duration::ZERO);
            }
        }

        #[test]
        fn compact_there_and_back(compact: u32) {
            // A unit is 15.2 µs, so truncation to nanoseconds loses at most one unit.
            let back = duration_to_compact(compact_to_duration(compact));
            prop_assert!(compact - back <= 1);
        }

        #[test]
        fn any_bits_have_a_time(bits: u64) {
            let _ = NtpTime::from_u64(bits).to_unix();
        }
    }
}
