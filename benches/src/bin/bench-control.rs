//! Control operations on a real worker through the supervisor's handles, fifty at a time, and what idle objects weigh.
#![forbid(unsafe_code)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::{
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use plenum_bench::report::{machine, median, write_json};
use plenum_harness::parameters::{encoding, vp8, vp8_receiver};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_ipc::{Answer, Request};
use plenum_params::{
    stats::WorkerStats,
    transport::{ListenInfo, WebRtcTransportOptions},
};
use plenum_supervisor::{
    ConsumerHandle, ProducerHandle, RouterHandle, Supervisor, SupervisorConfig, TransportHandle,
    Worker,
};
use serde::Serialize;
use tokio::{sync::mpsc, task::JoinSet};

/// As many ask at the same time.
const CONCURRENT: usize = 50;

/// What each of them asks for in a round.
const EACH: usize = 100;

/// Rounds, in each of which every operation is measured once.
const ROUNDS: usize = 15;

/// Transports with ten consumers each: peers of a room.
const PEERS: usize = 200;
const SUBSCRIPTIONS: usize = 10;

#[derive(Default, Serialize)]
struct Figures {
    create_webrtc_transport_per_second: f64,
    create_and_consume_per_second: f64,
    /// Processor time of the worker alone, microseconds.
    worker_us_per_transport: f64,
    idle_bytes: f64,
    bytes_per_peer: f64,
    bytes_per_consumer: f64,
}

/// A router with something to consume.
struct Bench {
    worker: Worker,
    router: Arc<RouterHandle>,
    producer: ProducerId,
    _publisher: (TransportHandle, ProducerHandle),
}

fn main() -> Result<()> {
    println!(
        "bench-control · {CONCURRENT} at a time · {ROUNDS} rounds of {}",
        CONCURRENT * EACH
    );
    println!("{}", machine());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let figures = runtime.block_on(measure())?;
    println!(
        "createWebRtcTransport  {:>8.0} /s",
        figures.create_webrtc_transport_per_second
    );
    println!(
        "create + consume       {:>8.0} /s",
        figures.create_and_consume_per_second
    );
    println!(
        "worker, a transport    {:>8.1} µs",
        figures.worker_us_per_transport
    );
    println!(
        "worker, idle           {:>8.1} MiB",
        figures.idle_bytes / 1_048_576.0
    );
    println!(
        "a peer with {SUBSCRIPTIONS} consumers {:>6.1} KiB",
        figures.bytes_per_peer / 1024.0
    );
    println!(
        "a consumer             {:>8.1} KiB",
        figures.bytes_per_consumer / 1024.0
    );
    write_json("bench-control", &figures)
}

async fn measure() -> Result<Figures> {
    let executable = std::env::current_exe()?.with_file_name("plenum-worker");
    if !executable.exists() {
        bail!(
            "{} is missing: cargo build --release --package plenum-worker",
            executable.display()
        );
    }
    let config = SupervisorConfig {
        worker_count: 2,
        listen: vec![ListenInfo::new(Ipv4Addr::LOCALHOST.into())],
        min_port: 0,
        executable,
        arguments: Vec::new(),
        ..SupervisorConfig::default()
    };
    let (events, _keep) = mpsc::unbounded_channel();
    let supervisor = Supervisor::start(config, events).await?;
    let mut workers = supervisor.running();
    let (other, worker) = (
        workers.pop().context("a worker")?,
        workers.pop().context("another worker")?,
    );
    let mut figures = Figures::default();
    let bench = Bench::open(worker).await?;

    let (mut created, mut consumed, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let before = stats(&bench.worker).await?.cpu_time_us;
        let create = bench.run(0).await?;
        let cost = stats(&bench.worker).await?.cpu_time_us - before;
        let consume = bench.run(1).await?;
        // The first is for tables to find their size.
        if round > 0 {
            let count = (CONCURRENT * EACH) as f64;
            created.push(count / create.as_secs_f64());
            consumed.push(count / consume.as_secs_f64());
            costs.push(cost as f64 / count);
        }
    }
    figures.create_webrtc_transport_per_second = median(&mut created);
    figures.create_and_consume_per_second = median(&mut consumed);
    figures.worker_us_per_transport = median(&mut costs);
    weigh(&other, &mut figures).await?;
    supervisor.shutdown().await;
    Ok(figures)
}

/// What there is in a worker that has had nothing before: what is freed is not given back at once.
async fn weigh(worker: &Worker, figures: &mut Figures) -> Result<()> {
    let memory = async || anyhow::Ok(stats(worker).await?.memory as f64);
    let idle = memory().await?;
    let bench = Bench::open(worker.clone()).await?;
    let mut peers = Vec::with_capacity(PEERS);
    let empty = memory().await?;
    for _ in 0..PEERS {
        peers.push(transport(&bench.router).await?);
    }
    let without = memory().await?;
    let mut consumers = Vec::with_capacity(PEERS * SUBSCRIPTIONS);
    for peer in &peers {
        consumers.extend(consume(peer, bench.producer, SUBSCRIPTIONS).await?);
    }
    let with = memory().await?;
    figures.idle_bytes = idle;
    figures.bytes_per_peer = (with - empty) / PEERS as f64;
    figures.bytes_per_consumer = (with - without) / consumers.len() as f64;
    Ok(())
}

impl Bench {
    async fn open(worker: Worker) -> Result<Self> {
        let router = RouterHandle::create(&worker, RouterId::random()).await?;
        let publisher = transport(&router).await?;
        let producer = ProducerId::random();
        let sent = vp8(vec![encoding(1000)]);
        let handle = publisher.produce(producer, sent, false).await?;
        Ok(Self {
            worker,
            router: Arc::new(router),
            producer,
            _publisher: (publisher, handle),
        })
    }

    /// Everybody makes transports with so many consumers each, and closes them.
    async fn run(&self, consumers: usize) -> Result<Duration> {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..CONCURRENT {
            let (router, producer) = (Arc::clone(&self.router), self.producer);
            tasks.spawn(async move {
                for _ in 0..EACH {
                    let transport = transport(&router).await?;
                    consume(&transport, producer, consumers).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        Ok(start.elapsed())
    }
}

async fn transport(router: &RouterHandle) -> Result<TransportHandle> {
    let options = WebRtcTransportOptions::default();
    Ok(router
        .create_webrtc_transport(TransportId::random(), options)
        .await?
        .0)
}

async fn consume(
    transport: &TransportHandle,
    producer: ProducerId,
    count: usize,
) -> Result<Vec<ConsumerHandle>> {
    let mut handles = Vec::with_capacity(count);
    for index in 0..count {
        let parameters = vp8_receiver(2000 + 2 * index as u32);
        let id = ConsumerId::random();
        handles.push(transport.consume(id, producer, parameters, false).await?);
    }
    Ok(handles)
}

async fn stats(worker: &Worker) -> Result<WorkerStats> {
    match worker.request(Request::WorkerStats).await? {
        Answer::WorkerStats(stats) => Ok(*stats),
        _ => bail!("the worker answered something else"),
    }
}
