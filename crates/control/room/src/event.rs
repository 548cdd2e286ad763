//! What clients are told without having asked.

use std::sync::Arc;

use plenum_api::grants::{Grants, Role};
use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, TransportId};
use plenum_params::event::{ConsumerScore, EncodingScore, Layers};
use serde::{Deserialize, Serialize};

use crate::info::{DataProducerInfo, PeerInfo, ProducerInfo, RoomProperties};

/// What a client is told without having asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum PeerEvent {
    /// Its `join` was answered with [`crate::PeerReply::Waiting`]; now it has joined.
    Admitted {
        /// The others who have joined.
        peers: Vec<PeerInfo>,
        /// How it is called.
        display_name: String,
        /// What it is.
        role: Role,
        /// What it may do, its role considered.
        grants: Grants,
    },
    /// Its producer is gone, or it may not have it any more.
    ConsumerClosed {
        /// Which consumer.
        consumer: ConsumerId,
    },
    /// Other layers than before; `None`: nothing.
    ConsumerLayersChanged {
        /// Which consumer.
        consumer: ConsumerId,
        /// What it forwards now.
        layers: Option<Layers>,
    },
    /// Its producer was paused.
    ConsumerPaused {
        /// Which consumer.
        consumer: ConsumerId,
    },
    /// Its producer was resumed.
    ConsumerResumed {
        /// Which consumer.
        consumer: ConsumerId,
    },
    /// Its quality changed, or is told for the first time.
    ConsumerScore {
        /// Which consumer.
        consumer: ConsumerId,
        /// Quality now.
        score: ConsumerScore,
    },
    /// Its data producer is gone, or it may not have it any more.
    DataConsumerClosed {
        /// Which data consumer.
        data_consumer: DataConsumerId,
    },
    /// Somebody writes. Only with a catalog.
    DataProducerAdded(DataProducerInfo),
    /// Its own data producer was closed by somebody else, or because it may not write any more.
    DataProducerClosed {
        /// Which one.
        data_producer: DataProducerId,
    },
    /// Somebody writes no more. Only with a catalog.
    DataProducerRemoved {
        /// Who.
        peer: PeerId,
        /// Which one.
        data_producer: DataProducerId,
    },
    /// Somebody else has the floor; `None`: nobody. Only for clients who asked for volumes.
    DominantSpeaker {
        /// Who.
        peer: Option<PeerId>,
    },
    /// What the client itself may do has changed.
    GrantsChanged {
        /// What it may do now, its role considered.
        grants: Grants,
    },
    /// Somebody raised a hand or took it down. For clients with features.
    HandRaised {
        /// Who.
        peer: PeerId,
        /// Whether it is up.
        raised: bool,
    },
    /// Somebody waits in the lobby. For hosts with features.
    Knock {
        /// Who.
        peer: PeerId,
        /// Name to show.
        display_name: String,
    },
    /// Nobody waits there by this name any more: let in, sent away or gone. For hosts with features.
    KnockGone {
        /// Who.
        peer: PeerId,
    },
    /// Who is the loudest; `None`: nobody can be heard. For those who did not ask for volumes.
    Loudest {
        /// Who, and how loud in dBov.
        speaker: Option<(PeerId, i8)>,
    },
    /// The first media has left towards it. Told once for each of its transports; classic clients see it for themselves.
    MediaStarted {
        /// Over which transport.
        transport: TransportId,
    },
    /// The client's own producer was paused by a host. It may resume it.
    Muted {
        /// Which one.
        producer: ProducerId,
    },
    /// Somebody joined.
    NewPeer(PeerInfo),
    /// Somebody who had joined left.
    PeerClosed {
        /// Who.
        peer: PeerId,
    },
    /// Somebody has another name.
    PeerDisplayNameChanged {
        /// Who.
        peer: PeerId,
        /// The new name.
        display_name: String,
        /// The name before.
        old_display_name: String,
    },
    /// Somebody sends something. Only with a catalog.
    ProducerAdded(ProducerInfo),
    /// The client's own producer was closed by somebody else, or because it may not send this any more.
    ProducerClosed {
        /// Which one.
        producer: ProducerId,
    },
    /// Other encodings of the client's own producer are wanted than before; at first all are. Only for clients who said
    /// that they understand it.
    ProducerDemand {
        /// Which producer.
        producer: ProducerId,
        /// One per encoding: whether sending it is of any use.
        encodings: Vec<bool>,
    },
    /// Somebody's producer was paused. Only with a catalog.
    ProducerPaused {
        /// Whose.
        peer: PeerId,
        /// Which one.
        producer: ProducerId,
    },
    /// Somebody sends something no more. Only with a catalog.
    ProducerRemoved {
        /// Who.
        peer: PeerId,
        /// Which one.
        producer: ProducerId,
    },
    /// Somebody's producer was resumed. Only with a catalog.
    ProducerResumed {
        /// Whose.
        peer: PeerId,
        /// Which one.
        producer: ProducerId,
    },
    /// The quality of the client's own producer changed.
    ProducerScore {
        /// Which producer.
        producer: ProducerId,
        /// One per encoding seen.
        scores: Vec<EncodingScore>,
    },
    /// Somebody is something else from now on. For clients with features; who it concerns hears it, too.
    RoleChanged {
        /// Who.
        peer: PeerId,
        /// What it is now.
        role: Role,
    },
    /// The room itself has changed. For clients with features.
    RoomChanged(RoomProperties),
    /// How loud those are who can be heard, in dBov, the loudest first. Only for clients who asked for volumes.
    Volumes {
        /// Empty: nobody can be heard.
        volumes: Arc<[(PeerId, i8)]>,
    },
    /// Its media connection stands. Classic clients see it for themselves.
    TransportConnected {
        /// Which transport.
        transport: TransportId,
    },
}
