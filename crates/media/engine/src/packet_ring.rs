//! The one plaintext copy of a producer stream's packets, shared by all consumers for forwarding and retransmission.
//!
//! Payload bytes lie one after another in a circular buffer; a circular index by sequence number says where. Both grow
//! by doubling up to a bound, so that a quiet audio stream costs kilobytes and a busy video stream keeps about two
//! seconds; once grown nothing is allocated any more.

use std::time::{Duration, Instant};

/// Retransmissions older than this come too late for any jitter buffer.
const MAX_AGE: Duration = Duration::from_secs(2);

/// How large a ring may grow.
#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: usize,
    packets: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot<M> {
    sequence: u64,
    /// Position in the endless stream of payload bytes; the buffer holds its last `bytes.len()` bytes.
    start: u64,
    len: u32,
    arrived: Option<Instant>,
    meta: M,
}

/// Recent packets of one stream by extended sequence number.
#[derive(Debug)]
pub(crate) struct PacketRing<M> {
    limits: Limits,
    bytes: Vec<u8>,
    /// Payload bytes ever written, gaps at the wrap included.
    written: u64,
    /// When the buffer last began again at its start.
    turned: Option<Instant>,
    slots: Vec<Slot<M>>,
    highest: Option<u64>,
}

impl<M: Copy + Default> PacketRing<M> {
    /// A ring for audio: a second of 20 ms packets needs 50 slots; 64 KiB hold two seconds of 256 kbit/s.
    pub(crate) fn for_audio() -> Self {
        Self::new(Limits { bytes: 64 * 1024, packets: 128 })
    }

    /// A ring for video: 2 MiB hold two seconds of 8 Mbit/s, 2048 packets as many of 1000 bytes.
    pub(crate) fn for_video() -> Self {
        Self::new(Limits { bytes: 2 * 1024 * 1024, packets: 2048 })
    }

    fn new(limits: Limits) -> Self {
        Self { limits, bytes: Vec::new(), written: 0, turned: None, slots: Vec::new(), highest: None }
    }

    /// Keeps a packet; `false` when it is there already or too old to be kept.
    pub(crate) fn insert(&mut self, now: Instant, sequence: u64, meta: M, payload: &[u8]) -> bool {
        if payload.len() > self.limits.bytes / 2 || self.get(sequence).is_some() {
            return false;
        }
        if self.highest.is_some_and(|highest| highest.saturating_sub(sequence) >= self.limits.packets as u64) {
            return false;
        }
        self.grow(now, sequence, payload.len());
        let start = self.reserve(payload.len());
        let at = (start % self.bytes.len() as u64) as usize;
        self.bytes[at..at + payload.len()].copy_from_slice(payload);
        let slot_count = self.slots.len() as u64;
        let slot = &mut self.slots[(sequence % slot_count) as usize];
        // A slot of a newer packet is not given up for an older one.
        if slot.arrived.is_some() && slot.sequence > sequence {
            return false;
        }
        *slot = Slot { sequence, start, len: payload.len() as u32, arrived: Some(now), meta };
        self.highest = self.highest.max(Some(sequence));
        true
    }

    /// A packet that is still here.
    pub(crate) fn get(&self, sequence: u64) -> Option<(&M, &[u8])> {
        let slot = self.slots.get((sequence % self.slots.len().max(1) as u64) as usize)?;
        if slot.arrived.is_none() || slot.sequence != sequence || !self.holds(slot) {
            return None;
        }
        let at = (slot.start % self.bytes.len() as u64) as usize;
        Some((&slot.meta, self.bytes.get(at..at + slot.len as usize)?))
    }

    /// Whether a packet's bytes were not yet overwritten.
    fn holds(&self, slot: &Slot<M>) -> bool {
        self.written - slot.start <= self.bytes.len() as u64
    }

    /// Takes the next `len` bytes of the buffer, skipping its end when they would not lie in one piece.
    fn reserve(&mut self, len: usize) -> u64 {
        let capacity = self.bytes.len() as u64;
        let left = capacity - self.written % capacity;
        if left < len as u64 {
            self.written += left;
        }
        let start = self.written;
        self.written += len as u64;
        start
    }

    /// Doubles buffer or index while a packet that is still young would be overwritten and the limits allow it.
    fn grow(&mut self, now: Instant, sequence: u64, len: usize) {
        let young = |slot: &Slot<M>| {
            slot.arrived.is_some_and(|arrived| now.saturating_duration_since(arrived) < MAX_AGE)
        };
        let slot_count = self.slots.len();
        let taken = self.slots.get((sequence % slot_count.max(1) as u64) as usize).is_none_or(young);
        if taken && slot_count < self.limits.packets {
            let count = (slot_count * 2).max(16);
            let empty = Slot { sequence: 0, start: 0, len: 0, arrived: None, meta: M::default() };
            let old = std::mem::replace(&mut self.slots, vec![empty; count]);
            for slot in old.into_iter().filter(|slot| slot.arrived.is_some()) {
                self.slots[(slot.sequence % count as u64) as usize] = slot;
            }
        }
        // The buffer turns over in less than the age that is worth keeping: it is too small for this bitrate.
        let wraps = self.bytes.is_empty() || self.written % self.bytes.len() as u64 + len as u64 > self.bytes.len() as u64;
        if wraps {
            let fast = self.turned.is_none_or(|turned| now.saturating_duration_since(turned) < MAX_AGE);
            if fast && self.bytes.len() < self.limits.bytes {
                self.grow_bytes();
            }
            self.turned = Some(now);
        }
        while self.bytes.len() < 2 * len && self.bytes.len() < self.limits.bytes {
            self.grow_bytes();
        }
    }

    /// Doubles the byte buffer, moving what it holds.
    fn grow_bytes(&mut self) {
        let capacity = (self.bytes.len() * 2).max(8 * 1024).min(self.limits.bytes);
        let old_capacity = self.bytes.len() as u64;
        let old = std::mem::replace(&mut self.bytes, vec![0; capacity]);
        let written = self.written;
        let mut moved = 0u64;
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_unstable_by_key(|&index| self.slots[index].start);
        for index in order {
            let slot = &mut self.slots[index];
            let held = slot.arrived.is_some() && old_capacity > 0 && written - slot.start <= old_capacity;
            if !held {
                slot.arrived = None;
                continue;
            }
            let from = (slot.start % old_capacity) as usize;
            let len = slot.len as usize;
            // Everything held fitted the old buffer, so it fits the first part of the larger one.
            let to = moved as usize;
            self.bytes[to..to + len].copy_from_slice(&old[from..from + len]);
            slot.start = moved;
            moved += len as u64;
        }
        self.written = moved;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_quiet_stream_stays_small() {
        let mut ring = PacketRing::<u32>::for_audio();
        let start = Instant::now();
        for sequence in 0..1000u64 {
            let now = start + Duration::from_millis(sequence * 20);
            assert!(ring.insert(now, 5000 + sequence, sequence as u32, &[sequence as u8; 80]));
        }
        assert!(ring.bytes.len() <= 16 * 1024, "{}", ring.bytes.len());
        assert_eq!(ring.get(5999), Some((&999, &[(999 % 256) as u8; 80][..])));
    }

    #[test]
    fn a_busy_stream_is_bounded_and_forgets_the_oldest() {
        let mut ring = PacketRing::<()>::for_video();
        let now = Instant::now();
        for sequence in 0..10_000u64 {
            assert!(ring.insert(now, sequence, (), &[1; 1200]));
        }
        assert_eq!(ring.bytes.len(), 2 * 1024 * 1024);
        assert_eq!(ring.slots.len(), 2048);
        assert!(ring.get(9_999).is_some() && ring.get(9_999 - 1500).is_some());
        assert!(ring.get(100).is_none());
        assert!(!ring.insert(now, 100, (), &[1]));
    }

    proptest! {
        #[test]
        fn what_is_returned_is_what_was_kept(
            packets in prop::collection::vec((0u64..600, 0usize..1500, 0u64..50), 1..400)
        ) {
            let mut ring = PacketRing::<u64>::for_audio();
            let mut now = Instant::now();
            let mut kept = std::collections::HashMap::new();
            for (index, (sequence, len, wait)) in packets.into_iter().enumerate() {
                now += Duration::from_millis(wait);
                let payload = vec![index as u8; len];
                if ring.insert(now, sequence, index as u64, &payload) {
                    kept.insert(sequence, (index as u64, payload));
                    // What was just kept is there for this batch.
                    prop_assert!(ring.get(sequence).is_some());
                }
                for (sequence, (meta, payload)) in &kept {
                    if let Some((found, bytes)) = ring.get(*sequence) {
                        prop_assert_eq!((found, bytes), (meta, &payload[..]));
                    }
                }
            }
        }
    }
}
