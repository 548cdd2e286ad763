//! One client: its session in a room on one side, whichever socket it has on the other.

use std::{collections::HashSet, time::Instant};

use plenum_api::{error::ErrorKind, plenum::SessionTicket};
use plenum_host::{Session, SessionEnd, SessionEvent, Tunnel};
use plenum_ids::TransportId;
use plenum_room::{
    AskId, ClientRequest, CloseReason, PeerEvent, PeerReply, PeerRequest, RequestId, RoomError,
};
use serde_json::Number;
use tokio::{sync::mpsc, time::timeout_at};
use tracing::{debug, warn};

use super::{
    closing::{Ending, no_session, resumed_elsewhere},
    entrance::{Advance, Entrance},
    handing::{Earlier, Elsewhere, Handed},
    incoming::{Answer, Asked, decode_refused, decode_request},
    jobs::{Jobs, Progress},
    link::{Link, RESUME_WITHIN, Received, Taken},
    moving::{Following, Home, Moves, earlier_ended, entered},
    outbox::Outbox,
    outgoing,
    sessions::{Resumption, Ticket},
};
use crate::{
    Edge,
    leaving::{Departure, at},
    metrics::{Stage, Stages},
    protoo::{
        message::{Incoming, Refusal, error_response},
        pending::Pending,
        wire::Wire,
    },
};

/// Serves a client until either side ends. Nothing here waits for a client's answer, nor for its socket.
pub(super) struct Client {
    pub(super) edge: Edge,
    pub(super) link: Link,
    ticket: Ticket,
    resumptions: mpsc::Receiver<Resumption>,
    pub(super) session: Session,
    pub(super) home: Home,
    /// What is being asked for the `welcome`.
    pub(super) entrance: Option<Entrance>,
    /// Requests that the room is working on.
    pub(super) jobs: Jobs,
    /// The greatest identifier that a request had.
    pub(super) last_request: u64,
    /// Questions to the client.
    pub(super) asks: Pending<AskId>,
    /// Transports that it has connected, well or not.
    pub(super) connected: HashSet<TransportId>,
    pub(super) moves: Moves,
    /// The way to where the room is now.
    pub(super) following: Option<Following>,
    /// Where the room was before, as long as that goes on: its media flows, and nothing of it is passed on.
    pub(super) earlier: Option<Earlier>,
    /// Where the session has gone.
    elsewhere: Option<Elsewhere>,
    /// How far its join has come.
    stages: Stages,
}

/// What happens goes on, or is the end.
pub(super) type Step = Result<(), Ending>;

impl Client {
    /// `session` is what `home` led to, `stages` began with its arrival.
    pub(super) fn new(
        edge: Edge,
        wire: Wire,
        (ticket, resumptions): (Ticket, mpsc::Receiver<Resumption>),
        (home, session): (Home, Session),
        stages: Stages,
    ) -> Self {
        let link = Link::new(wire, edge.settings.outgoing_queue);
        Self::over(edge, link, (ticket, resumptions), (home, session), stages)
    }

    /// One that another node has handed over, where it was before. It waits for its socket.
    pub(super) fn adopted(
        edge: Edge,
        (handed, before): (Handed, Tunnel),
        ticket: (Ticket, mpsc::Receiver<Resumption>),
        home: (Home, Session),
        stages: Stages,
    ) -> Self {
        let outbox = Outbox::going_on(handed.outbox, edge.settings.outgoing_queue);
        let client = Self::over(edge, Link::awaited(outbox), ticket, home, stages);
        Self {
            last_request: handed.last_request,
            asks: client.asks.after(handed.last_ask),
            moves: Moves::moved(handed.produced),
            earlier: Some(Earlier::There(before)),
            ..client
        }
    }

    fn over(
        edge: Edge,
        link: Link,
        (ticket, resumptions): (Ticket, mpsc::Receiver<Resumption>),
        (home, session): (Home, Session),
        stages: Stages,
    ) -> Self {
        Self {
            link,
            asks: Pending::new(edge.settings.request_timeout),
            edge,
            ticket,
            resumptions,
            session,
            home,
            entrance: None,
            jobs: Jobs::default(),
            last_request: 0,
            connected: HashSet::new(),
            moves: Moves::default(),
            following: None,
            earlier: None,
            elsewhere: None,
            stages,
        }
    }

    pub(super) async fn run(mut self) {
        let Err(ending) = self.serve().await else {
            return;
        };
        if let Some(elsewhere) = self.elsewhere {
            let seen = self.link.last();
            let left = (self.session, self.link.into_wire(), seen);
            return elsewhere
                .run(self.edge, left, (self.ticket, self.resumptions))
                .await;
        }
        let (code, reason) = ending.close_frame();
        debug!(?ending, code, "session ended");
        let Self {
            link,
            ticket,
            mut resumptions,
            session,
            earlier,
            edge,
            ..
        } = self;
        // The room is done with this session; only the farewell is left.
        drop(earlier);
        match ending {
            Ending::NodeLeaves => session.leave_behind(),
            _ => drop(session),
        }
        let mut resume_by = link.resume_by();
        let comes_back = ending.outlives_socket();
        if let Some(wire) = link.into_wire() {
            tokio::select! {
                heard = wire.close(code, reason.clone()) => if heard || !comes_back {
                    return;
                },
                Some(resumption) = resumptions.recv(), if comes_back => {
                    // That socket was broken already, and nobody had noticed.
                    Wire::new(resumption.socket, &edge.settings).close(code, reason).await;
                    return;
                }
            }
            resume_by = Some(tokio::time::Instant::now() + RESUME_WITHIN);
        }
        if let Some(time) = resume_by.filter(|_| comes_back)
            && let Ok(Some(resumption)) = timeout_at(time, resumptions.recv()).await
        {
            drop(ticket);
            let wire = Wire::new(resumption.socket, &edge.settings);
            wire.close(code, reason).await;
        }
    }

    /// Never returns `Ok`.
    async fn serve(&mut self) -> Step {
        self.enter().await;
        let mut ending = self.edge.host.ending();
        let mut end_told = false;
        let (mut departing, mut departure) = (self.edge.host.departing(), Departure::default());
        loop {
            let end = *ending.borrow();
            let departs_by = *departing.borrow_and_update();
            departure.look(departs_by, self.session.is_relayed(), Instant::now());
            if let (Some(after), false) = (end, end_told) {
                self.link.tell(&outgoing::draining(after));
                end_told = true;
            }
            if self.link.is_hopeless() {
                return Err(Ending::Forgotten);
            }
            let asks_deadline = self.asks.deadline();
            let move_deadline = self.moves.deadline();
            let resume_by = self.link.resume_by().map(Into::into);
            let is_following = self.following.is_some();
            let is_moving =
                self.is_between_rooms() || move_deadline.is_some() || self.earlier.is_some();
            tokio::select! {
                received = self.link.receive() => self.handle_received(received).await?,
                Some(resumption) = self.resumptions.recv() => self.resume(resumption)?,
                event = self.session.next_event(), if !is_following => self.handle_event(event).await?,
                result = entered(&mut self.following), if is_following => self.arrive(result).await?,
                () = earlier_ended(&mut self.earlier) => self.handle_earlier_end(),
                () = at(asks_deadline) => {
                    while let Some(ask) = self.asks.expire(Instant::now()) {
                        self.answer(ask, false).await;
                    }
                }
                () = at(move_deadline) => return Err(Ending::Stayed),
                () = at(departure.at()), if !is_moving => return Err(Ending::NodeLeaves),
                () = at(resume_by) => return Err(Ending::Gone),
                Ok(()) = ending.changed() => {}
                Ok(()) = departing.changed() => {}
            }
        }
    }

    async fn handle_received(&mut self, received: Received) -> Step {
        let text = match received {
            Received::Text(text) => text,
            Received::Left => return Err(Ending::Left),
            Received::Lost => return Ok(()),
        };
        match Incoming::parse(&text) {
            Some(Incoming::Request { id, method, data }) => {
                self.handle_request(&id, &method, data).await
            }
            Some(Incoming::Response { id, result }) => {
                self.handle_response(id, result).await;
                Ok(())
            }
            Some(Incoming::Notification { method, .. }) => {
                debug!(%method, "notification ignored");
                Ok(())
            }
            None => {
                debug!(bytes = text.len(), "not a message, ignored");
                Ok(())
            }
        }
    }

    async fn handle_request(&mut self, id: &Number, method: &str, data: &str) -> Step {
        let Some(id) = id.as_u64().filter(|id| *id > 0) else {
            let code = ErrorKind::BadRequest.code();
            let reason = "identifiers of requests are positive integers that grow";
            self.link.tell(&error_response(id, code, reason));
            return Ok(());
        };
        if id <= self.last_request {
            self.repeat(id);
            return Ok(());
        }
        self.last_request = id;
        let asked = match decode_request(method, data) {
            Ok(asked) => asked,
            Err(err) => {
                debug!(method, %err, "request refused");
                self.link.answer(id, &outgoing::refusal(id, &err));
                return Ok(());
            }
        };
        match asked {
            Asked::Leave => {
                self.link.answer(id, &outgoing::done(id));
                return Err(Ending::Left);
            }
            Asked::Migrated => self.release(id).await,
            Asked::Ping => self.link.answer(id, &outgoing::done(id)),
            Asked::Join { .. } | Asked::Room { .. } if self.is_between_rooms() => {
                self.link.answer(id, &outgoing::between_rooms(id));
            }
            Asked::Join { .. } | Asked::Room { .. } if self.jobs.is_full() => {
                let error = RoomError::new(ErrorKind::TooMany, "too many open requests");
                self.link.answer(id, &outgoing::refusal(id, &error));
            }
            Asked::Join { connects, join } => self.join(id, connects, join).await,
            Asked::Room { mut parts, answer } => {
                self.moves.note_requests(&mut parts);
                match self.jobs.begin(id, parts, answer) {
                    Ok(()) => self.ask_ready().await,
                    Err(answer) => self.link.answer(id, &answer),
                }
            }
        }
        Ok(())
    }

    /// A request that was here before: it is not carried out again.
    fn repeat(&mut self, id: u64) {
        let is_open = self.jobs.contains(id) || self.moves.is_waiting(id);
        if is_open || self.link.answer_again(id) {
            return;
        }
        let reason = "this request was answered long ago, or its identifier does not grow";
        let error = RoomError::new(ErrorKind::Conflict, reason);
        self.link.tell(&outgoing::refusal(id, &error));
    }

    /// Connects and joins without waiting: what is sent behind a `join` finds a client who has joined.
    async fn join(
        &mut self,
        id: u64,
        connects: Vec<(TransportId, PeerRequest)>,
        join: PeerRequest,
    ) {
        self.stages.reach(Stage::JoinRequest);
        for (transport, connect) in connects {
            // Who was refused may try again with what is connected already.
            if self.connected.insert(transport) {
                self.jobs.connect(connect);
            }
        }
        // It is one part, so that there is something to do.
        let _ = self.jobs.begin(id, vec![join], Answer::Reply);
        self.ask_ready().await;
    }

    /// Asks the room for what it can be asked now.
    async fn ask_ready(&mut self) {
        while let Some((request, body)) = self.jobs.ready() {
            self.ask_room([(request, body)]).await;
        }
    }

    pub(super) async fn ask_room(
        &self,
        requests: impl IntoIterator<Item = (RequestId, PeerRequest)>,
    ) {
        for (request, body) in requests {
            // If the room has ended, the end of the session is the next event.
            let _ = self.session.request(request, body).await;
        }
    }

    async fn handle_response(&mut self, id: u64, result: Result<&str, Refusal<'_>>) {
        let Some(ask) = self.asks.take(id) else {
            debug!(id, "answer to nothing ignored");
            return;
        };
        match result {
            Ok(data) => {
                for consumer in decode_refused(data) {
                    self.jobs.close(PeerRequest::CloseConsumer { consumer });
                }
                self.ask_ready().await;
                self.answer(ask, true).await;
            }
            Err(refusal) => {
                debug!(id, ?refusal, "client refused");
                self.answer(ask, false).await;
            }
        }
    }

    async fn handle_event(&mut self, event: SessionEvent) -> Step {
        match event {
            SessionEvent::Ask { ask, body } => self.ask(ask, &body).await,
            SessionEvent::End(SessionEnd::Room(CloseReason::RouterLost)) => {
                self.follow("workerLost", false);
            }
            // The old room was faster than the news of its moving.
            SessionEvent::End(SessionEnd::Moved) => self.follow("maintenance", false),
            SessionEvent::End(end) => return Err(Ending::Session(end)),
            SessionEvent::Move => {
                self.elsewhere = self.hand_over().await;
                if self.elsewhere.is_some() {
                    return Err(Ending::NodeLeaves);
                }
                self.follow("maintenance", true);
            }
            SessionEvent::Notify(event) => self.notify(&event),
            SessionEvent::Reply { request, result } => {
                self.handle_reply(request, result)?;
                self.ask_ready().await;
            }
            other => debug!(?other, "unknown event"),
        }
        Ok(())
    }

    async fn ask(&mut self, ask: AskId, body: &ClientRequest) {
        let (consumers, data_consumers) = match body {
            ClientRequest::NewConsumers(consumers, data_consumers) => {
                (&consumers[..], &data_consumers[..])
            }
            ClientRequest::NewConsumer(consumer) => (std::slice::from_ref(&**consumer), &[][..]),
            ClientRequest::NewDataConsumer(consumer) => {
                (&[][..], std::slice::from_ref(&**consumer))
            }
            other => {
                warn!(?other, "no words for it");
                return self.answer(ask, false).await;
            }
        };
        let id = self.asks.insert(Instant::now(), ask);
        let text = outgoing::new_consumers(id, consumers, data_consumers);
        self.link.tell(&text);
    }

    async fn answer(&self, ask: AskId, accepted: bool) {
        // If the room has ended, nobody wants the answer.
        let _ = self.session.answer(ask, accepted).await;
    }

    fn notify(&mut self, event: &PeerEvent) {
        match event {
            PeerEvent::TransportConnected { .. } => self.stages.reach(Stage::Connected),
            PeerEvent::MediaStarted { .. } => self.stages.reach(Stage::FirstMedia),
            PeerEvent::Admitted { .. } => {
                self.stages.reach(Stage::Joined);
                self.moves.note_joined();
            }
            _ => {}
        }
        if let Some(text) = outgoing::event(event) {
            self.link.tell(&text);
        }
    }

    fn handle_reply(&mut self, request: RequestId, result: Result<PeerReply, RoomError>) -> Step {
        let result = match &mut self.entrance {
            Some(entrance) => match entrance.handle_reply(request, result) {
                Advance::Elsewhere(result) => result,
                Advance::Under => return Ok(()),
                Advance::Complete => return self.welcome(),
                Advance::Failed(err) => {
                    warn!(%err, "no way in");
                    return Err(Ending::NoEntrance);
                }
            },
            None => result,
        };
        match &result {
            Ok(PeerReply::Joined { .. }) => {
                self.stages.reach(Stage::Joined);
                self.moves.note_joined();
            }
            Ok(PeerReply::Waiting) => self.moves.note_waiting(),
            Ok(PeerReply::Produced { producer }) => self.moves.note_produced(*producer),
            Ok(_) => {}
            Err(err) => debug!(%err, "request refused"),
        }
        match self.jobs.handle_reply(request, result) {
            Progress::Done { id, answer } => self.link.answer(id, &answer),
            Progress::Under => {}
            Progress::Broken(err) => {
                debug!(%err, "a transport cannot be connected");
                return Err(Ending::Unconnectable);
            }
            Progress::Elsewhere(reply) => debug!(?reply, "reply to nothing"),
        }
        Ok(())
    }

    /// Asks the room for everything that a client needs.
    pub(super) async fn enter(&mut self) {
        let jobs = &mut self.jobs;
        let (entrance, requests) = Entrance::begin(&self.home.admission, || jobs.next_request());
        self.entrance = Some(entrance);
        self.ask_room(requests).await;
    }

    fn welcome(&mut self) -> Step {
        let Some(entrance) = self.entrance.take() else {
            return Ok(());
        };
        self.stages.reach(Stage::Transport);
        let ice_servers = self.edge.ice_servers(&self.home.admission.peer);
        let session = SessionTicket {
            token: self.ticket.text(),
            resume_within: RESUME_WITHIN.as_secs(),
        };
        let who = (&self.home.room, &self.home.admission);
        let version = &self.edge.settings.announced_version;
        let Some(mut welcome) = entrance.welcome(version, session, who, &ice_servers) else {
            return Err(Ending::NoEntrance);
        };
        if let Some(cluster) = self.edge.host.cluster() {
            welcome.nodes = cluster.other_doors(&self.home.admission.peer);
        }
        let text = match self.moves.begin() {
            Some((reason, gently)) => outgoing::migrate(reason, gently, welcome),
            None => outgoing::welcome(&welcome),
        };
        self.link.tell(&text);
        Ok(())
    }

    /// Somebody comes with the token of this session.
    fn resume(&mut self, resumption: Resumption) -> Step {
        let wire = Wire::new(resumption.socket, &self.edge.settings);
        let first = outgoing::resumed(self.last_request, self.asks.ids());
        let first = (!resumption.quiet).then_some(&*first);
        match self.link.take(wire, resumption.seen, first) {
            Taken::After(before) => {
                debug!(seen = resumption.seen, "resumed");
                if let Some(before) = before {
                    let (code, reason) = resumed_elsewhere();
                    tokio::spawn(before.close(code, reason));
                }
                Ok(())
            }
            Taken::NotPossible(wire) => {
                let (code, reason) = no_session();
                tokio::spawn(wire.close(code, reason));
                Err(Ending::Forgotten)
            }
        }
    }
}
