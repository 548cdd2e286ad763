//! The broadcasters that there are.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use plenum_api::grants::Grants;
use plenum_ids::{PeerId, RoomName, TransportId};
use plenum_params::rtp_parameters::RtpCapabilities;
use tokio::sync::oneshot;

use super::{failure::Generation, registration::Join};
use crate::guest::Guest;

/// The broadcasters of a node, bounded. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    table: Arc<Mutex<HashMap<Key, Arc<Broadcaster>>>>,
    most: usize,
}

type Key = (RoomName, PeerId);

/// A broadcaster as requests see it. When it is dropped, the task that sees to it ends.
#[derive(Debug)]
pub(crate) struct Broadcaster {
    pub(super) guest: Guest,
    pub(super) generation: Generation,
    /// Classic: what it said that it can receive.
    pub(super) capabilities: Option<RtpCapabilities>,
    /// What it says of itself.
    pub(super) join: Join,
    /// What whoever registered it may do: others may speak for it only if they may do as much.
    pub(super) grants: Grants,
    joined: AtomicBool,
    state: Mutex<State>,
    consumes: AtomicBool,
    _end: oneshot::Sender<()>,
}

#[derive(Debug)]
struct State {
    /// Of plain transports and others alike.
    transports: HashSet<TransportId>,
    webrtc: HashSet<TransportId>,
    used: Instant,
}

/// A broadcaster's place in the registry, from which it goes when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    registry: Registry,
    key: Key,
    broadcaster: std::sync::Weak<Broadcaster>,
}

impl Registry {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            table: Arc::default(),
            most,
        }
    }

    /// Adds a broadcaster in the place of one with the same name; `None`: there are too many. The receiver completes
    /// when requests have no use for it any more.
    pub(super) fn add(
        &self,
        key: Key,
        guest: Guest,
        generation: Generation,
        capabilities: Option<RtpCapabilities>,
        (join, grants): (Join, Grants),
    ) -> Option<(Place, oneshot::Receiver<()>)> {
        let (end, ended) = oneshot::channel();
        let broadcaster = Arc::new(Broadcaster {
            guest,
            generation,
            capabilities,
            join,
            grants,
            // The others joined as they were registered.
            joined: AtomicBool::new(generation == Generation::Classic),
            state: Mutex::new(State {
                transports: HashSet::new(),
                webrtc: HashSet::new(),
                used: Instant::now(),
            }),
            consumes: AtomicBool::new(false),
            _end: end,
        });
        let place = Place {
            registry: self.clone(),
            key: key.clone(),
            broadcaster: Arc::downgrade(&broadcaster),
        };
        let mut table = self.lock();
        if table.len() >= self.most && !table.contains_key(&key) {
            return None;
        }
        table.insert(key, broadcaster);
        Some((place, ended))
    }

    /// Finds a broadcaster for a request, which is a sign of life.
    pub(super) fn find(&self, key: &Key) -> Option<Arc<Broadcaster>> {
        let found = self.lock().get(key).cloned()?;
        found.lock().used = Instant::now();
        Some(found)
    }

    pub(super) fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Broadcaster>>> {
        // Whoever panicked in between left the table whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broadcaster {
    pub(super) fn note_transport(&self, transport: TransportId, is_webrtc: bool) {
        let mut state = self.lock();
        state.transports.insert(transport);
        if is_webrtc {
            state.webrtc.insert(transport);
        }
    }

    pub(super) fn is_webrtc(&self, transport: TransportId) -> bool {
        self.lock().webrtc.contains(&transport)
    }

    pub(super) fn transports(&self) -> Vec<TransportId> {
        self.lock().transports.iter().copied().collect()
    }

    /// When a request last named it.
    pub(super) fn used(&self) -> Instant {
        self.lock().used
    }

    pub(super) fn note_joined(&self) {
        self.joined.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    pub(super) fn note_consumer(&self) {
        self.consumes.store(true, Ordering::Relaxed);
    }

    pub(super) fn consumes(&self) -> bool {
        self.consumes.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    pub(super) fn broadcaster(&self) -> Option<Arc<Broadcaster>> {
        self.broadcaster.upgrade()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        let own = self.broadcaster.upgrade();
        let is_own = match (table.get(&self.key), &own) {
            (Some(found), Some(own)) => Arc::ptr_eq(found, own),
            _ => false,
        };
        if is_own {
            table.remove(&self.key);
        }
    }
}
