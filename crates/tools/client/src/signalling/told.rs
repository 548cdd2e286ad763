//! What the server says, and what media threads tell.

use std::time::Instant;

use plenum_ids::ConsumerId;
use plenum_params::media::MediaKind;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{
    frames::Incoming,
    session::{Consuming, Publishing, Session},
};
use crate::{
    Codec, Consumer, Dialect, Ended, Event, Layers, Refusal, Stage,
    media::{LineEvent, LineNews, StreamSetup},
    peer::{Direction, ReceiveStream},
    stats::TransportState,
};

impl Session {
    pub(super) async fn handle(&mut self, message: Incoming) {
        match message {
            Incoming::Request { id, method, data } => {
                let result = self.handle_question(&method, data);
                self.give(id, result).await;
            }
            Incoming::Notification { method, data } => self.handle_notice(method, data).await,
            Incoming::Disconnected(reason) => {
                self.wire = None;
                self.ended = Some(Ended::SentAway { code: 0, reason });
            }
            // Connections answer signs of life, and answers have been put aside.
            Incoming::Ping(_) | Incoming::Answer { .. } => {}
        }
    }

    fn handle_question(&mut self, method: &str, mut data: Value) -> Result<Value, Refusal> {
        match method {
            "newConsumers" => {
                let consumers = data.get_mut("consumers").map(Value::take);
                let Some(Value::Array(consumers)) = consumers else {
                    return Ok(json!({}));
                };
                let mut refused = Vec::new();
                for consumer in consumers {
                    let id = consumer.get("consumerId").cloned();
                    if self.begin_consumer(consumer).is_none() {
                        refused.extend(id);
                    }
                }
                Ok(if refused.is_empty() {
                    json!({})
                } else {
                    json!({"refused": refused})
                })
            }
            "newConsumer" => match self.begin_consumer(data) {
                Some(_) => Ok(json!({})),
                None => Err(Refusal {
                    code: 400,
                    reason: "cannot be received".to_owned(),
                }),
            },
            // Nobody reads them, and nobody has to know.
            "newDataConsumer" => Ok(json!({})),
            _ => Err(Refusal {
                code: 400,
                reason: "unknown".to_owned(),
            }),
        }
    }

    /// Makes our half of a consumer. `None`: it cannot be.
    pub(super) fn begin_consumer(&mut self, data: Value) -> Option<Consumer> {
        let consumer = read_consumer(data)?;
        let stream = ReceiveStream::from_parameters(consumer.kind, &consumer.rtp_parameters)?;
        let make = self.config.sinks.as_ref();
        let sink = make.and_then(|make| make(&consumer));
        let side = self.seat.receive.as_ref()?;
        side.line.add_stream(StreamSetup {
            consumer: consumer.id,
            stream,
            sink,
        });
        let consuming = Consuming {
            consumer: consumer.clone(),
            told: Instant::now(),
        };
        self.seat.consumers.insert(consumer.id, consuming);
        self.emit(Event::Consumer(Box::new(consumer.clone())));
        Some(consumer)
    }

    pub(super) fn end_consumer(&mut self, id: ConsumerId) {
        if self.seat.consumers.remove(&id).is_none() {
            return;
        }
        if let Some(side) = &self.seat.receive {
            side.line.remove_stream(id);
        }
        self.emit(Event::ConsumerClosed(id));
    }

    async fn handle_notice(&mut self, method: String, data: Value) {
        let consumer = || ConsumerId::deserialize(&data["consumerId"]).ok();
        let name = |value: &Value| value.as_str().map(str::to_owned);
        match method.as_str() {
            "consumersClosed" => {
                for id in data["consumerIds"].as_array().into_iter().flatten() {
                    if let Ok(id) = ConsumerId::deserialize(id) {
                        self.end_consumer(id);
                    }
                }
            }
            "consumerClosed" => {
                let id = consumer().or_else(|| ConsumerId::deserialize(&data["consumer_id"]).ok());
                if let Some(id) = id {
                    self.end_consumer(id);
                }
            }
            "consumerPaused" | "consumerResumed" => {
                if let Some(id) = consumer() {
                    self.emit(Event::ConsumerPaused(id, method == "consumerPaused"));
                }
            }
            "consumerLayersChanged" => {
                if let Some(id) = consumer() {
                    self.emit(Event::ConsumerLayers(id, read_layers(&data)));
                }
            }
            "peerJoined" | "newPeer" => {
                let peer = data.get("peer").unwrap_or(&data);
                if let Some(peer) = name(&peer["peerId"]).or_else(|| name(&peer["id"])) {
                    self.emit(Event::PeerJoined(peer));
                }
            }
            "peerLeft" | "peerClosed" => {
                if let Some(peer) = name(&data["peerId"]) {
                    self.emit(Event::PeerLeft(peer));
                }
            }
            "producerDemand" => {
                let encodings = data["encodings"].as_array().into_iter().flatten();
                let encodings: Vec<_> = encodings.map(|it| *it != Value::Bool(false)).collect();
                self.set_demand(&data["producerId"], encodings);
            }
            "producerClosed" => self.producer_closed(&data["producerId"]).await,
            "migrate" => self.migrate(data).await,
            "newProducers" if self.config.dialect == Dialect::SocketIo => {
                self.consume_told(&data).await;
            }
            _ => self.emit(Event::Notification { method, data }),
        }
    }

    fn set_demand(&mut self, producer: &Value, encodings: Vec<bool>) {
        let mut publications = self.publications.iter();
        let found = publications.find(|one| one.current.to_string() == *producer);
        if let (Some(publishing), Some(side)) = (found, &self.seat.send) {
            side.line.set_demand(publishing.number, encodings.clone());
            let event = Event::ProducerDemand(publishing.producer, encodings);
            self.emit(event);
        }
    }

    async fn producer_closed(&mut self, producer: &Value) {
        let is_it = |one: &Publishing| one.current.to_string() == *producer;
        let Some(index) = self.publications.iter().position(is_it) else {
            return;
        };
        let publishing = self.publications.swap_remove(index);
        if let Some(side) = &self.seat.send {
            side.line.take_source(publishing.number).await;
        }
        self.emit(Event::ProducerClosed(publishing.producer));
    }

    /// What a media thread tells.
    pub(super) fn handle_line(&mut self, event: LineEvent) {
        let LineEvent {
            number,
            direction,
            at,
            what,
        } = event;
        let side = match direction {
            Direction::Receive => &mut self.seat.receive,
            Direction::Send => &mut self.seat.send,
        };
        // One that has been given up says nothing of interest any more.
        let Some(side) = side.as_mut().filter(|side| side.number == number) else {
            return;
        };
        let state = match what {
            LineNews::Ice(began) => {
                side.ice = Some(at);
                self.step_at(Stage::Ice(direction), began, at, None);
                TransportState::Handshaking
            }
            LineNews::Connected => {
                let began = side.ice.into_iter().chain(side.released).max();
                self.step_at(Stage::Dtls(direction), began.unwrap_or(at), at, None);
                TransportState::Connected
            }
            LineNews::Lost => TransportState::Checking,
            LineNews::Closed(error) => {
                if error.is_some() {
                    let began = side.ice.unwrap_or(at);
                    self.step_at(Stage::Dtls(direction), began, at, error);
                }
                TransportState::Closed
            }
            LineNews::FirstPacket(consumer, kind) => {
                self.first_packet(at, consumer, kind);
                return;
            }
            LineNews::FirstKeyFrame(consumer) => {
                self.first_key_frame(at, consumer);
                return;
            }
        };
        self.emit(Event::Transport(direction, state));
    }

    fn first_packet(&mut self, at: Instant, consumer: ConsumerId, kind: MediaKind) {
        let seen = match kind {
            MediaKind::Audio => &mut self.attempt.has_audio,
            MediaKind::Video => &mut self.attempt.has_video,
        };
        if !std::mem::replace(seen, true) {
            self.step_at(Stage::FirstPacket(kind), self.attempt.began, at, None);
        }
        if let Some(consuming) = self.seat.consumers.get(&consumer) {
            let stage = Stage::ConsumerFirstPacket(consuming.consumer.kind);
            self.step_at(stage, consuming.told, at, None);
        }
    }

    fn first_key_frame(&mut self, at: Instant, consumer: ConsumerId) {
        if !std::mem::replace(&mut self.attempt.has_key_frame, true) {
            self.step_at(Stage::FirstKeyFrame, self.attempt.began, at, None);
        }
        if let Some(consuming) = self.seat.consumers.get(&consumer) {
            self.step_at(Stage::ConsumerFirstKeyFrame, consuming.told, at, None);
        }
    }
}

/// A consumer in the words of any dialect.
fn read_consumer(mut data: Value) -> Option<Consumer> {
    let id = data.get("consumerId").or_else(|| data.get("id"))?;
    let id = ConsumerId::deserialize(id).ok()?;
    let parameters = data.get_mut("rtpParameters")?.take();
    let rtp_parameters = serde_json::from_value(parameters).ok()?;
    let app_data = match data.get_mut("appData").map(Value::take) {
        Some(Value::Object(app_data)) => app_data,
        _ => serde_json::Map::new(),
    };
    let mut consumer = Consumer {
        id,
        producer_id: plenum_ids::ProducerId::deserialize(&data["producerId"]).ok()?,
        peer_id: data["peerId"].as_str().map(str::to_owned),
        kind: MediaKind::deserialize(&data["kind"]).ok()?,
        codec: None,
        kind_of_layers: data["type"].as_str().unwrap_or_default().to_owned(),
        app_data,
        is_paused: data["producerPaused"] == true,
        rtp_parameters,
    };
    let mut codecs = consumer.rtp_parameters.codecs.iter();
    let codec = codecs.find(|codec| !codec.mime_type.is_rtx())?;
    consumer.codec = Codec::from_name(codec.mime_type.subtype());
    Some(consumer)
}

/// Newer dialects have an object of their own for them.
fn read_layers(data: &Value) -> Option<Layers> {
    let layers = data.get("layers").unwrap_or(data);
    let layer = |name: &str| layers.get(name)?.as_u64()?.try_into().ok();
    Some(Layers {
        spatial: layer("spatialLayer")?,
        temporal: layer("temporalLayer"),
    })
}
