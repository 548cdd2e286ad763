//! Requests of clients.

use std::str::FromStr;

use plenum_api::{classic, error::ErrorKind};
use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_params::{
    media::MediaKind,
    transport::{DtlsParameters, DtlsRole},
};
use plenum_room::{Audience, PeerRequest, RoomError, Subscription};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::protoo::app_data;

/// What a client asks for, from the method and the JSON text of `data`.
pub(crate) fn decode_request(method: &str, data: &str) -> Result<PeerRequest, RoomError> {
    let call = Call { method, data };
    Ok(match method {
        "changeDisplayName" => {
            let data: classic::ChangeDisplayName = call.decode()?;
            PeerRequest::ChangeDisplayName {
                display_name: data.display_name,
            }
        }
        "closeProducer" => PeerRequest::CloseProducer {
            producer: call.producer()?,
        },
        "connectWebRtcTransport" => call.connect_transport()?,
        "createWebRtcTransport" => {
            let data: classic::CreateWebRtcTransport = call.decode()?;
            PeerRequest::CreateWebRtcTransport {
                producing: data.producing,
                consuming: data.consuming,
                force_tcp: data.force_tcp,
                data: data.sctp_capabilities.is_some(),
            }
        }
        "getConsumerStats" => PeerRequest::GetConsumerStats {
            consumer: call.consumer()?,
        },
        "getDataConsumerStats" => {
            let data: classic::DataConsumerReference = call.decode()?;
            PeerRequest::GetDataConsumerStats {
                data_consumer: parse("dataConsumer", &data.data_consumer_id)?,
            }
        }
        "getDataProducerStats" => {
            let data: classic::DataProducerReference = call.decode()?;
            PeerRequest::GetDataProducerStats {
                data_producer: parse("dataProducer", &data.data_producer_id)?,
            }
        }
        "getProducerStats" => PeerRequest::GetProducerStats {
            producer: call.producer()?,
        },
        "getRouterRtpCapabilities" => PeerRequest::GetRouterRtpCapabilities,
        "getTransportStats" => PeerRequest::GetTransportStats {
            transport: call.transport()?,
        },
        "join" => call.join()?,
        "pauseConsumer" => PeerRequest::PauseConsumer {
            consumer: call.consumer()?,
        },
        "pauseProducer" => PeerRequest::PauseProducer {
            producer: call.producer()?,
        },
        "produce" => call.produce()?,
        "produceData" => call.produce_data()?,
        "requestConsumerKeyFrame" => PeerRequest::RequestConsumerKeyFrame {
            consumer: call.consumer()?,
        },
        "restartIce" => PeerRequest::RestartIce {
            transport: call.transport()?,
        },
        "resumeConsumer" => PeerRequest::ResumeConsumer {
            consumer: call.consumer()?,
        },
        "resumeProducer" => PeerRequest::ResumeProducer {
            producer: call.producer()?,
        },
        // Clients of 2019 spelt it with one r.
        "setConsumerPreferredLayers" | "setConsumerPreferedLayers" => {
            let data: classic::SetConsumerPreferredLayers = call.decode()?;
            PeerRequest::SetConsumerPreferredLayers {
                consumer: parse("consumer", &data.consumer_id)?,
                layers: data.layers(),
            }
        }
        "setConsumerPriority" => {
            let data: classic::SetConsumerPriority = call.decode()?;
            PeerRequest::SetConsumerPriority {
                consumer: parse("consumer", &data.consumer_id)?,
                priority: data.priority,
            }
        }
        "applyNetworkThrottle" | "resetNetworkThrottle" | "stopNetworkThrottle" => {
            // There is no secret, so that everybody has a wrong one.
            return Err(RoomError::new(
                ErrorKind::Forbidden,
                "this server does not throttle its network",
            ));
        }
        _ => {
            return Err(RoomError::new(
                ErrorKind::BadRequest,
                format!("unknown request.method \"{method}\""),
            ));
        }
    })
}

/// Whether this is the `join` of a client who joins again when it hears `migrate`.
pub(crate) fn understands_migrate(method: &str, data: &str) -> bool {
    method == "join" && serde_json::from_str::<classic::Join>(data).is_ok_and(|join| join.migrate())
}

/// One request on its way to its meaning.
struct Call<'a> {
    method: &'a str,
    data: &'a str,
}

impl Call<'_> {
    fn connect_transport(&self) -> Result<PeerRequest, RoomError> {
        let data: classic::ConnectWebRtcTransport = self.decode()?;
        Ok(PeerRequest::ConnectWebRtcTransport {
            transport: parse("transport", &data.transport_id)?,
            dtls: DtlsParameters {
                role: data.dtls_parameters.role.unwrap_or(DtlsRole::Auto),
                fingerprints: data.dtls_parameters.fingerprints,
            },
        })
    }

    fn join(&self) -> Result<PeerRequest, RoomError> {
        let data: classic::Join = self.decode()?;
        let (demand, migrate, volumes) = (data.demand(), data.migrate(), data.volumes());
        // Applications look into it without asking whether it is there.
        let device = match data.device {
            Some(device @ Value::Object(_)) => device,
            _ => Value::Object(Map::new()),
        };
        Ok(PeerRequest::Join {
            display_name: data.display_name.unwrap_or_default(),
            device,
            rtp_capabilities: data.rtp_capabilities,
            data: data.sctp_capabilities.is_some(),
            volumes,
            demand,
            migrate,
            subscription: Subscription::All,
            app_data: Map::new(),
            features: false,
        })
    }

    fn produce(&self) -> Result<PeerRequest, RoomError> {
        let data: classic::Produce = self.decode()?;
        let wish = data.wished_id().and_then(|id| id.parse().ok());
        let app_data = members(data.app_data);
        Ok(PeerRequest::Produce {
            transport: parse("transport", &data.transport_id)?,
            kind: data.kind,
            rtp_parameters: data.rtp_parameters,
            paused: false,
            // The sound of a shared screen says nothing about who speaks.
            voice: data.kind == MediaKind::Audio && !app_data::is_shared(&app_data),
            app_data,
            wish,
        })
    }

    fn produce_data(&self) -> Result<PeerRequest, RoomError> {
        let data: classic::ProduceData = self.decode()?;
        Ok(PeerRequest::ProduceData {
            transport: parse("transport", &data.transport_id)?,
            stream: data.sctp_stream_parameters.into(),
            audience: match data.label.as_str() {
                "bot" => Audience::Bot,
                _ => Audience::Everybody,
            },
            label: data.label,
            protocol: data.protocol,
            app_data: members(data.app_data),
        })
    }

    fn transport(&self) -> Result<TransportId, RoomError> {
        let data: classic::TransportReference = self.decode()?;
        parse("transport", &data.transport_id)
    }

    fn producer(&self) -> Result<ProducerId, RoomError> {
        let data: classic::ProducerReference = self.decode()?;
        parse("producer", &data.producer_id)
    }

    fn consumer(&self) -> Result<ConsumerId, RoomError> {
        let data: classic::ConsumerReference = self.decode()?;
        parse("consumer", &data.consumer_id)
    }

    fn decode<T: DeserializeOwned>(&self) -> Result<T, RoomError> {
        serde_json::from_str(self.data).map_err(|err| self.bad(&err.to_string()))
    }

    fn bad(&self, reason: &str) -> RoomError {
        RoomError::new(ErrorKind::BadRequest, format!("{}: {reason}", self.method))
    }
}

/// What stands in it; nothing if it is no object.
pub(crate) fn members(app_data: Option<Value>) -> Map<String, Value> {
    match app_data {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// The identifier of an object of this kind.
pub(crate) fn parse<T: FromStr>(object: &str, id: &str) -> Result<T, RoomError> {
    id.parse().map_err(|_| {
        let short: String = id.chars().take(MAX_SHOWN_ID).collect();
        RoomError::not_found(object, &short)
    })
}

/// Enough for a UUID and a little more.
const MAX_SHOWN_ID: usize = 64;

#[cfg(test)]
mod tests;
