//! Connections between workers, over which rooms bring producers from one to the other. One per pair, made when the first
//! room needs it; it ends with either worker, and the next room gets another one with other keys. Here are those between
//! workers of this node, of which it has both ends; [`nodes`] has those to workers of others.

pub(crate) mod nodes;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::join;
use plenum_ids::{ConsumerId, ProducerId, TransportId, WorkerId};
use plenum_ipc::Request;
use plenum_params::{
    data::SctpStreamParameters,
    media::{ReceiveParameters, SendParameters},
    ortc, resolve,
    transport::{TrunkKey, TrunkOptions, TrunkSsrcs},
};
use plenum_room::{DataPipeRequest, PipeRequest};
use plenum_supervisor::Worker;
use rand::{SeedableRng as _, rngs::StdRng};
use tracing::{debug, warn};

use crate::{asking, room_task::random_seed};

/// A worker and where the other ones reach it.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) worker: Worker,
    pub(crate) address: SocketAddr,
}

/// The trunks of a node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trunks {
    /// By the numbers of both workers, the smaller one first.
    by_pair: Arc<Mutex<HashMap<(WorkerId, WorkerId), Trunk>>>,
}

#[derive(Debug)]
struct Trunk {
    id: TransportId,
    ends: [Worker; 2],
    /// For what leaves each end.
    numbers: [Numbers; 2],
}

/// What tells the streams apart that leave one end of a trunk.
#[derive(Debug, Default)]
struct Numbers {
    ssrcs: TrunkSsrcs,
    /// The stream of the next pipe of messages.
    next_stream: u16,
}

/// Requests that make a pipe, in the order in which they must be sent.
#[derive(Debug)]
pub(crate) struct PipeRequests {
    /// To the worker that the producer is brought to.
    pub(crate) far: Request,
    /// To the worker of the producer.
    pub(crate) near: Vec<Request>,
}

impl Trunks {
    /// What makes a pipe over the trunk of two workers, which is made if there is none.
    pub(crate) fn pipe(
        &self,
        from: &End,
        to: &End,
        pipe: &PipeRequest,
    ) -> Result<PipeRequests, ortc::Error> {
        self.with_trunk(from, to, |trunk, end| {
            let ssrcs = &mut trunk.numbers[end].ssrcs;
            let (far, near) = resolve::pipe_parameters(pipe.kind, &pipe.consumable, ssrcs)?;
            Ok(requests(trunk.id, pipe, far, near))
        })
    }

    /// What makes a pipe for messages over the same trunk.
    pub(crate) fn data_pipe(&self, from: &End, to: &End, pipe: &DataPipeRequest) -> PipeRequests {
        self.with_trunk(from, to, |trunk, end| {
            let stream = SctpStreamParameters {
                stream_id: trunk.numbers[end].take_stream(),
                ..pipe.stream
            };
            data_requests(trunk.id, pipe, stream)
        })
    }

    /// The trunk of two workers, which is made if there is none, and which of its ends `from` is.
    fn with_trunk<T>(
        &self,
        from: &End,
        to: &End,
        use_it: impl FnOnce(&mut Trunk, usize) -> T,
    ) -> T {
        let mut trunks = self.lock();
        let (from_id, to_id) = (from.worker.id(), to.worker.id());
        let is_first = from_id < to_id;
        let (pair, ends) = if is_first {
            ((from_id, to_id), [from, to])
        } else {
            ((to_id, from_id), [to, from])
        };
        let lasts = |trunk: &Trunk| {
            let mut both = trunk.ends.iter().zip(ends);
            both.all(|(had, end)| had.is_same(&end.worker))
        };
        if !trunks.get(&pair).is_some_and(lasts) {
            if let Some(old) = trunks.remove(&pair) {
                old.close();
            }
            trunks.insert(pair, self.open(pair, ends));
        }
        let trunk = trunks.get_mut(&pair).expect("made above");
        use_it(trunk, usize::from(!is_first))
    }

    /// Closes what is left of trunks whose other end is gone.
    pub(crate) fn handle_worker_death(&self) {
        self.lock().retain(|_, trunk| {
            let is_whole = !trunk.ends.iter().any(Worker::is_closed);
            if !is_whole {
                trunk.close();
            }
            is_whole
        });
    }

    /// Sends both requests at once, ahead of whatever uses the trunk. A refusal is found by those who use it, and the next
    /// one makes another.
    fn open(&self, pair: (WorkerId, WorkerId), ends: [&End; 2]) -> Trunk {
        let id = TransportId::random();
        let mut rng = StdRng::from_seed(random_seed());
        let keys = [TrunkKey::random(&mut rng), TrunkKey::random(&mut rng)];
        let create = |end: usize| {
            let options = TrunkOptions {
                remote: ends[1 - end].address,
                local: None,
                send_key: keys[end].clone(),
                receive_key: keys[1 - end].clone(),
            };
            let worker = ends[end].worker.clone();
            let request = Request::CreateTrunk { trunk: id, options };
            asking::begin(Box::pin(async move { worker.request(request).await }))
        };
        let (first, second) = (create(0), create(1));
        let trunks = self.clone();
        tokio::spawn(async move {
            let (first, second) = join(first, second).await;
            if let Some(err) = first.and(second).err() {
                warn!(%err, "no trunk between workers {} and {}", pair.0, pair.1);
                trunks.give_up(pair, id);
            }
        });
        debug!(trunk = %id, "trunk between workers {} and {}", pair.0, pair.1);
        Trunk {
            id,
            ends: ends.map(|end| end.worker.clone()),
            numbers: <[Numbers; 2]>::default(),
        }
    }

    fn give_up(&self, pair: (WorkerId, WorkerId), id: TransportId) {
        let mut trunks = self.lock();
        if trunks.get(&pair).is_some_and(|trunk| trunk.id == id)
            && let Some(trunk) = trunks.remove(&pair)
        {
            trunk.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(WorkerId, WorkerId), Trunk>> {
        // Every change leaves a whole map, whatever panics in between.
        self.by_pair.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers {
    /// A trunk's association has all that there can be. They are counted around, so that one comes again only after all the
    /// others. Should its pipe still be there then, the worker says so, and the room's next attempt gets the next one.
    fn take_stream(&mut self) -> u16 {
        let stream = self.next_stream;
        self.next_stream = (stream + 1) % u16::MAX;
        stream
    }
}

impl Trunk {
    fn close(&self) {
        for end in &self.ends {
            end.notify(Request::CloseTransport { transport: self.id });
        }
    }
}

fn data_requests(
    trunk: TransportId,
    pipe: &DataPipeRequest,
    stream: SctpStreamParameters,
) -> PipeRequests {
    let (data_producer, paused) = (pipe.data_producer, false);
    PipeRequests {
        far: Request::PipeProduceData {
            trunk,
            router: pipe.router,
            data_producer,
            stream,
            paused,
        },
        near: vec![Request::PipeConsumeData {
            trunk,
            data_consumer: pipe.data_consumer,
            data_producer,
            stream,
            paused,
        }],
    }
}

fn requests(
    trunk: TransportId,
    pipe: &PipeRequest,
    far: ReceiveParameters,
    near: Vec<SendParameters>,
) -> PipeRequests {
    PipeRequests {
        far: Request::PipeProduce {
            trunk,
            router: pipe.router,
            producer: pipe.producer,
            parameters: far,
            paused: pipe.paused,
        },
        near: consume_requests(trunk, pipe.producer, &pipe.streams, near),
    }
}

/// The near end: a consumer for each stream of a producer.
fn consume_requests(
    trunk: TransportId,
    producer: ProducerId,
    consumers: &[ConsumerId],
    parameters: Vec<SendParameters>,
) -> Vec<Request> {
    let streams = consumers.iter().zip(parameters).zip(0..);
    let request = |((consumer, parameters), stream): ((&ConsumerId, _), _)| Request::PipeConsume {
        trunk,
        consumer: *consumer,
        producer,
        stream,
        parameters,
        // The room sets them going when the far end is there.
        paused: true,
    };
    streams.map(request).collect()
}
