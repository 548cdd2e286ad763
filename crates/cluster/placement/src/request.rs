//! Who is to be placed.

use std::{fmt, str::FromStr};

use plenum_ids::{NodeId, PeerId, RoomName};
use serde::{Deserialize, Serialize};

use crate::{Country, Isp, Region};

/// Somebody who wants into a room, and what is known of both.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Request {
    /// The room, whose namespace's rules hold.
    pub room: RoomName,
    /// Who; among equal nodes each goes to one of their own.
    pub peer: Option<PeerId>,
    /// What the room was opened with, where that is not what the namespace's rules say.
    pub policy: Option<Policy>,
    /// Whether the peer sends.
    pub role: Role,
    /// Where the client is.
    pub client: Location,
    /// The room's home, if it has one.
    pub home: Option<NodeId>,
    /// Nodes that have peers of the room, in any order.
    pub parts: Vec<Part>,
    /// Bits a second that the node will send more for this peer, as far as known.
    pub egress: u64,
}

impl Request {
    /// A request of a peer of which nothing is known yet.
    pub fn new(room: impl Into<RoomName>) -> Self {
        Self {
            room: room.into(),
            peer: None,
            policy: None,
            role: Role::default(),
            client: Location::default(),
            home: None,
            parts: Vec::new(),
            egress: 0,
        }
    }
}

/// What a node has of the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "one fact per field")]
pub struct Part {
    /// Which node.
    pub node: NodeId,
    /// Peers of the room there.
    pub peers: u32,
    /// Of these, how many send.
    #[serde(default)]
    pub publishers: u32,
}

/// How the peers of a room are spread over nodes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "callers choose among these")]
pub enum Policy {
    /// Few publishers, any number of viewers: those that publish near themselves, viewers over nodes that take the streams
    /// from each other as a [`tree`](crate::tree).
    Broadcast,
    /// Everybody of a room at one node, as long as that takes them.
    #[default]
    Room,
    /// Each publisher near itself; receivers of a large room gather on few nodes.
    Stream,
    /// Each peer at the node that is best for it; nodes exchange the streams.
    User,
}

impl Policy {
    /// All of them, by name.
    pub const ALL: [Self; 4] = [Self::Broadcast, Self::Room, Self::Stream, Self::User];

    /// As it is written in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Room => "room",
            Self::Stream => "stream",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let named = Self::ALL.into_iter().find(|policy| policy.as_str() == text);
        named.ok_or(UnknownPolicy)
    }
}

/// The text names no policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no policy: broadcast, room, stream or user")]
pub struct UnknownPolicy;

/// Whether a peer sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "either or")]
pub enum Role {
    /// It sends, or may.
    #[default]
    Publisher,
    /// It only receives.
    Viewer,
}

/// Where a client or a node is, as far as known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Location {
    /// The operator's region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    /// Who connects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isp: Option<Isp>,
    /// The place on the globe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<Coordinates>,
}

impl Location {
    /// What this does not say is taken from another.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            region: self.region.or_else(|| other.region.clone()),
            country: self.country.or_else(|| other.country.clone()),
            isp: self.isp.or_else(|| other.isp.clone()),
            coordinates: self.coordinates.or(other.coordinates),
        }
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// A place on the globe, in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a pair")]
pub struct Coordinates {
    /// North of the equator.
    pub latitude: f32,
    /// East of Greenwich.
    pub longitude: f32,
}

impl Coordinates {
    /// The mean radius of the Earth in kilometres (IUGG).
    const EARTH: f32 = 6371.0;

    /// The direction from the middle of the Earth: the distance of two places is the angle between two of them.
    pub(crate) fn direction(self) -> [f32; 3] {
        let (latitude, longitude) = (self.latitude.to_radians(), self.longitude.to_radians());
        let (height, ring) = latitude.sin_cos();
        let (y, x) = longitude.sin_cos();
        let direction = [ring * x, ring * y, height];
        // Whoever announces nonsense is nowhere near anybody, rather than at no number.
        if direction.iter().all(|part| part.is_finite()) {
            direction
        } else {
            [0.0; 3]
        }
    }

    /// Kilometres over ground.
    #[must_use]
    pub fn distance_to(self, other: Self) -> f32 {
        distance(self.direction(), other.direction())
    }
}

/// Kilometres over ground between two directions.
pub(crate) fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    // By the chord: the arc cosine of nearly 1 loses all digits between near places.
    let square = |index: usize| (a[index] - b[index]) * (a[index] - b[index]);
    let chord = (square(0) + square(1) + square(2)).sqrt();
    Coordinates::EARTH * 2.0 * (chord / 2.0).min(1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_globe() {
        let at = |latitude, longitude| Coordinates {
            latitude,
            longitude,
        };
        let (berlin, paris, sydney) = (at(52.52, 13.40), at(48.86, 2.35), at(-33.87, 151.21));
        assert!((berlin.distance_to(paris) - 878.0).abs() < 5.0);
        assert!((berlin.distance_to(sydney) - 16_090.0).abs() < 40.0);
        assert!(berlin.distance_to(berlin) < 0.1);
        assert!(at(f32::NAN, 0.0).distance_to(berlin).is_finite());
    }

    #[test]
    fn policies_are_named_as_in_settings() {
        for policy in Policy::ALL {
            assert_eq!(policy.as_str().parse(), Ok(policy));
            let json = serde_json::to_value(policy).unwrap();
            assert_eq!(json, policy.as_str());
        }
        assert_eq!("nearest".parse::<Policy>(), Err(UnknownPolicy));
    }
}
