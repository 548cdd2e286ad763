//! A registry and bus inside one process: what a single node uses, and what tests take apart.
//!
//! A [`Memory`] is a handle; [`Memory::handle`] gives another one on the same store, as if another node had connected.
//! Faults are switched by hand: [`Memory::cut`] takes one handle's network away, [`Memory::forget`] empties the store.
//! Every answer is there at once, so that a simulation can ask without a runtime.

mod bus;
mod state;

use std::{
    fmt,
    future::ready,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use plenum_ids::{NodeEpoch, NodeId, PeerId, RoomEpoch, RoomName};
use tokio::time::Instant;

use self::{bus::Listeners, state::State};
use crate::{
    Answer, Bus, BusEvent, Claim, ClaimRequest, Incarnation, Leases, NodeRecord, NodesView,
    PartMark, PeerPlace, Registered, Registry, RegistryError, Renewed, RoomRecord, Subscription,
    Sweep, Swept, bounds, bus::Listener,
};

/// A handle on a store in memory.
#[derive(Clone)]
pub struct Memory {
    store: Arc<Store>,
    is_cut: Arc<AtomicBool>,
}

struct Store {
    inner: Mutex<Inner>,
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
}

#[derive(Default)]
struct Inner {
    state: State,
    listeners: Listeners,
}

impl Memory {
    /// An empty store with the clock of the runtime, which tests may pause.
    #[must_use]
    pub fn new() -> Self {
        let start = Instant::now();
        Self::with_clock(move || start.elapsed())
    }

    /// An empty store with a clock of its own: the time since any moment, never going back.
    #[must_use]
    pub fn with_clock(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self {
            store: Arc::new(Store {
                inner: Mutex::default(),
                clock: Box::new(clock),
            }),
            is_cut: Arc::default(),
        }
    }

    /// Another handle on the same store: its network is cut for itself alone. A clone is the same handle once more.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self {
            store: self.store.clone(),
            is_cut: Arc::default(),
        }
    }

    /// This handle reaches the store no more, or again.
    pub fn cut(&self, is_cut: bool) {
        let inner = self.lock();
        let was_cut = self.is_cut.swap(is_cut, Ordering::AcqRel);
        if was_cut && !is_cut {
            inner.listeners.interrupted(Some(&self.is_cut));
        }
    }

    /// The store loses everything, as a server without a disk does when it is started again.
    pub fn forget(&self) {
        let now = (self.store.clock)();
        let mut inner = self.lock();
        inner.state.forget(now);
        inner.listeners.interrupted(None);
    }

    /// The store is started again and has lost nothing.
    pub fn restart(&self) {
        let now = (self.store.clock)();
        let mut inner = self.lock();
        inner.state.restart(now);
        inner.listeners.interrupted(None);
    }

    /// The present incarnation.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.lock().state.incarnation()
    }

    /// What a panicking test left is still whole: no change is left half done.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        let inner = &self.store.inner;
        inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut State, Duration) -> Result<T, RegistryError>,
    ) -> Answer<'_, T> {
        Box::pin(ready(self.reach().and_then(|()| {
            let now = (self.store.clock)();
            act(&mut self.lock().state, now)
        })))
    }

    fn reach(&self) -> Result<(), RegistryError> {
        if self.is_cut.load(Ordering::Acquire) {
            return Err(RegistryError::Unreachable {
                reason: "cut off".to_owned(),
            });
        }
        Ok(())
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("is_cut", &self.is_cut)
            .finish_non_exhaustive()
    }
}

impl Registry for Memory {
    fn register(
        &self,
        node: NodeId,
        at_least: NodeEpoch,
        record: NodeRecord,
    ) -> Answer<'_, Registered> {
        self.answer(|state, now| {
            bounds::node(&node)?;
            bounds::node_epoch(at_least)?;
            bounds::record(&record)?;
            state.register(node, at_least, record, now)
        })
    }

    fn renew(&self, node: NodeId, epoch: NodeEpoch, record: NodeRecord) -> Answer<'_, Renewed> {
        self.answer(|state, now| {
            bounds::node(&node)?;
            bounds::node_epoch(epoch)?;
            bounds::record(&record)?;
            state.renew(node, epoch, record, now)
        })
    }

    fn resign(&self, node: NodeId, epoch: NodeEpoch) -> Answer<'_, ()> {
        self.answer(|state, now| state.resign(&node, epoch, now))
    }

    fn leases(&self) -> Answer<'_, Leases> {
        self.answer(|state, now| Ok(state.leases(now)))
    }

    fn nodes(&self) -> Answer<'_, NodesView> {
        self.answer(|state, now| Ok(state.nodes(now)))
    }

    fn claim(&self, request: ClaimRequest) -> Answer<'_, Claim> {
        self.answer(|state, now| {
            bounds::claim(&request)?;
            state.claim(&request, now)
        })
    }

    fn release(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        epoch: RoomEpoch,
    ) -> Answer<'_, bool> {
        self.answer(|state, now| Ok(state.release(&room, &node, node_epoch, epoch, now)))
    }

    fn put_part(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        mark: PartMark,
        lease: Duration,
    ) -> Answer<'_, ()> {
        self.answer(|state, now| {
            bounds::part(&room, &node, node_epoch)?;
            bounds::mark(&mark)?;
            state.put_part(room, (node, node_epoch), mark, (lease, now))
        })
    }

    fn remove_part(&self, room: RoomName, node: NodeId, node_epoch: NodeEpoch) -> Answer<'_, ()> {
        self.answer(|state, now| {
            state.remove_part(&room, &node, node_epoch, now);
            Ok(())
        })
    }

    fn room(&self, room: RoomName) -> Answer<'_, Option<RoomRecord>> {
        self.answer(|state, _| Ok(state.room(&room)))
    }

    fn rooms_of(&self, node: NodeId) -> Answer<'_, Vec<RoomName>> {
        self.answer(|state, _| Ok(state.rooms_of(&node)))
    }

    fn put_peer(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        peer: PeerId,
        note: String,
        lease: Duration,
    ) -> Answer<'_, ()> {
        self.answer(|state, now| {
            bounds::part(&room, &node, node_epoch)?;
            bounds::peer(&peer)?;
            bounds::note(&note)?;
            state.put_peer(room, (node, node_epoch), (peer, note), (lease, now))
        })
    }

    fn remove_peer(
        &self,
        room: RoomName,
        node: NodeId,
        node_epoch: NodeEpoch,
        peer: PeerId,
    ) -> Answer<'_, ()> {
        self.answer(|state, _| {
            state.remove_peer(&room, &node, node_epoch, &peer);
            Ok(())
        })
    }

    fn peers(&self, room: RoomName, only: Option<PeerId>) -> Answer<'_, Vec<PeerPlace>> {
        self.answer(|state, _| Ok(state.peers(&room, only.as_ref())))
    }

    fn sweep(&self, sweep: Sweep) -> Answer<'_, Swept> {
        self.answer(|state, now| state.sweep(&sweep, now))
    }
}

impl Bus for Memory {
    fn publish(&self, topic: &str, message: Bytes) -> Answer<'_, ()> {
        let published = self.reach().and_then(|()| {
            bounds::topic(topic)?;
            bounds::message(&message)?;
            let inner = self.lock();
            inner.listeners.tell(topic, &BusEvent::Message(message));
            Ok(())
        });
        Box::pin(ready(published))
    }

    fn subscribe(&self, topic: &str) -> Result<Subscription, RegistryError> {
        bounds::topic(topic)?;
        let mut inner = self.lock();
        let number = inner.listeners.next_number();
        let end = {
            let (store, topic) = (Arc::downgrade(&self.store), topic.to_owned());
            move || {
                let Some(store) = store.upgrade() else {
                    return;
                };
                let inner = store.inner.lock();
                let mut inner = inner.unwrap_or_else(PoisonError::into_inner);
                inner.listeners.remove(&topic, number);
            }
        };
        let (listener, subscription) = Listener::new(end);
        if !self.is_cut.load(Ordering::Acquire) {
            listener.tell(BusEvent::Resubscribed);
        }
        let is_cut = self.is_cut.clone();
        inner.listeners.add(topic, number, is_cut, listener);
        Ok(subscription)
    }
}
