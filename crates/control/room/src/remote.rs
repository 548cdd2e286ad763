//! What the parts of a room tell and ask each other when it lives on several nodes.
//!
//! Each node that has peers of a room runs its own *part* of it: a [`crate::Room`] with its own peers, and replicas of the
//! others'. Nobody commands another node's workers; parts exchange facts ([`PartChange`], and all of them together as a
//! [`PartSnapshot`]), hints that may get lost ([`PartHint`]) and requests ([`NodeRequest`]).
//!
//! Everything here crosses nodes, which may be of two versions: fields that are not known are passed over, and so are facts
//! (`Unknown`). Whatever arrives is looked at (`checks.rs`) before it changes anything.

mod checks;
mod differences;
mod pipes;
mod requests;

use std::{net::IpAddr, sync::Arc};

use plenum_api::grants::{Grants, Role};
use plenum_ids::{DataProducerId, NodeEpoch, NodeId, PeerId, ProducerId, RoomEpoch};
use plenum_params::{
    data::SctpStreamParameters, event::EncodingScore, media::MediaKind, ortc::ProducerType,
    rtp_parameters::RtpParameters,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{command::Audience, info::RoomProperties};

pub use pipes::{FarEnd, HostWords, NearEnd, PipeMedium, PipeOffer, PipeSource, PipeStreams};
pub use requests::{Home, NodeAskId, NodeFailure, NodeReply, NodeRequest, OpenPipe};

pub(crate) use checks::{
    check_change, check_hint, check_offer, check_request, check_snapshot, may_grow, may_have_more,
    not_later,
};
pub(crate) use differences::{differences, is_newer};

/// One start of a node. What an earlier one owned is gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a name and how often it came back"
)]
pub struct NodeKey {
    /// Which node.
    pub node: NodeId,
    /// Which start of it.
    pub epoch: NodeEpoch,
}

/// What [`crate::Command::Remote`] brings of another part.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a log, its sum, its end, and what is not in it"
)]
pub enum RemoteChange {
    /// The next fact of its log.
    Apply(Box<PartChange>),
    /// All that it has now, instead of whatever is known of it. What is the same as before is noticed by nobody.
    Replace(Box<PartSnapshot>),
    /// It is gone, or nobody can reach it: with its peers, and all pipes from and to it.
    Dropped,
    /// Something that is soon told again.
    Hint(PartHint),
}

/// A fact about a part of a room, told by the part itself ([`crate::Effect::Publish`]). In the order in which they were
/// published, the facts of a part make its [`PartSnapshot`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum PartChange {
    /// Somebody joined.
    PeerJoined {
        /// As the others are to see it.
        peer: PeerOutline,
    },
    /// Somebody who had joined is something else, or is called something else.
    PeerChanged {
        /// All that can change.
        peer: PeerOutline,
    },
    /// Somebody who had joined left, with everything that it sent.
    PeerLeft {
        /// Who.
        peer: PeerId,
    },
    /// Somebody sends something.
    ProducerAdded {
        /// Who.
        peer: PeerId,
        /// What.
        producer: Box<RemoteProducer>,
    },
    /// Somebody's producer was paused or resumed.
    ProducerPaused {
        /// Whose.
        peer: PeerId,
        /// Which one.
        producer: ProducerId,
        /// Whether it is paused now.
        paused: bool,
    },
    /// Somebody's producer comes in better or worse.
    ProducerScored {
        /// Whose.
        peer: PeerId,
        /// Which one.
        producer: ProducerId,
        /// One per encoding seen.
        scores: Vec<EncodingScore>,
    },
    /// Somebody sends something no more.
    ProducerClosed {
        /// Who.
        peer: PeerId,
        /// Which one.
        producer: ProducerId,
    },
    /// Somebody writes something.
    DataProducerAdded {
        /// Who.
        peer: PeerId,
        /// What.
        data_producer: Box<RemoteDataProducer>,
    },
    /// Somebody writes something no more.
    DataProducerClosed {
        /// Who.
        peer: PeerId,
        /// Which one.
        data_producer: DataProducerId,
    },
    /// Somebody waits in the lobby.
    Knocked {
        /// Who, under which name.
        knock: RemoteKnock,
    },
    /// Somebody waits there no more.
    KnockGone {
        /// Who.
        peer: PeerId,
    },
    /// Somebody was made something, which holds wherever it comes in again.
    Made {
        /// Who, and what.
        made: RemoteMade,
    },
    /// What is decided about the room as a whole. What is older than what one has is passed over.
    Room {
        /// All of it.
        state: RoomState,
    },
    /// The room was ended by somebody who may.
    Closed,
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// All that a part has told and that holds ([`crate::Room::part_snapshot`]).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct PartSnapshot {
    /// Tells this part from an earlier one of the same room at the same node.
    pub life: u64,
    /// Who has joined there.
    pub peers: Vec<RemotePeer>,
    /// Who waits in the lobby there.
    pub knocks: Vec<RemoteKnock>,
    /// What peers were made there.
    pub made: Vec<RemoteMade>,
    /// The latest that it knows of the room as a whole.
    pub room: Option<RoomState>,
    /// What it takes from other parts. They end what they still give and what is not here.
    pub pipes: Vec<HeldPipe>,
    /// No pipe that it has asked for so far has this number or a higher one.
    pub next_pipe: u64,
}

/// Something that happens often and is told again when it is lost ([`crate::Effect::PublishHint`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum PartHint {
    /// Who can be heard there.
    Heard {
        /// How loud in dBov, the loudest first.
        volumes: Vec<(PeerId, i8)>,
        /// Who has the floor there.
        dominant: Option<PeerId>,
    },
    /// The room's bot says something to everybody.
    Said {
        /// What.
        text: String,
    },
    /// Of a newer version.
    #[serde(other)]
    Unknown,
}

/// A peer of another part, without what it sends and writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct PeerOutline {
    /// Who.
    pub peer: PeerId,
    /// When it joined, in milliseconds of its node's clock, and later than any session of the same peer that its part knew of. Of
    /// two sessions of one peer the later one holds.
    pub joined_at: u64,
    /// Name to show.
    pub display_name: String,
    /// What it runs on.
    #[serde(default)]
    pub device: Arc<Value>,
    /// What it is.
    pub role: Role,
    /// What it was given, its role not considered.
    pub grants: Grants,
    /// It would like to speak.
    #[serde(default)]
    pub hand_raised: bool,
    /// Where it comes from.
    #[serde(default)]
    pub remote: Option<IpAddr>,
    /// For applications.
    #[serde(default)]
    pub app_data: Arc<Map<String, Value>>,
    /// The others see it: it is not hidden, nor one of too many who only watch.
    pub shown: bool,
    /// It could be made host when there is none.
    #[serde(default)]
    pub may_be_host: bool,
}

/// A peer of another part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct RemotePeer {
    /// Who.
    #[serde(flatten)]
    pub outline: PeerOutline,
    /// What it sends, oldest first.
    #[serde(default)]
    pub producers: Vec<RemoteProducer>,
    /// What it writes for others, oldest first.
    #[serde(default)]
    pub data_producers: Vec<RemoteDataProducer>,
}

/// What a peer of another part sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct RemoteProducer {
    /// Which one.
    pub producer: ProducerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// How many streams and layers it has.
    pub form: ProducerType,
    /// In the numbers of routers, which are the same at all nodes of a cluster.
    pub consumable: Arc<RtpParameters>,
    /// With `peerId`.
    #[serde(default)]
    pub app_data: Arc<Map<String, Value>>,
    /// Whether it is paused.
    pub paused: bool,
    /// Somebody speaks there.
    #[serde(default)]
    pub voice: bool,
    /// How well it comes in.
    #[serde(default)]
    pub scores: Vec<EncodingScore>,
}

/// What a peer of another part writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct RemoteDataProducer {
    /// Which one.
    pub data_producer: DataProducerId,
    /// How its messages travel.
    pub stream: SctpStreamParameters,
    /// For applications.
    #[serde(default)]
    pub label: String,
    /// For applications.
    #[serde(default)]
    pub protocol: String,
    /// With `peerId`.
    #[serde(default)]
    pub app_data: Arc<Map<String, Value>>,
    /// Everybody gets it, not just who asks.
    pub for_everybody: bool,
}

impl RemoteDataProducer {
    pub(crate) const fn audience(&self) -> Audience {
        if self.for_everybody {
            Audience::Everybody
        } else {
            Audience::Asking
        }
    }
}

/// Somebody in the lobby.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct RemoteKnock {
    /// Who.
    pub peer: PeerId,
    /// Name to show.
    pub display_name: String,
}

/// What somebody was made, which holds when it comes again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct RemoteMade {
    /// Who.
    pub peer: PeerId,
    /// What it is from now on.
    #[serde(default)]
    pub role: Option<Role>,
    /// What it may do from now on.
    #[serde(default)]
    pub grants: Option<Grants>,
}

/// What was decided about a room as a whole, by its home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct RoomState {
    /// Which home decided it.
    pub epoch: RoomEpoch,
    /// Counts what that home decided.
    pub version: u64,
    /// Nobody but hosts may join.
    pub locked: bool,
    /// Those who are no hosts wait until one lets them in.
    pub lobby: bool,
    /// How many peers may be there.
    #[serde(default)]
    pub max_peers: Option<u32>,
    /// For applications.
    #[serde(default)]
    pub metadata: Arc<Value>,
}

impl RoomState {
    pub(crate) fn properties(&self) -> RoomProperties {
        RoomProperties {
            locked: self.locked,
            lobby: self.lobby,
            max_peers: self.max_peers,
            metadata: Arc::clone(&self.metadata),
        }
    }
}

/// A pipe that a part takes from another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "what parts compare")]
pub struct HeldPipe {
    /// From which node.
    pub node: NodeKey,
    /// Its number, given by the part that takes it.
    pub pipe: u64,
    /// Which of its streams are wanted; none while it is being made.
    pub wanted: Vec<bool>,
}
