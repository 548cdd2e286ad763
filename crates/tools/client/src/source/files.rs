//! A file that is sent again and again.

use std::{path::Path, time::Duration};

use super::{
    Clip, Outlet, Packet, Source,
    clip::ClipFrame,
    layers::{Layers, ScalabilityMode},
    payload::{Descriptors, FrameInfo, MAX_HEAD},
    stamp::capture_time,
};
use crate::{ClientError, Codec, file::FileError};

/// Payload of a packet without its descriptor.
const MAX_PIECE: usize = 1140;

/// Media out of a file, which begins anew at its end. A key frame that is asked for comes when the file has one: choose files
/// that have one every second or two, or have it go on from there at once ([`Self::key_frames_on_demand`]).
#[derive(Debug)]
pub struct FileSource {
    clip: Clip,
    next: usize,
    /// Its media time.
    at: Duration,
    descriptors: Descriptors,
    layers: Option<Layers>,
    /// A packet of AV1 that is being written.
    open: Vec<u8>,
    on_demand: bool,
}

impl FileSource {
    /// Reads a file: see [`Clip::open`].
    ///
    /// # Errors
    /// When the file cannot be read, or is of another kind.
    pub fn open(path: &Path) -> Result<Self, ClientError> {
        Clip::open(path).map(Self::new)
    }

    /// The same for bytes in memory.
    ///
    /// # Errors
    /// When they are of another kind, or hold nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        Clip::parse(bytes).map(Self::new)
    }

    /// Sends what has been read, which other senders may share. Spatial layers are told of as `L2T1` or `L3T1`, unless
    /// [`Self::layers`] says more.
    pub fn new(clip: Clip) -> Self {
        let mode = ScalabilityMode::new(clip.spatial_layers(), 1);
        Self {
            descriptors: Descriptors::new(clip.codec()),
            layers: mode.map(Layers::new),
            open: Vec::new(),
            next: 0,
            at: Duration::ZERO,
            on_demand: false,
            clip,
        }
    }

    /// Which layers the file's pictures have: temporal ones in the order in which browsers make them, from each key frame on.
    /// Only descriptors of VP9 can tell; of other codecs it changes nothing.
    #[must_use]
    pub fn layers(mut self, mode: ScalabilityMode) -> Self {
        self.layers = (self.clip.codec() == Codec::Vp9).then(|| Layers::new(mode));
        self
    }

    /// When a key frame is asked for, goes on at the file's next one, at once: what comes before it is left out, as if the
    /// camera had been moved. Times go on as they did.
    #[must_use]
    pub const fn key_frames_on_demand(mut self) -> Self {
        self.on_demand = true;
        self
    }

    /// What the file holds.
    pub const fn codec(&self) -> Codec {
        self.clip.codec()
    }

    fn frame(&self) -> Option<&ClipFrame> {
        self.clip.frames().get(self.next)
    }

    /// To the next key frame, which takes the place of the frame that is due.
    fn seek(&mut self) {
        let frames = self.clip.frames();
        let mut order = (self.next..frames.len()).chain(0..self.next);
        let key = order.find(|index| frames.get(*index).is_some_and(|frame| frame.is_key));
        self.next = key.unwrap_or(self.next);
    }

    fn step(&mut self) {
        let time = |index: usize| self.clip.frames().get(index).map(|frame| frame.time);
        let this = time(self.next).unwrap_or_default();
        let (next, at) = match time(self.next + 1) {
            Some(time) => (self.next + 1, time),
            None => (0, self.clip.duration()),
        };
        self.next = next;
        self.at += at.saturating_sub(this);
    }
}

impl Source for FileSource {
    fn due(&self) -> Option<Duration> {
        Some(self.at)
    }

    fn write(&mut self, out: &mut Outlet<'_>) {
        let is_key = self.frame().is_some_and(|frame| frame.is_key);
        if self.on_demand && out.wants_key_frame(0) && !is_key {
            self.seek();
        }
        let Some(frame) = self.clip.frames().get(self.next) else {
            return;
        };
        let (codec, units, is_key) = (self.clip.codec(), &frame.units, frame.is_key);
        let info = self.descriptors.next_frame(is_key);
        let picture = self
            .layers
            .as_mut()
            .map(|layers| layers.next_picture(is_key));
        let packet = Packet {
            time: self.at,
            is_key,
            captured: Some(capture_time(out.now())),
            ..Packet::default()
        };
        if codec == Codec::Av1 {
            write_obus(out, &packet, units, &mut self.open);
            self.step();
            return;
        }
        for (index, unit) in units.iter().enumerate() {
            let is_last = index + 1 == units.len();
            match (codec, picture) {
                (Codec::H264, _) => write_nal(out, &packet, unit, is_last),
                (Codec::Opus, _) => out.packet(&Packet {
                    payload: [unit, &[]],
                    ..packet
                }),
                (Codec::Vp9, Some(picture)) => {
                    let layer = picture.layer(index as u8);
                    write_pieces(out, &packet, info.of_layer(layer), unit, is_last);
                }
                _ => write_pieces(out, &packet, info, unit, is_last),
            }
        }
        self.step();
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
        let len = info.descriptor(index == 0, is_last, &mut head);
        out.packet(&Packet {
            marker: is_last && is_last_unit,
            payload: [head.get(..len).unwrap_or_default(), piece],
            ..*packet
        });
    }
}

/// AV1 RTP payload §4.3 to §4.5: all OBUs of a picture one behind the other, each with its length, and cut wherever a packet is
/// full. Never between two of them: libwebrtc takes a packet that begins with a whole one for the beginning of a picture.
fn write_obus(out: &mut Outlet<'_>, packet: &Packet<'_>, units: &[Vec<u8>], open: &mut Vec<u8>) {
    let (mut is_first, mut goes_on) = (true, false);
    open.clear();
    for (index, unit) in units.iter().enumerate() {
        let mut rest = &unit[..];
        while !rest.is_empty() {
            // Two bytes are for the length; at least one of the next OBU is in each packet.
            let space = MAX_PIECE.saturating_sub(open.len() + 2).max(1);
            let cut = rest.split_at_checked(space).unwrap_or((rest, &[]));
            open.extend([cut.0.len() as u8 & 0x7f | 0x80, (cut.0.len() >> 7) as u8]);
            open.extend(cut.0);
            rest = cut.1;
            let is_cut = !rest.is_empty();
            let is_last = !is_cut && index + 1 == units.len();
            if is_cut || is_last {
                let begins = packet.is_key && is_first;
                let head = [u8::from(goes_on) << 7 | u8::from(is_cut) << 6 | u8::from(begins) << 3];
                out.packet(&Packet {
                    marker: is_last,
                    payload: [&head, open],
                    ..*packet
                });
                open.clear();
                (is_first, goes_on) = (false, is_cut);
            }
        }
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
