//! One connection to another node, from the moment that both know each other.

use std::{
    borrow::Cow,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use plenum_ids::NodeEpoch;
use serde_json::Value;
use tokio::{sync::watch, time::Instant};
use tokio_rustls::TlsStream;

use crate::{
    Channel, DownReason, Handler, LinkConfig, LinkError, LinkFigures, Peer,
    channels::{ChannelLimits, Channels},
    frame::{Decoder, Frame, Goodbye, encode},
    handshake::{Evidence, Met},
    identity::Trust,
    outbox::{Outbox, PushError},
    requests::{Answering, Asked, NotAsked, Waiting},
};

use heartbeats::Heartbeats;

mod answers;
mod heartbeats;
mod incoming;
pub(crate) mod running;

/// A connection. What is asked and told over it is lined up here; [`Connection::run`] moves the bytes.
///
/// It ends in two ways. When it *parts*, nothing new goes over it from either side, and what was begun goes on, for a
/// while; both say goodbye and close when nothing is left. When it *stops*, it is over at once.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: Peer,
    pub(crate) build: String,
    pub(crate) version: u32,
    pub(crate) address: SocketAddr,
    pub(crate) advertised: Option<String>,
    /// By this node.
    pub(crate) dialled: bool,
    config: Arc<LinkConfig>,
    outbox: Arc<Outbox>,
    channels: Arc<Channels>,
    asked: Arc<Asked>,
    answering: Arc<Answering>,
    evidence: Mutex<Evidence>,
    parting: Mutex<Parting>,
    stop: watch::Sender<Option<DownReason>>,
    heartbeats: Heartbeats,
    /// Something came since somebody looked.
    heard: AtomicBool,
    began: Instant,
    /// When something else than heartbeats went over it, in milliseconds since it began.
    used_ms: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

/// Who has said goodbye.
#[derive(Debug, Default)]
struct Parting {
    said: Option<(Instant, DownReason)>,
    heard: Option<DownReason>,
    over: bool,
}

/// What a connection needs of the one who has it.
pub(crate) trait Owner: Send + Sync + 'static {
    /// Who answers requests.
    fn handler(&self) -> &Arc<dyn Handler>;
    /// What counts for secrets and certificates now.
    fn trusts(&self, connection: &Connection) -> bool;
    /// Nothing new goes over this connection any more.
    fn parted(&self, connection: &Connection, reason: DownReason);
    /// The other side says that this node is stale.
    fn fenced(&self, told_by: &Peer, by: Option<NodeEpoch>);
}

/// What remains to be moved.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TlsStream<tokio::net::TcpStream>,
    decoder: Decoder,
}

impl Connection {
    pub(crate) fn new(met: Met, config: Arc<LinkConfig>) -> (Arc<Self>, Wire) {
        let limits = &config.limits;
        let peer = Peer {
            node: met.theirs.node,
            epoch: met.theirs.epoch,
        };
        let outbox = Arc::new(Outbox::new(limits.queue_bytes));
        let channel_limits = ChannelLimits {
            channels: limits.channels,
            frame_bytes: limits.frame_bytes,
            untaken: limits.channel_bytes,
        };
        let channels = Channels::new(
            Arc::clone(&outbox),
            peer.clone(),
            met.dialled,
            channel_limits,
        );
        let mut decoder = met.decoder;
        decoder.set_limit(limits.frame_bytes);
        let wire = Wire {
            stream: met.stream,
            decoder,
        };
        let connection = Self {
            peer,
            build: met.theirs.build,
            version: met.version,
            address: met.address,
            advertised: met.theirs.address,
            dialled: met.dialled,
            outbox,
            channels: Arc::new(channels),
            asked: Arc::new(Asked::new(limits.requests)),
            answering: Arc::new(Answering::new(limits)),
            evidence: Mutex::new(met.evidence),
            parting: Mutex::default(),
            stop: watch::Sender::new(None),
            heartbeats: Heartbeats::default(),
            heard: AtomicBool::new(true),
            began: Instant::now(),
            used_ms: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            config,
        };
        (Arc::new(connection), wire)
    }

    /// Asks something.
    pub(crate) fn ask(
        &self,
        method: &str,
        body: &Value,
        within: Duration,
    ) -> Result<Waiting, NotAsked> {
        let waiting = self.asked.begin()?;
        self.begin_something(&Frame::Request {
            id: waiting.id,
            method: Cow::Borrowed(method),
            body: Cow::Borrowed(body),
            within_ms: u64::try_from(within.as_millis()).ok(),
        })?;
        Ok(waiting)
    }

    /// Tells something.
    pub(crate) fn tell(&self, method: &str, body: &Value) -> Result<(), NotAsked> {
        self.begin_something(&Frame::Notice {
            method: Cow::Borrowed(method),
            body: Cow::Borrowed(body),
        })
    }

    /// Opens a channel.
    pub(crate) fn open(&self, name: &str, body: &Value) -> Result<Channel, NotAsked> {
        // Looked at under the lock under which goodbye is said, so that nothing comes behind it.
        let parting = self.parting();
        if !parting.takes_new() {
            return Err(NotAsked::Over);
        }
        self.mark_used();
        self.channels.open(name, body).map_err(|err| match err {
            LinkError::Unreachable { .. } | LinkError::Lost => NotAsked::Over,
            err => NotAsked::Failed(err),
        })
    }

    /// Whether new things may go over it.
    pub(crate) fn takes_new(&self) -> bool {
        self.parting().takes_new()
    }

    /// Whether it was stopped, or has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.parting().over
    }

    /// Nothing new goes over it from here. Whoever has it looks for another one.
    pub(crate) fn part(&self, reason: DownReason) {
        let mut parting = self.parting();
        if parting.said.is_none() && !parting.over {
            parting.said = Some((Instant::now(), reason));
            self.say(&goodbye(reason, None));
        }
    }

    /// It is over. `by`: the epoch of the other side's node that is connected, if that is why.
    pub(crate) fn stop(&self, reason: DownReason, by: Option<NodeEpoch>) {
        {
            let mut parting = self.parting();
            if parting.over {
                return;
            }
            parting.over = true;
        }
        self.outbox.finish(self.encoded(&goodbye(reason, by)));
        self.stop.send_replace(Some(reason));
    }

    /// Nobody waits for anything on it any more.
    fn end_all(&self) {
        self.asked.end_all();
        self.channels.end_all();
        self.answering.end_all();
    }

    /// What moved its bytes has failed.
    pub(crate) fn give_up(&self) {
        self.stop(DownReason::Broken, None);
        self.end_all();
    }

    /// Completes when the other side has answered a heartbeat that is sent now; `false`: it is over before.
    pub(crate) async fn is_alive(&self) -> bool {
        let number = self.ping();
        let mut pongs = self.heartbeats.subscribe();
        let mut stop = self.stop.subscribe();
        tokio::select! {
            answered = pongs.wait_for(|answered| *answered > number) => answered.is_ok(),
            _ = stop.wait_for(Option::is_some) => false,
        }
    }

    /// What this node shows and accepts has changed. Whether the other side is still believed.
    pub(crate) fn prove_again(&self, trust: &Trust) -> bool {
        if let Trust::Secrets(secrets) = trust {
            let macs = self.evidence().prove(secrets);
            self.say(&Frame::Proof { macs });
        }
        self.is_trusted(trust)
    }

    /// Whether what the other side has shown is good.
    pub(crate) fn is_trusted(&self, trust: &Trust) -> bool {
        self.evidence().is_good(trust, self.dialled)
    }

    pub(crate) fn figures(&self) -> LinkFigures {
        LinkFigures {
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            queued_bytes: self.outbox.queued() as u64,
            round_trip: self.heartbeats.round_trip(),
            asked: self.asked.len(),
            answering: self.answering.len(),
            channels: self.channels.len(),
        }
    }

    fn begin_something(&self, frame: &Frame<'_>) -> Result<(), NotAsked> {
        let frame = encode(frame, self.config.limits.frame_bytes)
            .map_err(|err| NotAsked::Failed(err.into()))?;
        let parting = self.parting();
        if !parting.takes_new() {
            return Err(NotAsked::Over);
        }
        self.mark_used();
        self.outbox.try_push(frame).map_err(|err| match err {
            PushError::Closed => NotAsked::Over,
            PushError::Full => NotAsked::Failed(LinkError::Overloaded),
        })
    }

    /// Says something that nobody asked room for. If there is no room, the one who writes ends the connection, as the
    /// other side does not read.
    fn say(&self, frame: &Frame<'_>) {
        if let Some(frame) = self.encoded(frame)
            && self.outbox.push_unasked(frame) == Err(PushError::Full)
        {
            self.stop.send_replace(Some(DownReason::Stalled));
        }
    }

    fn ping(&self) -> u64 {
        let number = self.heartbeats.begin();
        self.say_at_once(&Frame::Ping { number });
        number
    }

    fn say_at_once(&self, frame: &Frame<'_>) {
        if let Some(frame) = self.encoded(frame)
            && self.outbox.push_urgent(frame) == Err(PushError::Full)
        {
            self.stop.send_replace(Some(DownReason::Stalled));
        }
    }

    fn encoded(&self, frame: &Frame<'_>) -> Option<Vec<u8>> {
        encode(frame, self.config.limits.frame_bytes).ok()
    }

    fn mark_used(&self) {
        self.used_ms
            .store(self.began.elapsed().as_millis() as u64, Relaxed);
    }

    fn parting(&self) -> MutexGuard<'_, Parting> {
        self.parting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn evidence(&self) -> MutexGuard<'_, Evidence> {
        self.evidence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Parting {
    fn takes_new(&self) -> bool {
        self.said.is_none() && self.heard.is_none() && !self.over
    }

    /// Both have said goodbye: why.
    fn is_mutual(&self) -> Option<DownReason> {
        let (_, said) = self.said?;
        self.heard.map(|_| said)
    }
}

fn goodbye(reason: DownReason, by: Option<NodeEpoch>) -> Frame<'static> {
    let code = match reason {
        DownReason::Idle => Goodbye::Idle,
        DownReason::Malformed => Goodbye::Malformed,
        DownReason::Replaced => Goodbye::StaleEpoch,
        DownReason::Stalled => Goodbye::Stalled,
        DownReason::Broken | DownReason::Ended | DownReason::Silent => Goodbye::Ended,
    };
    Frame::Goodbye { code, by }
}
