//! Who listens to which channel, and which of them the server knows about.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{BusEvent, MAX_MESSAGE, Subscription, bus::Listener};

/// Channels named in one command: a few kilobytes.
const BATCH: usize = 128;

#[derive(Default)]
pub(super) struct Topics {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    channels: HashMap<String, Channel>,
    /// Those that the server may have to be told about.
    changed: BTreeSet<String>,
    numbers: u64,
}

#[derive(Default)]
struct Channel {
    listeners: Vec<(u64, Listener)>,
    /// The server has confirmed the subscription, on the present connection.
    is_heard: bool,
}

/// What the server is to be told.
pub(super) struct Changes {
    pub(super) begun: Vec<String>,
    pub(super) ended: Vec<String>,
}

impl Topics {
    pub(super) fn subscribe(self: &Arc<Self>, channel: String) -> Subscription {
        let mut inner = self.lock();
        inner.numbers += 1;
        let number = inner.numbers;
        let end = {
            let (topics, channel) = (Arc::downgrade(self), channel.clone());
            move || {
                if let Some(topics) = topics.upgrade() {
                    topics.unsubscribe(&channel, number);
                }
            }
        };
        let (listener, subscription) = Listener::new(end);
        let entry = inner.channels.entry(channel.clone()).or_default();
        if entry.is_heard {
            listener.tell(BusEvent::Resubscribed);
        }
        let is_heard = entry.is_heard;
        entry.listeners.push((number, listener));
        if !is_heard {
            inner.changed.insert(channel);
            self.changed.notify_one();
        }
        subscription
    }

    fn unsubscribe(&self, channel: &str, number: u64) {
        let mut inner = self.lock();
        let Some(entry) = inner.channels.get_mut(channel) else {
            return;
        };
        entry.listeners.retain(|(of, _)| *of != number);
        if entry.listeners.is_empty() {
            inner.channels.remove(channel);
            inner.changed.insert(channel.to_owned());
            self.changed.notify_one();
        }
    }

    /// Ready when [`Topics::next_changes`] may have some.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A new connection knows nothing.
    pub(super) fn all_changed(&self) {
        let mut inner = self.lock();
        inner.changed = inner.channels.keys().cloned().collect();
        self.changed.notify_one();
    }

    /// The next few channels that the server is to be told about, if it knows those.
    pub(super) fn next_changes(&self, subscribed: &BTreeSet<String>) -> Option<Changes> {
        let mut inner = self.lock();
        let mut changes = Changes {
            begun: Vec::new(),
            ended: Vec::new(),
        };
        while changes.begun.len() + changes.ended.len() < BATCH {
            let Some(channel) = inner.changed.pop_first() else {
                break;
            };
            let is_known = subscribed.contains(&channel);
            match inner.channels.get_mut(&channel) {
                // Left and entered again before the server was told.
                Some(entry) if is_known => entry.now_heard(),
                Some(_) => changes.begun.push(channel),
                None if is_known => changes.ended.push(channel),
                None => {}
            }
        }
        let is_empty = changes.begun.is_empty() && changes.ended.is_empty();
        (!is_empty).then_some(changes)
    }

    /// The server has confirmed these.
    pub(super) fn heard(&self, channels: &[String]) {
        let mut inner = self.lock();
        for channel in channels {
            if let Some(entry) = inner.channels.get_mut(channel) {
                entry.now_heard();
            }
        }
    }

    /// The connection is gone: nothing is heard until the next one.
    pub(super) fn interrupted(&self) {
        let mut inner = self.lock();
        for entry in inner.channels.values_mut() {
            entry.is_heard = false;
        }
    }

    /// What comes before a confirmation is not handed on: whoever hears the confirmation looks at everything.
    pub(super) fn deliver(&self, channel: &[u8], message: Vec<u8>) {
        let inner = self.lock();
        let channel = str::from_utf8(channel).ok();
        let entry = channel.and_then(|channel| inner.channels.get(channel));
        let Some(entry) = entry.filter(|entry| entry.is_heard) else {
            return;
        };
        let event = if message.len() > MAX_MESSAGE {
            BusEvent::Resubscribed
        } else {
            BusEvent::Message(Bytes::from(message))
        };
        entry.tell(&event);
    }

    /// What a panicking thread left is still whole: no change is left half done.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channel {
    fn now_heard(&mut self) {
        if !self.is_heard {
            self.is_heard = true;
            self.tell(&BusEvent::Resubscribed);
        }
    }

    fn tell(&self, event: &BusEvent) {
        for (_, listener) in &self.listeners {
            listener.tell(event.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_before_the_server_was_told_hears_the_beginning() {
        let topics = Arc::new(Topics::default());
        let first = topics.subscribe("a".to_owned());
        let begun = topics.next_changes(&BTreeSet::new()).expect("one").begun;
        topics.heard(&begun);
        let subscribed = begun.into_iter().collect();
        drop(first);
        let mut second = topics.subscribe("a".to_owned());
        assert_eq!(second.try_next(), None);
        assert!(topics.next_changes(&subscribed).is_none());
        assert_eq!(second.try_next(), Some(BusEvent::Resubscribed));
        drop(second);
        let ended = topics.next_changes(&subscribed).expect("one").ended;
        assert_eq!(ended, ["a"]);
    }

    #[test]
    fn what_is_too_long_is_a_reason_to_look() {
        let topics = Arc::new(Topics::default());
        let mut subscription = topics.subscribe("a".to_owned());
        topics.deliver(b"a", b"early".to_vec());
        topics.heard(&["a".to_owned()]);
        assert_eq!(subscription.try_next(), Some(BusEvent::Resubscribed));
        assert_eq!(subscription.try_next(), None);
        topics.deliver(b"a", vec![0; MAX_MESSAGE + 1]);
        assert_eq!(subscription.try_next(), Some(BusEvent::Resubscribed));
        topics.deliver(b"\xff", b"nobody".to_vec());
        assert_eq!(subscription.try_next(), None);
    }
}
