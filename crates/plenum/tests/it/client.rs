//! A protoo client by hand, and what a browser would say.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::node::{Node, PATIENCE, door};

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    backlog: VecDeque<Value>,
    next_id: u64,
}

/// Until somebody who is told to come again does.
const AGAIN: Duration = Duration::from_millis(250);

/// How the server ended a connection; `None` if the connection just broke.
pub(crate) type Closed = Option<(u16, String)>;

impl Client {
    pub(crate) async fn connect(port: u16, room: &str, peer: &str) -> Self {
        Self::try_connect(
            port,
            &format!("/?roomId={room}&peerId={peer}"),
            Some("protoo"),
        )
        .await
        .expect("accepted")
    }

    /// Seems to be at that address, to a node that believes its proxies. Comes again as long as it is told to.
    pub(crate) async fn connect_from(node: &Node, room: &str, peer: &str, from: Ipv4Addr) -> Self {
        let target = format!("/?roomId={room}&peerId={peer}");
        let from = from.to_string();
        let headers = [("X-Forwarded-For", from.as_str())];
        let connecting = async {
            loop {
                let protocol = Some("protoo");
                match Self::try_connect_at(node.door(), &target, protocol, &headers).await {
                    Err(tungstenite::Error::Http(refused)) if refused.status() == 503 => {
                        sleep(AGAIN).await;
                    }
                    connected => return connected.expect("accepted"),
                }
            }
        };
        timeout(PATIENCE, connecting).await.expect("let in in time")
    }

    pub(crate) async fn try_connect(
        port: u16,
        target: &str,
        protocol: Option<&'static str>,
    ) -> Result<Self, tungstenite::Error> {
        Self::try_connect_with(port, target, protocol, &[]).await
    }

    /// To a node that may be on another machine.
    pub(crate) async fn try_connect_at(
        door: SocketAddr,
        target: &str,
        protocol: Option<&'static str>,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{door}{target}").into_client_request()?;
        if let Some(protocol) = protocol {
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", HeaderValue::from_static(protocol));
        }
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("visible characters");
            request.headers_mut().insert(*name, value);
        }
        let (socket, _) = timeout(PATIENCE, connect_async(request))
            .await
            .expect("answers the upgrade in time")?;
        Ok(Self {
            socket,
            backlog: VecDeque::new(),
            next_id: 1,
        })
    }

    /// With further headers.
    pub(crate) async fn try_connect_with(
        port: u16,
        target: &str,
        protocol: Option<&'static str>,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        Self::try_connect_at(door(port), target, protocol, headers).await
    }

    /// The answer to a request; what else comes meanwhile is kept.
    pub(crate) async fn ask(&mut self, method: &str, data: Value) -> Result<Value, (i64, String)> {
        let id = self.send_request(method, data).await;
        let answer = self.answer_to(id).await;
        if answer["ok"] == true {
            Ok(answer["data"].clone())
        } else {
            let code = answer["errorCode"].as_i64().expect("a refusal has a code");
            Err((
                code,
                answer["errorReason"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            ))
        }
    }

    /// The whole answer to the request with this id.
    pub(crate) async fn answer_to(&mut self, id: u64) -> Value {
        self.wait_for(|message| message["response"] == true && message["id"] == id)
            .await
    }

    pub(crate) async fn send_request(&mut self, method: &str, data: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({"request": true, "id": id, "method": method, "data": data}))
            .await;
        id
    }

    /// Tells the server something that wants no answer.
    pub(crate) async fn notify(&mut self, method: &str, data: Value) {
        self.send(&json!({"notification": true, "method": method, "data": data}))
            .await;
    }

    pub(crate) async fn refuse(&mut self, id: u64) {
        let refusal = json!({"response": true, "id": id, "errorCode": 403, "errorReason": "no"});
        self.send(&refusal).await;
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_text(message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: String) {
        self.socket
            .send(Message::text(text))
            .await
            .expect("still connected");
    }

    pub(crate) async fn notified(&mut self, method: &str) -> Value {
        let message = self
            .wait_for(|message| message["notification"] == true && message["method"] == method)
            .await;
        message["data"].clone()
    }

    /// A request of the server: its id and data.
    pub(crate) async fn asked(&mut self, method: &str) -> (u64, Value) {
        let message = self
            .wait_for(|message| message["request"] == true && message["method"] == method)
            .await;
        let id = message["id"].as_u64().expect("ids are numbers");
        (id, message["data"].clone())
    }

    pub(crate) async fn accept(&mut self, id: u64) {
        self.send(&json!({"response": true, "id": id, "ok": true, "data": {}}))
            .await;
    }

    /// Reads to the end of the connection.
    pub(crate) async fn closed(&mut self) -> Closed {
        timeout(PATIENCE, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Close(frame))) => {
                        return frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return None,
                }
            }
        })
        .await
        .expect("closed in time")
    }

    pub(crate) async fn leave(mut self) {
        let _ = self.socket.close(None).await;
    }

    /// Reads and forgets what has arrived, which also answers pings.
    pub(crate) async fn drain(&mut self) {
        while let Ok(frame) = timeout(Duration::ZERO, self.socket.next()).await {
            frame.expect("still connected").expect("still connected");
        }
    }

    async fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.backlog.iter().position(&wanted) {
            return self.backlog.remove(index).expect("just found");
        }
        timeout(PATIENCE, async {
            loop {
                let frame = self.socket.next().await.expect("still connected");
                let Message::Text(text) = frame.expect("still connected") else {
                    continue;
                };
                let message: Value = serde_json::from_str(&text).expect("JSON");
                if wanted(&message) {
                    return message;
                }
                self.backlog.push_back(message);
            }
        })
        .await
        .unwrap_or_else(|_| panic!("never came; came instead: {:?}", self.backlog))
    }
}

/// The first steps of every client: capabilities, both transports, `join`. Returns the answers.
pub(crate) async fn join(client: &mut Client, name: &str) -> Session {
    let capabilities = client
        .ask("getRouterRtpCapabilities", json!({}))
        .await
        .expect("capabilities");
    let send = create_transport(client, true).await;
    let receive = create_transport(client, false).await;
    let joined = client
        .ask(
            "join",
            json!({
                "displayName": name,
                "device": {"flag": "chrome", "name": "Chrome", "version": "156.0"},
                "rtpCapabilities": receiver_capabilities(&capabilities),
            }),
        )
        .await
        .expect("joins");
    Session {
        capabilities,
        send,
        receive,
        joined,
    }
}

pub(crate) struct Session {
    pub(crate) capabilities: Value,
    pub(crate) send: Value,
    pub(crate) receive: Value,
    pub(crate) joined: Value,
}

/// Somebody with a microphone.
pub(crate) async fn produce_audio(client: &mut Client, session: &Session) {
    let data = json!({
        "transportId": session.send["id"],
        "kind": "audio",
        "rtpParameters": chromium_audio(1111),
        "appData": {},
    });
    client.ask("produce", data).await.expect("produces");
}

async fn create_transport(client: &mut Client, producing: bool) -> Value {
    client
        .ask(
            "createWebRtcTransport",
            json!({"forceTcp": false, "producing": producing, "consuming": !producing}),
        )
        .await
        .expect("a transport")
}

/// What a browser would hand in: everything that the router offers and that a receiver may get.
pub(crate) fn receiver_capabilities(router: &Value) -> Value {
    let extensions: Vec<_> = router["headerExtensions"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|extension| extension["direction"] != "recvonly")
        .cloned()
        .collect();
    json!({"codecs": router["codecs"], "headerExtensions": extensions})
}

/// Certificates are only compared in the handshake, so any fingerprint will do to connect.
pub(crate) fn dtls_parameters() -> Value {
    json!({
        "role": "client",
        "fingerprints": [{"algorithm": "sha-256", "value": vec!["AB"; 32].join(":")}],
    })
}

/// Opus as Chromium sends it.
pub(crate) fn chromium_audio(ssrc: u32) -> Value {
    json!({
        "mid": "0",
        "codecs": [{
            "mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2,
            "parameters": {"minptime": 10, "useinbandfec": 1, "sprop-stereo": 1, "usedtx": 1},
            "rtcpFeedback": [{"type": "transport-cc", "parameter": ""}, {"type": "nack", "parameter": ""}],
        }],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4, "encrypt": false, "parameters": {}},
            {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 2, "encrypt": false, "parameters": {}},
            {"uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", "id": 3, "encrypt": false, "parameters": {}},
            {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 1, "encrypt": false, "parameters": {}},
        ],
        "encodings": [{"ssrc": ssrc, "dtx": false}],
        "rtcp": {"cname": "qTqtTNhBpDdTYBtY", "reducedSize": true},
        "msid": "a1f3 b2c4",
    })
}

/// Three VP8 encodings as Chromium sends them: no SSRCs, an empty CNAME.
pub(crate) fn chromium_simulcast() -> Value {
    let feedback = json!([
        {"type": "goog-remb", "parameter": ""}, {"type": "transport-cc", "parameter": ""},
        {"type": "ccm", "parameter": "fir"}, {"type": "nack", "parameter": ""},
        {"type": "nack", "parameter": "pli"},
    ]);
    json!({
        "mid": "1",
        "codecs": [
            {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000, "parameters": {}, "rtcpFeedback": feedback},
            {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": {"apt": 96}, "rtcpFeedback": []},
        ],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4, "encrypt": false, "parameters": {}},
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "id": 10, "encrypt": false, "parameters": {}},
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", "id": 11, "encrypt": false, "parameters": {}},
            {"uri": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time", "id": 2, "encrypt": false, "parameters": {}},
            {"uri": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01", "id": 3, "encrypt": false, "parameters": {}},
            {"uri": "urn:3gpp:video-orientation", "id": 13, "encrypt": false, "parameters": {}},
        ],
        "encodings": [
            {"rid": "r0", "scalabilityMode": "L1T3", "scaleResolutionDownBy": 4, "maxBitrate": 500_000, "active": true, "dtx": false},
            {"rid": "r1", "scalabilityMode": "L1T3", "scaleResolutionDownBy": 2, "maxBitrate": 1_000_000, "active": true, "dtx": false},
            {"rid": "r2", "scalabilityMode": "L1T3", "scaleResolutionDownBy": 1, "maxBitrate": 5_000_000, "active": true, "dtx": false},
        ],
        "rtcp": {"cname": "", "reducedSize": true},
    })
}
