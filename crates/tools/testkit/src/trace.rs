//! Packet traces: sizes and times of the packets of a real sender.

use std::{fs, io, path::Path, time::Duration};

/// One packet of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracePacket {
    /// When it left, from the first packet on.
    pub at: Duration,
    /// RTP timestamp, from the first packet on.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// Bytes on the wire, protected with `AES_CM_128_HMAC_SHA1_80`.
    pub srtp_len: u16,
}

/// Packets in the order in which they left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// All packets.
    pub packets: Vec<TracePacket>,
}

/// Why a trace cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum TraceError {
    /// A line is not `time_us,rtp_timestamp,marker,srtp_bytes`; counted from 1.
    Line(usize),
    /// The file cannot be read.
    Read(io::Error),
}

impl Trace {
    /// VP8 at 350 kb/s: what one of many thumbnails of a meeting sends. 12 s.
    pub fn vp8_350k() -> Self {
        Self::parse(include_str!("../traces/vp8-350k.csv")).expect("checked by a test")
    }

    /// VP8 at 2.5 Mb/s: what the picture of a speaker is. 12 s.
    pub fn vp8_2500k() -> Self {
        Self::parse(include_str!("../traces/vp8-2500k.csv")).expect("checked by a test")
    }

    /// H.264 at 2.5 Mb/s. 12 s.
    pub fn h264_2500k() -> Self {
        Self::parse(include_str!("../traces/h264-2500k.csv")).expect("checked by a test")
    }

    /// Opus of a voice. 12 s.
    pub fn opus() -> Self {
        Self::parse(include_str!("../traces/opus.csv")).expect("checked by a test")
    }

    /// Reads a CSV file.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        Self::parse(&fs::read_to_string(path).map_err(TraceError::Read)?)
    }

    /// Reads the text of a CSV file: a head line, then `time_us,rtp_timestamp,marker,srtp_bytes`.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let rows = text
            .lines()
            .enumerate()
            .skip(1)
            .filter(|(_, line)| !line.trim().is_empty());
        let packets = rows.map(|(index, line)| parse_line(line).ok_or(TraceError::Line(index + 1)));
        Ok(Self {
            packets: packets.collect::<Result<_, _>>()?,
        })
    }

    /// Packets of one frame each: neighbours with one timestamp.
    pub fn frames(&self) -> impl Iterator<Item = &[TracePacket]> {
        self.packets.chunk_by(|a, b| a.timestamp == b.timestamp)
    }

    /// Time from the first packet to the last.
    pub fn duration(&self) -> Duration {
        self.packets
            .last()
            .map_or(Duration::ZERO, |packet| packet.at)
    }
}

impl TracePacket {
    /// Authentication tag of the profile that the trace was taken with.
    const TAG_LEN: u16 = 10;

    /// Length of the plain RTP packet.
    pub const fn rtp_len(&self) -> usize {
        self.srtp_len.saturating_sub(Self::TAG_LEN) as usize
    }
}

impl std::fmt::Display for TraceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line} of the trace is malformed"),
            Self::Read(_) => f.write_str("the trace cannot be read"),
        }
    }
}

impl std::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Line(_) => None,
            Self::Read(error) => Some(error),
        }
    }
}

fn parse_line(line: &str) -> Option<TracePacket> {
    let mut fields = line.trim().split(',');
    let packet = TracePacket {
        at: Duration::from_micros(fields.next()?.parse().ok()?),
        timestamp: fields.next()?.parse().ok()?,
        marker: fields.next()?.parse::<u8>().ok()? != 0,
        srtp_len: fields.next()?.parse().ok()?,
    };
    fields.next().is_none().then_some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_traces_of_this_crate_are_well_formed() {
        for (trace, packets_per_ten_frames) in [
            (Trace::vp8_350k(), 15..22),
            (Trace::vp8_2500k(), 70..100),
            (Trace::h264_2500k(), 70..100),
            (Trace::opus(), 10..11),
        ] {
            assert!(trace.packets.len() > 500);
            assert!(trace.packets.is_sorted_by_key(|packet| packet.at));
            assert!(trace.duration() > Duration::from_secs(10));
            let frames = trace.frames().count();
            assert!(packets_per_ten_frames.contains(&(trace.packets.len() * 10 / frames)));
            assert!(trace.packets.iter().all(|packet| packet.rtp_len() > 20));
        }
    }

    #[test]
    fn malformed_lines_are_named() {
        let parse = |line: &str| Trace::parse(&format!("head\n1,2,1,700\n{line}\n"));
        assert!(matches!(parse("1,2,0"), Err(TraceError::Line(3))));
        assert!(matches!(parse("1,2,0,70000"), Err(TraceError::Line(3))));
        assert!(matches!(parse("1,2,0,700,1"), Err(TraceError::Line(3))));
        assert!(matches!(
            Trace::read(Path::new("/does/not/exist.csv")),
            Err(TraceError::Read(_))
        ));
        let packet = TracePacket {
            at: Duration::from_micros(1),
            timestamp: 2,
            marker: true,
            srtp_len: 700,
        };
        assert_eq!(parse("").expect("well-formed").packets, [packet]);
    }
}
