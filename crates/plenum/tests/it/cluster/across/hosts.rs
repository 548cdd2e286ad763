//! A host at one node, and people at the others.

use serde_json::{Value, json};

use super::{arrive, enter};
use crate::{
    client::chromium_audio,
    cluster::{CLIENTS, Cluster},
    fast::caller::{Caller, Closed},
};

/// The first word of why a connection was closed, with its code.
fn ended((code, reason): Closed) -> (u16, String) {
    let word = reason.split_once(": ").map(|(word, _)| word.to_owned());
    (code, word.unwrap_or(reason))
}

/// Asks for something that is done without further words.
async fn does(caller: &mut Caller, method: &str, data: &Value) {
    let answer = caller.ask(method, data.clone()).await;
    assert_eq!(answer, Ok(json!({})), "{method} {data}");
}

/// Waits for that notification with these very words; what is told in others meanwhile is passed over.
async fn hears(caller: &mut Caller, method: &str, data: Value) {
    while caller.notified(method).await != data {}
}

/// Waits until the room is told to be so, in all of it.
async fn becomes(caller: &mut Caller, so: &Value) {
    let so = so.as_object().expect("what was asked for");
    loop {
        let room = caller.notified("roomChanged").await;
        if so.iter().all(|(what, value)| room[what] == *value) {
            return;
        }
    }
}

async fn sends_sound(caller: &mut Caller, ssrc: u32) -> Value {
    let produce = caller.produce_data("audio", &chromium_audio(ssrc));
    caller.ask("produce", produce).await.expect("produces")
}

pub(super) async fn hosts_decide_about_people_of_other_nodes(cluster: &Cluster) {
    let mut ada = enter(cluster, 0, "moderated", "ada").await;
    let mut bob = enter(cluster, 1, "moderated", "bob").await;
    let mut carl = enter(cluster, 2, "moderated", "carl").await;
    let of_bob = json!({"peerId": "bob"});

    does(&mut bob, "raiseHand", &json!({"raised": true})).await;
    let raised = |raised: bool| json!({"peerId": "bob", "handRaised": raised});
    hears(&mut ada, "peerChanged", raised(true)).await;
    hears(&mut carl, "peerChanged", raised(true)).await;
    does(&mut ada, "lowerHand", &of_bob).await;
    hears(&mut bob, "peerChanged", raised(false)).await;
    hears(&mut carl, "peerChanged", raised(false)).await;
    let called = json!({"displayName": "Robert"});
    does(&mut bob, "setDisplayName", &called).await;
    let called = json!({"peerId": "bob", "displayName": "Robert"});
    hears(&mut ada, "peerChanged", called).await;

    let sound = sends_sound(&mut bob, 1111).await;
    let of_sound = json!({"peerId": "bob", "producerId": sound["producerId"]});
    assert_eq!(carl.notified("producerAdded").await["peerId"], "bob");
    does(&mut ada, "mute", &of_bob).await;
    hears(&mut bob, "producerMuted", sound.clone()).await;
    hears(&mut carl, "producerPaused", of_sound.clone()).await;
    does(&mut bob, "resumeProducer", &sound).await;
    hears(&mut carl, "producerResumed", of_sound.clone()).await;
    let id = json!({"producerId": sound["producerId"]});
    does(&mut ada, "closeProducerOf", &id).await;
    hears(&mut bob, "producerClosed", sound).await;
    hears(&mut carl, "producerRemoved", of_sound).await;

    // Who is a listener sends nothing, who is a speaker again may, and nobody but hosts decides.
    let sound = sends_sound(&mut bob, 2222).await;
    let role = |role: &str| json!({"peerId": "bob", "role": role});
    does(&mut ada, "setRole", &role("listener")).await;
    hears(&mut bob, "producerClosed", sound).await;
    hears(&mut carl, "peerChanged", role("listener")).await;
    let produce = bob.produce_data("audio", &chromium_audio(3333));
    let refused = bob.ask("produce", produce).await;
    assert_eq!(refused.expect_err("a listener").0, 403);
    let refused = bob.ask("mute", json!({"peerId": "ada"})).await;
    assert_eq!(refused.expect_err("no host").0, 403);
    let refused = bob.ask("setRoom", json!({"locked": true})).await;
    assert_eq!(refused.expect_err("no host").0, 403);
    does(&mut ada, "setRole", &role("host")).await;
    hears(&mut carl, "peerChanged", role("host")).await;
    // A host at a node that is not the room's home.
    does(&mut bob, "lowerHand", &json!({"peerId": "carl"})).await;
    let silent = json!({"peerId": "carl", "grants": {"publish": [], "subscribe": true}});
    does(&mut bob, "setGrants", &silent).await;
    let grants = carl.notified("grantsChanged").await;
    assert_eq!(grants["grants"]["publish"], json!([]), "{grants}");

    does(&mut bob, "kick", &json!({"peerId": "carl"})).await;
    assert_eq!(ended(carl.closed().await), (4403, "kicked".to_owned()));
    assert_eq!(ada.notified("peerLeft").await, json!({"peerId": "carl"}));
    does(&mut ada, "closeRoom", &json!({})).await;
    for caller in [&mut ada, &mut bob] {
        assert_eq!(
            ended(caller.closed().await),
            (4000, "roomClosed".to_owned())
        );
    }
}

pub(super) async fn hosts_decide_who_comes_in_at_other_nodes(cluster: &Cluster) {
    let room = "guarded";
    let mut ada = enter(cluster, 0, room, "ada").await;
    let mut bob = enter(cluster, 1, room, "bob").await;
    let set = json!({"lobby": true, "metadata": {"topic": "tea"}});
    does(&mut ada, "setRoom", &set).await;
    becomes(&mut bob, &set).await;

    let mut carl = arrive(cluster, 2, room, "carl").await;
    assert_eq!(carl.join("Carl").await, json!({"waiting": true}));
    let knock = ada.notified("knock").await;
    assert_eq!(knock, json!({"peerId": "carl", "displayName": "Carl"}));
    does(&mut ada, "admit", &json!({"peerId": "carl"})).await;
    let admitted = carl.notified("admitted").await;
    assert_eq!(
        admitted["peers"].as_array().map(Vec::len),
        Some(2),
        "{admitted}"
    );
    assert_eq!(ada.notified("knockGone").await, json!({"peerId": "carl"}));
    assert_eq!(bob.notified("peerJoined").await["peer"]["peerId"], "carl");

    let mut dora = arrive(cluster, 1, room, "dora").await;
    assert_eq!(dora.join("Dora").await, json!({"waiting": true}));
    assert_eq!(ada.notified("knock").await["peerId"], "dora");
    does(&mut ada, "refuse", &json!({"peerId": "dora"})).await;
    assert_eq!(ended(dora.closed().await), (4403, "refused".to_owned()));

    let lock = json!({"lobby": false, "locked": true});
    does(&mut ada, "setRoom", &lock).await;
    for caller in [&mut bob, &mut carl] {
        becomes(caller, &lock).await;
    }
    let mut eve = arrive(cluster, 2, room, "eve").await;
    let join = eve.join_data("Eve", &eve.any_certificate());
    let (code, reason) = eve.ask("join", join).await.expect_err("locked");
    assert_eq!((code, reason.starts_with("locked: ")), (403, true));
    let full = json!({"locked": false, "maxPeers": 3});
    does(&mut ada, "setRoom", &full).await;
    for caller in [&mut bob, &mut carl] {
        becomes(caller, &full).await;
    }
    let port = cluster.node(1).port;
    let refused = Caller::refused_from(port, "room=guarded&peer=frank", CLIENTS[1]).await;
    assert_eq!(ended(refused), (4000, "roomFull".to_owned()));
    for caller in [ada, bob, carl] {
        caller.leave().await;
    }
}
