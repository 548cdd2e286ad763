//! Rooms with parts at several nodes: who is there, who decides, and what becomes of it when something between nodes fails.
//! Nobody sends media here.

mod leaving;
mod nodes;
mod random;

use std::time::{Duration, Instant};

use plenum_api::{error::ErrorKind, grants::Role};
use plenum_host::{ClusterConfig, SessionEnd};
use plenum_ids::{RoomId, RoomName};
use plenum_registry::Registry;
use plenum_room::{CloseReason, PeerReply, PeerRequest};
use tokio::time::{sleep_until, timeout};

use self::nodes::{BOUND, Shared, eventually};

/// Shortly before newcomers wait no longer for the other parts of a room, and how long nothing happens then: less than it takes until a
/// worker seems to hang.
const HICCUP: (Duration, Duration) = (Duration::from_millis(1800), Duration::from_millis(400));

fn room(name: &str) -> RoomName {
    RoomName::from(RoomId::from(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_at_one_node_is_seen_at_all_and_who_leaves_at_none() {
    let shared = Shared::new();
    let (a, b, c) = tokio::join!(shared.node("a"), shared.node("b"), shared.node("c"));
    let room = room("lobby");
    let _ada = a.join(&room, "ada").await;
    let bob = b.join(&room, "bob").await;
    let _cat = c.join(&room, "cat").await;
    a.sees(&room, &["bob", "cat"]).await;
    b.sees(&room, &["ada", "cat"]).await;
    c.sees(&room, &["ada", "bob"]).await;
    // Who was first decides, and nobody else does.
    assert_eq!(a.role(&room, "ada").await, Some(Role::Host));
    assert_ne!(b.role(&room, "bob").await, Some(Role::Host));
    let record = shared.registry().room(room.clone()).await;
    let record = record.expect("read").expect("a room");
    assert_eq!(record.parts.len(), 3);
    drop(bob);
    a.sees(&room, &["cat"]).await;
    c.sees(&room, &["ada"]).await;
    // With the last of its peers a part ends, and what the registry knows of it.
    eventually("no part of b", async || {
        let record = shared.registry().room(room.clone()).await;
        let record = record.expect("read").expect("a room");
        record.parts.iter().all(|part| part.node != *b.name())
    })
    .await;
    // It begins anew, and sees everybody before anybody is let in.
    let _bob = b.join(&room, "bob").await;
    assert_eq!(b.far(&room).await, ["ada", "cat"]);
    a.sees(&room, &["bob", "cat"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_end_and_begin_at_two_nodes_without_mistaking_one_life_for_another() {
    let (_shared, a, b) = Shared::with_two().await;
    let room = room("again");
    for _ in 0..10 {
        let ada = a.join(&room, "ada").await;
        let bob = b.join(&room, "bob").await;
        assert_eq!(b.far(&room).await, ["ada"]);
        a.sees(&room, &["bob"]).await;
        drop(ada);
        b.sees(&room, &[]).await;
        let _ada = a.join(&room, "ada").await;
        assert_eq!(a.far(&room).await, ["bob"]);
        b.sees(&room, &["ada"]).await;
        drop(bob);
        a.sees(&room, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_are_made_at_the_home_whoever_asks() {
    let (_shared, a, b) = Shared::with_two().await;
    let room = room("decided");
    let mut ada = a.join(&room, "ada").await;
    let mut bob = b.join(&room, "bob").await;
    a.sees(&room, &["bob"]).await;
    let made = ada.request(PeerRequest::SetRole {
        peer: "bob".into(),
        role: Role::Host,
    });
    assert_eq!(made.await, Ok(PeerReply::Done));
    eventually("a host at b", async || {
        b.role(&room, "bob").await == Some(Role::Host)
    })
    .await;
    assert_eq!(a.home(&room).await.as_ref(), Some(a.name()));
    // Asked at b, done at a, seen at both.
    let locked = bob.request(PeerRequest::SetLocked(true)).await;
    assert_eq!(locked, Ok(PeerReply::Done));
    for node in [&a, &b] {
        eventually("a locked room", async || {
            let view = node.view(&room).await;
            view.is_some_and(|view| view.properties.locked)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_vanishes_takes_its_peers_along_and_the_home_goes_on_elsewhere() {
    let shared = Shared::new();
    let (a, b, c) = tokio::join!(shared.node("a"), shared.node("b"), shared.node("c"));
    let room = room("bereft");
    let _ada = a.join(&room, "ada").await;
    let _bob = b.join(&room, "bob").await;
    let _cat = c.join(&room, "cat").await;
    b.sees(&room, &["ada", "cat"]).await;
    c.sees(&room, &["ada", "bob"]).await;
    assert_eq!(b.home(&room).await.as_ref(), Some(a.name()));
    a.vanish().await;
    b.sees(&room, &["cat"]).await;
    c.sees(&room, &["bob"]).await;
    eventually("another home", async || {
        let home = b.home(&room).await;
        home.is_some_and(|home| home != *a.name())
    })
    .await;
    // Somebody who is left decides.
    eventually("a host among those who are left", async || {
        let roles = [b.role(&room, "bob").await, c.role(&room, "cat").await];
        roles.contains(&Some(Role::Host))
    })
    .await;
    eventually("nothing left of a", async || {
        let left = shared.registry().rooms_of(a.name().clone()).await;
        left.expect("read").is_empty()
    })
    .await;
    // It comes back as another start, with nothing of before.
    let again = shared.node("a").await;
    assert!(again.epoch() > a.epoch());
    let _ada = again.join(&room, "ada").await;
    b.sees(&room, &["ada", "cat"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_sessions_of_a_peer_the_later_one_holds() {
    let (_shared, a, b) = Shared::with_two().await;
    let room = room("twice");
    let mut earlier = a.join(&room, "ada").await;
    let _bob = a.join(&room, "bob").await;
    let _later = b.join(&room, "ada").await;
    let end = earlier.ended().await;
    assert_eq!(end, SessionEnd::Room(CloseReason::Replaced));
    a.sees(&room, &["ada"]).await;
    b.sees(&room, &["bob"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_forgets_everything_is_told_again() {
    let (shared, a, b) = Shared::with_two().await;
    let room = room("forgotten");
    let _ada = a.join(&room, "ada").await;
    let _bob = b.join(&room, "bob").await;
    a.sees(&room, &["bob"]).await;
    let before = shared.registry().room(room.clone()).await;
    let before = before.expect("read").and_then(|it| it.home);
    let before = before.expect("a home");
    shared.registry().forget();
    eventually("everything again", async || {
        let record = shared.registry().room(room.clone()).await;
        record.expect("read").is_some_and(|record| {
            let home = record.home.as_ref();
            record.parts.len() == 2 && home.is_some_and(|home| home.epoch >= before.epoch)
        })
    })
    .await;
    // Nobody was taken for dead meanwhile, and who comes is seen.
    assert_eq!(a.far(&room).await, ["bob"]);
    let _cat = b.join(&room, "cat").await;
    a.sees(&room, &["bob", "cat"]).await;
    assert_eq!(b.far(&room).await, ["ada"]);
    let peers = eventually_peers(&shared, &room, 3).await;
    assert_eq!(peers, ["ada", "bob", "cat"]);
}

/// Which peers the registry has of a room, as soon as they are so many.
async fn eventually_peers(shared: &Shared, room: &RoomName, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    eventually("all peers in the registry", async || {
        let peers = shared.registry().peers(room.clone(), None).await;
        names = peers
            .expect("read")
            .into_iter()
            .map(|place| place.peer.to_string())
            .collect();
        names.sort_unstable();
        names.len() == count
    })
    .await;
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_registry_rooms_go_on_and_what_concerns_them_as_a_whole_stands_still() {
    let (_shared, a, b) = Shared::with_two().await;
    let room = room("alone");
    let mut ada = a.join(&room, "ada").await;
    let _bob = b.join(&room, "bob").await;
    a.sees(&room, &["bob"]).await;
    for node in [&a, &b] {
        node.memory.cut(true);
    }
    eventually("no lease", async || {
        a.cluster.standing_now().lease.is_none()
    })
    .await;
    let locked = ada.request(PeerRequest::SetLocked(true)).await;
    let refused = locked.expect_err("nobody knows who decides");
    assert_eq!(refused.kind, ErrorKind::Unavailable);
    // Nobody who can be reached over a link is taken for dead, and those who come are let in.
    let _cat = timeout(BOUND, b.join(&room, "cat")).await.expect("let in");
    assert_eq!(a.far(&room).await, ["bob"]);
    for node in [&a, &b] {
        node.memory.cut(false);
    }
    a.sees(&room, &["bob", "cat"]).await;
    eventually("a decision", async || {
        let locked = ada.request(PeerRequest::SetLocked(true)).await;
        locked.is_ok()
    })
    .await;
}

/// All on one thread, which has no time at just that moment, as on a busy machine.
#[tokio::test]
async fn who_asks_something_while_the_time_for_waiting_ends_is_answered() {
    let shared = Shared::new();
    // It takes longer to see that the registry is away.
    let lease = |config: &mut ClusterConfig| config.membership.lease = BOUND;
    let a = shared.node_with("a", lease).await;
    a.memory.cut(true);
    let began = Instant::now();
    let rooms = (0..8).map(|number| room(&format!("late-{number}")));
    let mut all = Vec::new();
    for room in rooms {
        all.push(a.connect(&room, "ann").await);
    }
    let (after, time) = HICCUP;
    sleep_until((began + after).into()).await;
    std::thread::sleep(time);
    let mut said = Vec::new();
    for member in &mut all {
        said.push(member.say(PeerRequest::GetRouterRtpCapabilities).await);
    }
    for (member, said) in all.iter_mut().zip(said) {
        let answer = timeout(BOUND, member.answer(said)).await;
        assert!(matches!(answer, Ok(Ok(_))), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bus_loses_is_found() {
    let (_shared, a, b) = Shared::with_two().await;
    let room = room("lossy");
    let _ada = a.join(&room, "ada").await;
    let _bob = b.join(&room, "bob").await;
    a.sees(&room, &["bob"]).await;
    let mut comers = Vec::new();
    for round in 0..3 {
        // Shorter than a lease, so that only messages are lost.
        a.memory.cut(true);
        comers.push(b.join(&room, &format!("comer{round}")).await);
        a.memory.cut(false);
    }
    a.sees(&room, &["bob", "comer0", "comer1", "comer2"]).await;
    comers.remove(1);
    a.sees(&room, &["bob", "comer0", "comer2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_that_are_cut_again_and_again_cost_nothing() {
    let (_shared, a, b) = Shared::with_two().await;
    let room = room("cut");
    let mut ada = a.join(&room, "ada").await;
    let mut bob = b.join(&room, "bob").await;
    a.sees(&room, &["bob"]).await;
    let made = ada.request(PeerRequest::SetRole {
        peer: "bob".into(),
        role: Role::Host,
    });
    assert_eq!(made.await, Ok(PeerReply::Done));
    for round in 0..10 {
        let is_even = round % 2 == 0;
        let cutter = if is_even { &a } else { &b };
        let name = if is_even { b.name() } else { a.name() };
        cutter.cluster.links().cut(name);
        // A question may be lost with the link; one that is asked again is answered.
        eventually("a decision", async || {
            let locked = bob.request(PeerRequest::SetLocked(is_even)).await;
            locked.is_ok()
        })
        .await;
        assert_eq!(a.far(&room).await, ["bob"]);
        assert_eq!(b.far(&room).await, ["ada"]);
    }
    let view = a.view(&room).await.expect("a room");
    assert!(!view.properties.locked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_start_of_a_node_is_fenced_off() {
    let (shared, a, b) = Shared::with_two().await;
    let room = room("fenced");
    let _ada = a.join(&room, "ada").await;
    let _bob = b.join(&room, "bob").await;
    b.sees(&room, &["ada"]).await;
    let later = shared.node("a").await;
    let by = timeout(BOUND, a.cluster.fenced()).await.expect("fenced");
    assert_eq!(by, later.epoch());
    // What the earlier start has is over for everybody, though it still runs.
    b.sees(&room, &[]).await;
    assert!(
        timeout(Duration::ZERO, later.cluster.fenced())
            .await
            .is_err()
    );
    let _cat = later.join(&room, "cat").await;
    b.sees(&room, &["cat"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_expected_and_never_came_keeps_no_room() {
    let shared = Shared::new();
    let a = shared.node("a").await;
    let room = room("expected");
    let request = plenum_registry::ClaimRequest {
        room: room.clone(),
        candidates: vec![a.name().clone()],
        at_least: plenum_ids::RoomEpoch(0),
        // Whatever else the machine does: a node that has begun is there.
        lease: BOUND,
        create: true,
        joins: plenum_registry::Joins::Home,
        seen: shared.registry().incarnation(),
    };
    let claim = shared.registry().claim(request).await;
    assert_eq!(claim.expect("a home").home, *a.name());
    eventually("a room given up", async || {
        let record = shared.registry().room(room.clone()).await;
        record.expect("read").is_none()
    })
    .await;
}
