//! The sessions that there are, by what their URLs tell.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plenum_ids::{NodeId, TransportId};
use plenum_params::transport::WebRtcTransportInfo;
use plenum_sdp::Credentials;
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::guest::Guest;

/// The sessions of a node, bounded. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    by_id: Arc<Mutex<HashMap<String, Arc<Held>>>>,
    most: usize,
}

/// A session as requests see it. When it is dropped, the task that sees to it ends.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) guest: Guest,
    pub(crate) transport: TransportId,
    /// As it was at first; of the ICE credentials only the first ones are in it.
    pub(crate) info: Box<WebRtcTransportInfo>,
    /// The media section that stands for the bundle.
    pub(crate) section: (&'static str, String),
    /// One restart at a time.
    pub(crate) ice: AsyncMutex<Ice>,
    _end: oneshot::Sender<()>,
}

/// The ICE session within a session.
#[derive(Debug)]
pub(crate) struct Ice {
    /// How many there have been, for the entity tag.
    pub(crate) generation: u32,
    /// The client's.
    pub(crate) credentials: Credentials,
}

impl Ice {
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.generation)
    }
}

/// A session's place, from which it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    sessions: Sessions,
    pub(crate) id: String,
}

impl Sessions {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            by_id: Arc::default(),
            most,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lock().len() >= self.most
    }

    /// Adds a session, whose URL says in a cluster at which node it is; `None`: there are too many. The receiver completes when a client has ended it.
    pub(crate) fn add(
        &self,
        node: Option<&NodeId>,
        guest: Guest,
        (transport, info): (TransportId, Box<WebRtcTransportInfo>),
        section: (&'static str, String),
        credentials: Credentials,
    ) -> Option<(Place, oneshot::Receiver<()>)> {
        let (end, ended) = oneshot::channel();
        let held = Held {
            guest,
            transport,
            info,
            section,
            ice: AsyncMutex::new(Ice {
                generation: 1,
                credentials,
            }),
            _end: end,
        };
        // 122 random bits: whoever knows it was told.
        let id = TransportId::random().to_string();
        let id = match node {
            Some(node) => format!("{node}.{id}"),
            None => id,
        };
        let mut by_id = self.lock();
        if by_id.len() >= self.most {
            return None;
        }
        by_id.insert(id.clone(), Arc::new(held));
        drop(by_id);
        let sessions = self.clone();
        Some((Place { sessions, id }, ended))
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Held>> {
        self.lock().get(id).cloned()
    }

    pub(crate) fn remove(&self, id: &str) -> Option<Arc<Held>> {
        self.lock().remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Held>>> {
        // Whoever panicked in between left the table whole.
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.remove(&self.id);
    }
}
