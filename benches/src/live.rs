//! A real worker process, senders and receivers around it, in real time.
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use plenum_harness::parameters::{encoding, opus, opus_receiver, video, video_receiver};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_ipc::{Answer, Request};
use plenum_params::{
    media::{CodecKind, ReceiveParameters, SendParameters},
    stats::WorkerStats,
    transport::ListenInfo,
};
use plenum_srtp::Opener;
use plenum_supervisor::{
    ConsumerHandle, ProducerHandle, RouterHandle, Supervisor, SupervisorConfig, TransportHandle,
    Worker,
};
use plenum_testkit::peer::TestPeer;
use plenum_udp::UdpSocket;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    node,
    receivers::Receivers,
    score::{Payload, Track},
    sink::Sink,
    stream::Stream,
    wire::Wire,
};

mod handshake;
mod play;

pub use play::{Played, Tempo};
use play::{Player, Sending};

/// Every n-th receiver decrypts what it gets.
const SAMPLE_EVERY: usize = 20;

/// As many connect at the same time: what their flights need of the worker's receive buffer is little.
const AT_ONCE: usize = 50;

/// Who is there, and how.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the rows of a benchmark")]
pub struct Cast {
    /// Equal ones, which nothing passes between.
    pub rooms: usize,
    /// In each room. Each sends all tracks.
    pub senders: usize,
    /// In each room. Each receives everything.
    pub receivers: usize,
    /// What is sent.
    pub tracks: Vec<Track>,
    /// Packets have the header extensions of browsers, and receivers report their arrival.
    pub feedback: bool,
    /// How long the worker may hold packets.
    pub hold: Duration,
    /// SRTP profile, by its IANA name.
    pub profile: &'static str,
}

/// A worker with everybody connected.
pub struct Live {
    supervisor: Supervisor,
    worker: Worker,
    player: Option<Player>,
    _handles: Handles,
    events: JoinHandle<()>,
}

#[derive(Default)]
struct Handles {
    router: Option<RouterHandle>,
    transports: Vec<TransportHandle>,
    producers: Vec<(ProducerId, ProducerHandle)>,
    consumers: Vec<ConsumerHandle>,
}

/// What a span of time was.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "plain figures")]
pub struct Span {
    /// Datagrams a second that left.
    pub rate: f64,
    /// Bits a second that left, of UDP payload.
    pub bitrate: f64,
    /// Of a core, the worker's process altogether.
    pub load: f64,
    /// Processor time for a datagram that left.
    pub us_per_packet: f64,
    /// Datagrams in a message to the kernel.
    pub group: f64,
    /// How long packets were held at the end.
    pub hold_us: u32,
    /// Packets of media that receivers ought to have got, and did not.
    pub missing: u64,
    /// From sending to arrival, of a sample.
    pub delays: Vec<Duration>,
    /// Resident memory of the worker, bytes.
    pub memory: u64,
}

impl Live {
    /// Starts a worker and connects everybody to it over `wire`.
    pub async fn connect(cast: &Cast, wire: &Wire) -> Result<Self> {
        let (sender, mut received) = mpsc::unbounded_channel();
        let supervisor = Supervisor::start(config(cast, wire.near())?, sender).await?;
        // Nothing that happens is of interest, but nobody may wait.
        let events = tokio::spawn(async move { while received.recv().await.is_some() {} });
        let worker = supervisor.running().pop().context("a worker")?;
        let mut handles = Handles::default();
        let router = RouterHandle::create(&worker, RouterId::random()).await?;
        let sender_sockets: Vec<_> = (0..cast.rooms * cast.senders)
            .map(|_| wire.bind_far(node::bind_at))
            .collect::<Result<_>>()?;
        let sink_sockets = wire.bind_far(|ip| Ok(Sink::bind(ip, cast.rooms * cast.receivers)?))?;
        let senders = join(&router, &sender_sockets, &mut handles).await?;
        let receivers = join(&router, &sink_sockets, &mut handles).await?;
        handles.stage(cast).await?;
        handles.router = Some(router);

        let to = senders.first().context("somebody has to send")?.remote;
        let profile = senders
            .first()
            .and_then(TestPeer::profile)
            .context("connected")?;
        let mut sending = Vec::new();
        for ((number, peer), socket) in (0..).zip(senders).zip(sender_sockets) {
            let overhead = peer.profile().context("connected")?.rtp_overhead();
            let (sealer, _) = peer.into_keys().context("connected")?;
            let streams = (0..).zip(&cast.tracks);
            let streams =
                streams.map(|(kind, track)| Stream::new(sent(number, kind), track.payload));
            sending.push(Sending::new(socket, sealer, overhead, streams.collect()));
        }
        let (sealers, openers) = node::keys(receivers)?;
        let sink = Sink::drain(sink_sockets)?;
        check(cast, &sink, openers);
        let receivers = cast.feedback.then(|| Receivers::new(sealers));
        let player = Player::new(cast, sending, receivers, sink, to, profile);
        Ok(Self {
            supervisor,
            worker,
            player: Some(player),
            _handles: handles,
            events,
        })
    }

    /// Lets the senders send for so long.
    pub async fn play(&mut self, tempo: Tempo, time: Duration) -> Result<Span> {
        let mut player = self.player.take().context("a player that has not failed")?;
        let before = stats(&self.worker).await?;
        let playing = tokio::task::spawn_blocking(move || {
            let played = player.play(tempo, time);
            (player, played)
        });
        let (player, played) = playing.await?;
        self.player = Some(player);
        let after = stats(&self.worker).await?;
        Ok(Span::between(&before, &after, played?))
    }

    /// What it costs to do nothing but seal and send frames of eight equal packets to all receivers, microseconds a packet.
    pub fn bare(&mut self, frames: usize, near: IpAddr) -> Result<f64> {
        let player = self.player.as_mut();
        player
            .context("a player that has not failed")?
            .bare(frames, near)
    }

    /// Packets that receivers checked, and how many of them were wrong or not the next ones.
    pub fn checked(&self) -> (u64, u64) {
        self.player.as_ref().map_or((0, 0), Player::checked)
    }

    /// Ends the worker.
    pub async fn close(self) {
        self.supervisor.shutdown().await;
        self.events.abort();
    }
}

impl Span {
    fn between(before: &WorkerStats, after: &WorkerStats, played: Played) -> Self {
        let seconds = played.time.as_secs_f64();
        let sent = after.datagrams_sent - before.datagrams_sent;
        let cpu = (after.cpu_time_us - before.cpu_time_us) as f64;
        let messages =
            after.group_sizes.iter().sum::<u64>() - before.group_sizes.iter().sum::<u64>();
        Self {
            rate: sent as f64 / seconds,
            bitrate: (after.bytes_sent - before.bytes_sent) as f64 * 8.0 / seconds,
            load: cpu / 1e6 / seconds,
            us_per_packet: cpu / sent.max(1) as f64,
            group: sent as f64 / messages.max(1) as f64,
            hold_us: after.hold_us,
            missing: played.missing,
            delays: played.delays,
            memory: after.memory,
        }
    }
}

impl Handles {
    /// Everybody who sends produces, everybody else consumes that.
    async fn stage(&mut self, cast: &Cast) -> Result<()> {
        let (senders, receivers) = self.transports.split_at(cast.rooms * cast.senders);
        for (number, transport) in (0..).zip(senders) {
            for (kind, track) in (0..).zip(&cast.tracks) {
                let id = ProducerId::random();
                let parameters = produced(cast, track, sent(number, kind));
                let handle = transport.produce(id, parameters, false).await?;
                self.producers.push((id, handle));
            }
        }
        let mut rooms = self.producers.chunks(cast.senders * cast.tracks.len());
        for receivers in receivers.chunks(cast.receivers) {
            let producers = rooms.next().unwrap_or_default();
            for transport in receivers {
                for (index, (producer, _)) in (0..).zip(producers) {
                    let track = &cast.tracks[index as usize % cast.tracks.len()];
                    let parameters = consumed(cast, track, received(index));
                    let id = ConsumerId::random();
                    let handle = transport.consume(id, *producer, parameters, false).await?;
                    self.consumers.push(handle);
                }
            }
        }
        Ok(())
    }
}

fn config(cast: &Cast, ip: IpAddr) -> Result<SupervisorConfig> {
    let executable = std::env::current_exe()?.with_file_name("plenum-worker");
    if !executable.exists() {
        bail!(
            "{} is missing: cargo build --release --package plenum-worker",
            executable.display()
        );
    }
    Ok(SupervisorConfig {
        listen: vec![ListenInfo::new(ip)],
        min_port: 0,
        executable,
        arguments: Vec::new(),
        consent_timeout: Duration::from_hours(1),
        max_hold: cast.hold,
        srtp_profiles: vec![cast.profile.into()],
        ..SupervisorConfig::default()
    })
}

async fn join(
    router: &RouterHandle,
    sockets: &[UdpSocket],
    handles: &mut Handles,
) -> Result<Vec<TestPeer>> {
    let mut all = Vec::with_capacity(sockets.len());
    for sockets in sockets.chunks(AT_ONCE) {
        let mut peers = Vec::with_capacity(sockets.len());
        for socket in sockets {
            let id = TransportId::random();
            let options = node::path(play::PATH_BITRATE);
            let (transport, info) = router.create_webrtc_transport(id, options).await?;
            let peer = TestPeer::new(socket.local_addr(), &info, std::time::Instant::now())?;
            transport.connect(peer.dtls_parameters()).await?;
            handles.transports.push(transport);
            peers.push(peer);
        }
        handshake::run(&mut peers, sockets)?;
        all.extend(peers);
    }
    Ok(all)
}

/// A few receivers of each room, of what the first sender's first track is.
fn check(cast: &Cast, sink: &Sink, openers: Vec<Opener>) {
    let every = SAMPLE_EVERY.min(cast.receivers);
    for (index, opener) in openers.into_iter().enumerate().step_by(every) {
        sink.check_by_ssrc(index, opener, received(0));
    }
}

/// SSRC of a sender's track; the next one is that of its retransmissions.
const fn sent(number: u32, kind: u32) -> u32 {
    1000 + 100 * number + 2 * kind
}

/// SSRC of what everybody gets of producer `index`.
const fn received(index: u32) -> u32 {
    100_000 + 2 * index
}

fn produced(cast: &Cast, track: &Track, ssrc: u32) -> ReceiveParameters {
    let mut parameters = match track.payload {
        Payload::Opus => opus(ssrc),
        Payload::Vp8 => video(CodecKind::Vp8, "video/VP8", vec![encoding(ssrc)]),
        Payload::H264 => video(CodecKind::H264, "video/H264", vec![encoding(ssrc)]),
    };
    if !cast.feedback {
        (parameters.mid, parameters.extensions) = (None, Vec::new());
        parameters.codecs[0].feedback.transport_cc = false;
    }
    parameters
}

fn consumed(cast: &Cast, track: &Track, ssrc: u32) -> SendParameters {
    let mut parameters = match track.payload {
        Payload::Opus => opus_receiver(ssrc),
        Payload::Vp8 => video_receiver(CodecKind::Vp8, "video/VP8", ssrc),
        Payload::H264 => video_receiver(CodecKind::H264, "video/H264", ssrc),
    };
    if !cast.feedback {
        (parameters.mid, parameters.extensions) = (None, Vec::new());
        parameters.codecs[0].feedback.transport_cc = false;
    }
    parameters
}

async fn stats(worker: &Worker) -> Result<WorkerStats> {
    match worker.request(Request::WorkerStats).await? {
        Answer::WorkerStats(stats) => Ok(*stats),
        _ => bail!("the worker answered something else"),
    }
}
