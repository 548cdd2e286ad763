//! A node as a test plays it: one worker process, and both sockets in the hands of the test.

use std::{
    io::{ErrorKind, Read, Write},
    net::Ipv4Addr,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use plenum_ids::WorkerId;
use plenum_ipc::{
    Answer, Decoder, NodeToWorker, OwnPorts, PREAMBLE_BYTES, Preamble, Request, RequestError,
    SocketOptions, WorkerConfig, WorkerToNode, encode,
};
use plenum_udp::{BindOptions, PacketSocket, UdpSocket, send_fds};
use rustix::process::{Pid, Signal, kill_process};

/// Nothing here takes long; this is for a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The node of one worker.
pub(crate) struct Node {
    pub(crate) worker: Child,
    pub(crate) control: UnixStream,
    pub(crate) packets: PacketSocket,
    decoder: Decoder,
}

impl Node {
    /// Starts a worker and exchanges preambles.
    pub(crate) fn start(preamble: Preamble, sockets: &[UdpSocket]) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        let (packets, worker_packets) = PacketSocket::pair(256 * 1024).expect("a socket pair");
        let worker = Command::new(env!("CARGO_BIN_EXE_plenum-worker"))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped())
            .spawn()
            .expect("the worker's program");
        ours.set_read_timeout(Some(PATIENCE)).expect("open");
        let mut descriptors = vec![worker_packets.as_fd()];
        descriptors.extend(sockets.iter().map(AsFd::as_fd));
        send_fds(&ours, &preamble.to_bytes(), &descriptors).expect("room");
        let mut control = ours;
        let mut answer = [0; PREAMBLE_BYTES];
        control.read_exact(&mut answer).expect("the worker answers");
        assert_eq!(Preamble::check(&answer), Ok(()));
        Self {
            worker,
            control,
            packets,
            decoder: Decoder::new(),
        }
    }

    /// Starts a worker with one socket and waits until it is ready.
    pub(crate) fn ready(sockets: &[UdpSocket]) -> Self {
        let mut node = Self::start(Preamble::OURS, sockets);
        node.send(&hello(sockets.len()));
        let WorkerToNode::Hello(hello) = node.receive() else {
            panic!("the first frame is a hello");
        };
        assert_eq!(hello.pid, node.worker.id());
        node
    }

    pub(crate) fn send(&mut self, frame: &NodeToWorker) {
        let mut bytes = Vec::new();
        encode(frame, &mut bytes).expect("small");
        self.control.write_all(&bytes).expect("the worker reads");
    }

    pub(crate) fn receive(&mut self) -> WorkerToNode {
        let mut buffer = [0; 4096];
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("well-formed") {
                return frame;
            }
            let length = match self.control.read(&mut buffer) {
                // A child that stops or goes on: reads with a timeout are not taken up again by themselves.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.expect("in time"),
            };
            assert!(length > 0, "the worker ended");
            self.decoder.feed(&buffer[..length]).expect("little");
        }
    }

    pub(crate) fn request(&mut self, id: u64, body: Request) -> Result<Answer, RequestError> {
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
    pub(crate) fn wait_for_end(mut self) -> (ExitStatus, String) {
        let mut rest = Vec::new();
        self.control.read_to_end(&mut rest).expect("in time");
        finish(self.worker)
    }
}

pub(crate) fn finish(mut worker: Child) -> (ExitStatus, String) {
    let mut said = String::new();
    let mut stderr = worker.stderr.take().expect("piped");
    stderr.read_to_string(&mut said).expect("text");
    (worker.wait().expect("a child"), said)
}

pub(crate) fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into(), &BindOptions::default()).expect("a free port")
}

/// What the node says first.
pub(crate) fn hello(sockets: usize) -> NodeToWorker {
    NodeToWorker::Hello(Box::new(WorkerConfig {
        node: 1,
        worker: WorkerId(2),
        sockets: vec![SocketOptions::default(); sockets],
        own_ports: OwnPorts::default(),
        consent_timeout: Duration::from_secs(30),
        max_hold: Duration::from_millis(2),
        srtp_profiles: Vec::new(),
        log: plenum_params::log::LogOptions::default(),
        log_json: false,
    }))
}

/// Stops a process and waits until it stands still.
pub(crate) fn stop(pid: u32) {
    send_signal(pid, Signal::STOP);
    let stat = format!("/proc/{pid}/stat");
    let stopped = || {
        let stat = std::fs::read_to_string(&stat).expect("it runs");
        // The state follows the name, which is in parentheses.
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" T"))
    };
    wait_until("it stands still", stopped);
}

pub(crate) fn send_signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), signal).expect("it runs");
}

/// Asks again and again, with a bound.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}
