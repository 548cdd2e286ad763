//! What peers are shown of each other and of the room.

use std::{net::IpAddr, sync::Arc};

use plenum_api::grants::{Grants, Role};
use plenum_ids::{DataProducerId, PeerId, ProducerId};
use plenum_params::{media::MediaKind, ortc::ProducerType, rtp_parameters::RtpParameters};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A peer who has joined, as the others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "dialects' tests make some")]
pub struct PeerInfo {
    /// Who.
    pub peer: PeerId,
    /// Name to show.
    pub display_name: String,
    /// What it runs on, as it told us.
    pub device: Value,
    /// What it is.
    pub role: Role,
    /// It would like to speak.
    pub hand_raised: bool,
    /// Where it comes from.
    pub remote: Option<IpAddr>,
    /// For applications.
    pub app_data: Map<String, Value>,
    /// What it sends, oldest first.
    pub producers: Vec<ProducerInfo>,
    /// What it writes for everybody or for who asks, oldest first.
    pub data_producers: Vec<DataProducerInfo>,
}

impl PeerInfo {
    /// Of somebody who sends nothing.
    #[must_use]
    pub fn new(peer: PeerId, display_name: String, device: Value) -> Self {
        Self {
            peer,
            display_name,
            device,
            role: Role::Speaker,
            hand_raised: false,
            remote: None,
            app_data: Map::new(),
            producers: Vec::new(),
            data_producers: Vec::new(),
        }
    }
}

/// What somebody sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "dialects' tests make some")]
pub struct ProducerInfo {
    /// Who sends it.
    pub peer: PeerId,
    /// Which one.
    pub producer: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// How many streams and layers it has.
    pub producer_type: ProducerType,
    /// The producer's, with `peerId`.
    pub app_data: Arc<Map<String, Value>>,
    /// Whether it is paused now.
    pub paused: bool,
    /// What it sends, in the router's numbers, for who asks whether it can be consumed
    /// ([`plenum_params::ortc::can_consume`]).
    pub consumable: Arc<RtpParameters>,
}

/// What somebody writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "dialects' tests make some")]
pub struct DataProducerInfo {
    /// Who writes it.
    pub peer: PeerId,
    /// Which one.
    pub data_producer: DataProducerId,
    /// For applications.
    pub label: String,
    /// For applications.
    pub protocol: String,
    /// The data producer's, with `peerId`.
    pub app_data: Arc<Map<String, Value>>,
}

/// What hosts decide about a room as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::exhaustive_structs, reason = "callers fill it")]
pub struct RoomProperties {
    /// Nobody but hosts may join.
    pub locked: bool,
    /// Those who are no hosts wait until one lets them in.
    pub lobby: bool,
    /// How many peers may be there; `None`: as many as the server allows.
    pub max_peers: Option<u32>,
    /// What it is said to be about, for applications.
    pub metadata: Arc<Value>,
}

/// A room as one of its sessions sees it. Of those who are not announced nothing is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "dialects' tests make some")]
pub struct RoomSnapshot {
    /// What hosts have decided.
    pub properties: RoomProperties,
    /// The others who have joined; the one who has been connected longest comes first.
    pub peers: Vec<PeerInfo>,
    /// How many have joined, announced or not.
    pub joined: usize,
    /// What the session is, or would be if it joined now.
    pub role: Role,
    /// What it may do, its role considered.
    pub grants: Grants,
}
