//! Brings workers' events to rooms.

use std::sync::{Arc, atomic::Ordering};

use plenum_room::Command;
use plenum_supervisor::WorkerEvent;
use tokio::sync::mpsc;
use tracing::warn;

use crate::{
    host::Shared,
    messages,
    room_task::{Input, Owner},
};

/// Until the supervisor is gone. Waiting for a room's queue is safe: rooms' tasks wait for nobody.
pub(crate) async fn run(shared: Arc<Shared>, mut events: mpsc::UnboundedReceiver<WorkerEvent>) {
    for worker in shared.supervisor.running() {
        messages::listen(&shared, &worker);
    }
    while let Some(event) = events.recv().await {
        let waiting = &shared.counts.events_waiting;
        waiting.store(events.len(), Ordering::Relaxed);
        match event {
            // The supervisor has written down who died, and who lives again.
            WorkerEvent::Died { .. } | WorkerEvent::Ended { .. } => {
                if let Some(trunks) = &shared.node_trunks {
                    trunks.handle_worker_death(&shared);
                }
                shared.handle_worker_death().await;
            }
            WorkerEvent::Media { worker, event } => {
                // Events of objects that were closed meanwhile find nobody.
                if let Some(Owner { room, place }) = shared.objects.owner_of(worker, &event) {
                    let command = Command::MediaEvent { place, event };
                    let _ = room.send(Input::Command(command)).await;
                }
            }
            WorkerEvent::Started { worker } => {
                if let Some(worker) = shared.supervisor.worker(worker) {
                    messages::listen(&shared, &worker);
                }
                shared.worker_starts.send_modify(|count| *count += 1);
            }
            other => warn!(?other, "unknown event of a worker"),
        }
    }
}
