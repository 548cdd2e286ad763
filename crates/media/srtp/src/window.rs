//! The replay window (RFC 3711 §3.3.2): a ring of bits, one for each of the last `64 * WORDS` indexes.

use crate::SrtpError;

/// Remembers which indexes were accepted. Nothing is shifted: index `i` owns bit `i mod 64 * WORDS`,
/// and bits are cleared as the highest index passes over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplayWindow<const WORDS: usize> {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    /// How many indexes back from the highest are remembered.
    pub(crate) const BITS: u64 = 64 * WORDS as u64;

    pub(crate) const fn new() -> Self {
        Self {
            highest: None,
            seen: [0; WORDS],
        }
    }

    pub(crate) const fn from_parts(highest: Option<u64>, seen: [u64; WORDS]) -> Self {
        Self { highest, seen }
    }

    /// Records an index whose packet authenticated.
    pub(crate) fn accept(&mut self, index: u64) {
        if let Some(highest) = self.highest {
            let ahead = index.saturating_sub(highest);
            if ahead >= Self::BITS {
                self.seen = [0; WORDS];
            } else {
                for passed in 1..=ahead {
                    self.set(highest.wrapping_add(passed), false);
                }
            }
        }
        self.highest = Some(self.highest.map_or(index, |highest| highest.max(index)));
        self.set(index, true);
    }

    /// Whether an index may still be accepted.
    pub(crate) fn check(&self, index: u64) -> Result<(), SrtpError> {
        let Some(highest) = self.highest else {
            return Ok(());
        };
        if index > highest {
            return Ok(());
        }
        if highest - index >= Self::BITS {
            return Err(SrtpError::TooOld);
        }
        let (word, bit) = Self::place(index);
        if self.seen.get(word).is_some_and(|word| word & bit != 0) {
            return Err(SrtpError::Replayed);
        }
        Ok(())
    }

    pub(crate) const fn highest(&self) -> Option<u64> {
        self.highest
    }

    pub(crate) const fn seen(&self) -> [u64; WORDS] {
        self.seen
    }

    fn set(&mut self, index: u64, value: bool) {
        let (word, bit) = Self::place(index);
        if let Some(word) = self.seen.get_mut(word) {
            if value {
                *word |= bit;
            } else {
                *word &= !bit;
            }
        }
    }

    fn place(index: u64) -> (usize, u64) {
        let at = index % Self::BITS;
        ((at / 64) as usize, 1 << (at % 64))
    }
}
