//! What happens in rooms, for those who look on from outside.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use plenum_ids::RoomName;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::host::Host;

/// Something happened in a room.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RoomEvent {
    /// Which room.
    pub room: RoomName,
    /// Tells it from earlier and later rooms of the same name: grows with every room that is opened.
    pub life: u64,
    /// Counts what happened in it, from 1.
    pub sequence: u64,
    /// When.
    pub at: SystemTime,
    /// Events of whatever room that this watcher has missed before this one, because it was not taking them.
    pub lost: u64,
    /// What.
    pub what: Happening,
}

/// See [`RoomEvent::what`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Happening {
    /// The room exists now.
    Opened,
    /// The room is no more; the last that is told of it.
    Closed {
        /// It lost its worker or is moved from it, and is opened again by whoever of its clients follows first.
        goes_on: bool,
    },
    /// As the room tells it.
    Room(plenum_room::RoomEvent),
}

/// Who looks on.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    all: Mutex<Vec<Watcher>>,
}

#[derive(Debug)]
struct Watcher {
    events: mpsc::Sender<RoomEvent>,
    lost: u64,
}

impl Watchers {
    pub(crate) fn tell(&self, event: &RoomEvent) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain_mut(|watcher| watcher.tell(event));
    }
}

impl Watcher {
    /// Whether anybody is there.
    fn tell(&mut self, event: &RoomEvent) -> bool {
        match self.events.try_reserve() {
            Ok(permit) => {
                permit.send(RoomEvent {
                    lost: mem::take(&mut self.lost),
                    ..event.clone()
                });
                true
            }
            Err(TrySendError::Full(())) => {
                self.lost += 1;
                true
            }
            Err(TrySendError::Closed(())) => false,
        }
    }
}

impl Host {
    /// Tells of everything that happens in rooms from now on. Rooms wait for nobody: what does not fit into `capacity` is
    /// counted, and that is told with the next event ([`RoomEvent::lost`]).
    pub fn watch(&self, capacity: usize) -> mpsc::Receiver<RoomEvent> {
        let (events, receiver) = mpsc::channel(capacity.max(1));
        let watchers = &self.shared.watchers.all;
        let mut all = watchers.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Watcher { events, lost: 0 });
        receiver
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::RoomId;

    use super::*;

    #[test]
    fn who_does_not_keep_up_learns_how_much_it_missed() {
        let watchers = Watchers::default();
        let (events, mut receiver) = mpsc::channel(2);
        let lock = || watchers.all.lock().expect("nobody panics");
        lock().push(Watcher { events, lost: 0 });
        let tell = |sequence| {
            watchers.tell(&RoomEvent {
                room: RoomId::from("a").into(),
                life: 1,
                sequence,
                at: SystemTime::UNIX_EPOCH,
                lost: 0,
                what: Happening::Opened,
            });
        };
        (1..=5).for_each(tell);
        let mut next = || {
            receiver
                .try_recv()
                .map(|event| (event.sequence, event.lost))
        };
        assert_eq!(next(), Ok((1, 0)));
        assert_eq!(next(), Ok((2, 0)));
        tell(6);
        assert_eq!(next(), Ok((6, 3)));
        drop(receiver);
        tell(7);
        assert!(lock().is_empty(), "who has gone is forgotten");
    }
}
