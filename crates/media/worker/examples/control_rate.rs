//! Prints how many WebRTC transports a second one worker makes and closes through the supervisor's handles, 50 at a time,
//! and what that costs each process. Build the worker first, in the same profile:
//! `cargo build --release -p plenum-worker && cargo run --release -p plenum-worker --example control_rate target/release/plenum-worker`

use std::{
    error::Error,
    io::Write,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use plenum_ids::{RouterId, TransportId, WorkerId};
use plenum_params::transport::{ListenInfo, WebRtcTransportOptions};
use plenum_supervisor::{RouterHandle, Supervisor, SupervisorConfig, WorkerError};
use plenum_udp::{process_cpu_time, process_usage};
use tokio::{sync::mpsc::unbounded_channel, task::JoinSet};

const CONCURRENT: u64 = 50;
const EACH: u64 = 2000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let executable = std::env::args_os()
        .nth(1)
        .ok_or("name the worker's program")?;
    let config = SupervisorConfig {
        listen: vec![ListenInfo::new(Ipv4Addr::LOCALHOST.into())],
        min_port: 0,
        executable: executable.into(),
        ..SupervisorConfig::default()
    };
    let (events, _keep) = unbounded_channel();
    let supervisor = Supervisor::start(config, events).await?;
    let worker = supervisor.worker(WorkerId(0)).ok_or("it died")?;
    let idle = process_usage(worker.pid())?;

    let (start, node_before) = (Instant::now(), process_cpu_time());
    let mut tasks = JoinSet::new();
    for _ in 0..CONCURRENT {
        let worker = worker.clone();
        tasks.spawn(async move {
            let router = RouterHandle::create(&worker, RouterId::random()).await?;
            for _ in 0..EACH {
                let options = WebRtcTransportOptions::default();
                let id = TransportId::random();
                drop(router.create_webrtc_transport(id, options).await?);
            }
            Ok::<_, WorkerError>(())
        });
    }
    while let Some(result) = tasks.join_next().await {
        result??;
    }
    let elapsed = start.elapsed();
    let node = process_cpu_time().saturating_sub(node_before);
    let busy = process_usage(worker.pid())?;
    let in_worker = busy.cpu_time.saturating_sub(idle.cpu_time);

    let count = CONCURRENT * EACH;
    let rate = u128::from(count) * 1000 / elapsed.as_millis().max(1);
    let each = |time: Duration| time.as_nanos() / u128::from(count);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{rate} transports a second, made and closed, {CONCURRENT} at a time"
    )?;
    writeln!(out, "node   {} ns each", each(node))?;
    writeln!(out, "worker {} ns each", each(in_worker))?;
    writeln!(
        out,
        "worker memory: {} KiB idle, {} KiB after",
        idle.memory / 1024,
        busy.memory / 1024
    )?;
    supervisor.shutdown().await;
    Ok(())
}
