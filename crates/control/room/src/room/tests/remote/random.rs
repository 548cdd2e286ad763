//! Whatever happens in whatever order, at whichever node.

use proptest::{
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;

/// Says which seed it was.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "whoever repeats it must know")]
            {
                eprintln!("PLENUM_ROOM_SEED={} repeats it", self.0);
            }
        }
    }
}

struct Fate {
    rng: StdRng,
    runner: TestRunner,
    sessions: BTreeMap<NodeKey, u64>,
    /// Facts get lost, repeated and reordered, and nodes and connections break.
    is_rough: bool,
}

impl Fate {
    fn new(seed: u64, is_rough: bool) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self {
            rng: StdRng::seed_from_u64(seed),
            runner: TestRunner::new_with_rng(Config::default(), rng),
            sessions: BTreeMap::new(),
            is_rough,
        }
    }

    fn node(&mut self, cluster: &Cluster) -> NodeKey {
        let index = self.rng.random_range(0..cluster.nodes.len());
        cluster
            .nodes
            .keys()
            .nth(index)
            .expect("below the count")
            .clone()
    }

    fn step(&mut self, cluster: &mut Cluster) {
        match self.rng.random_range(0..100) {
            0..55 => self.happen(cluster),
            55..75 => self.deliver(cluster),
            75..92 => self.hear(cluster),
            92..95 => cluster.pass(Duration::from_millis(self.rng.random_range(100..7_000))),
            _ if !self.is_rough => cluster.deliver_all(),
            95..97 => self.break_one(cluster),
            97 => cluster.heal(),
            98 if self.rng.random_bool(0.5) => self.reopen(cluster),
            98 => self.restart(cluster),
            _ => cluster.sweep(),
        }
    }

    fn happen(&mut self, cluster: &mut Cluster) {
        let key = self.node(cluster);
        let happening = property::happening().new_tree(&mut self.runner);
        let happening = happening.expect("a happening").current();
        if matches!(happening, property::Happening::Later(_)) {
            return cluster.pass(Duration::from_secs(1));
        }
        let node = cluster.nodes.get_mut(&key).expect("it lives");
        let sessions = self.sessions.entry(key.clone()).or_insert(3);
        property::happen(&mut node.world, sessions, &happening);
        cluster.collect(&key);
    }

    fn deliver(&mut self, cluster: &mut Cluster) {
        let count = cluster.links.len();
        if count > 0 {
            let index = self.rng.random_range(0..count);
            let link = cluster.links.keys().nth(index).cloned();
            let (from, to) = link.expect("below the count");
            cluster.deliver(&from, &to);
        }
    }

    fn hear(&mut self, cluster: &mut Cluster) {
        if cluster.bus.is_empty() {
            return;
        }
        if !self.is_rough {
            return cluster.hear(0);
        }
        let index = self.rng.random_range(0..cluster.bus.len().min(4));
        match self.rng.random_range(0..10) {
            0 => drop(cluster.bus.remove(index)),
            1 => {
                let again = cluster.bus[index].clone();
                cluster.bus.push_back(again);
            }
            _ => cluster.hear(index),
        }
    }

    fn break_one(&mut self, cluster: &mut Cluster) {
        let (one, other) = (self.node(cluster), self.node(cluster));
        if one == other {
            return;
        }
        cluster.cut(&one, &other);
        // For long enough, for one of them or for both.
        if self.rng.random_bool(0.4) {
            cluster.give_up(&one, &other);
        }
        if self.rng.random_bool(0.4) {
            cluster.give_up(&other, &one);
        }
    }

    /// A part ends, and there is another one at the same node at once.
    fn reopen(&mut self, cluster: &mut Cluster) {
        let key = self.node(cluster);
        let log = cluster.nodes[&key].log;
        let is_noticed = self.rng.random_bool(0.5);
        cluster.reopen(&key, log, is_noticed, small);
        self.sessions.remove(&key);
    }

    fn restart(&mut self, cluster: &mut Cluster) {
        let mut key = self.node(cluster);
        if cluster.nodes.len() > 1 {
            cluster.kill(&key);
            self.sessions.remove(&key);
            key.epoch.0 += 1;
            cluster.start(&key, small);
            cluster.tell_home();
        }
    }
}

pub(super) fn small(config: &mut RoomConfig) {
    config.announce_up_to = 4;
    config.limits.peers = 6;
    // A chain, and as deep as the most nodes make it.
    config.fan_out = 1;
    config.depth = 16;
}

fn live(seed: u64, steps: usize, is_rough: bool) {
    let _seed = Seed(seed);
    let mut fate = Fate::new(seed, is_rough);
    let mut cluster = Cluster::new(2 + (seed % 3) as usize, small);
    for (index, peer) in ["a", "b", "c"].into_iter().enumerate() {
        let name = format!("n{}", index % cluster.nodes.len());
        cluster.at(&name, |world| {
            let joined = world.join(index as u64, peer);
            world.produce(joined);
            let chat = clients::write(joined.1, 0, Audience::Everybody);
            world.ask(joined.0, chat).expect("writes");
        });
    }
    for step in 0..steps {
        fate.step(&mut cluster);
        cluster.check();
        if step % 60 == 59 {
            cluster.rest();
            cluster.check_rest();
        }
    }
    cluster.rest();
    cluster.check_rest();
    for key in cluster.nodes.keys().cloned().collect::<Vec<_>>() {
        let node = cluster.nodes.get_mut(&key).expect("it lives");
        for session in node.world.live.clone() {
            node.world.disconnect(session);
            node.world.run_worker();
        }
        cluster.collect(&key);
    }
    cluster.rest();
    cluster.check_rest();
    for node in cluster.nodes.values() {
        assert!(node.world.holds_no_media());
        assert!(node.sum.is_empty());
    }
}

/// Each of them is another life; `PLENUM_ROOM_SEED` chooses one, `PLENUM_LONG_TESTS` more.
fn seeds(from: u64, count: u64) -> std::ops::Range<u64> {
    let chosen = std::env::var("PLENUM_ROOM_SEED").ok();
    match chosen.and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None if std::env::var_os("PLENUM_LONG_TESTS").is_some() => from..from + 20 * count,
        None => from..from + count,
    }
}

#[test]
fn parts_agree_whatever_happens() {
    for seed in seeds(0, 100) {
        live(seed, 180, false);
    }
}

#[test]
fn parts_agree_after_losses_breaks_and_deaths() {
    for seed in seeds(10_000, 300) {
        live(seed, 180, true);
    }
}
