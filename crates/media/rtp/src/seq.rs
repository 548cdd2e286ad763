//! Arithmetic of numbers that wrap around: sequence numbers (16 bits) and timestamps (32 bits).
//!
//! Of two numbers the *newer* is the one that is reached from the other by less than half the number range
//! (RFC 1982 with RFC 3550 appendix A.1).

/// Signed distance from `b` to `a`: positive when `a` is newer.
pub const fn distance_u16(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b).cast_signed()
}

/// Signed distance from `b` to `a`: positive when `a` is newer.
pub const fn distance_u32(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b).cast_signed()
}

/// Whether `a` is newer than `b`.
pub const fn is_newer_u16(a: u16, b: u16) -> bool {
    distance_u16(a, b) > 0
}

/// Whether `a` is newer than `b`.
pub const fn is_newer_u32(a: u32, b: u32) -> bool {
    distance_u32(a, b) > 0
}

/// Extends 16-bit sequence numbers to 64 bits that never wrap.
///
/// The low 16 bits of an extended number are the number itself. The first one lies one full cycle above zero, so
/// that packets older than the first one still have a number, and a smaller one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceUnwrapper {
    highest: Option<u64>,
}

impl SequenceUnwrapper {
    /// An unwrapper that has seen nothing.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// Extends the number of an arrived packet and remembers it when it is the newest.
    pub fn extend(&mut self, sequence_number: u16) -> u64 {
        let extended = self.peek(sequence_number);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    /// Extends a number without remembering it.
    pub fn peek(&self, sequence_number: u16) -> u64 {
        let Some(highest) = self.highest else {
            return 1 << 16 | u64::from(sequence_number);
        };
        let distance = distance_u16(sequence_number, highest as u16);
        highest.wrapping_add_signed(distance.into())
    }

    /// The newest number so far.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Extends 32-bit RTP timestamps to 64 bits that never wrap; the counterpart of [`SequenceUnwrapper`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampUnwrapper {
    highest: Option<u64>,
}

impl TimestampUnwrapper {
    /// An unwrapper that has seen nothing.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// Extends the timestamp of an arrived packet and remembers it when it is the newest.
    pub fn extend(&mut self, timestamp: u32) -> u64 {
        let extended = self.peek(timestamp);
        if self.highest.is_none_or(|highest| extended > highest) {
            self.highest = Some(extended);
        }
        extended
    }

    /// Extends a timestamp without remembering it.
    pub fn peek(&self, timestamp: u32) -> u64 {
        let Some(highest) = self.highest else {
            return 1 << 32 | u64::from(timestamp);
        };
        let distance = distance_u32(timestamp, highest as u32);
        highest.wrapping_add_signed(distance.into())
    }

    /// The newest timestamp so far.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comparison_wraps() {
        assert!(is_newer_u16(0, 0xffff));
        assert!(!is_newer_u16(0xffff, 0));
        assert!(!is_newer_u16(5, 5));
        assert_eq!(distance_u16(2, 0xfffe), 4);
        assert!(is_newer_u32(3, u32::MAX));
        assert_eq!(distance_u32(u32::MAX, 3), -4);
    }

    #[test]
    fn older_than_the_first_does_not_underflow() {
        let mut unwrapper = SequenceUnwrapper::new();
        let first = unwrapper.extend(0);
        assert_eq!(unwrapper.extend(0x8001), first - 0x7fff);
        assert_eq!(unwrapper.extend(1), first + 1);
        let mut unwrapper = TimestampUnwrapper::new();
        let first = unwrapper.extend(10);
        assert_eq!(unwrapper.extend(u32::MAX), first - 11);
        assert_eq!(unwrapper.highest(), Some(first));
    }

    proptest! {
        #[test]
        fn a_disordered_walk_is_followed(start: u16, steps in prop::collection::vec(-16_000i64..16_000, 1..200)) {
            let mut unwrapper = SequenceUnwrapper::new();
            let origin = unwrapper.extend(start);
            let mut highest = i64::from(start);
            for step in steps {
                let at = highest + step;
                let expected = origin.wrapping_add_signed(at - i64::from(start));
                prop_assert_eq!(unwrapper.extend(at.cast_unsigned() as u16), expected);
                prop_assert_eq!(expected as u16, at.cast_unsigned() as u16);
                highest = highest.max(at);
            }
        }

        #[test]
        fn timestamps_are_followed(start: u32, steps in prop::collection::vec(-1_000_000_000i64..1_000_000_000, 1..200)) {
            let mut unwrapper = TimestampUnwrapper::new();
            let origin = unwrapper.extend(start);
            let mut highest = i64::from(start);
            for step in steps {
                let at = highest + step;
                prop_assert_eq!(unwrapper.extend(at.cast_unsigned() as u32), origin.wrapping_add_signed(at - i64::from(start)));
                highest = highest.max(at);
            }
        }
    }
}
