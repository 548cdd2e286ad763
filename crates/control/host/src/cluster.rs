//! The node as one of a cluster: its lease, its links to the others, and the parts of rooms that it has.
//!
//! Without a [`Cluster`] a host is alone: rooms are whole, nobody is asked, nothing is written anywhere. With one every room of
//! this node is a part of a room that may have others elsewhere (`room_task/part.rs`).
//!
//! * [`membership`] keeps this node's lease and knows who else lives: a [`Standing`], which every part watches.
//! * [`lease`] says until when it holds, to whoever decides something.
//! * [`rooms`] is where other nodes find the parts that are here.
//! * [`peers`] carries what parts ask and tell each other, in order.
//! * [`handler`] hears what other nodes want.
//! * [`doors`] leads clients to the doors of the node that serves them.
//! * [`telling`] brings all of a part to whoever has missed something.
//! * [`locate`] finds the node that somebody is to go to, by what [`view`] knows of all of them and [`status`] tells of this one.
//! * [`notes`] writes down why people are where they are; [`overview`] shows that and the nodes to operators.

mod doors;
mod drain;
mod handler;
mod lease;
mod locate;
mod membership;
mod messages;
mod notes;
mod overview;
mod peers;
pub(crate) mod relay;
mod rooms;
mod status;
mod telling;
mod view;
mod way;

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::{Duration, Instant},
};

use plenum_cluster::MembershipConfig;
use plenum_ids::{NodeEpoch, NodeId, PeerId, RoomName};
use plenum_link::{Identity, LinkConfig, Links, StartError};
use plenum_placement::TreeLimits;
use plenum_registry::{
    Bus, Incarnation, NodeRecord, NodesView, Registered, Registry, RegistryError,
};
use plenum_room::NodeKey;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use self::{
    handler::Reception,
    lease::{Moment, Term},
    membership::Driver,
    notes::Notes,
    peers::Peers,
    relay::Relays,
    rooms::Parts,
    view::Placing,
};
use crate::host::Shared;

pub use doors::{FarDoors, Serving, Tunnel, TunnelGone, TunnelReceiver, TunnelSender};
pub use drain::{DrainOrder, NodeDrainError};
pub use membership::{Alive, Standing};
pub use relay::RelayedSessions;
pub use status::{About, NodeRole, NodeStatus};
pub use view::{NodeFacts, PlacementSettings};
pub use way::{Way, Who};

pub(crate) use drain::Plan as Leaving;
pub(crate) use messages::{Bulletin, Item, Told};
pub(crate) use notes::Note;
pub(crate) use peers::Answering;
pub(crate) use rooms::{PartInput, Turn};
pub(crate) use way::Target;

/// Stores the epoch that the node was given, so that its next start begins with a later one whatever the registry remembers.
pub type Remember = Arc<dyn Fn(NodeEpoch) -> io::Result<()> + Send + Sync>;

/// Settings of a [`Cluster`].
#[derive(Clone)]
#[non_exhaustive]
pub struct ClusterConfig {
    /// Who this is.
    pub node: NodeId,
    /// Its last start that it remembers; 0: none.
    pub last_epoch: NodeEpoch,
    /// Stores the new one before anything else happens under it.
    pub remember: Remember,
    /// What all nodes share.
    pub registry: Arc<dyn Registry>,
    /// Carries hints among them.
    pub bus: Arc<dyn Bus>,
    /// How leases are kept: the same at all nodes.
    pub membership: MembershipConfig,
    /// Where other nodes' links are taken.
    pub listen: SocketAddr,
    /// As which `host:port` they reach it; `None`: as the address that is listened on.
    pub link_address: Option<String>,
    /// How nodes know each other.
    pub identity: Identity,
    /// Where other nodes' workers reach those of this one, if that is not where clients do.
    pub media_address: Option<IpAddr>,
    /// What the node tells of itself with its first lease; see [`Cluster::change_record`]. The address of its links is written
    /// into it.
    pub record: NodeRecord,
    /// What people are placed by.
    pub placement: PlacementSettings,
}

impl ClusterConfig {
    /// A node that remembers nothing, with what is usual for everything else.
    pub fn new(
        node: NodeId,
        (registry, bus): (Arc<dyn Registry>, Arc<dyn Bus>),
        listen: SocketAddr,
        identity: Identity,
    ) -> Self {
        Self {
            node,
            last_epoch: NodeEpoch(0),
            remember: Arc::new(|_| Ok(())),
            registry,
            bus,
            membership: MembershipConfig::default(),
            listen,
            link_address: None,
            identity,
            media_address: None,
            record: NodeRecord::default(),
            placement: PlacementSettings::default(),
        }
    }
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("node", &self.node)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// A node cannot become one of a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// Other nodes cannot be listened for.
    #[error("links between nodes cannot be started")]
    Links(#[source] StartError),
    /// Its epoch cannot be stored.
    #[error("the node's epoch cannot be stored")]
    Remember(#[source] io::Error),
    /// The registry refuses what the node says.
    #[error("the registry does not take the node")]
    Registry(#[source] RegistryError),
}

/// The node as one of a cluster. Rooms, doors and the driver share it.
pub struct Cluster {
    me: NodeKey,
    registry: Arc<dyn Registry>,
    bus: Arc<dyn Bus>,
    links: Links,
    membership: MembershipConfig,
    media_address: Option<IpAddr>,
    /// What is told with each renewal.
    record: Mutex<NodeRecord>,
    standing: watch::Sender<Arc<Standing>>,
    term: Term,
    nodes: watch::Sender<Option<Arc<NodesView>>>,
    fenced: watch::Sender<Option<NodeEpoch>>,
    leaving: watch::Sender<bool>,
    /// Somebody unknown has been met.
    strangers: Notify,
    parts: Parts,
    peers: Peers,
    relays: Arc<Relays>,
    placing: Placing,
    notes: Notes,
    doors: doors::Doors,
    host: OnceLock<Weak<Shared>>,
}

/// How many other nodes a client is told of. That all of them die with this one is not what it is for.
const DOORS_TOLD: usize = 8;

/// Between two attempts to register: a registry that comes back is found in this time.
const REGISTER_AGAIN: Duration = Duration::from_secs(1);

impl Cluster {
    /// Registers the node, starts its links and keeps its lease from then on. Waits for a registry that is away. Call inside a
    /// tokio runtime.
    pub async fn start(config: ClusterConfig) -> Result<Arc<Self>, ClusterError> {
        let mut record = config.record.clone();
        record.addresses.link = config.link_address.clone().unwrap_or_default();
        // What it is, before it has measured anything: a node without workers takes nobody.
        let about = config.placement.about.clone();
        record.status = serde_json::to_value(NodeStatus::of(about)).unwrap_or_default();
        let (asked, granted, registered) = register(&config, &record).await?;
        let epoch = registered.epoch;
        (config.remember)(epoch).map_err(ClusterError::Remember)?;
        let me = NodeKey {
            node: config.node.clone(),
            epoch,
        };
        let reception = Reception::default();
        let link_config = {
            let node = config.node.clone();
            let mut links = LinkConfig::new(node, epoch, config.listen, config.identity.clone());
            links.advertised.clone_from(&config.link_address);
            links
        };
        let links = Links::start(link_config, Arc::new(reception.clone())).await;
        let links = links.map_err(ClusterError::Links)?;
        if config.link_address.is_none() {
            record.addresses.link = links.address().to_string();
        }
        info!(node = %me.node, %epoch, links = %links.address(), "node of a cluster");
        let standing = Standing::new(epoch, &registered.incarnation);
        let standing = watch::Sender::new(Arc::new(standing));
        let cluster = Arc::new(Self {
            notes: Notes::default(),
            doors: doors::Doors::default(),
            placing: Placing::new(config.placement),
            registry: config.registry,
            bus: config.bus,
            links,
            membership: config.membership,
            media_address: config.media_address,
            record: Mutex::new(record),
            standing,
            term: Term::new(granted, config.membership.lease),
            nodes: watch::Sender::new(None),
            fenced: watch::Sender::new(None),
            leaving: watch::Sender::new(false),
            strangers: Notify::new(),
            parts: Parts::default(),
            peers: Peers::default(),
            relays: Arc::default(),
            host: OnceLock::new(),
            me,
        });
        reception.open(&cluster);
        tokio::spawn(Driver::new(Arc::clone(&cluster), (asked, granted), registered).run());
        Ok(cluster)
    }

    /// This start of this node.
    pub const fn me(&self) -> &NodeKey {
        &self.me
    }

    /// What all nodes share.
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.registry
    }

    /// Connections to other nodes.
    pub const fn links(&self) -> &Links {
        &self.links
    }

    /// After how long without a renewal a node is dead.
    pub const fn lease(&self) -> Duration {
        self.membership.lease
    }

    /// Whether the lease holds at this very moment, and has since that was noted: what is decided for a whole room counts then alone.
    pub(crate) fn is_leased(&self, noted: &Standing) -> bool {
        noted.lease.is_some() && self.term.holds(Moment::now(), noted.held)
    }

    /// Where other nodes' workers reach those of this one, if that is not where clients do.
    pub const fn media_address(&self) -> Option<IpAddr> {
        self.media_address
    }

    /// Who lives, and what this node may conclude: now, and whenever it changes.
    pub fn standing(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.subscribe()
    }

    /// Who lives, and what this node may conclude now.
    pub fn standing_now(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.borrow())
    }

    /// All nodes with what they tell of themselves, as of some seconds ago; `None`: not read yet.
    pub fn nodes(&self) -> watch::Receiver<Option<Arc<NodesView>>> {
        self.nodes.subscribe()
    }

    /// Where a client finds some other nodes that live and let people in: for each one others come first, so that those of a node
    /// that dies do not all go to the same.
    pub fn other_doors(&self, peer: &PeerId) -> Vec<String> {
        let standing = self.standing_now();
        let nodes = self.nodes.borrow();
        let nodes = nodes.iter().flat_map(|view| &view.nodes);
        let others = nodes.filter(|it| {
            let node = &it.lease.node;
            *node != self.me.node && !it.record.draining && standing.alive.contains_key(node)
        });
        let doors = others.map(|it| it.record.addresses.public_url.clone());
        let mut doors: Vec<_> = doors.filter(|url| !url.is_empty()).collect();
        if let Some(last) = doors.len().checked_sub(1) {
            let mut hasher = DefaultHasher::new();
            peer.hash(&mut hasher);
            // A remainder by the number of doors is one of their indices.
            let first = hasher.finish() % (last as u64 + 1);
            doors.rotate_left(usize::try_from(first).unwrap_or_default());
        }
        doors.truncate(DOORS_TOLD);
        doors
    }

    /// Changes what this node tells of itself with its next renewal.
    pub fn change_record(&self, change: impl FnOnce(&mut NodeRecord)) {
        change(&mut self.record());
    }

    /// Completes when a later start of this node lives: nothing here counts any more. The later start's epoch.
    pub async fn fenced(&self) -> NodeEpoch {
        let mut fenced = self.fenced.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let by = fenced.wait_for(Option::is_some).await;
        by.ok().and_then(|by| *by).unwrap_or_default()
    }

    /// Gives the lease back and ends all links, `within` at most. Rooms should have ended before; what they have left in the
    /// registry goes with them, if it answers.
    pub async fn leave(&self, within: Duration) {
        if timeout(within / 2, self.parts.ended()).await.is_err() {
            debug!("what is left of rooms in the registry is swept by others");
        }
        self.leaving.send_replace(true);
        self.shut_doors();
        let me = self.me.clone();
        if let Err(err) = self.registry.resign(me.node, me.epoch).await {
            warn!(%err, "the lease runs out by itself");
        }
        self.links.shutdown(within / 2).await;
    }

    /// Completes when the node leaves the cluster.
    pub(crate) async fn left(&self) {
        let mut leaving = self.leaving.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = leaving.wait_for(|leaving| *leaving).await;
    }

    /// From now on others find the rooms of this host.
    pub(crate) fn serve(self: &Arc<Self>, host: &Arc<Shared>) {
        // A second host finds the first one there: there is one for each cluster.
        if self.host.set(Arc::downgrade(host)).is_ok() {
            tokio::spawn(status::tell(Arc::downgrade(self), Arc::downgrade(host)));
        }
    }

    /// The rooms of this node, once they are there and as long.
    pub(crate) fn host(&self) -> Option<Arc<Shared>> {
        self.host.get()?.upgrade()
    }

    pub(crate) const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Whether this node has a room, or is about to.
    fn is_here(&self, room: &RoomName) -> bool {
        let host = self.host();
        let is_known = host.is_some_and(|host| host.rooms().by_id.contains_key(room));
        is_known || self.parts.is_held(room)
    }

    pub(crate) const fn relays(&self) -> &Arc<Relays> {
        &self.relays
    }

    pub(crate) fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// Somebody who is not known to live has a part of a room: leases are read at once, and [`Self::standing`] tells.
    pub(crate) fn note_stranger(&self) {
        self.strangers.notify_one();
    }

    /// Where a node's links are, as far as is known.
    pub(crate) fn address_of(&self, node: &NodeId) -> String {
        let standing = self.standing.borrow();
        let alive = standing.alive.get(node);
        alive.map(|alive| alive.address.clone()).unwrap_or_default()
    }

    /// Takes what was read of the others, if that is new.
    fn look_at_nodes(&self) {
        if let Some(nodes) = self.nodes.borrow().as_ref() {
            self.placing.update(nodes, self.lease());
        }
    }

    /// How nodes feed each other.
    pub(crate) const fn tree(&self) -> TreeLimits {
        self.placing.tree()
    }

    /// Nodes that this one had rather take something from than from that one.
    pub(crate) fn nearer(&self, from: &NodeId) -> Vec<NodeId> {
        self.look_at_nodes();
        self.placing.nearer(from)
    }

    /// Notes that somebody is here, as long as the result lives.
    pub(crate) fn note(&self, room: &RoomName, peer: &PeerId, reasons: &[String]) -> Note {
        self.notes.take(room, peer, reasons)
    }

    /// Why somebody is here.
    pub(crate) fn why(&self, room: &RoomName, peer: &PeerId) -> String {
        self.notes.about(room, peer)
    }

    fn record(&self) -> MutexGuard<'_, NodeRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

/// Until the registry answers.
async fn register(
    config: &ClusterConfig,
    record: &NodeRecord,
) -> Result<(Instant, Moment, Registered), ClusterError> {
    loop {
        let (asked, moment) = (Instant::now(), Moment::now());
        let (node, record) = (config.node.clone(), record.clone());
        let registering = config.registry.register(node, config.last_epoch, record);
        match registering.await {
            Ok(registered) => return Ok((asked, moment, registered)),
            Err(err) if err.is_temporary() => {
                warn!(%err, "the node waits for the registry");
                sleep(REGISTER_AGAIN).await;
            }
            Err(err) => return Err(ClusterError::Registry(err)),
        }
    }
}

/// An incarnation as the protocol has it.
fn incarnation_of(text: Option<&str>) -> Option<Incarnation> {
    text.map(|text| Incarnation::from(text.to_owned()))
}
