//! What other nodes want of this one.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use plenum_cluster::Stamp;
use plenum_ids::{NodeId, RoomName};
use plenum_link::{Answer, Channel, Handler, Peer, Refusal};
use plenum_room::NodeKey;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{sync::oneshot, time::timeout};
use tracing::debug;

use super::{
    Cluster,
    drain::DRAIN,
    messages::{PART, PartQuestion, ROOMS, Told},
    relay,
    rooms::PartInput,
};
use crate::host::Host;

/// Hears other nodes as soon as there is a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Reception {
    cluster: Arc<OnceLock<Weak<Cluster>>>,
}

/// A room's task waits for nobody, so that it is never this far behind.
const PART_PATIENCE: Duration = Duration::from_secs(2);

impl Reception {
    pub(super) fn open(&self, cluster: &Arc<Cluster>) {
        // It is opened once.
        let _ = self.cluster.set(Arc::downgrade(cluster));
    }

    fn cluster(&self) -> Option<Arc<Cluster>> {
        self.cluster.get()?.upgrade()
    }
}

impl Handler for Reception {
    fn request(&self, from: Peer, method: String, body: Value) -> Answer {
        let cluster = self.cluster();
        Box::pin(async move {
            let cluster = cluster.ok_or_else(|| Refusal::new("starting", "the node starts"))?;
            if method == PART {
                return cluster.answer_part(body).await;
            }
            if method == DRAIN {
                return cluster.answer_drain(body);
            }
            debug!(%from, method, "a request of another version");
            Err(Refusal::unknown_method(&method))
        })
    }

    fn notice(&self, from: Peer, method: String, _body: Value) {
        debug!(%from, method, "a notice of another version, passed over");
    }

    fn channel(&self, from: Peer, channel: Channel, opening: Value) {
        let Some(cluster) = self.cluster() else {
            return channel.close("starting", "the node starts");
        };
        if channel.name() == relay::CHANNEL {
            let Some(shared) = cluster.host() else {
                return channel.close("starting", "the node starts or ends");
            };
            let relays = Arc::clone(cluster.relays());
            let host = Host { shared };
            drop(tokio::spawn(relays.serve(host, from, channel, opening)));
            return;
        }
        let Peer { node, epoch } = from;
        let from = NodeKey { node, epoch };
        match channel.name() {
            ROOMS => drop(tokio::spawn(cluster.hear(from, channel))),
            _ => channel.close("unknown", "nobody takes channels of this name"),
        }
    }
}

impl Cluster {
    /// All of a part that is here, or that there is none.
    async fn answer_part(&self, body: Value) -> Result<Value, Refusal> {
        let PartQuestion { room } = read(body)?;
        // Before it is looked for: a part that begins meanwhile has higher numbers.
        let stamp = Stamp {
            epoch: self.me.epoch,
            seq: self.parts.highest(),
        };
        let Some(part) = self.parts.get(&room) else {
            return written(&Told { stamp, part: None });
        };
        let (tell, told) = oneshot::channel();
        let busy = || Refusal::new("busy", "the part begins or ends, ask again");
        let asking = async {
            let asked = part.send(PartInput::Tell(tell)).await;
            asked.map_err(|_| busy())?;
            told.await.map_err(|_| busy())
        };
        let told = timeout(PART_PATIENCE, asking).await.map_err(|_| busy())??;
        written(&told)
    }
}

impl Cluster {
    /// Asks a node for its part of a room; `None`: it does not say.
    pub(crate) async fn fetch_part(
        &self,
        room: &RoomName,
        node: &NodeId,
        within: Duration,
    ) -> Option<Told> {
        let room = room.clone();
        let question = serde_json::to_value(PartQuestion { room }).ok()?;
        let address = self.address_of(node);
        let asking = self.links.request(node, &address, PART, &question, within);
        let told = asking.await;
        let told = told.inspect_err(|err| debug!(%node, %err, "a part is not told"));
        serde_json::from_value(told.ok()?).ok()
    }
}

pub(super) fn read<T: DeserializeOwned>(body: Value) -> Result<T, Refusal> {
    serde_json::from_value(body).map_err(|err| Refusal::new("malformed", err.to_string()))
}

pub(super) fn written<T: Serialize>(answer: &T) -> Result<Value, Refusal> {
    serde_json::to_value(answer).map_err(|err| Refusal::new("internal", err.to_string()))
}
