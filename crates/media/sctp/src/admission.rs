//! What of a peer's packets the library gets to see.
//!
//! The peer holds the keys of its DTLS connection and may still be anybody. The library bounds the bytes that it keeps for a
//! peer, and not the chunks: one of a single byte takes hundreds, and one without any takes its place for nothing. So
//! this follows the sequence numbers that arrive, and in our own SACKs what became of them, and refuses whole packets that
//! would go beyond the bounds below. A refused packet counts as lost: an honest sender repeats it, and will be let in when there is room.

use crate::packet::{
    ABORT, Chunk, Chunks, DATA, INIT, INIT_ACK, Malformed, RECONFIG, SACK, SHUTDOWN, u16_at, u32_at,
};

/// DATA chunks that may arrive ahead of one that is missing. The library sorts them at every arrival. A browser has no more
/// than its congestion window under way: at 256 KiB, chunks of 64 bytes.
pub const MAX_AHEAD: u32 = 4096;

/// DATA chunks that may be kept while their messages are not complete or not in turn: four times a gap's worth. With what
/// a chunk takes in the library and the packet that it keeps alive, some 20 MB at the very worst.
pub const MAX_HELD: u32 = 4 * MAX_AHEAD;

/// Requests to reset streams that may wait for messages that never become complete: the library enters each of them for
/// each of its streams. An honest peer has a handful at a time.
pub const MAX_RESETS: u32 = 64;

/// Chunks in one packet. As many DATA chunks as fit have 20 bytes each.
const MAX_CHUNKS: usize = 64;

/// Why a packet was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It makes no sense, or no honest peer sends it.
    Malformed,
    /// Too much is kept already.
    TooMuch,
}

/// What arrived of a peer so far.
#[derive(Debug)]
pub struct Admission {
    streams: u16,
    /// The peer's first packet, which it may only repeat; `None`: it has not come, or it is not the peer who begins.
    init: Option<Box<[u8]>>,
    we_begin: bool,
    /// What our SACKs say arrived, without a gap; `None` until the peer said where it begins.
    cumulative: Option<u32>,
    /// A bit for each of the [`MAX_AHEAD`] numbers behind it, by their value.
    ahead: Box<[u64; MAX_AHEAD as usize / 64]>,
    highest: u32,
    /// Chunks that arrived and were not delivered, at least.
    held: u32,
    resets: u32,
    /// The last request to reset streams.
    last_reset: Option<u32>,
    established: bool,
    /// The peer has said that this is the end.
    pub(crate) goodbye: bool,
}

impl Admission {
    /// Before the first packet of a peer that may use so many streams.
    #[must_use]
    pub fn new(streams: u16, we_begin: bool) -> Self {
        Self {
            streams,
            init: None,
            we_begin,
            cumulative: None,
            ahead: Box::new([0; MAX_AHEAD as usize / 64]),
            highest: 0,
            held: 0,
            resets: 0,
            last_reset: None,
            established: false,
            goodbye: false,
        }
    }

    /// The peer's first sequence number is this one, as both sides knew beforehand.
    pub fn begin(&mut self, first: u32) {
        let last = first.wrapping_sub(1);
        self.cumulative = Some(last);
        self.highest = last;
        self.last_reset = Some(last);
        self.ahead.fill(0);
    }

    /// The handshake is over: the peer will not begin again.
    pub fn establish(&mut self) {
        self.established = true;
    }

    /// Whether the library may see this packet. If so, it is taken into account.
    pub fn admit(&mut self, packet: &[u8]) -> Result<(), Refusal> {
        let mut seen = Seen::default();
        for (index, chunk) in Chunks::of(packet)?.enumerate() {
            if index >= MAX_CHUNKS {
                return Err(Refusal::Malformed);
            }
            self.check(&chunk?, packet, &mut seen)?;
        }
        for chunk in Chunks::of(packet)? {
            self.note(&chunk?, packet);
        }
        Ok(())
    }

    /// A message was delivered that came in so many chunks.
    pub fn deliver(&mut self, chunks: usize) {
        let chunks = u32::try_from(chunks).unwrap_or(u32::MAX);
        self.held = self.held.saturating_sub(chunks);
    }

    /// A SACK of ours said that everything up to this number arrived or was given up, and that so many bytes are kept.
    pub fn acknowledge(&mut self, cumulative: u32, bytes: u32) {
        let passed = self
            .cumulative
            .and_then(|last| distance(last, cumulative).map(|passed| (last, passed)));
        if let Some((last, passed)) = passed {
            for number in 1..=passed.min(MAX_AHEAD) {
                self.set_bit(last.wrapping_add(number), false);
            }
            if distance(self.highest, cumulative).is_some() {
                self.highest = cumulative;
            }
        }
        self.cumulative = Some(cumulative);
        // No chunk is empty.
        self.held = self.held.min(bytes);
        if bytes == 0 {
            self.resets = 0;
        }
    }

    /// Chunks that are kept, at most.
    pub fn held(&self) -> u32 {
        self.held
    }

    fn check(&self, chunk: &Chunk<'_>, packet: &[u8], seen: &mut Seen) -> Result<(), Refusal> {
        match chunk.kind {
            DATA => self.check_data(chunk),
            // One that the network brings late would end the association that it began.
            INIT if self.established || self.we_begin => Err(Refusal::Malformed),
            INIT if self.init.as_deref().is_some_and(|init| init != packet) => {
                Err(Refusal::Malformed)
            }
            INIT_ACK if !self.we_begin => Err(Refusal::Malformed),
            SACK => {
                seen.sacks += 1;
                check_sack(chunk, seen.sacks)
            }
            RECONFIG => {
                seen.reconfigs += 1;
                if seen.reconfigs > 1 {
                    return Err(Refusal::Malformed);
                }
                let is_too_much = self.resets >= MAX_RESETS && self.is_new_reset(chunk);
                if is_too_much {
                    Err(Refusal::TooMuch)
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    fn check_data(&self, chunk: &Chunk<'_>) -> Result<(), Refusal> {
        let (Some(cumulative), Some(tsn), Some(stream)) = (
            self.cumulative,
            u32_at(chunk.value, 0),
            u16_at(chunk.value, 4),
        ) else {
            return Err(Refusal::Malformed);
        };
        // TSN, stream and its number, PPID; RFC 9260 §6.2: DATA without data is an error.
        if chunk.value.len() <= 12 || stream >= self.streams {
            return Err(Refusal::Malformed);
        }
        let Some(ahead) = distance(cumulative, tsn) else {
            return Ok(());
        };
        let is_last = distance(self.highest, tsn).is_some();
        if ahead > MAX_AHEAD || (self.held >= MAX_HELD && is_last) {
            return Err(Refusal::TooMuch);
        }
        Ok(())
    }

    fn note(&mut self, chunk: &Chunk<'_>, packet: &[u8]) {
        match chunk.kind {
            DATA => {
                if let Some(tsn) = u32_at(chunk.value, 0) {
                    self.note_data(tsn);
                }
            }
            INIT | INIT_ACK => {
                if self.cumulative.is_none()
                    && let Some(first) = u32_at(chunk.value, 12)
                {
                    self.init = Some(packet.into());
                    self.begin(first);
                }
            }
            RECONFIG if self.is_new_reset(chunk) => {
                self.resets += 1;
                self.last_reset = reset_request(chunk);
            }
            ABORT | SHUTDOWN => self.goodbye = true,
            _ => {}
        }
    }

    fn note_data(&mut self, tsn: u32) {
        let Some(cumulative) = self.cumulative else {
            return;
        };
        if distance(cumulative, tsn).is_none() || self.bit(tsn) {
            return;
        }
        self.set_bit(tsn, true);
        self.held = self.held.saturating_add(1);
        if distance(self.highest, tsn).is_some() {
            self.highest = tsn;
        }
    }

    fn is_new_reset(&self, chunk: &Chunk<'_>) -> bool {
        let request = reset_request(chunk);
        request.is_some() && request != self.last_reset
    }

    fn bit(&self, tsn: u32) -> bool {
        let index = (tsn % MAX_AHEAD) as usize;
        let word = self.ahead.get(index / 64);
        word.is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    fn set_bit(&mut self, tsn: u32, arrived: bool) {
        let index = (tsn % MAX_AHEAD) as usize;
        if let Some(word) = self.ahead.get_mut(index / 64) {
            let bit = 1 << (index % 64);
            *word = if arrived { *word | bit } else { *word & !bit };
        }
    }
}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What one packet had so far.
#[derive(Default)]
struct Seen {
    sacks: usize,
    reconfigs: usize,
}

/// By how much `tsn` is behind `from`; `None`: it is not.
fn distance(from: u32, tsn: u32) -> Option<u32> {
    let distance = tsn.wrapping_sub(from);
    (1..1 << 31).contains(&distance).then_some(distance)
}

/// RFC 9260 §3.3.4: gap blocks ascend and do not overlap. The library walks through each of them.
fn check_sack(chunk: &Chunk<'_>, sacks: usize) -> Result<(), Refusal> {
    let blocks = u16_at(chunk.value, 8).ok_or(Refusal::Malformed)?;
    let (pairs, _) = chunk
        .value
        .get(12..)
        .and_then(|rest| rest.get(..4 * usize::from(blocks)))
        .ok_or(Refusal::Malformed)?
        .as_chunks::<4>();
    let mut last = 0;
    for &[s0, s1, e0, e1] in pairs {
        let (start, end) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([e0, e1]));
        if start <= last || end < start {
            return Err(Refusal::Malformed);
        }
        last = end;
    }
    if sacks > 1 {
        return Err(Refusal::Malformed);
    }
    Ok(())
}

/// The number of the request to reset outgoing streams (RFC 6525 §4.1) in a RE-CONFIG chunk, which is its first or second
/// parameter.
fn reset_request(chunk: &Chunk<'_>) -> Option<u32> {
    const OUTGOING_RESET: u16 = 13;
    let mut rest = chunk.value;
    let mut number = None;
    for _ in 0..2 {
        let (kind, length) = (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?));
        if kind == OUTGOING_RESET {
            number = u32_at(rest, 4);
        }
        rest = match rest.get(length.next_multiple_of(4)..) {
            Some(rest) if length >= 4 && !rest.is_empty() => rest,
            _ => break,
        };
    }
    number
}

#[cfg(test)]
mod tests;
