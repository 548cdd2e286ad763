//! A worker that keeps the books and insists on order.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use plenum_ids::{
    ConsumerId, DataConsumerId, DataProducerId, ProducerId, RouterId, RtpObserverId, TransportId,
};
use plenum_ipc::message::{Answer, ErrorCode, Request, RequestError};
use plenum_params::{
    data::{DataConsumerStats, DataProducerStats, SctpParameters},
    event::Layers,
    stats::{ConsumerStats, TransportStats},
    transport::{
        DtlsParameters, DtlsRole, IceCandidate, IceParameters, PlainTransportInfo, Protocol,
        WebRtcTransportInfo,
    },
};

use crate::command::WorkerFailure;

#[derive(Default)]
pub(super) struct FakeWorker {
    pub(super) routers: BTreeSet<RouterId>,
    pub(super) transports: BTreeMap<TransportId, RouterId>,
    pub(super) producers: BTreeMap<ProducerId, Source>,
    pub(super) consumers: BTreeMap<ConsumerId, Sink>,
    /// Those of `transports` that lead to the node.
    pub(super) direct: BTreeSet<TransportId>,
    pub(super) data_producers: BTreeMap<DataProducerId, DataSource>,
    pub(super) data_consumers: BTreeMap<DataConsumerId, DataSink>,
    pub(super) observers: BTreeMap<RtpObserverId, Observer>,
    /// What was said of producers that are piped here.
    pub(super) origin_scores: BTreeMap<ProducerId, Vec<u8>>,
    /// How the next requests fail; carried out as usual when it is empty.
    pub(super) failures: Vec<Failure>,
}

pub(super) struct Source {
    /// `None`: it is piped.
    transport: Option<TransportId>,
    router: RouterId,
    pub(super) paused: bool,
}

pub(super) struct Sink {
    /// `None`: it feeds a pipe.
    transport: Option<TransportId>,
    producer: ProducerId,
    pub(super) paused: bool,
    pub(super) preferred: Option<Layers>,
    pub(super) priority: u8,
}

pub(super) struct DataSource {
    /// `None`: it is piped.
    transport: Option<TransportId>,
    router: RouterId,
}

pub(super) struct DataSink {
    /// `None`: it feeds a pipe.
    transport: Option<TransportId>,
    pub(super) producer: DataProducerId,
    pub(super) stream: Option<u16>,
}

pub(super) struct Observer {
    router: RouterId,
    pub(super) producers: BTreeSet<ProducerId>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    /// Carried out after all.
    Not,
    /// Carried out, but the answer is lost.
    LostAfter,
    /// Lost on the way.
    LostBefore,
    Refused,
}

impl FakeWorker {
    /// Requests whose answer is `awaited` may fail.
    pub(super) fn carry_out(
        &mut self,
        request: &Request,
        awaited: bool,
    ) -> Result<Answer, WorkerFailure> {
        let can_fail =
            awaited && !is_close(request) && !matches!(request, Request::CreateRouter { .. });
        let failure = if can_fail {
            self.failures.pop().unwrap_or(Failure::Not)
        } else {
            Failure::Not
        };
        match failure {
            Failure::Not => Ok(self.apply(request)),
            Failure::LostAfter => {
                self.apply(request);
                Err(WorkerFailure::Lost)
            }
            Failure::LostBefore => Err(WorkerFailure::Lost),
            Failure::Refused => Err(WorkerFailure::Refused(RequestError {
                code: ErrorCode::Limit,
                reason: "no".to_owned(),
            })),
        }
    }

    fn apply(&mut self, request: &Request) -> Answer {
        match request {
            Request::CreateRouter { router } => assert!(self.routers.insert(*router)),
            Request::CloseRouter { router } => self.close_router(*router),
            Request::CreateWebRtcTransport {
                router,
                transport,
                options,
            } => {
                assert!(self.routers.contains(router));
                assert!(self.transports.insert(*transport, *router).is_none());
                return Answer::WebRtcTransport(WebRtcTransportInfo {
                    sctp_parameters: options.sctp.map(|sctp| SctpParameters {
                        port: 5000,
                        os: 1024,
                        mis: 1024,
                        max_message_size: sctp.max_message_size,
                        send_buffer: sctp.send_buffer,
                    }),
                    ..info()
                });
            }
            Request::CreatePlainTransport {
                router, transport, ..
            } => {
                assert!(self.routers.contains(router));
                assert!(self.transports.insert(*transport, *router).is_none());
                return Answer::PlainTransport(plain_info());
            }
            Request::ConnectPlainTransport { transport, .. } => {
                assert!(self.transports.contains_key(transport));
                return Answer::PlainTransport(plain_info());
            }
            Request::ConnectWebRtcTransport { transport, .. } => {
                assert!(self.transports.contains_key(transport));
            }
            Request::RestartIce { transport } => {
                assert!(self.transports.contains_key(transport));
                return Answer::IceParameters(info().ice_parameters);
            }
            Request::CloseTransport { transport } => self.close_transport(*transport),
            Request::Produce {
                transport,
                producer,
                paused,
                ..
            } => {
                let source = Source {
                    transport: Some(*transport),
                    router: self.transports[transport],
                    paused: *paused,
                };
                assert!(self.producers.insert(*producer, source).is_none());
            }
            Request::PipeProduce {
                router,
                producer,
                paused,
                ..
            } => {
                assert!(self.routers.contains(router));
                let source = Source {
                    transport: None,
                    router: *router,
                    paused: *paused,
                };
                assert!(self.producers.insert(*producer, source).is_none());
            }
            Request::PipeConsume {
                consumer,
                producer,
                paused,
                ..
            } => {
                self.source(*producer);
                let sink = Sink {
                    transport: None,
                    producer: *producer,
                    paused: *paused,
                    preferred: None,
                    priority: 1,
                };
                assert!(self.consumers.insert(*consumer, sink).is_none());
            }
            Request::CloseProducer { producer } => self.close_producer(*producer),
            // It may be for a pipe that was not made.
            Request::SetOriginScores { producer, scores } => {
                assert!(!scores.is_empty());
                self.origin_scores.insert(*producer, scores.clone());
            }
            Request::PauseProducer { producer } => self.source(*producer).paused = true,
            Request::ResumeProducer { producer } => self.source(*producer).paused = false,
            Request::Consume {
                transport,
                consumer,
                producer,
                paused,
                ..
            } => {
                assert!(self.transports.contains_key(transport));
                self.source(*producer);
                let sink = Sink {
                    transport: Some(*transport),
                    producer: *producer,
                    paused: *paused,
                    preferred: None,
                    priority: 1,
                };
                assert!(self.consumers.insert(*consumer, sink).is_none());
            }
            Request::CloseConsumer { consumer } => {
                self.consumers.remove(consumer);
            }
            Request::PauseConsumer { consumer } => self.sink(*consumer).paused = true,
            Request::ResumeConsumer { consumer } => self.sink(*consumer).paused = false,
            Request::RequestKeyFrame { consumer } => {
                self.sink(*consumer);
            }
            Request::SetPreferredLayers { consumer, layers } => {
                self.sink(*consumer).preferred = Some(*layers);
                return Answer::PreferredLayers(Some(*layers));
            }
            Request::SetPriority { consumer, priority } => {
                assert_ne!(*priority, 0);
                self.sink(*consumer).priority = *priority;
            }
            Request::TransportStats { transport } => {
                assert!(self.transports.contains_key(transport));
                return Answer::TransportStats(Box::<TransportStats>::default());
            }
            Request::ProducerStats { producer } => {
                self.source(*producer);
                return Answer::ProducerStats(Vec::new());
            }
            Request::ConsumerStats { consumer } => {
                self.sink(*consumer);
                return Answer::ConsumerStats(Box::<ConsumerStats>::default());
            }
            other => return self.apply_to_data(other),
        }
        Answer::Done
    }

    fn apply_to_data(&mut self, request: &Request) -> Answer {
        match request {
            Request::CreateDirectTransport { router, transport } => {
                assert!(self.routers.contains(router));
                assert!(self.transports.insert(*transport, *router).is_none());
                self.direct.insert(*transport);
            }
            Request::ProduceData {
                transport,
                data_producer,
                stream,
                ..
            } => {
                assert_eq!(self.direct.contains(transport), stream.is_none());
                let source = DataSource {
                    transport: Some(*transport),
                    router: self.transports[transport],
                };
                assert!(self.data_producers.insert(*data_producer, source).is_none());
            }
            Request::PipeProduceData {
                router,
                data_producer,
                ..
            } => {
                assert!(self.routers.contains(router));
                let source = DataSource {
                    transport: None,
                    router: *router,
                };
                assert!(self.data_producers.insert(*data_producer, source).is_none());
            }
            Request::ConsumeData {
                transport,
                data_consumer,
                data_producer,
                stream,
                ..
            } => {
                assert!(self.transports.contains_key(transport));
                assert_eq!(self.direct.contains(transport), stream.is_none());
                let stream = stream.map(|stream| stream.stream_id);
                let mut others = self.data_consumers.values();
                assert!(
                    others.all(|it| it.transport != Some(*transport)
                        || it.stream.is_none()
                        || it.stream != stream),
                    "a stream is used twice"
                );
                self.insert_data_sink(*data_consumer, Some(*transport), *data_producer, stream);
            }
            Request::PipeConsumeData {
                data_consumer,
                data_producer,
                ..
            } => self.insert_data_sink(*data_consumer, None, *data_producer, None),
            Request::CloseDataProducer { data_producer } => {
                self.close_data_producer(*data_producer);
            }
            Request::CloseDataConsumer { data_consumer } => {
                self.data_consumers.remove(data_consumer);
            }
            Request::DataProducerStats { data_producer } => {
                assert!(self.data_producers.contains_key(data_producer));
                return Answer::DataProducerStats(DataProducerStats::default());
            }
            Request::DataConsumerStats { data_consumer } => {
                assert!(self.data_consumers.contains_key(data_consumer));
                return Answer::DataConsumerStats(DataConsumerStats::default());
            }
            Request::CreateAudioLevelObserver {
                router, observer, ..
            }
            | Request::CreateActiveSpeakerObserver {
                router, observer, ..
            } => {
                assert!(self.routers.contains(router));
                let made = Observer {
                    router: *router,
                    producers: BTreeSet::new(),
                };
                assert!(self.observers.insert(*observer, made).is_none());
            }
            Request::ObserveProducer { observer, producer } => {
                let source = &self.producers[producer];
                let observer = self.observers.get_mut(observer).expect("an observer");
                assert_eq!(source.router, observer.router);
                assert!(source.transport.is_some(), "each voice is heard once");
                assert!(observer.producers.insert(*producer));
            }
            Request::CloseObserver { observer } => {
                self.observers.remove(observer);
            }
            other => panic!("a room has no use for {other:?}"),
        }
        Answer::Done
    }

    fn insert_data_sink(
        &mut self,
        id: DataConsumerId,
        transport: Option<TransportId>,
        producer: DataProducerId,
        stream: Option<u16>,
    ) {
        assert!(self.data_producers.contains_key(&producer));
        let sink = DataSink {
            transport,
            producer,
            stream,
        };
        assert!(self.data_consumers.insert(id, sink).is_none());
    }

    fn source(&mut self, id: ProducerId) -> &mut Source {
        self.producers.get_mut(&id).expect("an existing producer")
    }

    fn sink(&mut self, id: ConsumerId) -> &mut Sink {
        self.consumers.get_mut(&id).expect("an existing consumer")
    }

    fn close_router(&mut self, router: RouterId) {
        self.routers.remove(&router);
        let transports: Vec<_> = self.transports.keys().copied().collect();
        for transport in transports {
            if self.transports.get(&transport) == Some(&router) {
                self.close_transport(transport);
            }
        }
        let piped = self.producers.iter();
        let piped: Vec<_> = piped
            .filter(|(_, source)| source.router == router)
            .map(|(id, _)| *id)
            .collect();
        for producer in piped {
            self.close_producer(producer);
        }
        let piped = self.data_producers.iter();
        let piped: Vec<_> = piped
            .filter(|(_, source)| source.router == router)
            .map(|(id, _)| *id)
            .collect();
        for producer in piped {
            self.close_data_producer(producer);
        }
        self.observers.retain(|_, it| it.router != router);
    }

    fn close_transport(&mut self, transport: TransportId) {
        self.transports.remove(&transport);
        self.consumers
            .retain(|_, sink| sink.transport != Some(transport));
        let producers: Vec<_> = self.producers.keys().copied().collect();
        for producer in producers {
            if self.source(producer).transport == Some(transport) {
                self.close_producer(producer);
            }
        }
        self.direct.remove(&transport);
        self.data_consumers
            .retain(|_, sink| sink.transport != Some(transport));
        let written = self.data_producers.iter();
        let written: Vec<_> = written
            .filter(|(_, source)| source.transport == Some(transport))
            .map(|(id, _)| *id)
            .collect();
        for producer in written {
            self.close_data_producer(producer);
        }
    }

    fn close_data_producer(&mut self, producer: DataProducerId) {
        self.data_producers.remove(&producer);
        self.data_consumers
            .retain(|_, sink| sink.producer != producer);
    }

    fn close_producer(&mut self, producer: ProducerId) {
        self.producers.remove(&producer);
        for observer in self.observers.values_mut() {
            observer.producers.remove(&producer);
        }
        self.consumers.retain(|_, sink| sink.producer != producer);
    }

    /// Whether nothing but the router is left.
    pub(super) fn holds_no_media(&self) -> bool {
        self.transports.is_empty()
            && self.producers.is_empty()
            && self.consumers.is_empty()
            && self.data_producers.is_empty()
            && self.data_consumers.is_empty()
            && self.observers.is_empty()
    }
}

const fn is_close(request: &Request) -> bool {
    matches!(
        request,
        Request::CloseRouter { .. }
            | Request::CloseTransport { .. }
            | Request::CloseProducer { .. }
            | Request::CloseConsumer { .. }
            | Request::CloseDataProducer { .. }
            | Request::CloseDataConsumer { .. }
    )
}

fn info() -> WebRtcTransportInfo {
    WebRtcTransportInfo {
        ice_parameters: IceParameters {
            username_fragment: "ufrag".to_owned(),
            password: "password".to_owned(),
        },
        ice_candidates: vec![IceCandidate {
            foundation: "udpcandidate".to_owned(),
            priority: 1,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
            port: 1,
            protocol: Protocol::Udp,
        }],
        dtls_parameters: DtlsParameters {
            role: DtlsRole::Auto,
            fingerprints: Vec::new(),
        },
        sctp_parameters: None,
    }
}

fn plain_info() -> PlainTransportInfo {
    PlainTransportInfo {
        local: (Ipv4Addr::LOCALHOST, 7).into(),
        rtcp_local: None,
        remote: None,
        rtcp_remote: None,
        srtp: None,
    }
}
