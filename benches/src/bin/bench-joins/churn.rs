//! Many who come and go.

use std::time::{Duration, Instant};

use anyhow::Result;
use plenum_bench::{
    joins::{
        crowd::{Outcome, Scene, Stream, dismiss},
        server::{Server, Use, cpu_of},
    },
    report::percentile,
};
use plenum_client::{Dialect, Media, Subscription};
use serde::Serialize;
use tokio::time::sleep;

use crate::{BETWEEN, server_options};

/// People who come and go: in so many rooms, where each stays for at least so long.
const RATE: f64 = 300.0;
const ROOMS: usize = 30;
const STAY: Duration = Duration::from_millis(500);
const CHURN: Duration = Duration::from_secs(10);
const CHURN_IN_FULL: Duration = Duration::from_mins(1);
/// Before it is measured: tables and heaps find their size.
const WARM_UP: Duration = Duration::from_secs(4);

/// While it stays as it is.
const WATCHED: Duration = Duration::from_secs(4);

#[derive(Serialize)]
pub(crate) struct Churn {
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

/// So many come and go for so long.
pub(crate) async fn churn(
    media: &Media,
    (dialect, name): (Dialect, &'static str),
    in_full: bool,
) -> Result<Churn> {
    let lasts = if in_full { CHURN_IN_FULL } else { CHURN };
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

fn mebibytes(memory: Use<u64>) -> f64 {
    (memory.node + memory.workers) as f64 / 1_048_576.0
}
