//! CPU per forwarded packet by the number of subscribers: 1 producer, frames of eight 1200-byte packets, beside the bare loop
//! to as many destinations in the same interleaved run.
#![forbid(unsafe_code)]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use plenum_bench::{
    bare::{BareLoop, Mode, frame},
    forward::{Forwarding, Load},
    report::{machine, median, write_json},
    sink::Sink,
    wire::Wire,
};
use plenum_dtls::SrtpProfileId;
use plenum_srtp::SrtpProfile;
use plenum_udp::{BindOptions, UdpSocket};
use serde::Serialize;

const SUBSCRIBERS: [usize; 6] = [10, 50, 100, 400, 1000, 2000];

/// In each round every number has its turn, so that noise hits all of them alike.
const ROUNDS: usize = 15;

/// Datagrams of a sample, at least: few subscribers get more frames.
const DATAGRAMS: usize = 16_000;

#[derive(Serialize)]
struct Row {
    subscribers: usize,
    us_per_packet: f64,
    bare_us: f64,
    ratio: f64,
    loss: f64,
}

struct Series {
    sink: Sink,
    forwarding: Forwarding,
    bare: BareLoop,
    expected: u64,
    engine_us: Vec<f64>,
    bare_us: Vec<f64>,
    sent: u64,
    missing: u64,
}

fn main() -> Result<()> {
    println!("bench-scale · frames of 8 packets of 1200 B · AEAD_AES_128_GCM · {ROUNDS} rounds");
    println!("{}", machine());
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let options = BindOptions {
        send_buffer: Some(4 << 20),
        ..BindOptions::default()
    };
    let socket = UdpSocket::bind(any, &options)?;
    let packets = frame();
    let mut all = Vec::new();
    for count in SUBSCRIBERS {
        let sink = Sink::start(count)?;
        let (forwarding, openers) = Forwarding::connect(
            Load::Plain,
            SrtpProfileId::AeadAes128Gcm,
            &sink,
            &Wire::Loopback,
        )?;
        for (index, opener) in openers.into_iter().enumerate().step_by(1.max(count / 8)) {
            sink.check_by_ssrc(index, opener, Forwarding::ssrc(Load::Plain, index));
        }
        let bare = BareLoop::new(SrtpProfile::AeadAes128Gcm, sink.addresses())?;
        all.push(Series {
            sink,
            forwarding,
            bare,
            expected: 0,
            engine_us: Vec::new(),
            bare_us: Vec::new(),
            sent: 0,
            missing: 0,
        });
    }
    for round in 0..=ROUNDS {
        for (count, series) in SUBSCRIBERS.into_iter().zip(&mut all) {
            let frames = DATAGRAMS.div_ceil(count * packets.len());
            let (mut cpu, mut datagrams) = ([0.0; 2], [0_u64; 2]);
            for _ in 0..frames {
                let (sent, time) = series.bare.send_frame(&socket, Mode::Gso, &packets);
                series.arrive(sent);
                cpu[0] += time.as_secs_f64() * 1e6;
                datagrams[0] += sent;
                let cost = series.forwarding.forward_frame()?;
                series.missing += series.arrive(cost.datagrams);
                cpu[1] += cost.cpu.as_secs_f64() * 1e6;
                datagrams[1] += cost.datagrams;
            }
            // The first is for buffers to find their size.
            if round > 0 {
                series.bare_us.push(cpu[0] / datagrams[0] as f64);
                series.engine_us.push(cpu[1] / datagrams[1] as f64);
                series.sent += datagrams[1];
            }
        }
    }
    let mut rows = Vec::new();
    println!(
        "{:>12} {:>8} {:>9} {:>7} {:>8}",
        "subscribers", "µs/pkt", "bare GSO", "ratio", "loss"
    );
    for (subscribers, mut series) in SUBSCRIBERS.into_iter().zip(all) {
        let (checked, failures) = series.sink.checked();
        ensure!(
            checked > 0 && failures == 0,
            "{failures} of {checked} sampled packets were wrong"
        );
        let (us_per_packet, bare_us) = (median(&mut series.engine_us), median(&mut series.bare_us));
        let loss = series.missing as f64 / series.sent.max(1) as f64;
        let ratio = us_per_packet / bare_us;
        println!(
            "{subscribers:>12} {us_per_packet:>8.3} {bare_us:>9.3} {ratio:>6.2}x {:>7.3}%",
            loss * 100.0
        );
        rows.push(Row {
            subscribers,
            us_per_packet,
            bare_us,
            ratio,
            loss,
        });
    }
    write_json("bench-scale", &rows)
}

impl Series {
    /// Waits for so many more; returns how many did not come.
    fn arrive(&mut self, more: u64) -> u64 {
        self.expected += more;
        let missing = self.sink.wait_for(self.expected);
        self.expected -= missing;
        missing
    }
}
