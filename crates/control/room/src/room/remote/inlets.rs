//! What comes from other nodes. It is asked for with the first consumer here, comes in once, at the place of that consumer,
//! and is brought to other places of this part over pipes as if it came in there. It ends some time after the last consumer
//! (messages: at once), as pipes do.

mod changes;

use std::time::{Duration, Instant};

use plenum_api::error::ErrorKind;
use plenum_ids::ProducerId;
use plenum_ipc::message::Request;

use crate::{
    command::PlaceId,
    effect::{Effect, OpId},
    remote::{
        FarEnd, HeldPipe, HostWords, NodeFailure, NodeKey, NodeReply, NodeRequest, OpenPipe,
        PipeOffer, PipeSource, PipeStreams, check_offer,
    },
    room::{
        Room,
        pipes::{ATTEMPTS, LINGER},
        remote::Sink,
    },
    state::{Op, Timer},
    view::FromNodeView,
};

/// A node that does not answer is asked again after a quarter of a second, and then twice as long each time: most of what
/// fails once is a connection between nodes that is being made.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// A node that nobody can reach is believed dead after three seconds; until then there is no use in asking often.
const MAX_RETRY: Duration = Duration::from_secs(4);

/// Something of another node on its way here, or here.
#[derive(Debug)]
pub(super) struct Inlet {
    /// Where it is taken from: its owner's node, or one that takes it itself.
    node: NodeKey,
    /// Over how many nodes it gets here, besides its owner's.
    hops: u8,
    /// Its number, which is never used twice.
    pipe: u64,
    /// Where it comes in.
    place: PlaceId,
    stage: Stage,
    /// What the worker was told of the producer.
    paused: bool,
    /// Which of its streams are wanted here.
    wanted: Vec<bool>,
    /// When it ends unless somebody needs it again.
    closes_at: Option<Instant>,
    /// When it is asked for again.
    retry_at: Option<Instant>,
    failures: u8,
}

type Waiting = Vec<(PlaceId, Sink, Request)>;

#[derive(Debug)]
enum Stage {
    /// The other node makes its end; these are asked for when ours is there.
    Asked(OpId, Waiting),
    /// The worker makes our end.
    Making(OpId, Waiting),
    /// It is asked for again in some time.
    Failed(Waiting),
    Open,
}

impl Inlet {
    /// Over how many nodes it gets here, this one included.
    pub(super) const fn depth(&self) -> u8 {
        self.hops.saturating_add(1)
    }

    pub(super) fn view(&self, producer_id: ProducerId) -> FromNodeView {
        FromNodeView {
            producer_id,
            node: self.node.node.clone(),
            hops: self.depth(),
        }
    }

    /// What the other node is to keep for it; nothing if it is asked for anew.
    pub(super) fn held(&self) -> Option<HeldPipe> {
        let is_open = match self.stage {
            Stage::Failed(_) => return None,
            Stage::Asked(..) | Stage::Making(..) => false,
            Stage::Open => true,
        };
        Some(HeldPipe {
            node: self.node.clone(),
            pipe: self.pipe,
            wanted: if is_open {
                self.wanted.clone()
            } else {
                Vec::new()
            },
        })
    }

    const fn waiting(&mut self) -> Option<&mut Waiting> {
        match &mut self.stage {
            Stage::Asked(_, waiting) | Stage::Making(_, waiting) | Stage::Failed(waiting) => {
                Some(waiting)
            }
            Stage::Open => None,
        }
    }
}

impl Room {
    /// Asks for a consumer of something of another node when that has got here.
    pub(in crate::room) fn consume_far(
        &mut self,
        (source, place): (PipeSource, PlaceId),
        (sink, request): (Sink, Request),
        effects: &mut Vec<Effect>,
    ) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        if let Some(inlet) = remote.inlets.get_mut(&source) {
            if let Some(due) = inlet.closes_at.take() {
                self.timers.remove(&(due, Timer::Inlet(source)));
            }
            if let Some(waiting) = inlet.waiting() {
                waiting.push((place, sink, request));
            }
            return;
        }
        let waiting = vec![(place, sink, request)];
        self.ask_inlet(source, place, (waiting, 0), effects);
    }

    fn ask_inlet(
        &mut self,
        source: PipeSource,
        place: PlaceId,
        (waiting, failures): (Waiting, u8),
        effects: &mut Vec<Effect>,
    ) {
        if let Some((node, ..)) = self.far_source(source) {
            self.ask_inlet_of((node, 0), (source, place), (waiting, failures), effects);
        }
    }

    fn ask_inlet_of(
        &mut self,
        (node, hops): (NodeKey, u8),
        (source, place): (PipeSource, PlaceId),
        (waiting, failures): (Waiting, u8),
        effects: &mut Vec<Effect>,
    ) {
        let Some((_, streams, paused)) = self.far_source(source) else {
            return;
        };
        let Some(remote) = &mut self.remote else {
            return;
        };
        let op = OpId(self.next_op);
        self.next_op += 1;
        self.ops.insert(op, Op::AskInlet(source));
        let pipe = remote.next_pipe;
        remote.next_pipe += 1;
        effects.push(Effect::AskNode {
            op,
            node: node.clone(),
            request: NodeRequest::OpenPipe(OpenPipe {
                life: remote.life,
                pipe,
                source,
                place,
                hops,
                near: Vec::new(),
                failures,
                end: HostWords::default(),
            }),
        });
        let inlet = Inlet {
            node,
            hops,
            pipe,
            place,
            stage: Stage::Asked(op, waiting),
            paused,
            wanted: vec![true; streams],
            closes_at: None,
            retry_at: None,
            failures,
        };
        remote.inlets.insert(source, inlet);
    }

    /// Which node has it, how many streams it has, and whether it is paused.
    fn far_source(&self, source: PipeSource) -> Option<(NodeKey, usize, bool)> {
        let (session, streams, paused) = match source {
            PipeSource::Producer(id) => {
                let producer = self.producers.get(&id)?;
                let streams = producer.consumable.encodings.len();
                (producer.session, streams, producer.paused)
            }
            PipeSource::DataProducer(id) => (self.data_producers.get(&id)?.session?, 1, false),
        };
        let shown = self.remote.as_ref()?.shown.get(&session)?;
        Some((shown.node.clone(), streams, paused))
    }

    /// The other node has made its end, or not.
    pub(super) fn handle_inlet_answer(
        &mut self,
        now: Instant,
        source: PipeSource,
        result: Result<NodeReply, NodeFailure>,
        effects: &mut Vec<Effect>,
    ) {
        match result {
            Ok(NodeReply::Pipe { offer }) if fits(source, &offer) => {
                self.make_far_end(now, source, offer, effects);
            }
            Ok(NodeReply::Elsewhere { node }) if self.is_known(&node) => {
                self.ask_elsewhere(source, node, effects);
            }
            // It is a node that has not been heard of yet.
            Ok(NodeReply::Elsewhere { .. }) => {
                self.handle_no_inlet(now, source, &NodeFailure::Lost, effects);
            }
            Ok(_) => {
                let error = NodeFailure::Refused {
                    code: ErrorKind::Internal.code(),
                    reason: String::new(),
                };
                self.handle_no_inlet(now, source, &error, effects);
            }
            Err(failure) => self.handle_no_inlet(now, source, &failure, effects),
        }
    }

    fn is_known(&self, node: &NodeKey) -> bool {
        let remote = self.remote.as_ref();
        remote.is_some_and(|remote| remote.parts.contains_key(node))
    }

    /// The other node gives it to enough others, of which one is asked.
    fn ask_elsewhere(&mut self, source: PipeSource, node: NodeKey, effects: &mut Vec<Effect>) {
        let remote = self.remote.as_mut();
        let Some(mut inlet) = remote.and_then(|it| it.inlets.remove(&source)) else {
            return;
        };
        let waiting = inlet.waiting().map(std::mem::take).unwrap_or_default();
        let to = (node, inlet.hops.saturating_add(1));
        let failures = inlet.failures;
        let closes_at = inlet.closes_at;
        self.ask_inlet_of(to, (source, inlet.place), (waiting, failures), effects);
        let remote = self.remote.as_mut();
        if let Some(inlet) = remote.and_then(|it| it.inlets.get_mut(&source)) {
            inlet.closes_at = closes_at;
        }
    }

    fn make_far_end(
        &mut self,
        now: Instant,
        source: PipeSource,
        offer: Box<PipeOffer>,
        effects: &mut Vec<Effect>,
    ) {
        let Some((_, _, paused)) = self.far_source(source) else {
            return;
        };
        let remote = self.remote.as_mut();
        let Some(inlet) = remote.and_then(|it| it.inlets.get_mut(&source)) else {
            return;
        };
        let Some(router) = self.places.get(&inlet.place).map(|it| it.router) else {
            return self.handle_no_inlet(now, source, &NodeFailure::Lost, effects);
        };
        let op = OpId(self.next_op);
        self.next_op += 1;
        self.ops.insert(op, Op::OpenInlet(source));
        let waiting = inlet.waiting().map(std::mem::take);
        inlet.stage = Stage::Making(op, waiting.unwrap_or_default());
        inlet.paused = paused;
        effects.push(Effect::OpenFarEnd {
            op,
            pipe: Box::new(FarEnd {
                node: inlet.node.clone(),
                source,
                place: inlet.place,
                router,
                paused,
                offer,
            }),
        });
    }

    /// The worker has made our end, or not.
    pub(in crate::room) fn handle_far_end(
        &mut self,
        now: Instant,
        source: PipeSource,
        is_made: bool,
        effects: &mut Vec<Effect>,
    ) {
        if !is_made {
            let failure = NodeFailure::Refused {
                code: ErrorKind::Unavailable.code(),
                reason: String::new(),
            };
            return self.handle_no_inlet(now, source, &failure, effects);
        }
        let Some(remote) = &mut self.remote else {
            return;
        };
        let Some(inlet) = remote.inlets.get_mut(&source) else {
            return;
        };
        let waiting = inlet.waiting().map(std::mem::take).unwrap_or_default();
        inlet.stage = Stage::Open;
        let (place, node) = (inlet.place, inlet.node.clone());
        let request = NodeRequest::WantStreams {
            life: remote.life,
            pipe: inlet.pipe,
            wanted: inlet.wanted.clone(),
        };
        effects.push(Effect::TellNode { node, request });
        self.set_entry(source, Some(place));
        if let PipeSource::Producer(id) = source {
            let paused = self.producers.get(&id).is_some_and(|it| it.paused);
            self.tell_inlet_paused(id, paused, effects);
            self.tell_inlet_scores(id, effects);
        }
        for (at, sink, request) in waiting {
            self.consume_waiting(source, (at, place), (sink, request), effects);
        }
    }

    /// It is here: what waited for it is made, at this place or over a pipe to another one.
    fn consume_waiting(
        &mut self,
        source: PipeSource,
        (at, entry): (PlaceId, PlaceId),
        (sink, request): (Sink, Request),
        effects: &mut Vec<Effect>,
    ) {
        match (source, sink) {
            (PipeSource::Producer(id), Sink::Media(consumer))
                if self.consumers.contains_key(&consumer) =>
            {
                if at == entry {
                    self.request_consumer(at, consumer, request, effects);
                } else {
                    self.consume_piped((id, at), consumer, request, effects);
                }
            }
            (PipeSource::DataProducer(id), Sink::Data(consumer))
                if self.data_consumers.contains_key(&consumer) =>
            {
                if at == entry {
                    self.request_data_consumer(at, consumer, request, effects);
                } else {
                    self.consume_piped_data((id, at), consumer, request, effects);
                }
            }
            _ => {}
        }
    }

    /// One end or both could not be made: what was made goes, and those who wait get another attempt later, or nothing.
    fn handle_no_inlet(
        &mut self,
        now: Instant,
        source: PipeSource,
        failure: &NodeFailure,
        effects: &mut Vec<Effect>,
    ) {
        let Some(mut inlet) = self.end_inlet(source, effects) else {
            return;
        };
        let mut waiting = inlet.waiting().map(std::mem::take).unwrap_or_default();
        waiting.retain(|(_, sink, _)| self.is_awaited(*sink));
        let failures = inlet.failures.saturating_add(1);
        let owner = self.far_source(source).map(|(node, ..)| node);
        let may_help = match failure {
            NodeFailure::Lost => true,
            NodeFailure::Refused { code, .. } => {
                // Who takes it itself may have lost it.
                let is_gone = *code == ErrorKind::NotFound.code();
                let is_full = *code == ErrorKind::TooMany.code();
                is_full || owner.as_ref() != Some(&inlet.node) || !is_gone && failures < ATTEMPTS
            }
        };
        let is_there = self.places.contains_key(&inlet.place);
        let due = now.checked_add(backoff(failures));
        if let (true, false, true, Some(due)) = (may_help, waiting.is_empty(), is_there, due)
            && let Some(remote) = &mut self.remote
        {
            inlet.stage = Stage::Failed(waiting);
            inlet.failures = failures;
            inlet.retry_at = Some(due);
            self.timers.insert((due, Timer::Retry(source)));
            remote.inlets.insert(source, inlet);
            return;
        }
        for (_, sink, _) in waiting {
            self.forget_sink(sink);
        }
    }

    pub(in crate::room) fn handle_retry(&mut self, source: PipeSource, effects: &mut Vec<Effect>) {
        let remote = self.remote.as_mut();
        let Some(mut inlet) = remote.and_then(|it| it.inlets.remove(&source)) else {
            return;
        };
        if let Some(due) = inlet.closes_at {
            self.timers.remove(&(due, Timer::Inlet(source)));
        }
        let mut waiting = inlet.waiting().map(std::mem::take).unwrap_or_default();
        waiting.retain(|(_, sink, _)| self.is_awaited(*sink));
        if !waiting.is_empty() {
            self.ask_inlet(source, inlet.place, (waiting, inlet.failures), effects);
        }
    }

    fn is_awaited(&self, sink: Sink) -> bool {
        match sink {
            Sink::Media(id) => self.consumers.contains_key(&id),
            Sink::Data(id) => self.data_consumers.contains_key(&id),
        }
    }

    fn forget_sink(&mut self, sink: Sink) {
        match sink {
            Sink::Media(id) => drop(self.forget_consumer(id)),
            Sink::Data(id) => drop(self.forget_data_consumer(id)),
        }
    }

    /// Takes something of another node out of the books and closes both its ends, made or not. Its consumers are the
    /// caller's to forget.
    pub(in crate::room) fn close_inlet(&mut self, source: PipeSource, effects: &mut Vec<Effect>) {
        self.end_inlet(source, effects);
    }

    fn end_inlet(&mut self, source: PipeSource, effects: &mut Vec<Effect>) -> Option<Inlet> {
        let remote = self.remote.as_mut()?;
        let mut inlet = remote.inlets.remove(&source)?;
        let life = remote.life;
        self.set_entry(source, None);
        if let Some(due) = inlet.closes_at.take() {
            self.timers.remove(&(due, Timer::Inlet(source)));
        }
        if let Some(due) = inlet.retry_at.take() {
            self.timers.remove(&(due, Timer::Retry(source)));
        }
        self.lose_feeds(source, effects);
        let is_made = match &inlet.stage {
            Stage::Asked(op, _) => {
                self.ops.remove(op);
                false
            }
            Stage::Making(op, _) => {
                self.ops.remove(op);
                true
            }
            Stage::Failed(_) => return Some(inlet),
            Stage::Open => true,
        };
        if is_made {
            let request = match source {
                PipeSource::Producer(producer) => Request::CloseProducer { producer },
                PipeSource::DataProducer(data_producer) => {
                    Request::CloseDataProducer { data_producer }
                }
            };
            self.tell_worker(inlet.place, request, effects);
        }
        // Whether its part is known or not: a later one of the same node may have made its end before it was heard of.
        effects.push(Effect::TellNode {
            node: inlet.node.clone(),
            request: NodeRequest::ClosePipe {
                life,
                pipe: inlet.pipe,
            },
        });
        Some(inlet)
    }

    /// Where it comes in here, from now on.
    fn set_entry(&mut self, source: PipeSource, place: Option<PlaceId>) {
        match source {
            PipeSource::Producer(id) => {
                let producer = self.producers.get_mut(&id).filter(|it| it.is_far());
                if let Some(producer) = producer {
                    producer.place = place;
                }
            }
            PipeSource::DataProducer(id) => {
                let producer = self.data_producers.get_mut(&id).filter(|it| it.is_far());
                if let Some(producer) = producer {
                    producer.place = place;
                }
            }
        }
    }

    /// A consumer or a pipe of something is gone.
    pub(in crate::room) fn release_inlet(&mut self, source: PipeSource) {
        if let Some(remote) = &mut self.remote
            && remote.inlets.contains_key(&source)
        {
            remote.idle.insert(source);
        }
    }

    /// Gives what nobody here needs any more its time, when the command at hand has been carried out to its end.
    pub(in crate::room) fn note_idle_inlets(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Some(remote) = &mut self.remote else {
            return;
        };
        for source in std::mem::take(&mut remote.idle) {
            if self.is_needed(source) {
                continue;
            }
            if matches!(source, PipeSource::DataProducer(_)) {
                self.close_inlet(source, effects);
                continue;
            }
            let remote = self.remote.as_mut();
            let inlet = remote.and_then(|it| it.inlets.get_mut(&source));
            let inlet = inlet.filter(|inlet| inlet.closes_at.is_none());
            if let (Some(inlet), Some(due)) = (inlet, now.checked_add(LINGER)) {
                inlet.closes_at = Some(due);
                self.timers.insert((due, Timer::Inlet(source)));
            }
        }
    }

    fn is_needed(&self, source: PipeSource) -> bool {
        let remote = self.remote.as_ref();
        if remote.is_some_and(|remote| remote.fed.contains_key(&source)) {
            return true;
        }
        match source {
            PipeSource::Producer(id) => {
                let producer = self.producers.get(&id);
                producer.is_some_and(|it| !it.consumers.is_empty() || !it.pipes.is_empty())
            }
            PipeSource::DataProducer(id) => {
                let producer = self.data_producers.get(&id);
                producer.is_some_and(|it| !it.consumers.is_empty() || !it.pipes.is_empty())
            }
        }
    }

    pub(in crate::room) fn handle_inlet_timer(
        &mut self,
        source: PipeSource,
        effects: &mut Vec<Effect>,
    ) {
        let remote = self.remote.as_mut();
        if let Some(inlet) = remote.and_then(|it| it.inlets.get_mut(&source)) {
            inlet.closes_at = None;
            if !self.is_needed(source) {
                self.close_inlet(source, effects);
            }
        }
    }
}

#[cfg(test)]
impl Room {
    /// What waits for something of another node.
    pub(in crate::room) fn waiting_sinks(&self) -> Vec<Sink> {
        let inlets = self.remote.iter().flat_map(|it| it.inlets.values());
        let waiting = inlets.filter_map(|inlet| match &inlet.stage {
            Stage::Asked(_, waiting) | Stage::Making(_, waiting) | Stage::Failed(waiting) => {
                Some(waiting)
            }
            Stage::Open => None,
        });
        waiting.flatten().map(|(_, sink, _)| *sink).collect()
    }
}

fn backoff(failures: u8) -> Duration {
    let doubled = u32::from(failures.saturating_sub(1)).min(8);
    FIRST_RETRY.saturating_mul(1 << doubled).min(MAX_RETRY)
}

fn fits(source: PipeSource, offer: &PipeOffer) -> bool {
    let is_same = matches!(
        (source, &offer.streams),
        (PipeSource::Producer(_), PipeStreams::Media(_))
            | (PipeSource::DataProducer(_), PipeStreams::Data(_))
    );
    is_same && check_offer(offer).is_ok()
}
