//! Somebody who sends sound, a picture in three sizes, and messages, and somebody who looks closely at what arrives.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use plenum_rtp::{NtpTime, RtpHeader};
use plenum_sctp::{Reliability, Settings};
use plenum_testkit::{
    media::{ExtensionIds, OpusSource, RtpSource, RtpSourceConfig, VideoFormat, VideoSource},
    peer::{ReceiveStream, SendStream},
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    bot::media::{Line, video},
    client::{Client, chromium_audio, receiver_capabilities},
};

const SOUND_SSRC: u32 = 4001;

/// The picture's streams, each followed by the SSRC of its retransmissions.
const PICTURE_SSRCS: [u32; 3] = [5001, 5003, 5005];

/// Bytes of a picture in each of them, by which they are told apart: each is one packet.
const PICTURE_BYTES: [usize; 3] = [100, 400, 1000];

const SOUND_BYTES: usize = 60;

/// Time between two pictures, in packets of sound: ten a second.
const SOUNDS_PER_PICTURE: u32 = 5;

/// The streams that messages are written on: to everybody, and to the room's bot.
const CHAT: u16 = 1;
const BOT: u16 = 2;

/// How loud somebody is who speaks, in dBov below the loudest.
const VOICE: u8 = 20;

/// What `chromium_audio` calls the header extension that says it.
const AUDIO_LEVEL: u8 = 1;

/// What RFC 8831 §8 gives texts.
const TEXT: u32 = 51;

/// Sends from the moment it has joined; gone when dropped.
pub(super) struct Speaker {
    pub(super) client: Client,
    pub(super) sound: Value,
    pub(super) picture: Value,
    transport: Value,
    messages: UnboundedSender<(u16, String)>,
    asked: Arc<Mutex<[u32; 3]>>,
    how: Arc<Mutex<How>>,
    task: JoinHandle<()>,
}

/// How a speaker sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// In dBov below the loudest; nobody hears 127.
    pub(super) level: u8,
    /// How many sizes of the picture, the smallest first.
    pub(super) sizes: usize,
}

/// Takes what it is offered.
pub(super) struct Viewer {
    pub(super) client: Client,
    pub(super) seen: Arc<Mutex<Seen>>,
    streams: UnboundedSender<ReceiveStream>,
    task: JoinHandle<()>,
}

/// A consumer of a viewer.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) id: Value,
    pub(super) producer: Value,
    pub(super) ssrc: u32,
}

/// What has come in.
#[derive(Debug, Default)]
pub(super) struct Seen {
    streams: HashMap<u32, Stream>,
    pub(super) messages: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    packets: u64,
    /// Bytes of the last one, without its header.
    bytes: usize,
}

impl Speaker {
    pub(super) async fn join(mut client: Client, name: &str) -> Self {
        let capabilities = client.ask("getRouterRtpCapabilities", json!({})).await;
        let (transport, line) = connect(&mut client, true).await;
        join(
            &mut client,
            name,
            &capabilities.expect("capabilities"),
            false,
        )
        .await;
        let mut produce = async |kind: &str, parameters: Value| {
            let data = json!({
                "transportId": transport["id"], "kind": kind, "rtpParameters": parameters,
            });
            let made = client.ask("produce", data).await.expect("produces");
            made["id"].clone()
        };
        let sound = produce("audio", chromium_audio(SOUND_SSRC)).await;
        let picture = produce("video", video("speaker", &PICTURE_SSRCS)).await;
        let chat = json!({
            "transportId": transport["id"], "label": "chat", "protocol": "",
            "sctpStreamParameters": {"streamId": CHAT, "ordered": true},
        });
        client.ask("produceData", chat).await.expect("writes");
        let (messages, to_say) = mpsc::unbounded_channel();
        let asked = Arc::<Mutex<[u32; 3]>>::default();
        let how = Arc::new(Mutex::new(How {
            level: VOICE,
            sizes: PICTURE_SSRCS.len(),
        }));
        let told = (Arc::clone(&how), Arc::clone(&asked));
        let task = tokio::spawn(speak(line, to_say, told));
        Self {
            client,
            sound,
            picture,
            transport,
            messages,
            asked,
            how,
            task,
        }
    }

    pub(super) fn write(&self, text: &str) {
        let message = (CHAT, text.to_owned());
        self.messages.send(message).expect("it runs");
    }

    /// May write to the room's bot from now on.
    pub(super) async fn open_bot(&mut self) {
        let bot = json!({
            "transportId": self.transport["id"], "label": "bot", "protocol": "",
            "sctpStreamParameters": {"streamId": BOT, "ordered": true},
        });
        let opened = self.client.ask("produceData", bot).await;
        opened.expect("writes to the bot");
    }

    pub(super) fn write_to_bot(&self, text: &str) {
        let message = (BOT, text.to_owned());
        self.messages.send(message).expect("it runs");
    }

    /// Goes on like this.
    pub(super) fn send_like(&self, change: impl FnOnce(&mut How)) {
        change(&mut lock(&self.how));
    }

    /// How often a key frame was asked for, for each size.
    pub(super) fn asked(&self) -> [u32; 3] {
        *lock(&self.asked)
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Viewer {
    /// With or without messages.
    pub(super) async fn join(mut client: Client, name: &str, reads: bool) -> Self {
        let capabilities = client.ask("getRouterRtpCapabilities", json!({})).await;
        let (_, line) = connect(&mut client, false).await;
        join(
            &mut client,
            name,
            &capabilities.expect("capabilities"),
            reads,
        )
        .await;
        let seen = Arc::<Mutex<Seen>>::default();
        let (streams, new_streams) = mpsc::unbounded_channel();
        let task = tokio::spawn(look_on(line, new_streams, Arc::clone(&seen)));
        Self {
            client,
            seen,
            streams,
            task,
        }
    }

    /// The next two consumers: sound and picture, in any order.
    pub(super) async fn take_both(&mut self) -> (Consumer, Consumer) {
        let (first, second) = (self.take().await, self.take().await);
        match (first, second) {
            (("audio", sound), ("video", picture)) | (("video", picture), ("audio", sound)) => {
                (sound, picture)
            }
            others => panic!("not one of each: {others:?}"),
        }
    }

    /// The next consumer, which is of sound.
    pub(super) async fn take_sound(&mut self) -> Consumer {
        match self.take().await {
            ("audio", sound) => sound,
            other => panic!("no sound: {other:?}"),
        }
    }

    /// The next consumer, and what it is.
    pub(super) async fn take(&mut self) -> (&'static str, Consumer) {
        let (id, consumer) = self.client.asked("newConsumer").await;
        let parameters = &consumer["rtpParameters"];
        let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
        let (encoding, codec) = (&parameters["encodings"][0], &parameters["codecs"][0]);
        let ssrc = number(&encoding["ssrc"]).expect("consumers have one");
        let payload_type = number(&codec["payloadType"]).expect("a number");
        let rtx = number(&encoding["rtx"]["ssrc"]);
        let mut stream = ReceiveStream::new(ssrc, rtx, payload_type.try_into().expect("7 bits"));
        stream.clock_rate = number(&codec["clockRate"]).expect("a number");
        self.streams.send(stream).expect("it runs");
        self.client.accept(id).await;
        let kind = match consumer["kind"].as_str() {
            Some("audio") => "audio",
            _ => "video",
        };
        let taken = Consumer {
            id: consumer["id"].clone(),
            producer: consumer["producerId"].clone(),
            ssrc,
        };
        (kind, taken)
    }

    /// The next two data consumers: the bot's, and somebody's, which is returned.
    pub(super) async fn take_chat(&mut self) -> Value {
        let mut chat = Value::Null;
        for _ in 0..2 {
            let (id, consumer) = self.client.asked("newDataConsumer").await;
            self.client.accept(id).await;
            if !consumer["peerId"].is_null() {
                chat = consumer;
            }
        }
        chat
    }

    /// Packets of a consumer so far.
    pub(super) fn packets(&self, consumer: &Consumer) -> u64 {
        let seen = lock(&self.seen);
        let stream = seen.streams.get(&consumer.ssrc);
        stream.map_or(0, |stream| stream.packets)
    }

    /// Which size of the picture came last.
    pub(super) fn size(&self, consumer: &Consumer) -> Option<usize> {
        let bytes = lock(&self.seen).streams.get(&consumer.ssrc)?.bytes;
        // Headers of the codec are shorter than what the sizes differ by.
        let mut sizes = PICTURE_BYTES.iter();
        sizes.position(|size| (*size..size + 100).contains(&bytes))
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn sctp() -> Value {
    json!({"numStreams": {"OS": 1024, "MIS": 1024}})
}

async fn connect(client: &mut Client, producing: bool) -> (Value, Line) {
    let options = json!({
        "forceTcp": false, "producing": producing, "consuming": !producing,
        "sctpCapabilities": sctp(),
    });
    let transport = client.ask("createWebRtcTransport", options).await;
    let transport = transport.expect("a transport");
    let mut line = Line::open(&transport).await;
    line.peer.want_data(Settings {
        max_message: 256 * 1024,
        receive_buffer: 1024 * 1024,
        streams: 1024,
    });
    let connect = json!({
        "transportId": transport["id"], "dtlsParameters": line.peer.dtls_parameters(),
    });
    let connected = client.ask("connectWebRtcTransport", connect).await;
    connected.expect("connects");
    (transport, line)
}

async fn join(client: &mut Client, name: &str, capabilities: &Value, reads: bool) {
    let mut join = json!({
        "displayName": name, "device": {}, "rtpCapabilities": receiver_capabilities(capabilities),
        "plenum": {"volumes": true, "demand": true},
    });
    if reads {
        join["sctpCapabilities"] = sctp();
    }
    client.ask("join", join).await.expect("joins");
}

fn source(ssrc: u32, (payload_type, clock_rate): (u8, u32), mid: &str) -> RtpSource {
    RtpSource::new(RtpSourceConfig {
        ssrc,
        payload_type,
        clock_rate,
        extensions: ExtensionIds {
            mid: Some((4, mid.to_owned())),
            audio_level: (mid == "0").then_some(AUDIO_LEVEL),
            ..ExtensionIds::default()
        },
        ..RtpSourceConfig::default()
    })
}

fn ntp() -> NtpTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    NtpTime::from_unix(since.expect("after 1970"))
}

/// Until the speaker is gone.
async fn speak(
    mut line: Line,
    mut messages: UnboundedReceiver<(u16, String)>,
    (how, asked): (Arc<Mutex<How>>, Arc<Mutex<[u32; 3]>>),
) {
    let mut sound = OpusSource::new(source(SOUND_SSRC, (111, 48_000), "0"));
    let video = |ssrc| VideoSource::new(source(ssrc, (96, 90_000), "1"), VideoFormat::Vp8, 1);
    let mut pictures = PICTURE_SSRCS.map(video);
    line.peer.add_sender(SendStream::new(SOUND_SSRC, None));
    for ssrc in PICTURE_SSRCS {
        let rtx = Some((ssrc + 1, 97));
        line.peer.add_sender(SendStream::new(ssrc, rtx));
    }
    let (started, mut sounds, mut answered) = (Instant::now(), 0u32, [0; 3]);
    let mut waiting: Vec<(u16, String)> = Vec::new();
    let mut ticks = interval(OpusSource::PACKET_TIME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        tokio::select! {
            _ = ticks.tick(), if line.peer.is_connected() => {
                let (elapsed, how) = (started.elapsed(), *lock(&how));
                line.peer.send_rtp(&sound.speech(elapsed, SOUND_BYTES, how.level));
                if sounds.is_multiple_of(SOUNDS_PER_PICTURE) {
                    let requests = PICTURE_SSRCS.map(|ssrc| {
                        let requests = line.peer.key_frame_requests.get(&ssrc);
                        requests.copied().unwrap_or_default()
                    });
                    let all = pictures.iter_mut().zip(PICTURE_BYTES).enumerate();
                    for (index, (picture, bytes)) in all.take(how.sizes) {
                        let is_key = sounds == 0 || requests[index] > answered[index];
                        for packet in picture.frame(elapsed, is_key, bytes) {
                            line.peer.send_rtp(&packet);
                        }
                        let timestamp = picture.rtp().timestamp(elapsed);
                        let ssrc = PICTURE_SSRCS[index];
                        line.peer.send_sender_report(ssrc, ntp(), timestamp);
                    }
                    answered = requests;
                    *lock(&asked) = requests;
                }
                sounds += 1;
            }
            _ = line.socket.readable() => {}
            Some(message) = messages.recv() => waiting.push(message),
            () = tokio::time::sleep(Duration::from_millis(20)), if !line.peer.is_connected() => {}
        }
        line.take_datagrams();
        if line.peer.has_data() {
            for (stream, message) in waiting.drain(..) {
                let how = (stream, Reliability::default());
                let sent = line.peer.send_message(Instant::now(), how, TEXT, message);
                sent.expect("a short message");
            }
        }
        line.flush();
    }
}

/// Until the viewer is gone.
async fn look_on(
    mut line: Line,
    mut new_streams: UnboundedReceiver<ReceiveStream>,
    seen: Arc<Mutex<Seen>>,
) {
    let mut turns = interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            _ = line.socket.readable() => {}
            Some(stream) = new_streams.recv() => line.peer.add_receiver(stream),
        }
        line.take_datagrams();
        let mut seen = lock(&seen);
        while let Some(packet) = line.peer.poll_received() {
            let header = RtpHeader::parse(&packet).expect("opened packets are whole");
            let bytes = packet.len() - header.header_len;
            let stream = seen.streams.entry(header.ssrc);
            let stream = stream.or_insert(Stream { packets: 0, bytes });
            stream.packets += 1;
            stream.bytes = bytes;
        }
        while let Some(message) = line.peer.poll_message() {
            let text = String::from_utf8_lossy(&message.data);
            seen.messages.push(text.into_owned());
        }
        drop(seen);
        line.flush();
    }
}
