//! Several nodes as one cluster: a Redis, and processes of the real binary that know each other through it.

mod across;
mod broadcast;
mod clocks;
mod crowd;
mod deaths;
mod doors;
mod every_door;
mod leaks;
mod meeting;
mod members;
mod modes;
mod network;
mod partitions;
mod people;
mod pipes;
mod policies;
mod promises;
mod redis;
mod registry;
mod restarts;
mod sentinels;
mod watching;
mod workers;

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use plenum_registry::{RedisConfig, RedisRegistry};
use serde_json::Value;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};

use members::Member;
use redis::Redis;

use crate::{
    client::Client,
    node::{Node, PATIENCE},
};

/// Where something runs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) ip: Ipv4Addr,
    /// A network of its own, by the name of its namespace; none: that of the test.
    pub(crate) network: Option<String>,
    /// What its node has besides the settings of all.
    pub(crate) settings: Vec<String>,
    /// A clock of its own, which the test may set.
    pub(crate) has_clock: bool,
}

impl Place {
    pub(crate) const HERE: Self = Self {
        ip: Ipv4Addr::LOCALHOST,
        network: None,
        settings: Vec::new(),
        has_clock: false,
    };

    /// Here, with settings of its own.
    pub(crate) fn with(settings: &[&str]) -> Self {
        Self {
            settings: settings.iter().map(ToString::to_string).collect(),
            ..Self::HERE
        }
    }
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Clusters are large: so many at a time leave each of them enough of the machine. Mostly they wait: one takes half a core or less.
static TURNS: Semaphore = Semaphore::const_new(3);

/// Where the clients of a region seem to be: `a` is the first node's, and so on.
pub(crate) const CLIENTS: [Ipv4Addr; 6] = [
    Ipv4Addr::new(192, 0, 2, 1),
    Ipv4Addr::new(198, 51, 100, 1),
    Ipv4Addr::new(203, 0, 113, 1),
    Ipv4Addr::new(198, 18, 0, 1),
    Ipv4Addr::new(198, 18, 1, 1),
    Ipv4Addr::new(198, 18, 2, 1),
];

/// Where joins go: all of a room to one node, or everybody to the node that he came to.
pub(crate) const ROOM: &str = "cluster.policy=room";
pub(crate) const USER: &str = "cluster.policy=user";

/// No setting: clients know of one node only, that they came to.
pub(crate) const NO_URLS: &str = "no node.public_url";

/// How often a death is tried, in the ordinary test and in the long one.
pub(crate) fn rounds() -> usize {
    let long = std::env::var("PLENUM_LONG_TESTS").is_ok_and(|value| value == "1");
    if long { 20 } else { 2 }
}

/// A cluster; ended when dropped.
pub(crate) struct Cluster {
    members: Vec<Member>,
    /// Where nodes keep what they share; the first one, where there are several.
    pub(crate) redis: Redis,
    /// How it is found, wherever it is.
    shared: RedisConfig,
    /// Secret and data of the nodes.
    _dir: tempfile::TempDir,
    _turn: SemaphorePermit<'static>,
}

impl Cluster {
    /// Three nodes `a`, `b` and `c` that see each other.
    pub(crate) async fn three(policy: &str) -> Self {
        Self::at(policy, &[Place::HERE, Place::HERE, Place::HERE]).await
    }

    /// Three with further settings.
    pub(crate) async fn three_with(settings: &[&str]) -> Self {
        let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
        Self::of(3, &settings).await
    }

    /// So many nodes `a`, `b` and so on that see each other, with these settings.
    pub(crate) async fn of(count: usize, settings: &[String]) -> Self {
        Self::with(&vec![Place::HERE; count], settings).await
    }

    /// Nodes at these places of this machine that see each other.
    pub(crate) async fn at(policy: &str, places: &[Place]) -> Self {
        Self::with(places, &[policy.to_owned()]).await
    }

    async fn with(places: &[Place], settings: &[String]) -> Self {
        let turn = TURNS.acquire().await.expect("never closed");
        let redis = Redis::start(&Place::HERE).await;
        let mut settings = settings.to_vec();
        settings.push(format!("cluster.redis={}", redis.url()));
        let shared = RedisConfig::new(redis.url());
        Self::start(turn, (redis, shared), places, &settings).await
    }

    /// Nodes at these places, with these settings.
    pub(crate) async fn start(
        turn: SemaphorePermit<'static>,
        (redis, mut shared): (Redis, RedisConfig),
        places: &[Place],
        settings: &[String],
    ) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "a secret of nodes on one machine\n").expect("written");
        let table = dir.path().join("places");
        let lines = CLIENTS.iter().zip(NAMES).map(|(ip, name)| {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24 {name}\n")
        });
        std::fs::write(&table, lines.collect::<String>()).expect("written");
        let mut members = Vec::new();
        for (place, name) in places.iter().zip(NAMES) {
            let (port, link) = (free_port(), free_port());
            let data = dir.path().join(name);
            std::fs::create_dir(&data).expect("made");
            let own = [
                format!("node.data_dir={}", data.display()),
                format!("node.public_url=http://{}:{port}", place.ip),
                format!("node.region={name}"),
                format!("cluster.geo_table={}", table.display()),
                // Tests say by a header where their clients are.
                "http.trusted_proxies=127.0.0.0/8 10.0.0.0/8".to_owned(),
                format!("cluster.listen={}:{link}", place.ip),
                format!("cluster.address={}:{link}", place.ip),
                format!("cluster.secret_file={}", secret.display()),
            ];
            let own = own.iter().filter(|it| {
                let is_url = it.starts_with("node.public_url=");
                !(is_url && settings.iter().any(|it| it == NO_URLS))
            });
            let settings = settings.iter().filter(|it| *it != NO_URLS);
            let settings = own.chain(settings).chain(&place.settings);
            let settings: Vec<_> = settings.cloned().collect();
            let clock = place.has_clock.then(|| data.join("clock"));
            members.push(Member::new(name, place.clone(), port, (&settings, clock)));
        }
        for member in &mut members {
            member.start().await;
        }
        // A test that looks rarely is no reason for another incarnation.
        shared.silence = Duration::from_mins(10);
        let cluster = Self {
            members,
            redis,
            shared,
            _dir: dir,
            _turn: turn,
        };
        cluster.all_see_each_other().await;
        cluster.takes_people().await;
        cluster
    }

    /// A registry that has only just begun may have forgotten something: until it cannot have, no room is opened.
    async fn takes_people(&self) {
        for (member, from) in self.running().zip(CLIENTS) {
            if !member.has_doors() {
                continue;
            }
            let room = format!("first-{}", member.name);
            let first = Client::connect_from(member.node(), &room, "first", from).await;
            first.leave().await;
        }
        self.nothing_is_left().await;
    }

    /// What the nodes have written.
    pub(crate) fn registry(&self) -> RedisRegistry {
        RedisRegistry::start(&self.shared).expect("good settings")
    }

    pub(crate) fn node(&self, index: usize) -> &Node {
        self.members[index].node()
    }

    pub(crate) fn member(&self, index: usize) -> &Member {
        &self.members[index]
    }

    pub(crate) fn member_mut(&mut self, index: usize) -> &mut Member {
        &mut self.members[index]
    }

    /// Those that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.runs())
    }

    /// Every running node lists those that run as alive, and no others.
    pub(crate) async fn all_see_each_other(&self) {
        let running: BTreeSet<_> = self.running().map(|it| it.name.clone()).collect();
        for member in self.running() {
            until("all nodes in the list", async || {
                (alive(member.node()).await == running).then_some(())
            })
            .await;
        }
    }
}

/// The nodes that a node takes for alive.
pub(crate) async fn alive(node: &Node) -> BTreeSet<String> {
    let (code, body) = node.get("/api/v1/nodes").await;
    if code != 200 {
        return BTreeSet::new();
    }
    let body: Value = serde_json::from_str(&body).expect("JSON");
    let nodes = body["nodes"].as_array().into_iter().flatten();
    let living = nodes.filter(|node| node["alive"] == true);
    living
        .filter_map(|node| node["id"].as_str().map(str::to_owned))
        .collect()
}

/// A port that nobody has just now, out of a range that the system gives to nobody by itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = u16::try_from(std::process::id() % 500).expect("small") * 10;
    for _ in 0..5000 {
        let port = 5000 + (base + NEXT.fetch_add(1, Ordering::Relaxed)) % 5000;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

/// Waits until something is so.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = eventually(look).await;
    found.unwrap_or_else(|| panic!("{what}: not within {PATIENCE:?}"))
}

/// Waits until something is so; `None`: it has not come true.
pub(crate) async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(found) = look().await {
            return Some(found);
        }
        sleep(Duration::from_millis(10)).await;
    }
    None
}
