//! The parts of rooms that this node has, as other nodes find them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use plenum_ids::{NodeId, RoomName};
use plenum_room::{NodeKey, NodeRequest};
use tokio::sync::{Mutex as Turns, OwnedMutexGuard, mpsc, oneshot, watch};

use super::{messages::Told, peers::Answering};

/// What a part hears of other nodes, besides the bus.
#[derive(Debug)]
pub(crate) enum PartInput {
    /// Another part asks or tells something.
    Asked {
        from: NodeKey,
        request: NodeRequest,
        /// Where the answer goes; `None`: it was told.
        answering: Option<Answering>,
    },
    /// What was under way between that node and this one may be lost.
    Broken(NodeId),
    /// Somebody wants to know all of it.
    Tell(oneshot::Sender<Told>),
}

/// Parts of this node.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    table: Mutex<Table>,
    /// No part of this node's start has given a change a higher number. A part begins above it, so that no number of a
    /// room's part ever means two things, however often the room ends and begins anew.
    highest: AtomicU64,
    /// How many there are, those included that end.
    held: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Table {
    parts: HashMap<RoomName, mpsc::Sender<PartInput>>,
    turns: HashMap<RoomName, Weak<Turns<()>>>,
}

/// The right to be this node's part of a room. What is written of one part is written before the next one begins.
#[derive(Debug)]
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
    held: watch::Sender<usize>,
}

impl Turn {
    fn new(guard: OwnedMutexGuard<()>, held: watch::Sender<usize>) -> Self {
        held.send_modify(|held| *held += 1);
        Self {
            _guard: guard,
            held,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held.send_modify(|held| *held -= 1);
    }
}

impl Parts {
    /// Waits until this node has no other part of the room.
    pub(crate) fn turn(&self, room: &RoomName) -> impl Future<Output = Turn> + Send + use<> {
        let (turns, held) = (self.turns_of(room), self.held.clone());
        async move { Turn::new(turns.lock_owned().await, held) }
    }

    /// The same if nobody has it now.
    pub(crate) fn try_turn(&self, room: &RoomName) -> Option<Turn> {
        let guard = self.turns_of(room).try_lock_owned().ok()?;
        Some(Turn::new(guard, self.held.clone()))
    }

    /// Completes when this node has no part of any room.
    pub(crate) async fn ended(&self) {
        let mut held = self.held.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = held.wait_for(|held| *held == 0).await;
    }

    fn turns_of(&self, room: &RoomName) -> Arc<Turns<()>> {
        let mut table = self.table();
        let known = table.turns.get(room).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            // Rooms that are over leave nothing behind for long.
            if table.turns.len() >= 2 * table.parts.len() + 64 {
                table.turns.retain(|_, turns| turns.strong_count() > 0);
            }
            let turns = Arc::new(Turns::new(()));
            table.turns.insert(room.clone(), Arc::downgrade(&turns));
            turns
        })
    }

    /// Whoever has the turn can be found from now on.
    pub(crate) fn insert(&self, room: &RoomName, sender: mpsc::Sender<PartInput>) {
        self.table().parts.insert(room.clone(), sender);
    }

    /// Whoever has the turn cannot be found any more.
    pub(crate) fn remove(&self, room: &RoomName) {
        self.table().parts.remove(room);
    }

    pub(crate) fn get(&self, room: &RoomName) -> Option<mpsc::Sender<PartInput>> {
        self.table().parts.get(room).cloned()
    }

    /// Whether there is a part of the room, or one that begins or ends.
    pub(crate) fn is_held(&self, room: &RoomName) -> bool {
        let table = self.table();
        let turns = table.turns.get(room);
        table.parts.contains_key(room) || turns.is_some_and(|turns| turns.strong_count() > 0)
    }

    /// All of them, for what concerns every part.
    pub(crate) fn all(&self) -> Vec<mpsc::Sender<PartInput>> {
        self.table().parts.values().cloned().collect()
    }

    pub(crate) fn highest(&self) -> u64 {
        self.highest.load(Ordering::Acquire)
    }

    /// A part has come so far.
    pub(crate) fn note_number(&self, seq: u64) {
        self.highest.fetch_max(seq, Ordering::AcqRel);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
