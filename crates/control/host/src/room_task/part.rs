//! A room of this node as one part of a room that may have others elsewhere: what the room tells the other parts, and what
//! it is told of them. The decisions are the protocol's (`plenum-cluster`); here they are carried out against the registry, the bus
//! and the links.
//!
//! A part begins when this node's earlier part of the same room has ended to its last word, and ends before the next one begins.
//! What it asks of the registry it asks one at a time, in order.

mod hearing;
mod home;
mod news;
mod questions;
mod records;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use plenum_cluster::{Decides, Deciding, Judgement, Log, Replicas, ReplicasAction, Stamp};
use plenum_ids::{NodeEpoch, NodeId, PeerId, RoomName};
use plenum_registry::{BusEvent, Subscription};
use plenum_room::{
    Command, NodeAskId, NodeFailure, NodeKey, NodeReply, NodeRequest, OpId, PartChange,
    PartSnapshot, RemoteChange, Room,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{debug, warn};

use self::{news::News, questions::Questions, records::Records};
use super::at;
use crate::cluster::{Cluster, PartInput, Standing, Told, Turn};

/// Inputs of other nodes that may wait for a room's task: the questions of all nodes of a large room at once.
const INPUTS: usize = 1024;

/// A question that is not answered in this time is lost: making a pipe takes some round trips and a worker's answer.
const ASK_PATIENCE: Duration = Duration::from_secs(10);

/// Those who come while a part begins wait for so long until the others are known, and who decides; then they come in
/// all the same, and the rest shows later.
const SETTLE: Duration = Duration::from_secs(2);

/// What a part has to do with.
pub(super) struct Part {
    cluster: Arc<Cluster>,
    room: RoomName,
    stage: Stage,
    log: Log,
    replicas: Replicas<PartChange, PartSnapshot>,
    /// Of which start the copies are that the room was told of.
    copies: BTreeMap<NodeId, NodeEpoch>,
    /// Whose part is to be asked for once more after the answer that is on its way.
    again: BTreeSet<NodeId>,
    fetches: FuturesUnordered<BoxFuture<'static, (NodeId, Option<Told>)>>,
    deciding: Deciding,
    records: Records,
    news: News,
    bus: Option<Subscription>,
    standing: Arc<Standing>,
    changes: watch::Receiver<Arc<Standing>>,
    sender: mpsc::Sender<PartInput>,
    inputs: mpsc::Receiver<PartInput>,
    asks: FuturesUnordered<BoxFuture<'static, (OpId, Result<NodeReply, NodeFailure>)>>,
    questions: Questions,
    /// Who has joined here, and how much each sends.
    peers: BTreeMap<PeerId, u32>,
    /// Until when newcomers wait; `None`: they do not.
    settling: Option<Instant>,
}

/// What other nodes put in, and what the room's task takes.
fn channel() -> (mpsc::Sender<PartInput>, mpsc::Receiver<PartInput>) {
    mpsc::channel(INPUTS)
}

/// How far a part has come.
enum Stage {
    /// Another part of the same room at this node has not ended.
    Waiting(BoxFuture<'static, Turn>),
    Running(Turn),
}

/// What happens to a part.
pub(super) enum PartEvent {
    Answered(OpId, Result<NodeReply, NodeFailure>),
    Began(Turn),
    Due,
    Fetched(NodeId, Option<Told>),
    Heard(Option<BusEvent>),
    Input(PartInput),
    Published,
    Recorded(records::Call, records::Said),
    Standing,
}

impl Part {
    /// A part that begins as soon as it may.
    pub(super) fn new(cluster: Arc<Cluster>, room: RoomName, now: Instant) -> Self {
        let turn = Box::pin(cluster.parts().turn(&room));
        let mut changes = cluster.standing();
        let standing = Arc::clone(&changes.borrow_and_update());
        let NodeKey { node, epoch } = cluster.me().clone();
        let (sender, inputs) = channel();
        Self {
            stage: Stage::Waiting(turn),
            log: Log::new(epoch),
            replicas: Replicas::default(),
            copies: BTreeMap::new(),
            again: BTreeSet::new(),
            fetches: FuturesUnordered::new(),
            deciding: Deciding::new(node, epoch),
            records: Records::new(now),
            news: News::new(Arc::clone(cluster.bus()), cluster.me().clone(), &room),
            bus: None,
            standing,
            changes,
            sender,
            inputs,
            asks: FuturesUnordered::new(),
            questions: Questions::default(),
            peers: BTreeMap::new(),
            settling: now.checked_add(SETTLE),
            cluster,
            room,
        }
    }

    /// What happens next. Loses nothing when cancelled.
    pub(super) async fn next(&mut self) -> PartEvent {
        let is_leased = self.is_leased();
        self.records.begin(&self.cluster, &self.room, is_leased);
        self.news.begin();
        let due = self.due();
        let waiting = async {
            match &mut self.stage {
                Stage::Waiting(turn) => turn.await,
                Stage::Running(_) => std::future::pending().await,
            }
        };
        let heard = async {
            match &mut self.bus {
                Some(bus) => bus.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            turn = waiting => PartEvent::Began(turn),
            (call, said) = self.records.next() => PartEvent::Recorded(call, said),
            () = self.news.published() => PartEvent::Published,
            Some((node, told)) = self.fetches.next() => PartEvent::Fetched(node, told),
            Some((op, result)) = self.asks.next() => PartEvent::Answered(op, result),
            heard = heard => PartEvent::Heard(heard),
            // The sender lives in `self`.
            Some(input) = self.inputs.recv() => PartEvent::Input(input),
            Ok(()) = self.changes.changed() => PartEvent::Standing,
            () = at(due) => PartEvent::Due,
        }
    }

    /// Something has happened; what the room is to be told.
    pub(super) fn handle(&mut self, now: Instant, event: PartEvent, room: &Room) -> Vec<Command> {
        let mut commands = Vec::new();
        match event {
            PartEvent::Began(turn) => self.begin(now, turn),
            PartEvent::Recorded(call, said) => self.handle_record(now, call, said),
            PartEvent::Published | PartEvent::Due => {}
            PartEvent::Fetched(node, told) => self.handle_fetched(now, &node, told),
            PartEvent::Answered(op, result) => {
                commands.push(Command::NodeAnswers { op, result });
            }
            PartEvent::Heard(Some(event)) => self.handle_bus(now, event, &mut commands),
            PartEvent::Heard(None) => self.bus = None,
            PartEvent::Input(input) => commands.extend(self.handle_input(input, room)),
            PartEvent::Standing => self.handle_standing(now, &mut commands),
        }
        self.step(now, &mut commands);
        commands
    }

    /// Whether those who come have to wait for what is not known yet.
    pub(super) fn is_settled(&mut self, now: Instant) -> bool {
        let Some(until) = self.settling else {
            return true;
        };
        let is_blind = self.standing.judgement == Judgement::Blind && self.standing.has_read;
        let is_complete = self.records.has_looked()
            && self.replicas.is_current()
            && *self.deciding.told() != Decides::Nobody
            && self.records.is_told();
        if is_complete || is_blind || until <= now {
            if !is_complete {
                debug!(room = %self.room, "the room's other parts are not known yet");
            }
            self.settling = None;
        }
        self.settling.is_none()
    }

    /// When [`PartEvent::Due`] comes.
    fn due(&self) -> Option<Instant> {
        let all = [
            self.settling,
            self.replicas.poll_timeout(),
            self.records.due(),
            self.deciding.poll_timeout(),
        ];
        match self.stage {
            Stage::Running(_) => all.into_iter().flatten().min(),
            Stage::Waiting(_) => self.settling,
        }
    }

    const fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running(_))
    }

    fn begin(&mut self, now: Instant, turn: Turn) {
        self.stage = Stage::Running(turn);
        let parts = self.cluster.parts();
        let epoch = self.cluster.me().epoch;
        self.log = Log::resume(Stamp {
            epoch,
            seq: parts.highest(),
        });
        // The beginning has a number of its own: nothing that was said of earlier parts speaks of this one.
        let beginning = self.log.number(()).stamp;
        parts.note_number(beginning.seq);
        parts.insert(&self.room, self.sender.clone());
        self.news.look(beginning.seq);
        let topic = self.news.topic();
        match self.cluster.bus().subscribe(topic) {
            Ok(bus) => self.bus = Some(bus),
            Err(err) => warn!(room = %self.room, %err, "what other parts tell is found late"),
        }
        self.records.note_change();
        self.records.look(now);
    }

    /// The next fact of this part.
    pub(super) fn publish(&mut self, change: PartChange) {
        self.note_fact(&change);
        if !self.is_running() {
            // Whoever asks for all of it once it has begun finds this in it.
            return;
        }
        let numbered = self.log.number(change);
        self.cluster.parts().note_number(numbered.stamp.seq);
        self.news.change(numbered);
        self.records.note_change();
    }

    /// The part is over. What others have to know of that they hear before the next part of the room begins here.
    pub(super) fn end(self) {
        let Self {
            cluster,
            room,
            stage,
            log,
            deciding,
            mut records,
            mut news,
            questions,
            ..
        } = self;
        questions.lose();
        let Stage::Running(turn) = stage else { return };
        cluster.parts().remove(&room);
        news.end(log.stamp().seq);
        tokio::spawn(async move {
            let ending = async {
                news.flush().await;
                // A claim that was on its way may have made this node the home of a room that it does not have.
                let claimed = records.finish().await;
                let NodeKey { node, epoch } = cluster.me();
                let claimed = claimed.filter(|it| it.node == *node && it.node_epoch == *epoch);
                let home = claimed
                    .map(|it| it.epoch)
                    .or_else(|| deciding.home().here());
                records::remove(&**cluster.registry(), cluster.me(), &room, home).await;
            };
            tokio::select! {
                () = ending => {}
                () = cluster.left() => {}
            }
            drop(turn);
        });
    }

    fn note_fact(&mut self, change: &PartChange) {
        match change {
            PartChange::PeerJoined { peer } => {
                self.peers.insert(peer.peer.clone(), 0);
                self.records.note_peer(peer.peer.clone());
            }
            PartChange::PeerLeft { peer } => {
                self.peers.remove(peer);
                self.records.note_peer(peer.clone());
            }
            PartChange::ProducerAdded { peer, .. } => {
                if let Some(count) = self.peers.get_mut(peer) {
                    *count += 1;
                }
            }
            PartChange::ProducerClosed { peer, .. } => {
                if let Some(count) = self.peers.get_mut(peer) {
                    *count = count.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// Asks another part; the answer comes as [`PartEvent::Answered`].
    pub(super) fn ask(&self, op: OpId, node: NodeKey, request: NodeRequest) {
        let sending = self.cluster.ask(&self.room, node, request);
        self.asks.push(Box::pin(async move {
            let answer = timeout(ASK_PATIENCE, sending).await;
            let lost = Err(NodeFailure::Lost);
            (op, answer.ok().and_then(Result::ok).unwrap_or(lost))
        }));
    }

    /// Tells another part.
    pub(super) fn tell(&self, node: NodeKey, request: NodeRequest) {
        self.cluster.tell(&self.room, node, request);
    }

    /// Another part is not known as it is; what the room is to be told.
    pub(super) fn look_at(&mut self, node: &NodeKey) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.is_running() && self.standing.is_alive(node) {
            self.replicas.handle_stranger(&node.node, node.epoch);
            self.carry_out(&mut commands);
        }
        commands
    }

    /// Answers another part.
    pub(super) fn answer(&mut self, ask: NodeAskId, result: Result<NodeReply, NodeFailure>) {
        self.questions.answer(ask, result);
    }

    /// Something that other parts need not hear.
    pub(super) fn hint(&mut self, hint: plenum_room::PartHint) {
        if self.is_running() && !self.copies.is_empty() {
            self.news.hint(hint);
        }
    }

    fn handle_input(&mut self, input: PartInput, room: &Room) -> Option<Command> {
        match input {
            PartInput::Asked {
                from,
                request,
                answering,
            } => {
                let ask = match answering {
                    Some(answering) => Some(self.questions.take(answering)?),
                    None => None,
                };
                let node = from;
                return Some(Command::NodeAsks { ask, node, request });
            }
            PartInput::Broken(node) => {
                self.again.insert(node.clone());
                self.replicas.handle_absent(&node);
            }
            PartInput::Tell(tell) => {
                // Who has hung up asks again.
                let _ = tell.send(Told {
                    stamp: self.log.stamp(),
                    part: Some(Box::new(room.part_snapshot())),
                });
            }
        }
        None
    }

    fn handle_fetched(&mut self, now: Instant, node: &NodeId, told: Option<Told>) {
        match told {
            Some(Told {
                stamp,
                part: Some(part),
            }) => self.replicas.handle_snapshot(now, node, stamp, *part),
            Some(Told { stamp, part: None }) => self.replicas.handle_no_part(now, node, stamp),
            None => self.replicas.handle_no_snapshot(now, node),
        }
        if self.again.remove(node) {
            // What it told may be from before something was lost.
            self.replicas.handle_absent(node);
        }
    }

    /// What the protocol wants done now.
    fn step(&mut self, now: Instant, commands: &mut Vec<Command>) {
        if !self.is_running() {
            return;
        }
        self.step_home(now);
        self.replicas.handle_timeout(now);
        self.carry_out(commands);
        let counts = (self.peers.len(), self.peers.values().sum());
        self.records.step(now, self.log.stamp(), counts);
        let peers = &self.peers;
        self.records
            .step_peers(now, |peer| peers.contains_key(peer));
        commands.extend(self.home_command());
    }

    fn carry_out(&mut self, commands: &mut Vec<Command>) {
        while let Some(action) = self.replicas.poll_action() {
            match action {
                ReplicasAction::Apply { node, change } => {
                    if let PartChange::Room { state } = &change {
                        self.deciding.home_mut().handle_epoch(state.epoch);
                    }
                    let change = RemoteChange::Apply(Box::new(change));
                    commands.extend(self.remote(node, change));
                }
                ReplicasAction::Drop { node } => {
                    commands.extend(self.remote(node.clone(), RemoteChange::Dropped));
                    self.copies.remove(&node);
                }
                ReplicasAction::Fetch { node } => self.fetch(node),
                ReplicasAction::Replace { node, snapshot } => {
                    if let Some(state) = &snapshot.room {
                        self.deciding.home_mut().handle_epoch(state.epoch);
                    }
                    let mut known = self.replicas.nodes();
                    let have = known.find_map(|(name, have)| have.filter(|_| *name == node));
                    if let Some(have) = have {
                        drop(known);
                        self.copies.insert(node.clone(), have.epoch);
                        let change = RemoteChange::Replace(Box::new(snapshot));
                        commands.extend(self.remote(node, change));
                    }
                }
            }
        }
    }

    /// What the room is told of another part that it knows.
    fn remote(&self, node: NodeId, change: RemoteChange) -> Option<Command> {
        let epoch = *self.copies.get(&node)?;
        let node = NodeKey { node, epoch };
        Some(Command::Remote { node, change })
    }

    fn fetch(&mut self, node: NodeId) {
        // What is asked from here on is asked after whatever broke.
        self.again.remove(&node);
        let cluster = Arc::clone(&self.cluster);
        let room = self.room.clone();
        self.fetches.push(Box::pin(async move {
            let told = cluster.fetch_part(&room, &node).await;
            (node, told)
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_that_wait_for_the_rooms_task_are_bounded_and_the_others_wait() {
        let (sender, mut inputs) = channel();
        let broken = || PartInput::Broken("b".into());
        let taken = (0..2 * INPUTS).take_while(|_| sender.try_send(broken()).is_ok());
        assert_eq!(taken.count(), INPUTS);
        assert!(inputs.try_recv().is_ok());
        assert!(sender.try_send(broken()).is_ok(), "there is room again");
    }
}
