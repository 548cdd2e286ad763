//! What one end of a trunk has that a peer's transport has not.
//!
//! A trunk is an SRTP connection to another worker, with keys that their node made up. It carries producers of any number
//! of routers, one stream each for every encoding that is wanted behind it: thousands, where a peer sends a handful.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use plenum_params::transport::TrunkOptions;

/// SSRCs of one direction of a trunk, retransmissions included: more streams than one core forwards.
pub(crate) const MAX_SSRCS: usize = 1 << 16;

/// What one end of a trunk has beside its streams.
#[derive(Debug)]
pub(crate) struct Trunk {
    /// Consumers by the SSRC of their stream.
    pub(crate) senders: HashMap<u32, usize, RandomState>,
    /// SSRCs that were sent with.
    pub(crate) sent: UsedSsrcs,
    /// SSRCs that were received with.
    pub(crate) received: UsedSsrcs,
    /// Which share of the streams was reported on last.
    pub(crate) turn: usize,
    /// What our end and the other one call themselves where messages travel: see [`Trunk::new`].
    pub(crate) data_tags: (u32, u32),
}

impl Trunk {
    /// A trunk without streams.
    pub(crate) fn new(options: &TrunkOptions) -> Self {
        // Both ends have the same two keys, and so agree on who is which.
        let data_tags = if options.send_key.key() < options.receive_key.key() {
            (1, 2)
        } else {
            (2, 1)
        };
        Self {
            senders: HashMap::default(),
            sent: UsedSsrcs::default(),
            received: UsedSsrcs::default(),
            turn: 0,
            data_tags,
        }
    }
}

/// SSRCs that streams have, or had: all streams of one direction share a key, so that a second stream with the number of
/// an earlier one would be sealed with the same nonces, which gives the key of the authentication away.
///
/// The node's numbers ascend. As its requests may overtake each other, any number that is not far below the highest is
/// taken, once.
#[derive(Debug)]
pub(crate) struct UsedSsrcs {
    highest: Option<u32>,
    /// A bit for each of the last [`MAX_SSRCS`] numbers.
    window: Box<[u64; MAX_SSRCS / 64]>,
}

impl UsedSsrcs {
    /// Takes all these numbers for streams, or none and names one that cannot be had.
    pub(crate) fn claim(&mut self, ssrcs: &[u32]) -> Result<(), u32> {
        for (index, &ssrc) in ssrcs.iter().enumerate() {
            let is_repeated = ssrcs.iter().take(index).any(|&other| other == ssrc);
            if is_repeated || !self.is_free(ssrc) {
                return Err(ssrc);
            }
        }
        for &ssrc in ssrcs {
            self.insert(ssrc);
        }
        Ok(())
    }

    /// Whether a stream may have this number.
    fn is_free(&self, ssrc: u32) -> bool {
        let Some(highest) = self.highest else {
            return true;
        };
        match highest.checked_sub(ssrc) {
            None => true,
            Some(back) => (back as usize) < MAX_SSRCS && !self.bit(ssrc),
        }
    }

    /// A stream has this number.
    fn insert(&mut self, ssrc: u32) {
        let passed = self
            .highest
            .map_or(0, |highest| ssrc.saturating_sub(highest));
        if passed as usize >= MAX_SSRCS {
            self.window.fill(0);
        } else {
            for skipped in ssrc - passed..ssrc {
                self.set_bit(skipped.wrapping_add(1), false);
            }
        }
        self.set_bit(ssrc, true);
        self.highest = self.highest.max(Some(ssrc));
    }

    fn bit(&self, ssrc: u32) -> bool {
        let index = ssrc as usize % MAX_SSRCS;
        let word = self.window.get(index / 64);
        word.is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    fn set_bit(&mut self, ssrc: u32, used: bool) {
        let index = ssrc as usize % MAX_SSRCS;
        if let Some(word) = self.window.get_mut(index / 64) {
            let bit = 1 << (index % 64);
            *word = if used { *word | bit } else { *word & !bit };
        }
    }
}

impl Default for UsedSsrcs {
    fn default() -> Self {
        Self {
            highest: None,
            window: Box::new([0; MAX_SSRCS / 64]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_used_once() {
        let mut used = UsedSsrcs::default();
        for ssrc in [5, 7, 6, 1, 0] {
            assert!(used.is_free(ssrc), "{ssrc}");
            used.insert(ssrc);
            assert!(!used.is_free(ssrc), "{ssrc}");
        }
        assert!(used.is_free(4));
    }

    #[test]
    fn what_is_far_below_the_highest_counts_as_used() {
        let mut used = UsedSsrcs::default();
        let far = MAX_SSRCS as u32 + 10;
        used.insert(3);
        used.insert(far);
        assert!(!used.is_free(3));
        assert!(!used.is_free(10));
        assert!(used.is_free(11));
        used.insert(u32::MAX);
        assert!(!used.is_free(far + 1));
        assert!(used.is_free(u32::MAX - 1));
    }

    proptest! {
        #[test]
        fn no_number_is_ever_free_again(steps in prop::collection::vec(0u32..40_000, 1..60), backs in prop::collection::vec(0u32..80_000, 60)) {
            let mut used = UsedSsrcs::default();
            let mut seen = HashSet::new();
            let mut highest = 0u32;
            for (step, back) in steps.into_iter().zip(backs) {
                highest += step;
                for ssrc in [highest, highest.saturating_sub(back)] {
                    let is_free = used.is_free(ssrc);
                    prop_assert!(!is_free || !seen.contains(&ssrc));
                    if is_free {
                        used.insert(ssrc);
                        seen.insert(ssrc);
                    }
                }
            }
        }
    }
}
