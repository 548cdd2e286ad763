//! Namespaces: whose rooms they are, and how many of them there may be.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use plenum_api::admin::NamespaceStatus;
use plenum_ids::NamespaceId;

use crate::host::{ConnectError, Host};

/// What a namespace may have; `None`: as much as the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct NamespaceLimits {
    /// Rooms at a time.
    pub max_rooms: Option<usize>,
    /// Clients in all its rooms together.
    pub max_peers: Option<usize>,
    /// Clients in one room.
    pub max_peers_per_room: Option<usize>,
}

/// What namespaces have. Only those that have something are remembered.
#[derive(Debug, Default)]
pub(crate) struct Namespaces {
    by_id: HashMap<NamespaceId, Use>,
}

#[derive(Debug, Default)]
struct Use {
    rooms: usize,
    sessions: Arc<AtomicUsize>,
}

/// Counts a client of a namespace as long as it lives.
#[derive(Debug)]
pub(crate) struct Stay(Arc<AtomicUsize>);

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Namespaces {
    /// Whether one more room fits.
    pub(crate) fn check_room(
        &self,
        id: &NamespaceId,
        limits: &NamespaceLimits,
    ) -> Result<(), ConnectError> {
        check(limits.max_rooms, self.rooms(id))
    }

    /// Whether one more client fits.
    pub(crate) fn check_peer(
        &self,
        id: &NamespaceId,
        limits: &NamespaceLimits,
    ) -> Result<(), ConnectError> {
        check(limits.max_peers, self.sessions(id))
    }

    pub(crate) fn rooms(&self, id: &NamespaceId) -> usize {
        self.by_id.get(id).map_or(0, |of| of.rooms)
    }

    pub(crate) fn sessions(&self, id: &NamespaceId) -> usize {
        let of = self.by_id.get(id);
        of.map_or(0, |of| of.sessions.load(Ordering::Relaxed))
    }

    /// A client came.
    pub(crate) fn stay(&mut self, id: &NamespaceId) -> Stay {
        let sessions = Arc::clone(&self.entry(id).sessions);
        sessions.fetch_add(1, Ordering::Relaxed);
        Stay(sessions)
    }

    pub(crate) fn add_room(&mut self, id: &NamespaceId) {
        self.entry(id).rooms += 1;
    }

    pub(crate) fn remove_room(&mut self, id: &NamespaceId) {
        if let Some(of) = self.by_id.get_mut(id) {
            of.rooms -= 1;
            if of.is_unused() {
                self.by_id.remove(id);
            }
        }
    }

    fn entry(&mut self, id: &NamespaceId) -> &mut Use {
        if !self.by_id.contains_key(id) {
            // Clients that outlived their rooms leave entries behind: not more than there are new names.
            self.by_id.retain(|_, of| !of.is_unused());
        }
        self.by_id.entry(id.clone()).or_default()
    }
}

impl Use {
    fn is_unused(&self) -> bool {
        self.rooms == 0 && self.sessions.load(Ordering::Relaxed) == 0
    }
}

fn check(limit: Option<usize>, used: usize) -> Result<(), ConnectError> {
    if limit.is_some_and(|limit| used >= limit) {
        return Err(ConnectError::NamespaceFull);
    }
    Ok(())
}

impl Host {
    /// Every namespace that has a room or limits of its own, by name.
    pub fn namespaces(&self) -> Vec<NamespaceStatus> {
        let configured = &self.shared.config.namespaces;
        let rooms = self.shared.rooms();
        let mut peers: HashMap<&NamespaceId, usize> = configured.keys().map(|id| (id, 0)).collect();
        for (name, entry) in &rooms.by_id {
            let joined = entry.figures.joined.load(Ordering::Relaxed);
            *peers.entry(&name.namespace).or_default() += joined;
        }
        let status = |(id, peers): (&NamespaceId, usize)| {
            let limits = configured.get(id).copied().unwrap_or_default();
            NamespaceStatus {
                namespace: id.to_string(),
                rooms: rooms.namespaces.rooms(id),
                peers,
                sessions: rooms.namespaces.sessions(id),
                max_rooms: limits.max_rooms,
                max_peers: limits.max_peers,
                max_peers_per_room: limits.max_peers_per_room,
            }
        };
        let mut all: Vec<_> = peers.into_iter().map(status).collect();
        all.sort_unstable_by(|one, other| one.namespace.cmp(&other.namespace));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_what_is_there_now() {
        let mut namespaces = Namespaces::default();
        let (ours, theirs) = (NamespaceId::from("ours"), NamespaceId::from("theirs"));
        let limits = NamespaceLimits {
            max_rooms: Some(1),
            max_peers: Some(2),
            ..NamespaceLimits::default()
        };
        assert_eq!(namespaces.check_room(&ours, &limits), Ok(()));
        namespaces.add_room(&ours);
        let full = Err(ConnectError::NamespaceFull);
        assert_eq!(namespaces.check_room(&ours, &limits), full);
        assert_eq!(namespaces.check_room(&theirs, &limits), Ok(()));
        let (one, two) = (namespaces.stay(&ours), namespaces.stay(&ours));
        assert_eq!(namespaces.check_peer(&ours, &limits), full);
        drop(one);
        assert_eq!(namespaces.check_peer(&ours, &limits), Ok(()));
        namespaces.remove_room(&ours);
        assert_eq!(namespaces.sessions(&ours), 1, "somebody is still leaving");
        drop(two);
        namespaces.add_room(&theirs);
        assert_eq!(namespaces.by_id.len(), 1, "nothing stays behind");
    }
}
