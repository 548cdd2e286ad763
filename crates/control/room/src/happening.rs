//! What happens in a room, for those outside who follow it.

use plenum_api::grants::{Grants, Role};
use plenum_ids::{PeerId, ProducerId};
use plenum_params::media::MediaKind;
use serde::Serialize;

use crate::{admission::Door, close_reason::CloseReason, info::RoomProperties};

/// Something that others than those in the room may want to know of. What it is called and what is in it is written the
/// way in which applications get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum RoomEvent {
    /// Somebody raised a hand or took it down.
    HandRaised {
        /// Who.
        peer_id: PeerId,
        /// Whether it is up.
        raised: bool,
    },
    /// Somebody may do something else.
    GrantsChanged {
        /// Who.
        peer_id: PeerId,
        /// What it was given.
        grants: Grants,
    },
    /// Somebody waits in the lobby.
    PeerKnocked {
        /// Who.
        peer_id: PeerId,
        /// Name to show.
        display_name: String,
    },
    /// Somebody joined.
    PeerJoined {
        /// Who.
        peer_id: PeerId,
        /// Name to show.
        display_name: String,
        /// What it is.
        role: Role,
        /// How it came in.
        door: Door,
        /// The others do not see it.
        hidden: bool,
    },
    /// Somebody who had joined left, with everything that it sent.
    PeerLeft {
        /// Who.
        peer_id: PeerId,
        /// Why, if it was not its own doing.
        reason: Option<CloseReason>,
    },
    /// Somebody sends something.
    ProducerAdded {
        /// Who.
        peer_id: PeerId,
        /// Which one.
        producer_id: ProducerId,
        /// Audio or video.
        kind: MediaKind,
        /// It is a shared screen or its sound.
        screen: bool,
    },
    /// Somebody sends something no more.
    ProducerRemoved {
        /// Who.
        peer_id: PeerId,
        /// Which one.
        producer_id: ProducerId,
    },
    /// Somebody is something else.
    RoleChanged {
        /// Who.
        peer_id: PeerId,
        /// What it is now.
        role: Role,
    },
    /// The room itself has changed.
    RoomChanged(RoomProperties),
}
