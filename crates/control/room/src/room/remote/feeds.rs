//! What other nodes take from here: for each pipe, the pipe consumers at the place where its producer comes in.

use std::collections::BTreeSet;

use plenum_api::error::ErrorKind;
use plenum_ids::{ConsumerId, DataConsumerId};
use plenum_ipc::message::Request;
use plenum_params::{media::MAX_STREAMS, rtp_parameters::RtpParameters};

use crate::{
    command::{Audience, PlaceId, WorkerFailure},
    effect::{Effect, OpId, RoomError},
    remote::{
        HeldPipe, NearEnd, NodeAskId, NodeFailure, NodeKey, NodeReply, NodeRequest, OpenPipe,
        PipeMedium, PipeOffer, PipeSource,
    },
    room::{Room, answers::refusal, remote::inlets::Inlet},
    state::{FeedKey, Op, PipeStream, Presence},
};

/// From whom a node that asks gets something.
enum Giver {
    /// From this one.
    Here,
    /// From one that takes it from here.
    Other(NodeKey),
    /// From nobody now: there is room nowhere below, or nobody there has it yet.
    Nobody,
}

/// A pipe to another node.
#[derive(Debug)]
pub(super) struct Feed {
    source: PipeSource,
    /// Where the producer comes in.
    place: PlaceId,
    /// The worker makes it, and who asked for it waits.
    opening: Option<(OpId, NodeAskId)>,
    ends: Ends,
}

#[derive(Debug)]
enum Ends {
    Media(Vec<PipeStream>),
    Data(DataConsumerId),
}

#[cfg(test)]
impl Room {
    /// The pipe consumers of feeds at a place, and whether they run.
    pub(in crate::room) fn feed_streams(&self, place: PlaceId) -> Vec<(ConsumerId, bool)> {
        let feeds = self.remote.iter().flat_map(|it| it.feeds.values());
        let streams = feeds.filter(|feed| feed.place == place);
        let streams = streams.flat_map(|feed| match &feed.ends {
            Ends::Media(streams) => streams.as_slice(),
            Ends::Data(_) => &[],
        });
        streams.map(|it| (it.consumer, it.wanted)).collect()
    }

    /// The same for messages.
    pub(in crate::room) fn feed_readers(&self, place: PlaceId) -> Vec<DataConsumerId> {
        let feeds = self.remote.iter().flat_map(|it| it.feeds.values());
        let readers = feeds.filter(|feed| feed.place == place);
        let readers = readers.filter_map(|feed| match feed.ends {
            Ends::Data(consumer) => Some(consumer),
            Ends::Media(_) => None,
        });
        readers.collect()
    }
}

impl Feed {
    pub(super) const fn source(&self) -> PipeSource {
        self.source
    }
}

impl Room {
    /// Another part asks for something that comes in here.
    pub(super) fn open_feed(
        &mut self,
        ask: NodeAskId,
        node: &NodeKey,
        open: OpenPipe,
        effects: &mut Vec<Effect>,
    ) {
        if !self.is_part_known(node, open.life) {
            // It may have ended while this was on its way, and nobody would say so once more: what it takes would be given for ever.
            let result = Err(NodeFailure::Lost);
            effects.push(Effect::AnswerNode { ask, result });
            return effects.push(Effect::LookAt { node: node.clone() });
        }
        let key = (node.clone(), open.life, open.pipe);
        let is_taken = self
            .remote
            .as_ref()
            .is_none_or(|it| it.feeds.contains_key(&key));
        let made = match self.giver(node, &open) {
            Giver::Other(node) => {
                let result = Ok(NodeReply::Elsewhere { node });
                return effects.push(Effect::AnswerNode { ask, result });
            }
            Giver::Nobody => {
                let reason = "enough others take it from here, and from those";
                Err(RoomError::new(ErrorKind::TooMany, reason))
            }
            Giver::Here if is_taken => {
                let reason = "there is a pipe of this number";
                Err(RoomError::new(ErrorKind::Conflict, reason))
            }
            Giver::Here => self.new_feed(open.source),
        };
        let (place, ends, medium) = match made {
            Ok(made) => made,
            Err(error) => {
                let result = Err(NodeFailure::refused(&error));
                return effects.push(Effect::AnswerNode { ask, result });
            }
        };
        let op = OpId(self.next_op);
        self.next_op += 1;
        self.ops.insert(op, Op::OpenFeed(key.clone()));
        let source = open.source;
        effects.push(Effect::OpenNearEnd {
            op,
            pipe: Box::new(NearEnd {
                node: node.clone(),
                end: open.end,
                from: place,
                medium,
            }),
        });
        if let Some(remote) = &mut self.remote {
            let opening = Some((op, ask));
            let feed = Feed {
                source,
                place,
                opening,
                ends,
            };
            remote.fed.entry(source).or_default().insert(key.clone());
            remote.feeds.insert(key, feed);
        }
    }

    fn is_part_known(&self, node: &NodeKey, life: u64) -> bool {
        let remote = self.remote.as_ref();
        let part = remote.and_then(|it| it.parts.get(node));
        part.is_some_and(|part| part.life == Some(life))
    }

    /// Who gives something to another node. What is asked for goes down from its owner's node to one that has room, so
    /// that those who take it are a tree, of which each knows those below itself: as many as it gives it to, and no
    /// deeper than it may be. Nothing takes it in a circle: who gives it has it, and who loses it takes it from all below.
    fn giver(&mut self, asker: &NodeKey, open: &OpenPipe) -> Giver {
        let (fan_out, most) = (self.config.fan_out.max(1), self.config.depth.max(1));
        let Some(remote) = &mut self.remote else {
            return Giver::Nobody;
        };
        let inlet = remote.inlets.get(&open.source);
        // As deep as it is, and no less deep than who asks believes.
        let depth = inlet.map_or(0, Inlet::depth).max(open.hops);
        let takers = remote.fed.get(&open.source);
        let able: Vec<_> = takers
            .into_iter()
            .flatten()
            .filter(|key| {
                let feed = remote.feeds.get(key);
                key.0 != *asker && feed.is_some_and(|feed| feed.opening.is_none())
            })
            .map(|(node, ..)| node)
            .collect();
        let may_go_on = depth.saturating_add(1) < most;
        let mut near = open.near.iter().filter(|_| may_go_on);
        let nearest = near.find_map(|near| able.iter().find(|it| it.node == *near));
        if let Some(nearest) = nearest {
            return Giver::Other((*nearest).clone());
        }
        if depth < most && takers.map_or(0, BTreeSet::len) < fan_out {
            return Giver::Here;
        }
        remote.turns = remote.turns.wrapping_add(1);
        let chosen = able.get(remote.turns % able.len().max(1));
        match chosen.filter(|_| may_go_on) {
            Some(chosen) => Giver::Other((*chosen).clone()),
            None => Giver::Nobody,
        }
    }

    fn new_feed(&mut self, source: PipeSource) -> Result<(PlaceId, Ends, PipeMedium), RoomError> {
        match source {
            PipeSource::Producer(id) => {
                let count = self
                    .producers
                    .get(&id)
                    .map_or(0, |it| it.consumable.encodings.len().min(MAX_STREAMS));
                let fresh = (0..count).map(|_| ConsumerId::from_u128(self.fresh_id()));
                let streams: Vec<_> = fresh.collect();
                let producer = self.producers.get(&id);
                let producer = producer.filter(|it| it.told);
                let found = producer.and_then(|it| Some((it.place?, it)));
                let (place, producer) =
                    found.ok_or_else(|| RoomError::not_found("producer", &id.to_string()))?;
                let medium = PipeMedium::Media {
                    producer: id,
                    kind: producer.kind,
                    consumable: Box::new(RtpParameters::clone(&producer.consumable)),
                    streams: streams.clone(),
                };
                let ends = streams.into_iter().map(|consumer| PipeStream {
                    consumer,
                    wanted: false,
                });
                Ok((place, Ends::Media(ends.collect()), medium))
            }
            PipeSource::DataProducer(id) => {
                let data_consumer = DataConsumerId::from_u128(self.fresh_id());
                let producer = self.data_producers.get(&id);
                let producer = producer.filter(|it| {
                    let is_there = it.presence == Presence::Confirmed;
                    is_there && it.session.is_some() && it.audience != Audience::Bot
                });
                let found = producer.and_then(|it| Some((it.place?, it.stream)));
                let (place, stream) =
                    found.ok_or_else(|| RoomError::not_found("dataProducer", &id.to_string()))?;
                let medium = PipeMedium::Data {
                    data_producer: id,
                    stream,
                    data_consumer,
                };
                Ok((place, Ends::Data(data_consumer), medium))
            }
        }
    }

    /// The host has made the near end, or not.
    pub(in crate::room) fn handle_offer(
        &mut self,
        op: OpId,
        result: Result<Box<PipeOffer>, WorkerFailure>,
        effects: &mut Vec<Effect>,
    ) {
        let key = match self.ops.remove(&op) {
            Some(Op::OpenFeed(key)) => key,
            // It answers what only others are asked, or nothing.
            Some(other) => return drop(self.ops.insert(op, other)),
            None => return,
        };
        let remote = self.remote.as_mut();
        let Some(feed) = remote.and_then(|it| it.feeds.get_mut(&key)) else {
            return;
        };
        let Some((_, ask)) = feed.opening.take() else {
            return;
        };
        let result = match result {
            Ok(offer) => Ok(NodeReply::Pipe { offer }),
            Err(failure) => {
                self.close_feed(&key, effects);
                Err(NodeFailure::refused(&refusal(failure)))
            }
        };
        effects.push(Effect::AnswerNode { ask, result });
    }

    /// Another part says which streams of a pipe are wanted there. If the pipe is gone meanwhile, it cannot know that.
    pub(super) fn want_streams(
        &mut self,
        key: FeedKey,
        wanted: &[bool],
        effects: &mut Vec<Effect>,
    ) {
        let remote = self.remote.as_ref();
        if remote.is_some_and(|remote| remote.feeds.contains_key(&key)) {
            return self.set_wanted(&key, wanted, effects);
        }
        let (node, life, pipe) = key;
        let request = NodeRequest::PipeGone { life, pipe };
        effects.push(Effect::TellNode { node, request });
    }

    fn set_wanted(&mut self, key: &FeedKey, wanted: &[bool], effects: &mut Vec<Effect>) {
        let remote = self.remote.as_mut();
        let feed = remote.and_then(|it| it.feeds.get_mut(key));
        let Some(feed) = feed.filter(|feed| feed.opening.is_none()) else {
            return;
        };
        let place = feed.place;
        let Ends::Media(streams) = &mut feed.ends else {
            return;
        };
        let requests = PipeStream::set_wanted(streams, wanted);
        for request in requests {
            self.tell_worker(place, request, effects);
        }
    }

    /// Another part needs a pipe no more.
    pub(super) fn close_feed(&mut self, key: &FeedKey, effects: &mut Vec<Effect>) {
        let Some(feed) = self.take_feed(key) else {
            return;
        };
        match feed.ends {
            Ends::Media(streams) => {
                for PipeStream { consumer, .. } in streams {
                    let request = Request::CloseConsumer { consumer };
                    self.tell_worker(feed.place, request, effects);
                }
            }
            Ends::Data(data_consumer) => {
                let request = Request::CloseDataConsumer { data_consumer };
                self.tell_worker(feed.place, request, effects);
            }
        }
        self.refuse_feed(feed.opening, effects);
    }

    fn take_feed(&mut self, key: &FeedKey) -> Option<Feed> {
        let remote = self.remote.as_mut()?;
        let feed = remote.feeds.remove(key)?;
        if let Some(pipes) = remote.fed.get_mut(&feed.source) {
            pipes.remove(key);
            if pipes.is_empty() {
                remote.fed.remove(&feed.source);
            }
        }
        self.release_inlet(feed.source);
        Some(feed)
    }

    /// Who waits for a pipe that is gone hears of it.
    fn refuse_feed(&mut self, opening: Option<(OpId, NodeAskId)>, effects: &mut Vec<Effect>) {
        if let Some((op, ask)) = opening {
            self.ops.remove(&op);
            let error = RoomError::new(ErrorKind::NotFound, "what was to be brought is gone");
            let result = Err(NodeFailure::refused(&error));
            effects.push(Effect::AnswerNode { ask, result });
        }
    }

    /// What was brought elsewhere is gone here, and its pipes with it: the worker closes what they consist of. Those who took
    /// it hear of it as everybody does.
    pub(in crate::room) fn forget_feeds(&mut self, source: PipeSource, effects: &mut Vec<Effect>) {
        let remote = self.remote.as_mut();
        let keys = remote.and_then(|it| it.fed.get(&source).cloned());
        for key in keys.into_iter().flatten() {
            if let Some(feed) = self.take_feed(&key) {
                self.refuse_feed(feed.opening, effects);
            }
        }
    }

    /// What is brought on from here comes here no more, and its pipes go with it: those who took it ask for it anew.
    pub(super) fn lose_feeds(&mut self, source: PipeSource, effects: &mut Vec<Effect>) {
        let remote = self.remote.as_mut();
        let keys = remote.and_then(|it| it.fed.get(&source).cloned());
        for key in keys.into_iter().flatten() {
            if let Some(feed) = self.take_feed(&key) {
                if feed.opening.is_none() {
                    let (node, life, pipe) = key;
                    let request = NodeRequest::PipeGone { life, pipe };
                    effects.push(Effect::TellNode { node, request });
                }
                self.refuse_feed(feed.opening, effects);
            }
        }
    }

    pub(super) fn close_feeds_of(&mut self, node: &NodeKey, effects: &mut Vec<Effect>) {
        let all = (node.clone(), 0, 0)..=(node.clone(), u64::MAX, u64::MAX);
        let remote = self.remote.as_ref();
        let feeds = remote
            .into_iter()
            .flat_map(|it| it.feeds.range(all.clone()));
        for key in feeds.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            self.close_feed(&key, effects);
        }
    }

    /// A part has said all that it takes: what it does not know of any more ends.
    pub(super) fn reconcile_feeds(
        &mut self,
        node: &NodeKey,
        (life, next_pipe): (u64, u64),
        held: &[HeldPipe],
        effects: &mut Vec<Effect>,
    ) {
        let Some(remote) = &self.remote else {
            return;
        };
        let own = remote.config.node.clone();
        let all = (node.clone(), 0, 0)..=(node.clone(), u64::MAX, u64::MAX);
        let keys: Vec<_> = remote
            .feeds
            .range(all)
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            let (_, of, number) = key;
            let mut ours = held.iter().filter(|it| it.node == own);
            match ours.find(|it| of == life && it.pipe == number) {
                Some(held) if !held.wanted.is_empty() => {
                    self.set_wanted(&key, &held.wanted, effects);
                }
                // It is still being made.
                Some(_) => {}
                None if of == life && number >= next_pipe => {}
                None => self.close_feed(&key, effects),
            }
        }
        // What it believes to have, and what is not here any more.
        let ours = held
            .iter()
            .filter(|it| it.node == own && !it.wanted.is_empty());
        for HeldPipe { pipe, .. } in ours {
            let remote = self.remote.as_ref();
            let key = (node.clone(), life, *pipe);
            if remote.is_some_and(|remote| !remote.feeds.contains_key(&key)) {
                effects.push(Effect::TellNode {
                    node: node.clone(),
                    request: NodeRequest::PipeGone { life, pipe: *pipe },
                });
            }
        }
    }
}
