//! Joins, on a real node with real workers: a crowd that comes at once by each dialect in turn, from near and from far, many
//! who come and go, what they weigh, and how soon a node that was restarted takes somebody.
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use plenum_bench::{
    joins::{
        crowd::{Outcome, Scene, Stream, dismiss, percentile, threads},
        far::distance,
        server::{Server, ServerOptions, Use, cpu_of},
        viewer::{Times, Viewer},
    },
    report::{machine, median, write_json},
};
use plenum_client::{Dialect, Link, Media, Network, Subscription};
use serde::Serialize;
use tokio::time::sleep;

/// Who is there, besides the one who sends, and who comes.
const PRESENT: usize = 46;
const JOINS: usize = 50;

/// In each every dialect has its turn, so that noise hits all of them alike.
const ROUNDS: usize = 20;

/// In a crowd without precedent.
const CROWD: usize = 500;
const CROWD_ROUNDS: usize = 3;

/// From one round to the next: a server has cleared away what was.
const BETWEEN: Duration = Duration::from_millis(300);

/// One way, of a path across a continent, and how many come over it, one after the other.
const DELAY: Duration = Duration::from_millis(50);
const FAR: usize = 5;

/// People who come and go: in so many rooms, where each stays for at least so long.
const RATE: f64 = 300.0;
const ROOMS: usize = 30;
const STAY: Duration = Duration::from_millis(500);
const CHURN: Duration = Duration::from_secs(10);
const CHURN_IN_FULL: Duration = Duration::from_secs(60);
/// Before it is measured: tables and heaps find their size.
const WARM_UP: Duration = Duration::from_secs(4);

/// Five who send two streams each, and those who receive them all.
const SENDERS: usize = 5;
const RECEIVERS: usize = 60;
const SUBSCRIPTIONS: usize = 10;
/// Small pictures: what is measured does not depend on their size, and the generator decrypts them all.
const SMALL: u32 = 150_000;
const WATCHED: Duration = Duration::from_secs(4);

const RESTARTS: usize = 5;

const DIALECTS: [(Dialect, &str); 3] = [
    (Dialect::SocketIo, "socketio"),
    (Dialect::Protoo, "protoo"),
    (Dialect::Plenum, "plenum"),
];

const PARTS: [&str; 6] = ["storm", "far", "crowd", "churn", "memory", "restart"];

#[derive(Default, Serialize)]
struct Figures {
    storm: Vec<Storm>,
    far: Vec<Far>,
    crowd: Vec<Storm>,
    churn: Vec<Churn>,
    memory: Option<Memory>,
    restart: Vec<Restart>,
}

#[derive(Serialize)]
struct Storm {
    dialect: &'static str,
    joins: usize,
    failed: u32,
    requests: u32,
    turns: u32,
    last_answer_ms: Spread,
    first_packet_ms: Spread,
    first_key_frame_ms: Spread,
    /// Of node and workers, all media of the round included.
    server_cpu_ms_per_join: f64,
    generator_cpu_ms_per_join: f64,
}

/// Percentiles of all rounds together, and the lowest and highest 99th percentile of a single one.
#[derive(Clone, Copy, Default, Serialize)]
struct Spread {
    p50: f64,
    p95: f64,
    p99: f64,
    median_round_p99: f64,
    best_round_p99: f64,
    worst_round_p99: f64,
}

#[derive(Serialize)]
struct Far {
    dialect: &'static str,
    requests: u32,
    /// Requests that waited for an answer.
    turns: u32,
    last_answer_ms: f64,
    first_packet_ms: f64,
    /// There and back, until the last answer and the first packet.
    round_trips: (f64, f64),
}

#[derive(Serialize)]
struct Churn {
    dialect: &'static str,
    seconds: f64,
    joins: usize,
    failed: u32,
    joins_per_second: f64,
    last_answer_p99_ms: f64,
    first_packet_p99_ms: f64,
    late_p99_ms: f64,
    /// Without what as many packets of media cost when nobody comes or goes.
    server_cpu_ms_per_join: f64,
    node_cpu_ms_per_join: f64,
    worker_cpu_ms_per_join: f64,
    /// What was taken off.
    media_cpu_ms_per_join: f64,
    generator_cpu_ms_per_join: f64,
    memory_mib_after: Vec<f64>,
}

#[derive(Serialize)]
struct Memory {
    idle_mib: f64,
    /// With the pages of the program that it has touched, which it shares with the others.
    idle_resident_mib: f64,
    peer_kib: f64,
    consumer_kib: f64,
}

#[derive(Serialize)]
struct Restart {
    signal: &'static str,
    /// From the signal to the first join that was accepted.
    first_join_ms: f64,
    worst_ms: f64,
    /// The same from the start of the new process on.
    from_start_ms: f64,
}

fn main() -> Result<()> {
    let mut asked: Vec<String> = std::env::args().skip(1).collect();
    let in_full = asked.iter().any(|word| word == "--full");
    asked.retain(|word| word != "--full");
    if let Some(unknown) = asked.iter().find(|word| !PARTS.contains(&word.as_str())) {
        bail!("{unknown}: bench-joins [--full] [{}]", PARTS.join("|"));
    }
    println!("bench-joins · node and generator share this machine");
    println!("{}", machine());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let figures = runtime.block_on(measure(&asked, in_full))?;
    write_json("bench-joins", &figures)
}

async fn measure(asked: &[String], in_full: bool) -> Result<Figures> {
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    let media = threads()?;
    let mut figures = Figures::default();
    if wanted("storm") {
        figures.storm = storms(&media, JOINS, ROUNDS, PRESENT).await?;
    }
    if wanted("far") {
        figures.far = from_far(&media).await?;
    }
    if wanted("crowd") {
        figures.crowd = storms(&media, CROWD, CROWD_ROUNDS, 0).await?;
    }
    if wanted("churn") {
        let lasts = if in_full { CHURN_IN_FULL } else { CHURN };
        for (dialect, name) in [DIALECTS[0], DIALECTS[2]] {
            figures
                .churn
                .push(churn(&media, dialect, name, lasts).await?);
        }
    }
    if wanted("memory") {
        figures.memory = Some(memory(&media).await?);
    }
    if wanted("restart") {
        for (gently, signal) in [(false, "SIGKILL"), (true, "SIGTERM")] {
            figures.restart.push(restart(&media, gently, signal).await?);
        }
    }
    Ok(figures)
}

/// Crowds of this size, in each round one of each dialect, into rooms of their own.
async fn storms(media: &Media, joins: usize, rounds: usize, present: usize) -> Result<Vec<Storm>> {
    println!("\n{joins} at once to {present} and one who sends, {rounds} rounds");
    let server = Server::start(server_options(0, 2))?;
    let scene = Scene::new(server.url(), media.clone());
    let mut rooms = Vec::new();
    for (dialect, name) in DIALECTS {
        rooms.push(scene.fill(name, dialect, present).await?);
    }
    sleep(Duration::from_secs(1)).await;
    let mut outcomes: [Vec<Outcome>; 3] = Default::default();
    let mut costs = [(0.0, 0.0); 3];
    // The first round is for tables to find their size.
    for round in 0..=rounds {
        for (place, (dialect, name)) in DIALECTS.into_iter().enumerate() {
            let (before, own) = (server.cpu()?, cpu_of(std::process::id())?);
            let outcome = scene.storm(name, dialect, joins).await;
            if round > 0 {
                costs[place].0 += server.cpu()?.since(before).milliseconds();
                let own = cpu_of(std::process::id())?.saturating_sub(own);
                costs[place].1 += own.as_secs_f64() * 1000.0;
                outcomes[place].push(outcome);
            }
            sleep(BETWEEN).await;
        }
    }
    for residents in rooms {
        dismiss(residents).await;
    }
    let mut all = Vec::new();
    for (place, (outcomes, (_, name))) in outcomes.into_iter().zip(DIALECTS).enumerate() {
        let (server_ms, own_ms) = costs[place];
        all.push(Storm::new(name, outcomes, server_ms, own_ms));
    }
    Ok(all)
}

impl Storm {
    fn new(dialect: &'static str, rounds: Vec<Outcome>, server_ms: f64, own_ms: f64) -> Self {
        let last_answer_ms = Spread::new(&rounds, |times| times.last_answer);
        let first_packet_ms = Spread::new(&rounds, |times| times.first_packet);
        let first_key_frame_ms = Spread::new(&rounds, |times| times.first_key_frame);
        let mut all = Outcome::default();
        for round in rounds {
            all.add(round);
        }
        let joins = all.times.len();
        println!("{dialect}: {joins} joined, {} failed", all.failed());
        for (failure, count) in &all.failures {
            println!("  {count} × {failure}");
        }
        let storm = Self {
            dialect,
            joins,
            failed: all.failed(),
            requests: all.times.first().map_or(0, |times| times.requests),
            turns: all.times.first().map_or(0, |times| times.turns),
            last_answer_ms,
            first_packet_ms,
            first_key_frame_ms,
            server_cpu_ms_per_join: server_ms / joins.max(1) as f64,
            generator_cpu_ms_per_join: own_ms / joins.max(1) as f64,
        };
        storm.last_answer_ms.print("last answer");
        storm.first_packet_ms.print("first packet");
        storm.first_key_frame_ms.print("first key frame");
        println!(
            "  processor time a join, media included: {:.2} ms of the server, {:.2} ms of the generator",
            storm.server_cpu_ms_per_join, storm.generator_cpu_ms_per_join
        );
        storm
    }
}

impl Spread {
    fn new(rounds: &[Outcome], which: impl Fn(&Times) -> Option<Duration> + Copy) -> Self {
        let mut all = Vec::new();
        let mut worst: Vec<f64> = Vec::new();
        for round in rounds {
            let times = round.sorted(which);
            worst.push(percentile(&times, 0.99));
            all.extend(times);
        }
        all.sort_by(f64::total_cmp);
        let median_round_p99 = median(&mut worst);
        Self {
            p50: percentile(&all, 0.5),
            p95: percentile(&all, 0.95),
            p99: percentile(&all, 0.99),
            median_round_p99,
            best_round_p99: worst.first().copied().unwrap_or_default(),
            worst_round_p99: worst.last().copied().unwrap_or_default(),
        }
    }

    fn print(&self, what: &str) {
        println!(
            "  {what:<16} p50 {:>6.1}  p95 {:>6.1}  p99 {:>6.1} ms · p99 of a round: median {:.1}, {:.1} to {:.1} ms",
            self.p50,
            self.p95,
            self.p99,
            self.median_round_p99,
            self.best_round_p99,
            self.worst_round_p99
        );
    }
}

/// One at a time over a long way: how often it is gone.
async fn from_far(media: &Media) -> Result<Vec<Far>> {
    let there_and_back = 2.0 * DELAY.as_secs_f64() * 1000.0;
    println!("\none after the other, {there_and_back} ms there and back");
    let server = Server::start(server_options(0, 1))?;
    let scene = Scene::new(server.url(), media.clone());
    let port = distance(server.port(), DELAY).await?;
    let link = Link {
        delay: DELAY,
        ..Link::default()
    };
    let mut all = Vec::new();
    for (dialect, name) in DIALECTS {
        let residents = scene.fill(name, dialect, 1).await?;
        let mut outcome = Outcome::default();
        for _ in 0..FAR {
            let mut way = scene.way(name, dialect);
            way.url = format!("http://127.0.0.1:{port}");
            way.network = Network::symmetric(link);
            let viewer = Viewer::join(way, Instant::now(), media).await;
            let viewer = viewer.map_err(anyhow::Error::msg)?;
            viewer.sees().await.map_err(anyhow::Error::msg)?;
            outcome
                .times
                .push(viewer.leave().await.map_err(anyhow::Error::msg)?);
        }
        dismiss(residents).await;
        let last_answer_ms = percentile(&outcome.sorted(|times| times.last_answer), 0.5);
        let first_packet_ms = percentile(&outcome.sorted(|times| times.first_packet), 0.5);
        let far = Far {
            dialect: name,
            requests: outcome.times.first().map_or(0, |times| times.requests),
            turns: outcome.times.first().map_or(0, |times| times.turns),
            last_answer_ms,
            first_packet_ms,
            round_trips: (
                last_answer_ms / there_and_back,
                first_packet_ms / there_and_back,
            ),
        };
        println!(
            "{name:>10}: {} requests in {} turns · last answer {last_answer_ms:.0} ms, {:.1} round trips · first packet {first_packet_ms:.0} ms, {:.1}",
            far.requests, far.turns, far.round_trips.0, far.round_trips.1
        );
        all.push(far);
    }
    Ok(all)
}

/// So many come and go for so long.
async fn churn(
    media: &Media,
    dialect: Dialect,
    name: &'static str,
    lasts: Duration,
) -> Result<Churn> {
    println!("\n{RATE} joins and leaves a second, {name}, {lasts:?}");
    let server = Server::start(server_options(0, 2))?;
    let scene = Scene::new(server.url(), media.clone());
    let rooms: Vec<_> = (0..ROOMS).map(|number| format!("room-{number}")).collect();
    let mut residents = Vec::new();
    for room in &rooms {
        residents.extend(scene.fill(room, dialect, 0).await?);
    }
    let stream = |lasts| Stream {
        rate: RATE,
        lasts,
        stay: STAY,
    };
    scene.churn(&rooms, dialect, stream(WARM_UP)).await;
    sleep(BETWEEN).await;
    let mut memory_mib_after = vec![mebibytes(server.memory()?)];
    let (before, own) = (server.cpu()?, cpu_of(std::process::id())?);
    let (began, received) = (Instant::now(), packets(media).await);
    let outcome = scene.churn(&rooms, dialect, stream(lasts)).await;
    let (took, received) = (began.elapsed(), packets(media).await - received);
    let cost = server.cpu()?.since(before);
    let own = cpu_of(std::process::id())?.saturating_sub(own);
    sleep(BETWEEN).await;
    memory_mib_after.push(mebibytes(server.memory()?));
    let steady = steady(&server, &scene, &rooms, dialect).await?;
    memory_mib_after.push(mebibytes(server.memory()?));
    dismiss(residents).await;

    let joins = outcome.times.len();
    let each = |spent: Duration| spent.as_secs_f64() * 1000.0 / joins.max(1) as f64;
    let still = Duration::from_secs_f64(steady * received);
    let workers = cost.workers.saturating_sub(still);
    let churn = Churn {
        dialect: name,
        seconds: took.as_secs_f64(),
        joins,
        failed: outcome.failed(),
        joins_per_second: joins as f64 / lasts.as_secs_f64(),
        last_answer_p99_ms: percentile(&outcome.sorted(|times| times.last_answer), 0.99),
        first_packet_p99_ms: percentile(&outcome.sorted(|times| times.first_packet), 0.99),
        late_p99_ms: percentile(&outcome.sorted(|times| Some(times.late)), 0.99),
        server_cpu_ms_per_join: each(cost.node + workers),
        node_cpu_ms_per_join: each(cost.node),
        worker_cpu_ms_per_join: each(workers),
        media_cpu_ms_per_join: each(still),
        generator_cpu_ms_per_join: each(own),
        memory_mib_after,
    };
    churn.print(&outcome);
    Ok(churn)
}

/// Seconds that a worker needs for each packet that somebody receives, while as many are there as there are on average
/// while people come and go.
async fn steady(server: &Server, scene: &Scene, rooms: &[String], dialect: Dialect) -> Result<f64> {
    let present = (RATE * STAY.as_secs_f64()) as usize;
    let mut residents = Vec::new();
    for room in rooms.iter().cycle().take(present) {
        residents.push(scene.resident(room, dialect, Subscription::All).await?);
    }
    sleep(Duration::from_secs(1)).await;
    let (before, received) = (server.cpu()?, packets(&scene.media).await);
    sleep(WATCHED).await;
    let cost = server.cpu()?.since(before).workers;
    let received = packets(&scene.media).await - received;
    dismiss(residents).await;
    Ok(cost.as_secs_f64() / received.max(1.0))
}

/// Of media that the generator has received so far.
async fn packets(media: &Media) -> f64 {
    media.figures().await.received.packets as f64
}

impl Churn {
    fn print(&self, outcome: &Outcome) {
        println!(
            "  {} joined and left, {:.0} a second, {} failed",
            self.joins, self.joins_per_second, self.failed
        );
        for (failure, count) in &outcome.failures {
            println!("  {count} × {failure}");
        }
        println!(
            "  p99: last answer {:.1} ms, first packet {:.1} ms, begun {:.1} ms late",
            self.last_answer_p99_ms, self.first_packet_p99_ms, self.late_p99_ms
        );
        println!(
            "  processor time a join: {:.2} ms of the server (node {:.2}, workers {:.2}), besides {:.2} for media; {:.2} ms of the generator",
            self.server_cpu_ms_per_join,
            self.node_cpu_ms_per_join,
            self.worker_cpu_ms_per_join,
            self.media_cpu_ms_per_join,
            self.generator_cpu_ms_per_join
        );
        println!(
            "  memory of node and workers before, after, and later: {:.1?} MiB",
            self.memory_mib_after
        );
    }
}

/// What peers weigh that receive.
async fn memory(media: &Media) -> Result<Memory> {
    println!("\nmemory of a worker, {RECEIVERS} who receive {SUBSCRIPTIONS} streams each");
    let server = Server::start(server_options(0, 1))?;
    let scene = Scene::new(server.url(), media.clone());
    let (idle, resident) = server.resident()?;
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        senders.push(scene.publisher("room", Dialect::Plenum, SMALL).await?);
    }
    sleep(WATCHED).await;
    let empty = server.memory()?.workers;
    let mut receivers = Vec::new();
    for _ in 0..RECEIVERS {
        let wants = Subscription::Manual;
        receivers.push(scene.resident("room", Dialect::Plenum, wants).await?);
    }
    sleep(WATCHED).await;
    let without = server.memory()?.workers;
    for (receiver, _) in &receivers {
        receiver.subscribe(Subscription::All).await?;
    }
    sleep(WATCHED).await;
    let with = server.memory()?.workers;
    for (receiver, _) in &receivers {
        let receiving = receiver.stats().await.receiving;
        let streams = receiving.iter().filter(|one| one.received.packets > 0);
        ensure!(
            streams.count() == SUBSCRIPTIONS,
            "somebody does not receive everything"
        );
    }
    let (peers, consumers) = (RECEIVERS as f64, (RECEIVERS * SUBSCRIPTIONS) as f64);
    let memory = Memory {
        idle_mib: idle as f64 / 1_048_576.0,
        idle_resident_mib: resident as f64 / 1_048_576.0,
        peer_kib: with.saturating_sub(empty) as f64 / 1024.0 / peers,
        consumer_kib: with.saturating_sub(without) as f64 / 1024.0 / consumers,
    };
    println!(
        "  idle {:.1} MiB, with the program {:.1} · a peer {:.0} KiB · a consumer {:.1} KiB",
        memory.idle_mib, memory.idle_resident_mib, memory.peer_kib, memory.consumer_kib
    );
    dismiss(receivers).await;
    dismiss(senders).await;
    Ok(memory)
}

/// A node that had people ends; the next one takes its place at once.
async fn restart(media: &Media, gently: bool, signal: &'static str) -> Result<Restart> {
    let (mut all, mut started) = (Vec::new(), Vec::new());
    let mut server = Server::start(server_options(0, 2))?;
    let options = server_options(server.port(), 2);
    let scene = Scene::new(server.url(), media.clone());
    for _ in 0..RESTARTS {
        let residents = scene.fill("room", Dialect::Protoo, 10).await?;
        let began = Instant::now();
        server.end(gently)?;
        let again = Instant::now();
        server = Server::launch(options)?;
        let viewer = loop {
            let way = scene.way("another room", Dialect::Plenum);
            match Viewer::join(way, again, media).await {
                Ok(viewer) => break viewer,
                Err(failure) => ensure!(
                    again.elapsed() < Duration::from_secs(20),
                    "nobody gets in: {failure}"
                ),
            }
            sleep(Duration::from_millis(2)).await;
        };
        all.push(began.elapsed().as_secs_f64() * 1000.0);
        started.push(again.elapsed().as_secs_f64() * 1000.0);
        server.wait_until_ready()?;
        viewer.leave().await.map_err(anyhow::Error::msg)?;
        drop(residents);
    }
    let restart = Restart {
        signal,
        first_join_ms: median(&mut all),
        worst_ms: all.last().copied().unwrap_or_default(),
        from_start_ms: median(&mut started),
    };
    println!(
        "\n{signal}: first join {:.0} ms later, {:.0} ms in the worst of {RESTARTS}; {:.0} ms from the start",
        restart.first_join_ms, restart.worst_ms, restart.from_start_ms
    );
    Ok(restart)
}

const fn server_options(port: u16, workers: u16) -> ServerOptions {
    ServerOptions { port, workers }
}

fn mebibytes(memory: Use<u64>) -> f64 {
    (memory.node + memory.workers) as f64 / 1_048_576.0
}
