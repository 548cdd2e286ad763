//! Sequence numbers of a stream as one receiver sees it: without gaps for what was left out on purpose, with the gaps
//! that loss tore.
//!
//! Every incoming number has its outgoing number from the moment a higher one was seen, so that late packets and
//! retransmissions fit where they belong. The map remembers the recent changes of the distance between the two, each as
//! the pair from which the new distance holds.

use plenum_prefetch::prefetch;

use crate::history::History;

/// Changes that are remembered. A stream of 30 frames a second of which every other one is left out makes 15 a second,
/// which is four times the two seconds that packets are kept for retransmission.
const HISTORY: usize = 128;

/// Maps a producer's extended sequence numbers to a consumer's, and back.
#[derive(Clone, Debug)]
pub(crate) struct SequenceMap {
    /// Ordered by `first_out`, which is different in each.
    changes: History<Change, HISTORY>,
    /// The last ones of `changes` that belong to the present stream; earlier incoming numbers are of another stream.
    present: usize,
    highest_in: u64,
    /// The number that follows the highest one given out.
    next_out: u64,
}

/// From `first_in` on, numbers go out as `first_out` and following.
#[derive(Clone, Copy, Debug)]
struct Change {
    first_in: u64,
    first_out: u64,
}

impl SequenceMap {
    /// A map whose first outgoing number is `first_out`.
    pub(crate) fn new(first_out: u64) -> Self {
        Self {
            changes: History::default(),
            present: 0,
            highest_in: 0,
            next_out: first_out,
        }
    }

    /// Asks for what most packets need: see [`prefetching`](crate::prefetching).
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(&self.changes);
        prefetch(&self.highest_in);
        prefetch(&self.next_out);
    }

    /// Goes on with another stream, or with the same one after a pause: the next packet is `sequence`, and its outgoing
    /// number, which is returned, follows the last one.
    pub(crate) fn jump(&mut self, sequence: u64) -> u64 {
        self.present = 0;
        // Numbers kept free for packets of the old stream are not needed any more.
        self.push(Change {
            first_in: sequence,
            first_out: self.next_out,
        });
        self.highest_in = sequence.saturating_sub(1);
        self.next_out
    }

    /// Leaves out a packet: later ones close up. Returns the number that the next one gets. `None`: too late, a later one
    /// was mapped or left out already; if it was mapped, the packet's number stays unused.
    pub(crate) fn skip(&mut self, sequence: u64) -> Option<u64> {
        let first_out = self.peek(sequence)?;
        self.highest_in = sequence;
        self.push(Change {
            first_in: sequence + 1,
            first_out,
        });
        Some(first_out)
    }

    /// The number that a packet after all others would get.
    #[inline]
    pub(crate) fn peek(&self, sequence: u64) -> Option<u64> {
        if self.present == 0 || sequence <= self.highest_in {
            return None;
        }
        let last = self.changes.newest()?;
        Some(last.first_out + sequence.checked_sub(last.first_in)?)
    }

    /// The outgoing number of a packet. `None`: it was left out, is of another stream, or is too old.
    #[inline]
    pub(crate) fn map(&mut self, sequence: u64) -> Option<u64> {
        if self.present == 0 && self.changes.newest().is_none() {
            self.jump(sequence);
        }
        let out = match self.changes.newest() {
            Some(newest) if self.present > 0 && newest.first_in <= sequence => {
                newest.first_out + (sequence - newest.first_in)
            }
            _ => self.map_late(sequence)?,
        };
        self.highest_in = self.highest_in.max(sequence);
        self.next_out = self.next_out.max(out + 1);
        Some(out)
    }

    /// The outgoing number of a packet that came before the last change.
    #[cold]
    fn map_late(&self, sequence: u64) -> Option<u64> {
        let mut end = u64::MAX;
        for change in self.changes.iter().take(self.present) {
            if change.first_in <= sequence {
                let out = change.first_out + (sequence - change.first_in);
                return (out < end).then_some(out);
            }
            end = change.first_out;
        }
        None
    }

    /// The incoming number behind the 16 low bits of an outgoing one, within the last half cycle.
    pub(crate) fn reverse(&self, out: u16) -> Option<u64> {
        let highest = self.next_out.checked_sub(1)?;
        let behind = (highest as u16).wrapping_sub(out);
        if behind >= 0x8000 {
            return None;
        }
        let out = highest.checked_sub(behind.into())?;
        let change = self.changes.find(|change| change.first_out <= out)?;
        Some(change.first_in + (out - change.first_out))
    }

    /// Appends a change; it replaces those that it leaves no number to.
    fn push(&mut self, change: Change) {
        while self
            .changes
            .newest()
            .is_some_and(|last| last.first_out >= change.first_out)
        {
            self.changes.pop();
            self.present = self.present.saturating_sub(1);
        }
        self.changes.push(change);
        self.present = (self.present + 1).min(self.changes.len());
    }
}

#[cfg(test)]
mod tests;
