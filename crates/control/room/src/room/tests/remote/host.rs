//! What a host does for pipes between nodes.

use super::*;
use crate::remote::{FarEnd, NearEnd, PipeMedium, PipeOffer, PipeStreams};

impl World {
    /// What the host does for the near end of a pipe to another node.
    pub(in crate::room::tests) fn open_near_end(
        &mut self,
        pipe: &NearEnd,
    ) -> Result<Box<PipeOffer>, WorkerFailure> {
        let trunk = TransportId::from_u128(8);
        let (requests, streams) = match &pipe.medium {
            PipeMedium::Media {
                producer,
                kind,
                consumable,
                streams,
            } => {
                let (received, sent) =
                    resolve::pipe_parameters(*kind, consumable, &mut self.ssrcs).expect("fits");
                assert_eq!(sent.len(), streams.len());
                let requests = sent.into_iter().zip(streams).zip(0..);
                let requests =
                    requests.map(|((parameters, consumer), stream)| Request::PipeConsume {
                        trunk,
                        consumer: *consumer,
                        producer: *producer,
                        stream,
                        parameters,
                        paused: true,
                    });
                let streams = PipeStreams::Media(Box::new(received));
                (requests.collect::<Vec<_>>(), streams)
            }
            PipeMedium::Data {
                data_producer,
                stream,
                data_consumer,
            } => {
                let request = Request::PipeConsumeData {
                    trunk,
                    data_consumer: *data_consumer,
                    data_producer: *data_producer,
                    stream: *stream,
                    paused: false,
                };
                (vec![request], PipeStreams::Data(*stream))
            }
        };
        let mut result = Ok(Answer::Done);
        for request in requests {
            let answer = self
                .worker_at(pipe.from, &request)
                .carry_out(&request, true);
            result = result.and(answer);
        }
        let trunk = pipe.end.clone();
        result.map(|_| Box::new(PipeOffer { trunk, streams }))
    }

    /// What the host does for the far end of a pipe from another node.
    pub(in crate::room::tests) fn open_far_end(
        &mut self,
        pipe: &FarEnd,
    ) -> Result<Answer, WorkerFailure> {
        let (trunk, router) = (TransportId::from_u128(8), pipe.router);
        let request = match (&pipe.source, &pipe.offer.streams) {
            (PipeSource::Producer(producer), PipeStreams::Media(parameters)) => {
                Request::PipeProduce {
                    trunk,
                    router,
                    producer: *producer,
                    parameters: (**parameters).clone(),
                    paused: pipe.paused,
                }
            }
            (PipeSource::DataProducer(data_producer), PipeStreams::Data(stream)) => {
                Request::PipeProduceData {
                    trunk,
                    router,
                    data_producer: *data_producer,
                    stream: *stream,
                    paused: pipe.paused,
                }
            }
            other => panic!("another medium: {other:?}"),
        };
        self.worker_at(pipe.place, &request)
            .carry_out(&request, true)
    }
}
