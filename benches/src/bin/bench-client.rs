//! CPU per packet of a native peer, on our own parts and on str0m, which receives or sends frames of eight packets; both
//! behind one engine, in virtual time and without sockets, frame by frame in turn.
#![forbid(unsafe_code)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::time::Duration;

use anyhow::Result;
use plenum_bench::{
    native::{Aead, Direction, PACKETS, PAYLOAD, Parts, Spent, Stage, Work},
    report::{machine, median, write_json},
};
use plenum_udp::thread_cpu_time;
use serde::Serialize;

/// In each round every stage runs once, so that noise hits all of them alike.
const ROUNDS: usize = 30;

/// A second: every timer of a peer has its share.
const FRAMES: usize = 30;

/// Peers of each kind: what a profile of one shows, and what memory costs that has left the processor's cache.
const PEERS: [usize; 2] = [1, 100];

#[derive(Serialize)]
struct Row {
    what: &'static str,
    peers: usize,
    parts: &'static str,
    us_per_packet: f64,
    /// Of it what timers and feedback took.
    us_rest: f64,
    /// To our own, by the median of the rounds' ratios.
    ratio: f64,
}

/// Two kinds side by side; µs per packet of each round.
struct Series {
    what: &'static str,
    peers: usize,
    whole: [Vec<f64>; 2],
    rest: [Vec<f64>; 2],
}

fn main() -> Result<()> {
    println!(
        "bench-client · frames of {PACKETS} packets of {PAYLOAD} bytes · AEAD_AES_128_GCM, aws-lc-rs on both sides · {ROUNDS} rounds of {FRAMES} frames"
    );
    println!("{}", machine());
    let mut stages = Vec::new();
    for peers in PEERS {
        for direction in [Direction::Receive, Direction::Send] {
            let what = match direction {
                Direction::Receive => "receive",
                Direction::Send => "send",
            };
            stages.push((Stage::connect(direction, peers)?, Series::new(what, peers)));
        }
    }
    let mut aead = Aead::new()?;
    let mut ciphers = [Series::new("open alone", 1), Series::new("seal alone", 1)];
    for round in 0..=ROUNDS {
        let clock = clock();
        for (stage, series) in &mut stages {
            let spent = play(stage);
            // In the first one memory is still asked for.
            if round > 0 {
                series.note(&spent, clock);
            }
        }
        let work = play_aead(&mut aead)?;
        if round > 0 {
            let [open, seal] = &mut ciphers;
            open.note_aead(work.map(|it| it.open), clock);
            seal.note_aead(work.map(|it| it.seal), clock);
        }
    }
    let mut rows = Vec::new();
    for (stage, series) in stages {
        stage.check()?;
        println!(
            "{} by {}: {} frames, all arrived",
            series.what,
            series.peers,
            stage.frames()
        );
        rows.extend(series.into_rows());
    }
    rows.extend(ciphers.into_iter().flat_map(Series::into_rows));
    println!(
        "{:>12} {:>6} {:>7} {:>8} {:>18} {:>7}",
        "", "peers", "parts", "µs/pkt", "timers, feedback", "ratio"
    );
    for row in &rows {
        println!(
            "{:>12} {:>6} {:>7} {:>8.3} {:>18.3} {:>6.2}x",
            row.what, row.peers, row.parts, row.us_per_packet, row.us_rest, row.ratio
        );
    }
    write_json("bench-client", &rows)
}

/// A round; what comes of its first frame is compared byte by byte and not counted.
fn play(stage: &mut Stage) -> [Spent; 2] {
    stage.play(true);
    let mut sum = [Spent::default(); 2];
    for _ in 0..FRAMES {
        for (sum, spent) in sum.iter_mut().zip(stage.play(false)) {
            sum.add(&spent);
        }
    }
    sum
}

fn play_aead(aead: &mut Aead) -> Result<[Work; 2]> {
    aead.play()?;
    let mut sum = [Work::default(); 2];
    for _ in 0..FRAMES {
        for (sum, work) in sum.iter_mut().zip(aead.play()?) {
            sum.open += work.open;
            sum.seal += work.seal;
        }
    }
    Ok(sum)
}

/// What asking for the time takes, which is in every figure and no part of it.
fn clock() -> Duration {
    let mut spans = [0.0; 1001];
    for span in &mut spans {
        let start = thread_cpu_time();
        *span = thread_cpu_time().saturating_sub(start).as_secs_f64();
    }
    Duration::from_secs_f64(median(&mut spans))
}

impl Series {
    fn new(what: &'static str, peers: usize) -> Self {
        Self {
            what,
            peers,
            whole: Default::default(),
            rest: Default::default(),
        }
    }

    fn note(&mut self, spent: &[Spent; 2], clock: Duration) {
        let packets = (self.peers * FRAMES * PACKETS) as f64;
        let us = |time: Duration| time.as_secs_f64() * 1e6 / packets;
        for (index, spent) in spent.iter().enumerate() {
            let media = spent.media.saturating_sub(clock * spent.spans.0);
            let rest = spent.rest.saturating_sub(clock * spent.spans.1);
            self.whole[index].push(us(media + rest));
            self.rest[index].push(us(rest));
        }
    }

    fn note_aead(&mut self, work: [Duration; 2], clock: Duration) {
        let spent = work.map(|media| Spent {
            media,
            spans: (FRAMES as u32, 0),
            ..Spent::default()
        });
        self.note(&spent, clock);
    }

    fn into_rows(self) -> Vec<Row> {
        let Self {
            what,
            peers,
            whole,
            rest,
        } = self;
        let mut rows = Vec::new();
        for (index, parts) in Parts::ALL.into_iter().enumerate() {
            let ratios = whole[index].iter().zip(&whole[0]);
            let mut ratios: Vec<_> = ratios.map(|(one, own)| one / own).collect();
            rows.push(Row {
                what,
                peers,
                parts: parts.name(),
                us_per_packet: median(&mut whole[index].clone()),
                us_rest: median(&mut rest[index].clone()),
                ratio: median(&mut ratios),
            });
        }
        rows
    }
}
