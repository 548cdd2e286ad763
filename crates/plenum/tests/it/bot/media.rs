//! The media of one session of a bot: a sending and a receiving transport on sockets of their own.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Instant,
};

use plenum_params::transport::{
    DtlsParameters, DtlsRole, IceCandidate, IceParameters, Protocol, WebRtcTransportInfo,
};
use plenum_rtp::RtpHeader;
use plenum_testkit::{
    media::{ExtensionIds, OpusSource, RtpSource, RtpSourceConfig, VideoFormat, VideoSource},
    peer::{ReceiveStream, SendStream, TestPeer},
};
use serde_json::{Value, json};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{Ledger, Source, lock};
use crate::client::chromium_audio;

/// Stops when dropped, without a word to the server, as when a browser's page is closed.
pub(crate) struct Media {
    dtls: [DtlsParameters; 2],
    streams: mpsc::UnboundedSender<Value>,
    task: JoinHandle<()>,
}

/// Time between two pictures, in packets of sound: ten a second are enough to see gaps, and little to encrypt.
const SOUNDS_PER_PICTURE: u32 = 5;

/// Bytes of a packet of sound, and of a picture.
const SOUND: usize = 60;
const PICTURE: usize = 600;

impl Media {
    /// Begins to connect to both transports, the sending one first.
    pub(crate) async fn start(
        number: u32,
        generation: u32,
        transports: [&Value; 2],
        ledger: Arc<Mutex<Ledger>>,
    ) -> Self {
        let [send, receive] = transports;
        let (send, receive) = (Line::open(send).await, Line::open(receive).await);
        let dtls = [send.peer.dtls_parameters(), receive.peer.dtls_parameters()];
        let (streams, new_streams) = mpsc::unbounded_channel();
        let media = Running {
            send,
            receive,
            sound: OpusSource::new(source(number, "audio", generation)),
            picture: VideoSource::new(source(number, "video", generation), VideoFormat::Vp8, 1),
            started: Instant::now(),
            sounds: 0,
            answered: 0,
            sources: HashMap::new(),
            generation,
            ledger,
        };
        Self {
            dtls,
            streams,
            task: tokio::spawn(media.run(number, new_streams)),
        }
    }

    /// In the order of the transports.
    pub(crate) fn dtls_parameters(&self) -> [Value; 2] {
        self.dtls.clone().map(|dtls| json!(dtls))
    }

    /// Listens to a new consumer.
    pub(crate) fn receive(&self, new_consumer: &Value) {
        let _ = self.streams.send(new_consumer.clone());
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One transport's client side.
pub(crate) struct Line {
    pub(crate) peer: TestPeer,
    pub(crate) socket: UdpSocket,
}

impl Line {
    pub(crate) async fn open(transport: &Value) -> Self {
        // A server that is not on this machine's loopback is not reached from there.
        let server = transport["iceCandidates"][0]["ip"].as_str().expect("text");
        let ip = match server.parse() {
            Ok(IpAddr::V4(ip)) if !ip.is_loopback() => Ipv4Addr::UNSPECIFIED,
            _ => Ipv4Addr::LOCALHOST,
        };
        let socket = UdpSocket::bind((ip, 0)).await.expect("a port");
        let address = socket.local_addr().expect("bound");
        let peer = TestPeer::new(address, &info(transport), Instant::now()).expect("DTLS");
        Self { peer, socket }
    }

    pub(crate) fn flush(&mut self) {
        while let Some(datagram) = self.peer.poll_transmit() {
            // A full socket loses, as networks do; a dead worker's port refuses.
            let _ = self.socket.try_send_to(&datagram, self.peer.remote);
        }
    }

    pub(crate) fn take_datagrams(&mut self) {
        let mut buffer = [0; 2048];
        let now = Instant::now();
        while let Ok((length, _)) = self.socket.try_recv_from(&mut buffer) {
            self.peer.handle_datagram(now, &buffer[..length]);
        }
        if self.peer.poll_timeout().is_some_and(|due| due <= now) {
            self.peer.handle_timeout(now);
        }
    }
}

/// What arrives by these parameters.
pub(crate) fn stream(parameters: &Value) -> ReceiveStream {
    let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
    let (encoding, codec) = (&parameters["encodings"][0], &parameters["codecs"][0]);
    let payload_type = number(&codec["payloadType"]).expect("a number");
    let mut stream = ReceiveStream::new(
        number(&encoding["ssrc"]).expect("consumers have one"),
        number(&encoding["rtx"]["ssrc"]),
        payload_type.try_into().expect("7 bits"),
    );
    stream.clock_rate = number(&codec["clockRate"]).expect("a number");
    stream
}

fn info(transport: &Value) -> WebRtcTransportInfo {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let candidate = &transport["iceCandidates"][0];
    let ice = &transport["iceParameters"];
    WebRtcTransportInfo {
        ice_parameters: IceParameters {
            username_fragment: text(&ice["usernameFragment"]),
            password: text(&ice["password"]),
        },
        ice_candidates: vec![IceCandidate {
            foundation: "1".to_owned(),
            priority: 1,
            address: text(&candidate["ip"]).parse().expect("an address"),
            port: candidate["port"]
                .as_u64()
                .and_then(|port| port.try_into().ok())
                .expect("a port"),
            protocol: Protocol::Udp,
        }],
        dtls_parameters: DtlsParameters {
            role: DtlsRole::Auto,
            fingerprints: Vec::new(),
        },
        sctp_parameters: None,
    }
}

pub(crate) fn ssrc(number: u32, kind: &str) -> u32 {
    number * 10
        + if kind == "audio" {
            1_000_001
        } else {
            1_000_003
        }
}

/// What `produce` says of a bot's streams.
pub(crate) fn rtp_parameters(number: u32, kind: &str) -> Value {
    let ssrc = ssrc(number, kind);
    if kind == "audio" {
        return chromium_audio(ssrc);
    }
    video("bot", &[ssrc])
}

/// What `produce` says of a picture in these streams, each followed by the SSRC of its retransmissions.
pub(crate) fn video(cname: &str, ssrcs: &[u32]) -> Value {
    let encoding = |ssrc: &u32| json!({"ssrc": ssrc, "rtx": {"ssrc": ssrc + 1}});
    let encodings: Vec<Value> = ssrcs.iter().map(encoding).collect();
    json!({
        "mid": "1",
        "codecs": [
            {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000, "parameters": {}, "rtcpFeedback": [
                {"type": "transport-cc", "parameter": ""}, {"type": "ccm", "parameter": "fir"},
                {"type": "nack", "parameter": ""}, {"type": "nack", "parameter": "pli"},
            ]},
            {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}, "rtcpFeedback": []},
        ],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4, "encrypt": false, "parameters": {}},
        ],
        "encodings": encodings,
        "rtcp": {"cname": cname, "reducedSize": true},
    })
}

pub(crate) fn source(number: u32, kind: &str, generation: u32) -> RtpSource {
    let (payload_type, clock_rate, mid) = match kind {
        "audio" => (111, 48_000, "0"),
        _ => (96, 90_000, "1"),
    };
    RtpSource::new(RtpSourceConfig {
        ssrc: ssrc(number, kind),
        payload_type,
        clock_rate,
        // Encoders of different connections do not know of each other.
        first_sequence_number: (generation * 1000) as u16,
        first_timestamp: generation.wrapping_mul(0x0123_4567),
        extensions: ExtensionIds {
            mid: Some((4, mid.to_owned())),
            ..ExtensionIds::default()
        },
    })
}

struct Running {
    send: Line,
    receive: Line,
    sound: OpusSource,
    picture: VideoSource,
    started: Instant,
    sounds: u32,
    /// Key frame requests that were answered.
    answered: u32,
    sources: HashMap<u32, Source>,
    generation: u32,
    ledger: Arc<Mutex<Ledger>>,
}

impl Running {
    async fn run(mut self, number: u32, mut new_streams: mpsc::UnboundedReceiver<Value>) {
        self.send
            .peer
            .add_sender(SendStream::new(ssrc(number, "audio"), None));
        let video = ssrc(number, "video");
        self.send
            .peer
            .add_sender(SendStream::new(video, Some((video + 1, 97))));
        let mut ticks = interval(OpusSource::PACKET_TIME);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.talk(video),
                _ = self.send.socket.readable() => {}
                _ = self.receive.socket.readable() => {}
                Some(consumer) = new_streams.recv() => self.listen(&consumer),
            }
            self.send.take_datagrams();
            self.receive.take_datagrams();
            self.hear();
            self.send.flush();
            self.receive.flush();
        }
    }

    fn talk(&mut self, video: u32) {
        let elapsed = self.started.elapsed();
        if !self.send.peer.is_connected() {
            return;
        }
        let sound = self.sound.speech(elapsed, SOUND, 20);
        self.send.peer.send_rtp(&sound);
        if self.sounds.is_multiple_of(SOUNDS_PER_PICTURE) {
            let asked = self.send.peer.key_frame_requests.get(&video).copied();
            let asked = asked.unwrap_or_default();
            let is_key = self.sounds == 0 || asked > self.answered;
            self.answered = asked;
            for packet in self.picture.frame(elapsed, is_key, PICTURE) {
                self.send.peer.send_rtp(&packet);
            }
        }
        self.sounds += 1;
    }

    fn listen(&mut self, consumer: &Value) {
        let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
        let parameters = &consumer["rtpParameters"];
        let stream = stream(parameters);
        let ssrc = stream.ssrc;
        let extensions = parameters["headerExtensions"].as_array().into_iter();
        let feedback = extensions.flatten().find(|extension| {
            let uri = extension["uri"].as_str();
            uri.is_some_and(|uri| uri.contains("transport-wide-cc"))
        });
        let peer = &mut self.receive.peer;
        if let Some(id) = feedback.and_then(|extension| number(&extension["id"]))
            && self.sources.is_empty()
        {
            peer.report_arrivals(Instant::now(), id.try_into().expect("small"));
        }
        peer.add_receiver(stream);
        self.sources.insert(ssrc, Source::of(consumer));
    }

    fn hear(&mut self) {
        let now = Instant::now();
        while let Some(packet) = self.receive.peer.poll_received() {
            let header = RtpHeader::parse(&packet).expect("opened packets are whole");
            if let Some(source) = self.sources.get(&header.ssrc) {
                lock(&self.ledger).note(source, self.generation, now);
            }
        }
    }
}
