//! Starting a worker process and talking to it until it ends.

use std::{
    error::Error,
    io, iter,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream as StdUnixStream,
    },
    process::{ExitStatus, Stdio},
    time::Duration,
};

use plenum_ids::WorkerId;
use plenum_ipc::{
    Decoder, Event, NodeToWorker, PREAMBLE_BYTES, Preamble, WorkerConfig, WorkerHello,
    WorkerToNode, encode,
};
use plenum_params::stats::WorkerStats;
use plenum_udp::{PacketSocket, send_fds};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{ReadHalf, WriteHalf},
    },
    process::{Child, Command},
    sync::{Notify, mpsc::UnboundedSender, watch::Receiver},
    time::timeout,
};
use tracing::{debug, error, warn};

use crate::{
    config::SupervisorConfig,
    error::{StartError, WorkerFault},
    heartbeat,
    packets::SOCKET_BUFFER,
    sockets::{RtcSocket, own_ports},
    supervisor::WorkerEvent,
    worker::{Link, Worker},
};

/// A worker is ready in some tens of milliseconds; this allows for a machine that starts many of them while busy.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a worker may take to end by itself once its control socket is closed.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes read from a control socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A worker process that said hello.
pub(crate) struct Process {
    worker: Worker,
    child: Child,
    stream: UnixStream,
    decoder: Decoder,
}

/// Why [`Process::drive`] came back.
pub(crate) enum End {
    /// It was asked to.
    Asked,
    /// The process ended by itself, or had to be ended for a fault.
    Died(Option<ExitStatus>, Option<WorkerFault>),
    /// Another one is wanted in its place.
    Renew,
}

impl Process {
    /// Starts a worker, hands it its sockets and waits until it is ready.
    pub(crate) async fn start(
        config: &SupervisorConfig,
        worker: WorkerId,
        sockets: &[RtcSocket],
    ) -> Result<Self, StartError> {
        let io_error = |source| StartError::Io { worker, source };
        let (ours, theirs) = StdUnixStream::pair().map_err(io_error)?;
        let (packets, worker_packets) = PacketSocket::pair(SOCKET_BUFFER).map_err(io_error)?;
        let mut child = spawn(config, worker, theirs)?;
        if config.pin_cpus {
            pin(worker, child.id());
        }
        let after = START_TIMEOUT;
        let greeting = greet(config, worker, worker_packets, sockets, ours);
        let greeted = timeout(after, greeting).await;
        let (stream, decoder, hello) = match greeted {
            Ok(Ok(greeted)) => greeted,
            Ok(Err(StartError::Io { source, .. })) if is_end(&source) => {
                let status = end(&mut child, END_TIMEOUT).await;
                return Err(match status {
                    Some(status) => StartError::Ended { worker, status },
                    None => io_error(source),
                });
            }
            Ok(Err(error)) => {
                end(&mut child, Duration::ZERO).await;
                return Err(error);
            }
            Err(_) => {
                end(&mut child, Duration::ZERO).await;
                return Err(StartError::Timeout { worker, after });
            }
        };
        // A wrapper around the worker, or another process namespace, makes these differ.
        let pid = child.id().unwrap_or(hello.pid);
        debug!(%worker, pid, gso = hello.gso, "worker is ready");
        Ok(Self {
            worker: Worker::new(worker, pid, config.request_timeout, packets),
            child,
            stream,
            decoder,
        })
    }

    /// The handle for the process's users.
    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Carries requests and answers until the process ends or `stop` says so; the process has ended afterwards. What it
    /// answers to heartbeats goes to `heard`.
    pub(crate) async fn drive(
        mut self,
        events: &UnboundedSender<WorkerEvent>,
        stop: &mut Receiver<bool>,
        renew: &Notify,
        hang_timeout: Duration,
        heard: impl FnMut(WorkerStats),
    ) -> End {
        let (reader, writer) = self.stream.split();
        let link = self.worker.link();
        let (asked, fault) = tokio::select! {
            result = read(reader, &mut self.decoder, &self.worker, events) => (None, result.err()),
            () = write(writer, link) => (None, None),
            () = link.packets().read() => (None, None),
            fault = heartbeat::watch(&self.worker, hang_timeout, heard) => (None, Some(fault)),
            () = renew.notified() => (Some(End::Renew), None),
            () = stopped(stop) => (Some(End::Asked), None),
        };
        if let Some(fault) = &fault {
            let (worker, error): (_, &dyn Error) = (self.worker.id(), fault);
            error!(%worker, error, "the conversation with the worker failed");
        }
        self.worker.link().close();
        // Closing the socket is how a worker is told to end.
        drop(self.stream);
        let grace = match fault {
            // It will not notice.
            Some(WorkerFault::NotAnswering { .. }) => Duration::ZERO,
            _ => END_TIMEOUT,
        };
        let status = end(&mut self.child, grace).await;
        asked.unwrap_or(End::Died(status, fault))
    }
}

/// Waits until stopping was asked for, or until nobody is there any more who could ask.
pub(crate) async fn stopped(stop: &mut Receiver<bool>) {
    stop.wait_for(|&stop| stop).await.ok();
}

fn spawn(
    config: &SupervisorConfig,
    worker: WorkerId,
    control: StdUnixStream,
) -> Result<Child, StartError> {
    let failed = |source| StartError::Spawn {
        worker,
        executable: config.executable.clone(),
        source,
    };
    let log = match &config.log_output {
        Some(output) => Stdio::from(output.try_clone().map_err(failed)?),
        None => Stdio::inherit(),
    };
    Command::new(&config.executable)
        .arg0("plenum")
        .args(&config.arguments)
        .stdin(Stdio::from(OwnedFd::from(control)))
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)
}

/// A worker that cannot be kept on a core works all the same.
fn pin(worker: WorkerId, pid: Option<u32>) {
    let pinned = pid.map(|pid| plenum_udp::pin_process(pid, worker.0.into()));
    match pinned {
        Some(Ok(core)) => debug!(%worker, core, "worker has a core of its own"),
        Some(Err(error)) => warn!(%worker, %error, "worker cannot be kept on a core"),
        None => {}
    }
}

/// The opening of the conversation, described in `plenum-ipc`.
async fn greet(
    config: &SupervisorConfig,
    worker: WorkerId,
    packets: PacketSocket,
    sockets: &[RtcSocket],
    control: StdUnixStream,
) -> Result<(UnixStream, Decoder, WorkerHello), StartError> {
    let io_error = |source| StartError::Io { worker, source };
    let frame_error = |source| StartError::Frame { worker, source };

    let rtc = sockets.iter().map(AsFd::as_fd);
    let descriptors: Vec<_> = iter::once(packets.as_fd()).chain(rtc).collect();
    // A new socket's buffer has room for these few bytes.
    send_fds(&control, &Preamble::OURS.to_bytes(), &descriptors).map_err(io_error)?;
    // With no copy left in the node, the worker's end closes when the worker ends.
    drop(packets);
    control.set_nonblocking(true).map_err(io_error)?;
    let mut stream = UnixStream::from_std(control).map_err(io_error)?;

    let mut preamble = [0; PREAMBLE_BYTES];
    stream.read_exact(&mut preamble).await.map_err(io_error)?;
    Preamble::check(&preamble).map_err(|source| StartError::Handshake { worker, source })?;

    let mut bytes = Vec::new();
    let hello = NodeToWorker::Hello(Box::new(worker_config(config, worker, sockets)));
    encode(&hello, &mut bytes).map_err(frame_error)?;
    stream.write_all(&bytes).await.map_err(io_error)?;

    let mut decoder = Decoder::new();
    loop {
        bytes.clear();
        if stream.read_buf(&mut bytes).await.map_err(io_error)? == 0 {
            return Err(io_error(io::ErrorKind::UnexpectedEof.into()));
        }
        decoder.feed(&bytes).map_err(frame_error)?;
        match decoder.next_frame().map_err(frame_error)? {
            Some(WorkerToNode::Hello(hello)) => return Ok((stream, decoder, hello)),
            Some(_) => {
                let what = "its first frame is no hello";
                return Err(StartError::Protocol { worker, what });
            }
            None => {}
        }
    }
}

fn worker_config(
    config: &SupervisorConfig,
    worker: WorkerId,
    sockets: &[RtcSocket],
) -> WorkerConfig {
    let sockets = sockets.iter().map(|socket| socket.options.clone());
    WorkerConfig {
        node: config.node,
        worker,
        sockets: sockets.collect(),
        own_ports: own_ports(config, worker),
        consent_timeout: config.consent_timeout,
        max_hold: config.max_hold,
        srtp_profiles: config.srtp_profiles.clone(),
        log: config.log.clone(),
        log_json: config.log_json,
    }
}

/// Whether this is how a stream fails whose other side has ended.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// Hands out what the worker says, until it ends or says something that cannot be understood.
async fn read(
    mut stream: ReadHalf<'_>,
    decoder: &mut Decoder,
    worker: &Worker,
    events: &UnboundedSender<WorkerEvent>,
) -> Result<(), WorkerFault> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        while let Some(frame) = decoder.next_frame()? {
            match frame {
                WorkerToNode::Response { id, result } => worker.link().handle_response(id, result),
                WorkerToNode::Event(Event::Trace(trace)) => worker.link().keep_trace(*trace),
                WorkerToNode::Event(event) => {
                    let worker = worker.id();
                    events.send(WorkerEvent::Media { worker, event }).ok();
                }
                WorkerToNode::Hello(_) => return Err(WorkerFault::Protocol("a second hello")),
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) => return Ok(decoder.finish()?),
            Err(error) if is_end(&error) => return Ok(decoder.finish()?),
            Ok(length) => decoder.feed(&buffer[..length])?,
            Err(error) => return Err(WorkerFault::Control(error.kind())),
        }
    }
}

/// Sends what handles have queued. Never comes back: when the other side has ended, the reader finds what it said last.
async fn write(mut stream: WriteHalf<'_>, link: &Link) {
    let mut outgoing = Vec::new();
    loop {
        link.take_outgoing(&mut outgoing).await;
        if stream.write_all(&outgoing).await.is_err() {
            return std::future::pending().await;
        }
        outgoing.clear();
    }
}

/// Waits for a process whose control socket is closed, and kills it if it does not end by itself in time.
async fn end(child: &mut Child, grace: Duration) -> Option<ExitStatus> {
    if let Ok(status) = timeout(grace, child.wait()).await {
        return status.ok();
    }
    child.start_kill().ok();
    child.wait().await.ok()
}
