//! Joins, on a real node with real workers: a crowd that comes at once by each dialect in turn, from near and from far, many
//! who come and go, what they weigh, and how soon a node that was restarted takes somebody.
#![forbid(unsafe_code)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

mod churn;
mod memory;
mod restart;
mod storm;

use std::time::Duration;

use anyhow::{Result, bail};
use plenum_bench::{
    joins::{crowd::threads, server::ServerOptions},
    report::{machine, write_json},
};
use plenum_client::Dialect;
use serde::Serialize;

/// From one round to the next: a server has cleared away what was.
pub(crate) const BETWEEN: Duration = Duration::from_millis(300);

pub(crate) const DIALECTS: [(Dialect, &str); 3] = [
    (Dialect::SocketIo, "socketio"),
    (Dialect::Protoo, "protoo"),
    (Dialect::Plenum, "plenum"),
];

const PARTS: [&str; 6] = ["storm", "far", "crowd", "churn", "memory", "restart"];

#[derive(Default, Serialize)]
struct Figures {
    storm: Vec<storm::Storm>,
    far: Vec<storm::Far>,
    crowd: Vec<storm::Storm>,
    churn: Vec<churn::Churn>,
    memory: Option<memory::Memory>,
    restart: Vec<restart::Restart>,
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
        figures.storm = storm::fifty(&media).await?;
    }
    if wanted("far") {
        figures.far = storm::from_far(&media).await?;
    }
    if wanted("crowd") {
        figures.crowd = storm::five_hundred(&media).await?;
    }
    if wanted("churn") {
        for dialect in [DIALECTS[0], DIALECTS[2]] {
            let churn = churn::churn(&media, dialect, in_full).await?;
            figures.churn.push(churn);
        }
    }
    if wanted("memory") {
        figures.memory = Some(memory::memory(&media).await?);
    }
    if wanted("restart") {
        for (gently, signal) in [(false, "SIGKILL"), (true, "SIGTERM")] {
            let restart = restart::restart(&media, gently, signal).await?;
            figures.restart.push(restart);
        }
    }
    Ok(figures)
}

pub(crate) const fn server_options(port: u16, workers: u16) -> ServerOptions {
    ServerOptions { port, workers }
}
