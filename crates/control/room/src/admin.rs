//! What is decided about a room from outside, without a session.

use plenum_api::grants::{Grants, Role};
use plenum_ids::{ConsumerId, DataProducerId, PeerId, ProducerId, TransportId};
use plenum_params::media::MediaKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Input of [`crate::Room::administer`], also on its way to another node's part of the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum AdminCommand {
    /// Lets in somebody who waits in the lobby.
    Admit {
        /// Whom.
        peer: PeerId,
    },
    /// Ends the room.
    Close,
    /// Closes a consumer.
    CloseConsumer {
        /// Which one.
        consumer: ConsumerId,
    },
    /// Closes a data producer.
    CloseDataProducer {
        /// Which one.
        data_producer: DataProducerId,
    },
    /// Closes a producer.
    CloseProducer {
        /// Which one.
        producer: ProducerId,
    },
    /// Closes a transport with everything on it. Its client is told of what it knows: its producers and consumers.
    CloseTransport {
        /// Which one.
        transport: TransportId,
    },
    /// Sends somebody away.
    Kick {
        /// Whom.
        peer: PeerId,
    },
    /// Takes a raised hand down.
    LowerHand {
        /// Whose.
        peer: PeerId,
    },
    /// Pauses producers. Their owners may resume them.
    Mute {
        /// Whose; `None`: of all but hosts.
        peer: Option<PeerId>,
        /// Of which kind; `None`: of both.
        kind: Option<MediaKind>,
    },
    /// Sends away somebody who waits in the lobby.
    Refuse {
        /// Whom.
        peer: PeerId,
    },
    /// Changes what somebody may do, at once.
    SetGrants {
        /// Who.
        peer: PeerId,
        /// All of it.
        grants: Grants,
    },
    /// Whether those who are no hosts wait in the lobby from now on. Who waits is let in when they need not.
    SetLobby(bool),
    /// Whether nobody but hosts may join from now on.
    SetLocked(bool),
    /// How many peers may be in the room; `None`: as many as the server allows.
    SetMaxPeers(Option<u32>),
    /// What the room is said to be about, for applications.
    SetMetadata(Value),
    /// Changes what somebody is, at once.
    SetRole {
        /// Who.
        peer: PeerId,
        /// What it is from now on.
        role: Role,
    },
}
