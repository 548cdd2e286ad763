//! Clients at the door of another node than the one that serves them: what they say goes there as it is.
//!
//! The node that has the connection opens a [`Tunnel`] over the link; the other one hands it to its doors, which do as if the client
//! had come to them. So whatever belongs to the client is at the node that has its media, and lives as long as that one: when the
//! first node dies, the client goes on through another one.

mod pieces;

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, PoisonError},
    time::Duration,
};

use plenum_ids::NodeId;
use plenum_link::{Channel, ChannelError, ChannelReceiver, ChannelSender};
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;
use tracing::debug;

use self::pieces::{Assembly, Nonsense, Said, pieces};
use super::{Cluster, relay::Counted};
use crate::host::{ConnectError, Host};

/// The name of such channels.
pub(super) const CHANNEL: &str = "door";

/// As long as other links' greetings take at most.
const OPEN_WITHIN: Duration = Duration::from_secs(10);

/// What a door does for a client of another node, until that is done.
pub type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The doors of this node, for clients who are at those of others.
pub trait FarDoors: Send + Sync + 'static {
    /// Serves a client. `opening` says what it wants.
    fn serve(&self, opening: Value, tunnel: Tunnel) -> Serving;
}

/// What leads from one node's door to another's. It is closed when either half is dropped.
#[derive(Debug)]
pub struct Tunnel {
    sender: TunnelSender,
    receiver: TunnelReceiver,
}

/// The half that is spoken into.
#[derive(Clone, Debug)]
pub struct TunnelSender(ChannelSender);

/// The half that is listened to.
#[derive(Debug)]
pub struct TunnelReceiver {
    receiver: ChannelReceiver,
    assembly: Assembly,
    /// Whoever still listens may have stopped speaking.
    _sender: ChannelSender,
    _count: Counted,
}

/// Nobody is on the other side of a tunnel any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other node does not listen any more")]
pub struct TunnelGone;

impl Tunnel {
    pub(super) fn new(channel: Channel, count: Counted) -> Self {
        let (sender, receiver) = channel.split();
        Self {
            receiver: TunnelReceiver {
                receiver,
                assembly: Assembly::default(),
                _sender: sender.clone(),
                _count: count,
            },
            sender: TunnelSender(sender),
        }
    }

    /// Its halves, for two who speak and listen at the same time.
    #[must_use]
    pub fn split(self) -> (TunnelSender, TunnelReceiver) {
        (self.sender, self.receiver)
    }

    /// See [`TunnelSender::send`].
    pub async fn send(&self, said: Value) -> Result<(), TunnelGone> {
        self.sender.send(said).await
    }

    /// See [`TunnelReceiver::recv`].
    pub async fn recv(&mut self) -> Option<Value> {
        self.receiver.recv().await
    }
}

impl TunnelSender {
    /// Says something; waits while the other side is behind.
    pub async fn send(&self, said: Value) -> Result<(), TunnelGone> {
        let whole = Said::Whole(said);
        match self.0.send(&to_json(&whole)).await {
            Ok(()) => Ok(()),
            Err(ChannelError::TooLarge { .. }) => match whole {
                Said::Whole(said) => self.send_pieces(&said.to_string()).await,
                Said::Piece(_) | Said::LastPiece(_) => Err(TunnelGone),
            },
            Err(_) => Err(TunnelGone),
        }
    }

    async fn send_pieces(&self, text: &str) -> Result<(), TunnelGone> {
        for piece in pieces(text) {
            let sent = self.0.send(&to_json(&piece)).await;
            sent.map_err(|_| TunnelGone)?;
        }
        Ok(())
    }
}

impl TunnelReceiver {
    /// What the other side says next; `None`: it is gone, or makes no sense. Loses nothing when cancelled.
    pub async fn recv(&mut self) -> Option<Value> {
        loop {
            let said = self.receiver.recv().await.ok()?;
            match self.assembly.take(serde_json::from_value(said).ok()?) {
                Ok(Some(whole)) => return Some(whole),
                Ok(None) => {}
                Err(Nonsense) => return None,
            }
        }
    }
}

/// Plain data becomes JSON whatever is in it.
fn to_json(it: &impl Serialize) -> Value {
    serde_json::to_value(it).unwrap_or_default()
}

/// The doors of this node, as soon as there are some.
#[derive(Default)]
pub(super) struct Doors(std::sync::Mutex<Option<Arc<dyn FarDoors>>>);

impl Doors {
    fn set(&self, doors: Option<Arc<dyn FarDoors>>) {
        // Every change leaves a whole value.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = doors;
    }

    fn now(&self) -> Option<Arc<dyn FarDoors>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl fmt::Debug for Doors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Doors").finish_non_exhaustive()
    }
}

impl Cluster {
    /// Another node has a client for this one's doors.
    pub(super) fn serve_client(&self, channel: Channel, opening: Value) {
        let Some(doors) = self.doors.now() else {
            return channel.close("closed", "the node has no doors now");
        };
        let tunnel = Tunnel::new(channel, self.relays().count_visitor());
        drop(tokio::spawn(doors.serve(opening, tunnel)));
    }

    /// Nobody is served any more.
    pub(super) fn shut_doors(&self) {
        self.doors.set(None);
    }

    /// Whether this is the node, or one that lives as far as is known.
    #[must_use]
    pub fn is_alive(&self, node: &NodeId) -> bool {
        self.me().node == *node || self.standing_now().alive.contains_key(node)
    }

    /// Whether another node lets go of its clients, as far as its record tells.
    #[must_use]
    pub fn is_anybody_leaving(&self) -> bool {
        let standing = self.standing_now();
        let nodes = self.nodes();
        let nodes = nodes.borrow();
        let mut all = nodes.iter().flat_map(|view| &view.nodes);
        all.any(|it| {
            let node = &it.lease.node;
            it.record.draining && *node != self.me().node && standing.alive.contains_key(node)
        })
    }

    /// Where other machines reach this node, without a port.
    #[must_use]
    pub fn own_host(&self) -> String {
        if let Some(address) = self.media_address() {
            return address.to_string();
        }
        let link = self.record().addresses.link.clone();
        let host = link.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_matches(['[', ']']).to_owned()
    }
}

impl Host {
    /// From now on these serve clients who are at other nodes' doors.
    pub fn serve_far_clients(&self, doors: Arc<dyn FarDoors>) {
        if let Some(cluster) = self.cluster() {
            cluster.doors.set(Some(doors));
        }
    }

    /// Leads to the doors of another node.
    pub async fn tunnel(&self, node: &NodeId, opening: &Value) -> Result<Tunnel, ConnectError> {
        if self.shared.rooms().closing {
            return Err(ConnectError::ShuttingDown);
        }
        self.tunnel_away(node, opening).await
    }

    /// The same for somebody who is here and goes there.
    pub async fn tunnel_away(
        &self,
        node: &NodeId,
        opening: &Value,
    ) -> Result<Tunnel, ConnectError> {
        let cluster = self.cluster().ok_or(ConnectError::Unreachable)?;
        if !cluster.is_alive(node) {
            return Err(ConnectError::Unreachable);
        }
        let address = cluster.address_of(node);
        let links = cluster.links();
        let opened = timeout(OPEN_WITHIN, links.open(node, &address, CHANNEL, opening)).await;
        match opened {
            Ok(Ok(channel)) => Ok(Tunnel::new(channel, cluster.relays().count())),
            Ok(Err(err)) => {
                debug!(%node, %err, "no way to another node's doors");
                Err(ConnectError::Unreachable)
            }
            Err(_) => Err(ConnectError::Unreachable),
        }
    }
}
