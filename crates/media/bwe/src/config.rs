//! What an estimator is told and what it tells about itself.

use std::time::Duration;

use crate::Bitrate;

/// Where an estimate starts and between what it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "three numbers, written by hand")]
pub struct EstimatorConfig {
    /// Estimate before anything was heard from the receiver.
    pub initial: Bitrate,
    /// The estimate never falls below this.
    pub min: Bitrate,
    /// The estimate never rises above this.
    pub max: Bitrate,
}

impl Default for EstimatorConfig {
    fn default() -> Self {
        Self {
            // What mediasoup's examples and most of its users set (`initialAvailableOutgoingBitrate`): one camera at a
            // watchable size. libwebrtc starts at 300 kb/s, which is below the lowest two layers of most senders.
            initial: Bitrate::from_kbps(1000),
            // mediasoup's lowest available bitrate: a voice and a thumbnail still fit, and probes have something to
            // grow from. libwebrtc goes down to 5 kb/s, where no video is worth sending.
            min: Bitrate::from_kbps(30),
            // More than a gallery of forty-nine cameras needs; it bounds what a hostile receiver's feedback can claim.
            max: Bitrate::from_kbps(100_000),
        }
    }
}

/// What the consumers of a transport would use if the path allowed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the caller fills every field")]
pub struct Demand {
    /// All that is preferred, at its full rate.
    pub wanted: Bitrate,
    /// Total rate with the next layer up; `None` when everything that is wanted is sent.
    pub next_step: Option<Bitrate>,
    /// What is allocated now.
    pub sending: Bitrate,
}

/// When a packet arrived, on the receiver's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArrivalTime(i64);

impl ArrivalTime {
    /// So many microseconds after an epoch that is the receiver's own.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds after the receiver's epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

/// What the detector of growing queues says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Usage {
    /// The queue neither grows nor shrinks.
    #[default]
    Normal,
    /// The queue grows: more is sent than the path carries.
    Overuse,
    /// The queue shrinks.
    Underuse,
}

/// What an estimator thinks, for statistics and plots.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EstimatorState {
    /// What delay and probes say.
    pub delay_based: Bitrate,
    /// What loss allows; `None` when loss is no limit.
    pub loss_based: Option<Bitrate>,
    /// What the receiver asked for with REMB, the last time.
    pub remb: Option<Bitrate>,
    /// What arrived lately; `None` before there was enough feedback.
    pub acknowledged: Option<Bitrate>,
    /// Whether much less is sent than the estimate allows.
    pub application_limited: bool,
    /// Detector of growing queues.
    pub usage: Usage,
    /// Delay of the queue above the path's own delay.
    pub queue_delay: Duration,
    /// Round trip; `None` before there was feedback.
    pub round_trip: Option<Duration>,
    /// Lost packets in the last window, from 0 to 1.
    pub loss: f64,
    /// Loss that a lower rate did not cure, from 0 to 1.
    pub inherent_loss: f64,
    /// Rate of the probe whose result is awaited.
    pub probing: Option<Bitrate>,
}
