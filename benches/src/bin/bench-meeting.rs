//! CPU per forwarded packet in a meeting of 25, each with a picture of 350 kb/s and a voice, beside a loop that seals and sends
//! the same packets one message each (`sendmmsg`), in the same interleaved run.
#![forbid(unsafe_code)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Result, ensure};
use plenum_bench::{
    bare::BareLoop,
    meeting::{Meeting, Span},
    report::{machine, median, write_json},
    sink::Sink,
};
use plenum_dtls::SrtpProfileId;
use plenum_srtp::SrtpProfile;
use plenum_udp::{BindOptions, UdpSocket};
use serde::Serialize;

const MEMBERS: usize = 25;

/// In each round every loop runs once, so that noise hits all of them alike.
const ROUNDS: usize = 15;

/// Of the meeting, in each round.
const ROUND: Duration = Duration::from_secs(1);

/// Until estimates and buffers have found their size.
const WARM_UP: Duration = Duration::from_secs(2);

/// How long the loop waits for more before it takes what has come: not at all, and what a loaded worker may wait.
const WINDOWS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(2),
];

#[derive(Serialize)]
struct Row {
    name: String,
    us_per_packet: f64,
    /// To the bare loop.
    ratio: f64,
    group_mean: f64,
    loss: f64,
}

struct Series {
    name: String,
    meeting: Meeting,
    samples: Vec<f64>,
    total: Span,
}

fn main() -> Result<()> {
    println!(
        "bench-meeting · {MEMBERS} members · VP8 350 kb/s and Opus · AEAD_AES_128_GCM · {ROUNDS} rounds of {ROUND:?}"
    );
    println!("{}", machine());
    let sink = Sink::start(MEMBERS)?;
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let options = BindOptions {
        send_buffer: Some(4 << 20),
        ..BindOptions::default()
    };
    let socket = UdpSocket::bind(any, &options)?;
    let mut bare = BareLoop::new(SrtpProfile::AeadAes128Gcm, sink.addresses())?;
    let mut bare_samples = Vec::new();
    let mut expected = 0;
    let mut all = Vec::new();
    for window in WINDOWS {
        let (mut meeting, openers) = Meeting::connect(SrtpProfileId::AeadAes128Gcm, window, &sink)?;
        // One meeting alone: SSRCs are the same in all.
        if window.is_zero() {
            for (index, opener) in openers.into_iter().enumerate().step_by(6) {
                sink.check_by_ssrc(index, opener, Meeting::ssrc((index + 1) % MEMBERS, 0));
            }
        }
        meeting.play(WARM_UP, &sink, &mut expected)?;
        let (checked, failures) = sink.checked();
        ensure!(
            checked > 0 && failures == 0,
            "{failures} of {checked} sampled packets were wrong"
        );
        if window.is_zero() {
            sink.stop_checks();
        }
        let name = format!("engine, window {window:?}");
        all.push(Series {
            name,
            meeting,
            samples: Vec::new(),
            total: Span::default(),
        });
    }
    for _ in 0..ROUNDS {
        let turns = all[0].meeting.notes(ROUND);
        let (mut sent, mut cpu) = (0, Duration::ZERO);
        for turn in turns {
            let (datagrams, time) = bare.send_turn(&socket, &turn);
            (sent, cpu) = (sent + datagrams, cpu + time);
            expected += datagrams;
            expected -= sink.wait_for(expected);
        }
        bare_samples.push(cpu.as_secs_f64() * 1e6 / sent as f64);
        for series in &mut all {
            let span = series.meeting.play(ROUND, &sink, &mut expected)?;
            let us = span.cost.cpu.as_secs_f64() * 1e6 / span.media as f64;
            series.samples.push(us);
            series.total.media += span.media;
            series.total.missing += span.missing;
            series.total.cost.add(span.cost);
        }
    }
    let bare_us = median(&mut bare_samples);
    let mut rows = vec![Row {
        name: "bare-mmsg".into(),
        us_per_packet: bare_us,
        ratio: 1.0,
        group_mean: 1.0,
        loss: 0.0,
    }];
    for mut series in all {
        let us_per_packet = median(&mut series.samples);
        let messages = series.meeting.group_sizes().iter().sum::<u64>().max(1) as f64;
        rows.push(Row {
            name: series.name,
            us_per_packet,
            ratio: us_per_packet / bare_us,
            group_mean: series.meeting.datagrams_sent() as f64 / messages,
            loss: series.total.missing as f64 / series.total.media as f64,
        });
        println!(
            "{} packets of media, {} datagrams",
            series.total.media, series.total.cost.datagrams
        );
    }
    println!(
        "{:>22} {:>8} {:>7} {:>7} {:>8}",
        "loop", "µs/pkt", "ratio", "group", "loss"
    );
    for row in &rows {
        println!(
            "{:>22} {:>8.3} {:>6.2}x {:>7.1} {:>7.3}%",
            row.name,
            row.us_per_packet,
            row.ratio,
            row.group_mean,
            row.loss * 100.0
        );
    }
    write_json("bench-meeting", &rows)
}
