//! WHIP and WHEP as far as they are HTTP: what browsers and other stacks do with them is in `tests/e2e`.

use serde_json::{Value, json};

use crate::{
    client::{Client, join},
    http::Answer,
    node::Node,
};

const HEAD: &str = "v=0\r\no=- 8471 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n";

const TRANSPORT: &str = "c=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
    a=fingerprint:sha-256 0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E\r\n\
    a=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\n";

const AUDIO: &str = "a=mid:0\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n";

const VIDEO: &str = "a=mid:1\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
    a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
    a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
    a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
    a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";

const SIMULCAST: &str = "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n";

pub(crate) fn publisher() -> String {
    format!(
        "{HEAD}m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{TRANSPORT}{AUDIO}a=sendonly\r\na=ssrc:1919 cname:ours\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n{TRANSPORT}{VIDEO}a=sendonly\r\n{SIMULCAST}"
    )
}

pub(crate) fn player() -> String {
    publisher()
        .replace("a=sendonly", "a=recvonly")
        .replace(SIMULCAST, "")
        .replace("a=ssrc:1919 cname:ours\r\n", "")
}

pub(crate) async fn post(node: &Node, path: &str, offer: &str) -> Answer {
    let headers = [("Content-Type", "application/sdp")];
    node.http("POST", path, &headers, offer).await
}

pub(crate) async fn patch(node: &Node, path: &str, tag: &str, fragment: &str) -> Answer {
    let headers = [
        ("Content-Type", "application/trickle-ice-sdpfrag"),
        ("If-Match", tag),
    ];
    node.http("PATCH", path, &headers, fragment).await
}

/// Whether the node's workers hold so many transports, producers and consumers.
fn holds(stats: &Value, expected: [u64; 3]) -> bool {
    let workers = stats["workers"].as_array().expect("a list");
    let sum = |kind: &str| -> u64 {
        let counts = workers
            .iter()
            .map(|worker| worker[kind].as_u64().unwrap_or_default());
        counts.sum()
    };
    ["transports", "producers", "consumers"].map(sum) == expected
}

pub(crate) fn lines(text: &str, beginning: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with(beginning));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_publisher_is_a_peer_until_it_ends_its_session() {
    let node = Node::start().await;
    let mut ada = Client::connect(node.port, "studio", "ada").await;
    join(&mut ada, "Ada").await;
    let made = post(
        &node,
        "/whip/studio?peer=encoder&displayName=Stage",
        &publisher(),
    )
    .await;
    assert_eq!(made.code, 201, "{made:?}");
    assert_eq!(made.header("content-type"), "application/sdp");
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(lines(&made.body, "a=simulcast"), ["a=simulcast:recv l;h"]);
    assert_eq!(lines(&made.body, "a=setup"), ["a=setup:passive"; 2]);
    assert!(!lines(&made.body, "a=candidate").is_empty());
    let session = made.header("location").to_owned();

    let peer = ada.notified("newPeer").await;
    assert_eq!(
        (&peer["id"], &peer["displayName"]),
        (&json!("encoder"), &json!("Stage"))
    );
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let (id, consumer) = ada.asked("newConsumer").await;
        assert_eq!(consumer["peerId"], "encoder");
        kinds.push((consumer["kind"].clone(), consumer["type"].clone()));
        ada.accept(id).await;
    }
    assert!(
        kinds.contains(&(json!("video"), json!("simulcast"))),
        "{kinds:?}"
    );

    let trickle = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
        a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n";
    let answer = patch(&node, &session, "\"1\"", trickle).await;
    assert_eq!((answer.code, answer.body.as_str()), (204, ""));
    assert_eq!(patch(&node, &session, "\"7\"", trickle).await.code, 412);
    let bare = [("Content-Type", "application/trickle-ice-sdpfrag")];
    assert_eq!(node.http("PATCH", &session, &bare, trickle).await.code, 428);
    let other = [("Content-Type", "application/json"), ("If-Match", "*")];
    assert_eq!(
        node.http("PATCH", &session, &other, trickle).await.code,
        415
    );
    assert_eq!(patch(&node, &session, "*", "nonsense").await.code, 400);

    let restart = trickle.replace("EsAw", "FsBw");
    let answer = patch(&node, &session, "*", &restart).await;
    assert_eq!(answer.code, 200, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        "application/trickle-ice-sdpfrag"
    );
    assert_eq!(answer.header("etag"), "\"2\"");
    let fragment = lines(&answer.body, "a=ice-ufrag");
    assert_eq!(fragment.len(), 1);
    assert!(!made.body.contains(&fragment[0]), "new credentials");
    assert_eq!(
        patch(&node, &session, "\"1\"", trickle).await.code,
        412,
        "stale"
    );
    assert_eq!(patch(&node, &session, "\"2\"", &restart).await.code, 204);

    assert_eq!(node.http("GET", &session, &[], "").await.code, 204);
    assert_eq!(node.http("POST", &session, &[], "").await.code, 405);
    assert_eq!(node.http("DELETE", &session, &[], "").await.code, 200);
    assert_eq!(
        ada.notified("peerClosed").await,
        json!({"peerId": "encoder"})
    );
    assert_eq!(node.http("DELETE", &session, &[], "").await.code, 404);
    assert_eq!(patch(&node, &session, "*", trickle).await.code, 404);
    node.stats_when(|stats| holds(stats, [2, 0, 0])).await;
}

#[tokio::test]
async fn what_is_no_offer_of_a_publisher_is_refused() {
    let node = Node::start().await;
    let whole = publisher();
    let type_of = |name| [("Content-Type", name)];
    let answer = node
        .http("POST", "/whip/a", &type_of("text/plain"), &whole)
        .await;
    assert_eq!(answer.code, 415, "{answer:?}");
    for (offer, code) in [
        (String::new(), 400),
        ("v=0\r\n".to_owned(), 400),
        (whole.replace("a=mid:1\r\n", ""), 400),
        (player(), 406),
        (whole.replace("a=sendonly", "a=inactive"), 406),
        (whole.replace("VP8", "H263"), 406),
        (whole.replace("a=group:BUNDLE 0 1\r\n", ""), 406),
        (whole.replace("m=audio", "m=application"), 406),
    ] {
        let answer = post(&node, "/whip/a", &offer).await;
        assert_eq!(answer.code, code, "{offer:?} {answer:?}");
        assert!(!answer.body.is_empty());
    }
    let big = format!("{whole}{}", "a=x\r\n".repeat(100_000));
    assert_eq!(post(&node, "/whip/a", &big).await.code, 413);
    let long = format!("/whip/{}", "a".repeat(300));
    assert_eq!(post(&node, &long, &whole).await.code, 400);
    for path in ["/whip/a", "/whep/a", "/whep/a/b"] {
        assert_eq!(node.http("GET", path, &[], "").await.code, 204);
        assert_eq!(node.http("PUT", path, &[], "").await.code, 405);
        let options = node.http("OPTIONS", path, &[], "").await;
        assert_eq!(
            (options.code, options.header("accept-post")),
            (204, "application/sdp")
        );
    }
    node.stats_when(|stats| stats["totalRooms"] == 0 && holds(stats, [0, 0, 0]))
        .await;
}

/// The payload type that a player gave a codec is the one in the answer.
#[tokio::test]
async fn a_player_gets_what_is_published_in_its_own_numbers() {
    let node = Node::start().await;
    assert_eq!(
        post(&node, "/whep/studio", &player()).await.code,
        404,
        "no room"
    );
    let mut ada = Client::connect(node.port, "studio", "ada").await;
    join(&mut ada, "Ada").await;
    let early = post(&node, "/whep/studio", &player()).await;
    assert_eq!(early.code, 409, "{early:?}");
    assert!(!early.header("retry-after").is_empty());
    assert_eq!(
        post(&node, "/whep/studio/encoder", &player()).await.code,
        404
    );
    assert_eq!(post(&node, "/whep/studio/ada", &player()).await.code, 409);
    assert_eq!(post(&node, "/whep/studio", &publisher()).await.code, 406);

    let made = post(&node, "/whip/studio?peer=encoder", &publisher()).await;
    assert_eq!(made.code, 201, "{made:?}");
    let offer = player()
        .replace(":96 ", ":120 ")
        .replace("SAVPF 96", "SAVPF 120");
    let offer = offer.replace("apt=96", "apt=120");
    for path in ["/whep/studio", "/whep/studio/encoder"] {
        let played = post(&node, path, &offer).await;
        assert_eq!(played.code, 201, "{played:?}");
        assert_eq!(
            lines(&played.body, "m=video"),
            ["m=video 9 UDP/TLS/RTP/SAVPF 120 97"]
        );
        assert_eq!(lines(&played.body, "a=sendonly").len(), 2);
        assert!(lines(&played.body, "a=ssrc").is_empty(), "media ids tell");
        assert_eq!(lines(&played.body, "a=msid:plenum ").len(), 2);
        assert_eq!(
            lines(
                &played.body,
                "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"
            )
            .len(),
            2
        );
        let session = played.header("location").to_owned();
        assert_eq!(node.http("DELETE", &session, &[], "").await.code, 200);
    }
    let foreign = offer.replace("IN IP4 127.0.0.1", "IN IP4 0.0.0.0");
    let played = post(&node, "/whep/studio", &foreign).await;
    assert_eq!(
        lines(&played.body, "a=ssrc-group:FID ").len(),
        1,
        "{played:?}"
    );
    let session = played.header("location").to_owned();
    assert_eq!(node.http("DELETE", &session, &[], "").await.code, 200);
    let new = ada.notified("newPeer").await;
    assert_eq!(new["id"], "encoder", "players are not announced");
    node.stats_when(|stats| holds(stats, [3, 2, 2])).await;
}

#[tokio::test]
async fn a_session_ends_with_its_room_and_when_nobody_connects() {
    let node = Node::start_with(&["--set", "broadcast.media_timeout_s=1"]).await;
    let made = post(&node, "/whip/studio", &publisher()).await;
    assert_eq!(made.code, 201, "{made:?}");
    node.stats_when(|stats| stats["totalRooms"] == 0 && holds(stats, [0, 0, 0]))
        .await;
    let session = made.header("location").to_owned();
    assert_eq!(node.http("DELETE", &session, &[], "").await.code, 404);
}

#[tokio::test]
async fn sessions_and_broadcasters_are_bounded() {
    let limits = [
        "--set",
        "broadcast.max_sessions=1",
        "--set",
        "broadcast.max_broadcasters=1",
    ];
    let node = Node::start_with(&limits).await;
    let made = post(&node, "/whip/studio", &publisher()).await;
    assert_eq!(made.code, 201, "{made:?}");
    let refused = post(&node, "/whip/studio", &publisher()).await;
    assert_eq!(refused.code, 503, "{refused:?}");
    assert!(!refused.header("retry-after").is_empty());
    let session = made.header("location").to_owned();
    assert_eq!(node.http("DELETE", &session, &[], "").await.code, 200);
    assert_eq!(post(&node, "/whip/studio", &publisher()).await.code, 201);
    for (id, code) in [("one", 200), ("two", 503)] {
        let whole = json!({ "id": id, "displayName": "B", "device": { "name": "x" } });
        let answer = node
            .http_json("POST", "/rooms/studio/broadcasters", &whole)
            .await;
        assert_eq!(answer.code, code, "{answer:?}");
        assert_eq!(
            answer.headers("retry-after").len(),
            usize::from(code == 503)
        );
    }
}

/// Whoever runs the room ends one player's picture: the session stays, and plays the next who publishes.
#[tokio::test]
async fn what_was_closed_is_not_begun_again_at_once() {
    let node = Node::start().await;
    assert_eq!(
        post(&node, "/whip/studio?peer=one", &publisher())
            .await
            .code,
        201
    );
    let played = post(&node, "/whep/studio", &player()).await;
    assert_eq!(played.code, 201, "{played:?}");
    node.stats_when(|stats| holds(stats, [2, 2, 2])).await;
    let ids = consumers(&node).await;
    assert_eq!(ids.len(), 2);
    let path = |id: &str| format!("/api/v1/rooms/default/studio/consumers/{id}");
    for (index, id) in ids.iter().enumerate() {
        let closed = node.http("DELETE", &path(id), &[], "").await;
        assert!(closed.code < 300, "{closed:?}");
        let left = ids.len() as u64 - index as u64 - 1;
        node.stats_when(|stats| holds(stats, [2, 2, left])).await;
    }
    // The player's task has heard of it by the time at which it hears of the next one.
    let second = post(&node, "/whip/studio?peer=two", &publisher()).await;
    assert_eq!(second.code, 201, "{second:?}");
    node.stats_when(|stats| holds(stats, [3, 4, 2])).await;
    let later = consumers(&node).await;
    assert!(later.iter().all(|id| !ids.contains(id)), "{later:?}");
}

/// The identifiers of the consumers in the room.
async fn consumers(node: &Node) -> Vec<String> {
    let listed = node
        .get_json("/api/v1/rooms/default/studio/consumers")
        .await;
    let list = listed["consumers"].as_array().expect("a list").iter();
    list.map(|it| it["consumerId"].as_str().expect("text").to_owned())
        .collect()
}
