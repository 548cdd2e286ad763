//! What answers other nodes.

use std::fmt;

use futures_util::future::BoxFuture;
use plenum_ids::{NodeEpoch, NodeId};
use serde_json::Value;

use crate::{Channel, Refusal};

/// An answer that is being made. It may take its time and does not hold up others. It is made to its end, also when the
/// link or the one who asked is gone meanwhile.
pub type Answer = BoxFuture<'static, Result<Value, Refusal>>;

/// Who is on the other side of a link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::exhaustive_structs,
    reason = "a node's name and which start of it"
)]
pub struct Peer {
    /// Which node.
    pub node: NodeId,
    /// Which start of it.
    pub epoch: NodeEpoch,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (epoch {})", self.node, self.epoch)
    }
}

/// What answers other nodes. Everything here is called in the order in which it came over one link and must return
/// at once: what takes time goes into the [`Answer`], or to a task. What is kept of it is the handler's to bound, and so is
/// how long an answer may take, as only so many of one link are made at a time ([`Limits`](crate::Limits)).
pub trait Handler: Send + Sync + 'static {
    /// Somebody asks. Called when the request's turn has come, which is not before some of those that run have ended.
    fn request(&self, from: Peer, method: String, body: Value) -> Answer;

    /// Somebody tells something and expects no answer.
    fn notice(&self, from: Peer, method: String, body: Value);

    /// Somebody opens a channel, and says this with it. Whoever wants none of that closes it; dropping it does, too.
    fn channel(&self, from: Peer, channel: Channel, opening: Value);
}
