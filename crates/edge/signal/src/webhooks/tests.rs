//! Deliveries to a receiver that is a real HTTP server, and not always a good one.

use std::{collections::VecDeque, sync::Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use plenum_api::webhook::WebhookEvent;
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use super::*;

/// Generous: many tests share few cores.
const PATIENCE: Duration = Duration::from_secs(30);
const SECRET: &str = "a secret that nobody guesses";

/// What a receiver does with the next delivery.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Refuse(u16),
    Hang,
}

/// Takes deliveries, after the moods that it has first.
struct Receiver {
    moods: Mutex<VecDeque<Mood>>,
    taken: watch::Sender<Vec<WebhookEvent>>,
    asked: watch::Sender<usize>,
    secret: &'static str,
}

impl Receiver {
    fn new(moods: impl IntoIterator<Item = Mood>) -> Arc<Self> {
        Arc::new(Self {
            moods: Mutex::new(moods.into_iter().collect()),
            taken: watch::Sender::default(),
            asked: watch::Sender::default(),
            secret: SECRET,
        })
    }

    async fn serve(self: &Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        self.serve_on(listener);
        format!("http://{address}/hook?token=hidden")
    }

    fn serve_on(self: &Arc<Self>, listener: TcpListener) {
        let router = Router::new().route("/hook", post(take));
        let router = router.with_state(Arc::clone(self));
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    async fn took(&self, count: usize) -> Vec<WebhookEvent> {
        let mut taken = self.taken.subscribe();
        let enough = taken.wait_for(|taken| taken.len() >= count);
        let taken = timeout(PATIENCE, enough).await.expect("in time");
        taken.expect("we have it").clone()
    }

    async fn was_asked(&self, count: usize) {
        let mut asked = self.asked.subscribe();
        let enough = asked.wait_for(|asked| *asked >= count);
        timeout(PATIENCE, enough)
            .await
            .expect("in time")
            .expect("ours");
    }
}

async fn take(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    receiver.asked.send_modify(|count| *count += 1);
    if !is_ours(&headers, &body, receiver.secret) {
        return StatusCode::UNAUTHORIZED;
    }
    let mood = {
        let mut moods = receiver.moods.lock();
        let moods = moods.as_deref_mut().unwrap_or_else(|_| panic!("poisoned"));
        moods.pop_front()
    };
    match mood {
        None => {
            let event = serde_json::from_slice(&body).expect("JSON");
            receiver.taken.send_modify(|taken| taken.push(event));
            StatusCode::NO_CONTENT
        }
        Some(Mood::Refuse(code)) => StatusCode::from_u16(code).expect("a status"),
        Some(Mood::Hang) => std::future::pending().await,
    }
}

/// As `docs/webhooks.md` tells receivers to do it.
fn is_ours(headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
    let header = headers.get("plenum-signature").expect("signed");
    let header = header.to_str().expect("text");
    let parts: Vec<_> = header
        .split(',')
        .filter_map(|it| it.split_once('='))
        .collect();
    let seconds = parts.iter().find(|it| it.0 == "t").expect("a time").1;
    let wanted = signature::sign([secret.as_bytes()], seconds.parse().expect("seconds"), body);
    let wanted = wanted.rsplit('=').next();
    parts
        .iter()
        .any(|(name, value)| *name == "v1" && Some(*value) == wanted)
}

fn target(url: &str) -> WebhookTarget {
    WebhookTarget {
        url: url.to_owned(),
        secrets: vec![SECRET.to_owned()],
        ..WebhookTarget::default()
    }
}

/// Pauses that nobody waits for.
fn quick() -> Bounds {
    Bounds {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        ..Bounds::default()
    }
}

fn start(
    targets: Vec<WebhookTarget>,
    attempts: u32,
    bounds: Bounds,
) -> (Webhooks, mpsc::Sender<Happened>) {
    let (sender, events) = mpsc::channel(CAPACITY);
    let settings = WebhookSettings {
        targets,
        attempts,
        timeout: Duration::from_millis(300),
    };
    let webhooks = Webhooks::deliver(&settings, bounds, events).expect("good settings");
    (webhooks, sender)
}

fn happened(room: &str, sequence: u64, event: &str) -> Happened {
    Happened {
        namespace: "default".to_owned(),
        room: room.to_owned(),
        life: 1,
        sequence,
        at: SystemTime::now(),
        lost: 0,
        event: event.to_owned(),
        data: json!({}),
    }
}

fn of_room(taken: &[WebhookEvent], room: &str) -> Vec<u64> {
    let own = taken.iter().filter(|event| event.room == room);
    own.map(|event| event.sequence).collect()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_receiver_that_fails_and_hangs_gets_everything_in_order_of_each_room() {
    let moods = (0..60).map(|number| match number % 20 {
        0 => Mood::Hang,
        1..=7 => Mood::Refuse(503),
        8 => Mood::Refuse(302),
        _ => Mood::Refuse(404),
    });
    let receiver = Receiver::new(moods);
    let url = receiver.serve().await;
    let (webhooks, events) = start(vec![target(&url)], 1_000, quick());
    for sequence in 1..=20 {
        for room in ["a", "b", "c"] {
            let event = happened(room, sequence, "peerJoined");
            events.send(event).await.expect("taken");
        }
    }
    let taken = receiver.took(60).await;
    for room in ["a", "b", "c"] {
        assert_eq!(of_room(&taken, room), (1..=20).collect::<Vec<_>>());
    }
    webhooks.settled(PATIENCE).await;
    let status = webhooks.list().targets.remove(0);
    assert_eq!((status.delivered, status.failures), (60, 60));
    assert_eq!((status.waiting, status.dead_letters), (0, 0));
    assert!(!status.url.contains("hidden"), "{}", status.url);
}

#[tokio::test]
async fn a_receiver_that_comes_back_gets_what_it_missed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let (webhooks, events) = start(
        vec![target(&format!("http://{address}/hook"))],
        1_000_000,
        quick(),
    );
    for sequence in 1..=5 {
        let event = happened("a", sequence, "peerJoined");
        events.send(event).await.expect("taken");
    }
    until("a failure", || webhooks.list().targets[0].failures > 0).await;
    assert!(webhooks.list().targets[0].last_failure.is_some());
    let receiver = Receiver::new([]);
    let listener = TcpListener::bind(address).await.expect("still free");
    receiver.serve_on(listener);
    let taken = receiver.took(5).await;
    assert_eq!(of_room(&taken, "a"), [1, 2, 3, 4, 5]);
    webhooks.settled(PATIENCE).await;
    assert_eq!(webhooks.list().targets[0].last_failure, None);
}

#[tokio::test]
async fn what_is_given_up_can_be_sent_again() {
    let receiver = Receiver::new([Mood::Refuse(500), Mood::Refuse(500)]);
    let url = receiver.serve().await;
    let (webhooks, events) = start(vec![target(&url)], 2, quick());
    for sequence in 1..=2 {
        let event = happened("a", sequence, "producerAdded");
        events.send(event).await.expect("taken");
    }
    assert_eq!(of_room(&receiver.took(1).await, "a"), [2]);
    webhooks.settled(PATIENCE).await;
    let dead = webhooks.dead_letters().dead_letters.remove(0);
    assert_eq!((dead.payload.sequence, dead.attempts), (1, 2));
    assert_eq!((dead.target, &*dead.reason), (0, "HTTP 500"));
    for unknown in ["0-99", "7-1", "x", ""] {
        assert_eq!(webhooks.retry(Some(unknown)), None, "{unknown}");
    }
    let answer = webhooks.retry(Some(&dead.id)).expect("it is there");
    assert_eq!((answer.retried, answer.left), (1, 0));
    let taken = receiver.took(2).await;
    assert_eq!(
        taken[1].id, dead.payload.id,
        "it is known by its identifier"
    );
    assert_eq!(webhooks.retry(None).map(|it| it.retried), Some(0));
}

#[tokio::test]
async fn a_target_that_hangs_holds_up_no_other_and_its_queue_is_bounded() {
    let hanging = Receiver::new((0..1_000).map(|_| Mood::Hang));
    let good = Receiver::new([]);
    let targets = vec![
        target(&hanging.serve().await),
        WebhookTarget {
            events: vec!["peer*".to_owned()],
            ..target(&good.serve().await)
        },
    ];
    let bounds = Bounds {
        letters: 10,
        dead: 20,
        ..quick()
    };
    let (webhooks, events) = start(targets, 1_000_000, bounds);
    for sequence in 1..=50 {
        let name = if sequence % 5 == 0 {
            "roomChanged"
        } else {
            "peerLeft"
        };
        let event = happened("a", sequence, name);
        events.send(event).await.expect("taken");
        if sequence % 5 == 0 {
            // Four of five are for it, and its queue is as short.
            good.took(sequence as usize / 5 * 4).await;
        }
    }
    assert_eq!(good.took(40).await.len(), 40);
    until("everything is sorted", || {
        let status = webhooks.list().targets.remove(0);
        (status.waiting, status.dead_letters, status.forgotten) == (10, 20, 20)
    })
    .await;
    hanging.was_asked(1).await;
}

#[tokio::test]
async fn while_a_secret_is_exchanged_both_signatures_are_there() {
    let receiver = Receiver::new([]);
    let url = receiver.serve().await;
    let both = WebhookTarget {
        secrets: vec!["the next secret of all".to_owned(), SECRET.to_owned()],
        ..target(&url)
    };
    let wrong = WebhookTarget {
        secrets: vec!["another secret entirely".to_owned()],
        ..target(&url)
    };
    let (webhooks, events) = start(vec![both, wrong], 2, quick());
    let event = happened("a", 1, "roomOpened");
    events.send(event).await.expect("taken");
    receiver.took(1).await;
    webhooks.settled(PATIENCE).await;
    let list = webhooks.list().targets;
    assert_eq!((list[0].delivered, list[1].dead_letters), (1, 1));
    assert_eq!(list[1].last_failure.as_deref(), Some("HTTP 401"));
}

#[tokio::test]
async fn what_was_lost_is_told_to_each_with_the_next_that_it_gets() {
    let (all, some) = (Receiver::new([]), Receiver::new([]));
    let targets = vec![
        target(&all.serve().await),
        WebhookTarget {
            events: vec!["peer*".to_owned()],
            ..target(&some.serve().await)
        },
    ];
    let (_webhooks, events) = start(targets, 2, quick());
    for (sequence, name, lost) in [
        (1, "roomChanged", 3),
        (2, "peerLeft", 1),
        (3, "peerLeft", 0),
    ] {
        let event = Happened {
            lost,
            ..happened("a", sequence, name)
        };
        events.send(event).await.expect("taken");
    }
    let told = |taken: Vec<WebhookEvent>| {
        let told = taken.iter().map(|event| (event.sequence, event.lost));
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(all.took(3).await), [(1, 3), (2, 1), (3, 0)]);
    assert_eq!(told(some.took(2).await), [(2, 4), (3, 0)]);
}

#[tokio::test]
async fn who_waits_for_the_end_waits_for_what_has_just_happened_too() {
    let receiver = Receiver::new([]);
    let (webhooks, events) = start(vec![target(&receiver.serve().await)], 2, quick());
    for sequence in 1..=50 {
        let event = happened("a", sequence, "peerLeft");
        events.send(event).await.expect("taken");
    }
    webhooks.settled(PATIENCE).await;
    assert_eq!(receiver.taken.borrow().len(), 50);
    Webhooks::default().settled(PATIENCE).await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let good = target("https://example.com/hook");
    let bad = [
        WebhookTarget {
            url: "ftp://example.com".to_owned(),
            ..good.clone()
        },
        WebhookTarget {
            url: "example.com".to_owned(),
            ..good.clone()
        },
        WebhookTarget {
            secrets: Vec::new(),
            ..good.clone()
        },
        WebhookTarget {
            secrets: vec!["short".to_owned()],
            ..good.clone()
        },
        WebhookTarget {
            events: vec!["peerSneezed".to_owned()],
            ..good.clone()
        },
    ];
    for target in bad {
        let (_, events) = mpsc::channel::<Happened>(1);
        let settings = WebhookSettings {
            targets: vec![target],
            ..WebhookSettings::default()
        };
        assert!(settings.check().is_err());
        assert!(Webhooks::deliver(&settings, Bounds::default(), events).is_err());
    }
    let settings = format!("{good:?}");
    assert!(!settings.contains(SECRET), "{settings}");
}
