//! A worker that keeps the books and insists on order.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_ipc::message::{Answer, ErrorCode, Request, RequestError};
use plenum_params::{
    event::Layers,
    stats::{ConsumerStats, TransportStats},
    transport::{
        DtlsParameters, DtlsRole, IceCandidate, IceParameters, Protocol, WebRtcTransportInfo,
    },
};

use crate::command::WorkerFailure;

#[derive(Default)]
pub(super) struct FakeWorker {
    pub(super) routers: BTreeSet<RouterId>,
    pub(super) transports: BTreeMap<TransportId, RouterId>,
    pub(super) producers: BTreeMap<ProducerId, Source>,
    pub(super) consumers: BTreeMap<ConsumerId, Sink>,
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
                router, transport, ..
            } => {
                assert!(self.routers.contains(router));
                assert!(self.transports.insert(*transport, *router).is_none());
                return Answer::WebRtcTransport(info());
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
            other => panic!("a room has no use for {other:?}"),
        }
        Answer::Done
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
    }

    fn close_producer(&mut self, producer: ProducerId) {
        self.producers.remove(&producer);
        self.consumers.retain(|_, sink| sink.producer != producer);
    }

    /// Whether nothing but the router is left.
    pub(super) fn holds_no_media(&self) -> bool {
        self.transports.is_empty() && self.producers.is_empty() && self.consumers.is_empty()
    }
}

const fn is_close(request: &Request) -> bool {
    matches!(
        request,
        Request::CloseRouter { .. }
            | Request::CloseTransport { .. }
            | Request::CloseProducer { .. }
            | Request::CloseConsumer { .. }
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
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
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
