//! Identifiers shared by every part of Plenum.
//!
//! Media objects carry random 128-bit identifiers: they are made by the node, are unique in the world, and stay the
//! same when an object is piped to another router. Inside the engine they are looked up once per command and never per
//! packet. Rooms and peers are named by their users and therefore are strings.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! media_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new random identifier (UUID version 4).
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }

            /// An identifier with the given value, for tests and deterministic simulations.
            #[must_use]
            pub const fn from_u128(value: u128) -> Self {
                Self(Uuid::from_u128(value))
            }

            /// Its value.
            #[must_use]
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    };
}

media_id!(
    /// A router: the set of producers that the consumers of one room (or of one part of it) can choose from.
    RouterId
);
media_id!(
    /// A transport: one network path between a peer and a router.
    TransportId
);
media_id!(
    /// A producer: one media source that a peer sends.
    ProducerId
);
media_id!(
    /// A consumer: one producer as it is sent to one peer.
    ConsumerId
);
media_id!(
    /// An observer: what watches the audio of a router's producers.
    RtpObserverId
);

media_id!(
    /// A data producer: one data channel that a peer, or the node itself, writes to.
    DataProducerId
);
media_id!(
    /// A data consumer: one data producer as its messages are sent to one peer, or to the node itself.
    DataConsumerId
);

/// The text is not an identifier of a media object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an identifier")
    }
}

impl std::error::Error for InvalidId {}

/// Number of a worker inside its node, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub u16);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which start of a node: a higher one has put an end to what the lower ones owned.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NodeEpoch(pub u64);

impl fmt::Display for NodeEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which home a room has: the one with the highest epoch holds, every older one has lost it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RoomEpoch(pub u64);

impl fmt::Display for RoomEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name_id!(
    /// A room's name, unique inside its namespace.
    RoomId
);
name_id!(
    /// A participant's name, unique inside its room.
    PeerId
);
name_id!(
    /// A node's name. It stays the same over restarts, so that others know who came back.
    NodeId
);
name_id!(
    /// A namespace's name: rooms, limits, tokens and statistics of one namespace have nothing to do with another's.
    NamespaceId
);

impl NamespaceId {
    /// The namespace of whoever names none.
    pub const DEFAULT_NAME: &'static str = "default";

    /// Longest name. It is the operator's, so that no client's habits count.
    pub const MAX_LENGTH: usize = 64;

    /// A name that goes into paths, settings and figures: letters, digits, `-`, `_` and `.` of ASCII.
    pub fn parse(text: &str) -> Result<Self, InvalidNamespace> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let fits = !text.is_empty() && text.len() <= Self::MAX_LENGTH;
        if fits && text.bytes().all(is_plain) {
            Ok(Self::from(text))
        } else {
            Err(InvalidNamespace)
        }
    }
}

/// The text is no name of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidNamespace;

impl fmt::Display for InvalidNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no name of a namespace: 1 to 64 ASCII letters, digits, '-', '_' and '.'")
    }
}

impl std::error::Error for InvalidNamespace {}

impl Default for NamespaceId {
    fn default() -> Self {
        Self::from(Self::DEFAULT_NAME)
    }
}

/// A room of a node: rooms of the same name in two namespaces never meet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a name of two parts")]
pub struct RoomName {
    /// Whose room.
    pub namespace: NamespaceId,
    /// Its name there.
    pub room: RoomId,
}

impl RoomName {
    /// A room of a namespace.
    pub fn new(namespace: impl Into<NamespaceId>, room: impl Into<RoomId>) -> Self {
        Self {
            namespace: namespace.into(),
            room: room.into(),
        }
    }
}

impl From<RoomId> for RoomName {
    /// In the default namespace.
    fn from(room: RoomId) -> Self {
        Self::new(NamespaceId::default(), room)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_value_are_two_forms_of_one_id() {
        let id = ProducerId::random();
        assert_eq!(id.to_string().parse::<ProducerId>(), Ok(id));
        assert_eq!("consumerId".parse::<ConsumerId>(), Err(InvalidId));
    }

    #[test]
    fn rooms_of_one_name_in_two_namespaces_are_two() {
        let room = RoomName::from(RoomId::from("lobby"));
        assert_eq!(room.to_string(), "default/lobby");
        assert_ne!(room, RoomName::new("acme", "lobby"));
    }

    #[test]
    fn namespaces_have_plain_names() {
        for name in ["default", "a", "acme.eu-1_x", &"n".repeat(64)] {
            assert_eq!(NamespaceId::parse(name), Ok(NamespaceId::from(name)));
        }
        for name in ["", "a/b", "a b", "ä", "*", &"n".repeat(65)] {
            assert_eq!(NamespaceId::parse(name), Err(InvalidNamespace), "{name}");
        }
    }

    #[test]
    fn binary_form_is_short_and_json_form_is_text() {
        let id = TransportId::from_u128(7);
        assert_eq!(postcard::to_stdvec(&id).expect("plain data").len(), 17);
        assert_eq!(
            serde_json::to_string(&id).expect("plain data"),
            "\"00000000-0000-0000-0000-000000000007\""
        );
    }
}
