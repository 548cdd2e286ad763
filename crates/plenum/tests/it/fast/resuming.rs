//! Sockets that break in the middle of everything.

use serde_json::{Value, json};

use super::caller::Caller;
use crate::{client::chromium_audio, node::Node};

#[tokio::test]
async fn what_was_missed_comes_after_resuming_in_its_order() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    let mut bob = Caller::connect(node.port, "room", "bob").await;
    bob.join("Bob").await;
    bob.cut();
    for n in 0..20 {
        let name = json!({"displayName": format!("Ada {n}")});
        assert_eq!(ada.ask("setDisplayName", name).await, Ok(json!({})));
    }
    let produce = ada.produce_data("audio", &chromium_audio(1111));
    ada.ask("produce", produce).await.expect("produces");
    let resumed = bob.resume().await;
    assert_eq!(resumed["lastRequestId"], 1);
    for n in 0..20 {
        let changed = bob.notified("peerChanged").await;
        assert_eq!(changed["displayName"], format!("Ada {n}"));
    }
    let (question, batch) = bob.asked_for_media().await;
    assert_eq!(batch["consumers"][0]["peerId"], "ada");

    // The question was seen, its answer is lost with the socket.
    bob.cut();
    let resumed = bob.resume().await;
    // With it perhaps the answer before, to a question about messages.
    let unanswered = resumed["unanswered"].as_array().expect("a list");
    assert_eq!(unanswered.last(), Some(&json!(question)));
    for id in unanswered {
        bob.accept(id.as_u64().expect("a number")).await;
    }
    // Nobody has noticed anything.
    let name = json!({"displayName": "Bob again"});
    bob.ask("setDisplayName", name).await.expect("renamed");
    loop {
        let told = ada.next().await;
        assert_ne!(told["method"], "peerLeft");
        if told["method"] == "peerChanged" && told["data"]["displayName"] == "Bob again" {
            break;
        }
    }
}

#[tokio::test]
async fn requests_that_come_twice_are_carried_out_once() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    let produce = ada.produce_data("audio", &chromium_audio(1111));
    let id = ada.request("produce", produce.clone()).await;
    let first = ada.answer(id).await.expect("produces");
    ada.request_as(id, "produce", produce.clone()).await;
    let again = ada.answer(id).await.expect("the same answer");
    assert_eq!(first, again);

    // Nobody knows whether this one has arrived.
    let other = ada.produce_data("audio", &chromium_audio(2222));
    let id = ada.request("produce", other.clone()).await;
    ada.cut();
    let resumed = ada.resume().await;
    assert!(resumed["lastRequestId"] == id || resumed["lastRequestId"] == id - 1);
    ada.request_as(id, "produce", other).await;
    let second = ada.answer(id).await.expect("produces");
    assert_ne!(first, second);
    let bob = Caller::connect(node.port, "room", "bob").await;
    let producers = &bob.welcome["room"]["peers"][0]["producers"];
    assert_eq!(producers.as_array().map(Vec::len), Some(2), "{producers}");

    // What does not grow is no new request.
    ada.request_as(1, "leave", json!({})).await;
    let refused = ada.answer(1).await;
    assert!(refused.is_ok() || refused.is_err_and(|(code, _)| code == 409));
    assert_eq!(
        ada.ask("raiseHand", json!({"raised": true})).await,
        Ok(json!({}))
    );
}

#[tokio::test]
async fn a_session_is_taken_over_while_its_socket_still_seems_to_be_open() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    // The same client from another network: the socket before hears that it is over.
    let mut again = Caller::resumed(&ada).await;
    assert_eq!(ada.closed().await.0, 4000);
    let raised = again.ask("raiseHand", json!({"raised": true})).await;
    assert_eq!(raised, Ok(json!({})));
}

#[tokio::test]
async fn tokens_that_hold_no_more_begin_anew() {
    let node = Node::start().await;
    let nothing = |closed: (u16, String)| assert_eq!(closed.0, 4404, "{}", closed.1);
    for query in [
        "resume=x&seq=0",
        "resume=&seq=0",
        &format!("resume={}&seq=1", "0".repeat(40)),
    ] {
        nothing(Caller::refused(node.port, query).await);
    }
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    let ticket = ada.ticket(ada.seen);
    ada.leave().await;
    node.stats_when(|stats| stats["totalRooms"] == 0).await;
    nothing(Caller::refused(node.port, &ticket).await);

    // Who claims to have seen what was never said is not the client.
    let eve = Caller::connect(node.port, "room", "eve").await;
    nothing(Caller::refused(node.port, &eve.ticket(1000)).await);
}

#[tokio::test]
async fn whoever_is_sent_away_meanwhile_hears_it_when_coming_back() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    ada.join("Ada").await;
    let mut bob = Caller::connect(node.port, "room", "bob").await;
    bob.join("Bob").await;
    bob.cut();
    assert_eq!(
        ada.ask("kick", json!({"peerId": "bob"})).await,
        Ok(json!({}))
    );
    assert_eq!(ada.notified("peerLeft").await, json!({"peerId": "bob"}));
    let closed = Caller::refused(node.port, &bob.ticket(bob.seen)).await;
    assert_eq!(closed.0, 4403, "{}", closed.1);
}

#[tokio::test]
async fn a_socket_that_breaks_during_the_join_breaks_nothing() {
    let node = Node::start().await;
    let mut ada = Caller::connect(node.port, "room", "ada").await;
    let data = ada.join_data("Ada", &ada.any_certificate());
    let join = ada.request("join", data.clone()).await;
    ada.cut();
    let resumed = ada.resume().await;
    if resumed["lastRequestId"] != join {
        ada.request_as(join, "join", data).await;
    }
    let joined = ada.answer(join).await.expect("joins once");
    assert_eq!(joined["peers"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_lost_sockets_leave_nothing() {
    const CLIENTS: usize = 1000;
    const AT_ONCE: usize = 50;
    let node = Node::start().await;
    let mut clients = Vec::new();
    while clients.len() < CLIENTS {
        let first = clients.len();
        let arrivals = (first..first + AT_ONCE).map(|n| {
            let (port, room) = (node.port, format!("room{}", n % 20));
            tokio::spawn(async move { Caller::connect(port, &room, &format!("peer{n}")).await })
        });
        for arrival in arrivals.collect::<Vec<_>>() {
            clients.push(arrival.await.expect("connects"));
        }
    }
    let connections = |text: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with("plenum_signalling_connections "))
            .expect("a metric");
        line.rsplit(' ')
            .next()
            .and_then(|count| count.parse::<usize>().ok())
    };
    let metrics = node.get("/metrics").await.1;
    assert_eq!(connections(&metrics), Some(CLIENTS));
    for client in &mut clients {
        client.cut();
    }
    node.stats_when(|stats| stats["totalRooms"] == 0 && transports(stats) == 0)
        .await;
    let metrics = node.get("/metrics").await.1;
    assert_eq!(connections(&metrics), Some(0));
    // Their time is over.
    let ticket = clients[0].ticket(clients[0].seen);
    assert_eq!(Caller::refused(node.port, &ticket).await.0, 4404);
}

/// Transports that the workers have.
fn transports(stats: &Value) -> u64 {
    let workers = stats["workers"].as_array().expect("a list").iter();
    workers
        .map(|worker| worker["transports"].as_u64().expect("a number"))
        .sum()
}

/// What a client does one after the other, with its answers to questions in between.
const SCRIPT: [&str; 8] = [
    "join",
    "produce",
    "setDisplayName",
    "raiseHand",
    "produce",
    "pauseProducer",
    "subscribe",
    "closeProducer",
];

#[tokio::test]
async fn wherever_the_socket_breaks_the_session_comes_to_the_same() {
    let node = Node::start().await;
    for broken in 0..=SCRIPT.len() {
        let room = format!("room{broken}");
        let mut bob = Caller::connect(node.port, &room, "bob").await;
        bob.join("Bob").await;
        let produce = bob.produce_data("audio", &chromium_audio(3333));
        bob.ask("produce", produce).await.expect("produces");
        let mut ada = Caller::connect(node.port, &room, "ada").await;
        let mut produced = Vec::new();
        for (step, method) in SCRIPT.into_iter().enumerate() {
            let data = match method {
                "join" => ada.join_data("Ada", &ada.any_certificate()),
                "produce" => {
                    let ssrc = 1000 + u32::try_from(step).expect("small");
                    ada.produce_data("audio", &chromium_audio(ssrc))
                }
                "setDisplayName" => json!({"displayName": "Ada L."}),
                "raiseHand" => json!({"raised": true}),
                "subscribe" => json!({"subscription": "audio"}),
                _ => json!({"producerId": produced[0]}),
            };
            let id = ada.request(method, data.clone()).await;
            if step == broken {
                ada.cut();
                let resumed = ada.resume().await;
                if resumed["lastRequestId"] != id {
                    assert_eq!(resumed["lastRequestId"], id - 1);
                    ada.request_as(id, method, data).await;
                }
            }
            let answer = ada.answer(id).await.expect(method);
            if method == "produce" {
                produced.push(answer["producerId"].clone());
            }
        }
        let watcher = Caller::connect(node.port, &room, "eve").await;
        let peers = watcher.welcome["room"]["peers"].as_array().expect("a list");
        let ada = peers.iter().find(|peer| peer["peerId"] == "ada");
        let ada = ada.expect("never left");
        assert_eq!(
            (&ada["displayName"], &ada["handRaised"]),
            (&json!("Ada L."), &json!(true))
        );
        let producers = ada["producers"].as_array().expect("a list");
        let left: Vec<_> = producers
            .iter()
            .map(|producer| &producer["producerId"])
            .collect();
        assert_eq!(left, [&produced[1]], "broken at {broken}");
    }
}
