//! ffmpeg and `GStreamer` send to and receive from plain transports of a real worker. What they receive they decode, and
//! pictures and sound count once they are decoded.
//!
//! `scripts/setup.sh` installs both.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use plenum_harness::parameters::{encoding, opus, opus_receiver, video, video_receiver};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId, WorkerId};
use plenum_ipc::Event;
use plenum_params::{
    media::{CodecKind, MediaKind, ReceiveParameters, SendParameters},
    transport::{PlainRemote, PlainTransportInfo, PlainTransportOptions, SrtpParameters},
};
use plenum_supervisor::{
    ConsumerHandle, ProducerHandle, RouterHandle, Supervisor, TransportHandle, WorkerEvent,
};
use tokio::{
    process::{Child, Command},
    sync::{Semaphore, SemaphorePermit, mpsc::UnboundedReceiver},
    task::yield_now,
    time::timeout,
};

use crate::{
    node::PATIENCE,
    supervised::{config, start_with},
};

mod ffmpeg;
mod gstreamer;

/// SSRC of what is published.
const SENT: u32 = 1111;

/// SSRC of what is played.
const PLAYED: u32 = 5000;

/// Pictures or packets of sound that a player must decode: two seconds of pictures.
const DECODED: usize = 50;

/// Programs of real time take it; on a busy machine they take more.
const PROGRAM_PATIENCE: Duration = Duration::from_mins(1);

/// Encoders of real time that run side by side, each with its decoder: more than a small machine has time for would wait for
/// each other until somebody gives up.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A worker with one router.
struct Stage {
    _turn: SemaphorePermit<'static>,
    supervisor: Supervisor,
    events: UnboundedReceiver<WorkerEvent>,
    router: RouterHandle,
}

/// What is sent, in words of all programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    H264,
    Opus,
    Vp8,
}

impl Media {
    fn produced(self) -> ReceiveParameters {
        let mut parameters = match self {
            Self::H264 => video(CodecKind::H264, "video/H264", vec![encoding(SENT)]),
            Self::Opus => opus(SENT),
            Self::Vp8 => video(CodecKind::Vp8, "video/VP8", vec![encoding(SENT)]),
        };
        // None of the programs sends the extensions of browsers, nor retransmissions.
        parameters.mid = None;
        parameters.extensions.clear();
        for codec in &mut parameters.codecs {
            (codec.rtx_payload_type, codec.feedback.nack) = (None, false);
        }
        parameters.encodings[0].rtx_ssrc = None;
        parameters
    }

    fn consumed(self) -> SendParameters {
        let mut parameters = match self {
            Self::H264 => video_receiver(CodecKind::H264, "video/H264", PLAYED),
            Self::Opus => opus_receiver(PLAYED),
            Self::Vp8 => video_receiver(CodecKind::Vp8, "video/VP8", PLAYED),
        };
        parameters.mid = None;
        parameters.extensions.clear();
        for codec in &mut parameters.codecs {
            (codec.rtx_payload_type, codec.feedback.nack) = (None, false);
        }
        parameters.rtx_ssrc = None;
        parameters
    }

    /// Payload type of what is published, and of what is played.
    const fn payload_types(self) -> (u8, u8) {
        match self {
            Self::Opus => (111, 111),
            Self::H264 | Self::Vp8 => (96, 101),
        }
    }

    const fn kind(self) -> MediaKind {
        match self {
            Self::Opus => MediaKind::Audio,
            Self::H264 | Self::Vp8 => MediaKind::Video,
        }
    }
}

impl Stage {
    async fn new() -> Self {
        let turn = TURNS.acquire().await.expect("never closed");
        let (supervisor, events) = start_with(config(1)).await;
        let worker = supervisor.worker(WorkerId(0)).expect("running");
        let router = RouterHandle::create(&worker, RouterId::random()).await;
        Self {
            _turn: turn,
            supervisor,
            events,
            router: router.expect("new"),
        }
    }

    async fn transport(
        &self,
        options: PlainTransportOptions,
    ) -> (TransportHandle, PlainTransportInfo) {
        let made = self
            .router
            .create_plain_transport(TransportId::random(), options)
            .await;
        made.expect("the router is there")
    }

    /// A transport to a program at a pair of ports.
    async fn connected(
        &self,
        options: PlainTransportOptions,
        rtp: u16,
        srtp: Option<SrtpParameters>,
    ) -> (TransportHandle, PlainTransportInfo) {
        let (transport, _) = self.transport(options).await;
        let remote = PlainRemote {
            rtp: local(rtp),
            rtcp: (!options.rtcp_mux).then(|| local(rtp + 1)),
        };
        let info = transport.connect_plain(Some(remote), srtp).await;
        (transport, info.expect("the first time"))
    }

    /// Waits until a producer gets packets.
    async fn wait_for_score(&mut self, producer: &ProducerHandle) {
        let scored = async {
            loop {
                let event = self.events.recv().await.expect("the supervisor lives");
                if let WorkerEvent::Media {
                    event: Event::ProducerScore { producer: id, .. },
                    ..
                } = event
                    && id == producer.id()
                {
                    return;
                }
            }
        };
        timeout(PROGRAM_PATIENCE, scored).await.expect("it sends");
    }
}

async fn produce(transport: &TransportHandle, media: Media) -> ProducerHandle {
    let made = transport
        .produce(ProducerId::random(), media.produced(), false)
        .await;
    made.expect("the transport is there")
}

/// Sends a producer to a program once that listens, so that it gets the key frame with which everything begins.
async fn consume(
    transport: &TransportHandle,
    media: Media,
    producer: &ProducerHandle,
    port: u16,
) -> ConsumerHandle {
    let start = Instant::now();
    while !is_bound(port) {
        assert!(start.elapsed() < PROGRAM_PATIENCE, "nobody listens");
        yield_now().await;
    }
    let id = ConsumerId::random();
    let made = transport
        .consume(id, producer.id(), media.consumed(), false)
        .await;
    made.expect("both are there")
}

/// Whether somebody has a UDP port of this machine, by the system's table: trying it out would take it from the program.
fn is_bound(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/udp").expect("the system's table");
    let locals = table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    let ending = format!(":{port:04X}");
    locals.into_iter().any(|local| local.ends_with(&ending))
}

/// With a port of its own for RTCP, as programs that know RFC 3550 alone want it.
fn apart() -> PlainTransportOptions {
    PlainTransportOptions {
        rtcp_mux: false,
        ..PlainTransportOptions::default()
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// An even port that is free, with the next one.
fn port_pair() -> u16 {
    loop {
        let first = UdpSocket::bind(local(0)).expect("a free port");
        let port = first.local_addr().expect("bound").port();
        if port.is_multiple_of(2) && UdpSocket::bind(local(port + 1)).is_ok() {
            return port;
        }
    }
}

/// Starts a program that ends with the test.
fn start(program: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let started = command.spawn();
    started.unwrap_or_else(|error| panic!("{program}: {error}; `make setup` installs it"))
}

/// What a program that ends by itself had to say.
async fn finish(child: Child) -> Output {
    let output = timeout(PROGRAM_PATIENCE, child.wait_with_output()).await;
    let output = output.expect("it ends").expect("it ran");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    output
}

/// Waits until so many packets of a producer have come.
async fn wait_for_packets(producer: &ProducerHandle, count: u64) {
    let start = Instant::now();
    loop {
        let stats = producer.stats().await.expect("it is there");
        if stats.iter().any(|stream| stream.packet_count >= count) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{stats:?}");
        yield_now().await;
    }
}
