//! What is told, on demand, of what happens to a transport, a producer or a consumer.

use plenum_ids::{ConsumerId, ProducerId, TransportId};
use serde::{Deserialize, Serialize};

/// Whose events are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "node and worker are the same build"
)]
pub enum TraceObject {
    /// Probes and estimates.
    Transport(TransportId),
    /// What comes in, and what its sender is asked.
    Producer(ProducerId),
    /// What goes out, and what its receiver asks.
    Consumer(ConsumerId),
}

impl TraceObject {
    /// The kinds of events that such an object has.
    #[must_use]
    pub const fn kinds(self) -> TraceTypes {
        use TraceType::{Bwe, Fir, KeyFrame, Nack, Pli, Probation, Rtp, SenderReport};
        let media = TraceTypes::NONE
            .with(Rtp)
            .with(KeyFrame)
            .with(Nack)
            .with(Pli)
            .with(Fir);
        match self {
            Self::Transport(_) => TraceTypes::NONE.with(Probation).with(Bwe),
            Self::Producer(_) => media.with(SenderReport),
            Self::Consumer(_) => media,
        }
    }
}

/// A set of [`TraceType`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraceTypes(u8);

impl TraceTypes {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// With this one too.
    #[must_use]
    pub const fn with(self, kind: TraceType) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether it is in.
    #[must_use]
    pub const fn contains(self, kind: TraceType) -> bool {
        self.0 >> kind as u8 & 1 == 1
    }

    /// Whether any of those is in.
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<TraceType> for TraceTypes {
    fn from_iter<I: IntoIterator<Item = TraceType>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Kinds of events, by mediasoup's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
#[expect(
    clippy::exhaustive_enums,
    reason = "node and worker are the same build"
)]
pub enum TraceType {
    /// An RTP packet.
    Rtp,
    /// The first packet of a key frame.
    KeyFrame,
    /// Lost packets are asked for.
    Nack,
    /// A picture is asked for.
    Pli,
    /// A picture is asked for, the old way.
    Fir,
    /// The estimate of what the path carries.
    Bwe,
    /// A packet that probes the path.
    Probation,
    /// A sender report.
    SenderReport,
}

impl TraceType {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rtp,
        Self::KeyFrame,
        Self::Nack,
        Self::Pli,
        Self::Fir,
        Self::Bwe,
        Self::Probation,
        Self::SenderReport,
    ];

    /// mediasoup's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rtp => "rtp",
            Self::KeyFrame => "keyframe",
            Self::Nack => "nack",
            Self::Pli => "pli",
            Self::Fir => "fir",
            Self::Bwe => "bwe",
            Self::Probation => "probation",
            Self::SenderReport => "sr",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "node and worker are the same build"
)]
pub struct TraceEvent {
    /// To what.
    pub object: TraceObject,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// Whether it goes from us to the peer.
    pub outgoing: bool,
    /// Events of the whole worker that were left out since the one before, because there were too many.
    pub dropped: u32,
    /// What happened.
    pub info: TraceInfo,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "node and worker are the same build"
)]
pub enum TraceInfo {
    /// An RTP packet.
    Rtp(TracedPacket),
    /// The first packet of a key frame.
    KeyFrame(TracedPacket),
    /// A packet that probes the path.
    Probation(TracedPacket),
    /// Lost packets are asked for.
    Nack {
        /// Of which stream.
        ssrc: u32,
        /// How many.
        packets: u16,
    },
    /// A picture is asked for.
    Pli {
        /// Of which stream.
        ssrc: u32,
    },
    /// A picture is asked for, the old way.
    Fir {
        /// Of which stream.
        ssrc: u32,
    },
    /// The estimate changed.
    Bwe(TracedEstimate),
    /// A sender report.
    SenderReport {
        /// Of which stream.
        ssrc: u32,
        /// NTP time.
        ntp: u64,
        /// The same in units of the stream's clock.
        rtp_timestamp: u32,
        /// Packets that were sent.
        packet_count: u32,
        /// Bytes that were sent.
        octet_count: u32,
    },
}

impl TraceInfo {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> TraceType {
        match self {
            Self::Rtp(_) => TraceType::Rtp,
            Self::KeyFrame(_) => TraceType::KeyFrame,
            Self::Probation(_) => TraceType::Probation,
            Self::Nack { .. } => TraceType::Nack,
            Self::Pli { .. } => TraceType::Pli,
            Self::Fir { .. } => TraceType::Fir,
            Self::Bwe(_) => TraceType::Bwe,
            Self::SenderReport { .. } => TraceType::SenderReport,
        }
    }
}

/// An RTP packet as it was or will be on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "node and worker are the same build"
)]
pub struct TracedPacket {
    /// SSRC.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence_number: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// The first packet of a key frame.
    pub is_key_frame: bool,
    /// A retransmission.
    pub is_rtx: bool,
    /// Bytes without those of SRTP.
    pub size: u16,
    /// Bytes of the payload.
    pub payload_size: u16,
    /// Spatial layer.
    pub spatial_layer: u8,
    /// Temporal layer.
    pub temporal_layer: u8,
    /// Transport-wide sequence number.
    pub wide_sequence_number: Option<u16>,
}

/// What the path towards a receiver carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "node and worker are the same build"
)]
pub struct TracedEstimate {
    /// By REMB messages rather than by transport-wide feedback.
    pub is_remb: bool,
    /// The estimate in bit/s.
    pub available: u32,
    /// What consumers could use.
    pub desired: u32,
    /// Lower bound.
    pub min: Option<u32>,
    /// Upper bound.
    pub max: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in() {
        let all: TraceTypes = TraceType::ALL.into_iter().collect();
        for kind in TraceType::ALL {
            assert!(all.contains(kind));
            assert!(!TraceTypes::NONE.contains(kind));
            assert_eq!(TraceType::from_name(kind.as_str()), Some(kind));
        }
        let some = TraceTypes::NONE.with(TraceType::Pli);
        assert!(some.contains(TraceType::Pli) && !some.contains(TraceType::Fir));
        assert_eq!(TraceType::from_name("RTP"), None);
    }
}
