//! Nodes that everybody is to leave: sessions are asked, one after another over the time that it may take, to go where their room is
//! elsewhere.
//!
//! A node that is drained lets nobody in and says so to the others, who send nobody there. It goes on being a node of its rooms:
//! who has gone is seen and heard by who has not, over pipes. A client who can has everything at the new node before it lets go
//! of this one (`room_task/leaving.rs`); others connect again, and are led elsewhere by whichever door they come to.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use plenum_api::{
    error::ErrorKind,
    status::{DrainRequest, NodeDrain},
};
use plenum_ids::NodeId;
use plenum_link::{DownReason, LinkError, LinkState, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use tracing::{info, warn};

use super::Cluster;
use crate::{
    host::{Host, Shared},
    room_task::Input,
    rooms::Entry,
};

/// The link's request about a node's drain; its body is a [`DrainOrder`], its answer a [`NodeDrain`].
pub(crate) const DRAIN: &str = "drain";

/// What is asked about a node's drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum DrainOrder {
    /// Everybody is to be elsewhere in this time. One that is under way gets this time from now on.
    Begin {
        /// From now.
        #[serde(with = "millis", rename = "withinMs")]
        within: Duration,
    },
    /// It takes people again.
    Cancel,
    /// Only tell.
    Look,
}

/// A duration as JSON has it.
mod millis {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(it: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// A node is not drained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodeDrainError {
    /// It belongs to no cluster.
    #[error("the node is alone: stop it, it waits for calls to end (node.drain_timeout_ms)")]
    Alone,
    /// Nobody else is there.
    #[error("no other node is alive that takes people")]
    NoOtherNode,
    /// Nobody knows it.
    #[error("the cluster has no living node {0}")]
    NoSuchNode(NodeId),
    /// It said no.
    #[error("{reason}")]
    Refused {
        /// [`ErrorKind::code`].
        code: u16,
        /// For people.
        reason: String,
    },
    /// It is about to end.
    #[error("the node is shutting down")]
    ShuttingDown,
    /// It does not answer.
    #[error("node {node} does not answer: {reason}")]
    Unreachable {
        /// Which one.
        node: NodeId,
        /// For people.
        reason: String,
    },
}

impl NodeDrainError {
    /// Its place in the table of errors.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Alone | Self::NoOtherNode => ErrorKind::Conflict,
            Self::NoSuchNode(_) => ErrorKind::NotFound,
            Self::Refused { code, .. } => {
                let kind = ErrorKind::ALL.into_iter().find(|it| it.code() == *code);
                kind.unwrap_or(ErrorKind::Internal)
            }
            Self::ShuttingDown | Self::Unreachable { .. } => ErrorKind::Unavailable,
        }
    }
}

/// This node's drain.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Tells this one from an earlier one that was called off.
    number: u64,
    deadline: Instant,
    asked: usize,
    obstacle: Option<&'static str>,
    done: bool,
}

/// Sessions are asked in small groups, this often.
const STEP: Duration = Duration::from_millis(100);

/// The last are asked when this part of the time has passed, so that they have the rest for going.
const ASK_WITHIN: f64 = 0.8;

/// A room's task answers at once, unless it is far behind.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Another node answers from memory.
const ASK_PATIENCE: Duration = Duration::from_secs(5);

const NOWHERE: &str = "no other node is alive that takes people";

impl Host {
    /// Asks whichever node it concerns.
    pub async fn drain_node(
        &self,
        node: &NodeId,
        order: DrainOrder,
    ) -> Result<NodeDrain, NodeDrainError> {
        let cluster = self.cluster().ok_or(NodeDrainError::Alone)?;
        if cluster.me().node == *node {
            return self.shared.drain_self(order);
        }
        let standing = cluster.standing_now();
        let alive = standing.alive.get(node);
        let address = &alive
            .ok_or_else(|| NodeDrainError::NoSuchNode(node.clone()))?
            .address;
        let body = serde_json::to_value(order).unwrap_or_default();
        let links = cluster.links();
        let asked = links.request(node, address, DRAIN, &body, ASK_PATIENCE);
        let answer = asked.await.map_err(|err| from_there(node, &err))?;
        serde_json::from_value(answer).map_err(|err| NodeDrainError::Unreachable {
            node: node.clone(),
            reason: err.to_string(),
        })
    }

    /// Whether everybody is asked to leave this node.
    pub fn is_drained(&self) -> bool {
        self.shared.rooms().leaving.is_some()
    }
}

fn from_there(node: &NodeId, err: &LinkError) -> NodeDrainError {
    if let LinkError::Refused(Refusal { code, message }) = err
        && let Ok(code) = code.parse()
    {
        return NodeDrainError::Refused {
            code,
            reason: message.clone(),
        };
    }
    NodeDrainError::Unreachable {
        node: node.clone(),
        reason: err.to_string(),
    }
}

impl Cluster {
    /// Another node passes on what an operator wants of this one.
    pub(crate) fn answer_drain(&self, body: Value) -> Result<Value, Refusal> {
        let malformed = |err: serde_json::Error| Refusal::new("400", err.to_string());
        let order = serde_json::from_value(body).map_err(malformed)?;
        let host = self.host().ok_or_else(|| {
            let err = NodeDrainError::ShuttingDown;
            refusal(&err)
        })?;
        let drain = host.drain_self(order).map_err(|err| refusal(&err))?;
        serde_json::to_value(drain).map_err(malformed)
    }

    /// The other nodes that live, without those whose link has just broken: a node that was killed shows by that long before
    /// its lease ends.
    pub fn reachable(&self) -> BTreeSet<NodeId> {
        let standing = self.standing_now();
        let mut reachable: BTreeSet<_> = standing.alive.keys().cloned().collect();
        for link in self.links().status() {
            let is_broken = matches!(
                link.last_down,
                Some(DownReason::Broken | DownReason::Silent | DownReason::Stalled)
            );
            if is_broken && link.state != LinkState::Up {
                reachable.remove(&link.node);
            }
        }
        reachable
    }

    /// Whether anybody can go to another node at all.
    fn has_others(&self) -> bool {
        let nodes = self.nodes();
        let nodes = nodes.borrow();
        let standing = self.standing_now();
        let me = &self.me().node;
        nodes.iter().flat_map(|view| &view.nodes).any(|it| {
            let node = &it.lease.node;
            // What has no workers takes nobody.
            let takes_people = !it.record.draining && it.record.status["role"] != "signal";
            *node != *me && takes_people && standing.alive.contains_key(node)
        })
    }
}

fn refusal(err: &NodeDrainError) -> Refusal {
    Refusal::new(err.kind().code().to_string(), err.to_string())
}

impl Shared {
    fn drain_self(self: &Arc<Self>, order: DrainOrder) -> Result<NodeDrain, NodeDrainError> {
        let cluster = self.cluster.as_ref().ok_or(NodeDrainError::Alone)?;
        let mut rooms = self.rooms();
        match order {
            DrainOrder::Begin { within } => {
                if rooms.closing {
                    return Err(NodeDrainError::ShuttingDown);
                }
                if !cluster.has_others() {
                    return Err(NodeDrainError::NoOtherNode);
                }
                let deadline = Instant::now() + within;
                self.departing.send_replace(Some(deadline));
                if let Some(plan) = &mut rooms.leaving {
                    plan.deadline = deadline;
                } else {
                    rooms.last_leaving += 1;
                    let number = rooms.last_leaving;
                    rooms.leaving = Some(Plan {
                        number,
                        deadline,
                        asked: 0,
                        obstacle: None,
                        done: false,
                    });
                    cluster.change_record(|record| record.draining = true);
                    info!(?within, "the node is drained");
                    tokio::spawn(Arc::clone(self).carry_out_leaving(number));
                }
            }
            DrainOrder::Cancel => {
                if rooms.leaving.take().is_some() {
                    cluster.change_record(|record| record.draining = false);
                    self.departing.send_replace(None);
                    info!("the node takes people again");
                }
            }
            DrainOrder::Look => {}
        }
        drop(rooms);
        Ok(self.drain_of_self(cluster))
    }

    fn drain_of_self(&self, cluster: &Cluster) -> NodeDrain {
        let rooms = self.rooms();
        let counts = rooms.by_id.values().map(Entry::clients);
        let (rooms_left, clients_left) = counts
            .filter(|clients| *clients > 0)
            .fold((0, 0), |(rooms, all), clients| (rooms + 1, all + clients));
        let clients_relayed = cluster.relays().elsewhere();
        let plan = rooms.leaving.as_ref();
        let left = plan.map(|plan| plan.deadline.saturating_duration_since(Instant::now()));
        NodeDrain {
            node: cluster.me().node.to_string(),
            state: match plan {
                None => "running",
                Some(plan) if plan.done && clients_left + clients_relayed == 0 => "drained",
                Some(_) => "draining",
            }
            .to_owned(),
            rooms_left,
            clients_left,
            clients_asked: plan.map_or(0, |plan| plan.asked),
            clients_relayed,
            time_left_ms: left.map_or(0, |left| left.as_millis().try_into().unwrap_or(u64::MAX)),
            obstacle: plan.and_then(|plan| plan.obstacle).map(str::to_owned),
        }
    }

    /// Until nobody is left, or it is called off.
    async fn carry_out_leaving(self: Arc<Self>, number: u64) {
        let Some(cluster) = self.cluster.clone() else {
            return;
        };
        let begun = Instant::now();
        let mut is_over = false;
        loop {
            sleep(STEP).await;
            let has_others = cluster.has_others();
            let (all, deadline) = {
                let mut rooms = self.rooms();
                let all = rooms.clients();
                let left: usize = all.iter().map(|(_, clients)| clients).sum();
                let left = left + cluster.relays().elsewhere();
                let plan = rooms.leaving.as_mut();
                let Some(plan) = plan.filter(|plan| plan.number == number) else {
                    return;
                };
                plan.obstacle = (!has_others && left > 0).then_some(NOWHERE);
                if left == 0 && !std::mem::replace(&mut plan.done, true) {
                    info!(asked = plan.asked, "the node is drained: nobody is left");
                } else if left > 0 {
                    // Somebody was on the way.
                    plan.done = false;
                }
                (all, plan.deadline)
            };
            // Better here than nowhere.
            if !has_others {
                continue;
            }
            let now = Instant::now();
            if now >= deadline {
                if !std::mem::replace(&mut is_over, true) && !all.is_empty() {
                    warn!("the time of the drain is over, those who are left are sent away");
                }
                for (room, _) in all {
                    let _ = room.send(Input::Leave).await;
                }
                continue;
            }
            let of_all = deadline
                .saturating_duration_since(begun)
                .mul_f64(ASK_WITHIN);
            let ask_until = begun + of_all;
            let asked = ask_some(&all, ask_until.saturating_duration_since(now)).await;
            if let Some(plan) = &mut self.rooms().leaving {
                plan.asked += asked;
            }
        }
    }
}

/// Asks as many as it takes for all to be asked in the time that is left.
async fn ask_some(all: &[(mpsc::Sender<Input>, usize)], left: Duration) -> usize {
    let clients: usize = all.iter().map(|(_, clients)| clients).sum();
    let steps = left.as_millis() / STEP.as_millis() + 1;
    let mut budget = clients.div_ceil(usize::try_from(steps).unwrap_or(usize::MAX));
    let mut asked = 0;
    for (room, _) in all {
        if budget == 0 {
            break;
        }
        let (answer, answered) = oneshot::channel();
        let most = budget;
        let asking = async {
            room.send(Input::AskToLeave { most, answer }).await.ok()?;
            answered.await.ok()
        };
        let told = tokio::time::timeout(ANSWER_WITHIN, asking).await;
        // A room that has just ended has nobody.
        let told = told.ok().flatten().unwrap_or(0);
        asked += told;
        budget = budget.saturating_sub(told);
    }
    asked
}

impl From<DrainRequest> for DrainOrder {
    fn from(request: DrainRequest) -> Self {
        Self::Begin {
            within: Duration::from_millis(request.within_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn orders_cross_nodes_as_they_are() {
        let within = Duration::from_millis(1500);
        for (order, written) in [
            (
                DrainOrder::Begin { within },
                json!({"begin": {"withinMs": 1500}}),
            ),
            (DrainOrder::Cancel, json!("cancel")),
            (DrainOrder::Look, json!("look")),
        ] {
            assert_eq!(serde_json::to_value(order).expect("plain data"), written);
            let read: DrainOrder = serde_json::from_value(written).expect("an order");
            assert_eq!(read, order);
        }
    }

    #[tokio::test]
    async fn those_who_are_left_are_spread_over_the_time_that_is_left() {
        let (room, mut inputs) = mpsc::channel(8);
        let answering = tokio::spawn(async move {
            let mut wanted = Vec::new();
            while let Some(input) = inputs.recv().await {
                if let Input::AskToLeave { most, answer } = input {
                    wanted.push(most);
                    let _ = answer.send(most);
                }
            }
            wanted
        });
        let all = [(room, 100)];
        for left in [
            Duration::ZERO,
            Duration::from_secs(1),
            Duration::from_mins(2),
        ] {
            ask_some(&all, left).await;
        }
        drop(all);
        assert_eq!(answering.await.expect("ran"), [100, 10, 1]);
    }
}
