//! Made-up media: packets of the right size at the right time, that an SFU cannot tell from a camera's.
//!
//! Descriptors, key frames and parameter sets are those of the codec; what follows them is noise, so a decoder would show
//! nothing. The last bytes of every packet say when it was written, by which [`Media`](crate::Media) measures the delay to
//! other clients of the same process.

use std::time::Duration;

use plenum_rtp::ext::AudioLevel;

use super::{
    Outlet, Packet, Source,
    layers::{Layers, ScalabilityMode},
    payload::{Descriptors, FrameInfo, MAX_HEAD},
    stamp::{STAMP_LEN, stamp},
};
use crate::{Codec, Encoding};

/// Pictures a second, as cameras have them.
const FRAMES_PER_SECOND: f64 = 30.0;

/// Media time of a packet of Opus.
const OPUS_TIME: Duration = Duration::from_millis(20);

/// TOC byte of Opus (RFC 6716 §3.1): CELT, full band, 20 ms, stereo, one frame.
const OPUS_TOC: u8 = 31 << 3 | 1 << 2;

/// As loud as somebody who speaks, in dB below full scale.
const LOUDNESS: u8 = 30;

/// Payload of a packet, descriptor included: libwebrtc cuts at 1200 bytes less what header extensions take.
const MAX_PAYLOAD: usize = 1140;

/// A key frame is so many times as large as others: what libvpx makes of a talking head.
const KEY_FRAME_FACTOR: usize = 5;

/// Key frames come by themselves this often at most; encoders for calls make them on request only.
const NO_KEY_FRAME: u64 = u64::MAX;

/// A camera, a screen or a microphone that does not exist.
#[derive(Debug)]
pub struct Synthetic {
    codec: Codec,
    streams: Vec<Stream>,
    frame_time: Duration,
    frames: u64,
    key_frame_every: u64,
    layers: Option<Layers>,
    /// What payloads consist of.
    noise: Box<[u8]>,
}

#[derive(Debug)]
struct Stream {
    /// Bytes of a frame.
    frame: usize,
    descriptors: Descriptors,
}

impl Synthetic {
    /// Pictures at 30 a second in one stream of so many bits a second.
    pub fn video(codec: Codec, bitrate: u32) -> Self {
        Self::simulcast(codec, &[bitrate])
    }

    /// Pictures at 30 a second in several streams, lowest first. [`Self::encodings`] names them.
    pub fn simulcast(codec: Codec, bitrates: &[u32]) -> Self {
        let frame_time = Duration::from_secs_f64(FRAMES_PER_SECOND.recip());
        Self::new(codec, bitrates, frame_time)
    }

    /// Pictures of VP9 at 30 a second in one stream with layers, which take so many bits a second together.
    pub fn layered(bitrate: u32, mode: ScalabilityMode) -> Self {
        let mut synthetic = Self::video(Codec::Vp9, bitrate);
        synthetic.layers = Some(Layers::new(mode));
        synthetic
    }

    /// Opus in packets of 20 ms, of so many bits a second.
    pub fn audio(bitrate: u32) -> Self {
        Self::new(Codec::Opus, &[bitrate], OPUS_TIME)
    }

    fn new(codec: Codec, bitrates: &[u32], frame_time: Duration) -> Self {
        let mut synthetic = Self {
            codec,
            streams: Vec::new(),
            frame_time,
            frames: 0,
            key_frame_every: NO_KEY_FRAME,
            layers: None,
            noise: (0..MAX_PAYLOAD).map(|index| (index * 7) as u8).collect(),
        };
        synthetic.streams = bitrates
            .iter()
            .map(|bitrate| Stream {
                frame: synthetic.frame_bytes(*bitrate),
                descriptors: Descriptors::new(codec),
            })
            .collect();
        synthetic
    }

    /// Other pictures a second than 30, at the same bitrates.
    #[must_use]
    pub fn frame_rate(mut self, frames_per_second: f64) -> Self {
        let before = self.frame_time.as_micros().max(1);
        self.frame_time = Duration::from_secs_f64(frames_per_second.clamp(0.1, 1000.0).recip());
        let after = self.frame_time.as_micros();
        for stream in &mut self.streams {
            let bytes = stream.frame as u128 * after / before;
            stream.frame = (bytes as usize).clamp(MIN_FRAME, MAX_FRAME);
        }
        self
    }

    /// A key frame whenever this has passed, besides those that are asked for.
    #[must_use]
    pub fn key_frame_every(mut self, interval: Duration) -> Self {
        let frames = interval.as_nanos() / self.frame_time.as_nanos().max(1);
        self.key_frame_every = u64::try_from(frames).unwrap_or(NO_KEY_FRAME).max(1);
        self
    }

    /// Names for the streams of [`Self::simulcast`], as browsers give them.
    pub fn encodings(bitrates: &[u32]) -> Vec<Encoding> {
        let named = bitrates.iter().enumerate();
        named
            .map(|(index, bitrate)| Encoding {
                rid: (bitrates.len() > 1).then(|| format!("r{index}")),
                max_bitrate: Some(*bitrate),
                scalability_mode: Some("L1T1".to_owned()),
            })
            .collect()
    }

    fn frame_bytes(&self, bitrate: u32) -> usize {
        let nanos = self.frame_time.as_nanos() * u128::from(bitrate) / 8;
        usize::try_from(nanos / 1_000_000_000)
            .unwrap_or(usize::MAX)
            .clamp(MIN_FRAME, MAX_FRAME)
    }

    fn write_sound(&self, out: &mut Outlet<'_>) {
        let Some(stream) = self.streams.first() else {
            return;
        };
        let len = stream.frame.min(MAX_PAYLOAD);
        let head = [OPUS_TOC];
        let mut body = [0; MAX_PAYLOAD];
        let body = stamped(&self.noise, &mut body, len - head.len(), stamp(out.now()));
        out.packet(&Packet {
            time: self.time(),
            // RFC 3551 §4.1: the marker says that a talk spurt begins.
            marker: self.frames == 0,
            audio_level: Some(AudioLevel {
                voice: true,
                level: LOUDNESS,
            }),
            payload: [&head, body],
            ..Packet::default()
        });
    }

    fn write_pictures(&mut self, out: &mut Outlet<'_>) {
        let time = self.time();
        let is_regular_key = self.frames.is_multiple_of(self.key_frame_every);
        let stamp = stamp(out.now());
        for (encoding, stream) in self.streams.iter_mut().enumerate() {
            if !out.is_wanted(encoding) {
                continue;
            }
            let is_key = is_regular_key || out.wants_key_frame(encoding);
            // What a key frame takes is missing from none: encoders overshoot, too.
            let len = if is_key {
                (stream.frame * KEY_FRAME_FACTOR).min(MAX_FRAME)
            } else {
                stream.frame
            };
            let info = stream.descriptors.next_frame(is_key);
            let picture = Picture {
                encoding,
                time,
                noise: &self.noise,
                stamp,
            };
            let Some(layers) = &mut self.layers else {
                picture.write(out, info, len, true);
                continue;
            };
            let layered = layers.next_picture(is_key);
            let shares = shares(layered.spatial());
            for (layer, share) in (0_u8..).zip(shares) {
                let is_last = usize::from(layer) + 1 == shares.len();
                let info = info.of_layer(layered.layer(layer));
                picture.write(out, info, len * share / 100, is_last);
            }
        }
    }

    fn time(&self) -> Duration {
        let nanos = self.frame_time.as_nanos() * u128::from(self.frames);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// The smallest frame: its head and a stamp.
const MIN_FRAME: usize = 40;

/// The largest frame: 2000 packets would hold up everybody else.
const MAX_FRAME: usize = 500_000;

impl Source for Synthetic {
    fn due(&self) -> Option<Duration> {
        Some(self.time())
    }

    fn write(&mut self, out: &mut Outlet<'_>) {
        if self.codec == Codec::Opus {
            self.write_sound(out);
        } else {
            self.write_pictures(out);
        }
        self.frames += 1;
    }
}

/// How the bits of a picture are divided among its spatial layers, lowest first, in percent: as those of simulcast streams
/// of a quarter, half and whole of the width are.
const fn shares(spatial: u8) -> &'static [usize] {
    match spatial {
        2 => &[26, 74],
        3 => &[7, 24, 69],
        _ => &[100],
    }
}

/// What all packets of a picture have in common.
struct Picture<'a> {
    encoding: usize,
    time: Duration,
    noise: &'a [u8],
    stamp: [u8; STAMP_LEN],
}

impl Picture<'_> {
    /// The packets of a layer, or of the whole, which differ in size by a byte at most, as libwebrtc cuts them.
    fn write(&self, out: &mut Outlet<'_>, info: FrameInfo, len: usize, ends_picture: bool) {
        let packet = Packet {
            encoding: self.encoding,
            time: self.time,
            is_key: info.is_key,
            ..Packet::default()
        };
        let mut head = [0; MAX_HEAD];
        if let Some(parameter_sets) = info.parameter_sets() {
            out.packet(&Packet {
                payload: [parameter_sets, &[]],
                ..packet
            });
        }
        let count = len.div_ceil(MAX_PAYLOAD).max(1);
        let (short, longer) = (len / count, len % count);
        let mut body = [0; MAX_PAYLOAD];
        for index in 0..count {
            let (is_first, is_last) = (index == 0, index + 1 == count);
            let size = short + usize::from(index >= count - longer);
            let head_len = info.head(is_first, is_last, &mut head);
            let body_len = size.saturating_sub(head_len).max(STAMP_LEN);
            let body = stamped(self.noise, &mut body, body_len, self.stamp);
            out.packet(&Packet {
                marker: is_last && ends_picture,
                payload: [head.get(..head_len).unwrap_or_default(), body],
                ..packet
            });
        }
    }
}

/// So many bytes of noise with a stamp behind them.
fn stamped<'a>(
    noise: &[u8],
    space: &'a mut [u8; MAX_PAYLOAD],
    len: usize,
    stamp: [u8; STAMP_LEN],
) -> &'a [u8] {
    let len = len.clamp(STAMP_LEN, MAX_PAYLOAD);
    let (body, _) = space.split_at_mut(len);
    let (front, back) = body.split_at_mut(len - STAMP_LEN);
    front.copy_from_slice(noise.get(..front.len()).unwrap_or_default());
    back.copy_from_slice(&stamp);
    body
}
