//! What other nodes want of this one.

use std::sync::{Arc, OnceLock, Weak};

use plenum_link::{Answer, Channel, Handler, Peer, Refusal};
use plenum_room::NodeKey;
use serde_json::Value;
use tracing::debug;

use super::{
    Cluster, doors,
    drain::DRAIN,
    messages::{PART, ROOMS},
    relay,
};
use crate::host::Host;

/// Hears other nodes as soon as there is a cluster.
#[derive(Clone, Debug, Default)]
pub(super) struct Reception {
    cluster: Arc<OnceLock<Weak<Cluster>>>,
}

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
            doors::CHANNEL => cluster.serve_client(channel, opening),
            PART => drop(tokio::spawn(cluster.tell_part(channel, opening))),
            ROOMS => drop(tokio::spawn(cluster.hear(from, channel))),
            _ => channel.close("unknown", "nobody takes channels of this name"),
        }
    }
}
