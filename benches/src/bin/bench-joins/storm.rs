//! A crowd that comes in the same moment, and somebody who comes from far away.

use std::time::{Duration, Instant};

use anyhow::Result;
use plenum_bench::{
    joins::{
        crowd::{Outcome, Scene, dismiss},
        far::distance,
        server::{Server, cpu_of},
        viewer::{Times, Viewer},
    },
    report::{median, percentile},
};
use plenum_client::{Link, Media, Network};
use serde::Serialize;
use tokio::time::sleep;

use crate::{BETWEEN, DIALECTS, server_options};

/// Who is there, besides the one who sends, and who comes.
const PRESENT: usize = 46;
const JOINS: usize = 50;

/// In each every dialect has its turn, so that noise hits all of them alike.
const ROUNDS: usize = 20;

/// In a crowd without precedent.
const CROWD: usize = 500;
const CROWD_ROUNDS: usize = 3;

/// One way, of a path across a continent, and how many come over it, one after the other.
const DELAY: Duration = Duration::from_millis(50);
const FAR: usize = 5;

#[derive(Serialize)]
pub(crate) struct Storm {
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
pub(crate) struct Far {
    dialect: &'static str,
    requests: u32,
    /// Requests that waited for an answer.
    turns: u32,
    last_answer_ms: f64,
    first_packet_ms: f64,
    /// There and back, until the last answer and the first packet.
    round_trips: (f64, f64),
}

/// The crowd that joining is judged by.
pub(crate) async fn fifty(media: &Media) -> Result<Vec<Storm>> {
    storms(media, JOINS, ROUNDS, PRESENT).await
}

/// One that is ten times as large.
pub(crate) async fn five_hundred(media: &Media) -> Result<Vec<Storm>> {
    storms(media, CROWD, CROWD_ROUNDS, 0).await
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
pub(crate) async fn from_far(media: &Media) -> Result<Vec<Far>> {
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
