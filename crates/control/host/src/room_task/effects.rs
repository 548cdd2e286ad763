//! What the room wants done.

use plenum_ids::WorkerId;
use plenum_ipc::Request;
use plenum_room::{CloseReason, Command, Effect, PlaceId, SessionId};
use tokio::sync::mpsc::error::TrySendError;
use tracing::{debug, warn};

use super::{Ground, Owner, RoomTask, Seat};
use crate::{
    happenings::Happening,
    messages,
    session::{SessionEnd, SessionEvent},
};

impl RoomTask {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::AskClient { session, ask, body } => {
                self.tell(session, SessionEvent::Ask { ask, body });
            }
            Effect::CloseSession { session, reason } => {
                self.tell(session, SessionEvent::End(SessionEnd::Room(reason)));
                self.forget(session);
                self.lost |= reason == CloseReason::RouterLost;
            }
            Effect::Notify { session, event } => self.tell(session, SessionEvent::Notify(event)),
            Effect::Reply {
                session,
                request,
                result,
            } => self.tell(session, SessionEvent::Reply { request, result }),
            Effect::AnswerNode { .. }
            | Effect::AskNode { .. }
            | Effect::LookAt { .. }
            | Effect::OpenFarEnd { .. }
            | Effect::OpenNearEnd { .. }
            | Effect::Publish(_)
            | Effect::PublishHint(_)
            | Effect::TellNode { .. } => self.carry_out_between_nodes(effect),
            Effect::OpenPipe { op, pipe } => {
                let ends = (pipe.from, pipe.to);
                self.open_pipe(op, ends, |trunks, from, to| trunks.pipe(from, to, &pipe));
            }
            Effect::OpenDataPipe { op, pipe } => {
                let ends = (pipe.from, pipe.to);
                self.open_pipe(op, ends, |trunks, from, to| {
                    Ok(trunks.data_pipe(from, to, &pipe))
                });
            }
            Effect::PlaceEmpty { place } => {
                if self
                    .shared
                    .remove_place_if_deserted(&self.id, self.key, place)
                {
                    self.todo.push_back(Command::ClosePlace { place });
                }
            }
            Effect::PlaceClosed { place } => {
                self.leave_place(place);
                self.shared.remove_place(&self.id, self.key, place);
            }
            Effect::RoomClosed => {
                self.shared.remove_room(&self.id, self.key);
                self.ended = true;
            }
            Effect::Happened(what) => {
                if let plenum_room::RoomEvent::RoomChanged(properties) = &what {
                    self.figures.note_properties(properties);
                }
                self.figures.members.note(&what);
                self.tell_watchers(Happening::Room(what));
            }
            // Whether it is to end without anybody is looked at after each input.
            Effect::RoomEmpty => {}
            Effect::SendMessage {
                place,
                data_producer,
                text,
            } => {
                if let Some(worker) = self.worker(place) {
                    messages::send(&worker, data_producer, &text);
                }
            }
            Effect::Worker { place, op, request } => self.ask_worker(place, op, request),
            other => warn!(room = %self.id, ?other, "unknown effect"),
        }
    }

    pub(super) fn open_place(&mut self, place: PlaceId, ground: Ground) {
        let router = None;
        self.places.insert(place, Seat { ground, router });
    }

    /// Events of what was there find nobody from here on.
    pub(super) fn leave_place(&mut self, place: PlaceId) {
        if let Some(Seat { ground, router }) = self.places.remove(&place)
            && let Some(router) = router
        {
            let worker = ground.end.worker.id();
            self.shared.objects.forget(worker, router);
        }
    }

    /// Remembers whom the events of new objects are for.
    pub(super) fn note(&mut self, place: PlaceId, worker: WorkerId, request: &Request) {
        if let Request::CreateRouter { router } = request
            && let Some(seat) = self.places.get_mut(&place)
        {
            seat.router = Some(*router);
        }
        let owner = Owner {
            room: self.sender.clone(),
            place,
        };
        self.shared.objects.note(&owner, worker, request);
    }

    pub(super) fn tell(&mut self, session: SessionId, event: SessionEvent) {
        let Some(client) = self.sessions.get(&session) else {
            return;
        };
        if let Err(TrySendError::Full(_)) = client.events.try_send(event) {
            debug!(room = %self.id, ?session, "session does not keep up");
            self.forget(session);
            self.todo.push_back(Command::PeerDisconnected { session });
        }
    }
}
