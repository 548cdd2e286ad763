//! A camera that is sent as VP8 simulcast.
#![expect(
    clippy::cast_precision_loss,
    reason = "figures for people, far below 2^53"
)]

use std::time::Duration;

use plenum_params::media::ReceiveParameters;
use plenum_rtp::NtpTime;
use plenum_testkit::{
    media::{ExtensionIds, RtpSource, RtpSourceConfig, Stamper, VideoFormat, VideoSource},
    peer::{SendStream, TestPeer},
    rng::Rng,
};

use crate::parameters::{sent, simulcast, vp8};

/// 30 frames a second.
pub(super) const FRAME_TIME: Duration = Duration::from_micros(33_333);

/// Between two sender reports, about what browsers do for video.
const REPORT_TIME: Duration = Duration::from_secs(1);

/// How many times larger than others a key frame is: about what VP8 takes for a talking head.
const KEY_FRAME_FACTOR: usize = 4;

/// Frames differ in size by so much both ways.
const VARIATION: f64 = 0.15;

const RIDS: [&str; 3] = ["r0", "r1", "r2"];

const FIRST_SSRC: u32 = 1000;

/// Bitrates of the simulcast streams, lowest first, without headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "three bitrates")]
pub struct Ladder(pub [u64; 3]);

impl Ladder {
    /// 720p and its halves as mediasoup-demo sets them, in the middle of what Chromium allows.
    pub const HD: Self = Self([150_000, 500_000, 1_500_000]);

    /// 720p and its halves with all that Chromium allows.
    pub const HD_SHARP: Self = Self([150_000, 500_000, 2_500_000]);
}

/// The sender's side.
pub(super) struct Camera {
    ladder: Ladder,
    sources: Vec<VideoSource>,
    stamper: Stamper,
    rng: Rng,
    next_report: Duration,
    /// Key frame requests that were answered, of all streams.
    answered: u32,
    is_started: bool,
    /// Plain RTP bytes and packets of each stream so far, key frames not counted.
    bytes: [u64; 3],
    packets: [u64; 3],
    /// Frames of each stream that they are of.
    frames: u64,
}

impl Camera {
    pub(super) fn new(ladder: Ladder, seed: u64) -> Self {
        let source = |(index, ssrc): (usize, u32)| {
            let config = RtpSourceConfig {
                ssrc,
                payload_type: 96,
                clock_rate: 90_000,
                first_sequence_number: 1000,
                first_timestamp: 10_000,
                extensions: extensions(index),
            };
            VideoSource::new(RtpSource::new(config), VideoFormat::Vp8, 100)
        };
        Self {
            ladder,
            sources: (0..RIDS.len()).zip(ssrcs()).map(source).collect(),
            stamper: Stamper::default(),
            rng: Rng::new(seed),
            next_report: Duration::ZERO,
            answered: 0,
            is_started: false,
            bytes: [0; 3],
            packets: [0; 3],
            frames: 0,
        }
    }

    /// What it negotiates.
    pub(super) fn parameters() -> ReceiveParameters {
        vp8(RIDS.map(simulcast).to_vec())
    }

    /// Makes it known to the peer that sends it.
    pub(super) fn announce(peer: &mut TestPeer) {
        for ssrc in ssrcs() {
            peer.add_sender(SendStream::new(ssrc, None));
        }
    }

    /// Bits per second that each stream takes when its packets grow by `overhead` bytes, key frames not counted.
    pub(super) fn rates(&self, overhead: u64) -> [u64; 3] {
        let time = FRAME_TIME.as_secs_f64() * self.frames.max(1) as f64;
        #[expect(clippy::cast_sign_loss, reason = "both are positive")]
        let rate = |bytes: u64| (bytes as f64 * 8.0 / time) as u64;
        [0, 1, 2].map(|index| rate(self.bytes[index] + self.packets[index] * overhead))
    }

    /// Sends a frame of each stream; key frames of all when one of them was asked for, as libvpx does.
    pub(super) fn send(&mut self, elapsed: Duration, peer: &mut TestPeer) {
        let asked = ssrcs()
            .filter_map(|ssrc| peer.key_frame_requests.get(&ssrc))
            .sum();
        let is_key = !self.is_started || asked > self.answered;
        (self.is_started, self.answered) = (true, asked);
        self.frames += u64::from(!is_key);
        for (index, source) in self.sources.iter_mut().enumerate() {
            let mean = self.ladder.0[index] as f64 * FRAME_TIME.as_secs_f64() / 8.0;
            let scale = 1.0 + VARIATION * (2.0 * self.rng.unit() - 1.0);
            #[expect(clippy::cast_sign_loss, reason = "both factors are positive")]
            let len = (mean * scale) as usize * if is_key { KEY_FRAME_FACTOR } else { 1 };
            for mut packet in source.frame(elapsed, is_key, len) {
                self.stamper.stamp(&extensions(index), &mut packet, elapsed);
                if !is_key {
                    self.bytes[index] += packet.len() as u64;
                    self.packets[index] += 1;
                }
                peer.send_rtp(&packet);
            }
        }
        if elapsed >= self.next_report {
            self.next_report = elapsed + REPORT_TIME;
            let ntp = NtpTime::from_unix(Duration::from_hours(500_000) + elapsed);
            for (source, ssrc) in self.sources.iter().zip(ssrcs()) {
                peer.send_sender_report(ssrc, ntp, source.rtp().timestamp(elapsed));
            }
        }
    }
}

fn ssrcs() -> impl Iterator<Item = u32> {
    (0..RIDS.len() as u32).map(|index| FIRST_SSRC + 10 * index)
}

fn extensions(index: usize) -> ExtensionIds {
    ExtensionIds {
        mid: Some((sent::MID, "1".into())),
        rid: Some((sent::RID, RIDS[index].into())),
        transport_cc: Some(sent::TRANSPORT_CC),
        ..ExtensionIds::default()
    }
}
