//! Who is connected, and who is to be.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use plenum_ids::{NodeEpoch, NodeId};
use tokio::sync::{broadcast, watch};

use crate::{
    DownReason, LinkError, LinkEvent, LinkState, LinkStatus, Peer, Rejection, RejectionCode,
    connection::Connection, handshake::Verdict, hello::Hello,
};

/// How an attempt went.
pub(crate) type Made = Result<Arc<Connection>, LinkError>;

/// Where that is told, once.
pub(crate) type AttemptSender = Arc<watch::Sender<Option<Made>>>;

/// An attempt to make a connection. There is one at a time for each node.
pub(crate) enum Attempt {
    /// The one who hears this is to make it.
    Mine(AttemptSender, watch::Receiver<Option<Made>>),
    SomebodyElses(watch::Receiver<Option<Made>>),
}

/// All connections, by node.
#[derive(Debug)]
pub(crate) struct Table {
    slots: HashMap<NodeId, Slot>,
    max: usize,
    count: watch::Sender<usize>,
}

/// What there is of one node. Mostly a connection; two while one takes over from another.
#[derive(Debug)]
struct Slot {
    /// In the order in which they came.
    connections: Vec<Arc<Connection>>,
    /// What is new goes over this one.
    current: Option<Arc<Connection>>,
    /// Who is up, as far as listeners know.
    announced: Option<Peer>,
    attempt: Option<AttemptSender>,
    since: SystemTime,
    last_failure: Option<LinkError>,
    last_down: Option<DownReason>,
}

/// Nodes without a link are remembered for operators for so long.
const REMEMBERED: Duration = Duration::from_mins(10);

impl Table {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            slots: HashMap::new(),
            max,
            count: watch::Sender::new(0),
        }
    }

    /// The connection for what is new, if there is one.
    pub(crate) fn usable(&self, node: &NodeId) -> Option<Arc<Connection>> {
        let current = self.slots.get(node)?.current.as_ref();
        current.filter(|current| current.takes_new()).cloned()
    }

    /// The attempt that is under way to a node, or a new one.
    pub(crate) fn attempt(&mut self, node: &NodeId) -> Attempt {
        let slot = self.slot(node);
        if let Some(sender) = &slot.attempt
            && sender.borrow().is_none()
        {
            return Attempt::SomebodyElses(sender.subscribe());
        }
        let (sender, receiver) = watch::channel(None);
        let sender = Arc::new(sender);
        slot.attempt = Some(Arc::clone(&sender));
        Attempt::Mine(sender, receiver)
    }

    /// An attempt has ended, and all who wait for it learn how, unless the node itself has come meanwhile. Whether it
    /// failed otherwise than the one before.
    pub(crate) fn end_attempt(
        &mut self,
        node: &NodeId,
        attempt: &AttemptSender,
        made: Made,
    ) -> bool {
        let mut is_news = false;
        if let Some(slot) = self.slots.get_mut(node) {
            if slot
                .attempt
                .as_ref()
                .is_some_and(|own| Arc::ptr_eq(own, attempt))
            {
                slot.attempt = None;
            }
            if slot.connections.is_empty() {
                let failure = made.as_ref().err();
                is_news = failure.is_some() && slot.last_failure.as_ref() != failure;
                slot.last_failure = failure.cloned();
            }
        }
        fulfil(attempt, made);
        is_news
    }

    /// Whether somebody who has proved who he is may come.
    pub(crate) fn judge(&self, theirs: &Hello) -> Verdict {
        let newest = self.slots.get(&theirs.node).and_then(Slot::newest_epoch);
        if let Some(newest) = newest.filter(|newest| *newest > theirs.epoch) {
            return Err((stale(&theirs.node, newest), Some(newest)));
        }
        if newest.is_none() && *self.count.borrow() >= self.max {
            let code = RejectionCode::Full;
            let message = format!("there are {} links, as many as there may be", self.max);
            return Err((Rejection { code, message }, None));
        }
        Ok(())
    }

    /// A new connection, which everything new goes over from now on. The other one, if both sides have dialled.
    pub(crate) fn enter(
        &mut self,
        connection: &Arc<Connection>,
        events: &broadcast::Sender<LinkEvent>,
    ) -> Result<Option<Arc<Connection>>, LinkError> {
        let epoch = connection.peer.epoch;
        let slot = self.slot(&connection.peer.node);
        let newest = slot.newest_epoch();
        if let Some(newest) = newest.filter(|newest| *newest > epoch) {
            connection.stop(DownReason::Replaced, Some(newest));
            return Err(stale(&connection.peer.node, newest).into());
        }
        let mut duel = None;
        for other in slot.connections.iter().filter(|other| !other.is_over()) {
            if other.peer.epoch < epoch {
                other.stop(DownReason::Replaced, Some(epoch));
            } else if other.dialled == connection.dialled {
                // Whoever dials again has lost it.
                other.part(DownReason::Idle);
            } else if other.takes_new() {
                duel = Some(Arc::clone(other));
            }
        }
        slot.connections.push(Arc::clone(connection));
        slot.current = Some(Arc::clone(connection));
        slot.last_failure = None;
        slot.announce(DownReason::Replaced, events);
        if let Some(attempt) = &slot.attempt {
            fulfil(attempt, Ok(Arc::clone(connection)));
        }
        self.recount();
        Ok(duel)
    }

    /// A connection has ended.
    pub(crate) fn leave(
        &mut self,
        connection: &Arc<Connection>,
        reason: DownReason,
        events: &broadcast::Sender<LinkEvent>,
    ) {
        let node = &connection.peer.node;
        if let Some(slot) = self.slots.get_mut(node) {
            slot.connections
                .retain(|other| !Arc::ptr_eq(other, connection));
        }
        self.look_again(node, reason, events);
        self.recount();
    }

    /// Something about a node's connections has changed: what is new goes over another one, if there is one.
    pub(crate) fn look_again(
        &mut self,
        node: &NodeId,
        reason: DownReason,
        events: &broadcast::Sender<LinkEvent>,
    ) {
        let Some(slot) = self.slots.get_mut(node) else {
            return;
        };
        if !slot
            .current
            .as_ref()
            .is_some_and(|current| current.takes_new())
        {
            let mut newest_first = slot.connections.iter().rev();
            slot.current = newest_first.find(|other| other.takes_new()).cloned();
            slot.announce(reason, events);
        }
    }

    /// What is new goes over this one.
    pub(crate) fn prefer(&mut self, connection: &Arc<Connection>) {
        if let Some(slot) = self.slots.get_mut(&connection.peer.node)
            && slot.announced.as_ref() == Some(&connection.peer)
            && connection.takes_new()
        {
            slot.current = Some(Arc::clone(connection));
        }
    }

    pub(crate) fn connected(&self, node: &NodeId) -> Option<&Peer> {
        self.slots.get(node)?.announced.as_ref()
    }

    pub(crate) fn connections(&self, node: &NodeId) -> Vec<Arc<Connection>> {
        let slot = self.slots.get(node);
        slot.map(|slot| slot.connections.clone())
            .unwrap_or_default()
    }

    pub(crate) fn all_connections(&self) -> Vec<Arc<Connection>> {
        let slots = self.slots.values();
        slots
            .flat_map(|slot| slot.connections.iter().cloned())
            .collect()
    }

    /// Tells how many connections there are.
    pub(crate) fn watch_count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    pub(crate) fn status(&self) -> Vec<LinkStatus> {
        let slots = self.slots.iter().filter(|(_, slot)| slot.is_of_late());
        let mut all: Vec<_> = slots.map(|(node, slot)| slot.status(node)).collect();
        all.sort_by(|a, b| a.node.cmp(&b.node));
        all
    }

    fn slot(&mut self, node: &NodeId) -> &mut Slot {
        // Those of nodes that are gone are tidied up when there are many.
        if self.slots.len() >= self.max.saturating_mul(2) && !self.slots.contains_key(node) {
            self.slots.retain(|_, slot| slot.is_used());
        }
        self.slots.entry(node.clone()).or_default()
    }

    fn recount(&self) {
        let count = self.slots.values().map(|slot| slot.connections.len()).sum();
        self.count.send_replace(count);
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            connections: Vec::new(),
            current: None,
            announced: None,
            attempt: None,
            since: SystemTime::now(),
            last_failure: None,
            last_down: None,
        }
    }
}

impl Slot {
    fn newest_epoch(&self) -> Option<NodeEpoch> {
        let live = self.connections.iter().filter(|one| !one.is_over());
        live.map(|one| one.peer.epoch).max()
    }

    /// Tells listeners what they do not know.
    fn announce(&mut self, reason: DownReason, events: &broadcast::Sender<LinkEvent>) {
        let now = self.current.as_ref().map(|current| current.peer.clone());
        if now == self.announced {
            return;
        }
        self.since = SystemTime::now();
        // Nobody may listen.
        if let Some(peer) = std::mem::replace(&mut self.announced, now.clone()) {
            self.last_down = Some(reason);
            let _ = events.send(LinkEvent::Down { peer, reason });
        }
        if let Some(peer) = now {
            let _ = events.send(LinkEvent::Up { peer });
        }
    }

    fn is_used(&self) -> bool {
        !self.connections.is_empty() || self.attempt.is_some()
    }

    fn is_of_late(&self) -> bool {
        let age = self.since.elapsed();
        self.is_used() || age.is_ok_and(|age| age < REMEMBERED)
    }

    fn status(&self, node: &NodeId) -> LinkStatus {
        let shown = self.current.as_ref().or_else(|| self.connections.last());
        let state = match (&self.current, &self.attempt, shown) {
            (Some(_), _, _) => LinkState::Up,
            (None, Some(_), _) => LinkState::Dialling,
            (None, None, Some(_)) => LinkState::Closing,
            (None, None, None) => LinkState::Down,
        };
        let figures = shown.map(|shown| shown.figures());
        LinkStatus {
            node: node.clone(),
            state,
            since: self.since,
            epoch: shown.map(|shown| shown.peer.epoch),
            build: shown.map(|shown| shown.build.clone()),
            version: shown.map(|shown| shown.version),
            address: shown.map(|shown| shown.address.to_string()),
            advertised: shown.and_then(|shown| shown.advertised.clone()),
            dialled: shown.is_some_and(|shown| shown.dialled),
            figures: figures.unwrap_or_default(),
            last_failure: self.last_failure.clone(),
            last_down: self.last_down,
        }
    }
}

/// Tells how an attempt went, if nothing was told yet.
fn fulfil(attempt: &AttemptSender, made: Made) {
    attempt.send_if_modified(|outcome| {
        let first = outcome.is_none();
        outcome.get_or_insert(made);
        first
    });
}

fn stale(node: &NodeId, newest: NodeEpoch) -> Rejection {
    Rejection {
        code: RejectionCode::StaleEpoch,
        message: format!("epoch {newest} of {node} is connected"),
    }
}
