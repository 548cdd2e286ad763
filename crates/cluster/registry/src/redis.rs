//! A registry and bus in Redis, 7 or later, or in Valkey.
//!
//! Every question is one script, which the server runs as a whole: whoever asks, nobody sees it half done. All keys
//! begin with one hash tag, `{prefix}:`, so that they are in one slot. What they hold stands in `lua/prelude.lua` and in
//! `docs/cluster/registry.md`.
//!
//! One connection carries questions and messages. It is watched over: whatever fails, a new one is made, after the
//! Sentinels have been asked again where there are any, and every topic is subscribed to anew.

pub(crate) mod ask;
pub(crate) mod replies;

mod config;
mod connection;
mod scripts;
mod sentinel;
mod supervisor;
mod topics;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use plenum_ids::{NodeEpoch, NodeId, PeerId, RoomEpoch, RoomName};
use tokio::task::JoinHandle;

pub use self::config::{RedisConfig, RedisConfigError, RedisServers, RedisTls};
use self::{ask::Args, scripts::Scripts, supervisor::Shared};
use crate::{
    Answer, Bus, Claim, ClaimRequest, Joins, Leases, NodeRecord, NodesView, PartMark, PeerPlace,
    Registered, Registry, RegistryError, Renewed, RoomRecord, Subscription, Sweep, Swept, bounds,
};

/// A registry and bus in Redis. A clone is the same connection once more.
#[derive(Clone)]
pub struct RedisRegistry {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    scripts: Scripts,
    /// What every key begins with.
    base: String,
    deadline: Duration,
    silence: Duration,
    supervisor: JoinHandle<()>,
}

impl RedisRegistry {
    /// Begins to connect, and stays connected until the last clone is dropped. It needs a runtime of tokio. A server
    /// that is away is no error here: questions wait for it as long as they may.
    pub fn start(config: &RedisConfig) -> Result<Self, RedisConfigError> {
        let source = connection::Source::new(config)?;
        let shared = Arc::new(Shared::default());
        let supervisor = tokio::spawn(supervisor::run(shared.clone(), source));
        let inner = Inner {
            shared,
            scripts: Scripts::new(),
            base: format!("{{{}}}:", config.prefix),
            deadline: config.deadline,
            silence: config.silence,
            supervisor,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    fn channel(&self, topic: &str) -> String {
        format!("{}bus:{topic}", self.inner.base)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

impl fmt::Debug for RedisRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRegistry")
            .field("base", &self.inner.base)
            .finish_non_exhaustive()
    }
}

impl Registry for RedisRegistry {
    fn register(
        &self,
        node: NodeId,
        at_least: NodeEpoch,
        record: NodeRecord,
    ) -> Answer<'_, Registered> {
        Box::pin(async move {
            bounds::node(&node)?;
            bounds::node_epoch(at_least)?;
            let args = Args::fresh()
                .text(node.as_str())
                .number(at_least.0)
                .flag(record.draining)
                .text(&bounds::record(&record)?);
            let reply = self.ask(|scripts| &scripts.register, args).await?;
            replies::registered(reply)
        })
    }

    fn renew(&self, node: NodeId, epoch: NodeEpoch, record: NodeRecord) -> Answer<'_, Renewed> {
        Box::pin(async move {
            bounds::node(&node)?;
            bounds::node_epoch(epoch)?;
            let args = Args::fresh()
                .text(node.as_str())
                .number(epoch.0)
                .flag(record.draining)
                .text(&bounds::record(&record)?);
            let reply = self.ask(|scripts| &scripts.renew, args).await?;
            replies::renewed(reply)
        })
    }

    fn resign(&self, node: NodeId, epoch: NodeEpoch) -> Answer<'_, ()> {
        Box::pin(async move {
            let args = Args::new()
                .text(node.as_str())
                .number(epoch.0)
                .duration(bounds::KEEP_NODES);
            self.ask(|scripts| &scripts.resign, args).await?;
            Ok(())
        })
    }

    fn leases(&self) -> Answer<'_, Leases> {
        Box::pin(async move {
            let args = Args::fresh().flag(false);
            let reply = self.ask(|scripts| &scripts.leases, args).await?;
            replies::leases(reply)
        })
    }

    fn nodes(&self) -> Answer<'_, NodesView> {
        Box::pin(async move {
            let args = Args::fresh().flag(true);
            let reply = self.ask(|scripts| &scripts.leases, args).await?;
            replies::nodes(reply)
        })
    }

    fn claim(&self, request: ClaimRequest) -> Answer<'_, Claim> {
        Box::pin(async move {
            bounds::claim(&request)?;
            let (join, at) = match &request.joins {
                Joins::Home => ("home", ""),
                Joins::At(node) => ("at", node.as_str()),
                Joins::Nowhere => ("nowhere", ""),
            };
            let args = Args::seeing(&request.seen)
                .room(&request.room)
                .number(request.at_least.0)
                .duration(request.lease)
                .flag(request.create)
                .text(join)
                .text(at);
            let candidates = request.candidates.iter();
            let args = candidates.fold(args, |args, node| args.text(node.as_str()));
            let reply = self.ask(|scripts| &scripts.claim, args).await?;
            replies::claim(reply)
        })
    }

    fn release(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        epoch: RoomEpoch,
    ) -> Answer<'_, bool> {
        Box::pin(async move {
            let args = Args::new()
                .room(&room)
                .text(node.as_str())
                .number(node_epoch.0)
                .number(epoch.0)
                .duration(bounds::KEEP_ROOMS);
            let reply = self.ask(|scripts| &scripts.release, args).await?;
            replies::released(reply)
        })
    }

    fn put_part(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        mark: PartMark,
        lease: Duration,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            bounds::part(&room, &node, node_epoch)?;
            let args = Args::new()
                .room(&room)
                .text(node.as_str())
                .number(node_epoch.0)
                .number(mark.seq)
                .text(&bounds::mark(&mark)?)
                .duration(lease);
            self.ask(|scripts| &scripts.put_part, args).await?;
            Ok(())
        })
    }

    fn remove_part(&self, room: RoomName, node: NodeId, node_epoch: NodeEpoch) -> Answer<'_, ()> {
        Box::pin(async move {
            let args = Args::new()
                .room(&room)
                .text(node.as_str())
                .number(node_epoch.0)
                .duration(bounds::KEEP_ROOMS);
            self.ask(|scripts| &scripts.remove_part, args).await?;
            Ok(())
        })
    }

    fn room(&self, room: RoomName) -> Answer<'_, Option<RoomRecord>> {
        Box::pin(async move {
            let args = Args::new().room(&room);
            let reply = self.ask(|scripts| &scripts.room, args).await?;
            replies::room(reply)
        })
    }

    fn rooms_of(&self, node: NodeId) -> Answer<'_, Vec<RoomName>> {
        Box::pin(async move {
            let mut rooms = Vec::new();
            let mut cursor = "0".to_owned();
            loop {
                let args = Args::new().text(node.as_str()).text(&cursor);
                let reply = self.ask(|scripts| &scripts.rooms_of, args).await?;
                let (next, page) = replies::rooms(reply)?;
                rooms.extend(page);
                cursor = next;
                if cursor == "0" {
                    break;
                }
            }
            // A scan may show one twice.
            rooms.sort_unstable();
            rooms.dedup();
            Ok(rooms)
        })
    }

    fn put_peer(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        peer: PeerId,
        note: String,
        lease: Duration,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            bounds::part(&room, &node, node_epoch)?;
            bounds::peer(&peer)?;
            bounds::note(&note)?;
            let args = Args::new()
                .room(&room)
                .text(node.as_str())
                .number(node_epoch.0)
                .text(peer.as_str())
                .text(&note)
                .duration(lease);
            self.ask(|scripts| &scripts.put_peer, args).await?;
            Ok(())
        })
    }

    fn remove_peer(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        peer: PeerId,
    ) -> Answer<'_, ()> {
        Box::pin(async move {
            bounds::peer(&peer)?;
            let args = Args::new()
                .room(&room)
                .text(node.as_str())
                .number(node_epoch.0)
                .text(peer.as_str());
            self.ask(|scripts| &scripts.remove_peer, args).await?;
            Ok(())
        })
    }

    fn peers(&self, room: RoomName, only: Option<PeerId>) -> Answer<'_, Vec<PeerPlace>> {
        Box::pin(async move {
            let args = Args::new().room(&room).flag(only.is_some());
            let args = args.text(only.as_ref().map_or("", PeerId::as_str));
            let reply = self.ask(|scripts| &scripts.peers, args).await?;
            replies::peers(reply)
        })
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept> {
        Box::pin(async move {
            bounds::node(&sweep.node)?;
            bounds::node_epoch(sweep.epoch)?;
            let mut swept = Swept::default();
            let mut cursor = "0".to_owned();
            // In pages, so that the server has time for others; each looks again whether the node lives.
            loop {
                let args = Args::seeing(&sweep.seen)
                    .text(sweep.node.as_str())
                    .number(sweep.epoch.0)
                    .duration(sweep.lease)
                    .text(&cursor)
                    .duration(bounds::KEEP_ROOMS)
                    .duration(bounds::KEEP_NODES);
                let reply = self.ask(|scripts| &scripts.sweep, args).await?;
                let (next, page) = replies::rooms(reply)?;
                swept.rooms.extend(page);
                cursor = next;
                if cursor == "0" {
                    break;
                }
            }
            swept.rooms.sort_unstable();
            Ok(swept)
        })
    }
}

impl Bus for RedisRegistry {
    fn publish(&self, topic: &str, message: Bytes) -> Answer<'_, ()> {
        let channel = self.channel(topic);
        let checked = bounds::topic(topic).and_then(|()| bounds::message(&message));
        Box::pin(async move {
            checked?;
            self.tell(&channel, &message).await
        })
    }

    fn subscribe(&self, topic: &str) -> Result<Subscription, RegistryError> {
        bounds::topic(topic)?;
        Ok(self.inner.shared.topics.subscribe(self.channel(topic)))
    }
}
