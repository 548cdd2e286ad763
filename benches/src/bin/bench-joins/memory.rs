//! What those weigh at a worker who receive.

use std::time::Duration;

use anyhow::{Result, ensure};
use plenum_bench::joins::{
    crowd::{Scene, dismiss},
    server::Server,
};
use plenum_client::{Dialect, Media, Subscription};
use serde::Serialize;
use tokio::time::sleep;

use crate::server_options;

/// Five who send two streams each, and those who receive them all.
const SENDERS: usize = 5;
const RECEIVERS: usize = 60;
const SUBSCRIPTIONS: usize = 10;
/// Small pictures: what is measured does not depend on their size, and the generator decrypts them all.
const SMALL: u32 = 150_000;
/// Until buffers have found their size.
const WATCHED: Duration = Duration::from_secs(4);

#[derive(Serialize)]
pub(crate) struct Memory {
    idle_mib: f64,
    /// With the pages of the program that it has touched, which it shares with the others.
    idle_resident_mib: f64,
    peer_kib: f64,
    consumer_kib: f64,
}

/// What peers weigh that receive.
pub(crate) async fn memory(media: &Media) -> Result<Memory> {
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
