//! Where what concerns the room as a whole is decided.

use std::time::Instant;

use plenum_cluster::{Decides, HomeAction, Sight};
use plenum_ids::{NodeId, RoomEpoch};
use plenum_registry::{ClaimRequest, Joins};
use plenum_room::{Command, Home, NodeKey};
use tracing::info;

use super::{Part, records::Call};

/// Nodes that are named as possible homes: this one, and those that have parts.
const CANDIDATES: usize = plenum_registry::MAX_CANDIDATES;

impl Part {
    pub(super) fn step_home(&mut self, now: Instant) {
        let sight = self.sight();
        self.deciding.handle_timeout(now, sight);
        while let Some(action) = self.deciding.poll_action(now, sight) {
            match action {
                HomeAction::Begin { epoch } => {
                    info!(room = %self.room, %epoch, "this node is the room's home");
                }
                HomeAction::Claim { at_least } => self.claim(at_least),
                HomeAction::End => {
                    info!(room = %self.room, "this node is the room's home no longer");
                }
            }
        }
    }

    /// Whether this node's lease holds now.
    pub(super) fn is_leased(&self) -> bool {
        self.cluster.is_leased(&self.standing)
    }

    fn sight(&self) -> Sight {
        Sight {
            is_leased: self.is_leased(),
            judgement: self.standing.judgement,
            can_claim: self.standing.incarnation.is_some(),
            is_complete: self.records.has_looked() && self.replicas.is_current(),
        }
    }

    fn claim(&mut self, at_least: RoomEpoch) {
        let Some(seen) = &self.standing.incarnation else {
            return;
        };
        // Others only if this node takes no new rooms.
        let others = self.replicas.nodes().map(|(node, _)| node.clone());
        let candidates = std::iter::once(self.cluster.me().node.clone()).chain(others);
        self.records.ask(Call::Claim(ClaimRequest {
            room: self.room.clone(),
            candidates: candidates.take(CANDIDATES).collect(),
            at_least,
            lease: self.cluster.lease(),
            create: true,
            joins: Joins::Nowhere,
            seen: seen.clone(),
        }));
    }

    /// What the room is told, if that is something new.
    pub(super) fn home_command(&mut self) -> Option<Command> {
        let (sight, standing) = (self.sight(), &self.standing);
        let lives = |node: &NodeId, epoch| {
            let alive = standing.alive.get(node);
            alive.is_some_and(|alive| alive.epoch == epoch)
        };
        self.deciding.poll_told(sight, lives).map(command)
    }

    /// Before the room does anything: it is told first that it does not decide any more, if the lease has ended while nobody looked.
    pub(in crate::room_task) fn lapse_command(&mut self) -> Option<Command> {
        let (cluster, standing) = (&self.cluster, &self.standing);
        let lapse = self.deciding.poll_lapse(|| cluster.is_leased(standing));
        lapse.map(command)
    }
}

fn command(decides: Decides) -> Command {
    Command::Home(match decides {
        Decides::Here(epoch) => Home::Here(epoch),
        Decides::Nobody => Home::Unreachable,
        Decides::There(node, start, epoch) => {
            let node = NodeKey { node, epoch: start };
            Home::There(node, epoch)
        }
    })
}
