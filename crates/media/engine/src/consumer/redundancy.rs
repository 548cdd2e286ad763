//! Sound that comes twice (RFC 2198), and whether a receiver gets it so.
//!
//! A browser that sends redundant sound sends every packet two or three times, whoever listens. Who cannot take that gets
//! the block that is new in each packet, as the codec that it is. Who can gets packets as they came, until reports say that
//! nothing is lost on the way: then, too, it gets the new block alone, which is a third of the bytes, and the others again
//! as soon as something is lost - between the sender and here, or between here and the receiver.

use std::time::{Duration, Instant};

use plenum_params::media::{CodecKind, SendParameters};

use super::Consumer;
use crate::{history::History, packet::PacketMeta};

/// Without loss for so long a path counts as good. Losses of mobile and wireless paths come in groups, seconds apart, and
/// what repeats a packet must be there before it is lost.
const GOOD_AFTER: Duration = Duration::from_secs(10);

/// Changes that repetitions can look back over: at least one of two takes [`GOOD_AFTER`], and packets are repeated for a
/// second.
const MAX_CHANGES: usize = 4;

/// How a receiver of redundant sound gets it.
#[derive(Debug, Default)]
pub(super) struct Redundancy {
    /// From an outgoing number on: whether packets go out as they came. Before the first one they do.
    changes: History<(u64, bool), MAX_CHANGES>,
    good_since: Option<Instant>,
}

impl Redundancy {
    /// For a receiver with these parameters; `None`: it cannot take redundant sound.
    pub(super) fn of(parameters: &SendParameters) -> Option<Box<Self>> {
        let mut codecs = parameters.codecs.iter();
        let can_take = codecs.any(|codec| codec.codec == CodecKind::Red);
        can_take.then(Box::default)
    }

    fn is_whole(&self, out: u64) -> bool {
        let found = self.changes.find(|(first, _)| *first <= out);
        found.is_none_or(|(_, is_whole)| *is_whole)
    }

    /// A report came: whether anything was lost lately, and the number of the next packet.
    fn review(&mut self, now: Instant, is_lossy: bool, next_out: u64) {
        let is_whole = if is_lossy {
            self.good_since = None;
            true
        } else {
            let since = *self.good_since.get_or_insert(now);
            now.saturating_duration_since(since) < GOOD_AFTER
        };
        let newest = self.changes.newest();
        if newest.is_none_or(|(_, was_whole)| *was_whole) != is_whole {
            self.changes.push((next_out, is_whole));
        }
    }
}

impl Consumer {
    /// Whether the receiver can be sent a packet, whole or in part.
    #[inline]
    pub(super) fn takes(&self, meta: &PacketMeta) -> bool {
        self.codec(meta.payload_type).is_some()
            || meta.primary_at != 0 && self.codec(meta.primary_type).is_some()
    }

    /// What the receiver gets of a payload that is, or was, sent as number `out`: payload type and payload. Always the same
    /// for one number: a packet may be repeated under the nonce that it had.
    #[inline]
    pub(crate) fn form<'a>(
        &self,
        out: u64,
        meta: &PacketMeta,
        payload: &'a [u8],
    ) -> (u8, &'a [u8]) {
        if meta.primary_at == 0 {
            return (meta.payload_type, payload);
        }
        self.form_of_redundant(out, meta, payload)
    }

    fn form_of_redundant<'a>(
        &self,
        out: u64,
        meta: &PacketMeta,
        payload: &'a [u8],
    ) -> (u8, &'a [u8]) {
        let redundancy = self.redundancy.as_ref();
        let can_take_parts = self.codec(meta.primary_type).is_some() && !self.is_pinned();
        let is_whole = redundancy.is_some_and(|it| !can_take_parts || it.is_whole(out));
        match payload.get(usize::from(meta.primary_at)..) {
            Some(primary) if !is_whole => (meta.primary_type, primary),
            _ => (meta.payload_type, payload),
        }
    }

    /// Decides after a report how redundant sound goes on. `is_lossy_before`: packets were lost on their way here.
    pub(crate) fn review_redundancy(&mut self, now: Instant, is_lossy_before: bool) {
        let is_lossy = is_lossy_before || self.report.fraction_lost > 0;
        let next_out = self.next_out();
        if let Some(redundancy) = &mut self.redundancy {
            redundancy.review(now, is_lossy, next_out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_stay_whole_until_nothing_was_lost_for_a_while() {
        let mut redundancy = Redundancy::default();
        let start = Instant::now();
        let report = |redundancy: &mut Redundancy, seconds: u64, is_lossy| {
            let now = start + Duration::from_secs(seconds);
            redundancy.review(now, is_lossy, seconds * 50);
        };
        for second in 0..10 {
            report(&mut redundancy, second, false);
            assert!(redundancy.is_whole(1_000_000), "{second}");
        }
        report(&mut redundancy, 10, false);
        assert!(!redundancy.is_whole(500) && redundancy.is_whole(499));
        report(&mut redundancy, 11, true);
        assert!(redundancy.is_whole(550) && !redundancy.is_whole(549));
        for second in 12..=22 {
            report(&mut redundancy, second, false);
        }
        assert!(!redundancy.is_whole(1100) && redundancy.is_whole(1099));
        assert!(redundancy.is_whole(0), "as it was then");
    }
}
