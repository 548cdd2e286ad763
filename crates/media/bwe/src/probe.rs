//! Probes: short bursts at a rate that is not known to fit yet.

use std::num::NonZeroU8;

use crate::Bitrate;

/// Names the packets of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProbeId(NonZeroU8);

impl ProbeId {
    /// The first name. Names come round again after 255 probes, of which one is under way at a time.
    pub(crate) const FIRST: Self = Self(NonZeroU8::MIN);

    /// The name after this one.
    pub(crate) const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(id) => Self(id),
            None => Self::FIRST,
        }
    }
}

/// A probe to send now: media that waits, packets again, or padding.
///
/// All packets together, other media included, should leave at `bitrate` until both `bytes` and `packets` are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the whole order")]
pub struct Probe {
    /// Name of its packets for [`BandwidthEstimator::handle_sent`](crate::BandwidthEstimator::handle_sent).
    pub id: ProbeId,
    /// Rate at which to send.
    pub bitrate: Bitrate,
    /// Bytes to send, at least.
    pub bytes: usize,
    /// Packets to send, at least.
    pub packets: usize,
}
