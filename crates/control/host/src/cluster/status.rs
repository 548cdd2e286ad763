//! What a node tells the others of itself, beside its lease: what its operator says of it, and what it measures.

use std::{sync::Weak, time::Duration};

use plenum_api::admin::{MachineStatus, PeerBitrates};
use plenum_ids::{NamespaceId, NodeId};
use plenum_placement::{Label, Location, Measured, NodeView, Organisation};
use plenum_supervisor::{WorkerInfo, WorkerState};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::Cluster;
use crate::{Host, host::Shared, placement::Capacity, status::load};

use machine::MachineWatch;

mod bitrates;
mod machine;

/// What the operator says of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct About {
    /// Its name, for people.
    pub name: String,
    /// What it does.
    pub role: NodeRole,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Organisation>,
    /// Where it is.
    pub location: Location,
    /// What else is said of it.
    pub labels: Vec<Label>,
    /// The namespaces that it serves; all, if none is named.
    pub namespaces: Vec<NamespaceId>,
    /// The operator's preference, from -100 to 100.
    pub priority: i8,
    /// What a gigabyte sent costs there, in the operator's unit.
    pub cost: f32,
    /// Bits a second that its uplink carries; 0: not known.
    pub egress_capacity: u64,
}

/// What a node does in a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "doors, workers, or both")]
pub enum NodeRole {
    /// It speaks to clients and carries media.
    #[default]
    All,
    /// It carries media for clients of other nodes.
    Media,
    /// It speaks to clients whose media others carry; so does one of a kind that this version does not know.
    #[serde(other)]
    Signal,
}

impl NodeRole {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Media => "media",
            Self::Signal => "signal",
        }
    }

    /// Whether rooms can be there.
    #[must_use]
    pub const fn takes_rooms(self) -> bool {
        !matches!(self, Self::Signal)
    }
}

/// All of it, as it stands in the registry. What another version leaves out is nothing, and what only it knows is passed over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct NodeStatus {
    /// What its operator says.
    #[serde(flatten)]
    pub about: About,
    /// The machine that it is on.
    pub machine: MachineStatus,
    /// What placement goes by.
    pub measured: Measured,
    /// Rooms with a part there.
    pub rooms: u32,
    /// Streams that come in from its own clients.
    pub producers: u32,
    /// Streams that go out to its own clients and to other nodes.
    pub consumers: u32,
    /// Bits that media brings each second.
    pub ingress: u64,
    /// Of these, on the average of each peer.
    pub ingress_per_peer: u64,
    /// Of the bits that are sent, on the average of each peer.
    pub egress_per_peer: u64,
    /// How the bits are spread over the peers.
    pub peer_bitrates: PeerBitrates,
    /// Media workers that run.
    pub workers: u32,
}

impl NodeStatus {
    /// A node that has measured nothing yet.
    pub(super) fn of(about: About) -> Self {
        Self {
            about,
            ..Self::default()
        }
    }

    /// The node as placement sees it.
    pub(super) fn view(&self, id: &NodeId) -> NodeView {
        let about = &self.about;
        NodeView {
            location: about.location.clone(),
            organisation: about.organisation.clone(),
            labels: about.labels.clone(),
            namespaces: about.namespaces.clone(),
            priority: about.priority,
            cost: about.cost,
            egress_capacity: about.egress_capacity,
            measured: self.measured,
            ..NodeView::new(id.clone())
        }
    }
}

/// How often a node measures: placement reads that every three seconds.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// All rooms and workers are asked for them, so that it is done every other time.
const BITRATES_EVERY: u32 = 2;

/// Measures the node again and again, and has the others told.
pub(super) async fn tell(cluster: Weak<Cluster>, host: Weak<Shared>) {
    let mut measuring = None;
    loop {
        let (Some(cluster), Some(shared)) = (cluster.upgrade(), host.upgrade()) else {
            return;
        };
        let about = cluster.placing.about();
        let measuring = measuring.get_or_insert_with(|| Measuring::new(about.clone()));
        let status = measuring.measure(&Host { shared }).await;
        // Plain data becomes JSON whatever is in it.
        let status = serde_json::to_value(status).unwrap_or_default();
        cluster.change_record(|record| record.status = status);
        drop(cluster);
        sleep(TELL_EVERY).await;
    }
}

/// Measures a node again and again.
#[derive(Debug)]
pub(super) struct Measuring {
    about: About,
    machine: Option<MachineWatch>,
    bitrates: PeerBitrates,
    looks: u32,
}

impl Measuring {
    pub(super) fn new(about: About) -> Self {
        Self {
            about,
            machine: None,
            bitrates: PeerBitrates::default(),
            looks: 0,
        }
    }

    /// How the node is now.
    pub(super) async fn measure(&mut self, host: &Host) -> NodeStatus {
        // Files of the system are read, which may take a while where the machine is busy.
        let watch = self.machine.take();
        let looking = tokio::task::spawn_blocking(move || {
            let mut watch = watch.unwrap_or_default();
            (watch.look(), watch)
        });
        let machine = match looking.await {
            Ok((machine, watch)) => {
                self.machine = Some(watch);
                machine
            }
            // The process ends.
            Err(_) => MachineStatus::default(),
        };
        if self.looks.is_multiple_of(BITRATES_EVERY) {
            self.bitrates = bitrates::of_peers(host).await;
        }
        self.looks = self.looks.wrapping_add(1);
        let shared = &host.shared;
        let figures = host.figures();
        let infos = shared.supervisor.workers();
        let peers = u32::try_from(figures.peers).unwrap_or(u32::MAX);
        let sum = |of: fn(&WorkerInfo) -> u64| infos.iter().map(of).sum::<u64>();
        let (ingress, egress) = (
            sum(|info| info.rates.bytes_received.saturating_mul(8)),
            sum(|info| info.rates.bytes_sent.saturating_mul(8)),
        );
        let count = |of: fn(&WorkerInfo) -> u64| u32::try_from(sum(of)).unwrap_or(u32::MAX);
        let config = &shared.config;
        NodeStatus {
            about: self.about.clone(),
            machine,
            measured: Measured {
                load: load_of(&infos, &config.worker_capacity, &config.node_capacity),
                peers,
                egress,
            },
            rooms: u32::try_from(figures.rooms).unwrap_or(u32::MAX),
            producers: count(|info| info.stats.producers.into()),
            consumers: count(|info| info.stats.consumers.into()),
            ingress,
            ingress_per_peer: ingress / u64::from(peers.max(1)),
            egress_per_peer: egress / u64::from(peers.max(1)),
            peer_bitrates: self.bitrates,
            workers: count(|info| u64::from(info.state == WorkerState::Running)),
        }
    }
}

/// The fullest of the node's resources, from 0 to 1. What else the machine does is no part of it: it shows in what the workers
/// use of their cores, as soon as it takes something from them.
fn load_of(infos: &[WorkerInfo], per_worker: &Capacity, of_node: &Capacity) -> f32 {
    let running = infos.iter().filter(|it| it.state == WorkerState::Running);
    let loads: Vec<_> = running.map(load).collect();
    if loads.is_empty() {
        return 1.0;
    }
    let mut total = crate::Load::default();
    for load in &loads {
        total.add(load);
    }
    let workers = loads.len() as u64;
    let times = |limit: Option<u64>| limit.map(|limit| limit.saturating_mul(workers));
    // Above its limit a worker takes no rooms, but those that it has go on: all of them together have their cores. Who has set no
    // limit wants none.
    let cores = u16::try_from(loads.len()).ok().map(f32::from);
    let cores = cores.filter(|_| per_worker.cpu.is_some());
    let cpu = [cores, of_node.cpu].into_iter().flatten();
    let cpu = cpu.map(|limit| total.cpu / limit.max(0.01));
    let share = |used: u64, limits: [Option<u64>; 2]| {
        let limits = limits.into_iter().flatten();
        let thousandths = limits.map(|limit| used.saturating_mul(1000) / limit.max(1));
        let most = thousandths.max().unwrap_or(0);
        f32::from(u16::try_from(most).unwrap_or(u16::MAX)) / 1000.0
    };
    let consumers = [times(per_worker.consumers), of_node.consumers];
    let memory = [times(per_worker.memory), of_node.memory];
    let others = [
        share(total.consumers, consumers),
        share(total.memory, memory),
    ];
    cpu.chain(others).fold(0.0, f32::max)
}
