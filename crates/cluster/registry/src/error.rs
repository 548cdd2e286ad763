//! What a registry answers instead.

use std::time::Duration;

use plenum_ids::NodeEpoch;

use crate::Incarnation;

/// Why a registry did not do as it was asked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// A later start of the same node has registered: what the caller owns is over.
    #[error("a later start of this node is registered: epoch {by}")]
    Fenced {
        /// The later start.
        by: NodeEpoch,
    },
    /// None of a claim's candidates lives and takes new rooms.
    #[error("no candidate lives and takes rooms")]
    NoCandidate,
    /// There is no such room, and the claim was not to make one.
    #[error("no such room")]
    NoRoom,
    /// The registry's memory is another than the caller knows: nothing was done.
    #[error("the registry has begun anew as {now}")]
    Restarted {
        /// What it is now.
        now: Incarnation,
    },
    /// What was to be swept lives: nothing was done.
    #[error("the node renewed its lease {} ms ago", since_renewal.as_millis())]
    Alive {
        /// How long ago by the registry's clock.
        since_renewal: Duration,
    },
    /// A value is longer than a registry keeps.
    #[error("{what} has {length} bytes, more than {longest}")]
    TooLarge {
        /// Which value.
        what: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        longest: usize,
    },
    /// A value that no registry keeps.
    #[error("{what} is not acceptable")]
    Refused {
        /// Which value.
        what: &'static str,
    },
    /// The node's lease has run out, or the registry has forgotten it: nothing was done. What it wrote would be there when it is
    /// dead, and nobody would know that there is something to sweep.
    #[error("the node's lease does not hold")]
    Unleased,
    /// What stands in the registry is not what nodes write there.
    #[error("{what} in the registry cannot be read")]
    Unreadable {
        /// Which value.
        what: String,
    },
    /// The registry did not answer. Whether it has done what it was asked is not known.
    #[error("the registry cannot be reached: {reason}")]
    Unreachable {
        /// As the network or the server put it.
        reason: String,
    },
}

impl RegistryError {
    /// Whether asking again may help, with nothing changed on the caller's side.
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::NoCandidate | Self::Unleased | Self::Unreachable { .. }
        )
    }
}
