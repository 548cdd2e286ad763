//! Who goes where.

use std::net::IpAddr;

use plenum_api::grants::Role;
use plenum_ids::{PeerId, RoomName};
use plenum_placement::Location;
use plenum_room::{Admission, NodeKey};

/// Somebody who is to be led to a node.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "doors fill it with struct update syntax"
)]
pub struct Who {
    /// Who.
    pub peer: PeerId,
    /// Where it comes from.
    pub remote: Option<IpAddr>,
    /// Where its token says that it is.
    pub hint: Option<Location>,
    /// It will send nothing.
    pub viewer: bool,
}

impl From<&Admission> for Who {
    fn from(admission: &Admission) -> Self {
        let grants = admission.grants;
        let publishes = grants.publish_audio || grants.publish_video || grants.publish_screen;
        let listens = admission.role == Some(Role::Listener);
        Self {
            peer: admission.peer.clone(),
            remote: admission.remote,
            hint: hint(admission),
            viewer: !publishes || listens || grants.hidden,
        }
    }
}

/// Where its token says that somebody is; what that leaves out is found out by the address.
fn hint(admission: &Admission) -> Option<Location> {
    let said = |name: &Option<String>| {
        let name = name.as_deref().map(str::trim);
        name.filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let hint = Location {
        region: said(&admission.region).as_deref().map(Into::into),
        isp: said(&admission.isp).as_deref().map(Into::into),
        ..Location::default()
    };
    (!hint.is_unknown()).then_some(hint)
}

/// The way into a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub(crate) room: RoomName,
    pub(crate) target: Target,
    pub(crate) public_url: Option<String>,
    pub(crate) reasons: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Here,
    There(NodeKey),
}

impl Way {
    /// To this node.
    #[must_use]
    pub fn here(room: &RoomName) -> Self {
        Self {
            room: room.clone(),
            target: Target::Here,
            public_url: None,
            reasons: Vec::new(),
        }
    }

    /// To another node, and where clients reach that one, if they do.
    #[must_use]
    pub fn there(room: &RoomName, node: NodeKey, public_url: Option<String>) -> Self {
        Self {
            target: Target::There(node),
            public_url: public_url.filter(|url| !url.is_empty()),
            ..Self::here(room)
        }
    }

    /// Why there and not elsewhere, for people.
    #[must_use]
    pub fn because(mut self, reasons: Vec<String>) -> Self {
        self.reasons = reasons;
        self
    }

    /// Which room it leads to.
    pub const fn room(&self) -> &RoomName {
        &self.room
    }

    /// Whether it leads to this node.
    pub const fn is_here(&self) -> bool {
        matches!(self.target, Target::Here)
    }

    /// The other node that it leads to.
    pub const fn node(&self) -> Option<&NodeKey> {
        match &self.target {
            Target::Here => None,
            Target::There(node) => Some(node),
        }
    }

    /// Where a client who can be sent elsewhere finds the other node.
    pub fn redirect(&self) -> Option<&str> {
        match self.target {
            Target::Here => None,
            Target::There(_) => self.public_url.as_deref(),
        }
    }

    /// Why there and not elsewhere, for people.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}
