//! Which sequence numbers were sent, so that none is sent twice.
//!
//! An outgoing number is the SRTP packet index and so the nonce. Whatever a sender or the network does, two packets
//! under one nonce must never leave.

use plenum_prefetch::{prefetch, prefetch_all};

/// Numbers that are remembered. Older ones are refused.
const WINDOW: u64 = 1024;

/// A sliding set of recent numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentWindow {
    /// One past the highest number.
    end: u64,
    bits: [u64; (WINDOW / 64) as usize],
}

impl SentWindow {
    /// Asks for what adding a number needs: see [`prefetching`](crate::prefetching).
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch(&self.end);
        prefetch_all(&self.bits);
    }

    /// Adds a number; `false` when it is there already or too old to tell.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        if number >= self.end {
            let steps = (number + 1 - self.end).min(WINDOW);
            for step in 0..steps {
                self.clear(number - step);
            }
            self.end = number + 1;
        } else if self.end - number > WINDOW {
            return false;
        }
        let (word, bit) = position(number);
        let known = self.bits[word] & bit != 0;
        self.bits[word] |= bit;
        !known
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = position(number);
        self.bits[word] &= !bit;
    }
}

impl Default for SentWindow {
    fn default() -> Self {
        Self {
            end: 0,
            bits: [0; (WINDOW / 64) as usize],
        }
    }
}

fn position(number: u64) -> (usize, u64) {
    (((number % WINDOW) / 64) as usize, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_number_is_accepted_twice(steps in prop::collection::vec(-1500i64..1500, 1..500)) {
            let mut window = SentWindow::default();
            let mut seen = HashSet::new();
            let mut at = 100_000u64;
            for step in steps {
                at = at.saturating_add_signed(step);
                if window.insert(at) {
                    prop_assert!(seen.insert(at));
                }
            }
        }

        #[test]
        fn numbers_in_order_are_all_accepted(first in 0u64..1_000_000, count in 1u64..3000) {
            let mut window = SentWindow::default();
            prop_assert!((first..first + count).all(|number| window.insert(number)));
        }
    }
}
