//! The packet socket beside a busy control socket.

use std::{
    io::{IoSlice, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use plenum_ids::WorkerId;
use plenum_ipc::{
    Answer, MAX_PACKET_FRAME_BYTES, NodeToWorker, Packet, PacketKind, Request, WorkerToNode, encode,
};
use plenum_params::stats::WorkerStats;
use plenum_supervisor::{Worker, WorkerEvent};
use plenum_udp::{PacketReceived, PacketSent};
use rustix::process::Signal;
use tokio::time::timeout;

use crate::{
    node::{Node, PATIENCE, send_signal, socket, stop, wait_until},
    supervised::{next, start},
};

/// What a worker takes of each kind in one turn of its loop.
const REQUESTS_A_TURN: usize = 32;
const PACKETS_A_TURN: u64 = 64;

fn frame(kind: PacketKind, data: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let object = 99;
    let packet = Packet { kind, object, data };
    packet.write(&mut frame).expect("short");
    frame
}

fn packet(kind: PacketKind, data: &[u8]) -> Packet<'_> {
    let object = 99;
    Packet { kind, object, data }
}

fn send(node: &Node, frame: &[u8]) -> PacketSent {
    let sent = node.packets.send(&[IoSlice::new(frame)]);
    sent.expect("the worker runs")
}

fn stats(node: &mut Node) -> WorkerStats {
    match node.request(0, Request::WorkerStats) {
        Ok(Answer::WorkerStats(stats)) => *stats,
        answer => panic!("{answer:?}"),
    }
}

async fn worker_stats(worker: &Worker) -> WorkerStats {
    match worker.request(Request::WorkerStats).await {
        Ok(Answer::WorkerStats(stats)) => *stats,
        answer => panic!("{answer:?}"),
    }
}

#[test]
fn requests_go_before_packets_and_wait_for_one_helping_at_most() {
    let mut node = Node::ready(&[socket()]);
    let pid = node.worker.id();
    stop(pid);
    let packet = frame(PacketKind::Rtp, &[1; 100]);
    let mut sent = 0;
    while send(&node, &packet) == PacketSent::Sent {
        sent += 1;
    }
    assert!(sent > 4 * PACKETS_A_TURN, "{sent}");
    let mut requests = Vec::new();
    for id in 0..100 {
        let body = Request::WorkerStats;
        encode(&NodeToWorker::Request { id, body }, &mut requests).expect("small");
    }
    node.control.write_all(&requests).expect("room");
    send_signal(pid, Signal::CONT);

    // Each answer says how many packets had been taken when its request was carried out.
    for index in 0..100 {
        let WorkerToNode::Response {
            result: Ok(Answer::WorkerStats(stats)),
            ..
        } = node.receive()
        else {
            panic!("only answers");
        };
        let helpings = (index / REQUESTS_A_TURN) as u64;
        let taken = stats.packets_received;
        assert!(taken <= helpings * PACKETS_A_TURN, "{index}: {taken}");
    }
    wait_until("all are taken", || {
        stats(&mut node).packets_received == sent
    });
    assert_eq!(stats(&mut node).packets_unknown, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn control_is_answered_while_packets_flood() {
    let (supervisor, mut events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let enough = AtomicBool::new(false);
    let data = [3; 1200];
    let flood = || {
        let (mut rtp, mut probes, mut lost) = (0_u64, 0_u64, 0_u64);
        while !enough.load(Ordering::Relaxed) {
            for (kind, sent) in [
                (PacketKind::Rtp, &mut rtp),
                (PacketKind::Probe, &mut probes),
            ] {
                match worker.send_packet(&packet(kind, &data)) {
                    Ok(true) => *sent += 1,
                    Ok(false) => lost += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        (rtp, probes, lost)
    };
    let (rtp, probes, lost) = std::thread::scope(|threads| {
        let flood = threads.spawn(flood);
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for _ in 0..1000 {
                    worker_stats(&worker).await;
                }
                let lossy = async {
                    while worker.packet_counters().dropped == 0 {
                        worker_stats(&worker).await;
                    }
                };
                timeout(PATIENCE, lossy).await.expect("packets are lost");
            });
        });
        enough.store(true, Ordering::Relaxed);
        flood.join().expect("no panic")
    });

    let counters = worker.packet_counters();
    assert_eq!((counters.sent, counters.dropped), (rtp + probes, lost));
    // What was sent arrives, and is accounted for to the last one.
    let settle = async {
        while worker_stats(&worker).await.packets_received < counters.sent {}
        let stats = worker_stats(&worker).await;
        while worker.packet_counters().received < stats.packets_sent {
            tokio::task::yield_now().await;
        }
        stats
    };
    let stats = timeout(PATIENCE, settle).await.expect("all is taken");
    assert_eq!(stats.packets_received, counters.sent);
    assert_eq!(stats.packets_unknown, rtp);
    assert_eq!(stats.packets_sent + stats.packets_dropped, probes);
    assert_eq!(stats.packets_malformed, 0);
    let counters = worker.packet_counters();
    assert_eq!(counters.received, stats.packets_sent);
    assert_eq!(counters.undelivered, counters.received, "nobody listened");
    assert!(events.try_recv().is_err(), "no heartbeat was missed");
    supervisor.shutdown().await;
}

#[tokio::test]
async fn probes_come_back_until_the_worker_ends() {
    let (supervisor, mut events) = start(1).await;
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let mut packets = worker.listen_packets(4);
    for data in [&b"one"[..], b"", &vec![7; 60_000]] {
        let sent = worker.send_packet(&packet(PacketKind::Probe, data));
        assert_eq!(sent, Ok(true));
        let received = timeout(PATIENCE, packets.recv()).await;
        let received = received.expect("in time").expect("the worker runs");
        assert_eq!((received.kind, received.object), (PacketKind::Probe, 99));
        assert_eq!(*received.data, *data);
    }
    send_signal(worker.pid(), Signal::KILL);
    assert!(matches!(next(&mut events).await, WorkerEvent::Died { .. }));
    assert_eq!(timeout(PATIENCE, packets.recv()).await, Ok(None));
    let late = worker.send_packet(&packet(PacketKind::Probe, b"late"));
    assert_eq!(late, Err(plenum_supervisor::WorkerError::Gone));
    // The next process has a socket of its own.
    assert!(matches!(
        next(&mut events).await,
        WorkerEvent::Started { .. }
    ));
    let worker = supervisor.worker(WorkerId(0)).expect("running");
    let mut packets = worker.listen_packets(4);
    let sent = worker.send_packet(&packet(PacketKind::Probe, b"again"));
    assert_eq!(sent, Ok(true));
    let received = timeout(PATIENCE, packets.recv()).await;
    assert!(received.expect("in time").is_some());
    supervisor.shutdown().await;
}

#[test]
fn a_node_that_takes_no_packets_loses_packets_only() {
    let mut node = Node::ready(&[socket()]);
    let probe = frame(PacketKind::Probe, &[1; 1000]);
    let mut sent = 0;
    wait_until("the worker loses answers", || {
        while send(&node, &probe) == PacketSent::Sent {
            sent += 1;
        }
        stats(&mut node).packets_dropped > 0
    });
    wait_until("all are taken", || {
        stats(&mut node).packets_received == sent
    });
    let stats = stats(&mut node);
    assert_eq!(stats.packets_sent + stats.packets_dropped, sent);
    let mut buffer = vec![0; 2000];
    for _ in 0..stats.packets_sent {
        let received = node.packets.recv(&mut buffer).expect("open");
        assert_eq!(received, PacketReceived::Packet(probe.len()));
        assert_eq!(buffer[..probe.len()], probe);
    }
    let nothing = node.packets.recv(&mut buffer).expect("open");
    assert_eq!(nothing, PacketReceived::Nothing);
}

#[test]
fn noise_on_the_packet_socket_is_counted_and_no_more() {
    let mut node = Node::ready(&[socket()]);
    for noise in [&[1][..], &[0xff; 200], &vec![0; MAX_PACKET_FRAME_BYTES + 1]] {
        assert_eq!(send(&node, noise), PacketSent::Sent);
    }
    assert_eq!(
        send(&node, &frame(PacketKind::Rtcp, b"to nobody")),
        PacketSent::Sent
    );
    wait_until("all are taken", || stats(&mut node).packets_received == 1);
    let stats = stats(&mut node);
    assert_eq!((stats.packets_malformed, stats.packets_unknown), (3, 1));
}

#[test]
fn a_worker_without_its_packet_socket_goes_on_and_sleeps() {
    let Node {
        worker,
        control,
        packets,
        ..
    } = Node::ready(&[socket()]);
    drop(packets);
    let stat = format!("/proc/{}/stat", worker.id());
    wait_until("it has nothing to do", || {
        let stat = std::fs::read_to_string(&stat).expect("it runs");
        let state = stat.rsplit(')').next();
        state.is_some_and(|rest| rest.starts_with(" S"))
    });
    drop(control);
    let (status, said) = crate::node::finish(worker);
    assert!(status.success(), "{said}");
}
