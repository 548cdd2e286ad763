//! Who decides. What concerns the room as a whole is decided by the part that is its home, what concerns a peer by the part
//! that has it; the others ask them. Whoever is asked looks again whether the asker may.

use std::time::{Duration, Instant};

use plenum_api::{error::ErrorKind, grants::Role};
use plenum_ids::PeerId;

use crate::{
    admin::AdminCommand,
    command::{RequestId, SessionId},
    effect::{Effect, OpId, PeerReply, RoomError},
    event::PeerEvent,
    remote::{
        Home, NodeAskId, NodeFailure, NodeKey, NodeReply, NodeRequest, PartChange, RoomState,
        check_request, is_newer,
    },
    room::{Room, remote::Dirty, rights::decides},
    state::{Op, Timer},
};

/// Whoever was made host is heard of as such within a fraction of it. Otherwise somebody is chosen again: a node that is gone
/// is known to be after three seconds.
const HEIR_RETRY: Duration = Duration::from_secs(1);

/// Who carries something out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::room) enum Responsible {
    This,
    /// This part, and all others.
    All,
    Other(NodeKey),
}

impl Room {
    /// Where the room's home is from now on.
    pub(in crate::room) fn handle_home(&mut self, home: Home) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        let before = std::mem::replace(&mut remote.home, home);
        if let Home::Here(epoch) = remote.home
            && before != remote.home
        {
            // What the last home had decided holds, and there may be nobody who decides here. A home that was in doubt goes
            // on counting.
            let state = remote.state.as_ref().filter(|state| state.epoch == epoch);
            let version = state.map_or(0, |state| state.version + 1);
            remote.decide_state(&self.properties, (epoch, version));
            self.host_left = true;
        }
    }

    /// Something was decided about the room as a whole.
    pub(in crate::room) fn publish_properties(&mut self) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        if let Home::Here(epoch) = remote.home {
            let version = remote.state.as_ref().map_or(0, |state| state.version + 1);
            remote.decide_state(&self.properties, (epoch, version));
        }
    }

    /// The room was ended by somebody who may.
    pub(in crate::room) fn publish_end(&self, effects: &mut Vec<Effect>) {
        if self.remote.is_some() {
            effects.push(Effect::Publish(Box::new(PartChange::Closed)));
        }
    }

    pub(super) fn apply_room_state(&mut self, state: RoomState, effects: &mut Vec<Effect>) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        if !is_newer(&state, remote.state.as_ref()) {
            return;
        }
        let properties = state.properties();
        remote.state = Some(state);
        if self.properties != properties {
            self.properties = properties;
            self.tell_properties(effects);
            self.settle_door(effects);
        }
    }

    /// Whether a node is the room's home, as far as is known.
    pub(super) fn may_be_home(&self, node: &NodeKey) -> bool {
        match self.remote.as_ref().map(|remote| &remote.home) {
            Some(Home::There(home, _)) => home == node,
            Some(Home::Unreachable) => true,
            Some(Home::Here(_)) | None => false,
        }
    }

    /// Whether a host is made here, should one be needed.
    pub(in crate::room) fn may_appoint(&self) -> bool {
        self.remote.as_ref().is_none_or(|remote| {
            let is_home = matches!(remote.home, Home::Here(_));
            is_home && remote.hosts.is_empty() && remote.heir.is_none()
        })
    }

    /// Chooses the host whom the room needs among all who have been there; whether it is at another node.
    pub(in crate::room) fn appoint_far(
        &mut self,
        own: Option<SessionId>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(remote) = &mut self.remote else {
            return false;
        };
        let since = own.and_then(|own| remote.since.get(&own)).copied();
        let Some((std::cmp::Reverse(joined_at), heir)) = remote.heirs().max() else {
            return false;
        };
        if since.is_some_and(|since| since <= joined_at) {
            return false;
        }
        let Some(shown) = remote.shown.get(&heir) else {
            return false;
        };
        let request = NodeRequest::Appoint {
            peer: shown.peer.clone(),
            role: Role::Host,
        };
        let node = shown.node.clone();
        remote.heir = Some(heir);
        let op = OpId(self.next_op);
        self.next_op += 1;
        self.ops.insert(op, Op::Appoint);
        effects.push(Effect::AskNode { op, node, request });
        true
    }

    /// Who carries out what somebody here decides.
    pub(in crate::room) fn responsible(
        &self,
        command: &AdminCommand,
    ) -> Result<Responsible, RoomError> {
        let Some(remote) = &self.remote else {
            return Ok(Responsible::This);
        };
        Ok(match command {
            AdminCommand::Close
            | AdminCommand::SetLobby(_)
            | AdminCommand::SetLocked(_)
            | AdminCommand::SetMaxPeers(_)
            | AdminCommand::SetMetadata(_) => match &remote.home {
                Home::Here(_) => Responsible::This,
                Home::There(node, _) => Responsible::Other(node.clone()),
                Home::Unreachable => return Err(frozen()),
            },
            AdminCommand::SetGrants { .. } | AdminCommand::SetRole { .. }
                if remote.home == Home::Unreachable =>
            {
                return Err(frozen());
            }
            AdminCommand::Admit { peer } | AdminCommand::Refuse { peer } => {
                self.owner_of(peer, |node| remote.parts[node].knocks.contains_key(peer))
            }
            AdminCommand::Kick { peer }
            | AdminCommand::LowerHand { peer }
            | AdminCommand::Mute {
                peer: Some(peer), ..
            }
            | AdminCommand::SetGrants { peer, .. }
            | AdminCommand::SetRole { peer, .. } => self.owner_of(peer, |node| {
                let shown = remote.names.get(peer).and_then(|it| remote.shown.get(it));
                let is_kick = matches!(command, AdminCommand::Kick { .. });
                let waits = is_kick && remote.parts[node].knocks.contains_key(peer);
                waits || shown.is_some_and(|shown| shown.node == *node)
            }),
            AdminCommand::Mute { peer: None, .. } => Responsible::All,
            AdminCommand::CloseProducer { producer } => {
                let session = self.producers.get(producer).map(|it| it.session);
                self.owner_at(session)
            }
            AdminCommand::CloseDataProducer { data_producer } => {
                let producer = self.data_producers.get(data_producer);
                self.owner_at(producer.and_then(|it| it.session))
            }
            AdminCommand::CloseConsumer { .. } | AdminCommand::CloseTransport { .. } => {
                Responsible::This
            }
        })
    }

    /// Who has a peer: this part, if it has joined or waits here, or the node that `has` it.
    fn owner_of(&self, peer: &PeerId, has: impl Fn(&NodeKey) -> bool) -> Responsible {
        let own = self.names.get(peer);
        if own.is_some_and(|own| self.joined.contains(own) || self.knocks.contains(own)) {
            return Responsible::This;
        }
        let mut nodes = self.remote.iter().flat_map(|remote| remote.parts.keys());
        let node = nodes.find(|node| has(node));
        node.map_or(Responsible::This, |node| Responsible::Other(node.clone()))
    }

    fn owner_at(&self, session: Option<SessionId>) -> Responsible {
        let remote = self.remote.as_ref();
        let shown = remote.and_then(|remote| remote.shown.get(&session?));
        shown.map_or(Responsible::This, |it| Responsible::Other(it.node.clone()))
    }

    /// A client's decision is another part's to carry out.
    pub(in crate::room) fn forward_decision(
        &mut self,
        (session, request): (SessionId, RequestId),
        node: NodeKey,
        command: AdminCommand,
        effects: &mut Vec<Effect>,
    ) {
        let op = OpId(self.next_op);
        self.next_op += 1;
        let Some(peer) = self.sessions.get_mut(&session) else {
            return;
        };
        peer.ops.insert(op);
        let by = Some(peer.id.clone());
        self.ops.insert(op, Op::Decide { session, request });
        effects.push(Effect::AskNode {
            op,
            node,
            request: NodeRequest::Decide {
                by,
                command: Box::new(command),
            },
        });
    }

    /// Another part is told what was decided here.
    pub(in crate::room) fn tell_decision(
        &self,
        (by, node): (Option<PeerId>, Option<NodeKey>),
        command: &AdminCommand,
        effects: &mut Vec<Effect>,
    ) {
        let nodes = match node {
            Some(node) => vec![node],
            None => self
                .remote
                .iter()
                .flat_map(|it| it.parts.keys().cloned())
                .collect(),
        };
        for node in nodes {
            let command = Box::new(command.clone());
            let request = NodeRequest::Decide {
                by: by.clone(),
                command,
            };
            effects.push(Effect::TellNode { node, request });
        }
    }

    /// Another part has answered.
    pub(in crate::room) fn handle_node_answer(
        &mut self,
        now: Instant,
        op: OpId,
        result: Result<NodeReply, NodeFailure>,
        effects: &mut Vec<Effect>,
    ) {
        match self.ops.remove(&op) {
            Some(Op::AskInlet(source)) => self.handle_inlet_answer(now, source, result, effects),
            Some(Op::Appoint) => {
                let due = now.checked_add(HEIR_RETRY);
                self.timers.extend(due.map(|due| (due, Timer::Heir)));
            }
            Some(Op::Decide { session, request }) => {
                if let Some(peer) = self.sessions.get_mut(&session) {
                    peer.ops.remove(&op);
                }
                effects.push(Effect::Reply {
                    session,
                    request,
                    result: result
                        .map(|_| PeerReply::Done)
                        .map_err(NodeFailure::into_error),
                });
            }
            // It answers what only workers are asked, or nothing.
            Some(other) => drop(self.ops.insert(op, other)),
            None => {}
        }
    }

    /// Who was to be host has been heard of as such by now, or is not.
    pub(in crate::room) fn handle_heir_timer(&mut self) {
        if let Some(remote) = &mut self.remote {
            remote.heir = None;
        }
        self.host_left = true;
    }

    /// Another part asks for something, or tells it.
    pub(in crate::room) fn handle_node_request(
        &mut self,
        ask: Option<NodeAskId>,
        node: &NodeKey,
        request: NodeRequest,
        effects: &mut Vec<Effect>,
    ) {
        let own = self.remote.as_ref().map(|remote| &remote.config.node);
        let is_fit = own.is_some_and(|own| own != node) && check_request(&request).is_ok();
        let result = match request {
            NodeRequest::OpenPipe(open) if is_fit => {
                if let Some(ask) = ask {
                    self.open_feed(ask, node, open, effects);
                }
                return;
            }
            NodeRequest::Decide { by, command } if is_fit => {
                return self.decide_for((ask, node), by.as_ref(), *command, effects);
            }
            NodeRequest::ClosePipe { life, pipe } if is_fit => {
                self.close_feed(&(node.clone(), life, pipe), effects);
                Ok(NodeReply::Done)
            }
            NodeRequest::WantStreams { life, pipe, wanted } if is_fit => {
                self.want_streams((node.clone(), life, pipe), &wanted, effects);
                Ok(NodeReply::Done)
            }
            NodeRequest::PipeGone { life, pipe } if is_fit => {
                self.handle_pipe_gone(node, (life, pipe), effects);
                Ok(NodeReply::Done)
            }
            NodeRequest::Appoint { peer, role } if is_fit => {
                self.handle_appointment(node, &peer, role, effects)
            }
            _ => Err(RoomError::new(ErrorKind::NotImplemented, "unknown request")),
        };
        answer(ask, result, effects);
    }

    /// The home has made a peer of this part host, as the room had none.
    fn handle_appointment(
        &mut self,
        node: &NodeKey,
        peer: &PeerId,
        role: Role,
        effects: &mut Vec<Effect>,
    ) -> Result<NodeReply, RoomError> {
        let home = self.remote.as_ref().map(|remote| &remote.home);
        if !matches!(home, Some(Home::There(home, _)) if home == node) {
            return Err(forbidden());
        }
        let session = self.session_of(peer)?;
        if !self.was_made(peer) {
            self.change_role(session, role, effects);
        }
        // Should it be what it was, the home is told why.
        self.touch(Dirty::Peer(session));
        Ok(NodeReply::Done)
    }

    /// Another part wants something carried out here.
    fn decide_for(
        &mut self,
        (ask, node): (Option<NodeAskId>, &NodeKey),
        by: Option<&PeerId>,
        command: AdminCommand,
        effects: &mut Vec<Effect>,
    ) {
        if let Err(error) = self.check_asker(node, by, &command) {
            return answer(ask, Err(error), effects);
        }
        if matches!(command, AdminCommand::Close) {
            // Nothing is answered afterwards.
            answer(ask, Ok(NodeReply::Done), effects);
            let _ = self.decide(command, effects);
            return;
        }
        let result = self.decide(command, effects);
        answer(ask, result.map(|()| NodeReply::Done), effects);
    }

    fn check_asker(
        &self,
        node: &NodeKey,
        by: Option<&PeerId>,
        command: &AdminCommand,
    ) -> Result<(), RoomError> {
        if matches!(self.responsible(command)?, Responsible::Other(_)) {
            let reason = "it is decided at another node now, try again";
            return Err(RoomError::new(ErrorKind::Unavailable, reason));
        }
        let Some(by) = by else {
            return Ok(());
        };
        let remote = self.remote.as_ref();
        let part = remote.and_then(|remote| remote.parts.get(node));
        let asker = part.and_then(|part| part.peers.get(by));
        let outline = asker.map(|it| &it.outline).ok_or_else(forbidden)?;
        if !decides(outline.role, outline.grants) {
            return Err(forbidden());
        }
        match command {
            AdminCommand::SetGrants { peer, grants } => {
                self.check_gives_from(outline.grants, peer, *grants)
            }
            _ => Ok(()),
        }
    }

    /// Who waits at other nodes, for somebody who may decide.
    pub(in crate::room) fn tell_far_knocks_to(
        &self,
        session: SessionId,
        effects: &mut Vec<Effect>,
    ) {
        let parts = self.remote.iter().flat_map(|remote| remote.parts.values());
        for knock in parts.flat_map(|part| part.knocks.values()) {
            let event = PeerEvent::Knock {
                peer: knock.peer.clone(),
                display_name: knock.display_name.clone(),
            };
            effects.push(Effect::Notify { session, event });
        }
    }
}

impl super::Remote {
    fn decide_state(
        &mut self,
        properties: &crate::info::RoomProperties,
        (epoch, version): (plenum_ids::RoomEpoch, u64),
    ) {
        let state = RoomState {
            epoch,
            version,
            locked: properties.locked,
            lobby: properties.lobby,
            max_peers: properties.max_peers,
            metadata: properties.metadata.clone(),
        };
        self.state = Some(state.clone());
        self.facts.push(PartChange::Room { state });
    }
}

fn answer(ask: Option<NodeAskId>, result: Result<NodeReply, RoomError>, effects: &mut Vec<Effect>) {
    if let Some(ask) = ask {
        let result = result.map_err(|error| NodeFailure::refused(&error));
        effects.push(Effect::AnswerNode { ask, result });
    }
}

fn frozen() -> RoomError {
    let reason = "the node that decides about this room cannot be reached, try again";
    RoomError::new(ErrorKind::Unavailable, reason)
}

fn forbidden() -> RoomError {
    RoomError::new(ErrorKind::Forbidden, "only hosts may do that")
}
