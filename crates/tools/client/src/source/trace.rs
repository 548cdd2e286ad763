//! Packets of the sizes and at the times at which a real sender's left.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use super::{
    Outlet, Packet, Source,
    payload::{Descriptors, MAX_HEAD},
    stamp::{STAMP_LEN, stamp},
};
use crate::Codec;

/// What a trace's packets had before their payload: fixed header, one-byte extensions as browsers send them, and the tag of
/// the profile that they were protected with.
const OVERHEAD: usize = 12 + 20 + 10;

/// Longest payload that is made of a line.
const MAX_PAYLOAD: usize = 1200;

/// The packets of a sender: a head line, then `time_us,rtp_timestamp,marker,srtp_bytes` for each, in the order in which they
/// left. Times and timestamps count from the first packet on; the timestamp in ticks of the codec's clock. Copies share them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    packets: Arc<[Line]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    at: Duration,
    timestamp: u32,
    marker: bool,
    len: u16,
}

/// Why a trace cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// It has no packets.
    #[error("the trace is empty")]
    Empty,
    /// A line is not `time_us,rtp_timestamp,marker,srtp_bytes`, or earlier than the one before; counted from 1.
    #[error("line {0} of the trace is malformed")]
    Line(usize),
    /// The file cannot be read.
    #[error("the trace cannot be read")]
    Read(#[source] io::Error),
}

impl Trace {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no trace.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        Self::parse(&fs::read_to_string(path).map_err(TraceError::Read)?)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is no trace.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut packets: Vec<Line> = Vec::new();
        for (index, line) in text.lines().enumerate().skip(1) {
            if line.trim().is_empty() {
                continue;
            }
            let parsed = parse_line(line)
                .filter(|line| packets.last().is_none_or(|before| before.at <= line.at));
            packets.push(parsed.ok_or(TraceError::Line(index + 1))?);
        }
        if packets.is_empty() {
            return Err(TraceError::Empty);
        }
        Ok(Self {
            packets: packets.into(),
        })
    }

    /// Bits a second on the wire, from the first packet to the last.
    pub fn bitrate(&self) -> u32 {
        let bits: u128 = self
            .packets
            .iter()
            .map(|line| u128::from(line.len) * 8)
            .sum();
        let bitrate = bits * 1_000_000 / self.duration().as_micros().max(1);
        u32::try_from(bitrate).unwrap_or(u32::MAX)
    }

    /// From the first packet to the last.
    pub fn duration(&self) -> Duration {
        self.packets.last().map_or(Duration::ZERO, |last| last.at)
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let mut fields = line.trim().split(',');
    let parsed = Line {
        at: Duration::from_micros(fields.next()?.parse().ok()?),
        timestamp: fields.next()?.parse().ok()?,
        marker: fields.next()?.parse::<u8>().ok()? != 0,
        len: fields.next()?.parse().ok()?,
    };
    fields.next().is_none().then_some(parsed)
}

/// Sends a trace again and again. Its first frame counts as a key frame, and whatever frame follows a request for one: a
/// receiver sees the sizes of the trace and no more.
#[derive(Debug)]
pub struct TraceSource {
    codec: Codec,
    trace: Trace,
    /// From the first packet to the first packet of the next round.
    length: Duration,
    next: usize,
    /// Media time of the trace's first packet in this round, so much earlier than it would be if it had begun there.
    round: Duration,
    skipped: Duration,
    frame: Option<(u32, super::payload::FrameInfo)>,
    descriptors: Descriptors,
    noise: Box<[u8]>,
}

impl TraceSource {
    /// A sender of this codec whose packets are those of the trace.
    pub fn new(codec: Codec, trace: Trace) -> Self {
        // The next round begins a frame behind the last packet: at 30 pictures a second, or 50 packets of sound.
        let frame = Duration::from_millis(if codec == Codec::Opus { 20 } else { 33 });
        Self {
            codec,
            length: trace.duration() + frame,
            trace,
            next: 0,
            round: Duration::ZERO,
            skipped: Duration::ZERO,
            frame: None,
            descriptors: Descriptors::new(codec),
            noise: (0..MAX_PAYLOAD).map(|index| (index * 7) as u8).collect(),
        }
    }
}

impl TraceSource {
    /// Begins with the first frame behind this share of the trace: many senders of one trace are not to be in step.
    #[must_use]
    pub fn starting_at(mut self, share: f64) -> Self {
        let from = self.trace.duration().mul_f64(share.clamp(0.0, 1.0));
        let lines = &self.trace.packets;
        let starts = lines.iter().zip(lines.iter().skip(1)).enumerate();
        let mut starts = starts.filter(|(_, (before, line))| before.timestamp != line.timestamp);
        let found = starts.find(|(_, (_, line))| line.at >= from);
        if let Some((index, (_, line))) = found.filter(|_| !from.is_zero()) {
            self.next = index + 1;
            self.skipped = line.at;
        }
        self
    }

    /// Where a time of the trace is in the stream.
    fn time(&self, of_trace: Duration) -> Duration {
        (self.round + of_trace).saturating_sub(self.skipped)
    }
}

impl Source for TraceSource {
    fn due(&self) -> Option<Duration> {
        let line = self.trace.packets.get(self.next)?;
        Some(self.time(line.at))
    }

    fn write(&mut self, out: &mut Outlet<'_>) {
        let packets = &self.trace.packets;
        let Some(line) = packets.get(self.next).copied() else {
            return;
        };
        let before = self
            .frame
            .filter(|(timestamp, _)| *timestamp == line.timestamp);
        let is_first = before.is_none();
        let (_, info) = before.unwrap_or_else(|| {
            let is_key = self.frame.is_none() || out.wants_key_frame(0);
            (line.timestamp, self.descriptors.next_frame(is_key))
        });
        self.frame = Some((line.timestamp, info));
        let ticks = Duration::from_secs(line.timestamp.into()) / self.codec.clock_rate();
        let packet = Packet {
            time: self.time(ticks),
            is_key: info.is_key,
            ..Packet::default()
        };
        // Encoders of H.264 send these with every key frame, which none is without them.
        if let Some(sets) = info.parameter_sets().filter(|_| is_first) {
            out.packet(&Packet {
                payload: [sets, &[]],
                ..packet
            });
        }
        let mut head = [0; MAX_HEAD];
        let head_len = if self.codec == Codec::Opus {
            head[0] = 0xfc;
            1
        } else {
            info.head(is_first, line.marker, &mut head)
        };
        let mut body = [0; MAX_PAYLOAD];
        let len = usize::from(line.len).saturating_sub(OVERHEAD + head_len);
        let len = len.clamp(STAMP_LEN, MAX_PAYLOAD);
        let (front, _) = body.split_at_mut(len);
        let (noise, end) = front.split_at_mut(len - STAMP_LEN);
        noise.copy_from_slice(self.noise.get(..noise.len()).unwrap_or_default());
        end.copy_from_slice(&stamp(out.now()));
        out.packet(&Packet {
            marker: line.marker,
            payload: [head.get(..head_len).unwrap_or_default(), front],
            ..packet
        });
        self.next += 1;
        if self.next == packets.len() {
            self.next = 0;
            self.round += self.length;
            self.frame = None;
        }
    }
}
