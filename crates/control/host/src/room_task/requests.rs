//! What a room asks of workers.

use std::sync::Arc;

use futures_util::future::join_all;
use plenum_ipc::{Answer, ErrorCode, Request, RequestError};
use plenum_params::ortc;
use plenum_room::{Command, OpId, PlaceId, WorkerFailure};
use plenum_supervisor::{Worker, WorkerError};

use super::RoomTask;
use crate::{
    asking::{Asking, begin},
    objects::Refusable,
    trunks::{End, PipeRequests, Trunks},
};

impl RoomTask {
    pub(super) fn ask_worker(&mut self, place: PlaceId, op: Option<OpId>, request: Request) {
        let Some(worker) = self.worker(place) else {
            if let Some(op) = op {
                let result = Err(WorkerFailure::Lost);
                self.todo.push_back(Command::WorkerAnswer { op, result });
            }
            return;
        };
        self.note(place, worker.id(), &request);
        let Some(op) = op else {
            worker.notify(request);
            return;
        };
        let asking = self.asking(worker, request);
        self.in_flight.push(begin(Box::pin(async move {
            let result = asking.await;
            Command::WorkerAnswer { op, result }
        })));
    }

    /// Both ends of a pipe, as one request of the room.
    pub(super) fn open_pipe(
        &mut self,
        op: OpId,
        (near, far): (PlaceId, PlaceId),
        requests: impl FnOnce(&Trunks, &End, &End) -> Result<PipeRequests, ortc::Error>,
    ) {
        let end = |place| self.places.get(&place).map(|seat| seat.ground.end.clone());
        let (Some(from), Some(to)) = (end(near), end(far)) else {
            let result = Err(WorkerFailure::Lost);
            self.todo.push_back(Command::WorkerAnswer { op, result });
            return;
        };
        let place = far;
        let PipeRequests { far, near } = match requests(&self.shared.trunks, &from, &to) {
            Ok(requests) => requests,
            Err(err) => {
                let result = Err(WorkerFailure::Refused(RequestError {
                    code: ErrorCode::Invalid,
                    reason: err.to_string(),
                }));
                self.todo.push_back(Command::WorkerAnswer { op, result });
                return;
            }
        };
        self.note(place, to.worker.id(), &far);
        let mut asking = vec![self.asking(to.worker, far)];
        asking.extend(
            near.into_iter()
                .map(|it| self.asking(from.worker.clone(), it)),
        );
        self.in_flight.push(begin(Box::pin(async move {
            // Polls them, and so sends them, in this order.
            let results = join_all(asking).await;
            let result = results.into_iter().collect::<Result<Vec<_>, _>>();
            let result = result.map(|_| Answer::Done);
            Command::WorkerAnswer { op, result }
        })));
    }

    /// A request, which is sent when this is first polled.
    pub(super) fn asking(
        &self,
        worker: Worker,
        request: Request,
    ) -> Asking<Result<Answer, WorkerFailure>> {
        let (refusable, shared) = (Refusable::of(&request), Arc::clone(&self.shared));
        Box::pin(async move {
            let result = worker.request(request).await.map_err(failure);
            if let (Some(object), Err(WorkerFailure::Refused(_))) = (&refusable, &result) {
                shared.objects.forget_refused(worker.id(), object);
            }
            result
        })
    }

    pub(super) fn worker(&self, place: PlaceId) -> Option<Worker> {
        let seat = self.places.get(&place);
        seat.map(|seat| seat.ground.end.worker.clone())
    }
}

fn failure(err: WorkerError) -> WorkerFailure {
    match err {
        WorkerError::Refused(refusal) => WorkerFailure::Refused(refusal),
        WorkerError::Overloaded => WorkerFailure::Refused(RequestError {
            code: ErrorCode::Limit,
            reason: err.to_string(),
        }),
        WorkerError::NotSendable(_) => WorkerFailure::Refused(RequestError {
            code: ErrorCode::Invalid,
            reason: err.to_string(),
        }),
        _ => WorkerFailure::Lost,
    }
}
