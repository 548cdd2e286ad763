//! What left lately, by transport-wide sequence number.
//!
//! A ring that grows while what it would overwrite may still be answered, up to [`MAX_SLOTS`]. An idle transport has
//! none. One packet takes 16 bytes.

use std::mem;

use plenum_prefetch::prefetch;

/// Most packets remembered: three seconds at 10 Mb/s, and as many as one feedback packet can name in a burst.
const MAX_SLOTS: usize = 4096;

/// Slots of the first ring: a feedback interval of 100 ms and a round trip of as much, with audio and small video.
const FIRST_SLOTS: usize = 64;

/// A packet without an answer for this long may be forgotten: feedback comes every 50 to 250 ms
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2), and a round trip beyond a second is no call any more.
const KEEP_MICROS: u64 = 2_000_000;

/// After this long without sending, the memory is given back.
const IDLE_MICROS: u64 = 10_000_000;

/// A packet that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentPacket {
    /// Microseconds after the estimator's epoch.
    pub(crate) sent: u64,
    /// Sequence number, continued beyond 16 bits.
    pub(crate) sequence: u32,
    pub(crate) size: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was here yet.
    Empty,
    /// No feedback yet.
    Outstanding,
    /// Reported as not received; it may still arrive.
    Lost,
    Received,
}

const EMPTY: SentPacket = SentPacket {
    sent: 0,
    sequence: 0,
    size: 0,
    state: State::Empty,
};

// What the module's documentation says.
const _: () = assert!(size_of::<SentPacket>() == 16);

/// What feedback says about a packet that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It arrived.
    Received(SentPacket),
    /// It arrived after it had been counted as lost.
    ReceivedLate(SentPacket),
    /// It did not arrive, which is news.
    Lost(SentPacket),
}

#[derive(Debug, Default)]
pub(crate) struct SentHistory {
    /// Empty, or as many as a power of two.
    slots: Vec<SentPacket>,
    newest: u32,
    newest_sent: u64,
    /// Bytes that left after the newest packet that feedback has covered.
    in_flight: u64,
    /// The packet after the newest one that feedback has covered; `None` before the first packet.
    uncovered: Option<u32>,
}

impl SentHistory {
    /// Remembers a packet and returns its continued number.
    #[inline]
    pub(crate) fn record(&mut self, sent: u64, sequence: u16, size: usize) -> u32 {
        let sequence = self.extend(sequence);
        if sequence.wrapping_sub(self.newest).cast_signed() > 0 {
            self.newest = sequence;
        }
        self.newest_sent = sent;
        self.in_flight += size as u64;
        let uncovered = *self.uncovered.get_or_insert(sequence);
        let packet = SentPacket {
            sent,
            sequence,
            size: u16::try_from(size).unwrap_or(u16::MAX),
            state: State::Outstanding,
        };
        // The place of a packet that feedback has covered is free. It is not looked at: with many receivers it is not in the
        // processor's cache, and a store is not waited for as a load is.
        let is_free = (sequence.wrapping_sub(uncovered) as usize) < self.slots.len();
        if is_free && let Some(slot) = self.slot(sequence) {
            *slot = packet;
            return sequence;
        }
        let full = self.slots.len() >= MAX_SLOTS;
        if let Some(slot) = self.slot(sequence)
            && (full
                || !(slot.state == State::Outstanding
                    && sent.saturating_sub(slot.sent) < KEEP_MICROS))
        {
            let forgotten = mem::replace(slot, packet);
            self.forget(forgotten);
            return sequence;
        }
        self.record_growing(packet);
        sequence
    }

    /// A packet is not remembered any more: if no feedback has covered it, none will.
    fn forget(&mut self, packet: SentPacket) {
        let is_covered = self
            .uncovered
            .is_none_or(|first| packet.sequence.wrapping_sub(first).cast_signed() < 0);
        if packet.state != State::Empty && !is_covered {
            self.in_flight = self.in_flight.saturating_sub(packet.size.into());
        }
    }

    /// What an answer of the receiver means; `None` for a packet that is not remembered or was answered before.
    pub(crate) fn answer(&mut self, sequence: u16, received: bool) -> Option<Answer> {
        let sequence = self.extend(sequence);
        let slot = self.slot(sequence)?;
        if slot.sequence != sequence {
            return None;
        }
        match (slot.state, received) {
            (State::Outstanding, true) => {
                slot.state = State::Received;
                Some(Answer::Received(*slot))
            }
            (State::Lost, true) => {
                slot.state = State::Received;
                Some(Answer::ReceivedLate(*slot))
            }
            (State::Outstanding, false) => {
                slot.state = State::Lost;
                Some(Answer::Lost(*slot))
            }
            (State::Empty | State::Received, _) | (State::Lost, false) => None,
        }
    }

    /// Feedback has covered everything up to this packet: what it does not mention it will not mention any more.
    pub(crate) fn cover(&mut self, newest: u32) {
        let Some(first) = self.uncovered else { return };
        let count = newest.wrapping_sub(first).wrapping_add(1);
        // Nothing new, or more than is remembered.
        if count.cast_signed() <= 0 {
            return;
        }
        for sequence in (0..count.min(MAX_SLOTS as u32)).map(|step| newest.wrapping_sub(step)) {
            let covered = self.slot(sequence).filter(|slot| slot.sequence == sequence);
            let size = covered.map_or(0, |slot| u64::from(slot.size));
            self.in_flight = self.in_flight.saturating_sub(size);
        }
        if newest == self.newest {
            self.in_flight = 0;
        }
        self.uncovered = Some(newest.wrapping_add(1));
    }

    /// Bytes that left and that no feedback has covered yet.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Asks for the places of the packets that are answered next.
    pub(crate) fn prefetch_unanswered(&self) {
        if let Some(first) = self.uncovered {
            self.prefetch(first);
        }
    }

    /// Asks for the places of the packets that leave next.
    pub(crate) fn prefetch_unsent(&self) {
        self.prefetch(self.newest.wrapping_add(1));
    }

    /// A frame's packets from this one on.
    fn prefetch(&self, first: u32) {
        let mask = self.slots.len().wrapping_sub(1);
        // Four of them lie in one line of the cache.
        for step in [0, 4, 8, 12] {
            if let Some(slot) = self.slots.get(first.wrapping_add(step) as usize & mask) {
                prefetch(slot);
            }
        }
    }

    /// When the newest packet left.
    pub(crate) fn newest_sent(&self) -> u64 {
        self.newest_sent
    }

    /// Gives the memory back when nothing was sent for long.
    pub(crate) fn release_idle(&mut self, now: u64) {
        if now.saturating_sub(self.newest_sent) >= IDLE_MICROS {
            self.slots = Vec::new();
            self.in_flight = 0;
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<SentPacket>()
    }

    fn extend(&self, sequence: u16) -> u32 {
        let distance = sequence.wrapping_sub(self.newest as u16).cast_signed();
        self.newest.wrapping_add_signed(distance.into())
    }

    fn slot(&mut self, sequence: u32) -> Option<&mut SentPacket> {
        let mask = self.slots.len().wrapping_sub(1);
        self.slots.get_mut(sequence as usize & mask)
    }

    /// The slot of this packet is still waited for, or there is none.
    #[cold]
    fn record_growing(&mut self, packet: SentPacket) {
        let len = match self.slots.len() {
            0 => FIRST_SLOTS,
            len => (len * 2).min(MAX_SLOTS),
        };
        if len > self.slots.len() {
            let old = mem::replace(&mut self.slots, vec![EMPTY; len]);
            for kept in old.into_iter().filter(|slot| slot.state != State::Empty) {
                if let Some(slot) = self.slot(kept.sequence) {
                    *slot = kept;
                }
            }
        }
        if let Some(slot) = self.slot(packet.sequence) {
            let forgotten = mem::replace(slot, packet);
            self.forget(forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_answer(answer: Option<Answer>) -> Option<u16> {
        match answer? {
            Answer::Received(packet) | Answer::ReceivedLate(packet) | Answer::Lost(packet) => {
                Some(packet.size)
            }
        }
    }

    #[test]
    fn every_packet_is_answered_once_across_the_wrap() {
        let mut history = SentHistory::default();
        for index in 0..100_u16 {
            let number = index.wrapping_add(65_500);
            history.record(u64::from(index) * 1000, number, usize::from(index));
        }
        for index in 0..100_u16 {
            let number = index.wrapping_add(65_500);
            assert_eq!(size_of_answer(history.answer(number, true)), Some(index));
            assert_eq!(history.answer(number, true), None, "a duplicate");
        }
        assert_eq!(history.answer(1000, true), None, "never sent");
    }

    #[test]
    fn what_is_in_flight_is_what_no_feedback_has_covered() {
        let mut history = SentHistory::default();
        for number in 65_530..65_540_u32 {
            history.record(0, number as u16, 100);
        }
        assert_eq!(history.in_flight(), 1000);
        let Some(Answer::Received(packet)) = history.answer(65_533, true) else {
            panic!("it was sent");
        };
        history.cover(packet.sequence);
        assert_eq!(history.in_flight(), 600);
        history.cover(packet.sequence);
        history.cover(packet.sequence.wrapping_sub(2));
        assert_eq!(history.in_flight(), 600, "nothing new");
        let Some(Answer::Lost(packet)) = history.answer(3, false) else {
            panic!("it was sent");
        };
        history.cover(packet.sequence);
        assert_eq!(history.in_flight(), 0);
        history.cover(packet.sequence.wrapping_add(1000));
        assert_eq!(history.in_flight(), 0, "never sent");
    }

    #[test]
    fn what_is_forgotten_without_an_answer_is_not_in_flight() {
        let mut history = SentHistory::default();
        let mut number = 0;
        let mut send = |history: &mut SentHistory, at, count| {
            for _ in 0..count {
                history.record(at, number, 100);
                number = number.wrapping_add(1);
            }
        };
        send(&mut history, 0, FIRST_SLOTS);
        assert_eq!(history.in_flight(), 6400);
        send(&mut history, KEEP_MICROS, FIRST_SLOTS);
        assert_eq!(history.in_flight(), 6400, "the first ones were forgotten");
        history.answer(70, true);
        history.cover(70);
        assert_eq!(history.in_flight(), 5700);
        send(&mut history, 3 * KEEP_MICROS, 10 * MAX_SLOTS);
        assert_eq!(history.in_flight(), 100 * MAX_SLOTS as u64);
        history.release_idle(3 * KEEP_MICROS + IDLE_MICROS);
        assert_eq!(history.in_flight(), 0);
    }

    #[test]
    fn a_lost_packet_may_still_arrive() {
        let mut history = SentHistory::default();
        history.record(5, 7, 100);
        assert!(matches!(history.answer(7, false), Some(Answer::Lost(_))));
        assert_eq!(history.answer(7, false), None);
        assert!(matches!(
            history.answer(7, true),
            Some(Answer::ReceivedLate(_))
        ));
    }

    #[test]
    fn memory_grows_with_what_is_outstanding_to_a_bound_and_is_given_back() {
        let mut history = SentHistory::default();
        assert_eq!(history.heap_bytes(), 0);
        for index in 0..10_000_u16 {
            history.record(u64::from(index) * 10, index, 1200);
            history.answer(index, true);
        }
        assert_eq!(history.heap_bytes(), FIRST_SLOTS * 16, "all was answered");
        for index in 10_000..30_000_u16 {
            history.record(u64::from(index) * 10, index, 1200);
        }
        assert_eq!(history.heap_bytes(), MAX_SLOTS * 16);
        assert_eq!(size_of_answer(history.answer(29_000, true)), Some(1200));
        history.release_idle(300_000 + IDLE_MICROS);
        assert_eq!(history.heap_bytes(), 0);
        assert_eq!(history.answer(29_999, true), None);
    }
}
