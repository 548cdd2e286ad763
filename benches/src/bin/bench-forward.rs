//! CPU per forwarded packet: 1 producer → 400 consumers, frames of eight 1200-byte packets, each SRTP profile, beside the
//! bare loops of the same interleaved run; plain, with congestion control, and with receivers who change streams.
//!
//! ```text
//! bench-forward [veth] [PROFILE]
//! ```
//! PROFILE is part of the name of the profiles to run; without one all run. With `veth` (as root) the receivers are on another
//! machine, and every packet leaves by itself.
#![forbid(unsafe_code)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use plenum_bench::{
    bare::{BareLoop, Mode, frame},
    forward::{Forwarding, Load, PACKET_BYTES, PACKETS},
    report::{machine, median, write_json},
    sink::Sink,
    wire::Wire,
};
use plenum_dtls::SrtpProfileId;
use plenum_srtp::{Opener, SrtpProfile};
use plenum_udp::{BindOptions, UdpSocket};
use serde::Serialize;

const CONSUMERS: usize = 400;

/// Rounds per profile; in each round every loop runs once, so that noise hits all of them alike.
const ROUNDS: usize = 15;
const FRAMES_PER_ROUND: usize = 10;

/// Frames before anything is measured, so that estimates and buffers have found their size: a second.
const WARM_UP_FRAMES: usize = 30;

/// Every n-th receiver decrypts what it gets.
const SAMPLE_EVERY: usize = 50;

#[derive(Serialize)]
struct Row {
    name: String,
    profile: String,
    us_per_packet: f64,
    bare_us: f64,
    ratio: f64,
    /// To the plain engine of the same run.
    to_plain: f64,
    group_mean: f64,
    loss: f64,
}

fn main() -> Result<()> {
    let Some(wire) = Wire::from_arguments()? else {
        return Ok(());
    };
    println!(
        "bench-forward · {} · {CONSUMERS} consumers · {PACKETS} packets of {PACKET_BYTES} B a frame · {ROUNDS} rounds",
        wire.name()
    );
    println!("{} · sink: one thread, drained, UDP_GRO off", machine());
    println!();
    println!(
        "{:<24} {:>16} {:>8} {:>9} {:>8} {:>9} {:>7} {:>8}",
        "profile", "loop", "µs/pkt", "bare GSO", "ratio", "to plain", "group", "loss"
    );
    let wanted = std::env::args().skip(1).find(|it| it != "veth");
    let wanted = wanted.unwrap_or_default();
    let mut rows = Vec::new();
    for (id, profile, name) in [
        (
            SrtpProfileId::AeadAes128Gcm,
            SrtpProfile::AeadAes128Gcm,
            "AEAD_AES_128_GCM",
        ),
        (
            SrtpProfileId::AeadAes256Gcm,
            SrtpProfile::AeadAes256Gcm,
            "AEAD_AES_256_GCM",
        ),
        (
            SrtpProfileId::Aes128CmSha1_80,
            SrtpProfile::AesCm128HmacSha1_80,
            "AES_CM_128_HMAC_SHA1_80",
        ),
    ] {
        if !name.contains(&wanted) {
            continue;
        }
        for row in run_profile(id, profile, name, &wire)? {
            println!(
                "{:<24} {:>16} {:>8.3} {:>9.3} {:>7.2}x {:>8.2}x {:>7.1} {:>7.3}%",
                row.profile,
                row.name,
                row.us_per_packet,
                row.bare_us,
                row.ratio,
                row.to_plain,
                row.group_mean,
                row.loss * 100.0
            );
            rows.push(row);
        }
    }
    write_json(&format!("bench-forward-{}", wire.name()), &rows)
}

/// One series of measurements.
#[derive(Default)]
struct Series {
    samples: Vec<f64>,
    sent: u64,
    missing: u64,
}

impl Series {
    fn add(&mut self, datagrams: u64, cpu: Duration, missing: u64) {
        self.samples
            .push(cpu.as_secs_f64() * 1e6 / datagrams.max(1) as f64);
        self.sent += datagrams;
        self.missing += missing;
    }
}

/// An engine in one of the ways of the benchmark.
struct Engine {
    name: &'static str,
    forwarding: Forwarding,
    /// What receivers decrypt with, until the checks begin.
    openers: Vec<Opener>,
    load: Load,
    series: Series,
}

impl Engine {
    fn connect(load: Load, id: SrtpProfileId, sink: &Sink, wire: &Wire) -> Result<Self> {
        let name = match load {
            Load::Plain => "engine",
            Load::Feedback => "engine-feedback",
            Load::Switching => "engine-switching",
        };
        let (forwarding, openers) = Forwarding::connect(load, id, sink, wire)?;
        Ok(Self {
            name,
            forwarding,
            openers,
            load,
            series: Series::default(),
        })
    }

    /// Forwards a frame and hears what the receivers say; `expected` datagrams have arrived before, and after.
    fn frame(&mut self, sink: &Sink, expected: &mut u64) -> Result<()> {
        let mut cost = self.forwarding.forward_frame()?;
        *expected += cost.datagrams;
        let mut missing = sink.wait_for(*expected);
        let listening = self.forwarding.listen(sink)?;
        cost.add(listening);
        *expected += listening.datagrams;
        *expected -= missing;
        let late = sink.wait_for(*expected);
        *expected -= late;
        missing += late;
        self.series.add(cost.datagrams, cost.cpu, missing);
        Ok(())
    }

    /// Lets a sample of the receivers decrypt everything from now on.
    fn check(&mut self, sink: &Sink) {
        let openers = std::mem::take(&mut self.openers).into_iter().enumerate();
        for (index, opener) in openers.step_by(SAMPLE_EVERY) {
            sink.check_by_ssrc(index, opener, Forwarding::ssrc(self.load, index));
        }
    }
}

fn run_profile(
    id: SrtpProfileId,
    profile: SrtpProfile,
    name: &str,
    wire: &Wire,
) -> Result<Vec<Row>> {
    let sink = Sink::drain(wire.bind_far(|ip| Ok(Sink::bind(ip, CONSUMERS)?))?)?;
    let socket = UdpSocket::bind(
        SocketAddr::new(wire.near(), 0),
        &BindOptions {
            send_buffer: Some(4 << 20),
            ..BindOptions::default()
        },
    )?;
    let mut bare = BareLoop::new(profile, sink.addresses())?;
    let mut engines = Vec::new();
    for load in [Load::Plain, Load::Feedback, Load::Switching] {
        engines.push(Engine::connect(load, id, &sink, wire)?);
    }
    let packets = frame();
    let modes = [Mode::Gso, Mode::SendMmsg, Mode::SendTo];
    let mut others = [Series::default(), Series::default(), Series::default()];
    let mut expected = sink.received();
    for round in 0..ROUNDS {
        for (mode, series) in modes.iter().zip(&mut others) {
            for _ in 0..FRAMES_PER_ROUND {
                let (sent, cpu) = bare.send_frame(&socket, *mode, &packets);
                expected += sent;
                let missing = sink.wait_for(expected);
                expected -= missing;
                series.add(sent, cpu, missing);
            }
        }
        for engine in &mut engines {
            if round == 0 {
                engine.check(&sink);
                for _ in 0..WARM_UP_FRAMES {
                    engine.frame(&sink, &mut expected)?;
                }
                engine.series = Series::default();
            }
            for _ in 0..FRAMES_PER_ROUND {
                engine.frame(&sink, &mut expected)?;
            }
        }
    }
    let (checked, failures) = sink.checked();
    anyhow::ensure!(checked > 0, "no packet was checked");
    anyhow::ensure!(
        failures == 0,
        "{failures} of {checked} sampled packets were wrong"
    );
    println!("{name}: {checked} sampled packets decrypted in sequence");
    Ok(rows(name, engines, others))
}

fn rows(name: &str, mut engines: Vec<Engine>, mut others: [Series; 3]) -> Vec<Row> {
    let bare_us = median(&mut others[0].samples);
    let plain_us = median(&mut engines[0].series.samples);
    let row = |loop_name: &str, series: &mut Series, group_mean: f64| {
        let us_per_packet = median(&mut series.samples);
        Row {
            name: loop_name.into(),
            profile: name.into(),
            us_per_packet,
            bare_us,
            ratio: us_per_packet / bare_us,
            to_plain: us_per_packet / plain_us,
            group_mean,
            loss: series.missing as f64 / series.sent.max(1) as f64,
        }
    };
    let mut rows = Vec::new();
    for engine in &mut engines {
        let sizes = engine.forwarding.group_sizes();
        println!("{}: messages by segments {}", engine.name, histogram(sizes));
        let messages = sizes.iter().sum::<u64>().max(1) as f64;
        let group = engine.forwarding.datagrams_sent() as f64 / messages;
        rows.push(row(engine.name, &mut engine.series, group));
    }
    let [gso, mmsg, sendto] = &mut others;
    rows.push(row("bare-gso", gso, PACKETS as f64));
    rows.push(row("bare-mmsg", mmsg, 1.0));
    rows.push(row("bare-sendto", sendto, 1.0));
    rows
}

fn histogram(sizes: [u64; 6]) -> String {
    let labels = ["1", "2-3", "4-7", "8-15", "16-31", "32-64"];
    let parts = labels.iter().zip(sizes).filter(|(_, count)| *count > 0);
    parts
        .map(|(label, count)| format!("{label}: {count}"))
        .collect::<Vec<_>>()
        .join(", ")
}
