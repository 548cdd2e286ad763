//! A file in memory, cut into frames, for any number of senders at once.

use std::{fs, path::Path, sync::Arc, time::Duration};

use crate::{
    ClientError, Codec,
    file::{FileError, annex_b, ivf::Ivf, ogg},
};

/// Pictures a second of a byte stream, which does not say how many it has.
const BYTE_STREAM_RATE: u32 = 30;

/// The frames of a file. Copies share them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Clip {
    codec: Codec,
    frames: Arc<[ClipFrame]>,
    /// From the first frame to the same frame of the next round.
    length: Duration,
    spatial_layers: u8,
}

/// What is shown at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClipFrame {
    /// Counted from the first frame on.
    pub(super) time: Duration,
    /// H.264 has several units to a frame, AV1 one for each OBU, VP9 with spatial layers one for each of them.
    pub(super) units: Vec<Vec<u8>>,
    pub(super) is_key: bool,
}

impl Clip {
    /// Reads a file: IVF (VP8, VP9, AV1), Ogg with Opus, or H.264 as a byte stream (`.h264`, `.264`).
    ///
    /// In an IVF file of VP9, frames of the same time are spatial layers of one picture, lowest first.
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
    ///
    /// # Errors
    /// When they are of another kind, or hold nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.starts_with(b"DKIF") {
            let ivf = Ivf::parse(bytes)?;
            let frames = match ivf.codec {
                Codec::Av1 => each(ivf.frames, |frame| obus(&frame)),
                Codec::Vp9 => with_layers(ivf.frames),
                _ => each(ivf.frames, |frame| vec![frame]),
            };
            Self::new(ivf.codec, frames)
        } else if bytes.starts_with(b"OggS") {
            let packets = ogg::parse_opus(bytes)?;
            Self::new(Codec::Opus, each(packets, |packet| vec![packet]))
        } else if bytes.starts_with(&[0, 0, 1]) || bytes.starts_with(&[0, 0, 0, 1]) {
            let pictures = annex_b::access_units(bytes).into_iter().enumerate();
            let time = |index| Duration::from_secs(1) * (index as u32) / BYTE_STREAM_RATE;
            let frames = pictures.map(|(index, units)| (time(index), units));
            Self::new(Codec::H264, frames.collect())
        } else {
            Err(FileError::Kind("IVF, Ogg or H.264 file"))
        }
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
        let layers = frames.iter().map(|(_, units)| units.len()).max();
        let layers = layers.filter(|_| codec == Codec::Vp9).unwrap_or(1);
        let frames = frames.into_iter().map(|(time, units)| ClipFrame {
            time: time.saturating_sub(first),
            is_key: is_key(codec, &units),
            units,
        });
        Ok(Self {
            codec,
            frames: frames.collect(),
            length: length + last,
            spatial_layers: u8::try_from(layers).unwrap_or(u8::MAX).max(1),
        })
    }

    /// What it holds.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// How long one round takes.
    pub const fn duration(&self) -> Duration {
        self.length
    }

    /// Spatial layers of each picture; 1 where there are none.
    pub const fn spatial_layers(&self) -> u8 {
        self.spatial_layers
    }

    /// Bits a second, without what packets add.
    pub fn bitrate(&self) -> u32 {
        let units = self.frames.iter().flat_map(|frame| &frame.units);
        let bits: u128 = units.map(|unit| unit.len() as u128 * 8).sum();
        let bitrate = bits * 1_000_000 / self.length.as_micros().max(1);
        u32::try_from(bitrate).unwrap_or(u32::MAX)
    }

    pub(super) fn frames(&self) -> &[ClipFrame] {
        &self.frames
    }
}

type Timed<T> = Vec<(Duration, T)>;

fn each(frames: Timed<Vec<u8>>, units: impl Fn(Vec<u8>) -> Vec<Vec<u8>>) -> Timed<Vec<Vec<u8>>> {
    let frames = frames.into_iter();
    frames.map(|(time, frame)| (time, units(frame))).collect()
}

/// As many as descriptors can tell (RFC 9628 §4.2: `SID` has three bits).
const MAX_SPATIAL_LAYERS: usize = 8;

fn with_layers(frames: Timed<Vec<u8>>) -> Timed<Vec<Vec<u8>>> {
    let mut pictures: Timed<Vec<Vec<u8>>> = Vec::new();
    for (time, frame) in frames {
        match pictures.last_mut() {
            Some((at, layers)) if *at == time && layers.len() < MAX_SPATIAL_LAYERS => {
                layers.push(frame);
            }
            _ => pictures.push((time, vec![frame])),
        }
    }
    pictures
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
