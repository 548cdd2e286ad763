//! What is decided about the room, by hosts in it or from outside.

use std::{sync::Arc, time::Instant};

use plenum_api::error::ErrorKind;
use serde_json::Value;

use crate::{
    admin::AdminCommand,
    close_reason::CloseReason,
    command::{PeerRequest, RequestId, SessionId},
    effect::{Effect, PeerReply, RoomError},
    event::PeerEvent,
    happening::RoomEvent,
    room::{Outcome, Room, remote::Responsible, requests::check_size},
};

impl Room {
    /// Carries out what somebody decided who is not in the room. What another node has to do, because it has the peer or is the
    /// room's home, is passed on to it; `Ok` says no more than that then.
    pub fn administer(
        &mut self,
        now: Instant,
        command: AdminCommand,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        if let Some(reason) = self.ended {
            return Err(RoomError::new(ErrorKind::NotFound, reason.as_str()));
        }
        self.note_time(now);
        let result = self.administer_anywhere(command, effects);
        if self.ended.is_none() {
            self.tidy(now, effects);
        }
        result
    }

    /// What another node has to do is told to it; what becomes of it shows.
    fn administer_anywhere(
        &mut self,
        command: AdminCommand,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        match self.responsible(&command)? {
            Responsible::This => self.decide(command, effects),
            Responsible::All => {
                self.tell_decision((None, None), &command, effects);
                self.decide(command, effects)
            }
            Responsible::Other(node) => {
                self.tell_decision((None, Some(node)), &command, effects);
                Ok(())
            }
        }
    }

    /// A client asks for something that hosts decide.
    pub(super) fn handle_decision(
        &mut self,
        (session, request): (SessionId, RequestId),
        command: AdminCommand,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.check_decides(session)?;
        match self.responsible(&command)? {
            Responsible::Other(node) => {
                self.forward_decision((session, request), node, command, effects);
                return Ok(None);
            }
            Responsible::All => {
                let by = self.name_of(session).cloned();
                self.tell_decision((by, None), &command, effects);
            }
            Responsible::This => {}
        }
        if let AdminCommand::SetGrants { peer, grants } = &command {
            self.check_gives(session, peer, *grants)?;
        }
        // It is answered before it may be sent away itself.
        let ends = match &command {
            AdminCommand::Close => true,
            AdminCommand::Kick { peer } => self.names.get(peer) == Some(&session),
            _ => false,
        };
        if ends {
            effects.push(Effect::Reply {
                session,
                request,
                result: Ok(PeerReply::Done),
            });
        }
        self.decide(command, effects)?;
        Ok((!ends).then_some(PeerReply::Done))
    }

    pub(super) fn decide(
        &mut self,
        command: AdminCommand,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        match command {
            AdminCommand::Admit { peer } => self.admit(&peer, effects)?,
            AdminCommand::Close => {
                self.publish_end(effects);
                self.end(CloseReason::RoomClosed, effects);
            }
            AdminCommand::CloseConsumer { consumer } => self.take_consumer(consumer, effects)?,
            AdminCommand::CloseDataProducer { data_producer } => {
                self.take_data_producer(data_producer, effects)?;
            }
            AdminCommand::CloseProducer { producer } => self.take_producer(producer, effects)?,
            AdminCommand::CloseTransport { transport } => {
                self.take_transport(transport, effects)?;
            }
            AdminCommand::Kick { peer } => self.kick(&peer, effects)?,
            AdminCommand::LowerHand { peer } => {
                let session = self.session_of(&peer)?;
                self.raise_hand(session, false, effects);
            }
            AdminCommand::Mute { peer, kind } => self.mute(peer.as_ref(), kind, effects)?,
            AdminCommand::Refuse { peer } => self.refuse(&peer, effects)?,
            AdminCommand::SetGrants { peer, grants } => self.set_grants(&peer, grants, effects)?,
            AdminCommand::SetLobby(lobby) => {
                self.properties.lobby = lobby;
                self.tell_room_changed(effects);
                self.settle_door(effects);
            }
            AdminCommand::SetLocked(locked) => {
                self.properties.locked = locked;
                self.tell_room_changed(effects);
                self.settle_door(effects);
            }
            AdminCommand::SetMaxPeers(limit) => {
                self.properties.max_peers = limit;
                self.tell_room_changed(effects);
                self.settle_door(effects);
            }
            AdminCommand::SetMetadata(metadata) => self.set_metadata(metadata, effects)?,
            AdminCommand::SetRole { peer, role } => self.set_role(&peer, role, effects)?,
        }
        Ok(())
    }

    fn set_metadata(
        &mut self,
        metadata: Value,
        effects: &mut Vec<Effect>,
    ) -> Result<(), RoomError> {
        check_size("metadata", &metadata, self.config.limits.metadata)?;
        self.properties.metadata = Arc::new(metadata);
        self.tell_room_changed(effects);
        Ok(())
    }

    fn tell_room_changed(&mut self, effects: &mut Vec<Effect>) {
        self.publish_properties();
        self.tell_properties(effects);
    }

    pub(super) fn tell_properties(&self, effects: &mut Vec<Effect>) {
        let properties = &self.properties;
        effects.push(Effect::Happened(RoomEvent::RoomChanged(properties.clone())));
        for session in self.featured.iter().copied() {
            let event = PeerEvent::RoomChanged(properties.clone());
            effects.push(Effect::Notify { session, event });
        }
    }
}

/// What a request of a client asks to be decided, if it is one that hosts decide.
pub(super) fn decision(body: PeerRequest) -> Option<AdminCommand> {
    Some(match body {
        PeerRequest::Admit { peer } => AdminCommand::Admit { peer },
        PeerRequest::CloseProducerOf { producer } => AdminCommand::CloseProducer { producer },
        PeerRequest::CloseRoom => AdminCommand::Close,
        PeerRequest::Kick { peer } => AdminCommand::Kick { peer },
        PeerRequest::LowerHand { peer } => AdminCommand::LowerHand { peer },
        PeerRequest::Mute { peer, kind } => AdminCommand::Mute { peer, kind },
        PeerRequest::Refuse { peer } => AdminCommand::Refuse { peer },
        PeerRequest::SetGrants { peer, grants } => AdminCommand::SetGrants { peer, grants },
        PeerRequest::SetLobby(lobby) => AdminCommand::SetLobby(lobby),
        PeerRequest::SetLocked(locked) => AdminCommand::SetLocked(locked),
        PeerRequest::SetMaxPeers(limit) => AdminCommand::SetMaxPeers(limit),
        PeerRequest::SetMetadata(metadata) => AdminCommand::SetMetadata(metadata),
        PeerRequest::SetRole { peer, role } => AdminCommand::SetRole { peer, role },
        _ => return None,
    })
}
