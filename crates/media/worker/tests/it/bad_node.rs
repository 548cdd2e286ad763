//! A worker whose node breaks the protocol, speaks another one, or does not listen.

use std::{
    io::Write,
    net::{Ipv4Addr, UdpSocket as StdUdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use plenum_ice::controlling::BindingRequest;
use plenum_ids::{RouterId, TransportId};
use plenum_ipc::{
    Answer, BUILD_HASH, MAX_FRAME_BYTES, NodeToWorker, PROTOCOL_VERSION, Preamble, Request,
    WorkerToNode, encode,
};
use plenum_params::transport::WebRtcTransportOptions;
use plenum_udp::{process_usage, send_fds};

use crate::node::{Node, PATIENCE, finish, hello, socket};

/// What a worker may hold for a node that does not read is 4 MiB; a buffer that grows is in memory two times. The rest is
/// what any busy worker uses.
const MAX_GROWTH: u64 = 24 * 1024 * 1024;

fn bytes(frames: &[NodeToWorker]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for frame in frames {
        encode(frame, &mut bytes).expect("small");
    }
    bytes
}

fn request(id: u64) -> NodeToWorker {
    let body = Request::WorkerStats;
    NodeToWorker::Request { id, body }
}

#[test]
fn another_build_is_refused_with_both_named() {
    let other = Preamble {
        build_hash: 0xabc,
        ..Preamble::OURS
    };
    let (status, said) = Node::start(other, &[socket()]).wait_for_end();
    assert!(!status.success());
    assert!(said.contains("build 0000000000000abc"), "{said}");
    assert!(said.contains(&format!("build {BUILD_HASH:016x}")), "{said}");
}

#[test]
fn another_version_is_refused_with_both_named() {
    let theirs = PROTOCOL_VERSION + 5;
    let other = Preamble {
        protocol_version: theirs,
        ..Preamble::OURS
    };
    let (status, said) = Node::start(other, &[socket()]).wait_for_end();
    assert!(!status.success());
    let words = format!("version {theirs}, this build speaks {PROTOCOL_VERSION}");
    assert!(said.contains(&words), "{said}");
}

#[test]
fn what_cannot_be_understood_ends_the_worker_with_words() {
    let mut cut = bytes(&[request(1), request(2)]);
    cut.pop();
    let mut trailing = bytes(&[request(1)]);
    trailing[0] += 1;
    trailing.push(0);
    let too_large = MAX_FRAME_BYTES as u32 + 1;
    let cases = [
        (too_large.to_le_bytes().to_vec(), "exceeds the limit"),
        (vec![0xff; 64], "exceeds the limit"),
        (vec![4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "malformed"),
        (vec![0, 0, 0, 0], "malformed"),
        (trailing, "has 1 bytes after its value"),
        (cut, "ended inside a frame"),
        (bytes(&[hello(1)]), "a second hello"),
    ];
    for (input, words) in cases {
        let mut node = Node::ready(&[socket()]);
        node.control.write_all(&input).expect("the worker reads");
        node.control
            .shutdown(std::net::Shutdown::Write)
            .expect("open");
        let (status, said) = node.wait_for_end();
        assert!(!status.success(), "{words}: {said}");
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn what_comes_instead_of_the_hello_ends_the_worker_with_words() {
    let mut cut = bytes(&[hello(1)]);
    cut.pop();
    let cases = [
        (bytes(&[request(1)]), "a request came before its hello"),
        (cut, "ended inside a frame"),
        (Vec::new(), "the control socket failed"),
        (vec![0xff; 64], "exceeds the limit"),
    ];
    for (input, words) in cases {
        let mut node = Node::start(Preamble::OURS, &[socket()]);
        node.control.write_all(&input).expect("the worker reads");
        node.control
            .shutdown(std::net::Shutdown::Write)
            .expect("open");
        let (status, said) = node.wait_for_end();
        assert!(!status.success(), "{words}: {said}");
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn requests_that_come_with_the_hello_are_answered() {
    let mut node = Node::start(Preamble::OURS, &[socket()]);
    let all = bytes(&[hello(1), request(7), request(8)]);
    node.control.write_all(&all).expect("the worker reads");
    assert!(matches!(node.receive(), WorkerToNode::Hello(_)));
    for expected in [7, 8] {
        let WorkerToNode::Response { id, .. } = node.receive() else {
            panic!("answers follow");
        };
        assert_eq!(id, expected);
    }
}

#[test]
fn the_packet_socket_must_come_first_and_be_one() {
    let rtc = socket();
    let (stream, _other) = UnixStream::pair().expect("a pair");
    let cases = [
        (vec![], "no packet socket"),
        (vec![rtc.as_fd()], "the packet socket cannot be used"),
        (vec![stream.as_fd()], "the packet socket cannot be used"),
    ];
    for (descriptors, words) in cases {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let worker = Command::new(env!("CARGO_BIN_EXE_plenum-worker"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker's program");
        send_fds(&ours, &Preamble::OURS.to_bytes(), &descriptors).expect("room");
        let (status, said) = finish(worker);
        assert!(!status.success());
        assert!(said.contains(words), "{words}: {said}");
    }
}

/// Every check that arrives makes a transport connect, and without any time for consent it is lost again at once: a worker
/// with much to say, of which nothing may be left out.
#[test]
fn a_node_that_does_not_listen_costs_bounded_memory_and_then_the_worker() {
    let rtc = socket();
    let address = rtc.local_addr();
    let mut node = Node::start(Preamble::OURS, &[rtc]);
    let NodeToWorker::Hello(mut config) = hello(1) else {
        panic!("it is one");
    };
    config.consent_timeout = Duration::ZERO;
    node.send(&NodeToWorker::Hello(config));
    assert!(matches!(node.receive(), WorkerToNode::Hello(_)));
    let checks = checks(&mut node);

    let pid = node.worker.id();
    let before = process_usage(pid).expect("it runs").memory;
    let mut peak = before;
    node.control.set_nonblocking(true).expect("open");
    let client = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let start = Instant::now();
    while node.worker.try_wait().expect("a child").is_none() {
        assert!(start.elapsed() < 9 * PATIENCE, "the worker gives up");
        for check in checks.iter().cycle().take(16 * checks.len()) {
            // Refused once the worker is gone.
            let _ = client.send_to(check, address);
        }
        // Requests as well, as many as the worker takes: it stops taking them when it cannot answer.
        let _ = node.control.write(&bytes(&[request(1)]));
        peak = process_usage(pid).map_or(peak, |usage| peak.max(usage.memory));
    }
    let (status, said) = finish(node.worker);
    assert!(!status.success());
    assert!(said.contains("the node does not read"), "{said}");
    assert!(peak - before < MAX_GROWTH, "{before} {peak}");
}

/// Makes transports, and a connectivity check for each.
fn checks(node: &mut Node) -> Vec<Vec<u8>> {
    let router = RouterId::random();
    let done = node.request(1, Request::CreateRouter { router });
    assert_eq!(done, Ok(Answer::Done));
    let mut checks = Vec::new();
    for id in 2..130 {
        let create = Request::CreateWebRtcTransport {
            router,
            transport: TransportId::random(),
            options: WebRtcTransportOptions::default(),
        };
        let Ok(Answer::WebRtcTransport(info)) = node.request(id, create) else {
            panic!("the router is there");
        };
        let check = BindingRequest {
            remote_username_fragment: &info.ice_parameters.username_fragment,
            local_username_fragment: "them",
            transaction_id: [7; 12],
            priority: 1,
            tie_breaker: 1,
            use_candidate: true,
            nomination: None,
        };
        let mut packet = [0; 500];
        let password = &info.ice_parameters.password;
        let length = check.write(password, &mut packet).expect("room");
        checks.push(packet[..length].to_vec());
    }
    checks
}
