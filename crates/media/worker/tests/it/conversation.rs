//! A worker whose node is played by the test.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, UdpSocket as StdUdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use plenum_ids::{RouterId, WorkerId};
use plenum_ipc::{
    Answer, Decoder, ErrorCode, NodeToWorker, PREAMBLE_BYTES, Preamble, Request, RequestError,
    SocketOptions, WorkerConfig, WorkerToNode, encode,
};
use plenum_udp::{BindOptions, UdpSocket, send_fds};
use rustix::process::{Pid, Signal, kill_process};

/// Nothing here takes long; this is for a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

struct Node {
    worker: Child,
    control: UnixStream,
    decoder: Decoder,
}

impl Node {
    /// Starts a worker and exchanges preambles.
    fn start(preamble: Preamble, sockets: &[UdpSocket]) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let worker = Command::new(env!("CARGO_BIN_EXE_plenum-worker"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker's program");
        ours.set_read_timeout(Some(PATIENCE)).expect("open");
        let descriptors: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
        send_fds(&ours, &preamble.to_bytes(), &descriptors).expect("room");
        let mut control = ours;
        let mut answer = [0; PREAMBLE_BYTES];
        control.read_exact(&mut answer).expect("the worker answers");
        assert_eq!(Preamble::check(&answer), Ok(()));
        Self {
            worker,
            control,
            decoder: Decoder::new(),
        }
    }

    /// Starts a worker with one socket and waits until it is ready.
    fn ready(sockets: &[UdpSocket]) -> Self {
        let mut node = Self::start(Preamble::OURS, sockets);
        node.send(&NodeToWorker::Hello(Box::new(WorkerConfig {
            node: 1,
            worker: WorkerId(2),
            sockets: vec![SocketOptions::default(); sockets.len()],
            consent_timeout: Duration::from_secs(30),
            srtp_profiles: Vec::new(),
        })));
        let WorkerToNode::Hello(hello) = node.receive() else {
            panic!("the first frame is a hello");
        };
        assert_eq!(hello.pid, node.worker.id());
        node
    }

    fn send(&mut self, frame: &NodeToWorker) {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes).expect("small");
        self.control.write_all(&bytes).expect("the worker reads");
    }

    fn receive(&mut self) -> WorkerToNode {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("well-formed") {
                return frame;
            }
            let length = self.control.read(&mut buffer).expect("in time");
            assert!(length > 0, "the worker ended");
            self.decoder.feed(&buffer[..length]).expect("little");
        }
    }

    fn request(&mut self, id: u64, body: Request) -> Result<Answer, RequestError> {
        self.send(&NodeToWorker::Request { id, body });
        let WorkerToNode::Response {
            id: answered,
            result,
        } = self.receive()
        else {
            panic!("no events are expected");
        };
        assert_eq!(answered, id);
        result
    }

    /// Waits until the worker closes its side, which is when it ends.
    fn wait_for_end(mut self) -> (ExitStatus, String) {
        let mut rest = Vec::new();
        self.control.read_to_end(&mut rest).expect("in time");
        finish(self.worker)
    }
}

fn finish(mut worker: Child) -> (ExitStatus, String) {
    let mut said = String::new();
    let mut stderr = worker.stderr.take().expect("piped");
    stderr.read_to_string(&mut said).expect("text");
    (worker.wait().expect("a child"), said)
}

fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into(), &BindOptions::default()).expect("a free port")
}

fn signal(worker: &Child, signal: Signal) {
    let pid = i32::try_from(worker.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), signal).expect("a child");
}

#[test]
fn requests_are_answered_in_order() {
    let mut node = Node::ready(&[socket()]);
    let router = RouterId::random();
    assert_eq!(
        node.request(1, Request::CreateRouter { router }),
        Ok(Answer::Done)
    );
    let refused = node
        .request(2, Request::CreateRouter { router })
        .expect_err("it exists");
    assert_eq!(refused.code, ErrorCode::Conflict);
    for id in 3..200 {
        let body = Request::WorkerStats;
        node.send(&NodeToWorker::Request { id, body });
    }
    for expected in 3..200 {
        let WorkerToNode::Response { id, result } = node.receive() else {
            panic!("no events are expected");
        };
        assert_eq!(id, expected);
        let Ok(Answer::WorkerStats(stats)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(stats.routers, 1);
        assert!(stats.memory > 0 && stats.cpu_time_us > 0);
    }
}

#[test]
fn datagrams_reach_the_engine() {
    let (first, second) = (socket(), socket());
    let addresses = [first.local_addr(), second.local_addr()];
    let mut node = Node::ready(&[first, second]);
    let client = StdUdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    for address in addresses {
        for _ in 0..50 {
            client.send_to(&[0xff; 100], address).expect("loopback");
        }
    }
    // Loopback delivers before the send returns, so the worker's next turns find them; each request is a turn.
    let mut stats = None;
    for id in 0..10_000 {
        let Ok(Answer::WorkerStats(now)) = node.request(id, Request::WorkerStats) else {
            panic!("the counters");
        };
        let done = now.datagrams_received == 100;
        stats = Some(now);
        if done {
            break;
        }
    }
    let stats = stats.expect("asked");
    assert_eq!(stats.datagrams_received, 100);
    assert_eq!(stats.bytes_received, 10_000);
    assert_eq!(stats.datagrams_discarded, 100, "noise leads nowhere");
    assert_eq!(stats.datagrams_sent, 0, "and is not answered");
}

#[test]
fn the_worker_ends_well_when_its_node_is_gone() {
    let node = Node::ready(&[socket()]);
    let Node {
        worker, control, ..
    } = node;
    drop(control);
    let (status, said) = finish(worker);
    assert!(status.success(), "{status}: {said}");
}

#[test]
fn the_terminals_signals_are_left_to_the_node() {
    let mut node = Node::ready(&[socket()]);
    for ignored in [Signal::INT, Signal::TERM, Signal::HUP] {
        signal(&node.worker, ignored);
    }
    assert!(node.request(1, Request::WorkerStats).is_ok());
}

#[test]
fn another_build_is_refused_with_words() {
    let other = Preamble {
        build_hash: !Preamble::OURS.build_hash,
        ..Preamble::OURS
    };
    let (status, said) = Node::start(other, &[socket()]).wait_for_end();
    assert!(!status.success());
    assert!(said.contains("Build"), "{said}");
}

#[test]
fn noise_on_the_control_socket_ends_the_worker_with_an_error() {
    let mut node = Node::ready(&[socket()]);
    node.control
        .write_all(&[0xff; 64])
        .expect("the worker reads");
    let (status, said) = node.wait_for_end();
    assert!(!status.success());
    assert!(said.contains("TooLarge"), "{said}");
}

#[test]
fn sockets_and_settings_must_match() {
    let mut node = Node::start(Preamble::OURS, &[socket()]);
    node.send(&NodeToWorker::Hello(Box::new(WorkerConfig {
        node: 1,
        worker: WorkerId(2),
        sockets: Vec::new(),
        consent_timeout: Duration::from_secs(30),
        srtp_profiles: Vec::new(),
    })));
    let (status, said) = node.wait_for_end();
    assert!(!status.success());
    assert!(said.contains("Protocol"), "{said}");
}
