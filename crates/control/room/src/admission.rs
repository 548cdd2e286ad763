//! How somebody comes in.

use std::net::IpAddr;

use plenum_api::grants::{Grants, Role};
use plenum_ids::PeerId;
use serde::{Deserialize, Serialize};

/// What the door knows of somebody who comes in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "doors fill it with struct update syntax"
)]
pub struct Admission {
    /// Who it says it is.
    pub peer: PeerId,
    /// From its token: counts, whatever name the client gives.
    pub name: Option<String>,
    /// What it may do, besides what its role allows.
    pub grants: Grants,
    /// From its token; `None`: the room decides.
    pub role: Option<Role>,
    /// Where it comes from.
    pub remote: Option<IpAddr>,
    /// The region that it is in, if its token says so.
    #[serde(default)]
    pub region: Option<String>,
    /// Who connects it, if its token says so.
    #[serde(default)]
    pub isp: Option<String>,
    /// Through which door.
    pub door: Door,
    /// The room goes on as long as it is there; whoever runs the room sees to that.
    pub keeps_room: bool,
    /// It is told of every producer ([`crate::PeerEvent::ProducerAdded`] and the like).
    pub catalog: bool,
    /// It understands [`crate::ClientRequest::NewConsumers`].
    pub batch: bool,
}

impl Admission {
    /// A client of the classic dialect without a token.
    #[must_use]
    pub fn new(peer: PeerId) -> Self {
        Self {
            peer,
            name: None,
            grants: Grants::default(),
            role: None,
            remote: None,
            region: None,
            isp: None,
            door: Door::Classic,
            keeps_room: true,
            catalog: false,
            batch: false,
        }
    }
}

/// By which dialect somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Door {
    /// protoo as mediasoup-demo spoke it for years.
    Classic,
    /// protoo as its newer server speaks it.
    Newest,
    /// Socket.IO.
    SocketIo,
    /// REST.
    Broadcaster,
    /// WHIP: sends only.
    Whip,
    /// WHEP: receives only.
    Whep,
    /// Our own dialect.
    Plenum,
}

impl Door {
    /// Its name in figures and views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Newest => "newest",
            Self::SocketIo => "socketio",
            Self::Broadcaster => "broadcaster",
            Self::Whip => "whip",
            Self::Whep => "whep",
            Self::Plenum => "plenum",
        }
    }

    /// Whether somebody sits behind it who could decide about a room.
    pub(crate) const fn leads_to_people(self) -> bool {
        !matches!(self, Self::Broadcaster | Self::Whip | Self::Whep)
    }
}
