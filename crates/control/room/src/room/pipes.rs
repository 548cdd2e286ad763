//! Producers at places where they do not come in. A pipe is opened for the first consumer there, serves all, and is closed
//! some time after the last one.

use std::time::{Duration, Instant};

use plenum_ids::{ConsumerId, ProducerId};
use plenum_ipc::message::Request;
use plenum_params::{media::MAX_STREAMS, rtp_parameters::RtpParameters};

use crate::{
    command::PlaceId,
    effect::{Effect, OpId, PipeRequest},
    remote::PipeSource,
    room::Room,
    state::{Op, Pipe, PipeStage, PipeStream, Timer},
};

/// Somebody who reloads the page is back sooner, and finds the pipe. Meanwhile nothing flows through it, as nobody wants it.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// A trunk may have broken under the first attempt, with a worker that is replaced.
pub(super) const ATTEMPTS: u8 = 3;

impl Room {
    /// Asks for a consumer at a place where the producer does not come in, now or when it has got there.
    pub(super) fn consume_piped(
        &mut self,
        (producer, place): (ProducerId, PlaceId),
        consumer: ConsumerId,
        request: Request,
        effects: &mut Vec<Effect>,
    ) {
        let Some(origin) = self.producers.get_mut(&producer) else {
            return;
        };
        if let Some(pipe) = origin.pipes.get_mut(&place) {
            pipe.consumers += 1;
            let timer = pipe.closes_at.take();
            match &mut pipe.stage {
                PipeStage::Opening(_, waiting) => waiting.push((consumer, request)),
                PipeStage::Open => self.request_consumer(place, consumer, request, effects),
            }
            if let Some(due) = timer {
                self.timers.remove(&(due, Timer::Pipe(producer, place)));
            }
            return;
        }
        let waiting = vec![(consumer, request)];
        self.open_pipe(producer, place, (waiting, 0), effects);
    }

    fn open_pipe(
        &mut self,
        id: ProducerId,
        to: PlaceId,
        (waiting, failures): (Vec<(ConsumerId, Request)>, u8),
        effects: &mut Vec<Effect>,
    ) {
        let count = self.producers.get(&id).map_or(0, |producer| {
            producer.consumable.encodings.len().min(MAX_STREAMS)
        });
        let streams: Vec<_> = (0..count)
            .map(|_| ConsumerId::from_u128(self.fresh_id()))
            .collect();
        let router = self.places.get(&to).map(|place| place.router);
        let producer = self.producers.get_mut(&id);
        let origin = producer.and_then(|it| Some((it.place?, it)));
        let (Some(router), Some((from, producer))) = (router, origin) else {
            return;
        };
        let op = OpId(self.next_op);
        self.next_op += 1;
        self.ops.insert(op, Op::OpenPipe(id, to));
        effects.push(Effect::OpenPipe {
            op,
            pipe: Box::new(PipeRequest {
                producer: id,
                from,
                to,
                router,
                kind: producer.kind,
                consumable: RtpParameters::clone(&producer.consumable),
                paused: producer.paused,
                streams: streams.clone(),
            }),
        });
        let stream = |consumer| PipeStream {
            consumer,
            wanted: true,
        };
        let pipe = Pipe {
            consumers: waiting.len(),
            stage: PipeStage::Opening(op, waiting),
            streams: streams.into_iter().map(stream).collect(),
            paused: producer.paused,
            closes_at: None,
            failures,
        };
        producer.pipes.insert(to, pipe);
        self.tell_origin_scores(id, to, effects);
    }

    /// Consumers behind a pipe hear how well the producer comes in, and not how well the trunk does.
    pub(super) fn tell_origin_scores(
        &self,
        id: ProducerId,
        to: PlaceId,
        effects: &mut Vec<Effect>,
    ) {
        let Some(producer) = self.producers.get(&id) else {
            return;
        };
        let highest = producer.scores.iter().map(|score| score.encoding_index);
        let Some(highest) = highest.max() else {
            return;
        };
        let mut scores = vec![0; usize::from(highest) + 1];
        for encoding in &producer.scores {
            scores[usize::from(encoding.encoding_index)] = encoding.score;
        }
        let request = Request::SetOriginScores {
            producer: id,
            scores,
        };
        self.tell_worker(to, request, effects);
    }

    /// Tells the far ends of all pipes how well the producer comes in.
    pub(super) fn tell_pipes_scores(&self, id: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&id);
        for &to in producer.into_iter().flat_map(|it| it.pipes.keys()) {
            self.tell_origin_scores(id, to, effects);
        }
    }

    pub(super) fn handle_pipe_answer(
        &mut self,
        (id, to): (ProducerId, PlaceId),
        is_made: bool,
        effects: &mut Vec<Effect>,
    ) {
        if !is_made {
            return self.handle_no_pipe(id, to, effects);
        }
        let Some(producer) = self.producers.get_mut(&id) else {
            return;
        };
        let (from, paused) = (producer.place, producer.paused);
        let Some(pipe) = producer.pipes.get_mut(&to) else {
            return;
        };
        let stage = std::mem::replace(&mut pipe.stage, PipeStage::Open);
        let wanted = pipe.streams.iter().filter(|stream| stream.wanted);
        let wanted: Vec<_> = wanted.map(|stream| stream.consumer).collect();
        if let Some(from) = from {
            for consumer in wanted {
                self.tell_worker(from, Request::ResumeConsumer { consumer }, effects);
            }
        }
        self.tell_pipe_paused(id, to, paused, effects);
        if let PipeStage::Opening(_, waiting) = stage {
            for (consumer, request) in waiting {
                self.request_consumer(to, consumer, request, effects);
            }
        }
    }

    /// One half or both could not be made: what was made goes, and those who wait get another attempt or nothing.
    fn handle_no_pipe(&mut self, id: ProducerId, to: PlaceId, effects: &mut Vec<Effect>) {
        let Some(pipe) = self.close_pipe(id, to, effects) else {
            return;
        };
        let PipeStage::Opening(_, mut waiting) = pipe.stage else {
            return;
        };
        waiting.retain(|(consumer, _)| self.consumers.contains_key(consumer));
        let failures = pipe.failures + 1;
        if failures < ATTEMPTS && !waiting.is_empty() {
            return self.open_pipe(id, to, (waiting, failures), effects);
        }
        for (consumer, _) in waiting {
            self.forget_consumer(consumer);
        }
    }

    /// Takes a pipe out of the books and closes both its ends, made or not. Its consumers are the caller's to forget.
    pub(super) fn close_pipe(
        &mut self,
        id: ProducerId,
        to: PlaceId,
        effects: &mut Vec<Effect>,
    ) -> Option<Pipe> {
        let producer = self.producers.get_mut(&id)?;
        let from = producer.place;
        let pipe = producer.pipes.remove(&to)?;
        if let Some(from) = from {
            for stream in &pipe.streams {
                let consumer = stream.consumer;
                self.tell_worker(from, Request::CloseConsumer { consumer }, effects);
            }
        }
        self.close_far_end(id, to, &pipe, effects);
        self.release_inlet(PipeSource::Producer(id));
        Some(pipe)
    }

    /// What is left to do of closing a pipe whose producer is closed, with all its consumers at that place.
    pub(super) fn close_far_end(
        &mut self,
        producer: ProducerId,
        to: PlaceId,
        pipe: &Pipe,
        effects: &mut Vec<Effect>,
    ) {
        if let PipeStage::Opening(op, _) = pipe.stage {
            self.ops.remove(&op);
        }
        if let Some(due) = pipe.closes_at {
            self.timers.remove(&(due, Timer::Pipe(producer, to)));
        }
        self.tell_worker(to, Request::CloseProducer { producer }, effects);
    }

    /// A consumer behind a pipe is gone.
    pub(super) fn release_pipe(&mut self, producer: ProducerId, place: PlaceId) {
        let origin = self.producers.get_mut(&producer);
        if let Some(pipe) = origin.and_then(|origin| origin.pipes.get_mut(&place)) {
            pipe.consumers = pipe.consumers.saturating_sub(1);
            if pipe.consumers == 0 {
                self.idle_pipes.push((producer, place));
            }
        }
    }

    /// Gives pipes that nobody needs any more their time.
    pub(super) fn note_idle_pipes(&mut self, now: Instant) {
        for (producer, place) in std::mem::take(&mut self.idle_pipes) {
            let origin = self.producers.get_mut(&producer);
            let pipe = origin.and_then(|origin| origin.pipes.get_mut(&place));
            let Some(pipe) = pipe.filter(|pipe| pipe.consumers == 0 && pipe.closes_at.is_none())
            else {
                continue;
            };
            pipe.closes_at = now.checked_add(LINGER);
            if let Some(due) = pipe.closes_at {
                self.timers.insert((due, Timer::Pipe(producer, place)));
            }
        }
    }

    pub(super) fn handle_pipe_timer(
        &mut self,
        producer: ProducerId,
        place: PlaceId,
        effects: &mut Vec<Effect>,
    ) {
        self.close_pipe(producer, place, effects);
    }

    /// A place is going: nothing leads there any more.
    pub(super) fn close_pipes_to(&mut self, place: PlaceId, effects: &mut Vec<Effect>) {
        let producers = self.producers.iter();
        let piped: Vec<_> = producers
            .filter(|(_, producer)| producer.pipes.contains_key(&place))
            .map(|(id, _)| *id)
            .collect();
        for producer in piped {
            self.close_pipe(producer, place, effects);
        }
    }

    /// The far end says which streams are wanted there.
    pub(super) fn handle_pipe_demand(
        &mut self,
        id: ProducerId,
        place: PlaceId,
        streams: &[bool],
        effects: &mut Vec<Effect>,
    ) {
        let Some(producer) = self.producers.get_mut(&id) else {
            return;
        };
        let from = producer.place;
        let (Some(from), Some(pipe)) = (from, producer.pipes.get_mut(&place)) else {
            return;
        };
        let is_open = matches!(pipe.stage, PipeStage::Open);
        let mut requests = PipeStream::set_wanted(&mut pipe.streams, streams);
        if !is_open {
            // The worker is told all of it when the pipe is there.
            requests.clear();
        }
        for request in requests {
            self.tell_worker(from, request, effects);
        }
    }

    /// Tells the far ends of all pipes that the producer was paused or resumed.
    pub(super) fn tell_pipes_paused(
        &mut self,
        id: ProducerId,
        paused: bool,
        effects: &mut Vec<Effect>,
    ) {
        let producer = self.producers.get(&id);
        let places: Vec<_> = producer
            .into_iter()
            .flat_map(|it| it.pipes.keys())
            .collect();
        for to in places.into_iter().copied().collect::<Vec<_>>() {
            self.tell_pipe_paused(id, to, paused, effects);
        }
    }

    /// Those that are being opened are told when they are open.
    fn tell_pipe_paused(
        &mut self,
        producer: ProducerId,
        to: PlaceId,
        paused: bool,
        effects: &mut Vec<Effect>,
    ) {
        let origin = self.producers.get_mut(&producer);
        let Some(pipe) = origin.and_then(|origin| origin.pipes.get_mut(&to)) else {
            return;
        };
        if !matches!(pipe.stage, PipeStage::Open) || pipe.paused == paused {
            return;
        }
        pipe.paused = paused;
        let request = if paused {
            Request::PauseProducer { producer }
        } else {
            Request::ResumeProducer { producer }
        };
        self.tell_worker(to, request, effects);
    }
}
