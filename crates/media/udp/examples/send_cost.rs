//! Prints the processor time of one datagram of 1200 bytes by the size of its group: the floor under everything that the
//! media engine sends. `cargo run --release -p plenum-udp --example send_cost`
//!
//! The destinations are sockets of this process that nobody reads, so that a receiver's work is not measured.

use std::{
    io::{self, Write},
    net::Ipv4Addr,
};

use plenum_udp::{BindOptions, Message, SendReport, Sender, UdpSocket, thread_cpu_time};

const DATAGRAM: usize = 1200;
const DESTINATIONS: usize = 32;
const DATAGRAMS: u64 = 400_000;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let options = BindOptions {
        gro: false,
        ..BindOptions::default()
    };
    let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into(), &options);
    let socket = bind()?;
    let destinations: Vec<UdpSocket> = (0..DESTINATIONS)
        .map(|_| bind())
        .collect::<Result<_, _>>()?;
    writeln!(out, "segmentation offload: {}", socket.supports_gso())?;
    let mut sender = Sender::new();
    for group in [1, 2, 3, 4, 8, 16, 32] {
        let data = vec![0; group * DATAGRAM];
        let (mut total, mut calls, mut dropped) = (0, 0, 0);
        let start = thread_cpu_time();
        while total < DATAGRAMS {
            let report: SendReport = sender.send(
                &socket,
                destinations.iter().map(|destination| Message {
                    to: destination.local_addr(),
                    data: &data,
                    segment_size: DATAGRAM as u16,
                }),
            );
            total += report.datagrams + report.dropped;
            calls += report.syscalls;
            dropped += report.dropped;
        }
        let used = thread_cpu_time().saturating_sub(start);
        let each = used.as_nanos() / u128::from(total);
        let per_call = total / calls;
        writeln!(
            out,
            "groups of {group:2}: {each:4} ns a datagram, {per_call:4} datagrams a call, {dropped} dropped"
        )?;
    }
    Ok(())
}
