//! A worker's place in the node: one process after another, on the same sockets.

use std::{error::Error, fmt::Write as _, process::ExitStatus, sync::Arc, time::Instant};

use plenum_ids::WorkerId;
use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    time::sleep,
};
use tracing::{error, info, warn};

use crate::{
    config::SupervisorConfig,
    error::WorkerFault,
    process::{End, Process, stopped},
    restarts::Restarts,
    sockets::RtcSocket,
    supervisor::{Shared, SlotState, WorkerEvent, WorkerState},
};

pub(crate) struct Slot {
    pub(crate) id: WorkerId,
    pub(crate) config: Arc<SupervisorConfig>,
    pub(crate) sockets: Vec<RtcSocket>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: UnboundedSender<WorkerEvent>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Slot {
    /// Keeps a process running until it is asked to stop.
    pub(crate) async fn run(mut self, mut process: Process) {
        let mut restarts = Restarts::new(self.config.restart_pause);
        let mut renew = Arc::default();
        self.shared
            .update(self.id, |slot| renew = Arc::clone(&slot.renew));
        loop {
            let started = Instant::now();
            let worker = self.id;
            let heard = |stats| {
                self.shared.update(worker, |slot| {
                    slot.vitals.handle_stats(Instant::now(), stats);
                });
            };
            let hang_timeout = self.config.hang_timeout;
            let drive = process.drive(&self.events, &mut self.stop, &renew, hang_timeout, heard);
            let (status, fault) = match drive.await {
                End::Asked => {
                    self.shared.update(worker, SlotState::handle_end);
                    return;
                }
                End::Died(status, fault) => (status, fault),
                End::Renew => {
                    let Some(next) = self.renew(&mut restarts).await else {
                        return;
                    };
                    process = next;
                    self.started(&process, false);
                    continue;
                }
            };
            let trouble = describe(status, fault.as_ref());
            warn!(%worker, trouble, "worker died");
            self.shared.update(worker, |slot| {
                slot.handle_end();
                slot.trouble = Some(trouble);
            });
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
            self.started(&process, true);
        }
    }

    /// Tells everybody of another process in the place of the one before, which may have died.
    fn started(&self, process: &Process, died: bool) {
        let (worker, handle) = (self.id, process.worker().clone());
        info!(%worker, pid = handle.pid(), "worker runs again");
        self.shared
            .update(worker, |slot| slot.handle_restart(handle, died));
        self.events.send(WorkerEvent::Started { worker }).ok();
    }

    /// Starts another process at once; `None` when asked to stop meanwhile.
    async fn renew(&mut self, restarts: &mut Restarts) -> Option<Process> {
        let (worker, started) = (self.id, Instant::now());
        info!(%worker, "worker is started anew");
        self.shared.update(worker, SlotState::handle_end);
        self.events.send(WorkerEvent::Ended { worker }).ok();
        let process = tokio::select! {
            process = Process::start(&self.config, worker, &self.sockets) => process,
            () = stopped(&mut self.stop) => return None,
        };
        match process {
            Ok(process) => return Some(process),
            Err(error) => self.note_failed_start(&error),
        }
        self.restart(restarts, started).await
    }

    fn note_failed_start(&self, error: &(dyn Error + 'static)) {
        error!(worker = %self.id, error, "worker cannot be started");
        let trouble = Some(chain(error));
        self.shared.update(self.id, |slot| slot.trouble = trouble);
    }

    /// Starts a process again, as often as it takes; `None` when asked to stop meanwhile.
    async fn restart(&mut self, restarts: &mut Restarts, mut started: Instant) -> Option<Process> {
        loop {
            let now = Instant::now();
            let verdict = restarts.handle_death(now, now - started);
            let state = if verdict.held {
                WorkerState::Held
            } else {
                WorkerState::Restarting
            };
            self.shared.update(self.id, |slot| {
                slot.state = state;
                if verdict.held {
                    let trouble = slot.trouble.as_deref().unwrap_or_default();
                    error!(worker = %self.id, pause = ?verdict.pause, trouble, "worker died too often and is held back");
                }
            });
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
                Err(error) => self.note_failed_start(&error),
            }
        }
    }
}

/// How a process ended, in words for operators.
fn describe(status: Option<ExitStatus>, fault: Option<&WorkerFault>) -> String {
    let status = status.map_or_else(|| "ended, not known how".to_owned(), |it| it.to_string());
    match fault {
        Some(fault) => format!("{} ({status})", chain(fault)),
        None => status,
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
