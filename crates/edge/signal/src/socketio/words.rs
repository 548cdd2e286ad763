//! What clients say: the name of an event and its data.

use std::{borrow::Cow, convert::Infallible, fmt, str::FromStr, sync::Arc};

use axum::extract::Query;
use plenum_api::{error::ErrorKind, socketio};
use plenum_ids::{ProducerId, TransportId};
use plenum_params::{
    event::Layers,
    media::MediaKind,
    transport::{DtlsParameters, DtlsRole},
};
use plenum_room::{PeerRequest, RoomError};
use serde::{
    Deserializer as _,
    de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::{Map, value::RawValue};
use socketioxide::{
    adapter::LocalAdapter,
    handler::{FromMessageParts, Value},
    socket::Socket,
};

/// An event as it came, kept as text until it is its turn: a tree of values would be many times as large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// JSON: an array of the event's name and its arguments.
    text: String,
}

impl FromMessageParts<LocalAdapter> for Spoken {
    type Error = Infallible;

    fn from_message_parts(
        _socket: &Arc<Socket>,
        value: &mut Value,
        _ack: &Option<i64>,
    ) -> Result<Self, Infallible> {
        let text = match value {
            Value::Str(text, _) => text.to_string(),
            Value::Bytes(_) => String::new(),
        };
        Ok(Self { text })
    }
}

impl Spoken {
    /// Decodes it for nothing.
    pub(crate) fn check(&self) {
        let _ = self.decode();
    }

    /// What a client would say.
    pub(crate) fn new(text: &str) -> Self {
        let text = text.to_owned();
        Self { text }
    }

    /// What is asked for.
    pub(super) fn decode(&self) -> Result<Word, RoomError> {
        let (event, data) = self.parts().ok_or_else(|| bad("not an event"))?;
        Say {
            event: &event,
            data,
        }
        .decode()
    }

    /// The name and the JSON text of the first argument; `{}` without one, or where it is `null`.
    fn parts(&self) -> Option<(Cow<'_, str>, &str)> {
        let mut json = serde_json::Deserializer::from_str(&self.text);
        let (event, data) = json.deserialize_seq(Parts).ok()?;
        let event = event.get();
        let event = match event.strip_prefix('"')?.strip_suffix('"')? {
            plain if !plain.contains('\\') => Cow::Borrowed(plain),
            _ => Cow::Owned(serde_json::from_str(event).ok()?),
        };
        let data = data.map(RawValue::get).filter(|data| *data != "null");
        Some((event, data.unwrap_or("{}")))
    }
}

/// The first two elements of an array.
struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = (&'de RawValue, Option<&'de RawValue>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event and its arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let missing = || serde::de::Error::invalid_length(0, &self);
        let event = seq.next_element()?.ok_or_else(missing)?;
        let data = seq.next_element()?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok((event, data))
    }
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// → text
    CreateRoom { room: String },
    /// → [`socketio::RoomInfo`]
    Join { room: String, name: String },
    /// → text
    ExitRoom,
    /// → [`socketio::RoomInfo`]
    GetMyRoomInfo,
    /// → nothing; `newProducers` follows
    GetProducers,
    /// → `{}`: consumers are never paused here
    Resume,
    /// Something for the room, with an answer in the room's words.
    Request(Box<PeerRequest>),
}

/// One call on its way to its meaning.
struct Say<'a> {
    event: &'a str,
    data: &'a str,
}

impl Say<'_> {
    fn decode(&self) -> Result<Word, RoomError> {
        Ok(match self.event {
            "createRoom" => {
                let data: socketio::CreateRoom = self.data()?;
                Word::CreateRoom { room: data.room_id }
            }
            "join" => {
                let socketio::Join { room_id, name } = self.data()?;
                Word::Join {
                    room: room_id,
                    name,
                }
            }
            "exitRoom" => Word::ExitRoom,
            "getMyRoomInfo" => Word::GetMyRoomInfo,
            "getProducers" => Word::GetProducers,
            "resume" => Word::Resume,
            "getRouterRtpCapabilities" => Word::request(PeerRequest::GetRouterRtpCapabilities),
            "createWebRtcTransport" => Word::request(self.create_transport()?),
            "connectTransport" => Word::request(self.connect_transport()?),
            "produce" => Word::request(self.produce()?),
            "consume" => Word::request(self.consume()?),
            "producerClosed" => {
                let data: socketio::ProducerReference = self.data()?;
                Word::request(PeerRequest::CloseProducer {
                    producer: producer(&data.producer_id)?,
                })
            }
            other => {
                let shown: String = other.chars().take(MAX_SHOWN).collect();
                return Err(bad(&format!("unknown event \"{shown}\"")));
            }
        })
    }

    fn create_transport(&self) -> Result<PeerRequest, RoomError> {
        let data: socketio::CreateWebRtcTransport = self.data()?;
        // Nobody says what a transport is for; only who will send says what it can.
        let producing = data.rtp_capabilities.is_some();
        Ok(PeerRequest::CreateWebRtcTransport {
            producing,
            consuming: !producing,
            force_tcp: data.force_tcp,
            data: false,
        })
    }

    fn connect_transport(&self) -> Result<PeerRequest, RoomError> {
        let data: socketio::ConnectTransport = self.data()?;
        Ok(PeerRequest::ConnectWebRtcTransport {
            transport: transport(&data.transport_id)?,
            dtls: DtlsParameters {
                role: data.dtls_parameters.role.unwrap_or(DtlsRole::Auto),
                fingerprints: data.dtls_parameters.fingerprints,
            },
        })
    }

    fn produce(&self) -> Result<PeerRequest, RoomError> {
        let data: socketio::Produce = self.data()?;
        Ok(PeerRequest::Produce {
            transport: transport(&data.producer_transport_id)?,
            kind: data.kind,
            rtp_parameters: data.rtp_parameters,
            app_data: Map::new(),
            paused: false,
            voice: data.kind == MediaKind::Audio,
            wish: None,
        })
    }

    fn consume(&self) -> Result<PeerRequest, RoomError> {
        let data: socketio::Consume = self.data()?;
        Ok(PeerRequest::Consume {
            transport: Some(transport(&data.consumer_transport_id)?),
            producer: producer(&data.producer_id)?,
            rtp_capabilities: Some(data.rtp_capabilities),
            paused: false,
            layers: Some(LAYERS),
            numbers: None,
        })
    }

    fn data<T: DeserializeOwned>(&self) -> Result<T, RoomError> {
        serde_json::from_str(self.data).map_err(|err| bad(&format!("{}: {err}", self.event)))
    }
}

impl Word {
    fn request(request: PeerRequest) -> Self {
        Self::Request(Box::new(request))
    }
}

/// What the reference server prefers; what there is not counts as the highest there is.
const LAYERS: Layers = Layers {
    spatial: 2,
    temporal: Some(2),
};

/// Enough for a UUID and a little more.
const MAX_SHOWN: usize = 64;

/// `namespace` of the query.
pub(super) fn namespace(query: Option<&str>) -> Option<String> {
    let uri = format!("/?{}", query?).parse().ok()?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).ok()?;
    let found = pairs.into_iter().find(|(name, _)| name == "namespace");
    found.map(|(_, value)| value)
}

fn transport(id: &str) -> Result<TransportId, RoomError> {
    parse("transport", id)
}

fn producer(id: &str) -> Result<ProducerId, RoomError> {
    parse("producer", id)
}

fn parse<T: FromStr>(object: &str, id: &str) -> Result<T, RoomError> {
    id.parse().map_err(|_| {
        let shown: String = id.chars().take(MAX_SHOWN).collect();
        RoomError::not_found(object, &shown)
    })
}

fn bad(reason: &str) -> RoomError {
    RoomError::new(ErrorKind::BadRequest, reason)
}

#[cfg(test)]
mod tests;
