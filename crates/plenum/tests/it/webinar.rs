//! A room larger than a core: one publisher and very many viewers over four workers, at a few packets a second each.

pub(crate) mod publisher;
mod viewer;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{sync::Semaphore, time::sleep};

use crate::node::{Node, signal};
use publisher::Publisher;
use viewer::{Viewer, Watch};

const ROOM: &str = "webinar";

const WORKERS: u64 = 4;

/// Enough to spread over all workers within seconds.
const VIEWERS: u64 = 300;

/// Of an event. It takes a minute or two on two cores without optimisation.
const MANY_VIEWERS: u64 = 3000;

/// Viewers that join at the same moment, as many as two cores need to be busy.
const JOINING: usize = 32;

/// Up to here viewers hear of each other.
const ANNOUNCED: u32 = 10;

/// Generous: everything shares few cores.
const LIMIT: Duration = Duration::from_mins(5);

const LOOK: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audience_larger_than_a_worker_sees_the_publisher_also_after_its_worker_died() {
    let is_long = std::env::var("PLENUM_LONG_TESTS").is_ok_and(|value| value == "1");
    let count = if is_long { MANY_VIEWERS } else { VIEWERS };
    let node = start(count).await;
    let publisher = Publisher::start(node.port, ROOM).await;

    let started = Instant::now();
    let viewers = gather(&node, count, &publisher.capabilities).await;
    let joined = started.elapsed();
    let first = all_see(&viewers, started).await;
    // What came before the keys or twice, where machines are busy.
    let unopened = viewers.iter().map(|viewer| viewer.watch.unopened());
    print(&format!(
        "{count} viewers joined in {joined:.1?}, first media {first}; {} packets not opened",
        unopened.sum::<u32>()
    ));
    let stats = node
        .stats_when(|stats| stats["totalPeers"] == count + 1)
        .await;
    describe(&stats);
    let rooms = stats["distribution"].as_object().expect("a table");
    assert_eq!(rooms.len() as u64, WORKERS);
    assert!(rooms.values().all(|names| names[0] == ROOM), "{stats}");
    let placement = &stats["placements"][ROOM];
    let further = placement["further"].as_array().expect("a list");
    assert_eq!(further.len() as u64, WORKERS - 1);
    for place in further {
        let reason = place["reason"].as_str().expect("text");
        assert!(reason.starts_with("the room has"), "{reason}");
    }
    for viewer in &viewers {
        let heard = viewer.watch.new_peers();
        assert!(heard <= ANNOUNCED, "{} heard of {heard}", viewer.name);
    }

    let origin = placement["workerId"].as_u64().expect("placed") as usize;
    let pid = stats["workers"][origin]["pid"].as_i64().expect("alive");
    let killed = Instant::now();
    for viewer in &viewers {
        viewer.watch.forget();
    }
    signal(pid.try_into().expect("small"), "KILL");
    let again = all_see(&viewers, killed).await;
    print(&format!(
        "the publisher's worker died: media again {again}, {} viewers had to come again",
        viewers
            .iter()
            .filter(|it| it.watch.connections() > 1)
            .count()
    ));
    assert_eq!(publisher.connections(), 2);
    let stats = node
        .stats_when(|stats| stats["totalPeers"] == count + 1)
        .await;
    describe(&stats);

    drop(viewers);
    drop(publisher);
    node.stats_when(|stats| stats["totalRooms"] == 0).await;
}

async fn start(viewers: u64) -> Node {
    let limit = (2 * viewers).div_ceil(WORKERS);
    Node::start_workers(
        WORKERS as u16,
        &[
            "--set",
            &format!("workers.max_room_consumers={limit}"),
            "--set",
            &format!("room.announce_up_to={ANNOUNCED}"),
        ],
    )
    .await
}

/// Some at a time; returns when all have joined.
async fn gather(node: &Node, count: u64, capabilities: &Value) -> Vec<Viewer> {
    let turnstile = Arc::new(Semaphore::new(JOINING));
    let viewers: Vec<_> = (0..count)
        .map(|number| {
            let capabilities = viewer::without_estimation(capabilities);
            let name = format!("viewer-{number}");
            Viewer::start(node.port, ROOM, name, capabilities, Arc::clone(&turnstile))
        })
        .collect();
    wait_for("everybody joined", &viewers, |watch| {
        watch.connections() > 0
    })
    .await;
    viewers
}

/// Waits until every viewer has sound and picture; tells how long that took them.
async fn all_see(viewers: &[Viewer], since: Instant) -> String {
    wait_for("everybody sees", viewers, |watch| watch.sees().is_some()).await;
    let seen = viewers.iter().filter_map(|viewer| viewer.watch.sees());
    let mut times: Vec<_> = seen.map(|at| at.saturating_duration_since(since)).collect();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    format!(
        "median {:.1?}, p99 {:.1?}, worst {:.1?}",
        at(50),
        at(99),
        at(100)
    )
}

async fn wait_for(what: &str, viewers: &[Viewer], condition: impl Fn(&Watch) -> bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let missing = viewers.iter().filter(|viewer| !condition(&viewer.watch));
        let missing: Vec<_> = missing.map(|viewer| &viewer.name).collect();
        if missing.is_empty() {
            return;
        }
        let some = &missing[..missing.len().min(5)];
        let left = missing.len();
        assert!(Instant::now() < deadline, "{what}: not {left}, as {some:?}");
        sleep(LOOK).await;
    }
}

fn describe(stats: &Value) {
    for worker in stats["workers"].as_array().expect("a list") {
        print(&format!(
            "worker {}: {} transports, {} consumers, CPU {}, {} MiB, {} packets/s out",
            worker["workerId"],
            worker["transports"],
            worker["consumers"],
            worker["cpuUsage"],
            worker["memory"].as_u64().unwrap_or_default() >> 20,
            worker["packetsSentPerSecond"],
        ));
    }
    print(&format!("placements: {}", stats["placements"][ROOM]));
}

#[expect(clippy::print_stdout, reason = "the figures are for who runs it")]
fn print(line: &str) {
    println!("{line}");
}
