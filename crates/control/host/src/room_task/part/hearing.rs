//! What a part hears: of the registry's record, of who lives, and over the bus.

use std::{sync::Arc, time::Instant};

use plenum_cluster::{Judgement, Numbered, Stamp};
use plenum_ids::{NodeEpoch, NodeId};
use plenum_registry::{BusEvent, RoomHome, RoomRecord};
use plenum_room::{Command, NodeKey, RemoteChange};
use tracing::debug;

use super::Part;
use crate::cluster::{Bulletin, Standing};

impl Part {
    /// What stands in the registry about the room.
    pub(super) fn handle_room(&mut self, record: Option<RoomRecord>) {
        let (home, parts) = record.map_or((None, Vec::new()), |it| (it.home, it.parts));
        let me = self.cluster.me().node.clone();
        let judges = self.standing.judgement == Judgement::Free;
        let mut is_marked = false;
        for part in &parts {
            let stamp = Stamp {
                epoch: part.node_epoch,
                seq: part.mark.seq,
            };
            if part.node == me {
                is_marked = stamp == self.log.stamp();
            } else if self.standing.alive.contains_key(&part.node) {
                self.replicas.handle_mark(&part.node, stamp);
            }
        }
        // What was written last may have been overtaken by what was written before, or be forgotten.
        if !is_marked {
            self.records.note_change();
        }
        let known = self.replicas.nodes().map(|(node, _)| node.clone());
        for node in known.collect::<Vec<_>>() {
            if parts.iter().all(|part| part.node != node) {
                self.replicas.handle_absent(&node);
            }
            if judges && !self.standing.alive.contains_key(&node) {
                self.replicas.handle_node_gone(&node, NodeEpoch(u64::MAX));
            }
        }
        let Some(RoomHome {
            node,
            node_epoch,
            epoch,
        }) = home
        else {
            return self.deciding.home_mut().handle_vacant();
        };
        let protocol = self.deciding.home_mut();
        protocol.handle_home(node.clone(), node_epoch, epoch);
        let key = NodeKey {
            node,
            epoch: node_epoch,
        };
        if judges && key.node != me && !self.standing.is_alive(&key) {
            protocol.handle_node_gone(&key.node, node_epoch);
        }
    }

    /// Who lives has changed, or what may be concluded.
    pub(super) fn handle_standing(&mut self, now: Instant, commands: &mut Vec<Command>) {
        let standing = Arc::clone(&self.changes.borrow_and_update());
        let before = std::mem::replace(&mut self.standing, Arc::clone(&standing));
        for (node, epoch) in gone(&before, &standing) {
            self.replicas.handle_node_gone(node, epoch);
            self.deciding.home_mut().handle_node_gone(node, epoch);
            if self.copies.get(node) != Some(&epoch) {
                // It may have asked for something before it was heard of.
                let node = NodeKey {
                    node: node.clone(),
                    epoch,
                };
                let change = RemoteChange::Dropped;
                commands.push(Command::Remote { node, change });
            }
        }
        let has_come = standing
            .alive
            .keys()
            .any(|node| !before.alive.contains_key(node));
        if standing.held != before.held {
            self.deciding.home_mut().handle_lapse();
            self.replicas.handle_silence();
        }
        if standing.forgotten != before.forgotten {
            self.deciding.home_mut().handle_doubt();
        }
        let is_doubtful = standing.held != before.held || standing.forgotten != before.forgotten;
        if is_doubtful {
            self.records.note_change();
            self.records.retry(now);
            for peer in self.peers.keys() {
                self.records.note_peer(peer.clone());
            }
        }
        if (has_come || is_doubtful) && self.is_running() {
            self.records.look(now);
        }
    }

    /// The bus brings something.
    pub(super) fn handle_bus(
        &mut self,
        now: Instant,
        event: BusEvent,
        commands: &mut Vec<Command>,
    ) {
        let message = match event {
            BusEvent::Message(message) => message,
            BusEvent::Resubscribed => {
                self.replicas.handle_silence();
                return self.records.look(now);
            }
            _ => return,
        };
        let Ok(bulletin) = serde_json::from_slice::<Bulletin>(&message) else {
            return debug!(room = %self.room, "what another node tells cannot be read");
        };
        let Bulletin { node, epoch, items } = bulletin;
        let lives = self.standing.alive.get(&node);
        let is_over = lives.is_some_and(|lives| lives.epoch > epoch);
        if node == self.cluster.me().node || is_over {
            return;
        }
        for item in items {
            if let Some(hint) = item.hint {
                commands.extend(self.remote_of(&node, epoch, RemoteChange::Hint(hint)));
            }
            let Some(seq) = item.seq else { continue };
            let stamp = Stamp { epoch, seq };
            match item.change {
                Some(change) => {
                    let numbered = Numbered { stamp, change };
                    self.replicas.handle_change(&node, numbered);
                }
                None if item.ended => self.replicas.handle_end(&node, stamp),
                None => self.replicas.handle_mark(&node, stamp),
            }
        }
    }

    fn remote_of(&self, node: &NodeId, epoch: NodeEpoch, change: RemoteChange) -> Option<Command> {
        let known = self.copies.get(node).filter(|known| **known == epoch);
        known.and_then(|_| self.remote(node.clone(), change))
    }
}

/// Starts of nodes that lived before and do not now.
fn gone<'a>(
    before: &'a Standing,
    now: &'a Standing,
) -> impl Iterator<Item = (&'a NodeId, NodeEpoch)> {
    before.alive.iter().filter_map(|(node, lived)| {
        let lives = now.alive.get(node);
        let goes_on = lives.is_some_and(|lives| lives.epoch == lived.epoch);
        (!goes_on).then_some((node, lived.epoch))
    })
}
