//! Clients whose connection and whose room are at two nodes.
//!
//! The *near* node has the connection. It lets the client in or not, finds out where it belongs ([`plenum_host::Way`]), and when
//! the client cannot be sent there itself, passes on what it says: frames of a WebSocket ([`sockets`]), or whole HTTP requests
//! ([`requests`]). The *far* node serves it as if it had come there, so that nothing of the client depends on the near one: a
//! session is resumed, and a resource changed or ended, through any other node.
//!
//! Connections of protoo and Socket.IO know no resuming. Theirs end at the near node, and the room's words are passed on instead
//! ([`plenum_host::Session`]).

mod requests;
mod sockets;

use std::sync::Arc;

use plenum_host::{ConnectError, FarDoors, Host, Serving, Tunnel, Way};
use plenum_ids::{NodeId, RoomName};
use plenum_room::Admission;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::debug;

use crate::{Edge, plenum};

pub(crate) use requests::{Forwarded, forward, order};
pub(crate) use sockets::{Far, Incoming, pass_on, relay};

/// What the far node's doors are asked for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Opening {
    /// A session of our own dialect. What its socket says follows, once it is welcome.
    Enter(Box<Entering>),
    /// The same for one that there is.
    Resume {
        /// As the client was told it.
        token: String,
        /// The last frame that it has seen.
        seen: u64,
        /// It comes over the socket that it has had all the time, and is not to notice.
        #[serde(default)]
        quiet: bool,
    },
    /// A session of our own dialect whose room is here now, and whose node is to be empty. All of it follows.
    Adopt,
    /// The answer to an HTTP request, which follows.
    Request,
}

/// Who comes in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entering {
    pub(crate) room: RoomName,
    pub(crate) admission: Admission,
    /// Why this node and not another one, for people.
    #[serde(default)]
    pub(crate) because: Vec<String>,
}

/// The answer to those who want in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Greeting {
    Welcome,
    Refused(Value),
}

/// Plain data becomes JSON whatever is in it.
fn to_json(it: &impl Serialize) -> Value {
    serde_json::to_value(it).unwrap_or_default()
}

/// Leads to another node's doors, where somebody is to come in.
pub(crate) async fn open(
    host: &Host,
    node: &NodeId,
    opening: &Opening,
) -> Result<Tunnel, ConnectError> {
    greeted(host.tunnel(node, &to_json(opening)).await?).await
}

/// The same for somebody who is here and goes there, also when nobody is let in here any more.
pub(crate) async fn open_away(
    host: &Host,
    node: &NodeId,
    opening: &Opening,
) -> Result<Tunnel, ConnectError> {
    greeted(host.tunnel_away(node, &to_json(opening)).await?).await
}

async fn greeted(mut tunnel: Tunnel) -> Result<Tunnel, ConnectError> {
    let greeting = tunnel.recv().await.ok_or(ConnectError::Unreachable)?;
    match serde_json::from_value(greeting) {
        Ok(Greeting::Welcome) => Ok(tunnel),
        // A reason of a newer version is none that this one could tell clients.
        Ok(Greeting::Refused(why)) => {
            Err(serde_json::from_value(why).unwrap_or(ConnectError::Refused))
        }
        Err(_) => Err(ConnectError::Refused),
    }
}

/// Says to somebody who came by [`open`] that it is welcome, or why not.
pub(crate) async fn greet(tunnel: &Tunnel, result: Result<(), ConnectError>) -> bool {
    let greeting = match result {
        Ok(()) => Greeting::Welcome,
        Err(err) => Greeting::Refused(to_json(&err)),
    };
    // Who has gone meanwhile need not know.
    tunnel.send(to_json(&greeting)).await.is_ok() && result.is_ok()
}

impl Edge {
    /// From now on clients who are at other nodes' doors are served, too.
    pub(crate) fn serve_far_clients(&self) {
        self.host.serve_far_clients(Arc::new(Doors(self.clone())));
    }

    /// This node, if it is one of several.
    pub(crate) fn node(&self) -> Option<&NodeId> {
        let cluster = self.host.cluster()?;
        Some(&cluster.me().node)
    }
}

/// The node that is to serve a client whose way leads there.
pub(crate) fn node_of(way: &Way) -> Option<&NodeId> {
    way.node().map(|node| &node.node)
}

struct Doors(Edge);

impl FarDoors for Doors {
    fn serve(&self, opening: Value, tunnel: Tunnel) -> Serving {
        let edge = self.0.clone();
        Box::pin(async move {
            match serde_json::from_value(opening) {
                Ok(Opening::Enter(entering)) => plenum::enter_far(edge, *entering, tunnel).await,
                Ok(Opening::Resume { token, seen, quiet }) => {
                    plenum::resume_far(&edge, &token, (seen, quiet), tunnel).await;
                }
                Ok(Opening::Adopt) => plenum::adopt(edge, tunnel).await,
                Ok(Opening::Request) => requests::answer(edge, tunnel).await,
                Err(err) => {
                    debug!(%err, "a door of another version");
                    greet(&tunnel, Err(ConnectError::Refused)).await;
                }
            }
        })
    }
}
