//! Workers that die again and again under running meetings: how soon those are back, whether others notice, and whether
//! anything is left behind.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    bot::Bot,
    moving::{all_run, back_after, complete, complete_again, generations, room, worker_under},
    node::{Node, report, strike},
};

const WORKERS: u16 = 4;
const ROOMS: [&str; 3] = ["red", "green", "blue"];
const PEERS: u32 = 4;

/// Rounds in the ordinary test and in the long one; each has one death of every kind.
const ROUNDS: usize = 2;
const LONG_ROUNDS: usize = 20;

/// `SIGKILL` and `SIGSEGV` are an end, `SIGSTOP` is a worker that hangs.
const DEATHS: [&str; 3] = ["KILL", "SEGV", "STOP"];

/// A worker that died five times within a minute is held back, which is another test's: a long run changes its node before
/// that happens.
const ROUNDS_PER_NODE: usize = 2;

/// What a node holds that could be left behind.
#[derive(Debug, PartialEq, Eq)]
struct Possessions {
    children: usize,
    descriptors: usize,
    udp_ports: BTreeSet<u16>,
}

fn possessions(node: &Node) -> Possessions {
    let pid = node.pid();
    let entries = |path: &str| std::fs::read_dir(format!("/proc/{pid}/{path}")).expect("it lives");
    let children = entries("task").filter_map(|task| {
        let children = task.ok()?.path().join("children");
        let text = std::fs::read_to_string(children).ok()?;
        Some(text.split_ascii_whitespace().count())
    });
    let links = entries("fd").filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    let sockets: BTreeSet<_> = links
        .filter_map(|link| {
            let text = link.to_str()?.strip_prefix("socket:[")?.to_owned();
            text.strip_suffix(']').map(str::to_owned)
        })
        .collect();
    Possessions {
        children: children.sum(),
        descriptors: entries("fd").count(),
        udp_ports: udp_ports(&sockets),
    }
}

/// Ports of UDP sockets with these inodes.
fn udp_ports(inodes: &BTreeSet<String>) -> BTreeSet<u16> {
    let table = std::fs::read_to_string("/proc/net/udp").expect("Linux");
    let ports = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let port = fields.get(1)?.split(':').nth(1)?;
        inodes
            .contains(*fields.get(9)?)
            .then(|| u16::from_str_radix(port, 16).ok())?
    });
    ports.collect()
}

/// Resident memory of the node in bytes.
fn resident(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).expect("it lives");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a number of KiB") * 1024
}

/// Waits until the node holds no more than it did: connections and processes take a moment to be forgotten.
async fn holds_no_more(node: &Node, expected: &Possessions) {
    for _ in 0..2000 {
        let now = possessions(node);
        // When it was counted, a connection may just have been closing.
        if (now.children, &now.udp_ports) == (expected.children, &expected.udp_ports)
            && now.descriptors <= expected.descriptors
        {
            return;
        }
        // Each exchange lets the node finish some of what it has begun.
        node.get("/healthz").await;
    }
    panic!("{:?}, not {expected:?}", possessions(node));
}

/// What was measured.
#[derive(Default)]
struct Figures {
    back: Vec<(&'static str, Duration)>,
    /// Longest silences in rooms whose worker lived.
    untouched: Vec<Duration>,
}

impl Figures {
    fn report(&mut self) {
        for death in DEATHS {
            let of_kind = self.back.iter().filter(|(of, _)| *of == death);
            let times: Vec<_> = of_kind.map(|(_, back)| *back).collect();
            report(&summary(&format!("SIG{death}, media again after"), times));
        }
        let untouched = std::mem::take(&mut self.untouched);
        report(&summary("untouched rooms, without sound for", untouched));
    }
}

pub(crate) fn summary(what: &str, mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let median = times.get(times.len() / 2);
    format!(
        "{what}: median {median:?}, worst {:?} of {}",
        times.last(),
        times.len()
    )
}

/// Strikes the worker under one room and waits until everybody there is back.
async fn strike_under(
    node: &Node,
    rooms: &[Vec<Bot>; 3],
    victim: usize,
    death: &'static str,
    figures: &mut Figures,
) {
    all_run(node).await;
    let mut workers = Vec::new();
    for name in ROOMS {
        workers.push(worker_under(node, name).await);
    }
    let (worker, pid) = workers[victim];
    let struck: Vec<_> = (0..ROOMS.len())
        .filter(|room| workers[*room].0 == worker)
        .collect();
    let before: Vec<_> = rooms.iter().map(|bots| generations(bots)).collect();
    for bot in rooms.iter().flatten() {
        bot.ledger().forget_gaps();
    }
    let at = Instant::now();
    strike(pid, death);
    for room in &struck {
        complete_again(&rooms[*room], &before[*room]).await;
        figures.back.push((death, back_after(&rooms[*room], at)));
    }
    for room in (0..ROOMS.len()).filter(|room| !struck.contains(room)) {
        assert_eq!(
            generations(&rooms[room]),
            before[room],
            "nobody else is disturbed"
        );
        let gaps = rooms[room]
            .iter()
            .map(|bot| bot.ledger().longest_gap("audio"));
        figures.untouched.extend(gaps.max());
    }
}

/// So many rounds on a node of its own.
async fn rounds_on_one_node(count: usize, figures: &mut Figures) {
    let node = Node::start_workers(WORKERS, &[]).await;
    node.get("/healthz").await;
    let empty = possessions(&node);
    assert_eq!(empty.children, usize::from(WORKERS));
    assert_eq!(empty.udp_ports.len(), usize::from(WORKERS));
    // The last of each room understands nothing of this.
    let rooms = [0, 1, 2].map(|index: usize| {
        let first = u32::try_from(index).expect("small") * PEERS;
        room(&node, ROOMS[index], first, PEERS - 1, 1)
    });
    for bots in &rooms {
        complete(bots).await;
    }
    let full = possessions(&node);
    let mut early = 0;
    for round in 0..count {
        for (turn, death) in DEATHS.into_iter().enumerate() {
            strike_under(&node, &rooms, (round + turn) % ROOMS.len(), death, figures).await;
        }
        all_run(&node).await;
        holds_no_more(&node, &full).await;
        if round == 0 {
            early = resident(&node);
        }
    }
    let late = resident(&node);
    report(&format!(
        "node: {early} bytes after one round, {late} after {count}"
    ));
    assert!(
        late <= early + early / 10 + 4 * 1024 * 1024,
        "{late} bytes after {early}"
    );
    for bot in rooms.iter().flat_map(|bots| &bots[..3]) {
        let ledger = bot.ledger();
        assert_eq!((ledger.connections, ledger.closes.len()), (1, 0));
    }
    drop(rooms);
    node.stats_when(|stats| stats["totalRooms"] == 0).await;
    holds_no_more(&node, &empty).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_die_under_three_rooms_and_everybody_is_back() {
    let long = std::env::var("PLENUM_LONG_TESTS").is_ok_and(|value| value == "1");
    let mut left = if long { LONG_ROUNDS } else { ROUNDS };
    let mut figures = Figures::default();
    while left > 0 {
        let count = left.min(ROUNDS_PER_NODE);
        rounds_on_one_node(count, &mut figures).await;
        left -= count;
    }
    figures.report();
}

/// Rooms that lose their worker at once, far more than it takes to make placement pile them up.
const MANY: usize = 200;

#[tokio::test]
async fn many_rooms_of_a_dead_worker_are_spread_over_the_others() {
    use serde_json::json;

    use crate::client::Client;

    let node = Node::start_workers(3, &[]).await;
    let able = json!({"displayName": "A", "device": {}, "plenum": {"migrate": true}});
    let mut clients = Vec::new();
    for n in 0..MANY {
        let mut client = Client::connect(node.port, &format!("room-{n}"), "somebody").await;
        client.ask("join", able.clone()).await.expect("joins");
        clients.push(client);
    }
    let (worker, pid) = worker_under(&node, "room-0").await;
    let stats = node.get_json("/stats").await;
    let lost: BTreeSet<_> = stats["distribution"][worker.to_string()]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|name| name.as_str()?.strip_prefix("room-")?.parse::<usize>().ok())
        .collect();
    assert!(lost.len() >= MANY / 4);
    strike(pid, "KILL");
    for n in &lost {
        let client = &mut clients[*n];
        client.notified("migrate").await;
        client.ask("join", able.clone()).await.expect("joins again");
    }
    let stats = node
        .stats_when(|stats| stats["totalRooms"] == MANY && stats["totalPeers"] == MANY)
        .await;
    let counts = stats["workers"].as_array().expect("a list").iter();
    let others = counts.filter(|other| other["workerId"] != worker);
    let others: Vec<_> = others
        .filter_map(|other| other["roomCount"].as_u64())
        .collect();
    assert!(
        others[0].abs_diff(others[1]) <= 1 + lost.len() as u64 / 2,
        "{others:?}"
    );
}
