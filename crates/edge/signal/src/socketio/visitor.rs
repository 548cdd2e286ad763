//! One socket: what it says is done one by one, and what its room tells it is passed on meanwhile.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use plenum_api::socketio::{
    Consumed, ConsumerClosed, NewProducer, Produced, RoomInfo, RoomPeer, TransportCreated,
};
use plenum_host::{Opening, RoomOptions, SessionEnd, Who};
use plenum_ids::{PeerId, RoomName};
use plenum_params::rtp_parameters::RtpCapabilities;
use plenum_room::{
    Admission, Door, NewConsumer, PeerEvent, PeerInfo, PeerReply, PeerRequest, RoomError,
    RoomSnapshot,
};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use socketioxide::extract::{AckSender, SocketRef};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tracing::debug;

use super::{
    Seat, refuse,
    words::{Spoken, Word},
};
use crate::{
    Edge,
    admission::{Denied, Knock},
    edge::OpenConnection,
    guest::{self, Guest, GuestEvent},
    leaving::{Departure, at},
    rate::TokenBucket,
};

/// Something that a client said, and where it hears the answer.
pub(super) struct Call {
    pub(super) spoken: Spoken,
    pub(super) ack: AckSender,
}

/// One socket.
pub(super) struct Visitor {
    edge: Edge,
    socket: SocketRef,
    remote: Option<SocketAddr>,
    token: Option<String>,
    namespace: Option<String>,
    bucket: TokenBucket,
    stay: Option<Stay>,
    /// Rooms that it has made and in which nobody has been seen since.
    opened: Vec<RoomName>,
    _seat: Seat,
}

/// What a call is answered with. It is written as it is: capabilities as a tree of values first were a twelfth of what a join cost the
/// node (docs/perf/2026-11-22-joins.md).
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Capabilities(Arc<RtpCapabilities>),
    #[serde(serialize_with = "consumed")]
    Consumed(Box<NewConsumer>),
    Nothing {},
    Produced(Produced),
    Room(Value),
    Text(String),
    Transport(Box<TransportCreated>),
    Word(&'static str),
}

/// Its time in a room.
struct Stay {
    room: RoomName,
    me: PeerId,
    name: String,
    guest: Guest,
    /// Passes on what the room tells.
    listener: JoinHandle<()>,
    _open: OpenConnection,
}

impl Drop for Stay {
    fn drop(&mut self) {
        // It has a clone of the guest, who leaves with the last one.
        self.listener.abort();
    }
}

/// How long a room that was created waits for somebody to join, which pages do at once; and it stays as long again when it
/// is empty.
const EMPTY_TIMEOUT: Duration = Duration::from_secs(10);

/// Of whoever has to wait and is not told for how long.
const TURN: Duration = Duration::from_secs(1);

/// How long a page may be open without being in a room. People leave it open and have lunch.
const IDLE_LIMIT: Duration = Duration::from_hours(1);

/// How long a connection may take from being let in until the client hears of it: nothing is in between but a queue.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Rooms that one page may have made in which nobody is. Pages enter the one that they make.
const MAX_OPENED: usize = 4;

impl Visitor {
    pub(super) fn new(
        edge: Edge,
        socket: SocketRef,
        remote: Option<SocketAddr>,
        (token, namespace): (Option<String>, Option<String>),
        seat: Seat,
    ) -> Self {
        let (rate, burst) = (edge.settings.message_rate, edge.settings.message_burst);
        Self {
            bucket: TokenBucket::new(rate, burst, std::time::Instant::now()),
            edge,
            socket,
            remote,
            token,
            namespace,
            stay: None,
            opened: Vec::new(),
            _seat: seat,
        }
    }

    /// Until the socket is gone.
    pub(super) async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Call>,
        mut leaving: watch::Receiver<bool>,
    ) {
        let serving = async {
            let mut look_at = Instant::now() + CONNECT_LIMIT;
            let mut connected = false;
            let (mut departing, mut departure) = (self.edge.host.departing(), Departure::default());
            loop {
                let is_elsewhere = self.stay.as_ref().is_some_and(|it| it.guest.is_relayed());
                // When the node ends its connection breaks, so that it comes back by itself.
                let is_ending = self.edge.host.ending().borrow().is_some();
                let departs_by = departing.borrow_and_update().filter(|_| !is_ending);
                departure.look(departs_by, is_elsewhere, std::time::Instant::now());
                tokio::select! {
                    call = inbox.recv() => {
                        let Some(call) = call else { return };
                        self.serve(call).await;
                        look_at = Instant::now() + IDLE_LIMIT;
                    }
                    () = at(departure.at()) => {
                        debug!("the node is to be empty");
                        let _ = self.socket.clone().disconnect();
                        return;
                    }
                    Ok(()) = departing.changed() => {}
                    () = sleep_until(look_at), if self.stay.is_none() => {
                        if connected || !self.socket.connected() {
                            debug!(connected, "was nowhere for too long");
                            let _ = self.socket.clone().disconnect();
                            return;
                        }
                        connected = true;
                        look_at = Instant::now() + IDLE_LIMIT;
                    }
                }
            }
        };
        tokio::select! {
            () = serving => {}
            _ = leaving.wait_for(|gone| *gone) => debug!("disconnected"),
        }
    }

    async fn serve(&mut self, Call { spoken, ack }: Call) {
        sleep(self.bucket.take(std::time::Instant::now())).await;
        let ended = |stay: &Stay| stay.guest.has_ended().is_some();
        if self.stay.as_ref().is_some_and(ended) {
            // The listener is about to disconnect it, and would not get to it if the stay were given up here.
            return refuse(ack, "the room has ended this session".to_owned());
        }
        let done = match spoken.decode() {
            Ok(word) => self.carry_out(word, ack).await,
            Err(err) => Err((ack, err.reason)),
        };
        if let Err((ack, reason)) = done {
            debug!(%reason, "refused");
            refuse(ack, reason);
        }
    }

    async fn carry_out(&mut self, word: Word, ack: AckSender) -> Result<(), (AckSender, String)> {
        let result = match word {
            Word::CreateRoom { room } => self.create_room(&room).await.map(Answer::Text),
            Word::Join { room, name } => self.join(&room, name).await.map(Answer::Room),
            Word::ExitRoom => match self.stay.take() {
                Some(_) => Ok(Answer::Word("successfully exited room")),
                None => Err("not currently in a room".to_owned()),
            },
            Word::GetMyRoomInfo => self.room_info().await.map(Answer::Room),
            Word::GetProducers => self.tell_producers().await.map(|()| Answer::Nothing {}),
            Word::Resume => Ok(Answer::Nothing {}),
            Word::Request(request) => self.request(*request).await,
        };
        match result {
            Ok(answer) => {
                self.send(&ack.send(&answer));
                Ok(())
            }
            Err(reason) => Err((ack, reason)),
        }
    }

    fn admit(&self, room: &str) -> Result<(RoomName, Admission), Denied> {
        let id = self.socket.id.to_string();
        self.edge.admit(&Knock {
            token: self.token.as_deref(),
            namespace: self.namespace.as_deref(),
            room,
            peer: None,
            unnamed: Some(&id),
            remote: self.remote,
            headers: &self.socket.req_parts().headers,
            door: Door::SocketIo,
        })
    }

    async fn create_room(&mut self, room: &str) -> Result<String, String> {
        let (name, admission) = self.admit(room).map_err(in_words)?;
        if self.edge.host.cluster().is_some() {
            if self.edge.has_room(&name).await {
                return Ok("already exists".to_owned());
            }
            let way = self.edge.host.locate(&name, &Who::from(&admission)).await;
            let way = way.map_err(|err| err.to_string())?;
            if !way.is_here() {
                // It has a home there now, and begins with the first who comes.
                return Ok(room.to_owned());
            }
        }
        let host = &self.edge.host;
        let is_empty = |name: &RoomName| host.room_summary(name).is_some_and(|it| it.peers == 0);
        self.opened.retain(is_empty);
        if self.opened.len() >= MAX_OPENED {
            return Err("too many rooms that nobody has entered".to_owned());
        }
        let opening = Opening {
            empty_timeout: EMPTY_TIMEOUT,
            ..Opening::default()
        };
        match self.edge.host.open(&name, RoomOptions::default(), opening) {
            Ok(true) => {
                self.opened.push(name);
                Ok(room.to_owned())
            }
            Ok(false) => Ok("already exists".to_owned()),
            Err(err) => Err(err.to_string()),
        }
    }

    async fn join(&mut self, room: &str, name: String) -> Result<Value, String> {
        if self.stay.is_some() {
            return Err("already in a room".to_owned());
        }
        let (room, admission) = self.admit(room).map_err(in_words)?;
        let host = &self.edge.host;
        if !self.edge.has_room(&room).await {
            return Err("Room does not exist".to_owned());
        }
        self.await_turn(&room, &admission.peer).await;
        let me = admission.peer.clone();
        let name = admission.name.clone().unwrap_or(name);
        let admission = Admission {
            catalog: true,
            ..admission
        };
        let entered = guest::enter(host, &room, admission).await;
        let (guest, events) = entered.map_err(|err| {
            self.edge.metrics.note_refusal(err);
            err.to_string()
        })?;
        let open = self.edge.count_connection();
        // Other clients' pages look into it. What can be received is said with each request for a consumer.
        let device = json!({"flag": "unknown", "name": "Socket.IO", "version": ""});
        let peers = guest.join(&name, device, None).await;
        let peers = peers.map_err(|err| err.reason)?;
        // Not before: who is not let in hears why, and not only that the room has ended its session.
        let listening = listen(self.socket.clone(), guest.clone(), events);
        let stay = Stay {
            room,
            me,
            name,
            guest,
            listener: tokio::spawn(listening),
            _open: open,
        };
        let info = stay.info(&peers);
        self.stay = Some(stay);
        Ok(info)
    }

    /// Pages do not know how to come again: whoever is to wait does so here.
    async fn await_turn(&self, room: &RoomName, peer: &PeerId) {
        while let Err(denied) = self.edge.await_turn(room, peer) {
            sleep(denied.slot.unwrap_or(TURN)).await;
        }
    }

    async fn room_info(&self) -> Result<Value, String> {
        let stay = self.stay()?;
        Ok(stay.info(&stay.snapshot().await?.peers))
    }

    /// Everything that can be consumed now, to this client alone.
    async fn tell_producers(&self) -> Result<(), String> {
        let room = self.stay()?.snapshot().await?;
        let producers = room.peers.iter().flat_map(|peer| &peer.producers);
        let producers: Vec<_> = producers
            .map(|info| NewProducer {
                producer_id: info.producer,
                producer_socket_id: None,
            })
            .collect();
        self.send(&self.socket.emit("newProducers", &(producers,)));
        Ok(())
    }

    async fn request(&self, request: PeerRequest) -> Result<Answer, String> {
        let stay = self.stay()?;
        let reply = stay.guest.request(request).await;
        let reply = reply.map_err(|err| err.reason)?;
        Ok(match reply {
            PeerReply::Consumed(consumer) => Answer::Consumed(consumer),
            // In this protocol there is one request for which there is nothing else to be said.
            PeerReply::Done => Answer::Word("success"),
            PeerReply::Produced { producer } => Answer::Produced(Produced {
                producer_id: producer,
            }),
            PeerReply::RouterRtpCapabilities(capabilities) => Answer::Capabilities(capabilities),
            PeerReply::WebRtcTransport { transport, info } => {
                let ice_servers = self.edge.ice_servers(&stay.me);
                let created = TransportCreated::new(transport, (&*info).into(), ice_servers);
                Answer::Transport(Box::new(created))
            }
            other => {
                debug!(?other, "no words for it");
                Answer::Nothing {}
            }
        })
    }

    fn stay(&self) -> Result<&Stay, String> {
        self.stay.as_ref().ok_or_else(|| "not is a room".to_owned())
    }

    /// A client that does not read what it is told is of no use.
    fn send<E>(&self, sent: &Result<(), E>) {
        if sent.is_err() {
            let _ = self.socket.clone().disconnect();
        }
    }
}

impl Stay {
    async fn snapshot(&self) -> Result<Box<RoomSnapshot>, String> {
        match self.guest.request(PeerRequest::GetRoom).await {
            Ok(PeerReply::Room(room)) => Ok(room),
            Ok(_) => Err("the room gave no answer that this protocol knows".to_owned()),
            Err(RoomError { reason, .. }) => Err(reason),
        }
    }

    fn info(&self, others: &[PeerInfo]) -> Value {
        let others = others
            .iter()
            .map(|info| RoomPeer::new(&info.peer, &info.display_name));
        let mut peers: Vec<_> = others.collect();
        peers.push(RoomPeer::new(&self.me, &self.name));
        to_json(&RoomInfo::new(self.room.room.as_str(), &peers))
    }
}

fn consumed<S: Serializer>(consumer: &NewConsumer, serializer: S) -> Result<S::Ok, S::Error> {
    Consumed {
        producer_id: consumer.producer,
        id: consumer.consumer,
        kind: consumer.kind,
        rtp_parameters: &consumer.rtp_parameters,
        consumer_type: consumer.producer_type.as_str(),
        producer_paused: consumer.producer_paused,
    }
    .serialize(serializer)
}

/// Until the room has ended it, or it is aborted.
async fn listen(socket: SocketRef, guest: Guest, mut events: mpsc::Receiver<GuestEvent>) {
    while let Some(event) = events.recv().await {
        let sent = match event {
            GuestEvent::Notify(PeerEvent::ProducerAdded(info)) => {
                let producer = NewProducer {
                    producer_id: info.producer,
                    producer_socket_id: Some(info.peer),
                };
                socket.emit("newProducers", &(vec![producer],))
            }
            GuestEvent::Notify(PeerEvent::ConsumerClosed { consumer }) => {
                let closed = ConsumerClosed {
                    consumer_id: consumer,
                };
                socket.emit("consumerClosed", &closed)
            }
            GuestEvent::Notify(_) => Ok(()),
            GuestEvent::Ask { ask, .. } => {
                guest.answer(ask, false).await;
                Ok(())
            }
            // Clients come back by themselves when the connection breaks, which it is about to.
            GuestEvent::End(SessionEnd::Shutdown) => return,
            GuestEvent::End(end) => {
                debug!(?end, "session ended");
                break;
            }
            // Clients cannot follow. Whoever looks after them opens the page again.
            GuestEvent::Move => break,
        };
        if sent.is_err() {
            break;
        }
    }
    let _ = socket.disconnect();
}

fn in_words(denied: Denied) -> String {
    denied.reason.into_owned()
}

/// Our own shapes hold only strings, numbers and lists.
fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
