//! What operators see of rooms and ask of them.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::SystemTime,
};

use plenum_api::{admin::RoomSummary, error::ErrorKind};
use plenum_ids::{NamespaceId, RoomName, WorkerId};
use plenum_params::rtp_parameters::RtpCapabilities;
use plenum_room::{AdminCommand, PlaceId, RoomError, RoomView};
use tokio::sync::{mpsc, oneshot};

use crate::{
    host::{ConnectError, Host},
    options::{Opening, RoomOptions},
    room_task::Input,
    rooms::Entry,
};

/// Everything in a room, and where it is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RoomPicture {
    /// The room among others.
    pub summary: RoomSummary,
    /// The worker under each of its places.
    pub workers: Vec<(PlaceId, WorkerId)>,
    /// As it sees itself.
    pub view: RoomView,
}

impl RoomPicture {
    /// The worker under a place.
    #[must_use]
    pub fn worker(&self, place: PlaceId) -> Option<WorkerId> {
        let mut workers = self.workers.iter();
        let known = workers.find(|(known, _)| *known == place);
        known.map(|(_, worker)| *worker)
    }
}

impl Host {
    /// The rooms of a namespace, or of all, by name. Asks nobody.
    pub fn rooms(&self, namespace: Option<&NamespaceId>) -> Vec<RoomSummary> {
        let rooms = self.shared.rooms();
        let wanted = |name: &RoomName| namespace.is_none_or(|wanted| *wanted == name.namespace);
        let listed = rooms.by_id.iter().filter(|(name, _)| wanted(name));
        let mut listed: Vec<_> = listed.map(|(name, entry)| summary(name, entry)).collect();
        drop(rooms);
        listed.sort_unstable_by(|one, other| {
            (&one.namespace, &one.room).cmp(&(&other.namespace, &other.room))
        });
        listed
    }

    /// One of them.
    pub fn room_summary(&self, room: &RoomName) -> Option<RoomSummary> {
        let rooms = self.shared.rooms();
        rooms.by_id.get(room).map(|entry| summary(room, entry))
    }

    /// What routers of rooms can do that nobody asked anything else of.
    pub fn capabilities(&self) -> Arc<RtpCapabilities> {
        Arc::clone(&self.shared.config.capabilities)
    }

    /// Everything in a room; `None`: there is no such room.
    pub async fn room(&self, room: &RoomName) -> Option<RoomView> {
        let task = self.task_of(room)?;
        let (seen, view) = oneshot::channel();
        task.send(Input::View(seen)).await.ok()?;
        view.await.ok()
    }

    /// Everything in a room, and where it is; `None`: there is no such room.
    pub async fn picture(&self, room: &RoomName) -> Option<RoomPicture> {
        let view = self.room(room).await?;
        let rooms = self.shared.rooms();
        let entry = rooms.by_id.get(room)?;
        let workers = entry.spots.iter();
        Some(RoomPicture {
            summary: summary(room, entry),
            workers: workers.map(|it| (it.place, it.worker.id())).collect(),
            view,
        })
    }

    /// Does what an operator wants of a room, whoever is in it.
    pub async fn administer(
        &self,
        room: &RoomName,
        command: AdminCommand,
    ) -> Result<(), RoomError> {
        let gone = || RoomError::new(ErrorKind::NotFound, "there is no such room");
        let task = self.task_of(room).ok_or_else(gone)?;
        let (done, result) = oneshot::channel();
        let input = Input::Administer { command, done };
        task.send(input).await.map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }

    /// Makes a room before anybody comes. `false`: it is there already, and stays as it is.
    pub fn open(
        &self,
        room: &RoomName,
        options: RoomOptions,
        opening: Opening,
    ) -> Result<bool, ConnectError> {
        let mut rooms = self.shared.rooms();
        if rooms.closing {
            return Err(ConnectError::ShuttingDown);
        }
        rooms.give_up_lost(room);
        if rooms.by_id.contains_key(room) {
            return Ok(false);
        }
        let limits = self.shared.config.namespace_limits(&room.namespace);
        rooms.namespaces.check_room(&room.namespace, &limits)?;
        self.open_room(&mut rooms, room, options, opening.into())?;
        Ok(true)
    }

    fn task_of(&self, room: &RoomName) -> Option<mpsc::Sender<Input>> {
        let rooms = self.shared.rooms();
        rooms.by_id.get(room).map(|entry| entry.sender.clone())
    }
}

fn summary(name: &RoomName, entry: &Entry) -> RoomSummary {
    let figures = &entry.figures;
    let workers: BTreeSet<_> = entry.spots.iter().map(|spot| spot.worker.id().0).collect();
    RoomSummary {
        namespace: name.namespace.to_string(),
        room: name.room.to_string(),
        peers: figures.joined.load(Ordering::Relaxed),
        sessions: figures.sessions.load(Ordering::Relaxed) + entry.arriving,
        producers: figures.producers.load(Ordering::Relaxed),
        consumers: entry.spots.iter().map(|spot| spot.tally.exact()).sum(),
        workers: workers.into_iter().collect(),
        opened_at: unix_millis(entry.opened),
    }
}

/// As clocks of nodes and clients have it.
pub(crate) fn unix_millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// As rooms are named where there is one list of all: those of the namespace of everybody by their names alone, unless
/// that would read as another namespace's room.
pub(crate) fn shown_name(name: &RoomName) -> String {
    if is_of_everybody(name) && !name.room.as_str().contains('/') {
        name.room.to_string()
    } else {
        name.to_string()
    }
}

/// Whether it is a room of nobody in particular, which everybody may hear of.
pub(crate) fn is_of_everybody(name: &RoomName) -> bool {
    name.namespace.as_str() == NamespaceId::DEFAULT_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rooms_are_shown_alike() {
        let shown = |namespace: &str, room: &str| shown_name(&RoomName::new(namespace, room));
        assert_eq!(shown("default", "lobby"), "lobby");
        assert_eq!(shown("acme", "lobby"), "acme/lobby");
        assert_eq!(shown("default", "acme/lobby"), "default/acme/lobby");
        assert_eq!(shown("acme", "default/lobby"), "acme/default/lobby");
    }
}
