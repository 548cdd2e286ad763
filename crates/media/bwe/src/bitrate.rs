//! Bits per second.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub},
    time::Duration,
};

/// A rate in bits per second. Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(u64);

impl Bitrate {
    /// Nothing at all.
    pub const ZERO: Self = Self(0);
    /// More than any network carries.
    pub const MAX: Self = Self(u64::MAX);

    /// A rate of so many bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// A rate of so many thousand bits per second.
    pub const fn from_kbps(kbps: u64) -> Self {
        Self(kbps.saturating_mul(1000))
    }

    /// What `bytes` in `time` amount to; [`Bitrate::MAX`] when no time passed.
    pub fn from_bytes_in(bytes: u64, time: Duration) -> Self {
        let micros = time.as_micros();
        let bits = u128::from(bytes) * 8_000_000;
        bits.checked_div(micros).map_or(Self::MAX, |rate| {
            Self(u64::try_from(rate).unwrap_or(u64::MAX))
        })
    }

    /// Bits per second.
    pub const fn bps(self) -> u64 {
        self.0
    }

    /// How many bytes leave in `time` at this rate.
    pub fn bytes_in(self, time: Duration) -> u64 {
        let bytes = u128::from(self.0) * time.as_micros() / 8_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// This rate times `factor`, which is not negative.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "rates need no more than 53 bits of precision; casts from floats saturate"
    )]
    pub fn scaled(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor) as u64)
    }

    /// How many times `other` this rate is; zero when `other` is zero.
    #[expect(
        clippy::cast_precision_loss,
        reason = "rates need no more than 53 bits of precision"
    )]
    pub fn ratio(self, other: Self) -> f64 {
        if other.0 == 0 {
            return 0.0;
        }
        self.0 as f64 / other.0 as f64
    }
}

impl Add for Bitrate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bitrate {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bitrate {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Bitrate {
    fn sum<I: Iterator<Item = Self>>(rates: I) -> Self {
        rates.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} b/s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_rates_convert_both_ways() {
        let rate = Bitrate::from_kbps(800);
        assert_eq!(rate.bytes_in(Duration::from_millis(20)), 2000);
        assert_eq!(
            Bitrate::from_bytes_in(2000, Duration::from_millis(20)),
            rate
        );
        assert_eq!(Bitrate::from_bytes_in(1, Duration::ZERO), Bitrate::MAX);
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Bitrate::MAX + Bitrate::MAX, Bitrate::MAX);
        assert_eq!(Bitrate::ZERO - Bitrate::MAX, Bitrate::ZERO);
        assert_eq!(Bitrate::MAX.scaled(2.0), Bitrate::MAX);
        assert!(Bitrate::from_bps(5).ratio(Bitrate::ZERO) < 0.1);
    }
}
