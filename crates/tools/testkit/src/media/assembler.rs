//! A receiver's view of a VP8 stream: packets become frames, and whatever a decoder or a viewer would mind is noticed.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use plenum_rtp::{RtpHeader, SequenceUnwrapper};

use super::body::{BodyError, check_body};

/// Packets that are kept while an earlier one is missing.
const MAX_WAITING: usize = 4096;

/// Errors that are kept with their particulars.
const MAX_ERRORS: usize = 32;

/// A frame that a decoder can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Number that its sender gave it.
    pub number: u32,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Picture id.
    pub picture_id: u16,
    /// Whether it needs no other frame.
    pub is_key: bool,
    /// When its last packet came.
    pub at: Instant,
}

/// What must not happen however bad the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A whole frame has not the contents that its sender gave it.
    Body(BodyError),
    /// Two different packets had one sequence number.
    ChangedPacket(u16),
    /// Within one frame, picture ids or timestamps differ, or a frame begins where it should go on.
    MixedFrame(u32),
    /// A packet or its descriptor cannot be read.
    Malformed,
    /// A delta frame does not follow the frame before it: its picture id is `found` in place of `expected`.
    PictureId {
        /// The one after the last.
        expected: u16,
        /// What came.
        found: u16,
    },
    /// Time went back, or stood still, between two frames.
    Timestamp {
        /// Of the frame before.
        before: u32,
        /// Of this one.
        found: u32,
    },
}

/// What has been received so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameStats {
    /// Decodable frames.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Packets, duplicates not counted.
    pub packets: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that were given up for a key frame behind them, missing ones included.
    pub skipped_packets: u64,
    /// Gaps between frames longer than the limit.
    pub stalls: u32,
    /// Time beyond the limit in all of them.
    pub stalled: Duration,
    /// Longest time between two frames.
    pub longest_gap: Duration,
    /// Everything in [`FrameAssembler::errors`], and more when there were many.
    pub errors: u64,
}

/// Puts frames together and checks them.
#[derive(Debug)]
pub struct FrameAssembler {
    stall_limit: Duration,
    unwrapper: SequenceUnwrapper,
    waiting: BTreeMap<u64, Packet>,
    /// Where the next frame begins; `None` until the first key frame.
    next: Option<u64>,
    /// Timestamp and picture id of the last frame, decodable or not.
    last: Option<(u32, u16)>,
    last_frame_at: Option<Instant>,
    frames: VecDeque<Frame>,
    stats: FrameStats,
    errors: Vec<FrameError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    timestamp: u32,
    marker: bool,
    picture_id: u16,
    is_first: bool,
    is_key: bool,
    payload: Vec<u8>,
}

impl FrameAssembler {
    /// A receiver to whom more than `stall_limit` between two frames is a stall.
    pub fn new(stall_limit: Duration) -> Self {
        Self {
            stall_limit,
            unwrapper: SequenceUnwrapper::new(),
            waiting: BTreeMap::new(),
            next: None,
            last: None,
            last_frame_at: None,
            frames: VecDeque::new(),
            stats: FrameStats::default(),
            errors: Vec::new(),
        }
    }

    /// Takes a plain RTP packet of the stream.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        let Some((sequence_number, parsed)) = Packet::parse(packet) else {
            self.error(FrameError::Malformed);
            return;
        };
        let sequence = self.unwrapper.extend(sequence_number);
        let is_past = self.next.is_some_and(|next| sequence < next);
        if let Some(known) = self.waiting.get(&sequence) {
            self.stats.duplicates += 1;
            if *known != parsed {
                self.error(FrameError::ChangedPacket(sequence_number));
            }
            return;
        }
        if is_past {
            self.stats.duplicates += 1;
            return;
        }
        self.stats.packets += 1;
        self.waiting.insert(sequence, parsed);
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
            self.stats.skipped_packets += 1;
        }
        while self.next_frame(now) || self.skip_to_key_frame() {}
    }

    /// The next decodable frame.
    pub fn poll_frame(&mut self) -> Option<Frame> {
        self.frames.pop_front()
    }

    /// What has been received so far; a gap that is still open counts up to `now`.
    pub fn stats(&self, now: Instant) -> FrameStats {
        let mut stats = self.stats;
        if let Some(at) = self.last_frame_at {
            count_gap(
                &mut stats,
                self.stall_limit,
                now.saturating_duration_since(at),
            );
        }
        stats
    }

    /// Whether packets are waiting for a missing one, or for the first key frame.
    pub fn is_stuck(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What should not have happened; a bounded number of them.
    pub fn errors(&self) -> &[FrameError] {
        &self.errors
    }

    /// Takes the frame that begins at `next`, if it is whole.
    fn next_frame(&mut self, now: Instant) -> bool {
        let Some(start) = self.next else { return false };
        let Some(end) = self.whole_frame(start) else {
            return false;
        };
        let rest = self.waiting.split_off(&(end + 1));
        let packets: Vec<Packet> = std::mem::replace(&mut self.waiting, rest)
            .into_values()
            .collect();
        self.next = Some(end + 1);
        self.deliver(now, &packets);
        true
    }

    /// Gives up what is missing when a whole key frame is there behind it.
    fn skip_to_key_frame(&mut self) -> bool {
        let key_frames = self
            .waiting
            .iter()
            .filter(|(_, packet)| packet.is_first && packet.is_key);
        let starts: Vec<u64> = key_frames.map(|(sequence, _)| *sequence).collect();
        let Some(start) = starts
            .into_iter()
            .find(|start| self.whole_frame(*start).is_some())
        else {
            return false;
        };
        if let Some(next) = self.next {
            self.stats.skipped_packets += start - next;
        }
        self.waiting = self.waiting.split_off(&start);
        self.next = Some(start);
        true
    }

    /// The last packet of the frame whose first packet is `start`, when none is missing.
    fn whole_frame(&self, start: u64) -> Option<u64> {
        let run = (start..).zip(self.waiting.range(start..));
        let mut consecutive = run.take_while(|(expected, (sequence, _))| expected == *sequence);
        consecutive
            .find(|(_, (_, packet))| packet.marker)
            .map(|(sequence, _)| sequence)
    }

    fn deliver(&mut self, now: Instant, packets: &[Packet]) {
        let Some((first, others)) = packets.split_first() else {
            return;
        };
        let is_one_frame = first.is_first
            && others.iter().all(|packet| {
                !packet.is_first
                    && (packet.timestamp, packet.picture_id) == (first.timestamp, first.picture_id)
            });
        if !is_one_frame {
            self.error(FrameError::MixedFrame(first.timestamp));
            return;
        }
        self.check_order(first);
        let bitstream: Vec<u8> = packets
            .iter()
            .flat_map(|packet| packet.payload.iter().copied())
            .collect();
        let body = bitstream
            .get(if first.is_key { 10 } else { 3 }..)
            .unwrap_or_default();
        let number = match check_body(body) {
            Ok(number) => number,
            Err(error) => {
                self.error(FrameError::Body(error));
                return;
            }
        };
        if let Some(at) = self.last_frame_at.replace(now) {
            count_gap(
                &mut self.stats,
                self.stall_limit,
                now.saturating_duration_since(at),
            );
        }
        self.stats.frames += 1;
        self.stats.key_frames += u64::from(first.is_key);
        let Packet {
            timestamp,
            picture_id,
            is_key,
            ..
        } = *first;
        self.frames.push_back(Frame {
            number,
            timestamp,
            picture_id,
            is_key,
            at: now,
        });
    }

    fn check_order(&mut self, first: &Packet) {
        let Some((before, picture_id)) = self.last.replace((first.timestamp, first.picture_id))
        else {
            return;
        };
        if first.timestamp.wrapping_sub(before).cast_signed() <= 0 {
            self.error(FrameError::Timestamp {
                before,
                found: first.timestamp,
            });
        }
        let expected = (picture_id + 1) & 0x7fff;
        if !first.is_key && first.picture_id != expected {
            self.error(FrameError::PictureId {
                expected,
                found: first.picture_id,
            });
        }
    }

    fn error(&mut self, error: FrameError) {
        self.stats.errors += 1;
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }
}

fn count_gap(stats: &mut FrameStats, limit: Duration, gap: Duration) {
    stats.longest_gap = stats.longest_gap.max(gap);
    if gap > limit {
        stats.stalls += 1;
        stats.stalled += gap.saturating_sub(limit);
    }
}

impl Packet {
    /// Reads header and VP8 descriptor (RFC 7741 §4.2).
    fn parse(packet: &[u8]) -> Option<(u16, Self)> {
        let header = RtpHeader::parse(packet).ok()?;
        let payload = packet.get(header.payload(packet).ok()?)?;
        let (&flags, mut rest) = payload.split_first()?;
        let mut picture_id = None;
        if flags & 0x80 != 0 {
            let (&extension, tail) = rest.split_first()?;
            rest = tail;
            if extension & 0x80 != 0 {
                let (id, tail) = if rest.first()? & 0x80 == 0 {
                    (u16::from(*rest.first()?), rest.get(1..)?)
                } else {
                    (
                        u16::from_be_bytes(*rest.first_chunk()?) & 0x7fff,
                        rest.get(2..)?,
                    )
                };
                picture_id = Some(id);
                rest = tail;
            }
            let others = usize::from(extension & 0x40 != 0) + usize::from(extension & 0x30 != 0);
            rest = rest.get(others..)?;
        }
        let is_first = flags & 0x17 == 0x10;
        let parsed = Self {
            timestamp: header.timestamp,
            marker: header.marker,
            picture_id: picture_id?,
            is_first,
            // RFC 6386 §9.1: the first bit of the frame tag is 0 on key frames.
            is_key: is_first && rest.first()? & 1 == 0,
            payload: rest.to_vec(),
        };
        Some((header.sequence_number, parsed))
    }
}
