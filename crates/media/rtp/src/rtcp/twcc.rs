//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
//!
//! A run of packets by their transport-wide sequence number, and when each of them arrived, if it did. Arrivals are
//! told as differences in ticks of 250 µs, the first one against a reference time in units of 64 ms.

use std::time::Duration;

use crate::bytes::{u8_at, u16_at, u24_at};

use super::split_feedback;

/// Length of a tick.
const TICK_MICROS: i64 = 250;

/// Ticks in one unit of the reference time.
const TICKS_PER_REFERENCE: i64 = 256;

/// Symbol of a packet that did not arrive.
const NOT_RECEIVED: u8 = 0;
/// Symbol of a packet whose delta has one byte.
const SMALL_DELTA: u8 = 1;
/// Symbol of a packet whose delta has two bytes, signed.
const LARGE_DELTA: u8 = 2;

/// What the receiver says about itself and the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TwccHead {
    /// SSRC of the receiver.
    pub sender_ssrc: u32,
    /// SSRC of any stream of the transport.
    pub media_ssrc: u32,
    /// Transport-wide sequence number of the first packet.
    pub base_sequence_number: u16,
    /// Counts feedback packets, so that lost ones are noticed.
    pub feedback_count: u8,
}

/// Feedback packet.
#[derive(Clone, Copy, Debug)]
pub struct TransportFeedback<'a> {
    /// Receiver, first packet, count of feedback packets.
    pub head: TwccHead,
    /// Number of packets reported on.
    pub status_count: u16,
    /// Reference time in units of 64 ms, 24 bits, wrapping.
    pub reference_time: u32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (sender_ssrc, media_ssrc, information) = split_feedback(body)?;
        let status_count = u16_at(information, 2)?;
        let (mut chunks_len, mut deltas_len) = (0, 0);
        let all_chunks = information.get(8..)?;
        let mut left = status_count;
        while left > 0 {
            let chunk = Chunk(u16_at(all_chunks, chunks_len)?);
            let count = chunk.capacity().min(left);
            deltas_len += chunk.deltas_len(count)?;
            chunks_len += 2;
            left -= count;
        }
        let (chunks, rest) = all_chunks.split_at_checked(chunks_len)?;
        Some(Self {
            head: TwccHead {
                sender_ssrc,
                media_ssrc,
                base_sequence_number: u16_at(information, 0)?,
                feedback_count: u8_at(information, 7)?,
            },
            status_count,
            reference_time: u24_at(information, 4)?,
            chunks,
            deltas: rest.get(..deltas_len)?,
        })
    }

    /// Every packet of the run with its delta, in ticks of 250 µs, to the arrival before it.
    pub const fn packets(&self) -> TwccPackets<'a> {
        TwccPackets {
            chunks: self.chunks,
            deltas: self.deltas,
            sequence_number: self.head.base_sequence_number,
            left: self.status_count,
            chunk: Chunk(0),
            index: 0,
        }
    }

    /// Every packet of the run with its arrival in microseconds since the zero of the reference time.
    pub fn arrivals(&self) -> TwccArrivals<'a> {
        TwccArrivals {
            packets: self.packets(),
            ticks: i64::from(self.reference_time) * TICKS_PER_REFERENCE,
        }
    }
}

/// Packet status chunk: sixteen bits that stand for the symbols of a run of packets.
#[derive(Clone, Copy, Debug)]
struct Chunk(u16);

impl Chunk {
    const VECTOR: u16 = 1 << 15;
    const TWO_BIT: u16 = 1 << 14;
    const MAX_RUN: u16 = 0x1fff;

    fn run(symbol: u8, len: u16) -> Self {
        Self(u16::from(symbol) << 13 | len)
    }

    fn one_bit(symbols: &[u8]) -> Self {
        Self(Self::VECTOR | pack(symbols, 1, 14))
    }

    fn two_bit(symbols: &[u8]) -> Self {
        Self(Self::VECTOR | Self::TWO_BIT | pack(symbols, 2, 7))
    }

    const fn capacity(self) -> u16 {
        match (self.0 & Self::VECTOR, self.0 & Self::TWO_BIT) {
            (0, _) => self.0 & Self::MAX_RUN,
            (_, 0) => 14,
            _ => 7,
        }
    }

    /// The symbol of the packet at `index`, which is below the capacity.
    const fn symbol(self, index: u16) -> u8 {
        let bits = match (self.0 & Self::VECTOR, self.0 & Self::TWO_BIT) {
            (0, _) => self.0 >> 13 & 3,
            (_, 0) => self.0 >> 13u16.saturating_sub(index) & 1,
            _ => self.0 >> 12u16.saturating_sub(2 * index) & 3,
        };
        bits as u8
    }

    /// Bytes of delta that the first `count` packets have; `None` for the reserved symbol.
    fn deltas_len(self, count: u16) -> Option<usize> {
        if self.0 & Self::VECTOR == 0 {
            return Some(delta_len(self.symbol(0))? * usize::from(count));
        }
        (0..count).map(|index| delta_len(self.symbol(index))).sum()
    }
}

/// Packs symbols of `width` bits, the first one highest, as if there were `capacity` of them.
fn pack(symbols: &[u8], width: usize, capacity: usize) -> u16 {
    let packed = symbols
        .iter()
        .fold(0, |packed, &symbol| packed << width | u16::from(symbol));
    packed << (width * capacity.saturating_sub(symbols.len()))
}

const fn delta_len(symbol: u8) -> Option<usize> {
    match symbol {
        NOT_RECEIVED => Some(0),
        SMALL_DELTA => Some(1),
        LARGE_DELTA => Some(2),
        _ => None,
    }
}

/// Iterator over the packets of a run: sequence number, and ticks since the arrival before when it arrived.
#[derive(Clone, Debug)]
pub struct TwccPackets<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    sequence_number: u16,
    left: u16,
    chunk: Chunk,
    index: u16,
}

impl Iterator for TwccPackets<'_> {
    type Item = (u16, Option<i16>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        while self.index >= self.chunk.capacity() {
            let (chunk, rest) = self.chunks.split_first_chunk()?;
            self.chunk = Chunk(u16::from_be_bytes(*chunk));
            self.chunks = rest;
            self.index = 0;
        }
        let delta = match self.chunk.symbol(self.index) {
            SMALL_DELTA => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(delta.into())
            }
            LARGE_DELTA => {
                let (delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                Some(i16::from_be_bytes(*delta))
            }
            _ => None,
        };
        let sequence_number = self.sequence_number;
        self.sequence_number = sequence_number.wrapping_add(1);
        self.index += 1;
        self.left -= 1;
        Some((sequence_number, delta))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.into()))
    }
}

/// Iterator over the packets of a run: sequence number, and time of arrival in microseconds when it arrived.
#[derive(Clone, Debug)]
pub struct TwccArrivals<'a> {
    packets: TwccPackets<'a>,
    ticks: i64,
}

impl Iterator for TwccArrivals<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        let (sequence_number, delta) = self.packets.next()?;
        let arrival = delta.map(|delta| {
            self.ticks += i64::from(delta);
            self.ticks * TICK_MICROS
        });
        Some((sequence_number, arrival))
    }
}

/// Turns arrivals into deltas. The first arrival sets the reference time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeltaEncoder {
    last: Option<i64>,
}

impl DeltaEncoder {
    /// Reference time for a run whose first arrival is this, 24 bits.
    pub(super) fn reference_time(first: Duration) -> u32 {
        (ticks(first) / TICKS_PER_REFERENCE).cast_unsigned() as u32 & 0x00ff_ffff
    }

    /// The delta of the next packet, if it arrived; `Err` when it lies too far from the one before.
    pub(super) fn encode(&mut self, arrival: Option<Duration>) -> Result<Option<i16>, ()> {
        let Some(now) = arrival.map(ticks) else {
            return Ok(None);
        };
        let last = self.last.unwrap_or(now - now % TICKS_PER_REFERENCE);
        let delta = i16::try_from(now - last).map_err(drop)?;
        self.last = Some(now);
        Ok(Some(delta))
    }
}

/// Ticks since the epoch. Cut to 62 bits: no clock runs for that long.
fn ticks(since_epoch: Duration) -> i64 {
    (since_epoch.as_micros() as u64 >> 1).cast_signed() / (TICK_MICROS / 2)
}

/// The symbol that announces a delta.
pub(super) fn symbol_of(delta: Option<i16>) -> u8 {
    match delta {
        None => NOT_RECEIVED,
        Some(0..=255) => SMALL_DELTA,
        Some(_) => LARGE_DELTA,
    }
}

/// Collects symbols until they fill a chunk, choosing the form that holds the most.
#[derive(Debug, Default)]
pub(super) struct ChunkEncoder {
    /// The first symbols; a run longer than this consists of equal ones.
    symbols: [u8; 14],
    len: u16,
}

impl ChunkEncoder {
    /// Adds a symbol; yields the chunk that had to make way for it.
    pub(super) fn push(&mut self, symbol: u8) -> Option<u16> {
        let full = if self.accepts(symbol) {
            None
        } else {
            self.emit(false)
        };
        if let Some(place) = self.symbols.get_mut(usize::from(self.len)) {
            *place = symbol;
        }
        self.len += 1;
        full
    }

    /// Yields the rest, to be called after the last symbol until it returns `None`.
    pub(super) fn flush(&mut self) -> Option<u16> {
        self.emit(true)
    }

    /// Takes the next chunk out of what is collected. Only the last chunk of all may have places left over.
    fn emit(&mut self, last: bool) -> Option<u16> {
        let symbols = self.collected();
        let first = *symbols.first()?;
        let (chunk, used) = if is_uniform(symbols) {
            (Chunk::run(first, self.len), symbols.len())
        } else if !symbols.contains(&LARGE_DELTA) && (last || symbols.len() == 14) {
            (Chunk::one_bit(symbols), symbols.len())
        } else {
            let head = symbols.get(..7).unwrap_or(symbols);
            (Chunk::two_bit(head), head.len())
        };
        let total = symbols.len();
        self.symbols.copy_within(used..total, 0);
        self.len = (total - used) as u16;
        Some(chunk.0)
    }

    fn collected(&self) -> &[u8] {
        self.symbols
            .get(..usize::from(self.len))
            .unwrap_or(&self.symbols)
    }

    fn accepts(&self, symbol: u8) -> bool {
        let symbols = self.collected();
        let continues_run = is_uniform(symbols) && symbols.first() == Some(&symbol);
        let fits_one_bit = symbol != LARGE_DELTA && !symbols.contains(&LARGE_DELTA);
        match self.len {
            0..7 => true,
            7..14 => fits_one_bit || continues_run,
            _ => continues_run && self.len < Chunk::MAX_RUN,
        }
    }
}

fn is_uniform(symbols: &[u8]) -> bool {
    symbols.windows(2).all(|pair| pair[0] == pair[1])
}
