//! Consumers that a client is asked about in one question: what one command brought for it, when the worker has made all
//! of it.

use std::collections::BTreeSet;

use plenum_ids::{ConsumerId, DataConsumerId};

use crate::{
    command::SessionId,
    effect::{AskId, ClientRequest, Effect},
    room::Room,
    state::{Asked, BatchId, DataStage, Stage},
};

/// What one command brought for one session.
#[derive(Debug)]
pub(super) struct Batch {
    session: SessionId,
    /// How many of it no worker has made yet.
    waiting: usize,
    ready: Vec<ConsumerId>,
    ready_data: Vec<DataConsumerId>,
}

impl Room {
    /// The batch of the command at hand, for a session that takes batches; what it is asked for is one more in it.
    pub(super) fn enter_batch(&mut self, session: SessionId) -> Option<BatchId> {
        if !self.sessions.get(&session)?.admission.batch {
            return None;
        }
        let next = BatchId(self.next_batch);
        let id = *self.open_batches.entry(session).or_insert(next);
        if id == next {
            self.next_batch += 1;
        }
        let batch = self.batches.entry(id).or_insert(Batch {
            session,
            waiting: 0,
            ready: Vec::new(),
            ready_data: Vec::new(),
        });
        batch.waiting += 1;
        Some(id)
    }

    /// The worker has made a consumer of a batch.
    pub(super) fn note_ready(&mut self, batch: BatchId, consumer: ConsumerId) {
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.ready.push(consumer);
        }
        self.note_settled(batch);
    }

    pub(super) fn note_ready_data(&mut self, batch: BatchId, consumer: DataConsumerId) {
        if let Some(batch) = self.batches.get_mut(&batch) {
            batch.ready_data.push(consumer);
        }
        self.note_settled(batch);
    }

    /// Something of a batch was made, or will not be.
    pub(super) fn note_settled(&mut self, id: BatchId) {
        if let Some(batch) = self.batches.get_mut(&id) {
            batch.waiting = batch.waiting.saturating_sub(1);
            if batch.waiting == 0 {
                self.full_batches.push(id);
            }
        }
    }

    /// Asks about batches of which nothing is missing any more, when the command at hand has been carried out to its end.
    pub(super) fn ask_batches(&mut self, effects: &mut Vec<Effect>) {
        self.open_batches.clear();
        for id in std::mem::take(&mut self.full_batches) {
            // More may have come into it since.
            if self.batches.get(&id).is_some_and(|it| it.waiting == 0)
                && let Some(batch) = self.batches.remove(&id)
            {
                self.ask_batch(batch, effects);
            }
        }
    }

    fn ask_batch(&mut self, batch: Batch, effects: &mut Vec<Effect>) {
        let ask = AskId(self.next_ask);
        let (mut asked, mut asked_data) = (BTreeSet::new(), BTreeSet::new());
        let (mut bodies, mut data_bodies) = (Vec::new(), Vec::new());
        for id in batch.ready {
            if let Some(body) = self.describe_consumer(id, Stage::Asked(ask)) {
                asked.insert(id);
                bodies.push(body);
            }
        }
        for id in batch.ready_data {
            if let Some(body) = self.describe_data_consumer(id, DataStage::Asked(ask)) {
                asked_data.insert(id);
                data_bodies.push(body);
            }
        }
        if asked.is_empty() && asked_data.is_empty() {
            return;
        }
        self.next_ask += 1;
        self.asks.insert(ask, Asked::Batch(asked, asked_data));
        effects.push(Effect::AskClient {
            session: batch.session,
            ask,
            body: ClientRequest::NewConsumers(bodies, data_bodies),
        });
    }

    /// A consumer is gone that its client has not answered for.
    pub(super) fn forget_asked(&mut self, ask: AskId, id: ConsumerId) {
        self.shrink_asked(ask, |consumers, _| {
            consumers.remove(&id);
        });
    }

    pub(super) fn forget_asked_data(&mut self, ask: AskId, id: DataConsumerId) {
        self.shrink_asked(ask, |_, data_consumers| {
            data_consumers.remove(&id);
        });
    }

    /// A question about one thing goes with it, one about many with the last of them.
    fn shrink_asked(
        &mut self,
        ask: AskId,
        shrink: impl FnOnce(&mut BTreeSet<ConsumerId>, &mut BTreeSet<DataConsumerId>),
    ) {
        if let Some(Asked::Batch(consumers, data_consumers)) = self.asks.get_mut(&ask) {
            shrink(consumers, data_consumers);
            if !consumers.is_empty() || !data_consumers.is_empty() {
                return;
            }
        }
        self.asks.remove(&ask);
    }
}
