//! Trunks to workers of other nodes. Each node makes its halves by itself, at once, when it offers or takes a pipe: nobody waits
//! for anything before a pipe's requests go out, so that what a room asks for later cannot overtake them.

mod keys;
mod table;
mod words;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use plenum_ids::{NodeId, TransportId, WorkerId};
use plenum_ipc::{ErrorCode, Request, RequestError};
use plenum_params::{data::SctpStreamParameters, ortc, resolve};
use plenum_room::{
    FarEnd, HostWords, NearEnd, NodeKey, PipeMedium, PipeOffer, PipeSource, PipeStreams,
};
use plenum_supervisor::Worker;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use crate::{
    asking,
    cluster::{Alive, Cluster},
    host::Shared,
    trunks::consume_requests,
};
use table::{Action, Ours, Table};
use words::{Asked, Offered, words};

/// How often idle trunks are looked for: some times in the span after which they end. It costs a look at each trunk.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Operators are told this often at most that pipes cannot be made: rooms ask again and again.
const WARN_AGAIN: Duration = Duration::from_secs(10);

/// The trunks of a node to other nodes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct NodeTrunks {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    table: Table,
    /// The process that each worker is now, and a number that no other one has.
    workers: HashMap<WorkerId, (Worker, u64)>,
    starts: u64,
    /// When an operator was last told that something is wrong with another node's trunks.
    warned: Option<Instant>,
}

/// A worker, and where other nodes reach it.
#[derive(Clone, Debug)]
pub(crate) struct OuterEnd {
    pub(crate) worker: Worker,
    pub(crate) address: SocketAddr,
}

/// The near end of a pipe: what its worker is asked for, and what the other node is told when that is done.
#[derive(Debug)]
pub(crate) struct Near {
    pub(crate) requests: Vec<Request>,
    pub(crate) offer: PipeOffer,
}

/// There is no trunk for a pipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TrunkError {
    /// It was said of a worker of another node.
    #[error("no worker of another node can be at {0}")]
    Address(SocketAddr),
    #[error("the worker has ended")]
    Ended,
    /// What was said is about something that is gone, here or there.
    #[error("what the other node says of its trunk is not true any more")]
    Stale,
    /// The producer does not fit on a trunk.
    #[error(transparent)]
    Streams(#[from] ortc::Error),
    /// Of another node, or of another worker of that one.
    #[error("another trunk leads to {0}")]
    Taken(SocketAddr),
    #[error("there are as many trunks between nodes as there may be")]
    TooMany,
    #[error("what the other node says of its worker cannot be read")]
    Unreadable,
}

impl TrunkError {
    /// As if a worker had said it.
    pub(crate) fn refusal(&self) -> RequestError {
        let code = match self {
            Self::Address(_) | Self::Streams(_) | Self::Unreadable => ErrorCode::Invalid,
            Self::Ended | Self::Stale | Self::Taken(_) => ErrorCode::Conflict,
            Self::TooMany => ErrorCode::Limit,
        };
        let reason = self.to_string();
        RequestError { code, reason }
    }
}

impl NodeTrunks {
    /// Of this start of this node.
    pub(crate) fn new(me: NodeKey) -> Self {
        let state = State {
            table: Table::new(me),
            workers: HashMap::new(),
            starts: 0,
            warned: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Ends what is idle, and what led to nodes that are gone, for as long as the host is there.
    pub(crate) async fn keep(cluster: Arc<Cluster>, shared: Weak<Shared>) {
        let mut standing = cluster.standing();
        drop(cluster);
        let mut before = Arc::clone(&standing.borrow_and_update());
        let mut sweeps = interval(SWEEP_INTERVAL);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_changed = tokio::select! {
                _ = sweeps.tick() => false,
                changed = standing.changed() => match changed {
                    Ok(()) => true,
                    Err(_) => return,
                },
            };
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let Some(trunks) = &shared.node_trunks else {
                return;
            };
            if has_changed {
                let now = Arc::clone(&standing.borrow_and_update());
                for node in gone(&before.alive, &now.alive) {
                    trunks.change(&shared, |state, actions| {
                        state.table.handle_node_gone(&node, actions);
                    });
                }
                before = now;
            } else {
                trunks.change(&shared, |state, actions| {
                    let is_idle = |worker, trunk| shared.objects.is_unused(worker, trunk);
                    state.table.sweep(Instant::now(), is_idle, actions);
                });
            }
        }
    }

    /// What a node is told that is asked for a pipe to a worker.
    pub(crate) fn ask(&self, node: &NodeKey, end: &OuterEnd) -> Result<HostWords, TrunkError> {
        let mut state = self.lock();
        let ours = state.ours(end)?;
        let asked = state.table.ask(Instant::now(), node, &ours);
        Ok(words(&asked))
    }

    /// What makes the near end of a pipe. The requests go to the worker before anything else does that follows from it.
    pub(crate) fn near(
        &self,
        shared: &Arc<Shared>,
        end: &OuterEnd,
        pipe: &NearEnd,
    ) -> Result<Near, TrunkError> {
        let made = self.near_end(shared, end, pipe);
        made.inspect_err(|err| self.tell(&pipe.node, err))
    }

    /// What makes the far end of a pipe.
    pub(crate) fn far(
        &self,
        shared: &Arc<Shared>,
        end: &OuterEnd,
        pipe: FarEnd,
    ) -> Result<Request, TrunkError> {
        let node = pipe.node.clone();
        let made = self.far_end(shared, end, pipe);
        made.inspect_err(|err| self.tell(&node, err))
    }

    fn near_end(
        &self,
        shared: &Arc<Shared>,
        end: &OuterEnd,
        pipe: &NearEnd,
    ) -> Result<Near, TrunkError> {
        let asked = Asked::parse(&pipe.end)?;
        shared.check_far(asked.at.address)?;
        self.change(shared, |state, actions| {
            let ours = state.ours(end)?;
            let (trunk, told, numbers) = state.table.near(&pipe.node, &ours, &asked, actions)?;
            let (requests, streams) = match &pipe.medium {
                PipeMedium::Media {
                    producer,
                    kind,
                    consumable,
                    streams,
                } => {
                    let ssrcs = &mut numbers.ssrcs;
                    let (far, near) = resolve::pipe_parameters(*kind, consumable, ssrcs)?;
                    let requests = consume_requests(trunk, *producer, streams, near);
                    (requests, PipeStreams::Media(Box::new(far)))
                }
                PipeMedium::Data {
                    data_producer,
                    stream,
                    data_consumer,
                } => {
                    let stream = SctpStreamParameters {
                        stream_id: numbers.take_stream(),
                        ..*stream
                    };
                    let request = Request::PipeConsumeData {
                        trunk,
                        data_consumer: *data_consumer,
                        data_producer: *data_producer,
                        stream,
                        paused: false,
                    };
                    (vec![request], PipeStreams::Data(stream))
                }
            };
            let trunk = words(&told);
            let offer = PipeOffer { trunk, streams };
            Ok(Near { requests, offer })
        })
    }

    fn far_end(
        &self,
        shared: &Arc<Shared>,
        end: &OuterEnd,
        pipe: FarEnd,
    ) -> Result<Request, TrunkError> {
        let offered = Offered::parse(&pipe.offer.trunk)?;
        shared.check_far(offered.at.address)?;
        let trunk = self.change(shared, |state, actions| {
            let ours = state.ours(end)?;
            state.table.far(&pipe.node, &ours, &offered, actions)
        })?;
        let (router, paused) = (pipe.router, pipe.paused);
        match (pipe.source, pipe.offer.streams) {
            (PipeSource::Producer(producer), PipeStreams::Media(parameters)) => {
                Ok(Request::PipeProduce {
                    trunk,
                    router,
                    producer,
                    parameters: *parameters,
                    paused,
                })
            }
            (PipeSource::DataProducer(data_producer), PipeStreams::Data(stream)) => {
                Ok(Request::PipeProduceData {
                    trunk,
                    router,
                    data_producer,
                    stream,
                    paused,
                })
            }
            _ => Err(TrunkError::Unreadable),
        }
    }

    /// A worker of this node has died, and with it its halves.
    pub(crate) fn handle_worker_death(&self, shared: &Arc<Shared>) {
        self.change(shared, |state, actions| {
            state.workers.retain(|_, (worker, _)| !worker.is_closed());
            let workers = &state.workers;
            let lives = |worker, start| {
                let now = workers.get(&worker);
                now.is_some_and(|(_, current)| *current == start)
            };
            state.table.keep_workers(lives, actions);
        });
    }

    /// Says why there is no trunk: to operators, but not for each pipe, if nobody else can mend it.
    fn tell(&self, node: &NodeKey, err: &TrunkError) {
        let passes = matches!(
            err,
            TrunkError::Ended | TrunkError::Stale | TrunkError::Streams(_)
        );
        let now = Instant::now();
        let warned = &mut self.lock().warned;
        let is_recent = warned.is_some_and(|at| now.duration_since(at) < WARN_AGAIN);
        if passes || is_recent {
            debug!(node = %node.node, %err, "no pipe between nodes");
            return;
        }
        *warned = Some(now);
        warn!(node = %node.node, %err, "no pipe between nodes");
    }

    /// Changes the table and sends to workers what follows, before anybody else changes it.
    fn change<T>(
        &self,
        shared: &Arc<Shared>,
        change: impl FnOnce(&mut State, &mut Vec<Action>) -> T,
    ) -> T {
        let mut state = self.lock();
        let mut actions = Vec::new();
        let result = change(&mut state, &mut actions);
        for action in actions {
            match action {
                Action::End { worker, trunk } => {
                    debug!(%trunk, %worker, "trunk to another node ended");
                    shared.objects.forget_trunk(worker, trunk);
                    if let Some((worker, _)) = state.workers.get(&worker) {
                        worker.notify(Request::CloseTransport { transport: trunk });
                    }
                }
                Action::Make {
                    worker,
                    trunk,
                    options,
                } => {
                    debug!(%trunk, %worker, remote = %options.remote, "trunk to another node");
                    shared.objects.note_trunk(worker, trunk);
                    if let Some((worker, _)) = state.workers.get(&worker) {
                        let request = Request::CreateTrunk { trunk, options };
                        self.make(shared, worker.clone(), trunk, request);
                    }
                }
            }
        }
        result
    }

    /// Sends the request at once. Whoever uses the trunk finds a refusal, and the next one makes another.
    fn make(&self, shared: &Arc<Shared>, worker: Worker, trunk: TransportId, request: Request) {
        let id = worker.id();
        let made = asking::begin(Box::pin(async move { worker.request(request).await }));
        let (trunks, shared) = (self.clone(), Arc::clone(shared));
        tokio::spawn(async move {
            if let Err(err) = made.await {
                warn!(%err, worker = %id, "no trunk to another node");
                trunks.change(&shared, |state, actions| {
                    state.table.handle_failure(trunk, actions);
                });
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change leaves a whole table, whatever panics in between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts of nodes that lived and do not live any more. A node that is not known yet is none of them, though it may have trunks
/// already: links are faster than leases.
fn gone(before: &Living, now: &Living) -> Vec<NodeKey> {
    let lived = before.iter().filter(|(node, alive)| {
        let now = now.get(*node);
        now.is_none_or(|now| now.epoch != alive.epoch)
    });
    let key = |(node, alive): (&NodeId, &Alive)| NodeKey {
        node: node.clone(),
        epoch: alive.epoch,
    };
    lived.map(key).collect()
}

type Living = BTreeMap<NodeId, Alive>;

impl State {
    /// A worker with the number of its start. One that has ended gets none: its successor has it already.
    fn ours(&mut self, end: &OuterEnd) -> Result<Ours, TrunkError> {
        let id = end.worker.id();
        if end.worker.is_closed() {
            return Err(TrunkError::Ended);
        }
        let known = self.workers.get(&id);
        let known = known.filter(|(worker, _)| worker.is_same(&end.worker));
        let start = known.map_or_else(
            || {
                self.starts += 1;
                self.starts
            },
            |(_, start)| *start,
        );
        self.workers.insert(id, (end.worker.clone(), start));
        Ok(Ours {
            worker: id,
            start,
            address: end.address,
        })
    }
}

impl Shared {
    /// A worker, and where other nodes reach it.
    pub(crate) fn outer_end(&self, worker: Worker) -> Option<OuterEnd> {
        let ip = self.cluster.as_ref()?.media_address();
        let address = self.supervisor.outer_address(worker.id(), ip)?;
        Some(OuterEnd { worker, address })
    }

    /// Another node's worker is not where one of ours is.
    fn check_far(&self, address: SocketAddr) -> Result<(), TrunkError> {
        let ip = self.cluster.as_ref().and_then(|it| it.media_address());
        let is_ours = self.supervisor.is_at(address, ip);
        if is_ours {
            return Err(TrunkError::Address(address));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::NodeEpoch;

    use super::*;

    fn living(alive: &[(&str, u64)]) -> Living {
        let alive = alive.iter().map(|(node, epoch)| {
            let alive = Alive {
                epoch: NodeEpoch(*epoch),
                address: String::new(),
            };
            (NodeId::from(*node), alive)
        });
        alive.collect()
    }

    #[test]
    fn only_who_has_lived_is_gone() {
        let before = living(&[("a", 1), ("b", 1), ("c", 3)]);
        let now = living(&[("a", 1), ("c", 4), ("d", 1)]);
        let gone = gone(&before, &now);
        let expected = [("b", 1), ("c", 3)].map(|(node, epoch)| NodeKey {
            node: NodeId::from(node),
            epoch: NodeEpoch(epoch),
        });
        assert_eq!(gone, expected);
    }
}
