//! The probe that is under way towards one receiver.

use std::time::{Duration, Instant};

use plenum_bwe::{Probe, ProbeId};

use crate::rate::RateCounter;

/// Between two helpings of a probe: libwebrtc's `min_probe_delta`, and twice what timers of the event loop are good for.
const STEP: Duration = Duration::from_millis(2);

/// A probe that could not be sent in this time (no path, nothing to send) measures nothing any more. libwebrtc gives up
/// on a cluster after 5 s; its clusters wait for media, ours do not.
const MAX_TIME: Duration = Duration::from_millis(500);

/// Sends one probe at a time and counts what was sent for it.
#[derive(Debug, Default)]
pub(crate) struct Probing {
    active: Option<Active>,
    /// SRTP index of the next packet on the probation stream.
    pub(crate) padding_sequence: u64,
    bytes: u64,
    rate: RateCounter,
}

#[derive(Clone, Copy, Debug)]
struct Active {
    probe: Probe,
    began: Instant,
    /// When the last helping left.
    helped: Option<Instant>,
    bytes: usize,
    packets: usize,
    /// How far back packets were sent again for it.
    cursor: u64,
}

impl Probing {
    pub(super) fn start(&mut self, now: Instant, probe: Probe) {
        self.active = Some(Active {
            probe,
            began: now,
            helped: None,
            bytes: 0,
            packets: 0,
            cursor: 0,
        });
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// Gives up the probe.
    pub(crate) fn abandon(&mut self) {
        self.active = None;
    }

    /// Counts a numbered packet that leaves; the probe that it belongs to.
    #[inline]
    pub(super) fn count(&mut self, size: usize) -> Option<ProbeId> {
        let active = self.active.as_mut()?;
        active.bytes += size;
        active.packets += 1;
        Some(active.probe.id)
    }

    /// Ends a probe that is through, or took too long.
    pub(crate) fn finish(&mut self, now: Instant) {
        let is_over = |active: &Active| {
            active.bytes >= active.probe.bytes && active.packets >= active.probe.packets
                || now.saturating_duration_since(active.began) > MAX_TIME
        };
        self.active = self.active.filter(|active| !is_over(active));
    }

    /// Bytes that the probe wants to leave now.
    pub(crate) fn wanted(&mut self, now: Instant) -> usize {
        let Some(active) = &mut self.active else {
            return 0;
        };
        active.helped = Some(now);
        let elapsed = now.saturating_duration_since(active.began) + STEP;
        let by_rate = usize::try_from(active.probe.bitrate.bytes_in(elapsed)).unwrap_or(usize::MAX);
        by_rate.min(active.goal()).saturating_sub(active.bytes)
    }

    /// When the next helping is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let active = self.active.as_ref()?;
        Some(active.helped.unwrap_or(active.began) + STEP)
    }

    /// How far back the next packet to repeat lies; counts round and round through recent ones.
    pub(crate) fn next_distance(&mut self, recent: u64) -> u64 {
        let Some(active) = &mut self.active else {
            return 0;
        };
        let distance = active.cursor % recent.max(1);
        active.cursor += 1;
        distance
    }

    /// Counts bytes that were sent for a probe alone.
    pub(crate) fn count_extra(&mut self, now: Instant, bytes: usize) {
        self.bytes += bytes as u64;
        self.rate.add(now, bytes);
    }

    /// Bytes sent for probes alone.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Their bitrate.
    pub(crate) fn bitrate(&self, now: Instant) -> u32 {
        self.rate.bitrate(now)
    }
}

impl Active {
    /// Bytes after which the probe is through. Small packets may need more than it asks for.
    fn goal(&self) -> usize {
        let mean = self
            .bytes
            .checked_div(self.packets)
            .unwrap_or(0)
            .max(MIN_PACKET);
        let missing = self.probe.packets.saturating_sub(self.packets);
        self.probe.bytes.max(self.bytes + missing * mean)
    }
}

/// Size that is assumed of a packet yet to be sent for a probe.
const MIN_PACKET: usize = 300;
