//! Where a room lives: one router at each worker that it is on.

use plenum_ids::RouterId;
use plenum_ipc::message::Request;

use crate::{
    command::{PlaceId, WorkerFailure},
    effect::{CloseReason, Effect},
    room::Room,
    state::{Op, Place},
};

impl Room {
    /// Clients need not wait for the answer: requests reach the worker in order.
    pub(super) fn open_place(
        &mut self,
        place: PlaceId,
        router: RouterId,
        effects: &mut Vec<Effect>,
    ) {
        self.places.insert(place, Place { router });
        let request = Request::CreateRouter { router };
        self.ask_worker(place, Op::CreateRouter(place), request, effects);
    }

    /// A place without a router is no place.
    pub(super) fn handle_no_router(
        &mut self,
        place: PlaceId,
        failure: &WorkerFailure,
        effects: &mut Vec<Effect>,
    ) {
        let Some(router) = self.places.get(&place).map(|place| place.router) else {
            return;
        };
        if *failure == WorkerFailure::Lost {
            self.tell_worker(place, Request::CloseRouter { router }, effects);
        }
        if self.places.len() > 1 {
            effects.push(Effect::PlaceClosed { place });
        }
        self.lose_place(place, effects);
    }

    /// The worker under a place is gone, with everything on it.
    pub(super) fn lose_place(&mut self, place: PlaceId, effects: &mut Vec<Effect>) {
        // From here on nothing is sent there.
        if self.places.remove(&place).is_none() {
            return;
        }
        if self.places.is_empty() {
            return self.end(CloseReason::RouterLost, effects);
        }
        self.ops
            .retain(|_, op| !matches!(op, Op::CreateRouter(of) if *of == place));
        let there = self.sessions.iter().filter(|(_, peer)| peer.place == place);
        let there: Vec<_> = there.map(|(session, _)| *session).collect();
        for session in there {
            self.leave(session, Some(CloseReason::RouterLost), effects);
        }
    }
}
