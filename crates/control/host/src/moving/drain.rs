//! Planned moves: workers are emptied room by room, and started anew one by one.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use plenum_api::{
    error::ErrorKind,
    status::{RollingRestart, WorkerDrain},
};
use plenum_ids::{RoomName, WorkerId};
use plenum_supervisor::{WorkerInfo, WorkerState};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::{
    host::{ConnectError, Host},
    room_task::Input,
    rooms::Rooms,
};

/// An operator asked for something that does not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrainError {
    /// One thing at a time.
    #[error("a rolling restart is under way, see GET /api/v1/workers/restart")]
    Busy,
    /// There is nowhere to move rooms to.
    #[error("no other worker runs that takes rooms")]
    NoOtherWorker,
    /// There is no worker of this number.
    #[error("this node has no worker {0}")]
    NoSuchWorker(WorkerId),
    /// The node is about to end.
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl DrainError {
    /// Its place in the table of errors.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::Busy | Self::NoOtherWorker => ErrorKind::Conflict,
            Self::NoSuchWorker(_) => ErrorKind::NotFound,
            Self::ShuttingDown => ErrorKind::Unavailable,
        }
    }
}

/// What operators have asked for.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    drains: BTreeMap<WorkerId, Drain>,
    last_drain: u64,
    restart: RollingRestart,
}

#[derive(Debug)]
struct Drain {
    /// Tells this one from an earlier one that was called off.
    number: u64,
    moved: usize,
    /// Why the rooms that are left stay where they are.
    obstacle: Option<ConnectError>,
    done: bool,
}

/// Between two attempts to move rooms that nobody takes: load is measured each second.
const RETRY: Duration = Duration::from_secs(1);

/// A worker from which no room could be moved for so long stops a rolling restart: somebody should look.
const STUCK: Duration = Duration::from_mins(1);

/// A worker is ready in some tens of milliseconds; this is as long as its start may take at all, twice.
const RESTART_PATIENCE: Duration = Duration::from_secs(20);

/// How often progress is looked at: moving a room takes some hundreds of milliseconds.
const LOOK: Duration = Duration::from_millis(50);

impl Plans {
    /// Whether a worker is to have no rooms.
    pub(crate) fn is_draining(&self, worker: WorkerId) -> bool {
        self.drains.contains_key(&worker)
    }

    /// The word for `state`, if a drain has one.
    pub(crate) fn state(&self, worker: WorkerId) -> Option<&'static str> {
        let drain = self.drains.get(&worker)?;
        Some(if drain.done { "drained" } else { "draining" })
    }

    fn begin(&mut self, worker: WorkerId) -> u64 {
        self.last_drain += 1;
        let number = self.last_drain;
        let drain = Drain {
            number,
            moved: 0,
            obstacle: None,
            done: false,
        };
        self.drains.insert(worker, drain);
        number
    }

    fn drain(&mut self, worker: WorkerId, number: u64) -> Option<&mut Drain> {
        let drain = self.drains.get_mut(&worker);
        drain.filter(|drain| drain.number == number)
    }
}

impl Host {
    /// Moves all rooms of a worker to others, one by one, and gives it no new ones. Asked again it only tells how far
    /// that is.
    pub fn drain(&self, worker: WorkerId) -> Result<WorkerDrain, DrainError> {
        let infos = self.shared.supervisor.workers();
        check_worker(&infos, worker)?;
        let mut rooms = self.shared.rooms();
        if rooms.closing {
            return Err(DrainError::ShuttingDown);
        }
        if !rooms.plans.is_draining(worker) {
            check_others(&rooms, &infos, worker)?;
            let number = rooms.plans.begin(worker);
            info!(%worker, rooms = rooms.on(worker), "worker is drained");
            tokio::spawn(self.clone().carry_out_drain(worker, number));
        }
        Ok(rooms.drain_status(worker))
    }

    /// Gives a worker rooms again. Those that have moved stay where they are. Ends a rolling restart that is at it.
    pub fn undrain(&self, worker: WorkerId) -> Result<WorkerDrain, DrainError> {
        let infos = self.shared.supervisor.workers();
        check_worker(&infos, worker)?;
        let mut rooms = self.shared.rooms();
        if rooms.plans.drains.remove(&worker).is_some() {
            info!(%worker, "worker takes rooms again");
        }
        Ok(rooms.drain_status(worker))
    }

    /// Drains the workers and starts them anew, one after another.
    pub fn restart_workers(&self) -> Result<RollingRestart, DrainError> {
        let infos = self.shared.supervisor.workers();
        let mut rooms = self.shared.rooms();
        if rooms.closing {
            return Err(DrainError::ShuttingDown);
        }
        if rooms.plans.restart.state == RUNNING {
            return Err(DrainError::Busy);
        }
        for info in &infos {
            check_others(&rooms, &infos, info.id)?;
        }
        let left = infos.iter().map(|info| info.id.0).collect();
        rooms.plans.restart = RollingRestart {
            state: RUNNING,
            left,
            ..RollingRestart::default()
        };
        info!(workers = infos.len(), "rolling restart begins");
        tokio::spawn(self.clone().carry_out_restart());
        Ok(rooms.plans.restart.clone())
    }

    /// How the latest rolling restart goes, or went.
    pub fn rolling_restart(&self) -> RollingRestart {
        self.shared.rooms().plans.restart.clone()
    }

    async fn carry_out_drain(self, worker: WorkerId, number: u64) {
        loop {
            let room = {
                let mut rooms = self.shared.rooms();
                let room = rooms.first_on(worker).filter(|_| !rooms.closing);
                let Some(drain) = rooms.plans.drain(worker, number) else {
                    return;
                };
                if room.is_none() {
                    drain.done = true;
                    drain.obstacle = None;
                }
                room
            };
            let Some(room) = room else {
                info!(%worker, "worker is drained and has no rooms");
                return;
            };
            let result = self.move_room(&room).await;
            let pause = result.is_err();
            if let Some(drain) = self.shared.rooms().plans.drain(worker, number) {
                drain.obstacle = result.err();
                drain.moved += usize::from(!pause);
            }
            if pause {
                sleep(RETRY).await;
            }
        }
    }

    /// Takes a room off the list, so that it is opened at another worker by the first who comes, asks those who are in it
    /// to go there, and comes back when nobody is left in it or the time for that is over.
    async fn move_room(&self, id: &RoomName) -> Result<(), ConnectError> {
        let room = {
            let mut rooms = self.shared.rooms();
            let Some(entry) = rooms.by_id.get(id) else {
                return Ok(());
            };
            let (key, sender) = (entry.key, entry.sender.clone());
            let legacy = entry.legacy();
            // Whether there is a place at all; who comes first takes it.
            self.place(&mut rooms)?;
            rooms.displaced.handle_lost(id, legacy, Instant::now());
            rooms.remove(id, key);
            sender
        };
        info!(room = %id, "room moves to another worker");
        // A room that has just ended need not move.
        let _ = room.send(Input::Move).await;
        room.closed().await;
        Ok(())
    }

    async fn carry_out_restart(self) {
        let workers = self.shared.supervisor.workers();
        let mut trouble = None;
        for info in workers {
            self.shared.rooms().plans.restart.current = Some(info.id.0);
            if let Err(reason) = self.renew(info.id).await {
                warn!(worker = %info.id, reason, "rolling restart stopped");
                trouble = Some(format!("worker {}: {reason}", info.id));
                break;
            }
            let mut rooms = self.shared.rooms();
            let restart = &mut rooms.plans.restart;
            restart.left.retain(|left| *left != info.id.0);
            restart.done.push(info.id.0);
        }
        info!(trouble, "rolling restart ended");
        let mut rooms = self.shared.rooms();
        let restart = &mut rooms.plans.restart;
        restart.current = None;
        restart.state = if trouble.is_some() { "stopped" } else { "done" };
        restart.trouble = trouble;
    }

    /// One worker: empty it, start it anew, give it rooms again.
    async fn renew(&self, worker: WorkerId) -> Result<(), &'static str> {
        let by_hand = self.shared.rooms().plans.is_draining(worker);
        self.drain(worker)
            .map_err(|_| "no other worker takes its rooms")?;
        let number = self.shared.rooms().plans.last_of(worker);
        let drained = self.drained(worker, number).await;
        let result = match drained {
            Ok(()) => self.start_anew(worker).await,
            Err(reason) => Err(reason),
        };
        let mut rooms = self.shared.rooms();
        // What somebody has drained by hand stays so.
        if !by_hand && rooms.plans.drain(worker, number).is_some() {
            rooms.plans.drains.remove(&worker);
        }
        result
    }

    async fn drained(&self, worker: WorkerId, number: u64) -> Result<(), &'static str> {
        let mut progress = (usize::MAX, Instant::now());
        loop {
            {
                let mut rooms = self.shared.rooms();
                if rooms.closing {
                    return Err("the server is shutting down");
                }
                let left = rooms.on(worker);
                let Some(drain) = rooms.plans.drain(worker, number) else {
                    return Err("somebody gave it rooms again");
                };
                if drain.done {
                    return Ok(());
                }
                if left < progress.0 {
                    progress = (left, Instant::now());
                } else if progress.1.elapsed() > STUCK {
                    return Err("its rooms find no other place");
                }
            }
            sleep(LOOK).await;
        }
    }

    async fn start_anew(&self, worker: WorkerId) -> Result<(), &'static str> {
        let supervisor = Arc::clone(&self.shared.supervisor);
        let old = supervisor.worker(worker);
        if !supervisor.restart(worker) {
            return Err("it does not run");
        }
        let runs_anew = async {
            loop {
                let new = supervisor.worker(worker);
                if let Some(new) = new
                    && old.as_ref().is_none_or(|old| !old.is_same(&new))
                {
                    return;
                }
                sleep(LOOK).await;
            }
        };
        let started = timeout(RESTART_PATIENCE, runs_anew).await;
        started.map_err(|_| "it did not start again")
    }
}

const RUNNING: &str = "running";

fn check_worker(infos: &[WorkerInfo], worker: WorkerId) -> Result<(), DrainError> {
    let known = infos.iter().any(|info| info.id == worker);
    known.then_some(()).ok_or(DrainError::NoSuchWorker(worker))
}

/// Some worker must be there for the rooms of this one.
fn check_others(rooms: &Rooms, infos: &[WorkerInfo], worker: WorkerId) -> Result<(), DrainError> {
    let takes_rooms = |info: &WorkerInfo| {
        info.id != worker && info.state == WorkerState::Running && !rooms.plans.is_draining(info.id)
    };
    let others = infos.iter().any(takes_rooms);
    others.then_some(()).ok_or(DrainError::NoOtherWorker)
}

impl Plans {
    fn last_of(&self, worker: WorkerId) -> u64 {
        self.drains.get(&worker).map_or(0, |drain| drain.number)
    }
}

impl Rooms {
    fn first_on(&self, worker: WorkerId) -> Option<RoomName> {
        let there = self.by_id.iter().filter(|(_, entry)| {
            let mut spots = entry.spots.iter();
            spots.any(|spot| spot.worker.id() == worker)
        });
        // The oldest.
        let first = there.min_by_key(|(_, entry)| entry.key);
        first.map(|(id, _)| id.clone())
    }

    pub(crate) fn drain_status(&self, worker: WorkerId) -> WorkerDrain {
        let drain = self.plans.drains.get(&worker);
        WorkerDrain {
            worker_id: worker.0,
            state: self.plans.state(worker).unwrap_or("running"),
            rooms_left: self.on(worker),
            rooms_moved: drain.map_or(0, |drain| drain.moved),
            obstacle: drain.and_then(|drain| drain.obstacle.map(|obstacle| obstacle.to_string())),
        }
    }
}
