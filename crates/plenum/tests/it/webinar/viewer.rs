//! One of the audience: receives, and comes again when thrown out.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use plenum_rtp::RtpHeader;
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    task::JoinHandle,
    time::{interval, sleep},
};

use crate::{
    bot::{
        media::{Line, stream},
        wire::{Message, Trouble, Wire},
    },
    client::receiver_capabilities,
    node::door,
};

/// A viewer; gone when dropped.
pub(crate) struct Viewer {
    pub(crate) name: String,
    pub(crate) watch: Arc<Watch>,
    task: JoinHandle<()>,
}

/// What a viewer has noticed.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    connections: AtomicU32,
    new_peers: AtomicU32,
    unopened: AtomicU32,
    /// When sound and picture came for the first time, each.
    since: Mutex<[Option<Instant>; 2]>,
}

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(250);

/// Thousands look after their timers only so often once they are connected.
const PACE: Duration = Duration::from_secs(2);

/// While they are not: a lost check or flight is repeated about as fast by browsers.
const HANDSHAKE_PACE: Duration = Duration::from_millis(100);

impl Viewer {
    pub(crate) fn start(
        port: u16,
        room: &'static str,
        name: String,
        capabilities: Value,
        turnstile: Arc<Semaphore>,
    ) -> Self {
        let watch = Arc::new(Watch::default());
        let task = {
            let (name, watch) = (name.clone(), Arc::clone(&watch));
            tokio::spawn(async move {
                loop {
                    let turn = turnstile.acquire().await.expect("never closed");
                    if let Some(mut wire) = Wire::connect(door(port), None, room, &name).await
                        && let Ok(line) = join(&mut wire, &name, &capabilities).await
                    {
                        drop(turn);
                        watch.connections.fetch_add(1, Relaxed);
                        look_on(&mut wire, line, &watch).await;
                    } else {
                        drop(turn);
                    }
                    sleep(RETRY).await;
                }
            })
        };
        Self { name, watch, task }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Relaxed)
    }

    pub(crate) fn new_peers(&self) -> u32 {
        self.new_peers.load(Relaxed)
    }

    pub(crate) fn unopened(&self) -> u32 {
        self.unopened.load(Relaxed)
    }

    /// Since when there have been both sound and picture.
    pub(crate) fn sees(&self) -> Option<Instant> {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let [sound, picture] = *since;
        Some(sound?.max(picture?))
    }

    /// Begins anew.
    pub(crate) fn forget(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = [None; 2];
    }

    fn note(&self, is_picture: bool) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since[usize::from(is_picture)].get_or_insert_with(Instant::now);
    }
}

/// What a receiver says of itself that tells nothing of its path: thousands of feedback packets a second would be the test.
pub(crate) fn without_estimation(router: &Value) -> Value {
    let mut capabilities = receiver_capabilities(router);
    let keep = |list: &mut Value, wanted: &dyn Fn(&Value) -> bool| {
        list.as_array_mut().expect("a list").retain(|it| wanted(it));
    };
    keep(&mut capabilities["headerExtensions"], &|extension| {
        let uri = extension["uri"].as_str().unwrap_or_default();
        !uri.contains("transport-wide-cc") && !uri.contains("abs-send-time")
    });
    for codec in capabilities["codecs"].as_array_mut().expect("a list") {
        if codec["rtcpFeedback"].is_array() {
            keep(&mut codec["rtcpFeedback"], &|feedback| {
                feedback["type"] != "transport-cc" && feedback["type"] != "goog-remb"
            });
        }
    }
    capabilities
}

async fn join(wire: &mut Wire, name: &str, capabilities: &Value) -> Result<Line, Trouble> {
    let wish = json!({"forceTcp": false, "producing": false, "consuming": true});
    let transport = wire.ask("createWebRtcTransport", wish).await?;
    let line = Line::open(&transport).await;
    let dtls = json!(line.peer.dtls_parameters());
    let connect = json!({"transportId": transport["id"], "dtlsParameters": dtls});
    wire.ask("connectWebRtcTransport", connect).await?;
    let join = json!({
        "displayName": name,
        "device": {"flag": "bot", "name": "Bot", "version": "1"},
        "rtpCapabilities": capabilities,
    });
    wire.ask("join", join).await?;
    Ok(line)
}

/// Until the connection ends.
async fn look_on(wire: &mut Wire, mut line: Line, watch: &Watch) {
    let mut pictures = HashMap::new();
    let (mut soon, mut later) = (interval(HANDSHAKE_PACE), interval(PACE));
    loop {
        line.take_datagrams();
        while let Some(packet) = line.peer.poll_received() {
            let header = RtpHeader::parse(&packet).expect("opened packets are whole");
            if let Some(is_picture) = pictures.get(&header.ssrc) {
                watch.note(*is_picture);
            }
        }
        watch.unopened.store(line.peer.failures, Relaxed);
        line.flush();
        let is_connected = line.peer.is_connected();
        tokio::select! {
            message = wire.next() => match message {
                Ok(Message::Request(id, method, data)) => {
                    if method == "newConsumer" {
                        let stream = stream(&data["rtpParameters"]);
                        pictures.insert(stream.ssrc, data["kind"] == "video");
                        line.peer.add_receiver(stream);
                    }
                    wire.accept(id).await;
                }
                Ok(Message::Notification(method, _)) => {
                    let is_new = method == "newPeer";
                    watch.new_peers.fetch_add(is_new.into(), Relaxed);
                }
                Ok(Message::Response(_)) => {}
                Err(_) => return,
            },
            _ = line.socket.readable() => {}
            _ = soon.tick(), if !is_connected => {}
            _ = later.tick(), if is_connected => {}
        }
    }
}
