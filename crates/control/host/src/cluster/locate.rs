//! Which node somebody goes to: the ranking of what is known, then a claim in the registry, so that all who choose at the same
//! moment agree.
//!
//! A room that is here goes on taking people whatever the registry does; whatever is not here waits for it.

use std::{sync::Arc, time::Duration};

use plenum_cluster::Judgement;
use plenum_ids::{NodeId, RoomEpoch, RoomName};
use plenum_placement::{
    Candidate, Location, NamespaceRules, Part, Policy, Ranking, Refusal, Request, Role, Rules,
};
use plenum_registry::{ClaimRequest, Joins, RegistryError, RoomRecord};
use plenum_room::NodeKey;
use tokio::time::timeout;
use tracing::{debug, info};

use super::{Cluster, Standing, Way, Who};
use crate::host::{ConnectError, Host};

/// By so many points a node may be worse than the best one and still keeps whoever has come to it: 5 ms of round trip, which nobody
/// notices, while being sent elsewhere costs several round trips. It also keeps two nodes whose figures differ by a moment from sending
/// somebody to and fro.
const GOOD_ENOUGH: i32 = 50;

/// How long a claim waits for a registry that has begun anew: two leases and a little more.
const PATIENCE: Duration = Duration::from_secs(8);

impl Cluster {
    /// Where somebody is to enter a room.
    pub(crate) async fn locate(
        &self,
        host: &Host,
        room: &RoomName,
        who: &Who,
    ) -> Result<Way, ConnectError> {
        self.look_at_nodes();
        let rules = self.placing.rules();
        let of_namespace = rules.of(&room.namespace);
        let is_here = host.has_room(room) && self.takes_people();
        if is_here && of_namespace.policy == Policy::Room && !self.is_full(of_namespace) {
            return Ok(Way::here(room).because(vec!["the room is here".to_owned()]));
        }
        match self.choose(room, who, &rules).await {
            Err(ConnectError::RegistryAway) if is_here => {
                let reason = "the registry does not answer, and the room is here";
                Ok(Way::here(room).because(vec![reason.to_owned()]))
            }
            result => result,
        }
    }

    async fn choose(&self, room: &RoomName, who: &Who, rules: &Rules) -> Result<Way, ConnectError> {
        let record = self
            .registry()
            .room(room.clone())
            .await
            .map_err(|err| away(&err))?;
        let request = self.request(room, who, record.as_ref());
        let ranking = self.placing.rank(&request, rules);
        let standing = self.standing_now();
        let candidates = self.living(&ranking, &standing);
        let Some(best) = candidates.first() else {
            info!(%room, peer = %who.peer, refused = ?sentences(&ranking), "no node takes somebody");
            return Err(refusal(&ranking));
        };
        let best = self
            .good_enough(&candidates, ranking.policy)
            .unwrap_or(best);
        let (home, join_at) = match ranking.policy {
            Policy::Room => (None, Joins::Home),
            _ => (Some(best), Joins::At(best.node.clone())),
        };
        let living_home = record.as_ref().and_then(|record| {
            let home = record.home.as_ref()?;
            let key = NodeKey {
                node: home.node.clone(),
                epoch: home.node_epoch,
            };
            self.lives(&key, &standing).then_some(key)
        });
        let claimed = self
            .claim(room, &candidates, join_at, record.as_ref(), &standing)
            .await;
        let claimed = match (claimed, living_home) {
            (Ok(claimed), _) => claimed,
            // It has its home, and nobody needs another.
            (Err(ConnectError::RegistryAway), Some(home)) => home,
            (Err(err), _) => return Err(err),
        };
        let taken = |home: &NodeKey| candidates.iter().copied().find(|it| it.node == home.node);
        let chosen = home.or_else(|| taken(&claimed)).unwrap_or(best);
        self.placing.count_join(&chosen.node);
        let mut way = self.way(room, chosen, &ranking, &claimed, &standing);
        way.reasons.extend(who.hint.as_ref().map(told));
        Ok(way)
    }

    /// Asks for the room's home, and tells where the join goes.
    async fn claim(
        &self,
        room: &RoomName,
        candidates: &[&Candidate],
        joins: Joins,
        record: Option<&RoomRecord>,
        standing: &Arc<Standing>,
    ) -> Result<NodeKey, ConnectError> {
        // A registry that has forgotten gets time to be told again, before homes are made that there are already.
        let standing = self.settled(standing).await;
        let (Judgement::Free, Some(seen)) = (standing.judgement, standing.incarnation.clone())
        else {
            return Err(ConnectError::RegistryAway);
        };
        let names = candidates.iter().map(|candidate| candidate.node.clone());
        let claim = ClaimRequest {
            room: room.clone(),
            candidates: names.collect(),
            at_least: record.map_or(RoomEpoch(0), |record| record.epoch),
            lease: self.lease(),
            create: true,
            joins,
            seen,
        };
        let claim = self
            .registry()
            .claim(claim)
            .await
            .map_err(|err| away(&err))?;
        debug!(%room, home = %claim.home, created = claim.created, pending = claim.pending, "claimed");
        Ok(NodeKey {
            node: claim.home,
            epoch: claim.home_epoch,
        })
    }

    /// What this node may conclude once owners have had the time to write again what the registry has forgotten.
    async fn settled(&self, standing: &Arc<Standing>) -> Arc<Standing> {
        let settles =
            |standing: &Standing| matches!(standing.judgement, Judgement::Settling { .. });
        if !settles(standing) {
            return Arc::clone(standing);
        }
        let mut changes = self.standing();
        let settled = timeout(PATIENCE, changes.wait_for(|it| !settles(it))).await;
        match settled {
            Ok(Ok(settled)) => Arc::clone(&settled),
            _ => Arc::clone(standing),
        }
    }

    fn request(&self, room: &RoomName, who: &Who, record: Option<&RoomRecord>) -> Request {
        let known = who.remote.map(|remote| self.placing.locate(remote));
        let known = known.unwrap_or_default();
        let parts = record.map_or(&[][..], |record| &record.parts);
        let parts = parts.iter().map(|part| Part {
            node: part.node.clone(),
            peers: part.mark.peers,
            publishers: part.mark.peers.min(part.mark.producers),
        });
        Request {
            peer: Some(who.peer.clone()),
            role: if who.viewer {
                Role::Viewer
            } else {
                Role::Publisher
            },
            client: who.hint.clone().unwrap_or_default().or(&known),
            home: record
                .and_then(|record| record.home.as_ref())
                .map(|home| home.node.clone()),
            parts: parts.collect(),
            ..Request::new(room.clone())
        }
    }

    /// Candidates that are not dead as far as is known here: records are some seconds old.
    fn living<'a>(&self, ranking: &'a Ranking, standing: &Standing) -> Vec<&'a Candidate> {
        let candidates = ranking.candidates.iter();
        candidates
            .filter(|it| self.is_me(&it.node) || standing.alive.contains_key(&it.node))
            .collect()
    }

    fn lives(&self, node: &NodeKey, standing: &Standing) -> bool {
        node == self.me() || standing.is_alive(node)
    }

    /// This node, if it is nearly as good as the best one for somebody who need not be where others are.
    fn good_enough<'a>(
        &self,
        candidates: &[&'a Candidate],
        policy: Policy,
    ) -> Option<&'a Candidate> {
        let best = candidates.first()?;
        let here = candidates.iter().find(|it| self.is_me(&it.node))?;
        let is_near = best.score.saturating_sub(here.score) <= GOOD_ENOUGH;
        (policy != Policy::Room && is_near).then_some(here)
    }

    fn way(
        &self,
        room: &RoomName,
        chosen: &Candidate,
        ranking: &Ranking,
        home: &NodeKey,
        standing: &Standing,
    ) -> Way {
        let node = &chosen.node;
        let mut reasons = vec![format!("the policy is {}", ranking.policy)];
        reasons.extend(chosen.reasons.iter().map(ToString::to_string));
        let refused = ranking.refused.iter();
        reasons.extend(refused.take(3).map(|(node, why)| format!("{node} {why}")));
        if self.is_me(node) {
            return Way::here(room).because(reasons);
        }
        let epoch = match standing.alive.get(node) {
            Some(alive) => alive.epoch,
            None => home.epoch,
        };
        let key = NodeKey {
            node: node.clone(),
            epoch,
        };
        Way::there(room, key, self.placing.public_url(node)).because(reasons)
    }

    fn is_me(&self, node: &NodeId) -> bool {
        self.me().node == *node
    }

    /// Whether rooms can be at this node.
    pub(crate) fn takes_rooms(&self) -> bool {
        self.placing.role().takes_rooms()
    }

    /// Whether this node takes anybody at all.
    fn takes_people(&self) -> bool {
        self.takes_rooms() && !self.record().draining
    }

    /// Whether further people of a room that is here had better go elsewhere.
    fn is_full(&self, rules: &NamespaceRules) -> bool {
        let load = self.placing.load(&self.me().node);
        load.is_some_and(|load| load >= rules.full_load)
    }
}

/// What a token says of where its bearer is.
fn told(hint: &Location) -> String {
    let region = hint.region.as_ref().map(|it| format!("in {it}"));
    let isp = hint.isp.as_ref().map(|it| format!("connected by {it}"));
    let said: Vec<_> = region.into_iter().chain(isp).collect();
    format!("the client is {}, its token says", said.join(" and "))
}

/// The registry has not answered, or not as the one that was asked.
pub(super) fn away(err: &RegistryError) -> ConnectError {
    debug!(%err, "no answer from the registry about a room");
    ConnectError::RegistryAway
}

/// Why nobody takes somebody: for now, or because the rules of the namespace say so.
fn refusal(ranking: &Ranking) -> ConnectError {
    let by_rule = |(_, refusal): &(NodeId, Refusal)| {
        !matches!(
            refusal,
            Refusal::Draining
                | Refusal::Egress { .. }
                | Refusal::Gone
                | Refusal::Load { .. }
                | Refusal::Viewers { .. }
        )
    };
    if !ranking.refused.is_empty() && ranking.refused.iter().all(by_rule) {
        ConnectError::NotAllowed
    } else {
        ConnectError::NoNode
    }
}

fn sentences(ranking: &Ranking) -> Vec<String> {
    let refused = ranking.refused.iter();
    refused.map(|(node, why)| format!("{node} {why}")).collect()
}
