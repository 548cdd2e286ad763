//! WHIP, WHEP and REST.

use std::time::{Duration, Instant};

use plenum_params::transport::IceParameters;
use plenum_testkit::{media::OpusSource, peer::SendStream};
use serde_json::json;
use tokio::{net::UdpSocket, time::interval};

use super::{Cluster, ROOM, hall, hears, listening::Listener};
use crate::{
    bot::{
        Bot,
        media::{source, ssrc},
    },
    broadcasters::{audio, ok, packet, port, post as rest},
    http::Answer,
    node::Node,
    whip::{lines, patch, player, post, publisher},
};

/// Its streams are told apart from those of others by this.
const ENCODER: u32 = 70;

/// An offer in the name of a listener.
fn offer(text: &str, listener: &Listener) -> String {
    let own = format!("peer{}", listener.line.peer.address.port());
    let dtls = listener.own_dtls();
    let fingerprint = json!(dtls.fingerprints[0])["value"].clone();
    let fingerprint = fingerprint.as_str().expect("text").to_owned();
    let lines = text.lines().map(|line| {
        if line.starts_with("a=fingerprint") {
            format!("a=fingerprint:sha-256 {fingerprint}")
        } else if line.starts_with("a=setup") {
            "a=setup:active".to_owned()
        } else {
            line.replace("EsAw", &own)
        }
    });
    lines.fold(String::new(), |text, line| text + &line + "\r\n")
}

/// Connects to where an answer says.
fn connect(listener: &mut Listener, answer: &str) {
    let value = |name: &str| {
        let line = lines(answer, name).swap_remove(0);
        line.split_once(':').expect("a value").1.to_owned()
    };
    let candidate = value("a=candidate");
    let words: Vec<_> = candidate.split(' ').collect();
    let peer = &mut listener.line.peer;
    peer.remote = format!("{}:{}", words[4], words[5])
        .parse()
        .expect("an address");
    let parameters = IceParameters {
        username_fragment: value("a=ice-ufrag"),
        password: value("a=ice-pwd"),
    };
    peer.restart_ice(Instant::now(), &parameters);
}

const TRICKLE: &str = "a=ice-ufrag:UFRAG\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
    a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n";

/// What a client sends later about its session.
async fn trickle(node: &Node, session: &str, listener: &Listener) -> u16 {
    let own = format!("peer{}", listener.line.peer.address.port());
    let fragment = TRICKLE.replace("UFRAG", &own);
    patch(node, session, "\"1\"", &fragment).await.code
}

async fn end(node: &Node, session: &str) -> u16 {
    node.http("DELETE", session, &[], "").await.code
}

/// The stream of sound that a player gets: descriptions do not name it.
async fn ssrc_of_player(node: &Node) -> u64 {
    let room = "/api/v1/rooms/default/hall";
    let peers = node.get_json(&format!("{room}/peers")).await;
    let mut peers = peers["peers"].as_array().expect("a list").iter();
    let player = peers.find(|it| it["door"] == "whep").expect("there");
    let consumers = player["transports"][0]["consumers"].as_array();
    for consumer in consumers.expect("a list") {
        let id = consumer["consumerId"].as_str().expect("text");
        let stats = node.get_json(&format!("{room}/consumers/{id}/stats")).await;
        let mut stats = stats["stats"].as_array().expect("a list").iter();
        let sound = stats.find(|it| it["kind"] == "audio" && it["type"] == "outbound-rtp");
        if let Some(sound) = sound {
            return sound["ssrc"].as_u64().expect("a number");
        }
    }
    panic!("no sound in {player}");
}

/// A player at a node without the room hears it; its session is changed and ended at whichever node.
pub(super) async fn whep(cluster: &Cluster) {
    let mut listener = Listener::unconnected().await;
    let offer = offer(&player(), &listener);
    let made = post(cluster.node(1), "/whep/hall/hall-1", &offer).await;
    assert_eq!(made.code, 201, "{made:?}");
    connect(&mut listener, &made.body);
    let session = made.header("location");
    assert_eq!(trickle(cluster.node(2), session, &listener).await, 204);
    let number = ssrc_of_player(cluster.node(0)).await;
    let parameters = json!({
        "encodings": [{"ssrc": number}],
        "codecs": [{"payloadType": 111, "clockRate": 48000}],
    });
    listener.hears(&parameters).await;
    assert_eq!(end(cluster.node(2), session).await, 200);
    assert_eq!(end(cluster.node(1), session).await, 404);
}

/// An encoder at a node without the room is heard there.
pub(super) async fn whip(cluster: &Cluster, talker: &Bot) {
    let mut listener = Listener::unconnected().await;
    let own = ssrc(ENCODER, "audio").to_string();
    let offer = offer(&publisher().replace("1919", &own), &listener);
    let made = post(cluster.node(1), "/whip/hall?peer=encoder", &offer).await;
    assert_eq!(made.code, 201, "{made:?}");
    connect(&mut listener, &made.body);
    let session = made.header("location");
    assert_eq!(trickle(cluster.node(2), session, &listener).await, 204);
    let mut sound = OpusSource::new(source(ENCODER, "audio", 1));
    let began = Instant::now();
    let peer = &mut listener.line.peer;
    peer.add_sender(SendStream::new(ssrc(ENCODER, "audio"), None));
    let sending = async {
        let mut ticks = interval(OpusSource::PACKET_TIME);
        loop {
            ticks.tick().await;
            if listener.line.peer.is_connected() {
                let sound = sound.speech(began.elapsed(), 60, 20);
                listener.line.peer.send_rtp(&sound);
            }
            listener.line.take_datagrams();
            listener.line.flush();
        }
    };
    tokio::select! {
        () = hears(talker, "encoder") => {}
        () = sending => {}
    }
    assert_eq!(end(cluster.node(0), session).await, 200);
    assert_eq!(end(cluster.node(1), session).await, 404);
}

/// A program that speaks to any node is one broadcaster, and is heard.
pub(super) async fn broadcaster(cluster: &Cluster, talker: &Bot) {
    let [home, node, other] = [0, 1, 2].map(|index| cluster.node(index));
    let base = "/rooms/hall/broadcasters";
    let cast = json!({ "id": "cast", "displayName": "Cast", "device": { "name": "FFmpeg" } });
    ok(node, base, cast.clone()).await;
    cluster.place_of("hall", "cast").await;
    let transports = format!("{base}/cast/transports");
    let wish = json!({ "type": "plain", "comedia": true, "rtcpMux": false });
    let transport = ok(other, &transports, wish).await;
    assert_eq!(transport["ip"], "127.0.0.1", "{transport}");
    let id = transport["id"].as_str().expect("text");
    let produce = json!({ "kind": "audio", "rtpParameters": audio() });
    ok(node, &format!("{transports}/{id}/producers"), produce).await;
    let sender = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let port = port(&transport["port"]);
    let sending = async {
        let mut ticks = interval(Duration::from_millis(20));
        for number in 0.. {
            ticks.tick().await;
            let sound = packet(1111, 100, number);
            let sent = sender.send_to(&sound, ("127.0.0.1", port)).await;
            sent.expect("sends");
        }
    };
    tokio::select! {
        () = hears(talker, "cast") => {}
        () = sending => {}
    }
    let delete = async |node: &Node| {
        let path = format!("{base}/cast");
        node.http("DELETE", &path, &[], "").await.code
    };
    assert_eq!(delete(other).await, 200);
    assert_eq!(delete(home).await, 404);
}

/// Where somebody is sent on to, as a path at that node.
fn sent_on(answer: &Answer, to: &Node) -> String {
    assert_eq!(answer.code, 307, "{answer:?}");
    let url = format!("http://127.0.0.1:{}", to.port);
    let location = answer.header("location");
    let path = location.strip_prefix(&url);
    path.unwrap_or_else(|| panic!("{location} is not at {url}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_can_be_sent_on_is_and_its_session_is_found_at_either_node() {
    let cluster = Cluster::three(ROOM).await;
    let talker = hall(&cluster).await;
    let [home, node] = [0, 1].map(|index| cluster.node(index));
    for (path, text) in [
        ("/whip/hall?peer=encoder", publisher()),
        ("/whep/hall", player()),
    ] {
        let listener = Listener::unconnected().await;
        let offer = offer(&text, &listener);
        let path = sent_on(&post(node, path, &offer).await, home);
        let made = post(home, &path, &offer).await;
        assert_eq!(made.code, 201, "{made:?}");
        let session = made.header("location");
        for at in [node, home] {
            assert_eq!(trickle(at, session, &listener).await, 204);
        }
        assert_eq!(end(node, session).await, 200);
        assert_eq!(trickle(home, session, &listener).await, 404);
    }
    let cast = json!({ "peerId": "cast", "displayName": "Cast", "device": { "name": "script" } });
    let path = "/rooms/hall/broadcasters?redirects=1";
    let path = sent_on(&rest(node, path, cast.clone()).await, home);
    let made = rest(home, &path, cast).await;
    assert_eq!(made.code, 201, "{made:?}");
    let joined = rest(node, "/rooms/hall/broadcasters/cast/join", json!({})).await;
    assert_eq!(joined.code, 200, "{joined:?}");
    for at in [node, home] {
        let infos = at.get_json("/rooms/hall/broadcasters/cast/peerProducersInfos");
        let infos = infos.await["peerProducersInfos"].clone();
        assert!(infos.is_array(), "{infos}");
    }
    let path = "/rooms/hall/broadcasters/cast";
    assert_eq!(node.http("DELETE", path, &[], "").await.code, 204);
    assert_eq!(home.http("DELETE", path, &[], "").await.code, 404);
    drop(talker);
    cluster.nothing_is_left().await;
}
