//! What happens to things of other nodes while they are here: they are paused, wanted in part, come in better or worse, and
//! at other places.

use plenum_ids::ProducerId;
use plenum_ipc::message::Request;

use crate::{
    command::PlaceId,
    effect::Effect,
    remote::{NodeKey, NodeRequest, PipeSource},
    room::{
        Room,
        remote::inlets::{Inlet, Stage},
    },
};

impl Room {
    /// A place is going. What came in there for others comes in elsewhere: their consumers are made anew.
    pub(in crate::room) fn move_inlets(&mut self, place: PlaceId, effects: &mut Vec<Effect>) {
        let inlets = self.remote.iter().flat_map(|remote| &remote.inlets);
        let there = inlets.filter(|(_, inlet)| inlet.place == place);
        let there: Vec<_> = there.map(|(source, _)| *source).collect();
        for source in there {
            self.move_inlet(source, effects);
        }
    }

    /// The other node has not got its end any more: it is asked for anew.
    pub(in crate::room::remote) fn handle_pipe_gone(
        &mut self,
        node: &NodeKey,
        (life, pipe): (u64, u64),
        effects: &mut Vec<Effect>,
    ) {
        let remote = self.remote.iter().filter(|remote| remote.life == life);
        let mut inlets = remote.flat_map(|remote| &remote.inlets);
        let gone = inlets
            .find(|(_, it)| it.node == *node && it.pipe == pipe && matches!(it.stage, Stage::Open));
        if let Some(source) = gone.map(|(source, _)| *source) {
            self.move_inlet(source, effects);
        }
    }

    /// What came over a part that is gone comes from elsewhere, if it is still there.
    pub(in crate::room::remote) fn fail_asked_of(
        &mut self,
        node: &NodeKey,
        effects: &mut Vec<Effect>,
    ) {
        let inlets = self.remote.iter().flat_map(|remote| &remote.inlets);
        let lost = inlets.filter(|(_, inlet)| inlet.node == *node);
        for source in lost.map(|(source, _)| *source).collect::<Vec<_>>() {
            self.move_inlet(source, effects);
        }
    }

    fn move_inlet(&mut self, source: PipeSource, effects: &mut Vec<Effect>) {
        match source {
            PipeSource::Producer(id) => {
                let producer = self.producers.get(&id);
                let consumers = producer.into_iter().flat_map(|it| &it.consumers);
                for consumer in consumers.map(|(_, it)| *it).collect::<Vec<_>>() {
                    let _ = self.take_consumer(consumer, effects);
                }
                let pipes = self.producers.get(&id).map(|it| it.pipes.keys().copied());
                for to in pipes.into_iter().flatten().collect::<Vec<_>>() {
                    self.close_pipe(id, to, effects);
                }
                self.close_inlet(source, effects);
                self.offer(id, effects);
            }
            PipeSource::DataProducer(id) => {
                let producer = self.data_producers.get(&id);
                let consumers = producer.into_iter().flat_map(|it| &it.consumers);
                for consumer in consumers.map(|(_, it)| *it).collect::<Vec<_>>() {
                    self.take_data_consumer(consumer, effects);
                }
                let pipes = self.data_producers.get(&id);
                let pipes = pipes.map(|it| it.pipes.keys().copied());
                for to in pipes.into_iter().flatten().collect::<Vec<_>>() {
                    self.close_data_pipe(id, to, effects);
                }
                self.close_inlet(source, effects);
                self.publish_data(id, effects);
            }
        }
    }

    /// The worker says which streams are wanted here.
    pub(in crate::room) fn tell_inlet_demand(&mut self, id: ProducerId, effects: &mut Vec<Effect>) {
        let Some(producer) = self.producers.get(&id).filter(|it| it.is_far()) else {
            return;
        };
        let demand = producer.demand.clone();
        let Some(remote) = &mut self.remote else {
            return;
        };
        let life = remote.life;
        let inlet = remote.inlets.get_mut(&PipeSource::Producer(id));
        let open = |it: &&mut Inlet| matches!(it.stage, Stage::Open);
        if let Some(inlet) = inlet.filter(open) {
            inlet.wanted.clone_from(&demand);
            effects.push(Effect::TellNode {
                node: inlet.node.clone(),
                request: NodeRequest::WantStreams {
                    life,
                    pipe: inlet.pipe,
                    wanted: demand,
                },
            });
        }
    }

    /// What comes from another node was paused or resumed there.
    pub(in crate::room) fn tell_inlet_paused(
        &mut self,
        producer: ProducerId,
        paused: bool,
        effects: &mut Vec<Effect>,
    ) {
        let remote = self.remote.as_mut();
        let inlet = remote.and_then(|it| it.inlets.get_mut(&PipeSource::Producer(producer)));
        let differs = |it: &&mut Inlet| matches!(it.stage, Stage::Open) && it.paused != paused;
        if let Some(inlet) = inlet.filter(differs) {
            inlet.paused = paused;
            let place = inlet.place;
            let request = if paused {
                Request::PauseProducer { producer }
            } else {
                Request::ResumeProducer { producer }
            };
            self.tell_worker(place, request, effects);
        }
    }

    /// Consumers here hear how well the producer comes in, and not how well the trunk does.
    pub(in crate::room) fn tell_inlet_scores(&self, id: ProducerId, effects: &mut Vec<Effect>) {
        let producer = self.producers.get(&id).filter(|it| it.is_far());
        if let Some(place) = producer.and_then(|it| it.place) {
            self.tell_origin_scores(id, place, effects);
        }
    }
}
