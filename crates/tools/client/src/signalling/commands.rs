//! What a client's application asks for, in the words of each dialect.

use plenum_ids::{ConsumerId, ProducerId};
use rand::Rng as _;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::{
    joining::subscription,
    parameters::{self, Numbers, Plan},
    session::{Command, Publishing, Session, Trouble},
};
use crate::{
    ClientError, Consumer, Dialect, Layers, Producer, Publication, Subscription,
    media::SourceSetup, peer::Direction,
};

type Done<T> = Result<T, ClientError>;

impl Session {
    /// Who asked may have gone, which changes nothing: what was asked for is done.
    pub(super) async fn carry_out(&mut self, command: Command) {
        match command {
            Command::Consume(producers, answer) => {
                let _ = answer.send(self.consume(&producers).await);
            }
            Command::Cut => self.wire = None,
            Command::KeyFrame(consumer, answer) => {
                let _ = answer.send(self.request_key_frame(consumer).await);
            }
            // Done by the task itself.
            Command::Leave(_) => {}
            Command::Publish(publication, answer) => {
                let _ = answer.send(self.publish(*publication).await);
            }
            Command::Request(method, data, answer) => {
                let _ = answer.send(self.ask(&method, &data).await);
            }
            Command::SetLayers(consumer, layers, answer) => {
                let _ = answer.send(self.set_layers(consumer, layers).await);
            }
            Command::SetPaused(producer, paused, answer) => {
                let _ = answer.send(self.set_paused(producer, paused).await);
            }
            Command::Stats(answer) => {
                let _ = answer.send(self.stats().await);
            }
            Command::StopConsuming(consumer, answer) => {
                let _ = answer.send(self.stop_consuming(consumer).await);
            }
            Command::Subscribe(subscription, answer) => {
                let _ = answer.send(self.subscribe(subscription).await);
            }
            Command::Unpublish(producer, answer) => {
                let _ = answer.send(self.unpublish(producer).await);
            }
        }
    }

    async fn publish(&mut self, publication: Publication) -> Done<Producer> {
        if self.seat.send.is_none() {
            return Err(ClientError::Unsupported("sending"));
        }
        if self.config.dialect != Dialect::Plenum {
            self.connect_side(Direction::Send).await?;
        }
        let number = self.next_number;
        self.next_number += 1;
        let kind = publication.codec.kind();
        // Until the server has given it a name.
        let unnamed = ProducerId::from_u128(number.into());
        self.publications.push(Publishing {
            number,
            producer: unnamed,
            current: unnamed,
            codec: publication.codec,
            encodings: publication.encodings,
            app_data: publication.app_data,
            is_paused: publication.is_paused,
            source: Some(SourceSetup {
                publication: number,
                kind,
                streams: Vec::new(),
                source: publication.source,
                is_paused: publication.is_paused,
            }),
        });
        let index = self.publications.len() - 1;
        let produced = self.produce(index, false).await;
        let publishing = self.publications.get_mut(index);
        let (Ok(()), Some(publishing)) = (&produced, publishing) else {
            self.publications.truncate(index);
            return Err(match produced {
                Err(Trouble::Gone(gone)) => {
                    self.recover(gone).await;
                    ClientError::Closed
                }
                Err(Trouble::Other(error)) => error,
                Ok(()) => ClientError::Closed,
            });
        };
        publishing.producer = publishing.current;
        let id = publishing.producer;
        Ok(Producer { id, kind })
    }

    /// Makes a producer of a publication whose source is here.
    pub(super) async fn produce(&mut self, index: usize, keeps_name: bool) -> Result<(), Trouble> {
        let mid = self.seat.next_mid.to_string();
        self.seat.next_mid += 1;
        let cname = self.config.peer.clone().unwrap_or_default();
        let (rng, publications) = (&mut self.rng, &mut self.publications);
        let Some(publishing) = publications.get_mut(index) else {
            return Ok(());
        };
        let numbers = Numbers {
            mid,
            cname: &cname,
            random: &mut || rng.next_u32(),
        };
        let (codec, encodings) = (publishing.codec, &publishing.encodings);
        let plan = parameters::plan(&self.seat.capabilities, codec, encodings, numbers);
        let Plan {
            parameters,
            streams,
        } = plan.ok_or(ClientError::Unsupported("this codec"))?;
        let (kind, app_data) = (codec.kind(), publishing.app_data.clone());
        let (is_paused, name) = (publishing.is_paused, publishing.producer);
        let transport = self.seat.send.as_ref().map(|side| side.id.clone());
        let mut data = match self.config.dialect {
            Dialect::SocketIo => json!({
                "producerTransportId": transport, "kind": kind, "rtpParameters": parameters,
            }),
            _ => json!({
                "transportId": transport, "kind": kind, "rtpParameters": parameters,
                "appData": app_data,
            }),
        };
        match self.config.dialect {
            Dialect::Plenum => {
                data["paused"] = json!(is_paused);
                if keeps_name {
                    data["producerId"] = json!(name);
                }
            }
            Dialect::Protoo if keeps_name => data["plenum"] = json!({"producerId": name}),
            _ => {}
        }
        let answer = self.ask_once("produce", &data).await?;
        let id = ["producerId", "producer_id", "id"]
            .iter()
            .find_map(|member| ProducerId::deserialize(answer.get(*member)?).ok());
        let id = id.ok_or(ClientError::Protocol {
            what: "answer to produce",
            source: None,
        })?;
        let Some(publishing) = self.publications.get_mut(index) else {
            return Ok(());
        };
        publishing.current = id;
        if let (Some(mut source), Some(side)) = (publishing.source.take(), &self.seat.send) {
            source.streams = streams;
            source.is_paused = is_paused;
            side.line.add_source(source);
        }
        if is_paused && self.config.dialect == Dialect::Protoo {
            self.ask_once("pauseProducer", &json!({"producerId": id}))
                .await?;
        }
        Ok(())
    }

    async fn unpublish(&mut self, producer: ProducerId) -> Done<()> {
        let is_it = |one: &Publishing| one.producer == producer;
        let found = self.publications.iter().position(is_it);
        let found = found.ok_or(ClientError::Closed)?;
        let publishing = self.publications.swap_remove(found);
        if let Some(side) = &self.seat.send {
            side.line.take_source(publishing.number).await;
        }
        let id = publishing.current;
        if self.config.dialect == Dialect::SocketIo {
            self.emit_event("producerClosed", &json!({"producer_id": id}))
                .await;
            return Ok(());
        }
        self.ask("closeProducer", &json!({"producerId": id}))
            .await?;
        Ok(())
    }

    async fn set_paused(&mut self, producer: ProducerId, paused: bool) -> Done<()> {
        let is_it = |one: &&mut Publishing| one.producer == producer;
        let found = self.publications.iter_mut().find(is_it);
        let publishing = found.ok_or(ClientError::Closed)?;
        publishing.is_paused = paused;
        let (number, id) = (publishing.number, publishing.current);
        if let Some(side) = &self.seat.send {
            side.line.set_paused(number, paused);
        }
        if self.config.dialect == Dialect::SocketIo {
            // Others see that nothing comes, and no more.
            return Ok(());
        }
        let method = if paused {
            "pauseProducer"
        } else {
            "resumeProducer"
        };
        self.ask(method, &json!({"producerId": id})).await?;
        Ok(())
    }

    async fn consume(&mut self, producers: &[ProducerId]) -> Done<Vec<Consumer>> {
        match self.config.dialect {
            Dialect::Plenum => {
                let mut answer = self
                    .ask("consume", &json!({"producerIds": producers}))
                    .await?;
                let Value::Array(consumers) = answer["consumers"].take() else {
                    return Ok(Vec::new());
                };
                let begun = consumers.into_iter();
                Ok(begun.filter_map(|it| self.begin_consumer(it)).collect())
            }
            Dialect::SocketIo => {
                let mut begun = Vec::new();
                for producer in producers {
                    let id = self.send_consume(*producer).await;
                    let consumer = self.answer_to(id, "consume").await?;
                    begun.extend(self.begin_consumer(consumer));
                    self.connect_side(Direction::Receive).await?;
                }
                Ok(begun)
            }
            Dialect::Protoo => Err(ClientError::Unsupported("consuming piece by piece")),
        }
    }

    /// Producers that have come into one of Socket.IO's rooms.
    pub(super) async fn consume_told(&mut self, producers: &Value) {
        if self.config.subscription == Subscription::Manual || self.seat.receive.is_none() {
            return;
        }
        if let Err(Trouble::Gone(gone)) = self.consume_listed(producers).await {
            self.recover(gone).await;
        }
    }

    async fn stop_consuming(&mut self, consumer: ConsumerId) -> Done<()> {
        if self.config.dialect != Dialect::Plenum {
            return Err(ClientError::Unsupported("closing single consumers"));
        }
        self.end_consumer(consumer);
        let data = json!({"consumerIds": [consumer]});
        self.ask("closeConsumers", &data).await?;
        Ok(())
    }

    async fn subscribe(&mut self, wanted: Subscription) -> Done<()> {
        if self.config.dialect != Dialect::Plenum {
            return Err(ClientError::Unsupported("subscribing"));
        }
        let data = json!({"subscription": subscription(wanted)});
        self.ask("subscribe", &data).await?;
        self.config.subscription = wanted;
        Ok(())
    }

    async fn set_layers(&mut self, consumer: ConsumerId, layers: Layers) -> Done<()> {
        let method = match self.config.dialect {
            Dialect::Plenum => "setConsumerLayers",
            Dialect::Protoo => "setConsumerPreferredLayers",
            Dialect::SocketIo => return Err(ClientError::Unsupported("choosing layers")),
        };
        let mut data = json!({"consumerId": consumer, "spatialLayer": layers.spatial});
        if let Some(temporal) = layers.temporal {
            data["temporalLayer"] = json!(temporal);
        }
        self.ask(method, &data).await?;
        Ok(())
    }

    async fn request_key_frame(&mut self, consumer: ConsumerId) -> Done<()> {
        let method = match self.config.dialect {
            Dialect::Plenum => "requestKeyFrame",
            Dialect::Protoo => "requestConsumerKeyFrame",
            Dialect::SocketIo => {
                if let Some(side) = &self.seat.receive {
                    side.line.request_key_frame(consumer);
                }
                return Ok(());
            }
        };
        self.ask(method, &json!({"consumerId": consumer})).await?;
        Ok(())
    }
}
