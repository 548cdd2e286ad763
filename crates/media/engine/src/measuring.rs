//! Handles on inner parts for benchmarks, which only see what is public. Not for use.

use std::time::{Duration, Instant};

use crate::{
    group_plan::{Group, MAX_GROUP_BYTES, plan_groups},
    nack_generator::NackGenerator,
    packet::PacketMeta,
    packet_ring::PacketRing,
    sequence_map::SequenceMap,
};

/// The map of one consumer.
#[derive(Debug)]
pub struct Sequences(SequenceMap);

impl Sequences {
    /// A map that begins with this incoming number.
    pub fn new(first: u64) -> Self {
        let mut map = SequenceMap::new(0);
        map.jump(first);
        Self(map)
    }

    /// Maps a packet and looks its number up again.
    pub fn forward(&mut self, sequence: u64) -> Option<u64> {
        let out = self.0.map(sequence)?;
        self.0.reverse(out as u16)
    }

    /// Leaves a packet out.
    pub fn skip(&mut self, sequence: u64) {
        let _ = self.0.skip(sequence);
    }
}

/// The ring of one video stream.
#[derive(Debug)]
pub struct Ring(PacketRing<PacketMeta>);

impl Ring {
    /// An empty ring.
    pub fn new() -> Self {
        Self(PacketRing::for_video())
    }

    /// Keeps a packet and reads one that came `back` packets earlier; returns the length of that one.
    pub fn insert_and_get(
        &mut self,
        now: Instant,
        sequence: u64,
        payload: &[u8],
        back: u64,
    ) -> Option<usize> {
        self.0
            .insert(now, sequence, PacketMeta::default(), &[], payload)
            .then_some(())?;
        Some(self.0.get(sequence.checked_sub(back)?)?.1.len())
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self::new()
    }
}

/// The plan of one batch.
#[derive(Debug, Default)]
pub struct Groups(Vec<Group>);

impl Groups {
    /// Divides packets of these sizes; returns the number of groups.
    pub fn plan(&mut self, sizes: &[u16]) -> usize {
        plan_groups(sizes, MAX_GROUP_BYTES, &mut self.0);
        self.0.len()
    }
}

/// The gaps of one stream.
#[derive(Debug, Default)]
pub struct Gaps(NackGenerator);

impl Gaps {
    /// Takes note of a packet that arrived, or of one sent again.
    pub fn arrived(&mut self, now: Instant, sequence: u64, again: bool) -> bool {
        self.0.handle_packet(now, sequence, again, false)
    }

    /// Appends what to ask for.
    pub fn poll(&mut self, now: Instant, lost: &mut Vec<u16>) -> bool {
        self.0.poll_nacks(now, Duration::from_millis(50), lost)
    }
}
