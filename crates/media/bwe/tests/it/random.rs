//! Seeded random numbers, the same in every run and on every machine.

/// Generator after Marsaglia (xorshift64*).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn bits(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// From 0 up to 1.
    pub(crate) fn part(&mut self) -> f64 {
        f64::from(self.bits()) / 4_294_967_296.0
    }

    /// From `low` to less than `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + (high - low) * u64::from(self.bits()) / 4_294_967_296
    }
}
