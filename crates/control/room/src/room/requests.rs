//! What clients ask for.

use plenum_api::{
    error::ErrorKind,
    grants::{Grants, Role},
};
use plenum_ids::{ConsumerId, ProducerId};
use plenum_ipc::message::Request;
use plenum_params::ortc;
use serde::Serialize;
use serde_json::Value;

use crate::{
    command::{PeerRequest, RequestId, SessionId},
    effect::{Effect, PeerReply, RoomError},
    event::PeerEvent,
    room::{Outcome, Room},
    state::{Consumer, Membership, Op, Peer, Presence, Producer, Timer, Work},
};

impl Room {
    pub(super) fn handle_request(
        &mut self,
        session: SessionId,
        request: RequestId,
        body: PeerRequest,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.sessions.get(&session) else {
            return;
        };
        let outcome = if peer.ops.len() < self.config.limits.pending_requests {
            self.carry_out((session, request), body, effects)
        } else {
            Err(RoomError::new(
                ErrorKind::TooMany,
                "too many requests at once",
            ))
        };
        if let Some(result) = outcome.transpose() {
            effects.push(Effect::Reply {
                session,
                request,
                result,
            });
        }
    }

    fn carry_out(
        &mut self,
        caller: (SessionId, RequestId),
        body: PeerRequest,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        match body {
            PeerRequest::ChangeDisplayName { display_name } => {
                self.change_display_name(caller, display_name, effects)
            }
            PeerRequest::CloseProducer { producer } => {
                self.close_producer(caller, producer, effects)
            }
            PeerRequest::ConnectWebRtcTransport { transport, dtls } => {
                self.connect_transport(caller, transport, dtls, effects)
            }
            PeerRequest::CreateWebRtcTransport {
                consuming,
                force_tcp,
                data,
                ..
            } => self.create_transport(caller, (consuming, data), force_tcp, effects),
            PeerRequest::GetConsumerStats { consumer } => {
                self.own_consumer(caller.0, consumer)?;
                let request = Request::ConsumerStats { consumer };
                self.forward(caller, Work::Forward, request, effects)
            }
            PeerRequest::GetDataConsumerStats { data_consumer } => {
                self.own_data_consumer(caller.0, data_consumer)?;
                let request = Request::DataConsumerStats { data_consumer };
                let work = Work::DataConsumerStats(data_consumer);
                self.forward(caller, work, request, effects)
            }
            PeerRequest::GetDataProducerStats { data_producer } => {
                self.own_data_producer(caller.0, data_producer)?;
                let request = Request::DataProducerStats { data_producer };
                let work = Work::DataProducerStats(data_producer);
                self.forward(caller, work, request, effects)
            }
            PeerRequest::GetProducerStats { producer } => {
                self.own_producer(caller.0, producer)?;
                let request = Request::ProducerStats { producer };
                self.forward(caller, Work::Forward, request, effects)
            }
            PeerRequest::GetRouterRtpCapabilities => Ok(Some(PeerReply::RouterRtpCapabilities(
                self.config.capabilities.clone(),
            ))),
            PeerRequest::GetTransportStats { transport } => {
                self.own_transport(caller.0, transport)?;
                let request = Request::TransportStats { transport };
                self.forward(caller, Work::TransportStats(transport), request, effects)
            }
            PeerRequest::Join {
                display_name,
                device,
                rtp_capabilities,
                data,
                volumes,
                demand,
                migrate,
                ..
            } => {
                let membership = Membership {
                    display_name,
                    device,
                    rtp_capabilities,
                    data,
                    volumes,
                    demand,
                    migrate,
                };
                self.join(caller, membership, effects)
            }
            PeerRequest::PauseConsumer { consumer } => {
                self.joined(caller.0)?;
                self.own_consumer(caller.0, consumer)?.paused_by_client = true;
                let request = Request::PauseConsumer { consumer };
                self.forward(caller, Work::Forward, request, effects)
            }
            PeerRequest::PauseProducer { producer } => {
                self.joined(caller.0)?;
                self.own_producer(caller.0, producer)?;
                let request = Request::PauseProducer { producer };
                self.forward(caller, Work::PauseProducer(producer), request, effects)
            }
            PeerRequest::Produce {
                transport,
                kind,
                rtp_parameters,
                app_data,
                paused,
                voice,
                wish,
            } => {
                let source = super::producers::Source {
                    transport,
                    kind,
                    rtp_parameters,
                    app_data,
                    paused,
                    voice,
                    wish,
                };
                self.produce(caller, source, effects)
            }
            PeerRequest::ProduceData {
                transport,
                stream,
                label,
                protocol,
                app_data,
                audience,
            } => {
                let source = super::data::DataSource {
                    transport,
                    stream,
                    label,
                    protocol,
                    app_data,
                    audience,
                };
                self.produce_data(caller, source, effects)
            }
            PeerRequest::RequestConsumerKeyFrame { consumer } => {
                self.joined(caller.0)?;
                self.own_consumer(caller.0, consumer)?;
                let request = Request::RequestKeyFrame { consumer };
                self.forward(caller, Work::Forward, request, effects)
            }
            PeerRequest::RestartIce { transport } => {
                self.own_transport(caller.0, transport)?;
                let request = Request::RestartIce { transport };
                self.forward(caller, Work::Forward, request, effects)
            }
            PeerRequest::ResumeConsumer { consumer } => {
                self.joined(caller.0)?;
                self.own_consumer(caller.0, consumer)?.paused_by_client = false;
                let request = Request::ResumeConsumer { consumer };
                self.forward(caller, Work::ResumeConsumer(consumer), request, effects)
            }
            PeerRequest::ResumeProducer { producer } => {
                self.joined(caller.0)?;
                self.own_producer(caller.0, producer)?;
                let request = Request::ResumeProducer { producer };
                self.forward(caller, Work::ResumeProducer(producer), request, effects)
            }
            PeerRequest::SetConsumerPreferredLayers { consumer, layers } => {
                self.joined(caller.0)?;
                self.own_consumer(caller.0, consumer)?;
                let request = Request::SetPreferredLayers { consumer, layers };
                self.forward(caller, Work::Forward, request, effects)
            }
            PeerRequest::SetConsumerPriority { consumer, priority } => {
                self.joined(caller.0)?;
                self.own_consumer(caller.0, consumer)?;
                if priority == 0 {
                    let reason = "priority must be from 1 to 255";
                    return Err(RoomError::new(ErrorKind::BadRequest, reason));
                }
                let request = Request::SetPriority { consumer, priority };
                self.forward(caller, Work::Forward, request, effects)
            }
            _ => Err(RoomError::new(ErrorKind::Unavailable, "not yet")),
        }
    }

    /// Asks the worker on behalf of a client, who is answered when the worker has answered.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "so that a request's function can end with it"
    )]
    pub(super) fn forward(
        &mut self,
        (session, request): (SessionId, RequestId),
        work: Work,
        body: Request,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        let Some(peer) = self.sessions.get(&session) else {
            return Ok(None);
        };
        let place = peer.place;
        let op = Op::Request {
            session,
            request,
            work,
        };
        let op = self.ask_worker(place, op, body, effects);
        if let Some(peer) = self.sessions.get_mut(&session) {
            peer.ops.insert(op);
        }
        Ok(None)
    }

    /// The reply comes before everything that follows from joining.
    fn join(
        &mut self,
        (session, request): (SessionId, RequestId),
        mut membership: Membership,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.check_display_name(&membership.display_name)?;
        check_size("device", &membership.device, self.config.limits.device)?;
        if let Some(capabilities) = &mut membership.rtp_capabilities {
            ortc::retain_known(capabilities, &self.config.capabilities);
        }
        let others = self.announced.iter().filter(|other| **other != session);
        let others = others.filter_map(|other| self.sessions.get(other));
        let mut peers: Vec<_> = others.filter_map(Peer::info).collect();
        let Some(peer) = self.sessions.get_mut(&session) else {
            return Ok(None);
        };
        if peer.membership.is_some() {
            return Err(RoomError::new(ErrorKind::Conflict, "peer already joined"));
        }
        let (id, name) = (peer.id.clone(), membership.display_name.clone());
        peer.membership = Some(membership);
        if let Some(due) = peer.join_deadline.take() {
            self.timers.remove(&(due, Timer::Join(session)));
        }
        let before = self.take_back(&id);
        peers.extend(self.away.infos().cloned());
        self.joined.insert(session);
        effects.push(Effect::Reply {
            session,
            request,
            result: Ok(PeerReply::Joined {
                peers,
                role: Role::Speaker,
                grants: Grants::default(),
            }),
        });
        if let Some(before) = before {
            // The others know it, if not by this name.
            self.announced.insert(session);
            if before.display_name != name {
                self.tell_name(session, before.display_name, effects);
            }
        } else if self.joined.len() + self.away.len() <= self.config.announce_up_to {
            self.announce_peer(session, effects);
        }
        self.consume_all(session, effects);
        self.consume_all_data(session, effects);
        self.tell_dominant_to(session, effects);
        Ok(None)
    }

    /// Who produces is known to everybody, before anybody is offered what it produces.
    pub(super) fn announce_producing(&mut self, producer: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&producer);
        if let Some(session) = producer.map(|producer| producer.session) {
            self.announce_peer(session, effects);
            self.publish_all_data(session, effects);
        }
    }

    /// Tells the others that a peer is there, once.
    fn announce_peer(&mut self, session: SessionId, effects: &mut Vec<Effect>) {
        let info = self.sessions.get(&session).and_then(Peer::info);
        if let Some(info) = info
            && self.announced.insert(session)
        {
            self.tell_joined(Some(session), &PeerEvent::NewPeer(info), effects);
        }
    }

    fn change_display_name(
        &mut self,
        (session, request): (SessionId, RequestId),
        display_name: String,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        self.check_display_name(&display_name)?;
        let peer = self.sessions.get_mut(&session);
        let Some(membership) = peer.and_then(|peer| peer.membership.as_mut()) else {
            return Err(not_joined());
        };
        let old = std::mem::replace(&mut membership.display_name, display_name);
        effects.push(Effect::Reply {
            session,
            request,
            result: Ok(PeerReply::Done),
        });
        self.tell_name(session, old, effects);
        Ok(None)
    }

    /// Tells those who know a peer how it is called now.
    fn tell_name(&self, session: SessionId, old: String, effects: &mut Vec<Effect>) {
        let info = self.sessions.get(&session).and_then(Peer::info);
        if let Some(info) = info.filter(|_| self.announced.contains(&session)) {
            let event = PeerEvent::PeerDisplayNameChanged {
                peer: info.peer,
                display_name: info.display_name,
                old_display_name: old,
            };
            self.tell_joined(Some(session), &event, effects);
        }
    }

    fn check_display_name(&self, name: &str) -> Result<(), RoomError> {
        let limit = self.config.limits.display_name;
        if name.chars().nth(limit).is_some() {
            let reason = format!("display name is longer than {limit} characters");
            return Err(RoomError::new(ErrorKind::BadRequest, reason));
        }
        Ok(())
    }

    pub(super) fn joined(&self, session: SessionId) -> Result<(), RoomError> {
        let peer = self.sessions.get(&session);
        match peer.and_then(|peer| peer.membership.as_ref()) {
            Some(_) => Ok(()),
            None => Err(not_joined()),
        }
    }

    pub(super) fn own_producer(
        &mut self,
        session: SessionId,
        id: ProducerId,
    ) -> Result<&mut Producer, RoomError> {
        let producer = self.producers.get_mut(&id);
        producer
            .filter(|producer| {
                producer.session == session && producer.presence == Presence::Confirmed
            })
            .ok_or_else(|| RoomError::not_found("producer", &id.to_string()))
    }

    pub(super) fn own_consumer(
        &mut self,
        session: SessionId,
        id: ConsumerId,
    ) -> Result<&mut Consumer, RoomError> {
        let consumer = self.consumers.get_mut(&id);
        consumer
            .filter(|consumer| consumer.session == session && consumer.is_announced())
            .ok_or_else(|| RoomError::not_found("consumer", &id.to_string()))
    }
}

pub(super) fn not_joined() -> RoomError {
    RoomError::new(ErrorKind::Conflict, "peer has not joined")
}

/// Refuses what would be too large as JSON. It is passed on to every other client.
pub(super) fn check_size(
    what: &str,
    value: &(impl Serialize + ?Sized),
    limit: usize,
) -> Result<(), RoomError> {
    let size = serde_json::to_string(value).map_or(usize::MAX, |text| text.len());
    if size > limit {
        let reason = format!("{what} is larger than {limit} bytes");
        return Err(RoomError::new(ErrorKind::BadRequest, reason));
    }
    Ok(())
}

/// The JSON member that tells consumers whose producer it is.
pub(super) fn with_peer_id(
    mut app_data: serde_json::Map<String, Value>,
    peer: &plenum_ids::PeerId,
) -> serde_json::Map<String, Value> {
    app_data.insert("peerId".to_owned(), peer.as_str().into());
    app_data
}
