//! Prints what sealing and opening one 1200-byte packet costs, per profile.
//!
//! `cargo run --release -p plenum-srtp --example srtp_cost`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use plenum_srtp::{InboundStream, KeyingMaterial, Opener, Sealer, SrtpProfile};

/// RTP packet before protection; most video packets are about this long.
const PACKET_LEN: usize = 1200;
const HEADER_LEN: usize = 12;
/// Packets a round: a batch that stays in the cache, as in the engine.
const PACKETS: u32 = 32;
/// Rounds, of which the best counts: on a shared machine it is the one least disturbed.
const ROUNDS: u32 = 20_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "{:24} {:>8} {:>8}  ns per {PACKET_LEN}-byte packet",
        "profile", "seal", "open"
    );
    for profile in SrtpProfile::ALL {
        let (seal, open) = measure(profile)?;
        println!("{:24} {seal:>8.0} {open:>8.0}", format!("{profile:?}"));
    }
    Ok(())
}

/// Packet index of the packet at this place in this round.
fn index_of(round: u32, at: usize) -> u64 {
    u64::from(round * PACKETS) + at as u64
}

fn measure(profile: SrtpProfile) -> Result<(f64, f64), Box<dyn Error>> {
    let key = [0x5a; 32];
    let salt = [0xa5; 14];
    let material = KeyingMaterial::new(
        profile,
        &key[..profile.key_len()],
        &salt[..profile.salt_len()],
    )?;
    let mut sealer = Sealer::new(profile, &material)?;
    let mut opener = Opener::new(profile, &material)?;
    let mut stream = InboundStream::new();
    let (mut best_seal, mut best_open) = (Duration::MAX, Duration::MAX);
    let mut packets = vec![vec![0_u8; PACKET_LEN + profile.rtp_overhead()]; PACKETS as usize];

    for round in 0..ROUNDS {
        for (at, packet) in packets.iter_mut().enumerate() {
            let index = index_of(round, at);
            packet[..HEADER_LEN].copy_from_slice(&[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
            packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        }
        let started = Instant::now();
        for (at, packet) in packets.iter_mut().enumerate() {
            let index = index_of(round, at);
            black_box(sealer.seal_rtp(index, packet, HEADER_LEN, PACKET_LEN)?);
        }
        best_seal = best_seal.min(started.elapsed());

        let started = Instant::now();
        for packet in &mut packets {
            black_box(opener.open_rtp(&mut stream, packet, HEADER_LEN)?);
        }
        best_open = best_open.min(started.elapsed());
    }
    let per_packet = |total: Duration| total.as_secs_f64() * 1e9 / f64::from(PACKETS);
    Ok((per_packet(best_seal), per_packet(best_open)))
}
