//! What clients ask for.

use std::time::Instant;

use plenum_api::{error::ErrorKind, grants::Role};
use plenum_ids::{ConsumerId, ProducerId};
use plenum_ipc::message::Request;
use plenum_params::transport::PlainTransportOptions;
use serde::Serialize;
use serde_json::Value;

use crate::{
    command::{PeerRequest, RequestId, SessionId},
    effect::{Effect, PeerReply, RoomError},
    room::{Outcome, Room, administration::decision, consumers::Wish},
    state::{Consumer, Membership, Op, Presence, Producer, Work},
};

impl Room {
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        (session, request): (SessionId, RequestId),
        body: PeerRequest,
        effects: &mut Vec<Effect>,
    ) {
        let Some(peer) = self.sessions.get(&session) else {
            return;
        };
        let is_busy = peer.ops.len() >= self.config.limits.pending_requests;
        let outcome = if is_busy {
            Err(RoomError::new(
                ErrorKind::TooMany,
                "too many requests at once",
            ))
        } else {
            self.carry_out(now, (session, request), body, effects)
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
        now: Instant,
        caller: (SessionId, RequestId),
        body: PeerRequest,
        effects: &mut Vec<Effect>,
    ) -> Outcome {
        match body {
            PeerRequest::ChangeDisplayName { display_name } => {
                self.change_display_name(caller, display_name, effects)
            }
            PeerRequest::CloseConsumer { consumer } => {
                self.close_consumer(caller, consumer, effects)
            }
            PeerRequest::CloseProducer { producer } => {
                self.close_producer(caller, producer, effects)
            }
            PeerRequest::ConnectPlainTransport {
                transport,
                remote,
                srtp,
            } => self.connect_plain_transport(caller, transport, (remote, srtp), effects),
            PeerRequest::ConnectWebRtcTransport { transport, dtls } => {
                self.connect_transport(caller, transport, dtls, effects)
            }
            PeerRequest::Consume {
                transport,
                producer,
                rtp_capabilities,
                paused,
                layers,
                numbers,
            } => {
                let wish = Wish {
                    rtp_capabilities,
                    own: numbers,
                    paused,
                    choice: None,
                };
                self.choose(caller, (transport, producer), (wish, layers), effects)
            }
            PeerRequest::ConsumeData {
                data_producer,
                transport,
            } => self.choose_data(caller, (transport, data_producer), effects),
            PeerRequest::CreatePlainTransport {
                consuming,
                rtcp_mux,
                comedia,
                srtp,
                ..
            } => {
                let options = PlainTransportOptions {
                    rtcp_mux,
                    comedia,
                    srtp,
                    ..PlainTransportOptions::default()
                };
                self.create_plain_transport(caller, consuming, options, effects)
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
            PeerRequest::GetRoom => {
                let snapshot = self.snapshot(caller.0);
                Ok(Some(PeerReply::Room(Box::new(snapshot))))
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
                subscription,
                app_data,
                features,
            } => {
                let membership = Membership {
                    display_name,
                    device,
                    rtp_capabilities,
                    data,
                    volumes,
                    demand,
                    migrate,
                    subscription,
                    app_data,
                    features,
                    role: Role::Speaker,
                    hand_raised: false,
                };
                self.join(now, caller, membership, effects)
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
                let source = super::producers::Production {
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
            PeerRequest::RaiseHand(raised) => {
                self.joined(caller.0)?;
                self.raise_hand(caller.0, raised, effects);
                Ok(Some(PeerReply::Done))
            }
            PeerRequest::Subscribe { subscription } => {
                self.subscribe(caller, subscription, effects)
            }
            other => match decision(other) {
                Some(command) => self.handle_decision(caller, command, effects),
                None => Err(RoomError::new(ErrorKind::NotImplemented, "unknown request")),
            },
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
