//! Hints among nodes: at most once, in the order of their sender, never kept.

use std::{
    fmt::{self, Debug},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{Answer, RegistryError};

/// Carries messages to everybody who listens now.
pub trait Bus: Send + Sync + Debug + 'static {
    /// Tells everybody who listens to the topic, the caller too if it does. Who does not hear it is not known: an
    /// answer only says that the message has left.
    fn publish(&self, topic: &str, message: Bytes) -> Answer<'_, ()>;

    /// Listens to a topic until the subscription is dropped. It begins as soon as the bus can be reached, and says so
    /// by [`BusEvent::Resubscribed`].
    fn subscribe(&self, topic: &str) -> Result<Subscription, RegistryError>;
}

/// What a subscription hears.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusEvent {
    /// Somebody said this.
    Message(Bytes),
    /// From here on messages are heard, and any number may have been missed before: look at everything again. It is
    /// the first event of every subscription, and comes again after each interruption.
    Resubscribed,
}

/// Messages that wait for their reader. More are dropped, and the reader is told to look at everything.
const QUEUE: usize = 1024;

/// One listener to a topic. Dropping it ends it.
pub struct Subscription {
    events: mpsc::Receiver<BusEvent>,
    missed: Arc<AtomicBool>,
    _ends: Ends,
}

impl Subscription {
    /// The next event; none when the bus itself is gone.
    pub async fn next(&mut self) -> Option<BusEvent> {
        if self.has_missed() {
            return Some(BusEvent::Resubscribed);
        }
        self.events.recv().await
    }

    /// The next event, if there is one now.
    pub fn try_next(&mut self) -> Option<BusEvent> {
        if self.has_missed() {
            return Some(BusEvent::Resubscribed);
        }
        self.events.try_recv().ok()
    }

    /// Whether messages were dropped. What waits is older than they are: it is thrown away with them, since everything
    /// is looked at again.
    fn has_missed(&mut self) -> bool {
        if !self.missed.swap(false, Ordering::AcqRel) {
            return false;
        }
        while self.events.try_recv().is_ok() {}
        true
    }
}

impl Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// Runs once, when its subscription is dropped.
pub(crate) struct Ends(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

/// The other end of a [`Subscription`].
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    events: mpsc::Sender<BusEvent>,
    missed: Arc<AtomicBool>,
}

impl Listener {
    /// Both ends, and what is done when the subscription is dropped.
    pub(crate) fn new(end: impl FnOnce() + Send + Sync + 'static) -> (Self, Subscription) {
        let (events, received) = mpsc::channel(QUEUE);
        let missed = Arc::new(AtomicBool::new(false));
        let listener = Self {
            events,
            missed: missed.clone(),
        };
        let subscription = Subscription {
            events: received,
            missed,
            _ends: Ends(Some(Box::new(end))),
        };
        (listener, subscription)
    }

    /// Hands an event over; a reader that is behind is told so instead.
    pub(crate) fn tell(&self, event: BusEvent) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(event) {
            self.missed.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_behind_is_told_to_look_at_everything() {
        let (listener, mut subscription) = Listener::new(|| ());
        for number in 0..=QUEUE {
            listener.tell(BusEvent::Message(Bytes::from(number.to_string())));
        }
        assert_eq!(subscription.try_next(), Some(BusEvent::Resubscribed));
        assert_eq!(subscription.try_next(), None);
        let last = BusEvent::Message(Bytes::from_static(b"last"));
        listener.tell(last.clone());
        assert_eq!(subscription.try_next(), Some(last));
    }

    #[test]
    fn a_dropped_subscription_says_so_once() {
        let (send, receive) = std::sync::mpsc::channel();
        let (listener, subscription) = Listener::new(move || send.send(()).expect("heard"));
        drop(subscription);
        assert_eq!(receive.try_iter().count(), 1);
        listener.tell(BusEvent::Resubscribed);
    }
}
