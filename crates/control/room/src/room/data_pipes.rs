//! Data producers at places where they do not come in. A pipe is opened for the first data consumer there, serves all, and
//! is closed with the last one: unlike a picture, a message costs nobody a key frame when it has to be brought anew.

use plenum_ids::{DataConsumerId, DataProducerId};
use plenum_ipc::message::Request;

use crate::{
    command::PlaceId,
    effect::{DataPipeRequest, Effect, OpId},
    remote::PipeSource,
    room::Room,
    state::{DataPipe, DataPipeStage, Op},
};

/// As for pipes of media: a trunk may have broken under the first attempt, with a worker that is replaced.
const ATTEMPTS: u8 = 3;

impl Room {
    /// Asks for a data consumer at a place where the data producer does not come in, now or when it has got there.
    pub(super) fn consume_piped_data(
        &mut self,
        (id, place): (DataProducerId, PlaceId),
        consumer: DataConsumerId,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        let Some(origin) = self.data_producers.get_mut(&id) else {
            return;
        };
        if let Some(pipe) = origin.pipes.get_mut(&place) {
            pipe.consumers += 1;
            match &mut pipe.stage {
                DataPipeStage::Opening(_, waiting) => waiting.push((consumer, request)),
                DataPipeStage::Open => {
                    self.request_data_consumer(place, consumer, request, effects);
                }
            }
            return;
        }
        self.open_data_pipe(id, place, (vec![(consumer, request)], 0), effects);
    }

    fn open_data_pipe(
        &mut self,
        id: DataProducerId,
        to: PlaceId,
        (waiting, failures): (Vec<(DataConsumerId, Request)>, u8),
        effects: &mut Vec<Effect>,
    ) {
        let consumer = DataConsumerId::from_u128(self.fresh_id());
        let router = self.places.get(&to).map(|place| place.router);
        let producer = self.data_producers.get_mut(&id);
        let origin = producer.and_then(|it| Some((it.place?, it)));
        let (Some(router), Some((from, producer))) = (router, origin) else {
            return;
        };
        let op = OpId(self.next_op);
        self.next_op += 1;
        self.ops.insert(op, Op::OpenDataPipe(id, to));
        effects.push(Effect::OpenDataPipe {
            op,
            pipe: Box::new(DataPipeRequest {
                data_producer: id,
                from,
                to,
                router,
                stream: producer.stream,
                data_consumer: consumer,
            }),
        });
        let pipe = DataPipe {
            consumers: waiting.len(),
            stage: DataPipeStage::Opening(op, waiting),
            consumer,
            failures,
        };
        producer.pipes.insert(to, pipe);
    }

    pub(super) fn handle_data_pipe_answer(
        &mut self,
        (id, to): (DataProducerId, PlaceId),
        is_made: bool,
        effects: &mut Vec<Effect>,
    ) {
        if !is_made {
            return self.handle_no_data_pipe(id, to, effects);
        }
        let producer = self.data_producers.get_mut(&id);
        let Some(pipe) = producer.and_then(|producer| producer.pipes.get_mut(&to)) else {
            return;
        };
        let stage = std::mem::replace(&mut pipe.stage, DataPipeStage::Open);
        if let DataPipeStage::Opening(_, waiting) = stage {
            for (consumer, request) in waiting {
                self.request_data_consumer(to, consumer, request, effects);
            }
        }
    }

    /// One half or both could not be made: what was made goes, and those who wait get another attempt or nothing.
    fn handle_no_data_pipe(&mut self, id: DataProducerId, to: PlaceId, effects: &mut Vec<Effect>) {
        let Some(pipe) = self.close_data_pipe(id, to, effects) else {
            return;
        };
        let DataPipeStage::Opening(_, mut waiting) = pipe.stage else {
            return;
        };
        waiting.retain(|(consumer, _)| self.data_consumers.contains_key(consumer));
        let failures = pipe.failures + 1;
        if failures < ATTEMPTS && !waiting.is_empty() {
            return self.open_data_pipe(id, to, (waiting, failures), effects);
        }
        for (consumer, _) in waiting {
            self.forget_data_consumer(consumer);
        }
    }

    /// Takes a pipe out of the books and closes both its ends, made or not. Its data consumers are the caller's to forget.
    pub(super) fn close_data_pipe(
        &mut self,
        id: DataProducerId,
        to: PlaceId,
        effects: &mut Vec<Effect>,
    ) -> Option<DataPipe> {
        let producer = self.data_producers.get_mut(&id)?;
        let from = producer.place;
        let pipe = producer.pipes.remove(&to)?;
        let data_consumer = pipe.consumer;
        if let Some(from) = from {
            self.tell_worker(from, Request::CloseDataConsumer { data_consumer }, effects);
        }
        self.release_inlet(PipeSource::DataProducer(id));
        self.close_far_data_end(id, to, &pipe, effects);
        Some(pipe)
    }

    /// What is left to do of closing a pipe whose data producer is closed, with all its data consumers at that place.
    pub(super) fn close_far_data_end(
        &mut self,
        data_producer: DataProducerId,
        to: PlaceId,
        pipe: &DataPipe,
        effects: &mut Vec<Effect>,
    ) {
        if let DataPipeStage::Opening(op, _) = pipe.stage {
            self.ops.remove(&op);
        }
        self.tell_worker(to, Request::CloseDataProducer { data_producer }, effects);
    }

    /// A data consumer behind a pipe is gone.
    pub(super) fn release_data_pipe(&mut self, id: DataProducerId, place: PlaceId) {
        let origin = self.data_producers.get_mut(&id);
        if let Some(pipe) = origin.and_then(|origin| origin.pipes.get_mut(&place)) {
            pipe.consumers = pipe.consumers.saturating_sub(1);
            if pipe.consumers == 0 {
                self.idle_data_pipes.push((id, place));
            }
        }
    }

    /// Closes pipes that nobody needs any more, when the command at hand has been carried out to its end.
    pub(super) fn close_idle_data_pipes(&mut self, effects: &mut Vec<Effect>) {
        for (id, place) in std::mem::take(&mut self.idle_data_pipes) {
            let origin = self.data_producers.get(&id);
            let pipe = origin.and_then(|origin| origin.pipes.get(&place));
            if pipe.is_some_and(|pipe| pipe.consumers == 0) {
                self.close_data_pipe(id, place, effects);
            }
        }
    }
}
