//! Thousands of lives, and what they leave in memory.

use super::*;

/// One life in this many is a whole call with handshakes; the others end before the first datagram.
const CALL_EVERY: u32 = 50;

const CYCLES: u32 = 10_000;

/// Cycles after which tables, queues and the allocator have reached their size.
const WARM: u32 = 2_000;

/// Set in the process that is measured.
const MEASURED: &str = "PLENUM_ENGINE_CYCLES";

/// Growth of the resident memory that is the allocator's business: 8 MiB over 8000 lives is 1 KiB a life, less than any
/// object of the engine takes.
const TOLERANCE: u64 = 8 * 1024 * 1024;

/// Resident memory in bytes, from the kernel.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.expect("a number of KiB") * 1024
}

/// What every life does, in one of several orders of closing.
fn live(world: &mut World, cycle: u32) {
    let router = RouterId::from_u128(1000 + u128::from(cycle));
    let engine = &mut world.engine;
    engine.create_router(router).expect("new");
    let ids = [2 * cycle, 2 * cycle + 1].map(|n| TransportId::from_u128(u128::from(n) + 1_000_000));
    let producer = ProducerId::from_u128(u128::from(cycle));
    let consumer = ConsumerId::from_u128(u128::from(cycle));
    let with_call = cycle.is_multiple_of(CALL_EVERY);
    for (index, id) in ids.into_iter().enumerate() {
        let options = WebRtcTransportOptions::default();
        let info = engine
            .create_webrtc_transport(world.now, router, id, &options)
            .expect("router exists");
        if with_call || world.peers.len() < 2 {
            let port = 20_000 + (cycle % 10_000 * 2) as u16 + index as u16;
            let peer = TestPeer::new(address(port), &info, world.now).expect("DTLS starts");
            world.peers.truncate(1 - usize::from(index == 0));
            world.peers.push(peer);
        }
    }
    for (peer, id) in world.peers.iter().zip(ids) {
        let connected = engine.connect_webrtc_transport(world.now, id, &peer.dtls_parameters());
        connected.expect("first connect");
    }
    let produced = engine.produce(ids[0], producer, vp8(vec![encoding(1000)]), false);
    produced.expect("transport exists");
    let parameters = vp8_receiver(5000);
    let consumed = engine.consume(world.now, ids[1], consumer, producer, parameters, false);
    consumed.expect("both exist");
    if with_call {
        talk(world);
    }
    let (engine, now) = (&mut world.engine, world.now);
    match cycle / CALL_EVERY % 5 + cycle % 5 {
        0 | 5 => engine.close_router(now, router),
        1 | 6 => {
            engine.close_consumer(consumer);
            engine.close_producer(producer);
            for id in ids {
                engine.close_transport(now, id);
            }
        }
        2 | 7 => {
            for id in ids {
                engine.close_transport(now, id);
            }
        }
        3 | 8 => {
            engine.close_producer(producer);
            engine.close_transport(now, ids[1]);
        }
        _ => {
            engine.close_transport(now, ids[1]);
            engine.close_consumer(consumer);
        }
    }
    engine.close_router(now, router);
    world.drain();
    world.events.clear();
    world.groups.clear();
    world.elsewhere.clear();
}

/// Both handshakes, and some packets.
fn talk(world: &mut World) {
    let connected = |world: &World| world.peers.iter().all(TestPeer::is_connected);
    assert!(world.run_until(Duration::from_secs(5), connected));
    world.peers[0].add_sender(SendStream::new(1000, Some((1001, 97))));
    for sequence_number in 100..120 {
        world.peers[0].send_rtp(&packet(1000, sequence_number, 7));
        world.step();
    }
    world.step();
    assert!(!world.received(1).is_empty());
}

#[test]
fn ten_thousand_lives_leave_nothing() {
    if std::env::var_os(MEASURED).is_none() {
        // Other tests of this process would be measured as well.
        let program = std::env::current_exe().expect("this test");
        let status = std::process::Command::new(program)
            .args([
                "--exact",
                "closing::cycles::ten_thousand_lives_leave_nothing",
            ])
            .args(["--test-threads", "1", "--nocapture"])
            .env(MEASURED, "1")
            .status();
        assert!(status.expect("runs").success());
        return;
    }
    let mut world = World::new();
    world.engine.close_router(world.now, ROUTER);
    let mut early = (0, 0);
    for cycle in 0..CYCLES {
        live(&mut world, cycle);
        if cycle.is_multiple_of(CALL_EVERY) {
            assert_empty(&world, 0);
        }
        if cycle == WARM {
            early = (world.engine.table_capacity(), resident());
        }
    }
    assert_empty(&world, 0);
    assert_eq!(world.engine.table_capacity(), early.0);
    let grown = resident().saturating_sub(early.1);
    assert!(grown <= TOLERANCE, "grown by {grown} bytes");
}
