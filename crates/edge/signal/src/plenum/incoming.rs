//! What clients ask for.

use plenum_api::{
    error::ErrorKind,
    plenum::{
        ConnectTransport, Consume, ConsumerReference, ConsumerReferences, CreateTransport,
        Direction, GetStats, Join, Layers, Mute, NewConsumersAnswer, PeerReference, Produce,
        ProduceData, ProducerReference, RaiseHand, SetConsumerLayers, SetConsumerPriority,
        SetDisplayName, SetGrants, SetRole, SetRoom, Subscribe, Subscription, TransportReference,
    },
};
use plenum_ids::{ConsumerId, PeerId, TransportId};
use plenum_params::{
    event,
    media::MediaKind,
    transport::{DtlsParameters, DtlsRole},
};
use plenum_room::{Audience, PeerRequest, RoomError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::protoo::{is_shared, members, message::Incoming, parse};

/// What one request of a client comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    /// Things for the room to do in this order, and one answer for all of them.
    Room {
        parts: Vec<PeerRequest>,
        answer: Answer,
    },
    /// Transports to connect, and then a join, without waiting for them.
    Join {
        connects: Vec<(TransportId, PeerRequest)>,
        join: PeerRequest,
    },
    /// The client goes.
    Leave,
    /// It has what it needs after its room has moved.
    Migrated,
    /// A sign of life, of both sides.
    Ping,
}

/// How replies of the room become an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// There is one reply, which says it all.
    Reply,
    /// It is done when everything is done.
    All,
    /// As `All`, but what has gone meanwhile needs nothing.
    Rest,
    /// Each reply counts by itself; these were the identifiers asked for.
    Consume(Vec<String>),
}

/// Things that one request may ask for: everybody's two streams in a large room. The room has a limit of its own for
/// what is under way at a time.
const MAX_PARTS: usize = 512;

/// What a client asks for, from the method and the JSON text of `data`.
pub(super) fn decode_request(method: &str, data: &str) -> Result<Asked, RoomError> {
    let call = Call { method, data };
    let one = match method {
        "admit" => PeerRequest::Admit { peer: call.peer()? },
        "closeConsumers" => {
            return call.each_consumer(|consumer| PeerRequest::CloseConsumer { consumer });
        }
        "closeProducer" => {
            let ProducerReference { producer_id } = call.decode()?;
            let producer = parse("producer", &producer_id)?;
            PeerRequest::CloseProducer { producer }
        }
        "closeProducerOf" => {
            let ProducerReference { producer_id } = call.decode()?;
            let producer = parse("producer", &producer_id)?;
            PeerRequest::CloseProducerOf { producer }
        }
        "closeRoom" => PeerRequest::CloseRoom,
        "connectTransport" => connect(&call.decode()?)?.1,
        "consume" => return call.consume(),
        "createTransport" => {
            let CreateTransport { direction } = call.decode()?;
            create_transport(direction)
        }
        "getStats" => call.stats()?,
        "join" => return call.join(),
        "kick" => PeerRequest::Kick { peer: call.peer()? },
        "leave" => return Ok(Asked::Leave),
        "lowerHand" => PeerRequest::LowerHand { peer: call.peer()? },
        "migrated" => return Ok(Asked::Migrated),
        "mute" => {
            let Mute { peer_id, kind } = call.decode()?;
            let peer = peer_id.map(PeerId::from);
            PeerRequest::Mute { peer, kind }
        }
        "pauseConsumers" => {
            return call.each_consumer(|consumer| PeerRequest::PauseConsumer { consumer });
        }
        "pauseProducer" => {
            let ProducerReference { producer_id } = call.decode()?;
            let producer = parse("producer", &producer_id)?;
            PeerRequest::PauseProducer { producer }
        }
        "ping" => return Ok(Asked::Ping),
        "produce" => call.produce()?,
        "produceData" => call.produce_data()?,
        "raiseHand" => {
            let RaiseHand { raised } = call.decode()?;
            PeerRequest::RaiseHand(raised)
        }
        "refuse" => PeerRequest::Refuse { peer: call.peer()? },
        "requestKeyFrame" => {
            let ConsumerReference { consumer_id } = call.decode()?;
            let consumer = parse("consumer", &consumer_id)?;
            PeerRequest::RequestConsumerKeyFrame { consumer }
        }
        "restartIce" => {
            let TransportReference { transport_id } = call.decode()?;
            let transport = parse("transport", &transport_id)?;
            PeerRequest::RestartIce { transport }
        }
        "resumeConsumers" => {
            return call.each_consumer(|consumer| PeerRequest::ResumeConsumer { consumer });
        }
        "resumeProducer" => {
            let ProducerReference { producer_id } = call.decode()?;
            let producer = parse("producer", &producer_id)?;
            PeerRequest::ResumeProducer { producer }
        }
        "setConsumerLayers" => {
            let data: SetConsumerLayers = call.decode()?;
            PeerRequest::SetConsumerPreferredLayers {
                consumer: parse("consumer", &data.consumer_id)?,
                layers: layers(data.spatial_layer, data.temporal_layer),
            }
        }
        "setConsumerPriority" => {
            let data: SetConsumerPriority = call.decode()?;
            PeerRequest::SetConsumerPriority {
                consumer: parse("consumer", &data.consumer_id)?,
                priority: data.priority,
            }
        }
        "setDisplayName" => {
            let SetDisplayName { display_name } = call.decode()?;
            PeerRequest::ChangeDisplayName { display_name }
        }
        "setGrants" => {
            let SetGrants { peer_id, grants } = call.decode()?;
            let peer = peer_id.into();
            PeerRequest::SetGrants { peer, grants }
        }
        "setRole" => {
            let SetRole { peer_id, role } = call.decode()?;
            let peer = peer_id.into();
            PeerRequest::SetRole { peer, role }
        }
        "setRoom" => return call.set_room(),
        "subscribe" => {
            let Subscribe { subscription } = call.decode()?;
            let subscription = subscribe(subscription);
            PeerRequest::Subscribe { subscription }
        }
        _ => return Err(call.bad("there is no such request")),
    };
    Ok(Asked::Room {
        parts: vec![one],
        answer: Answer::Reply,
    })
}

/// Which consumers of a `newConsumers` the client could not make.
pub(super) fn decode_refused(data: &str) -> Vec<ConsumerId> {
    let answer: NewConsumersAnswer = serde_json::from_str(data).unwrap_or_default();
    let refused = answer.refused.unwrap_or_default();
    let consumers = refused
        .iter()
        .take(MAX_PARTS)
        .filter_map(|id| id.parse().ok());
    consumers.collect()
}

/// For fuzzing: any message of a client.
pub(crate) fn fuzz_message(text: &str) {
    match Incoming::parse(text) {
        Some(Incoming::Request { method, data, .. }) => drop(decode_request(&method, data)),
        Some(Incoming::Response {
            result: Ok(data), ..
        }) => drop(decode_refused(data)),
        _ => {}
    }
}

/// One of the two transports that a client has.
pub(super) const fn create_transport(direction: Direction) -> PeerRequest {
    PeerRequest::CreateWebRtcTransport {
        producing: matches!(direction, Direction::Send),
        consuming: matches!(direction, Direction::Recv),
        force_tcp: false,
        data: true,
    }
}

/// One request on its way to its meaning.
struct Call<'a> {
    method: &'a str,
    data: &'a str,
}

impl Call<'_> {
    fn join(&self) -> Result<Asked, RoomError> {
        let data: Join = self.decode()?;
        if data.transports.len() > MAX_PARTS {
            return Err(self.bad("too many transports"));
        }
        let connects = data.transports.iter().map(connect);
        let connects = connects.collect::<Result<_, _>>()?;
        let join = PeerRequest::Join {
            display_name: data.display_name.unwrap_or_default(),
            // Applications look into it without asking whether it is there.
            device: Value::Object(members(data.device)),
            rtp_capabilities: data.rtp_capabilities,
            data: true,
            volumes: true,
            demand: true,
            migrate: true,
            subscription: subscribe(data.subscription.unwrap_or_default()),
            app_data: members(data.app_data),
            features: true,
        };
        Ok(Asked::Join { connects, join })
    }

    fn produce(&self) -> Result<PeerRequest, RoomError> {
        let data: Produce = self.decode()?;
        let app_data = members(data.app_data);
        Ok(PeerRequest::Produce {
            transport: parse("transport", &data.transport_id)?,
            kind: data.kind,
            rtp_parameters: data.rtp_parameters,
            paused: data.paused.unwrap_or_default(),
            // The sound of a shared screen says nothing about who speaks.
            voice: data.kind == MediaKind::Audio && !is_shared(&app_data),
            app_data,
            wish: data.producer_id.and_then(|id| id.parse().ok()),
        })
    }

    fn produce_data(&self) -> Result<PeerRequest, RoomError> {
        let data: ProduceData = self.decode()?;
        let label = data.label.unwrap_or_default();
        Ok(PeerRequest::ProduceData {
            transport: parse("transport", &data.transport_id)?,
            stream: data.sctp_stream_parameters.into(),
            audience: match label.as_str() {
                "bot" => Audience::Bot,
                _ => Audience::Everybody,
            },
            label,
            protocol: data.protocol.unwrap_or_default(),
            app_data: members(data.app_data),
        })
    }

    fn consume(&self) -> Result<Asked, RoomError> {
        let data: Consume = self.decode()?;
        let producers = data.producer_ids.unwrap_or_default();
        let data_producers = data.data_producer_ids.unwrap_or_default();
        if producers.len() + data_producers.len() > MAX_PARTS {
            return Err(self.bad("too many producers"));
        }
        let layers = data.layers.map(
            |Layers {
                 spatial_layer,
                 temporal_layer,
             }| layers(spatial_layer, temporal_layer),
        );
        let mut parts = Vec::new();
        for producer in &producers {
            parts.push(PeerRequest::Consume {
                transport: None,
                producer: parse("producer", producer)?,
                rtp_capabilities: None,
                paused: data.paused.unwrap_or_default(),
                layers,
                numbers: None,
            });
        }
        for data_producer in &data_producers {
            parts.push(PeerRequest::ConsumeData {
                data_producer: parse("dataProducer", data_producer)?,
                transport: None,
            });
        }
        let asked = producers.into_iter().chain(data_producers).collect();
        Ok(Asked::Room {
            parts,
            answer: Answer::Consume(asked),
        })
    }

    fn each_consumer(&self, request: fn(ConsumerId) -> PeerRequest) -> Result<Asked, RoomError> {
        let ConsumerReferences { consumer_ids } = self.decode()?;
        if consumer_ids.len() > MAX_PARTS {
            return Err(self.bad("too many consumers"));
        }
        // What is no identifier at all names nothing, as what has gone.
        let consumers = consumer_ids.iter().filter_map(|id| id.parse().ok());
        Ok(Asked::Room {
            parts: consumers.map(request).collect(),
            answer: Answer::Rest,
        })
    }

    fn stats(&self) -> Result<PeerRequest, RoomError> {
        let data: GetStats = self.decode()?;
        let GetStats {
            transport_id,
            producer_id,
            consumer_id,
            data_producer_id,
            data_consumer_id,
        } = &data;
        Ok(
            match (
                transport_id,
                producer_id,
                consumer_id,
                data_producer_id,
                data_consumer_id,
            ) {
                (Some(id), None, None, None, None) => PeerRequest::GetTransportStats {
                    transport: parse("transport", id)?,
                },
                (None, Some(id), None, None, None) => PeerRequest::GetProducerStats {
                    producer: parse("producer", id)?,
                },
                (None, None, Some(id), None, None) => PeerRequest::GetConsumerStats {
                    consumer: parse("consumer", id)?,
                },
                (None, None, None, Some(id), None) => PeerRequest::GetDataProducerStats {
                    data_producer: parse("dataProducer", id)?,
                },
                (None, None, None, None, Some(id)) => PeerRequest::GetDataConsumerStats {
                    data_consumer: parse("dataConsumer", id)?,
                },
                _ => return Err(self.bad("one object is to be named")),
            },
        )
    }

    fn set_room(&self) -> Result<Asked, RoomError> {
        let data: SetRoom = self.decode()?;
        let parts = [
            data.locked.map(PeerRequest::SetLocked),
            data.lobby.map(PeerRequest::SetLobby),
            data.max_peers.map(PeerRequest::SetMaxPeers),
            data.metadata.map(PeerRequest::SetMetadata),
        ];
        Ok(Asked::Room {
            parts: parts.into_iter().flatten().collect(),
            answer: Answer::All,
        })
    }

    fn peer(&self) -> Result<PeerId, RoomError> {
        let PeerReference { peer_id } = self.decode()?;
        Ok(peer_id.into())
    }

    fn decode<T: DeserializeOwned>(&self) -> Result<T, RoomError> {
        serde_json::from_str(self.data).map_err(|err| self.bad(&err.to_string()))
    }

    fn bad(&self, reason: &str) -> RoomError {
        let method: String = self.method.chars().take(MAX_SHOWN_METHOD).collect();
        RoomError::new(ErrorKind::BadRequest, format!("{method}: {reason}"))
    }
}

/// Longer than any that there is.
const MAX_SHOWN_METHOD: usize = 64;

fn connect(data: &ConnectTransport) -> Result<(TransportId, PeerRequest), RoomError> {
    let transport = parse("transport", &data.transport_id)?;
    let connect = PeerRequest::ConnectWebRtcTransport {
        transport,
        dtls: DtlsParameters {
            role: data.dtls_parameters.role.unwrap_or(DtlsRole::Auto),
            fingerprints: data.dtls_parameters.fingerprints.clone(),
        },
    };
    Ok((transport, connect))
}

/// In our own numbers. No stream has 256 layers, so nothing is lost.
fn layers(spatial: u32, temporal: Option<u32>) -> event::Layers {
    let saturate = |layer| u8::try_from(layer).unwrap_or(u8::MAX);
    event::Layers {
        spatial: saturate(spatial),
        temporal: temporal.map(saturate),
    }
}

const fn subscribe(subscription: Subscription) -> plenum_room::Subscription {
    match subscription {
        Subscription::All => plenum_room::Subscription::All,
        Subscription::Audio => plenum_room::Subscription::Audio,
        Subscription::None => plenum_room::Subscription::None,
        Subscription::Manual => plenum_room::Subscription::Manual,
        Subscription::Speakers(count) => plenum_room::Subscription::Speakers(count),
    }
}

#[cfg(test)]
mod tests;
