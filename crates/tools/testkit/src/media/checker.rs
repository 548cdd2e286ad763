//! A receiver that proves or disproves what a forwarder of layers promises: no picture is broken, whatever was left out.
//!
//! Packets are put in order, frames and pictures together, and each picture is held against what a decoder and a jitter
//! buffer need: references that came before, numbers that go on, markers, timestamps, descriptors that are true. It
//! knows what was sent from the contents of the frames ([`FrameLabel`]).

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use plenum_codec::TemplateStructure;
use plenum_rtp::{RtpHeader, SequenceUnwrapper};

use super::{svc::FrameLabel, video::VideoFormat};

mod decoder;
mod numbering;
mod packet;
mod violation;

use decoder::Decoder;
use numbering::Numbering;
use packet::Packet;

pub use violation::Violation;

/// Packets that are kept while an earlier one is missing.
const MAX_WAITING: usize = 4096;

/// Violations that are kept with their particulars.
const MAX_VIOLATIONS: usize = 32;

/// A picture that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Sender of its frames.
    pub source: u16,
    /// Number that the sender gave it.
    pub number: u32,
    /// Highest spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// Whether it needs no other picture.
    pub is_key: bool,
    /// RTP timestamp.
    pub timestamp: u32,
    /// When its last packet came.
    pub at: Instant,
}

/// Checks one received stream.
#[derive(Debug)]
pub struct PictureChecker {
    format: VideoFormat,
    descriptor_id: Option<u8>,
    stall_limit: Duration,
    unwrapper: SequenceUnwrapper,
    waiting: BTreeMap<u64, Vec<u8>>,
    /// The packet that comes next.
    next: Option<u64>,
    /// Recent packets, to tell repetitions from changes.
    recent: VecDeque<(u64, Vec<u8>)>,
    structure: Option<TemplateStructure>,
    /// Packets of the picture that is not complete.
    open: Vec<Packet>,
    /// Timestamp of the last complete picture.
    ended: Option<u32>,
    decoder: Decoder,
    numbering: Numbering,
    last_picture_at: Option<Instant>,
    pictures: VecDeque<Picture>,
    picture_count: u64,
    stalls: Vec<Duration>,
    violations: Vec<Violation>,
    violation_count: u64,
    /// The sender of the last picture.
    source: Option<u16>,
    /// What was wrong with the last picture, which did not come to its end.
    cut: Vec<Violation>,
    /// What is wrong with the one that is being ended without its marker.
    cutting: Option<Vec<Violation>>,
    cuts: u32,
}

impl PictureChecker {
    /// A receiver of a codec to whom more than `stall_limit` between two pictures is a stall. `descriptor_id` is the id
    /// of the dependency descriptor if it was negotiated: then every packet must have one.
    pub fn new(format: VideoFormat, descriptor_id: Option<u8>, stall_limit: Duration) -> Self {
        Self {
            format,
            descriptor_id,
            stall_limit,
            unwrapper: SequenceUnwrapper::new(),
            waiting: BTreeMap::new(),
            next: None,
            recent: VecDeque::new(),
            structure: None,
            open: Vec::new(),
            ended: None,
            decoder: Decoder::default(),
            numbering: Numbering::default(),
            last_picture_at: None,
            pictures: VecDeque::new(),
            picture_count: 0,
            stalls: Vec::new(),
            violations: Vec::new(),
            violation_count: 0,
            source: None,
            cut: Vec::new(),
            cutting: None,
            cuts: 0,
        }
    }

    /// Takes a plain RTP packet of the stream, in whatever order they come.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        let Ok(header) = RtpHeader::parse(packet) else {
            self.report(Violation::Malformed("RTP header"));
            return;
        };
        let sequence = self.unwrapper.extend(header.sequence_number);
        let next = *self.next.get_or_insert(sequence);
        if sequence < next || self.waiting.contains_key(&sequence) {
            self.check_repetition(sequence, packet);
            return;
        }
        self.waiting.insert(sequence, packet.to_vec());
        if self.waiting.len() > MAX_WAITING {
            // What is missing will not come any more.
            self.next = self.waiting.keys().next().copied();
        }
        while let Some(packet) = self.next.and_then(|next| self.waiting.remove(&next)) {
            self.take_in_order(now, &packet);
            let sequence = self.next.unwrap_or_default();
            self.next = Some(sequence + 1);
            if self.recent.len() == MAX_WAITING {
                self.recent.pop_front();
            }
            self.recent.push_back((sequence, packet));
        }
    }

    /// The next picture that was shown.
    pub fn poll_picture(&mut self) -> Option<Picture> {
        self.pictures.pop_front()
    }

    /// Pictures shown so far.
    pub const fn picture_count(&self) -> u64 {
        self.picture_count
    }

    /// Whether packets are waiting for a missing one.
    pub fn is_stuck(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Gaps between pictures longer than the limit.
    pub fn stalls(&self) -> &[Duration] {
        &self.stalls
    }

    /// What should not have happened; a bounded number of them.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Everything in [`Self::violations`], and more when there were many.
    pub const fn violation_count(&self) -> u64 {
        self.violation_count
    }

    /// Pictures that did not come to their end because another sender's key picture took their place. Whoever forwards
    /// cannot wait for packets that are lost on their way to it.
    pub const fn cuts(&self) -> u32 {
        self.cuts
    }

    /// The stream was paused on purpose: the gap that ends with the next picture does not count.
    pub fn forgive_gap(&mut self) {
        self.last_picture_at = None;
        self.numbering.forgive_gap();
    }

    fn check_repetition(&mut self, sequence: u64, packet: &[u8]) {
        let waiting = self.waiting.get(&sequence);
        let recent = self.recent.iter().find(|(number, _)| *number == sequence);
        let known = waiting.or_else(|| recent.map(|(_, packet)| packet));
        let payload = |packet: &[u8]| {
            let range = RtpHeader::parse(packet).ok()?.payload(packet).ok()?;
            packet.get(range).map(<[u8]>::to_vec)
        };
        // Extensions with the time of sending differ in a repetition.
        if known.is_some_and(|known| payload(known) != payload(packet)) {
            self.report(Violation::ChangedPacket(sequence as u16));
        }
    }

    fn take_in_order(&mut self, now: Instant, packet: &[u8]) {
        let structure = &mut self.structure;
        match Packet::parse(packet, self.format, self.descriptor_id, structure) {
            Ok(Some(packet)) => self.take(now, packet),
            Ok(None) => self.numbering.handle_left_out(),
            Err(what) => self.report(Violation::Malformed(what)),
        }
    }

    fn take(&mut self, now: Instant, packet: Packet) {
        let timestamp = packet.timestamp;
        if self.ended == Some(timestamp) {
            self.report(Violation::Marker { timestamp });
        }
        if let Some(before) = self.open.first().map(|open| open.timestamp)
            && before != timestamp
        {
            // Whether that was right is known with the next picture.
            self.cutting = Some(Vec::new());
            self.report(Violation::Marker { timestamp: before });
            self.end_picture(now);
            self.cut = self.cutting.take().unwrap_or_default();
        }
        let ends_picture = packet.marker;
        self.open.push(packet);
        if ends_picture {
            self.end_picture(now);
        }
    }

    fn end_picture(&mut self, now: Instant) {
        let packets = std::mem::take(&mut self.open);
        let Some(timestamp) = packets.first().map(|packet| packet.timestamp) else {
            return;
        };
        self.ended = Some(timestamp);
        let picture_id = packets.first().and_then(|packet| packet.picture_id);
        if packets.iter().any(|packet| packet.picture_id != picture_id) {
            self.report(Violation::MixedPicture { timestamp });
        }
        let mut frames = Vec::new();
        for frame in cut_frames(packets) {
            match frame.and_then(read_frame) {
                Ok(frame) => frames.push(frame),
                Err(violation) => self.report(violation),
            }
        }
        self.check_picture(now, timestamp, &frames);
    }

    fn check_picture(&mut self, now: Instant, timestamp: u32, frames: &[(Packet, FrameLabel)]) {
        let (Some((_, first)), Some((_, top))) = (frames.first(), frames.last()) else {
            return;
        };
        let is_taken_over = self.source.replace(first.source) != Some(first.source);
        let cut = std::mem::take(&mut self.cut);
        if is_taken_over && first.references.is_empty() && !cut.is_empty() {
            self.cuts += 1;
            self.numbering.handle_left_out();
        } else {
            for violation in cut {
                self.record(violation);
            }
        }
        let picture_of = |label: &FrameLabel| (label.source, label.picture, label.temporal);
        if frames
            .iter()
            .any(|(_, label)| picture_of(label) != picture_of(first))
        {
            self.report(Violation::MixedPicture { timestamp });
        }
        if !frames.is_sorted_by(|(_, lower), (_, upper)| lower.spatial < upper.spatial) {
            self.report(Violation::SpatialOrder { timestamp });
        }
        let mut violations = Vec::new();
        let mut report = |violation| violations.push(violation);
        self.decoder.decode(frames, &mut report);
        self.numbering.check(self.format, now, frames, &mut report);
        for violation in violations {
            self.report(violation);
        }
        if let Some(at) = self.last_picture_at.replace(now) {
            let gap = now.saturating_duration_since(at);
            if gap > self.stall_limit {
                self.stalls.push(gap);
            }
        }
        self.picture_count += 1;
        if self.pictures.len() == MAX_WAITING {
            self.pictures.pop_front();
        }
        self.pictures.push_back(Picture {
            source: top.source,
            number: top.picture,
            spatial: top.spatial,
            temporal: top.temporal,
            is_key: first.references.is_empty(),
            timestamp,
            at: now,
        });
    }

    fn report(&mut self, violation: Violation) {
        match &mut self.cutting {
            Some(cutting) => cutting.push(violation),
            None => self.record(violation),
        }
    }

    fn record(&mut self, violation: Violation) {
        self.violation_count += 1;
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(violation);
        }
    }
}

/// Packets of a picture by frame.
fn cut_frames(packets: Vec<Packet>) -> Vec<Result<Vec<Packet>, Violation>> {
    let mut frames = Vec::new();
    let mut open: Vec<Packet> = Vec::new();
    let count = packets.len();
    for (index, packet) in packets.into_iter().enumerate() {
        let half = Violation::HalfFrame {
            timestamp: packet.timestamp,
        };
        let starts = packet.starts_frame.unwrap_or(index == 0);
        let ends = packet.ends_frame.unwrap_or(index + 1 == count);
        if starts == open.is_empty() {
            open.push(packet);
        } else {
            frames.push(Err(half));
            open.clear();
            if starts {
                open.push(packet);
            }
        }
        if ends && !open.is_empty() {
            frames.push(Ok(std::mem::take(&mut open)));
        }
    }
    if let Some(packet) = open.first() {
        frames.push(Err(Violation::HalfFrame {
            timestamp: packet.timestamp,
        }));
    }
    frames
}

/// The label of a whole frame, and what its packets tell, gathered in the first.
fn read_frame(packets: Vec<Packet>) -> Result<(Packet, FrameLabel), Violation> {
    let mut packets = packets.into_iter();
    let Some(mut first) = packets.next() else {
        return Err(Violation::Malformed("a frame without packets"));
    };
    for packet in packets {
        first.bitstream.extend(&packet.bitstream);
        first.temporal = first.temporal.or(packet.temporal);
        if let (Some(described), Some(other)) = (&first.described, &packet.described)
            && (described.frame_number, described.frame) != (other.frame_number, other.frame)
        {
            return Err(Violation::MixedPicture {
                timestamp: first.timestamp,
            });
        }
    }
    let body = first.bitstream.get(first.head_len..).unwrap_or_default();
    let label = FrameLabel::from_body(body).map_err(|_| Violation::Contents {
        timestamp: first.timestamp,
    })?;
    Ok((first, label))
}

#[cfg(test)]
mod tests;
