//! From the end of a node to the first who is in a room of the next one.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plenum_bench::{
    joins::{crowd::Scene, server::Server, viewer::Viewer},
    report::median,
};
use plenum_client::{Dialect, Media};
use serde::Serialize;
use tokio::time::sleep;

use crate::server_options;

/// How often.
const RESTARTS: usize = 5;

#[derive(Serialize)]
pub(crate) struct Restart {
    signal: &'static str,
    /// From the signal to the first join that was accepted.
    first_join_ms: f64,
    worst_ms: f64,
    /// The same from the start of the new process on.
    from_start_ms: f64,
}

/// A node that had people ends; the next one takes its place at once.
pub(crate) async fn restart(media: &Media, gently: bool, signal: &'static str) -> Result<Restart> {
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
