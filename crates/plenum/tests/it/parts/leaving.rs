//! Clients whose room is at another node than their connection, and nodes that everybody is to leave.

use std::time::Duration;

use plenum_api::status::NodeDrain;
use plenum_host::{DrainOrder, NodeDrainError, RoomOptions, SessionEnd, SessionEvent, Way};
use plenum_room::{Admission, CloseReason, PeerReply, PeerRequest};
use tokio::time::timeout;

use super::{
    nodes::{BOUND, Member, Node, Shared, eventually},
    room,
};

impl Node {
    /// Somebody connects here whose room is at another node.
    async fn connect_through(&self, to: &Self, room: &plenum_ids::RoomName, peer: &str) -> Member {
        let way = Way::there(room, to.cluster.me().clone(), None);
        let admission = Admission::new(peer.into());
        let connecting = self.host.connect(way, admission, RoomOptions::default());
        Member::new(connecting.await.expect("let in"))
    }

    async fn drain_of(&self, node: &Self) -> NodeDrain {
        let look = self.host.drain_node(node.name(), DrainOrder::Look);
        look.await.expect("an answer")
    }
}

/// The peers of a node's own.
async fn here(node: &Node, room: &plenum_ids::RoomName) -> Vec<String> {
    let view = node.view(room).await;
    let peers = view.into_iter().flat_map(|view| view.peers);
    let mut names: Vec<_> = peers.map(|peer| peer.peer_id.to_string()).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_one_node_is_in_a_room_of_another() {
    let (_shared, a, b) = Shared::with_two().await;
    meet(&a, &b).await;
    let room = room("relayed");
    let _bob = b.join(&room, "bob").await;
    let mut ada = a.connect_through(&b, &room, "ada").await;
    ada.join().await;
    assert_eq!(here(&b, &room).await, ["ada", "bob"]);
    assert!(a.view(&room).await.is_none(), "the room is at b alone");
    let (at_a, at_b) = (a.host.relayed_sessions(), b.host.relayed_sessions());
    assert_eq!((at_a.to_elsewhere, at_b.from_elsewhere), (1, 1));
    let capabilities = ada.request(PeerRequest::GetRouterRtpCapabilities).await;
    let Ok(PeerReply::RouterRtpCapabilities(capabilities)) = capabilities else {
        panic!("{capabilities:?}");
    };
    assert!(!capabilities.codecs.is_empty());
    let transport = ada.request(PeerRequest::CreateWebRtcTransport {
        producing: true,
        consuming: false,
        force_tcp: false,
        data: false,
    });
    let transport = transport.await;
    let Ok(PeerReply::WebRtcTransport { info, .. }) = transport else {
        panic!("{transport:?}");
    };
    assert!(!info.ice_candidates.is_empty(), "media goes there directly");
    drop(ada);
    eventually("ada has left", async || here(&b, &room).await == ["bob"]).await;
    let relayed = async || a.host.relayed_sessions().to_elsewhere == 0;
    eventually("nothing is left", relayed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relayed_client_notices_no_broken_link_and_goes_when_the_rooms_node_is_dead() {
    let (_shared, a, b) = Shared::with_two().await;
    meet(&a, &b).await;
    let room = room("relayed");
    let mut ada = a.connect_through(&b, &room, "ada").await;
    ada.join().await;
    for round in 0..5_u8 {
        a.cluster.links().cut(b.name());
        let raised = ada.request(PeerRequest::RaiseHand(round % 2 == 0)).await;
        assert_eq!(raised, Ok(PeerReply::Done));
    }
    assert_eq!(here(&b, &room).await, ["ada"]);
    b.vanish().await;
    let end = ada.ended().await;
    assert_eq!(end, SessionEnd::Room(CloseReason::RouterLost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_session_of_the_same_peer_replaces_a_relayed_one() {
    let (_shared, a, b) = Shared::with_two().await;
    meet(&a, &b).await;
    let room = room("relayed");
    let mut ada = a.connect_through(&b, &room, "ada").await;
    ada.join().await;
    let _again = b.join(&room, "ada").await;
    let end = ada.ended().await;
    assert_eq!(end, SessionEnd::Room(CloseReason::Replaced));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_led_away_from_a_node_and_has_both_for_a_moment() {
    let (_shared, a, b) = Shared::with_two().await;
    meet(&a, &b).await;
    let room = room("moving");
    let mut ada = b.join(&room, "ada").await;
    let mut bob = b.join(&room, "bob").await;
    let within = Duration::from_secs(20);
    // Asked of the other node.
    let order = DrainOrder::Begin { within };
    let begun = eventually_drains(&a, &b, order).await;
    assert_eq!((begun.state.as_str(), begun.clients_left), ("draining", 2));
    assert!(b.host.readiness().is_err() && a.host.readiness().is_ok());
    for member in [&mut ada, &mut bob] {
        let moved = async { while member.next().await != SessionEvent::Move {} };
        timeout(BOUND, moved).await.expect("asked to go");
    }
    // As a client does who can: where the room is next, before it lets go.
    let name = |peer: &str| Admission::new(peer.into());
    let options = RoomOptions::default();
    let again = b.host.reconnect(&room, &name("ada"), options).await;
    let mut next = Member::new(again.expect("led to a"));
    next.join().await;
    assert_eq!(here(&a, &room).await, ["ada"]);
    let asked = ada.request(PeerRequest::RaiseHand(true)).await;
    assert_eq!(asked, Ok(PeerReply::Done), "it goes on where it was");
    assert_eq!(here(&b, &room).await, ["ada", "bob"]);
    ada.release().await;
    assert_eq!(ada.ended().await, SessionEnd::Moved);
    a.sees(&room, &["bob"]).await;
    b.sees(&room, &["ada"]).await;
    // The other one just leaves and comes again.
    drop(bob);
    let again = b.host.reconnect(&room, &name("bob"), options).await;
    let mut last = Member::new(again.expect("led to a"));
    last.join().await;
    assert_eq!(here(&a, &room).await, ["ada", "bob"]);
    eventually("their connections are left", async || {
        let drain = a.drain_of(&b).await;
        (
            drain.state.as_str(),
            drain.clients_left,
            drain.clients_relayed,
        ) == ("draining", 0, 2)
    })
    .await;
    assert!(b.host.departing().borrow().is_some());
    // One comes again by another way, the other one has left.
    next.leave_behind();
    drop(last);
    eventually("drained", async || a.drain_of(&b).await.state == "drained").await;
    let again = a.join(&room, "ada").await;
    assert_eq!(here(&a, &room).await, ["ada"]);
    again.release().await;
    drop(again);
    assert!(b.view(&room).await.is_none(), "no part is left");
    // It takes people again.
    let cancelled = a.host.drain_node(b.name(), DrainOrder::Cancel).await;
    assert_eq!(cancelled.expect("an answer").state, "running");
    assert!(b.host.readiness().is_ok());
    let _cat = b.join(&super::room("another"), "cat").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_go_in_time_is_sent_away_if_there_is_anywhere_to_go() {
    let shared = Shared::new();
    let b = shared.node("b").await;
    let room = room("stays");
    let mut ada = b.join(&room, "ada").await;
    let within = Duration::from_secs(1);
    let alone = b
        .host
        .drain_node(b.name(), DrainOrder::Begin { within })
        .await;
    assert_eq!(alone, Err(NodeDrainError::NoOtherNode));
    let nobody = b.host.drain_node(&"x".into(), DrainOrder::Look).await;
    assert_eq!(nobody, Err(NodeDrainError::NoSuchNode("x".into())));
    let a = shared.node("a").await;
    meet(&a, &b).await;
    eventually_drains(&b, &b, DrainOrder::Begin { within }).await;
    assert_eq!(ada.ended().await, SessionEnd::Moved);
    eventually("drained", async || a.drain_of(&b).await.state == "drained").await;
}

/// Both know where the other one is.
async fn meet(one: &Node, other: &Node) {
    for (one, other) in [(one, other), (other, one)] {
        eventually("they know each other", async || {
            let standing = one.cluster.standing_now();
            let alive = standing.alive.get(other.name());
            alive.is_some_and(|alive| !alive.address.is_empty())
        })
        .await;
    }
}

/// The other nodes are known with the next look at the registry.
async fn eventually_drains(asked: &Node, node: &Node, order: DrainOrder) -> NodeDrain {
    let mut begun = None;
    eventually("the drain begins", async || {
        match asked.host.drain_node(node.name(), order).await {
            Ok(drain) => begun = Some(drain),
            Err(err) => assert!(
                matches!(
                    err,
                    NodeDrainError::NoOtherNode
                        | NodeDrainError::NoSuchNode(_)
                        | NodeDrainError::Refused { code: 409, .. }
                ),
                "{err}"
            ),
        }
        begun.is_some()
    })
    .await;
    begun.expect("it has begun")
}
