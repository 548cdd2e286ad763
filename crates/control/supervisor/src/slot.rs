//! A worker's place in the node: one process after another, on the same sockets.

use std::{error::Error, sync::Arc, time::Instant};

use plenum_ids::WorkerId;
use plenum_udp::UdpSocket;
use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    time::sleep,
};
use tracing::{error, info, warn};

use crate::{
    config::SupervisorConfig,
    process::{End, Process, stopped},
    restarts::Restarts,
    supervisor::{Shared, SlotState, WorkerEvent, WorkerState},
};

pub(crate) struct Slot {
    pub(crate) id: WorkerId,
    pub(crate) config: Arc<SupervisorConfig>,
    pub(crate) sockets: Vec<UdpSocket>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: UnboundedSender<WorkerEvent>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Slot {
    /// Keeps a process running until it is asked to stop.
    pub(crate) async fn run(mut self, mut process: Process) {
        let mut restarts = Restarts::new();
        loop {
            let started = Instant::now();
            let End::Died(status, fault) = process.drive(&self.events, &mut self.stop).await else {
                self.shared.update(self.id, SlotState::handle_end);
                return;
            };
            self.shared.update(self.id, SlotState::handle_end);
            let worker = self.id;
            let ended =
                status.map_or_else(|| "not known how".to_owned(), |status| status.to_string());
            warn!(%worker, status = ended, "worker died");
            let died = WorkerEvent::Died {
                worker,
                status,
                fault,
            };
            self.events.send(died).ok();
            let Some(next) = self.restart(&mut restarts, started).await else {
                return;
            };
            process = next;
            let handle = process.worker().clone();
            info!(%worker, pid = handle.pid(), "worker runs again");
            self.shared
                .update(worker, |slot| slot.handle_restart(handle));
            self.events.send(WorkerEvent::Started { worker }).ok();
        }
    }

    /// Starts a process again, as often as it takes; `None` when asked to stop meanwhile.
    async fn restart(&mut self, restarts: &mut Restarts, mut started: Instant) -> Option<Process> {
        loop {
            let now = Instant::now();
            let verdict = restarts.handle_death(now, now - started);
            let state = if verdict.held {
                error!(worker = %self.id, pause = ?verdict.pause, "worker died too often and is held back");
                WorkerState::Held
            } else {
                WorkerState::Restarting
            };
            self.shared.update(self.id, |slot| slot.state = state);
            tokio::select! {
                () = sleep(verdict.pause) => {}
                () = stopped(&mut self.stop) => return None,
            }
            started = Instant::now();
            let process = tokio::select! {
                process = Process::start(&self.config, self.id, &self.sockets) => process,
                () = stopped(&mut self.stop) => return None,
            };
            match process {
                Ok(process) => return Some(process),
                Err(error) => {
                    let error: &dyn Error = &error;
                    error!(worker = %self.id, error, "worker cannot be started");
                }
            }
        }
    }
}
