//! Two nodes with a link, one of which has a room that is a test.

use std::{net::SocketAddr, sync::atomic::AtomicBool, time::Duration};

use futures_util::FutureExt as _;
use plenum_api::error::ErrorKind;
use plenum_ids::{NamespaceId, NodeEpoch, RoomId, RoomName};
use plenum_link::{
    Answer, Channel, Handler, Identity, LinkConfig, Links, Peer, Refusal, SecretSource,
};
use plenum_room::{
    Admission, AskId, ClientRequest, CloseReason, Command, NodeKey, PeerEvent, PeerReply,
    PeerRequest, RequestId, RoomError, SessionId,
};
use serde_json::json;
use tokio::{sync::mpsc::error::TryRecvError, time::timeout};

use super::{far::MAX_OPEN_REQUESTS, near::Neighbours, words::Entering, *};
use crate::{
    host::ConnectError,
    namespaces::Namespaces,
    options::RoomOptions,
    room_task::Input,
    session::{Session, SessionEnd, SessionEvent},
};

/// Generous: many tests share few cores.
const PATIENCE: Duration = Duration::from_secs(30);

/// Events that a session of the far node may have waiting, and one of the near node.
const QUEUE: usize = 8;

async fn in_time<T>(it: impl Future<Output = T>) -> T {
    timeout(PATIENCE, it).await.expect("in time")
}

fn config(name: &str) -> LinkConfig {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let secret = "a secret of more than sixteen bytes".into();
    let identity = Identity::Secret {
        current: SecretSource::Value(secret),
        previous: None,
    };
    LinkConfig::new(name.into(), NodeEpoch(1), listen, identity)
}

/// Takes channels and nothing else.
#[derive(Debug)]
struct Reception(mpsc::UnboundedSender<(Peer, Channel, Value)>);

impl Handler for Reception {
    fn request(&self, _: Peer, method: String, _: Value) -> Answer {
        async move { Err(Refusal::unknown_method(&method)) }.boxed()
    }

    fn notice(&self, _: Peer, _: String, _: Value) {}

    fn channel(&self, from: Peer, channel: Channel, opening: Value) {
        // The test may be over.
        let _ = self.0.send((from, channel, opening));
    }
}

/// The near node's view of the far one.
#[derive(Debug)]
struct Near {
    links: Links,
    address: String,
    alive: AtomicBool,
}

impl Neighbours for Near {
    fn links(&self) -> &Links {
        &self.links
    }

    fn address_of(&self, _: &NodeId) -> String {
        self.address.clone()
    }

    fn is_alive(&self, _: &NodeKey) -> bool {
        self.alive.load(Ordering::Relaxed)
    }
}

/// What the room of a test has for one session: its inputs, and where its events go.
struct FakeRoom {
    entering: Entering,
    inputs: mpsc::Receiver<Input>,
    events: mpsc::Sender<SessionEvent>,
}

struct World {
    near: Arc<Near>,
    far: Links,
    relays: Arc<Relays>,
    rooms: mpsc::UnboundedReceiver<FakeRoom>,
}

impl World {
    async fn new() -> Self {
        Self::with(None, GRACE).await
    }

    async fn with(error: Option<ConnectError>, grace: Duration) -> Self {
        let (nobody, _) = mpsc::unbounded_channel();
        let links = Links::start(config("near"), Arc::new(Reception(nobody))).await;
        let (sender, mut channels) = mpsc::unbounded_channel();
        let far = Links::start(config("far"), Arc::new(Reception(sender))).await;
        let far = far.expect("starts");
        let near = Arc::new(Near {
            links: links.expect("starts"),
            address: far.address().to_string(),
            alive: true.into(),
        });
        let relays = Arc::new(Relays {
            grace,
            ..Relays::default()
        });
        let (opened, rooms) = mpsc::unbounded_channel();
        let served = Arc::clone(&relays);
        tokio::spawn(async move {
            while let Some((from, channel, opening)) = channels.recv().await {
                let (relays, opened) = (Arc::clone(&served), opened.clone());
                let let_in = move |entering| async move {
                    error.map_or_else(|| Ok(fake_session(entering, &opened)), Err)
                };
                tokio::spawn(relays.serve_with(let_in, from, channel, opening));
            }
        });
        Self {
            near,
            far,
            relays,
            rooms,
        }
    }

    async fn enter(&self) -> Result<Session, ConnectError> {
        let neighbours = Arc::clone(&self.near) as Arc<dyn Neighbours>;
        let room = RoomName::from(RoomId::from("r"));
        let who = (&room, Admission::new("ann".into()), RoomOptions::default());
        let node = NodeKey {
            node: "far".into(),
            epoch: NodeEpoch(1),
        };
        in_time(enter(
            neighbours,
            &node,
            who,
            (false, Vec::new()),
            (QUEUE, self.relays.count()),
        ))
        .await
    }

    /// Somebody who is in, and its room.
    async fn with_ann(&mut self) -> (Session, FakeRoom) {
        let session = self.enter().await.expect("let in");
        let room = in_time(self.rooms.recv()).await.expect("let in there");
        (session, room)
    }

    fn cut(&self) {
        self.far.cut(&"near".into());
    }
}

fn fake_session(entering: Entering, opened: &mpsc::UnboundedSender<FakeRoom>) -> Session {
    let (room, inputs) = mpsc::channel(1024);
    let (events, reader) = mpsc::channel(QUEUE);
    let stay = Namespaces::default().stay(&NamespaceId::default());
    let _ = opened.send(FakeRoom {
        entering,
        inputs,
        events,
    });
    Session::new(SessionId(1), room, reader, stay)
}

impl FakeRoom {
    async fn next(&mut self) -> Input {
        in_time(self.inputs.recv())
            .await
            .expect("the session is there")
    }

    async fn next_request(&mut self) -> (u64, PeerRequest) {
        match self.next().await {
            Input::Command(Command::Request { request, body, .. }) => (request.0, body),
            other => panic!("{other:?}"),
        }
    }

    async fn tell(&self, event: SessionEvent) {
        in_time(self.events.send(event))
            .await
            .expect("the session is there");
    }

    async fn reply(&self, request: u64, result: Result<PeerReply, RoomError>) {
        let request = RequestId(request);
        self.tell(SessionEvent::Reply { request, result }).await;
    }
}

fn notice(number: usize) -> SessionEvent {
    SessionEvent::Notify(PeerEvent::PeerClosed {
        peer: number.to_string().into(),
    })
}

#[tokio::test]
async fn what_is_asked_and_told_crosses_in_order_and_nothing_waits_for_an_answer() {
    let mut world = World::new().await;
    let (mut session, mut room) = world.with_ann().await;
    assert_eq!(room.entering.admission.peer.as_str(), "ann");
    for request in [1, 2, 3] {
        let body = PeerRequest::RaiseHand(request % 2 == 0);
        session
            .request(RequestId(request), body)
            .await
            .expect("there");
    }
    for request in [1, 2, 3] {
        let body = PeerRequest::RaiseHand(request % 2 == 0);
        assert_eq!(room.next_request().await, (request, body));
    }
    for request in [3, 1] {
        room.reply(request, Ok(PeerReply::Done)).await;
    }
    let body = ClientRequest::NewConsumers(Vec::new(), Vec::new());
    let ask = AskId(7);
    room.tell(SessionEvent::Ask { ask, body }).await;
    for number in [3, 1] {
        let SessionEvent::Reply { request, result } = in_time(session.next_event()).await else {
            panic!("a reply");
        };
        assert_eq!((request.0, result), (number, Ok(PeerReply::Done)));
    }
    let question = in_time(session.next_event()).await;
    assert!(matches!(question, SessionEvent::Ask { .. }), "{question:?}");
    session.answer(ask, true).await.expect("there");
    session.release().await.expect("there");
    let answer = room.next().await;
    assert!(
        matches!(
            answer,
            Input::Command(Command::ClientAnswer { accepted: true, .. })
        ),
        "{answer:?}"
    );
    assert!(matches!(room.next().await, Input::Release { .. }));
    drop(session);
    let gone = room.next().await;
    assert!(
        matches!(gone, Input::Command(Command::PeerDisconnected { .. })),
        "{gone:?}"
    );
}

#[tokio::test]
async fn who_is_refused_there_hears_why() {
    let world = World::with(Some(ConnectError::NamespaceFull), GRACE).await;
    let refused = world.enter().await.map(|_| ());
    assert_eq!(refused, Err(ConnectError::NamespaceFull));
    assert_eq!(world.relays.len(), 0, "nothing is left");
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_a_refusal() {
    let world = World::new().await;
    world.far.shutdown(Duration::ZERO).await;
    let refused = world.enter().await.map(|_| ());
    assert_eq!(refused, Err(ConnectError::Unreachable));
}

#[tokio::test]
async fn the_end_comes_last_and_says_why() {
    let mut world = World::new().await;
    for (said, heard) in [
        (
            SessionEnd::Room(CloseReason::Kicked),
            SessionEnd::Room(CloseReason::Kicked),
        ),
        (SessionEnd::Moved, SessionEnd::Moved),
        // That node ends, and not the client's.
        (
            SessionEnd::Shutdown,
            SessionEnd::Room(CloseReason::RouterLost),
        ),
    ] {
        let (mut session, room) = world.with_ann().await;
        room.tell(notice(1)).await;
        room.tell(SessionEvent::End(said)).await;
        assert_eq!(in_time(session.next_event()).await, notice(1));
        assert_eq!(
            in_time(session.next_event()).await,
            SessionEvent::End(heard)
        );
    }
}

#[tokio::test]
async fn a_client_who_does_not_keep_up_is_cut_off_and_leaves() {
    let mut world = World::new().await;
    let (mut session, mut room) = world.with_ann().await;
    // Nobody takes anything; the room has no patience either.
    let mut told = 0;
    while in_time(room.events.send(notice(told))).await.is_ok() && told < 10 * QUEUE {
        told += 1;
        if room.events.is_closed() {
            break;
        }
    }
    let gone = room.next().await;
    assert!(
        matches!(gone, Input::Command(Command::PeerDisconnected { .. })),
        "{gone:?}"
    );
    for number in 0..QUEUE {
        assert_eq!(in_time(session.next_event()).await, notice(number));
    }
    let end = in_time(session.next_event()).await;
    assert_eq!(end, SessionEvent::End(SessionEnd::Overrun));
}

#[tokio::test]
async fn a_session_goes_on_over_a_new_link_and_loses_nothing() {
    let mut world = World::new().await;
    let (mut session, mut room) = world.with_ann().await;
    let mut next_request = 0;
    for round in 0..6 {
        for _ in 0..5 {
            let body = PeerRequest::RaiseHand(true);
            let request = RequestId(next_request);
            session.request(request, body).await.expect("there");
            next_request += 1;
        }
        world.cut();
        for number in 0..5 {
            room.tell(notice(5 * round + number)).await;
        }
        for number in 0..5 {
            let event = in_time(session.next_event()).await;
            assert_eq!(event, notice(5 * round + number));
        }
        for number in 0..5 {
            let (request, _) = room.next_request().await;
            assert_eq!(request, 5 * round as u64 + number);
        }
    }
    assert_eq!(room.inputs.try_recv().err(), Some(TryRecvError::Empty));
    assert_eq!(world.relays.len(), 1, "it is the same session");
}

#[tokio::test]
async fn a_node_that_is_dead_ends_the_session_as_a_lost_worker_does() {
    let mut world = World::new().await;
    let (mut session, _room) = world.with_ann().await;
    let alive = &world.near.alive;
    alive.store(false, Ordering::Relaxed);
    world.cut();
    let end = in_time(session.next_event()).await;
    let lost = SessionEnd::Room(CloseReason::RouterLost);
    assert_eq!(end, SessionEvent::End(lost));
    assert!(
        session
            .request(RequestId(1), PeerRequest::CloseRoom)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn who_does_not_come_back_leaves_the_room() {
    let mut world = World::with(None, Duration::from_millis(20)).await;
    let (session, mut room) = world.with_ann().await;
    let alive = &world.near.alive;
    alive.store(false, Ordering::Relaxed);
    world.cut();
    let gone = room.next().await;
    assert!(
        matches!(gone, Input::Command(Command::PeerDisconnected { .. })),
        "{gone:?}"
    );
    drop(session);
}

#[tokio::test]
async fn a_session_that_is_not_there_any_more_cannot_be_attached() {
    let mut world = World::new().await;
    let (mut session, room) = world.with_ann().await;
    for held in world.relays.table().drain() {
        drop(held);
    }
    world.cut();
    let end = in_time(session.next_event()).await;
    let lost = SessionEnd::Room(CloseReason::RouterLost);
    assert_eq!(end, SessionEvent::End(lost));
    drop(room);
}

#[tokio::test]
async fn requests_without_an_answer_are_bounded() {
    let mut world = World::new().await;
    let (mut session, mut room) = world.with_ann().await;
    let asking = async {
        for request in 0..=MAX_OPEN_REQUESTS as u64 {
            let body = PeerRequest::RaiseHand(true);
            session
                .request(RequestId(request), body)
                .await
                .expect("there");
        }
    };
    let taking = async {
        for _ in 0..MAX_OPEN_REQUESTS {
            room.next_request().await;
        }
    };
    in_time(async { tokio::join!(asking, taking) }).await;
    let SessionEvent::Reply { request, result } = in_time(session.next_event()).await else {
        panic!("a refusal");
    };
    assert_eq!(request.0, MAX_OPEN_REQUESTS as u64);
    assert_eq!(result.err().map(|err| err.kind), Some(ErrorKind::TooMany));
}

#[tokio::test]
async fn what_is_too_long_for_a_frame_comes_in_pieces() {
    let mut world = World::new().await;
    let (mut session, room) = world.with_ann().await;
    let reason = "ä\\\"".repeat(1_000_000);
    let result = Err(RoomError::new(ErrorKind::Internal, reason));
    room.reply(1, result.clone()).await;
    let event = in_time(session.next_event()).await;
    let request = RequestId(1);
    assert_eq!(event, SessionEvent::Reply { request, result });
}

#[tokio::test]
async fn words_of_another_version_are_answered_or_passed_over() {
    let mut world = World::new().await;
    let node = NodeId::from("far");
    let opening = json!({"enter": {
        "room": {"namespace": "default", "room": "r"},
        "admission": Admission::new("ann".into()),
        "key": "k",
        "colour": "green",
    }});
    let address = world.near.address.clone();
    let open = |opening: Value| {
        let links = world.near.links.clone();
        let (node, address) = (node.clone(), address.clone());
        async move {
            in_time(links.open(&node, &address, CHANNEL, &opening))
                .await
                .expect("a channel")
        }
    };
    for unknown in [
        json!({"teleport": {}}),
        json!(null),
        json!({"enter": {"key": 5}}),
    ] {
        let mut channel = open(unknown).await;
        let refused = in_time(channel.recv()).await.expect("an answer");
        assert!(refused.get("refused").is_some(), "{refused}");
        assert!(in_time(channel.recv()).await.is_err());
    }
    let mut channel = open(opening).await;
    let welcome = in_time(channel.recv()).await.expect("an answer");
    assert_eq!(welcome, json!({"welcome": {"heard": 0}}));
    let mut room = in_time(world.rooms.recv()).await.expect("let in there");
    let say = |number: u64, say: Value| json!({"number": number, "say": say, "mood": 1});
    for message in [
        say(
            1,
            json!({"request": {"request": 9, "body": {"levitate": {}}}}),
        ),
        say(2, json!({"sing": {}})),
        say(3, json!({"request": {"request": 10, "body": "closeRoom"}})),
    ] {
        in_time(channel.send(&message)).await.expect("taken");
    }
    assert_eq!(room.next_request().await, (10, PeerRequest::CloseRoom));
    let answer = in_time(channel.recv()).await.expect("an answer");
    assert_eq!(answer["say"]["reply"]["request"], json!(9));
    assert_eq!(answer["say"]["reply"]["result"]["Err"]["code"], json!(501));
    // What makes no sense at all ends it.
    in_time(channel.send(&say(9, json!("release"))))
        .await
        .expect("taken");
    let end = in_time(channel.recv()).await.expect_err("over");
    assert_eq!(end.code, "nonsense");
}

#[tokio::test]
async fn events_of_another_version_are_passed_over_and_questions_answered() {
    use super::words::{Meaning, event, order};
    use crate::session::Order;
    let nothing = event(json!({"notify": {"earthquake": {"strength": 7}}}));
    assert_eq!(nothing, Meaning::Nothing);
    let question = event(json!({"ask": {"ask": 4, "body": {"makeCoffee": {}}}}));
    let (ask, accepted) = (AskId(4), false);
    assert_eq!(question, Meaning::Unknown(Order::Answer { ask, accepted }));
    let Meaning::Known(SessionEvent::Reply { request, result }) =
        event(json!({"reply": {"request": 5, "result": {"Ok": {"hologram": 1}}}}))
    else {
        panic!("an error for the client");
    };
    assert_eq!((request.0, result.is_err()), (5, true));
    let end = event(json!({"end": {"abducted": {}}}));
    let lost = SessionEnd::Room(CloseReason::RouterLost);
    assert_eq!(end, Meaning::Known(SessionEvent::End(lost)));
    assert_eq!(order(json!(3)), Meaning::Nothing);
}
