//! When a node of the cluster has just gone, or lets go of its clients, all of them come to the others at once. Those who come in such a rush are let in
//! one after another: who comes too early is told when to come again, and is let in then whoever else comes.
//!
//! At other times nobody waits here: a room that fills because a lecture begins is nobody's failure.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use plenum_ids::{NodeId, PeerId, RoomName};

use crate::rate::TokenBucket;

/// Joins a second in a rush. A join and what follows from it for the others of its room take some milliseconds of one core; this leaves most of
/// it to those who are in calls, and has the two hundred of a usual node back in four seconds.
const PER_SECOND: u32 = 50;

/// They are let in at once: less than a second's work.
const BURST: u32 = 50;

/// How long a rush lasts: a lease, the longest waiting time of clients, and the time for a thousand of them.
const RUSH: Duration = Duration::from_secs(30);

/// Clients are not punctual: their clocks run as ours, but their sockets take a while.
const EARLY: Duration = Duration::from_millis(250);

/// Who has not come so long after his time has lost it.
const LATE: Duration = Duration::from_secs(10);

/// People who may have been told a time. Whoever is one more takes his chance.
const MAX_PROMISED: usize = 10_000;

/// Who comes when.
#[derive(Debug)]
pub(crate) struct Slots(Mutex<Table>);

#[derive(Debug)]
struct Table {
    /// Nodes that were alive when somebody came last.
    alive: BTreeSet<NodeId>,
    rush_until: Option<Instant>,
    bucket: TokenBucket,
    promised: HashMap<(RoomName, PeerId), Instant>,
}

impl Slots {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Table {
            alive: BTreeSet::new(),
            rush_until: None,
            bucket: TokenBucket::new(PER_SECOND, BURST, now),
            promised: HashMap::new(),
        }))
    }

    /// Whether somebody may come in now; else when to come again. `alive` are the cluster's other nodes.
    pub(crate) fn ask(
        &self,
        room: &RoomName,
        peer: &PeerId,
        alive: BTreeSet<NodeId>,
        now: Instant,
    ) -> Result<(), Duration> {
        // Every change leaves a whole table.
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.ask(room, peer, alive, now)
    }

    /// Many may come from now on for a while, because a node lets go of its clients.
    pub(crate) fn note_rush(&self, now: Instant) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.rush_until = Some(now + RUSH);
    }
}

impl Table {
    fn ask(
        &mut self,
        room: &RoomName,
        peer: &PeerId,
        alive: BTreeSet<NodeId>,
        now: Instant,
    ) -> Result<(), Duration> {
        if !self.alive.is_subset(&alive) {
            self.rush_until = Some(now + RUSH);
        }
        self.alive = alive;
        if self.rush_until.is_none_or(|until| until <= now) {
            self.promised.clear();
            return Ok(());
        }
        let who = (room.clone(), peer.clone());
        if let Some(slot) = self.promised.get(&who) {
            let early = slot.saturating_duration_since(now);
            if early > EARLY {
                return Err(early);
            }
            self.promised.remove(&who);
            return Ok(());
        }
        if self.promised.len() >= MAX_PROMISED {
            self.promised.retain(|_, slot| *slot + LATE > now);
        }
        if self.promised.len() >= MAX_PROMISED {
            return Ok(());
        }
        let wait = self.bucket.take(now);
        if wait.is_zero() {
            return Ok(());
        }
        self.promised.insert(who, now + wait);
        Err(wait)
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::RoomId;

    use super::*;

    fn nodes(names: &[&str]) -> BTreeSet<NodeId> {
        names.iter().map(|name| NodeId::from(*name)).collect()
    }

    fn room() -> RoomName {
        RoomName::from(RoomId::from("r"))
    }

    fn peer(number: usize) -> PeerId {
        number.to_string().into()
    }

    #[test]
    fn nobody_waits_as_long_as_all_nodes_live() {
        let now = Instant::now();
        let slots = Slots::new(now);
        for alive in [nodes(&[]), nodes(&["b"]), nodes(&["b", "c"])] {
            for number in 0..1000 {
                let asked = slots.ask(&room(), &peer(number), alive.clone(), now);
                assert_eq!(asked, Ok(()));
            }
        }
    }

    #[test]
    fn those_of_a_dead_node_come_one_after_another_and_each_is_let_in_at_its_time() {
        let mut now = Instant::now();
        let slots = Slots::new(now);
        let ask = |number, now| slots.ask(&room(), &peer(number), nodes(&["b"]), now);
        let both = nodes(&["b", "c"]);
        assert_eq!(slots.ask(&room(), &peer(0), both, now), Ok(()));
        let mut waiting = Vec::new();
        for number in 0..200 {
            if let Err(wait) = ask(number, now) {
                waiting.push((now + wait, number));
            }
        }
        assert_eq!(waiting.len(), 200 - BURST as usize);
        let last = waiting.last().expect("many").0 - now;
        assert_eq!(last, Duration::from_secs(3), "150 at 50 a second");
        // Who comes long before its time is told the same again, and takes nobody's place.
        let (slot, number) = waiting[100];
        assert_eq!(ask(number, now), Err(slot - now));
        for (slot, number) in waiting {
            now = slot;
            assert_eq!(ask(number, now), Ok(()));
        }
        // The rush is over.
        now += RUSH;
        for number in 0..200 {
            assert_eq!(ask(number, now), Ok(()));
        }
    }

    #[test]
    fn those_of_a_node_that_is_left_come_one_after_another_too() {
        let now = Instant::now();
        let slots = Slots::new(now);
        slots.note_rush(now);
        let ask = |number, now| slots.ask(&room(), &peer(number), nodes(&["b"]), now);
        let waiting = (0..200).filter(|number| ask(*number, now).is_err());
        assert_eq!(waiting.count(), 200 - BURST as usize);
        assert_eq!(ask(1000, now + RUSH), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let now = Instant::now();
        let slots = Slots::new(now);
        let none = nodes(&[]);
        slots
            .ask(&room(), &peer(0), nodes(&["b"]), now)
            .expect("in");
        for number in 0..MAX_PROMISED + 1000 {
            let _ = slots.ask(&room(), &peer(number), none.clone(), now);
        }
        let table = slots.0.lock().expect("nobody has failed");
        assert_eq!(table.promised.len(), MAX_PROMISED);
    }
}
