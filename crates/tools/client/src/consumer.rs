//! What a client receives.

use plenum_ids::{ConsumerId, ProducerId};
use plenum_params::{media::MediaKind, rtp_parameters::RtpParameters};
use serde_json::{Map, Value};

use crate::Codec;

/// Something that comes from somebody.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Consumer {
    /// Its identifier.
    pub id: ConsumerId,
    /// What it comes from.
    pub producer_id: ProducerId,
    /// Whose. Socket.IO's rooms do not say it for those who were there before.
    pub peer_id: Option<String>,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// How it is encoded, if the client knows the codec.
    pub codec: Option<Codec>,
    /// `simple`, `simulcast` or `svc`.
    pub kind_of_layers: String,
    /// What the sender said of it (`source`, for instance). Empty where a dialect has none.
    pub app_data: Map<String, Value>,
    /// Whether nothing comes until the sender goes on.
    pub is_paused: bool,
    /// Streams, payload types and header extensions.
    pub rtp_parameters: RtpParameters,
}

/// Layers of a simulcast or SVC stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "there are two kinds of layers")]
pub struct Layers {
    /// Size.
    pub spatial: u8,
    /// Pictures a second; `None`: all.
    pub temporal: Option<u8>,
}
