//! What a part tells all others over the bus: several things in one message if they come faster than the bus takes them.

use std::{collections::VecDeque, future::pending, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use plenum_cluster::Numbered;
use plenum_ids::RoomName;
use plenum_registry::{Bus, MAX_MESSAGE};
use plenum_room::{NodeKey, PartChange, PartHint};
use serde_json::value::RawValue;
use tracing::debug;

use crate::cluster::{Bulletin, Item};

/// Things that wait for the bus. As many as a room of a hundred tells when it starts; more are fetched in one piece.
const MAX_WAITING: usize = 1024;

/// Of a message: the rest is for names and numbers around the items.
const MAX_ITEMS: usize = MAX_MESSAGE - 2048;

/// On their way to the bus.
pub(super) struct News {
    bus: Arc<dyn Bus>,
    me: NodeKey,
    topic: String,
    /// With the number of the change, if it is one.
    waiting: VecDeque<(Option<u64>, Box<RawValue>)>,
    publishing: Option<BoxFuture<'static, ()>>,
}

impl News {
    pub(super) fn new(bus: Arc<dyn Bus>, me: NodeKey, room: &RoomName) -> Self {
        Self {
            bus,
            me,
            topic: topic(room),
            waiting: VecDeque::new(),
            publishing: None,
        }
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn change(&mut self, numbered: Numbered<PartChange>) {
        let seq = numbered.stamp.seq;
        self.push(&Item {
            seq: Some(seq),
            change: Some(numbered.change),
            ..Item::default()
        });
    }

    /// There is a change of this number, which is to be fetched.
    pub(super) fn look(&mut self, seq: u64) {
        self.push(&Item {
            seq: Some(seq),
            ..Item::default()
        });
    }

    pub(super) fn hint(&mut self, hint: PartHint) {
        // The next one says more than one that comes late.
        if self.waiting.len() < MAX_WAITING / 2 {
            self.push(&Item {
                hint: Some(hint),
                ..Item::default()
            });
        }
    }

    pub(super) fn end(&mut self, seq: u64) {
        self.push(&Item {
            seq: Some(seq),
            ended: true,
            ..Item::default()
        });
    }

    fn push(&mut self, item: &Item) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.clear();
            return self.look(item.seq.unwrap_or_default());
        }
        match serde_json::value::to_raw_value(item) {
            Ok(text) if text.get().len() <= MAX_ITEMS => self.waiting.push_back((item.seq, text)),
            // Too long for the bus.
            Ok(_) if item.change.is_some() => self.look(item.seq.unwrap_or_default()),
            Ok(_) => {}
            Err(err) => debug!(%err, "a fact that cannot be written"),
        }
    }

    /// Sends what waits, if nothing is on its way.
    pub(super) fn begin(&mut self) {
        if self.publishing.is_some() || self.waiting.is_empty() {
            return;
        }
        let mut items = Vec::new();
        let mut length = 0;
        while let Some((_, text)) = self.waiting.front() {
            length += text.get().len() + 1;
            if length > MAX_ITEMS && !items.is_empty() {
                break;
            }
            items.extend(self.waiting.pop_front().map(|(_, text)| text));
        }
        let NodeKey { node, epoch } = self.me.clone();
        let Ok(message) = serde_json::to_vec(&Bulletin { node, epoch, items }) else {
            return;
        };
        let (bus, topic) = (Arc::clone(&self.bus), self.topic.clone());
        self.publishing = Some(Box::pin(async move {
            // What is lost is found by the marks.
            if let Err(err) = bus.publish(&topic, Bytes::from(message)).await {
                debug!(topic, %err, "the bus does not take it");
            }
        }));
    }

    /// Completes when what was on its way has left. Loses nothing when cancelled.
    pub(super) async fn published(&mut self) {
        match &mut self.publishing {
            Some(publishing) => publishing.await,
            None => pending().await,
        }
        self.publishing = None;
    }

    /// Everything that waits leaves.
    pub(super) async fn flush(&mut self) {
        loop {
            self.begin();
            if self.publishing.is_none() {
                return;
            }
            self.published().await;
        }
    }
}

/// Where parts of a room are heard.
fn topic(room: &RoomName) -> String {
    format!("room/{room}")
}

#[cfg(test)]
mod tests;
