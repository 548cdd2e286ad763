//! Pipes to and from workers of other nodes.
//!
//! All that a pipe needs is sent to the worker while the room's effect is carried out, the trunk included: so what the room asks
//! for afterwards finds it.

use futures_util::future::join_all;
use plenum_room::{
    Command, FarEnd, NearEnd, NodeKey, NodeRequest, OpId, OpenPipe, PlaceId, WorkerFailure,
};
use tracing::debug;

use super::RoomTask;
use crate::{
    asking::begin,
    trunks::nodes::{Near, NodeTrunks, OuterEnd, TrunkError},
};

/// From so many failures on nobody chooses from whom he takes something: those who are near may be full, or have lost it.
const MAY_CHOOSE: u8 = 3;

impl RoomTask {
    /// Asks another node, with what only the host knows.
    pub(super) fn ask_node(&mut self, op: OpId, node: NodeKey, mut request: NodeRequest) {
        if let NodeRequest::OpenPipe(open) = &mut request {
            self.complete(&node, open);
        }
        if let Some(part) = &mut self.part {
            part.ask(op, node, request);
        }
    }

    fn complete(&self, node: &NodeKey, open: &mut OpenPipe) {
        let Some((trunks, end)) = self.outer_end(open.place) else {
            // The other node refuses it, and the room hears that the place is lost.
            return;
        };
        // Who has tried that in vain takes it from wherever there is room.
        if let (0..MAY_CHOOSE, Some(cluster)) = (open.failures, &self.shared.cluster) {
            open.near = cluster.nearer(&node.node);
        }
        match trunks.ask(node, &end) {
            Ok(words) => open.end = words,
            Err(err) => debug!(room = %self.id, %err, "a pipe that leads nowhere"),
        }
    }

    /// The half of a pipe that is at its producer's worker, which is here.
    pub(super) fn open_near_end(&mut self, op: OpId, pipe: &NearEnd) {
        let made = match self.outer_end(pipe.from) {
            Some((trunks, end)) => {
                let near = trunks.near(&self.shared, &end, pipe);
                near.map_err(|err| failure(&err)).map(|near| (near, end))
            }
            None => Err(WorkerFailure::Lost),
        };
        let (Near { requests, offer }, end) = match made {
            Ok(made) => made,
            Err(failure) => {
                let result = Err(failure);
                return self.todo.push_back(Command::PipeOffered { op, result });
            }
        };
        let mut asking = Vec::new();
        for request in requests {
            self.note(pipe.from, end.worker.id(), &request);
            asking.push(self.asking(end.worker.clone(), request));
        }
        self.in_flight.push(begin(Box::pin(async move {
            // Polls them, and so sends them, in this order.
            let results = join_all(asking).await.into_iter();
            let result = results.collect::<Result<Vec<_>, _>>();
            let result = result.map(|_| Box::new(offer));
            Command::PipeOffered { op, result }
        })));
    }

    /// The half of a pipe from another node that is here.
    pub(super) fn open_far_end(&mut self, op: OpId, pipe: FarEnd) {
        let place = pipe.place;
        let made = match self.outer_end(place) {
            Some((trunks, end)) => trunks
                .far(&self.shared, &end, pipe)
                .map_err(|err| failure(&err)),
            None => Err(WorkerFailure::Lost),
        };
        match made {
            Ok(request) => self.ask_worker(place, Some(op), request),
            Err(failure) => {
                let result = Err(failure);
                self.todo.push_back(Command::WorkerAnswer { op, result });
            }
        }
    }

    fn outer_end(&self, place: PlaceId) -> Option<(NodeTrunks, OuterEnd)> {
        let trunks = self.shared.node_trunks.clone()?;
        let end = self.shared.outer_end(self.worker(place)?)?;
        Some((trunks, end))
    }
}

fn failure(err: &TrunkError) -> WorkerFailure {
    WorkerFailure::Refused(err.refusal())
}
