//! Where what concerns the room as a whole is decided.

use std::time::{Duration, Instant};

use plenum_cluster::{Home, HomeAction};
use plenum_ids::RoomEpoch;
use plenum_registry::{ClaimRequest, Joins, RoomHome};
use plenum_room::{Command, Home as RoomsHome, NodeKey};
use tracing::info;

use super::{Part, SETTLE, records::Call};

/// A claim that came to nothing is made again after this: a registry that was away is back, or this node drains and somebody
/// else has come.
const CLAIM_AGAIN: Duration = Duration::from_millis(500);

/// Nodes that are named as possible homes: this one, and those that have parts.
const CANDIDATES: usize = plenum_registry::MAX_CANDIDATES;

/// What is known of the room's home, and what the room was told of it.
pub(super) struct HomeSeat {
    pub(super) protocol: Home,
    /// Since this node is the home: until when it waits for the other parts before it decides.
    begins: Option<Instant>,
    claim_again: Option<Instant>,
    told: RoomsHome,
}

impl HomeSeat {
    pub(super) const fn new(protocol: Home) -> Self {
        Self {
            protocol,
            begins: None,
            claim_again: None,
            told: RoomsHome::Unreachable,
        }
    }

    /// Whether the room knows who decides.
    pub(super) fn is_told(&self) -> bool {
        self.told != RoomsHome::Unreachable
    }

    /// Under which epoch this node is the home.
    pub(super) fn here(&self) -> Option<RoomEpoch> {
        self.protocol.here()
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.begins.into_iter().chain(self.claim_again).min()
    }

    /// What came of a claim.
    pub(super) fn handle_claim(&mut self, now: Instant, home: Option<RoomHome>) {
        match home {
            Some(home) => self
                .protocol
                .handle_home(home.node, home.node_epoch, home.epoch),
            None => self.claim_again = now.checked_add(CLAIM_AGAIN),
        }
    }
}

impl Part {
    pub(super) fn step_home(&mut self, now: Instant) {
        if self.home.claim_again.is_some_and(|at| at <= now) {
            self.home.claim_again = None;
            self.home.protocol.handle_no_answer();
        }
        if self.home.begins.is_some_and(|until| until <= now) {
            self.home.begins = None;
        }
        self.home.protocol.handle_timeout(self.standing.judgement);
        while let Some(action) = self.home.protocol.poll_action() {
            match action {
                HomeAction::Begin { epoch } => {
                    info!(room = %self.room, %epoch, "this node is the room's home");
                    self.home.begins = now.checked_add(SETTLE);
                }
                HomeAction::Claim { at_least } => self.claim(now, at_least),
                HomeAction::End => {
                    info!(room = %self.room, "this node is the room's home no longer");
                    self.home.begins = None;
                }
            }
        }
    }

    fn claim(&mut self, now: Instant, at_least: RoomEpoch) {
        let standing = &self.standing;
        let (Some(_), Some(seen)) = (standing.lease, &standing.incarnation) else {
            self.home.claim_again = now.checked_add(CLAIM_AGAIN);
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
        let home = self.present_home();
        if home == self.home.told {
            return None;
        }
        self.home.told = home.clone();
        Some(Command::Home(home))
    }

    fn present_home(&mut self) -> RoomsHome {
        let protocol = &self.home.protocol;
        if let Some(epoch) = protocol.here() {
            if !protocol.decides() || self.standing.lease.is_none() {
                return RoomsHome::Unreachable;
            }
            let is_complete = self.records.has_looked() && self.replicas.is_current();
            if self.home.begins.is_some() && !is_complete {
                return RoomsHome::Unreachable;
            }
            self.home.begins = None;
            return RoomsHome::Here(epoch);
        }
        let Some((node, start, epoch)) = protocol.holder() else {
            return RoomsHome::Unreachable;
        };
        let node = NodeKey {
            node: node.clone(),
            epoch: start,
        };
        if self.standing.is_alive(&node) {
            RoomsHome::There(node, epoch)
        } else {
            RoomsHome::Unreachable
        }
    }
}
