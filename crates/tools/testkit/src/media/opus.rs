//! A sender of Opus.

use std::time::Duration;

use plenum_rtp::ext::AudioLevel;

use super::{
    body::frame_body,
    source::{PacketFields, RtpSource},
};

/// TOC byte (RFC 6716 §3.1): CELT, full band, 20 ms, mono, one frame.
const TOC: u8 = 31 << 3;

/// Length of a packet of comfort noise while nobody speaks (DTX).
const DTX_LEN: usize = 1;

/// Opus in packets of 20 ms.
#[derive(Clone, Debug)]
pub struct OpusSource {
    rtp: RtpSource,
    number: u32,
    is_speaking: bool,
}

impl OpusSource {
    /// Media time of one packet.
    pub const PACKET_TIME: Duration = Duration::from_millis(20);

    /// A sender on the stream `rtp`.
    pub const fn new(rtp: RtpSource) -> Self {
        Self {
            rtp,
            number: 0,
            is_speaking: false,
        }
    }

    /// The stream.
    pub const fn rtp(&self) -> &RtpSource {
        &self.rtp
    }

    /// A packet of speech with a payload of about `len` bytes, `level` dB below full scale.
    pub fn speech(&mut self, elapsed: Duration, len: usize, level: u8) -> Vec<u8> {
        let body = frame_body(self.number, len.saturating_sub(1));
        let payload: Vec<u8> = std::iter::once(TOC).chain(body).collect();
        // RFC 3551 §4.1: the marker says that a talk spurt begins.
        let marker = !std::mem::replace(&mut self.is_speaking, true);
        self.number += 1;
        let audio_level = Some(AudioLevel {
            voice: true,
            level: level.min(127),
        });
        self.rtp.packet(
            PacketFields {
                elapsed,
                marker,
                audio_level,
            },
            &payload,
        )
    }

    /// A packet of silence (DTX: browsers send one every 400 ms).
    pub fn silence(&mut self, elapsed: Duration) -> Vec<u8> {
        self.is_speaking = false;
        self.number += 1;
        let audio_level = Some(AudioLevel {
            voice: false,
            level: 127,
        });
        self.rtp.packet(
            PacketFields {
                elapsed,
                marker: false,
                audio_level,
            },
            &[TOC; DTX_LEN],
        )
    }
}
