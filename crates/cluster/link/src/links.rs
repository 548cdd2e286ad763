//! All links of a node.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plenum_ids::{NodeEpoch, NodeId};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
    time::{Instant, timeout_at},
};
use tracing::{info, warn};

use crate::{
    Channel, DownReason, Handler, LinkConfig, LinkError, LinkEvent, LinkEvents, LinkStatus, Peer,
    Rejection, RejectionCode, StartError,
    connection::{Connection, Owner},
    handshake::{Met, Verdict},
    hello::{Hello, VERSIONS},
    identity::Keeper,
    requests::NotAsked,
    strangers::Strangers,
    table::{Attempt, Table},
};

use dialling::with_sources;

mod dialling;
mod listening;

/// The links of a node. Clones are the same; what it runs ends with the last of them, or by [`Self::shutdown`].
#[derive(Clone, Debug)]
pub struct Links {
    inner: Arc<Inner>,
    alive: Arc<Alive>,
}

/// Figures of the listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerFigures {
    /// Connections that were closed at once, because there were too many of which it was not known who they are.
    pub turned_away: u64,
    /// Those who did not turn out to be a node of ours in time.
    pub failed: u64,
}

struct Inner {
    config: Arc<LinkConfig>,
    address: SocketAddr,
    keeper: Keeper,
    handler: Arc<dyn Handler>,
    strangers: Arc<Strangers>,
    table: Mutex<Table>,
    /// Told under the table's lock, so that events are in the order in which things happened.
    events: broadcast::Sender<LinkEvent>,
    ending: watch::Sender<bool>,
}

/// Ends everything with it.
#[derive(Debug)]
struct Alive(watch::Sender<bool>);

/// Events that may wait for a listener. A restart of the largest cluster makes two for each node.
const EVENTS: usize = 1024;

/// How often files of secrets and certificates are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The longest that anybody waits. Beyond it a deadline is a mistake, and clocks could overflow.
const MAX_WAIT: Duration = Duration::from_hours(1);

impl Links {
    /// Listens for other nodes, and answers them.
    pub async fn start(config: LinkConfig, handler: Arc<dyn Handler>) -> Result<Self, StartError> {
        let keeper = Keeper::new(config.identity.clone(), config.node.clone())?;
        let address = config.listen;
        let bind = |source| StartError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let ending = watch::Sender::new(false);
        let inner = Arc::new(Inner {
            strangers: Arc::new(Strangers::new(&config.limits)),
            table: Mutex::new(Table::new(config.limits.links)),
            config: Arc::new(config),
            address,
            keeper,
            handler,
            events: broadcast::Sender::new(EVENTS),
            ending: ending.clone(),
        });
        tokio::spawn(Arc::clone(&inner).listen(listener));
        tokio::spawn(Arc::clone(&inner).keep_current());
        let alive = Arc::new(Alive(ending));
        Ok(Self { inner, alive })
    }

    /// Asks a node and waits for its answer, `within` at most, the making of a link included. `address` (`host:port`) is
    /// where to dial it if there is no link.
    pub async fn request(
        &self,
        node: &NodeId,
        address: &str,
        method: &str,
        body: &Value,
        within: Duration,
    ) -> Result<Value, LinkError> {
        let deadline = Instant::now() + within.min(MAX_WAIT);
        loop {
            let connection = self.inner.connection(node, address, deadline).await?;
            let rest = deadline.saturating_duration_since(Instant::now());
            let waiting = match connection.ask(method, body, rest) {
                Ok(waiting) => waiting,
                Err(NotAsked::Failed(err)) => return Err(err),
                Err(NotAsked::Over) => continue,
            };
            let answer = timeout_at(deadline, waiting.answer()).await;
            return answer.unwrap_or(Err(LinkError::Timeout));
        }
    }

    /// Tells a node something. That it was sent is all that is known afterwards.
    pub async fn notify(
        &self,
        node: &NodeId,
        address: &str,
        method: &str,
        body: &Value,
    ) -> Result<(), LinkError> {
        let deadline = Instant::now() + self.inner.config.timing.handshake;
        loop {
            let connection = self.inner.connection(node, address, deadline).await?;
            match connection.tell(method, body) {
                Err(NotAsked::Over) => {}
                Err(NotAsked::Failed(err)) => return Err(err),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Opens a channel to a node, with an opening message. Messages may be sent at once; a node that does not want the
    /// channel closes it.
    pub async fn open(
        &self,
        node: &NodeId,
        address: &str,
        name: &str,
        opening: &Value,
    ) -> Result<Channel, LinkError> {
        let deadline = Instant::now() + self.inner.config.timing.handshake;
        loop {
            let connection = self.inner.connection(node, address, deadline).await?;
            match connection.open(name, opening) {
                Err(NotAsked::Over) => {}
                Err(NotAsked::Failed(err)) => return Err(err),
                Ok(channel) => return Ok(channel),
            }
        }
    }

    /// What happens from now on. Listen first, then look at [`Self::status`].
    pub fn events(&self) -> LinkEvents {
        LinkEvents::new(self.inner.events.subscribe())
    }

    /// Which start of a node is connected.
    pub fn epoch_of(&self, node: &NodeId) -> Option<NodeEpoch> {
        let table = self.inner.table();
        table.connected(node).map(|peer| peer.epoch)
    }

    /// All links, and the wishes for links of late, by node.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.inner.table().status()
    }

    /// Who came and was not taken.
    pub fn listener_figures(&self) -> ListenerFigures {
        ListenerFigures {
            turned_away: self.inner.strangers.turned_away(),
            failed: self.inner.strangers.failed(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// Ends the link to a node, what is under way on it, too: for nodes that are believed dead.
    pub fn cut(&self, node: &NodeId) {
        for connection in self.inner.table().connections(node) {
            connection.stop(DownReason::Ended, None);
        }
    }

    /// Takes nothing new, lets what is under way come to its end, and ends all links, `within` at most.
    pub async fn shutdown(&self, within: Duration) {
        let deadline = Instant::now() + within.min(MAX_WAIT);
        self.alive.0.send_replace(true);
        self.inner.part_all();
        let mut gone = self.inner.table().watch_count();
        if timeout_at(deadline, gone.wait_for(|count| *count == 0))
            .await
            .is_err()
        {
            for connection in self.inner.table().all_connections() {
                connection.stop(DownReason::Ended, None);
            }
        }
    }
}

impl Inner {
    /// A connection to a node, made if there is none.
    async fn connection(
        self: &Arc<Self>,
        node: &NodeId,
        address: &str,
        deadline: Instant,
    ) -> Result<Arc<Connection>, LinkError> {
        let unreachable = |reason: &str| LinkError::Unreachable {
            reason: reason.to_owned(),
        };
        if *node == self.config.node {
            return Err(unreachable("it is this node"));
        }
        let mut attempt = {
            let mut table = self.table();
            if let Some(connection) = table.usable(node) {
                return Ok(connection);
            }
            if *self.ending.borrow() {
                return Err(unreachable("this node's links are ending"));
            }
            if address.is_empty() {
                return Err(unreachable("there is no link, and no address is known"));
            }
            match table.attempt(node) {
                Attempt::Mine(sender, receiver) => {
                    let (inner, node) = (Arc::clone(self), node.clone());
                    let address = address.to_owned();
                    tokio::spawn(async move { inner.dial(&node, &address, sender).await });
                    receiver
                }
                Attempt::SomebodyElses(receiver) => receiver,
            }
        };
        let made = timeout_at(deadline, attempt.wait_for(Option::is_some)).await;
        let made = made.map_err(|_| unreachable("no link was made in time"))?;
        match made.ok().and_then(|made| made.clone()) {
            Some(made) => made,
            None => Err(unreachable("this node's links have ended")),
        }
    }

    /// Somebody new is there. Its connection runs until it ends.
    fn take(self: &Arc<Self>, met: Met) -> Result<Arc<Connection>, LinkError> {
        let (connection, wire) = Connection::new(met, Arc::clone(&self.config));
        let duel = {
            let mut table = self.table();
            if *self.ending.borrow() {
                return Err(LinkError::Unreachable {
                    reason: "this node's links are ending".to_owned(),
                });
            }
            table.enter(&connection, &self.events)?
        };
        // What holds may have changed since the handshake began.
        if !self.trusts(&connection) {
            connection.stop(DownReason::Ended, None);
        }
        let (inner, running) = (Arc::clone(self), Arc::clone(&connection));
        tokio::spawn(async move {
            let (owner, moving) = (Arc::clone(&inner), Arc::clone(&running));
            let run = tokio::spawn(async move { moving.run(wire, &*owner).await });
            let reason = run.await.unwrap_or_else(|_| {
                // A handler has failed where it is called in order. Others must not wait for this link.
                running.give_up();
                DownReason::Broken
            });
            inner.table().leave(&running, reason, &inner.events);
        });
        if let Some(other) = duel {
            tokio::spawn(Arc::clone(self).settle(Arc::clone(&connection), other));
        }
        Ok(connection)
    }

    /// Two nodes have dialled each other at once. Both keep the connection that the one with the lower name has made, as
    /// soon as that has shown to be alive: it may be an old one that only the other side has found dead.
    async fn settle(self: Arc<Self>, new: Arc<Connection>, old: Arc<Connection>) {
        let lower_is_here = self.config.node < new.peer.node;
        let (winner, loser) = if new.dialled == lower_is_here {
            (new, old)
        } else {
            (old, new)
        };
        if winner.is_alive().await {
            self.table().prefer(&winner);
            loser.part(DownReason::Idle);
        }
    }

    /// Reads secrets and certificates again when their files change.
    async fn keep_current(self: Arc<Self>) {
        let mut ending = self.ending.subscribe();
        let mut told = None;
        loop {
            let pause = tokio::time::sleep(LOOK_INTERVAL);
            tokio::select! {
                () = pause => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
            let inner = Arc::clone(&self);
            let look = tokio::task::spawn_blocking(move || inner.keeper.look_again());
            match look.await {
                Ok(Ok(changed)) => {
                    if changed {
                        info!("secrets and certificates of links read again");
                        told = None;
                        self.prove_again();
                    }
                }
                Ok(Err(err)) => {
                    let err = with_sources(&err);
                    if told.as_ref() != Some(&err) {
                        warn!(err, "secrets and certificates of links from before go on");
                        told = Some(err);
                    }
                }
                // The program ends.
                Err(_) => return,
            }
        }
    }

    fn prove_again(&self) {
        let credentials = self.keeper.current();
        let connections = self.table().all_connections();
        for connection in connections {
            if !connection.prove_again(&credentials.trust) {
                let peer = &connection.peer;
                warn!(%peer, "what the node has shown is not good any more, link closed");
                connection.stop(DownReason::Ended, None);
            }
        }
    }

    fn part_all(&self) {
        let connections = self.table().all_connections();
        for connection in connections {
            connection.part(DownReason::Ended);
            self.parted(&connection, DownReason::Ended);
        }
    }

    /// Whether somebody who has proved who he is may come.
    fn judge(&self, theirs: &Hello) -> Verdict {
        let ours = &self.config;
        if theirs.node != ours.node {
            return self.table().judge(theirs);
        }
        let (node, epoch) = (theirs.node.clone(), theirs.epoch);
        if epoch > ours.epoch {
            self.fenced(&Peer { node, epoch }, Some(epoch));
        }
        let code = RejectionCode::OwnName;
        let message = format!("{} is this node's own name", ours.node);
        Err((Rejection { code, message }, None))
    }

    fn hello(&self) -> Hello {
        Hello {
            versions: VERSIONS,
            node: self.config.node.clone(),
            epoch: self.config.epoch,
            build: self.config.build.clone(),
            address: self.config.advertised.clone(),
            to: None,
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owner for Inner {
    fn handler(&self) -> &Arc<dyn Handler> {
        &self.handler
    }

    fn trusts(&self, connection: &Connection) -> bool {
        connection.is_trusted(&self.keeper.current().trust)
    }

    fn parted(&self, connection: &Connection, reason: DownReason) {
        let node = &connection.peer.node;
        self.table().look_again(node, reason, &self.events);
    }

    fn fenced(&self, told_by: &Peer, by: Option<NodeEpoch>) {
        if by.is_some_and(|by| by <= self.config.epoch) {
            // That is no reason.
            return;
        }
        let told_by = told_by.clone();
        warn!(%told_by, ?by, "a later start of this node is connected there: this one is stale");
        // Nobody may listen.
        let _ = self.events.send(LinkEvent::Fenced { told_by, by });
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("node", &self.config.node)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}
