//! The one plaintext copy of a stream's packets, from which every receiver is served and served again.
//!
//! Payloads lie one after another in a ring of bytes; a second ring, indexed by sequence number, says where. Writing over
//! the oldest bytes is what removes a packet: each entry knows its position in the endless stream of bytes ever written,
//! so that one comparison tells whether its bytes are still there. Both rings start small and double while packets that
//! are young enough would be lost, up to a limit; after that nothing allocates.

use std::time::{Duration, Instant};

/// How long a packet can be asked for again. A receiver gives up after about ten round trips; two seconds serve ten of
/// 200 ms.
const MAX_AGE: Duration = Duration::from_secs(2);

/// For how long packets of video are there if nothing was written over them, which takes long in a stream that rests, such
/// as a screen: a key frame of 200 kB takes half a minute of 60 kb/s. The ring does not grow for it.
const LONGEST_AGE: Duration = Duration::from_mins(1);

/// First size of the byte ring: four seconds of Opus, so that sound never needs more.
const INITIAL_BYTES: usize = 16 << 10;

/// First number of entries.
const INITIAL_SLOTS: usize = 16;

/// Byte limit of a video stream: two seconds at 8 Mb/s.
const MAX_VIDEO_BYTES: usize = 2 << 20;

/// Byte limit of an audio stream: two seconds at 256 kb/s.
const MAX_AUDIO_BYTES: usize = 64 << 10;

/// Entries of a video stream: what the byte limit holds in full-sized packets, rounded up.
const MAX_VIDEO_SLOTS: usize = 2048;

/// Entries of an audio stream: two seconds of 10 ms packets, rounded up.
const MAX_AUDIO_SLOTS: usize = 256;

/// Payloads are refused from this size on; the byte ring is always several times as large.
const MAX_PAYLOAD: usize = 2048;

/// Recent packets of one stream, each with a value `M` that says everything but the payload.
#[derive(Debug)]
pub(crate) struct PacketRing<M> {
    /// Length zero, or a power of two.
    bytes: Vec<u8>,
    /// Indexed by sequence number modulo length; length zero, or a power of two.
    slots: Vec<Option<Slot<M>>>,
    max_bytes: usize,
    max_slots: usize,
    /// How old a packet may be.
    longest: Duration,
    /// Where the next byte goes, counted over all bytes ever written.
    head: u64,
    /// The position that lies at the start of `bytes`; earlier ones are gone.
    base: u64,
    /// When the oldest byte was written, at the time the ring was last full.
    lap_began: Option<Instant>,
    origin: Option<Instant>,
    /// Milliseconds from `origin` to the last packet.
    newest: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot<M> {
    sequence: u64,
    position: u64,
    arrived: u32,
    len: u16,
    meta: M,
}

impl<M: Copy> PacketRing<M> {
    /// A ring of the size that sound needs.
    pub(crate) fn for_audio() -> Self {
        Self::new(MAX_AUDIO_BYTES, MAX_AUDIO_SLOTS, MAX_AGE)
    }

    /// A ring of the size that video needs.
    pub(crate) fn for_video() -> Self {
        Self::new(MAX_VIDEO_BYTES, MAX_VIDEO_SLOTS, LONGEST_AGE)
    }

    /// Both limits are powers of two and not below the initial sizes.
    fn new(max_bytes: usize, max_slots: usize, longest: Duration) -> Self {
        Self {
            bytes: Vec::new(),
            slots: Vec::new(),
            max_bytes,
            max_slots,
            longest,
            head: 0,
            base: 0,
            lap_began: None,
            origin: None,
            newest: 0,
        }
    }

    /// Keeps a packet. Returns `false` for one that is here already, that is older than everything kept, or too large.
    /// Its bytes come in two parts, which are kept as one.
    pub(crate) fn insert(
        &mut self,
        now: Instant,
        sequence: u64,
        meta: M,
        front: &[u8],
        payload: &[u8],
    ) -> bool {
        let len = front.len() + payload.len();
        if len > MAX_PAYLOAD {
            return false;
        }
        let origin = *self.origin.get_or_insert(now);
        // The counter may wrap after 49 days: ages are differences.
        let arrived = now.saturating_duration_since(origin).as_millis() as u32;
        self.newest = arrived;
        let Some(index) = self.free_slot(sequence) else {
            return false;
        };
        let start = self.reserve(now, len);
        let Some(bytes) = self.bytes.get_mut(start..start + len) else {
            return false;
        };
        let (first, second) = bytes.split_at_mut(front.len());
        first.copy_from_slice(front);
        second.copy_from_slice(payload);
        let slot = Slot {
            sequence,
            position: self.head,
            arrived,
            len: len as u16,
            meta,
        };
        self.head += len as u64;
        if let Some(place) = self.slots.get_mut(index) {
            *place = Some(slot);
        }
        true
    }

    /// Bytes that the ring takes, whatever is in it.
    pub(crate) fn footprint(&self) -> usize {
        self.bytes.capacity() + self.slots.capacity() * size_of::<Option<Slot<M>>>()
    }

    /// The packet with this extended sequence number, while it is kept.
    pub(crate) fn get(&self, sequence: u64) -> Option<(&M, &[u8])> {
        let slot = self.slots.get(self.index(sequence)?)?.as_ref()?;
        if slot.sequence != sequence || !self.is_there(slot) {
            return None;
        }
        let start = self.offset(slot.position);
        Some((
            &slot.meta,
            self.bytes.get(start..start + usize::from(slot.len))?,
        ))
    }

    /// Changes what is known of a packet, while it is kept.
    pub(crate) fn set_meta(&mut self, sequence: u64, meta: M) {
        let index = self.index(sequence);
        let slot = index.and_then(|index| self.slots.get_mut(index));
        if let Some(slot) = slot
            .and_then(Option::as_mut)
            .filter(|slot| slot.sequence == sequence)
        {
            slot.meta = meta;
        }
    }

    /// Whether a packet can be had.
    fn is_there(&self, slot: &Slot<M>) -> bool {
        slot.position >= self.base
            && self.head - slot.position <= self.bytes.len() as u64
            && self.is_younger(slot, self.longest)
    }

    /// Whether a packet is so young that the ring grows to keep it.
    fn is_kept(&self, slot: &Slot<M>) -> bool {
        self.is_there(slot) && self.is_younger(slot, MAX_AGE)
    }

    fn is_younger(&self, slot: &Slot<M>, age: Duration) -> bool {
        self.newest.wrapping_sub(slot.arrived) <= age.as_millis() as u32
    }

    fn index(&self, sequence: u64) -> Option<usize> {
        Some(sequence as usize & self.slots.len().checked_sub(1)?)
    }

    /// Where in `bytes` a position lies; `bytes` is not empty once a position exists.
    fn offset(&self, position: u64) -> usize {
        (position - self.base) as usize & (self.bytes.len() - 1)
    }

    /// The place of a new entry; makes room as long as a packet would lose its place that is still kept.
    fn free_slot(&mut self, sequence: u64) -> Option<usize> {
        if self.slots.is_empty() {
            self.slots.resize(INITIAL_SLOTS, None);
        }
        loop {
            let index = self.index(sequence)?;
            let Some(Some(slot)) = self.slots.get(index) else {
                return Some(index);
            };
            if slot.sequence == sequence {
                return None;
            }
            if !self.is_kept(slot) {
                return Some(index);
            }
            if self.slots.len() >= self.max_slots {
                return (slot.sequence < sequence).then_some(index);
            }
            self.grow_slots();
        }
    }

    /// Doubles the entries. Numbers that differ modulo the old length differ modulo the new one.
    fn grow_slots(&mut self) {
        let mut slots = vec![None; self.slots.len() * 2];
        let mask = slots.len() - 1;
        for slot in self.slots.iter().flatten() {
            if let Some(place) = slots.get_mut(slot.sequence as usize & mask) {
                *place = Some(*slot);
            }
        }
        self.slots = slots;
    }

    /// Moves the head to where `len` bytes fit in one piece and returns that offset.
    fn reserve(&mut self, now: Instant, len: usize) -> usize {
        if self.bytes.is_empty() {
            self.bytes.resize(INITIAL_BYTES, 0);
        }
        let lap_began = *self.lap_began.get_or_insert(now);
        let offset = self.offset(self.head);
        let is_at_end = offset == 0 && self.head > self.base;
        if !is_at_end && offset + len <= self.bytes.len() {
            return offset;
        }
        // The ring is full. What lies between here and its end stays unused.
        if !is_at_end {
            self.head += (self.bytes.len() - offset) as u64;
        }
        let lap = now.saturating_duration_since(lap_began);
        if lap < MAX_AGE && self.bytes.len() < self.max_bytes {
            // The head is at the end of the old half, so that everything in it keeps its place.
            self.base = self.head - self.bytes.len() as u64;
            self.bytes.resize(self.bytes.len() * 2, 0);
        } else {
            self.lap_began = Some(now);
        }
        self.offset(self.head)
    }
}

#[cfg(test)]
mod tests;
