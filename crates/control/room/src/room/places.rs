//! Where a room lives: one router at each worker that it is on.

use std::time::Instant;

use plenum_ids::RouterId;
use plenum_ipc::message::Request;

use crate::{
    close_reason::CloseReason,
    command::{PlaceId, WorkerFailure},
    effect::Effect,
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
        let (sessions, producers) = (0, 0);
        let opened = Place {
            router,
            sessions,
            producers,
        };
        self.places.insert(place, opened);
        let request = Request::CreateRouter { router };
        self.ask_worker(place, Op::CreateRouter(place), request, effects);
    }

    /// A place without a router is no place.
    pub(super) fn handle_no_router(
        &mut self,
        now: Instant,
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
        self.lose_place(now, place, effects);
    }

    /// Whether a place could go: nobody is there, and there are others.
    pub(super) fn is_idle(&self, place: PlaceId) -> bool {
        let sessions = self.places.get(&place).map(|place| place.sessions);
        sessions == Some(0) && self.places.len() > 1
    }

    pub(super) fn close_place(&mut self, place: PlaceId, effects: &mut Vec<Effect>) {
        let Some(router) = self.places.get(&place).map(|place| place.router) else {
            return;
        };
        if self.is_idle(place) {
            self.close_pipes_to(place, effects);
            self.move_inlets(place, effects);
            self.tell_worker(place, Request::CloseRouter { router }, effects);
            self.forget_place(place);
            effects.push(Effect::PlaceClosed { place });
        }
    }

    fn forget_place(&mut self, place: PlaceId) {
        self.places.remove(&place);
        self.ops
            .retain(|_, op| !matches!(op, Op::CreateRouter(of) if *of == place));
    }

    /// The worker under a place is gone, with everything on it.
    pub(super) fn lose_place(&mut self, now: Instant, place: PlaceId, effects: &mut Vec<Effect>) {
        if !self.places.contains_key(&place) {
            return;
        }
        // From here on nothing is sent there.
        self.forget_place(place);
        if self.places.is_empty() {
            return self.end(CloseReason::RouterLost, effects);
        }
        let there = self.sessions.iter().filter(|(_, peer)| peer.place == place);
        let there: Vec<_> = there.map(|(session, _)| *session).collect();
        for session in there {
            self.keep_away(now, session);
            self.leave(session, Some(CloseReason::RouterLost), effects);
        }
        self.close_pipes_to(place, effects);
        self.move_inlets(place, effects);
    }
}
