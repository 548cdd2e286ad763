//! A file that is sent again and again.

use std::{fs, path::Path, time::Duration};

use super::{
    Outlet, Packet, Source,
    payload::{Descriptors, FrameInfo, MAX_HEAD},
};
use crate::{
    ClientError, Codec,
    file::{FileError, annex_b, ivf::Ivf, ogg},
};

/// Payload of a packet without its descriptor.
const MAX_PIECE: usize = 1140;

/// Pictures a second of a byte stream, which does not say how many it has.
const BYTE_STREAM_RATE: u32 = 30;

/// Media out of a file, which begins anew at its end. A key frame that is asked for comes when the file has one: choose files
/// that have one every second or two.
#[derive(Debug)]
pub struct FileSource {
    codec: Codec,
    /// Units of each frame with the time at which it is shown. H.264 has several units to a frame, AV1 one for each OBU.
    frames: Vec<(Duration, Vec<Vec<u8>>)>,
    /// From the first frame to the same frame of the next round.
    length: Duration,
    next: usize,
    rounds: u32,
    descriptors: Descriptors,
}

impl FileSource {
    /// Reads a file: IVF (VP8, VP9, AV1), Ogg with Opus, or H.264 as a byte stream (`.h264`, `.264`).
    ///
    /// # Errors
    /// When the file cannot be read, or is of another kind.
    pub fn open(path: &Path) -> Result<Self, ClientError> {
        let bytes = fs::read(path).map_err(|source| ClientError::Io {
            what: "reading the file",
            source,
        })?;
        Self::parse(&bytes).map_err(ClientError::File)
    }

    /// The same for bytes in memory.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let (codec, frames) = if bytes.starts_with(b"DKIF") {
            let ivf = Ivf::parse(bytes)?;
            let frames = ivf.frames.into_iter();
            let is_av1 = ivf.codec == Codec::Av1;
            let units = |frame: Vec<u8>| if is_av1 { obus(&frame) } else { vec![frame] };
            let frames = frames.map(|(time, frame)| (time, units(frame)));
            (ivf.codec, frames.collect())
        } else if bytes.starts_with(b"OggS") {
            let packets = ogg::parse_opus(bytes)?.into_iter();
            let frames = packets.map(|(time, packet)| (time, vec![packet]));
            (Codec::Opus, frames.collect())
        } else if bytes.starts_with(&[0, 0, 1]) || bytes.starts_with(&[0, 0, 0, 1]) {
            let pictures = annex_b::access_units(bytes).into_iter().enumerate();
            let time = |index| Duration::from_secs(1) * (index as u32) / BYTE_STREAM_RATE;
            let frames = pictures.map(|(index, units)| (time(index), units));
            (Codec::H264, frames.collect())
        } else {
            return Err(FileError::Kind("IVF, Ogg or H.264 file"));
        };
        Self::new(codec, frames)
    }

    fn new(codec: Codec, frames: Vec<(Duration, Vec<Vec<u8>>)>) -> Result<Self, FileError> {
        let (first, last) = match (frames.first(), frames.last()) {
            (Some((first, _)), Some((last, _))) => (*first, *last),
            _ => return Err(FileError::Empty),
        };
        let length = last.saturating_sub(first);
        // The last frame is shown as long as the others are on average.
        let between = u32::try_from(frames.len() - 1).unwrap_or(u32::MAX).max(1);
        let last = (length / between).max(Duration::from_millis(1));
        Ok(Self {
            codec,
            frames,
            length: length + last,
            next: 0,
            rounds: 0,
            descriptors: Descriptors::new(codec),
        })
    }

    /// What the file holds.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    fn time(&self) -> Option<Duration> {
        let (first, _) = self.frames.first()?;
        let (time, _) = self.frames.get(self.next)?;
        Some(self.length * self.rounds + time.saturating_sub(*first))
    }
}

impl Source for FileSource {
    fn due(&self) -> Option<Duration> {
        self.time()
    }

    fn write(&mut self, out: &mut Outlet<'_>) {
        let (Some(time), Some((_, units))) = (self.time(), self.frames.get(self.next)) else {
            return;
        };
        let is_key = is_key(self.codec, units);
        let info = self.descriptors.next_frame(is_key);
        let packet = Packet {
            time,
            is_key,
            ..Packet::default()
        };
        for (index, unit) in units.iter().enumerate() {
            let is_last = index + 1 == units.len();
            match self.codec {
                Codec::H264 => write_nal(out, &packet, unit, is_last),
                Codec::Opus => out.packet(&Packet {
                    payload: [unit, &[]],
                    ..packet
                }),
                _ => write_pieces(out, &packet, info, unit, is_last),
            }
        }
        self.next += 1;
        if self.next == self.frames.len() {
            self.next = 0;
            self.rounds += 1;
        }
    }
}

/// A unit in pieces, each with the codec's descriptor.
fn write_pieces(
    out: &mut Outlet<'_>,
    packet: &Packet<'_>,
    info: FrameInfo,
    unit: &[u8],
    is_last_unit: bool,
) {
    let count = unit.len().div_ceil(MAX_PIECE);
    for (index, piece) in unit.chunks(MAX_PIECE).enumerate() {
        let is_last = index + 1 == count;
        let mut head = [0; MAX_HEAD];
        let len = info.plain_descriptor(index == 0, is_last, &mut head);
        out.packet(&Packet {
            marker: is_last && is_last_unit,
            payload: [head.get(..len).unwrap_or_default(), piece],
            ..*packet
        });
    }
}

/// Type of a fragment of a unit (RFC 6184 table 1).
const FU_A: u8 = 28;

/// RFC 6184: a unit by itself, or in fragments (FU-A).
fn write_nal(out: &mut Outlet<'_>, packet: &Packet<'_>, unit: &[u8], is_last_unit: bool) {
    let Some((head, body)) = unit.split_first() else {
        return;
    };
    if unit.len() <= MAX_PIECE {
        out.packet(&Packet {
            marker: is_last_unit,
            payload: [unit, &[]],
            ..*packet
        });
        return;
    }
    let count = body.len().div_ceil(MAX_PIECE);
    for (index, piece) in body.chunks(MAX_PIECE).enumerate() {
        let is_last = index + 1 == count;
        let ends = u8::from(index == 0) << 7 | u8::from(is_last) << 6;
        let fragment = [head & 0xe0 | FU_A, ends | head & 0x1f];
        out.packet(&Packet {
            marker: is_last && is_last_unit,
            payload: [&fragment, piece],
            ..*packet
        });
    }
}

/// Whether a decoder can begin with a frame of these units.
fn is_key(codec: Codec, units: &[Vec<u8>]) -> bool {
    let first = |unit: &Vec<u8>| unit.first().copied().unwrap_or_default();
    match codec {
        // A sequence header.
        Codec::Av1 => units.iter().any(|unit| first(unit) >> 3 & 0xf == 1),
        Codec::H264 => units.iter().any(|unit| first(unit) & 0x1f == 5),
        Codec::Opus => false,
        // RFC 6386 §9.1; VP9 §6.2: neither an existing frame nor one that refers to others.
        Codec::Vp8 => units.first().is_some_and(|unit| first(unit) & 1 == 0),
        Codec::Vp9 => units.first().is_some_and(|unit| first(unit) & 0x0c == 0),
    }
}

/// The OBUs of a temporal unit as RTP wants them: without size fields, delimiters and padding (AV1 RTP payload §5).
fn obus(mut unit: &[u8]) -> Vec<Vec<u8>> {
    let mut obus = Vec::new();
    while let Some((&head, rest)) = unit.split_first() {
        let (has_extension, has_size) = (head & 4 != 0, head & 2 != 0);
        let Some((extension, rest)) = rest.split_at_checked(usize::from(has_extension)) else {
            break;
        };
        let (len, rest) = if has_size {
            let Some(sized) = leb128(rest) else { break };
            sized
        } else {
            (rest.len(), rest)
        };
        let Some((body, rest)) = rest.split_at_checked(len) else {
            break;
        };
        // Temporal delimiters, tile lists and padding do not travel.
        if !matches!(head >> 3 & 0xf, 2 | 8 | 15) {
            obus.push([&[head & !2][..], extension, body].concat());
        }
        unit = rest;
    }
    obus
}

/// AV1 §4.10.5: at most eight bytes of seven bits.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}
