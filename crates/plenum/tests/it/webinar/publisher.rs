//! Who everybody came for: little sound and picture, and back at once when thrown out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use plenum_testkit::{
    media::{OpusSource, VideoFormat, VideoSource},
    peer::SendStream,
};
use serde_json::{Value, json};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{interval, sleep},
};

use crate::{
    bot::{
        media::{Line, rtp_parameters, source, ssrc},
        wire::{Message, Trouble, Wire},
    },
    client::receiver_capabilities,
    node::door,
};

/// A packet of sound and a picture each second: it is the number of receivers that counts here.
const PACE: Duration = Duration::from_secs(1);

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(250);

const SOUND: usize = 60;
const PICTURE: usize = 600;

/// The publisher; gone when dropped.
pub(crate) struct Publisher {
    /// What the room's routers offer.
    pub(crate) capabilities: Value,
    connections: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Publisher {
    /// Returns when it sends.
    pub(crate) async fn start(port: u16, room: &'static str) -> Self {
        let connections = Arc::new(AtomicU32::new(0));
        let (ready, sends) = oneshot::channel();
        let task = tokio::spawn(live(port, room, Arc::clone(&connections), ready));
        let capabilities = sends.await.expect("joins");
        Self {
            capabilities,
            connections,
            task,
        }
    }

    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Relaxed)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn live(port: u16, room: &str, connections: Arc<AtomicU32>, ready: oneshot::Sender<Value>) {
    let mut ready = Some(ready);
    loop {
        if let Some(mut wire) = Wire::connect(door(port), None, room, "publisher").await
            && let Ok((capabilities, line)) = join(&mut wire).await
        {
            let generation = connections.fetch_add(1, Relaxed) + 1;
            if let Some(ready) = ready.take() {
                let _ = ready.send(capabilities);
            }
            publish(&mut wire, line, generation).await;
        }
        sleep(RETRY).await;
    }
}

async fn join(wire: &mut Wire) -> Result<(Value, Line), Trouble> {
    let capabilities = wire.ask("getRouterRtpCapabilities", json!({})).await?;
    let wish = json!({"forceTcp": false, "producing": true, "consuming": false});
    let transport = wire.ask("createWebRtcTransport", wish).await?;
    let mut line = Line::open(&transport).await;
    let dtls = json!(line.peer.dtls_parameters());
    let connect = json!({"transportId": transport["id"], "dtlsParameters": dtls});
    wire.ask("connectWebRtcTransport", connect).await?;
    let join = json!({
        "displayName": "Publisher",
        "device": {"flag": "bot", "name": "Bot", "version": "1"},
        "rtpCapabilities": receiver_capabilities(&capabilities),
    });
    wire.ask("join", join).await?;
    for kind in ["audio", "video"] {
        let data = json!({
            "transportId": transport["id"],
            "kind": kind,
            "rtpParameters": rtp_parameters(0, kind),
            "appData": {},
        });
        wire.ask("produce", data).await?;
    }
    let (audio, video) = (ssrc(0, "audio"), ssrc(0, "video"));
    line.peer.add_sender(SendStream::new(audio, None));
    let rtx = Some((video + 1, 97));
    line.peer.add_sender(SendStream::new(video, rtx));
    Ok((capabilities, line))
}

/// Until the connection ends.
async fn publish(wire: &mut Wire, mut line: Line, generation: u32) {
    let mut sound = OpusSource::new(source(0, "audio", generation));
    let mut picture = VideoSource::new(source(0, "video", generation), VideoFormat::Vp8, 1);
    let started = Instant::now();
    let mut pictures = interval(PACE);
    // Checks, handshake and retransmissions.
    let mut turns = interval(Duration::from_millis(20));
    let (mut first, mut answered) = (true, 0);
    loop {
        tokio::select! {
            message = wire.next() => match message {
                Ok(Message::Request(id, ..)) => wire.accept(id).await,
                Ok(_) => {}
                Err(_) => return,
            },
            _ = line.socket.readable() => {}
            _ = turns.tick() => {}
            _ = pictures.tick(), if line.peer.is_connected() => {
                let elapsed = started.elapsed();
                line.peer.send_rtp(&sound.speech(elapsed, SOUND, 20));
                let asked = line.peer.key_frame_requests.get(&ssrc(0, "video"));
                let asked = asked.copied().unwrap_or_default();
                let is_key = std::mem::take(&mut first) || asked > answered;
                answered = asked;
                for packet in picture.frame(elapsed, is_key, PICTURE) {
                    line.peer.send_rtp(&packet);
                }
            }
        }
        line.take_datagrams();
        line.flush();
    }
}
