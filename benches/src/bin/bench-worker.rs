//! A real worker in real time: what it costs to forward pictures as browsers send them, how long packets stay in it, and
//! how much it forwards before the first one is lost.
//!
//! ```text
//! bench-worker [veth] [gigabit | traces | meetings | saturation]...
//! ```
//! Without names all parts run. With `veth` (as root) the people are on another machine than the worker, and every packet
//! leaves it by itself.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::time::Duration;

use anyhow::{Result, ensure};
use plenum_bench::{
    live::{Cast, Live, Span, Tempo},
    report::{machine, median, percentile, write_json},
    score::Track,
    wire::Wire,
};
use serde::Serialize;

/// What a worker may hold packets for by default, and not at all.
const HOLDS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(2)];

/// In each round every row is played once, so that noise hits all of them alike.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(2);

/// Until estimates, buffers and the hold have found their size.
const WARM_UP: Duration = Duration::from_secs(1);

/// With one more, a worker on a core that it shares with its kernel's other half is at its end.
const MOST_SPEAKERS: usize = 3;

/// Milliseconds. A worker that lets packets wait for longer does not keep up: what comes piles up in its socket's buffer.
const KEEPING_UP: f64 = 50.0;

/// Of the loop that does nothing but seal and send.
const BARE_FRAMES: usize = 20;

/// How much faster packets come in each step, until it does not keep up.
const FASTER: f64 = 1.12;

const GCM: &str = "SRTP_AEAD_AES_128_GCM";

#[derive(Debug, Serialize)]
struct Row {
    part: &'static str,
    name: String,
    kpps: f64,
    mbps: f64,
    load: f64,
    us_per_packet: f64,
    group: f64,
    hold_us: u32,
    missing: u64,
    p50_ms: f64,
    p99_ms: f64,
}

struct Bench {
    wire: Wire,
    rows: Vec<Row>,
}

fn main() -> Result<()> {
    let Some(wire) = Wire::from_arguments()? else {
        return Ok(());
    };
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| it != "veth").collect();
    let parts = ["gigabit", "traces", "meetings", "saturation"];
    for name in &wanted {
        let is_part = parts.contains(&name.as_str());
        ensure!(is_part, "{name} is none of {}", parts.join(", "));
    }
    println!(
        "bench-worker · {} · {GCM} · {ROUNDS} rounds of {ROUND:?}",
        wire.name()
    );
    println!("{}", machine());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let file = format!("bench-worker-{}", wire.name());
    let mut bench = Bench {
        wire,
        rows: Vec::new(),
    };
    head();
    for part in parts {
        if !wanted.is_empty() && !wanted.iter().any(|it| it == part) {
            continue;
        }
        runtime.block_on(async {
            match part {
                "gigabit" => bench.gigabit().await,
                "traces" => bench.traces().await,
                "meetings" => bench.meetings().await,
                _ => bench.saturation().await,
            }
        })?;
    }
    write_json(&file, &bench.rows)
}

impl Bench {
    /// 200 receivers of two speakers each: about a gigabit a second.
    async fn gigabit(&mut self) -> Result<()> {
        let cast = Cast {
            rooms: 1,
            senders: 2,
            receivers: 200,
            tracks: vec![Track::vp8(), Track::voice()],
            feedback: true,
            hold: HOLDS[1],
            profile: GCM,
        };
        let tempos = [("200 x (VP8 2.5 Mb/s + Opus) x 2".to_owned(), all(&cast))];
        self.compare("gigabit", &[cast], &tempos).await
    }

    /// One to three speakers that 400 receivers see: how large groups are, by load and hold.
    async fn traces(&mut self) -> Result<()> {
        let codecs = [("VP8", Track::vp8()), ("H.264", Track::h264())];
        // Their packets are alike: one of them shows what another machine changes.
        let count = match self.wire {
            Wire::Loopback => codecs.len(),
            Wire::Veth(_) => 1,
        };
        for (name, track) in codecs.into_iter().take(count) {
            let cast = |hold| Cast {
                rooms: 1,
                senders: MOST_SPEAKERS,
                receivers: 400,
                tracks: vec![track.clone()],
                feedback: true,
                hold,
                profile: GCM,
            };
            let casts = HOLDS.map(cast);
            let tempo = |active| Tempo {
                active,
                ..all(&casts[0])
            };
            let tempos: Vec<_> = (1..=MOST_SPEAKERS)
                .map(|active| (format!("{active} x {name} 2.5 Mb/s x 400"), tempo(active)))
                .collect();
            self.compare("traces", &casts, &tempos).await?;
        }
        Ok(())
    }

    /// Rooms of 25, everybody with a thumbnail and a voice: how long packets stay, by load and hold.
    async fn meetings(&mut self) -> Result<()> {
        let cast = |hold| Cast {
            rooms: 6,
            senders: 25,
            receivers: 25,
            tracks: vec![Track::thumbnail(), Track::conversation()],
            feedback: true,
            hold,
            profile: GCM,
        };
        let casts = HOLDS.map(cast);
        let tempo = |rooms| Tempo {
            rooms,
            ..all(&casts[0])
        };
        let tempos = [2, 4, 6].map(|rooms| (format!("{rooms} rooms of 25"), tempo(rooms)));
        self.compare("meetings", &casts, &tempos).await
    }

    /// Plays every tempo at every cast, in turn.
    async fn compare(
        &mut self,
        part: &'static str,
        casts: &[Cast],
        tempos: &[(String, Tempo)],
    ) -> Result<()> {
        let mut all = Vec::new();
        for cast in casts {
            all.push((cast.hold, Live::connect(cast, &self.wire).await?));
        }
        for (name, tempo) in tempos {
            let mut spans = vec![Vec::new(); all.len()];
            for _ in 0..ROUNDS {
                for ((_, live), spans) in all.iter_mut().zip(&mut spans) {
                    live.play(*tempo, WARM_UP).await?;
                    spans.push(live.play(*tempo, ROUND).await?);
                }
            }
            for ((hold, _), spans) in all.iter().zip(spans) {
                let name = format!("{name}, hold {hold:?}");
                self.rows.push(row(part, name, &spans));
                self.print_last();
            }
        }
        for (_, mut live) in all {
            let (checked, wrong) = live.checked();
            let bare = live.bare(BARE_FRAMES, self.wire.near())?;
            println!(
                "{checked} sampled packets decrypted, {wrong} wrong or not the next ones; bare loop, groups of 8: {bare:.2} µs"
            );
            live.close().await;
        }
        Ok(())
    }

    /// Frames of eight packets to 400 receivers, faster and faster until the first packet is lost.
    async fn saturation(&mut self) -> Result<()> {
        let cast = Cast {
            rooms: 1,
            senders: 1,
            receivers: 400,
            tracks: vec![Track::frames(8, 1200)],
            feedback: false,
            hold: HOLDS[1],
            profile: GCM,
        };
        let mut live = Live::connect(&cast, &self.wire).await?;
        live.play(all(&cast), WARM_UP).await?;
        let (mut best, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(live.bare(BARE_FRAMES, self.wire.near())?);
            let (mut last, mut speed) = (None, 2.0);
            loop {
                let tempo = Tempo {
                    speed,
                    ..all(&cast)
                };
                let span = live.play(tempo, ROUND).await?;
                if span.missing > 0 || percentile(&milliseconds([&span]), 0.99) > KEEPING_UP {
                    break;
                }
                last = Some(span);
                speed *= FASTER;
            }
            best.extend(last);
        }
        ensure!(!best.is_empty(), "packets are lost at any rate");
        let bare_us = median(&mut bare);
        self.rows
            .push(row("saturation", "8 x 1200 B x 400, no loss".into(), &best));
        self.print_last();
        let bare_kpps = 1000.0 / bare_us;
        println!("bare loop: {bare_us:.2} µs a packet, {bare_kpps:.0} kpps of a whole core");
        live.close().await;
        Ok(())
    }

    fn print_last(&self) {
        if let Some(row) = self.rows.last() {
            print(row);
        }
    }
}

const fn all(cast: &Cast) -> Tempo {
    Tempo {
        speed: 1.0,
        rooms: cast.rooms,
        active: cast.senders,
    }
}

fn row(part: &'static str, name: String, spans: &[Span]) -> Row {
    let middle = |figure: fn(&Span) -> f64| {
        let mut samples: Vec<f64> = spans.iter().map(figure).collect();
        median(&mut samples)
    };
    let delays = milliseconds(spans);
    Row {
        part,
        name,
        kpps: middle(|span| span.rate) / 1e3,
        mbps: middle(|span| span.bitrate) / 1e6,
        load: middle(|span| span.load),
        us_per_packet: middle(|span| span.us_per_packet),
        group: middle(|span| span.group),
        hold_us: spans.last().map_or(0, |span| span.hold_us),
        missing: spans.iter().map(|span| span.missing).sum(),
        p50_ms: percentile(&delays, 0.5),
        p99_ms: percentile(&delays, 0.99),
    }
}

/// Of everything that arrived, in order.
fn milliseconds<'a>(spans: impl IntoIterator<Item = &'a Span>) -> Vec<f64> {
    let delays = spans.into_iter().flat_map(|span| &span.delays);
    let mut delays: Vec<_> = delays.map(|delay| delay.as_secs_f64() * 1e3).collect();
    delays.sort_by(f64::total_cmp);
    delays
}

fn head() {
    println!(
        "{:<44} {:>6} {:>6} {:>6} {:>7} {:>6} {:>8} {:>8} {:>8} {:>8}",
        "", "kpps", "Mb/s", "load", "µs/pkt", "group", "hold µs", "missing", "p50 ms", "p99 ms"
    );
}

fn print(row: &Row) {
    println!(
        "{:<44} {:>6.0} {:>6.0} {:>5.1}% {:>7.2} {:>6.1} {:>8} {:>8} {:>8.2} {:>8.2}",
        row.name,
        row.kpps,
        row.mbps,
        row.load * 100.0,
        row.us_per_packet,
        row.group,
        row.hold_us,
        row.missing,
        row.p50_ms,
        row.p99_ms
    );
}
