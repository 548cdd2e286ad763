//! Going into a room, in each dialect.

use std::time::{Duration, Instant, SystemTime};

use plenum_ids::ProducerId;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    dispatch::{self, Who},
    door::{self, Door},
    frames::{CONNECTED, OPENED},
    parameters::{RemoteTransport, receiver_capabilities},
    session::{Session, Side, Trouble},
    wire::Wire,
};
use crate::{
    ClientError, Dialect, Event, Stage, Subscription,
    media::LineSetup,
    peer::{Direction, TransportConfig},
};

/// Slots that a client waits for before it is given up: a node that has gone is worth a few seconds.
const MAX_SLOTS: u32 = 5;

/// What a node that lives takes to answer, with some packets lost on the way; one that is gone without a trace is not waited
/// for any longer when there are others.
const MAX_CONNECT: Duration = Duration::from_secs(5);

impl Session {
    /// Tries one address after another.
    pub(super) async fn join_anywhere(&mut self) -> Result<(), ClientError> {
        let mut urls = self.config.urls.clone();
        for node in &self.nodes {
            if !urls.contains(node) {
                urls.push(node.clone());
            }
        }
        let mut last = ClientError::Url(String::new());
        for url in &urls {
            match self.join_at(url).await {
                Ok(()) => return Ok(()),
                // Somebody has answered: another one would say the same.
                Err(error) if !is_elsewhere_better(&error) => return Err(error),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// At an address, or where it sends us: a dispatcher by its answer, a balancer by a redirect of HTTP.
    async fn join_at(&mut self, url: &str) -> Result<(), ClientError> {
        let mut door = Door::parse(url)?;
        let mut asks = dispatch::is_dispatcher(url);
        let mut redirects = self.config.max_redirects;
        loop {
            let began = Instant::now();
            let joined = if asks {
                self.join_dispatched(&door).await
            } else {
                self.join_through(door.clone()).await
            };
            let Err(ClientError::TurnedAway { code, reason }) = &joined else {
                return joined;
            };
            if !matches!(code, 301 | 302 | 307 | 308) || redirects == 0 {
                return joined;
            }
            self.step(Stage::Redirect, began, None);
            redirects -= 1;
            asks = dispatch::is_dispatcher(reason);
            door = Door::parse(reason)?;
        }
    }

    async fn join_dispatched(&mut self, door: &Door) -> Result<(), ClientError> {
        let began = Instant::now();
        // Whoever needs a name in our dialect may get it from the server; a dispatcher needs one to decide by.
        self.name();
        let config = &self.config;
        let who = Who {
            room: &config.room,
            peer: config.peer.as_deref(),
            namespace: config.namespace.as_deref(),
            token: config.token.as_deref(),
        };
        let asking = dispatch::ask(door, &config.tls, &who);
        let asked = timeout(self.connect_limit(), asking).await;
        let named = asked.unwrap_or(Err(ClientError::Timeout("a dispatcher")))?;
        if named != *door {
            self.step(Stage::Redirect, began, None);
        }
        self.join_through(named).await
    }

    async fn join_through(&mut self, door: Door) -> Result<(), ClientError> {
        match self.config.dialect {
            Dialect::Plenum => self.join_plenum(door).await,
            Dialect::Protoo => {
                self.connect_protoo(door).await?;
                Ok(self.join_protoo().await?)
            }
            Dialect::SocketIo => self.join_socket_io(door).await,
        }
    }

    async fn connect(&mut self, door: Door, target: &str) -> Result<(), ClientError> {
        let (dialect, tls) = (self.config.dialect, self.config.tls.clone());
        let connecting = Wire::connect(&door, dialect, &tls, target);
        let connected = timeout(self.connect_limit(), connecting).await;
        let wire = connected.unwrap_or(Err(ClientError::Timeout("connecting")))?;
        self.wire = Some(wire);
        self.set_door(door);
        Ok(())
    }

    /// How long connecting may take: less where another address can be tried instead.
    pub(super) fn connect_limit(&self) -> Duration {
        let others = self.config.urls.len() + self.nodes.len();
        if others > 1 {
            self.config.timeout.min(MAX_CONNECT)
        } else {
            self.config.timeout
        }
    }

    /// Connects, with the step told.
    async fn connect_and_tell(&mut self, door: Door, target: &str) -> Result<(), ClientError> {
        let began = Instant::now();
        let connected = self.connect(door, target).await;
        let error = connected.as_ref().err().map(ClientError::kind);
        self.step(Stage::Connect, began, error);
        connected
    }

    async fn join_plenum(&mut self, mut door: Door) -> Result<(), ClientError> {
        let mut redirects = self.config.max_redirects;
        let mut slots = 0;
        loop {
            let began = Instant::now();
            let welcomed = self.knock(door.clone(), redirects).await;
            let error = welcomed.as_ref().err().map(ClientError::kind);
            let (method, data) = match welcomed {
                Ok(first) => first,
                Err(error) => {
                    self.step(Stage::Connect, began, Some(error.kind()));
                    return Err(error);
                }
            };
            match method.as_str() {
                "redirect" if redirects > 0 => {
                    self.step(Stage::Redirect, began, None);
                    redirects -= 1;
                    door = Door::parse(data["url"].as_str().unwrap_or_default())?;
                }
                "comeBack" if slots < MAX_SLOTS => {
                    slots += 1;
                    let pause = data["afterMs"].as_u64().unwrap_or_default();
                    self.wire = None;
                    sleep(Duration::from_millis(pause).min(self.config.timeout)).await;
                    self.step(Stage::ComeBack, began, None);
                }
                "welcome" => {
                    self.step(Stage::Connect, began, error);
                    return Ok(self.enter(data).await?);
                }
                _ => {
                    return Err(ClientError::TurnedAway {
                        code: 1013,
                        reason: method,
                    });
                }
            }
        }
    }

    /// Connects and waits for the first word.
    async fn knock(&mut self, door: Door, redirects: u8) -> Result<(String, Value), ClientError> {
        let redirects = redirects.to_string();
        let config = &self.config;
        let target = door::query(
            door::path(Dialect::Plenum).to_owned(),
            &[
                ("room", Some(&config.room)),
                ("peer", config.peer.as_deref()),
                ("token", config.token.as_deref()),
                ("namespace", config.namespace.as_deref()),
                ("redirects", Some(&redirects)),
            ],
        );
        self.backlog.clear();
        self.connect(door, &target).await?;
        Ok(self.wait_for(&["welcome", "redirect", "comeBack"]).await?)
    }

    /// Takes the place that a welcome offers.
    pub(super) async fn enter(&mut self, mut welcome: Value) -> Result<(), Trouble> {
        let not_understood = |source| ClientError::Protocol {
            what: "welcome",
            source,
        };
        let capabilities = welcome["routerRtpCapabilities"].take();
        self.seat.capabilities =
            serde_json::from_value(capabilities).map_err(|error| not_understood(Some(error)))?;
        if let Some(token) = welcome["session"]["token"].as_str() {
            let seconds = welcome["session"]["resumeWithin"].as_u64();
            let within = Duration::from_secs(seconds.unwrap_or_default());
            self.ticket = Some((token.to_owned(), within));
        }
        if let Some(name) = welcome["peerId"].as_str() {
            self.set_peer_id(name);
            // Whoever comes back comes as the same.
            self.config.peer = Some(name.to_owned());
        }
        let nodes = welcome["nodes"].as_array().into_iter().flatten();
        self.nodes = nodes
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect();
        let wanted = [
            ("send", Direction::Send, self.config.sends),
            ("recv", Direction::Receive, self.config.receives),
        ];
        let mut transports = Vec::new();
        for (name, direction, is_wanted) in wanted {
            let offered = welcome["transports"][name].take();
            if !is_wanted || offered.is_null() {
                continue;
            }
            let side = self.open(direction, offered).await?;
            transports.push(json!({
                "transportId": side.id, "dtlsParameters": self.dtls_parameters(),
            }));
            self.take_side(direction, side);
        }
        let config = &self.config;
        let join = json!({
            "displayName": config.display_name,
            "device": device(),
            "appData": config.app_data,
            "rtpCapabilities": receiver_capabilities(&self.seat.capabilities),
            "transports": transports,
            "subscription": subscription(config.subscription),
        });
        let mut joined = self.ask_once("join", &join).await?;
        self.release(Direction::Send);
        self.release(Direction::Receive);
        if joined["waiting"] == true {
            joined = self.wait_in_lobby().await?;
        }
        self.tell_peers(&joined);
        Ok(())
    }

    /// As long as it takes.
    async fn wait_in_lobby(&mut self) -> Result<Value, Trouble> {
        loop {
            match self.wait_for(&["admitted"]).await {
                Ok((_, data)) => return Ok(data),
                Err(Trouble::Other(ClientError::Timeout(_))) => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn tell_peers(&mut self, joined: &Value) {
        for peer in joined["peers"].as_array().into_iter().flatten() {
            let name = peer["peerId"].as_str().or_else(|| peer["id"].as_str());
            if let Some(name) = name {
                self.emit(Event::PeerJoined(name.to_owned()));
            }
        }
    }

    async fn connect_protoo(&mut self, door: Door) -> Result<(), ClientError> {
        let peer = self.name();
        let config = &self.config;
        let target = door::query(
            door::path(Dialect::Protoo).to_owned(),
            &[
                ("roomId", Some(&config.room)),
                ("peerId", Some(&peer)),
                ("token", config.token.as_deref()),
                ("namespace", config.namespace.as_deref()),
            ],
        );
        self.connect_and_tell(door, &target).await
    }

    /// Joins on a connection that is open.
    pub(super) async fn join_protoo(&mut self) -> Result<(), Trouble> {
        let capabilities = self
            .ask_once("getRouterRtpCapabilities", &json!({}))
            .await?;
        self.take_capabilities(capabilities)?;
        let wanted = [
            (Direction::Send, self.config.sends),
            (Direction::Receive, self.config.receives),
        ];
        for (direction, is_wanted) in wanted {
            if is_wanted {
                let producing = direction == Direction::Send;
                let data =
                    json!({"forceTcp": false, "producing": producing, "consuming": !producing});
                let offered = self.ask_once("createWebRtcTransport", &data).await?;
                let side = self.open(direction, offered).await?;
                self.take_side(direction, side);
            }
        }
        let mut join = json!({
            "displayName": self.config.display_name,
            "device": device(),
            "plenum": {"demand": true, "migrate": true},
        });
        if self.config.receives {
            join["rtpCapabilities"] = json!(receiver_capabilities(&self.seat.capabilities));
        }
        let joined = self.ask_once("join", &join).await?;
        self.connect_side(Direction::Receive).await?;
        self.tell_peers(&joined);
        Ok(())
    }

    async fn join_socket_io(&mut self, door: Door) -> Result<(), ClientError> {
        let began = Instant::now();
        let target = door::query(door::path(Dialect::SocketIo).to_owned(), &[]);
        self.backlog.clear();
        let connected = async {
            self.connect(door, target.trim_end_matches('&')).await?;
            self.wait_for(&[OPENED]).await?;
            let auth = json!({"token": self.config.token, "namespace": self.config.namespace});
            if let Some(wire) = &mut self.wire {
                wire.send(format!("40{auth}")).await;
            }
            let (_, data) = self.wait_for(&[CONNECTED]).await?;
            self.set_peer_id(data["sid"].as_str().unwrap_or_default());
            Ok(())
        };
        let connected: Result<(), ClientError> = connected.await;
        let error = connected.as_ref().err().map(ClientError::kind);
        self.step(Stage::Connect, began, error);
        connected?;
        Ok(self.join_by_messages().await?)
    }

    /// The eight messages, in the order of the page that spoke them first.
    async fn join_by_messages(&mut self) -> Result<(), Trouble> {
        let room = json!({"room_id": self.config.room});
        self.ask_once("createRoom", &room).await?;
        let name = self.name();
        let join = json!({"room_id": self.config.room, "name": name});
        self.ask_once("join", &join).await?;
        let capabilities = self
            .ask_once("getRouterRtpCapabilities", &json!({}))
            .await?;
        self.take_capabilities(capabilities)?;
        if self.config.sends {
            let capabilities = &self.seat.capabilities;
            let data = json!({"forceTcp": false, "rtpCapabilities": capabilities});
            let offered = self.ask_once("createWebRtcTransport", &data).await?;
            let side = self.open(Direction::Send, offered).await?;
            self.take_side(Direction::Send, side);
        }
        if !self.config.receives {
            return Ok(());
        }
        let data = json!({"forceTcp": false});
        let offered = self.ask_once("createWebRtcTransport", &data).await?;
        let side = self.open(Direction::Receive, offered).await?;
        self.take_side(Direction::Receive, side);
        if self.config.subscription == Subscription::Manual {
            return Ok(());
        }
        let began = Instant::now();
        self.emit_event("getProducers", &json!({})).await;
        let (_, producers) = self.wait_for(&["newProducers"]).await?;
        self.step(Stage::Message("getProducers".into()), began, None);
        self.consume_listed(&producers).await
    }

    /// Consumes what a list names, all at once; connects the transport with the first.
    pub(super) async fn consume_listed(&mut self, producers: &Value) -> Result<(), Trouble> {
        let mut asked = Vec::new();
        for producer in producers.as_array().into_iter().flatten() {
            let Ok(producer) = ProducerId::deserialize(&producer["producer_id"]) else {
                continue;
            };
            let is_own = self.publications.iter().any(|one| one.current == producer);
            let mut consumers = self.seat.consumers.values();
            let is_known = consumers.any(|one| one.consumer.producer_id == producer);
            if !is_own && !is_known {
                asked.push(self.send_consume(producer).await);
            }
        }
        for id in asked {
            match self.answer_to(id, "consume").await {
                Ok(consumer) => {
                    self.begin_consumer(consumer);
                    self.connect_side(Direction::Receive).await?;
                }
                // It has gone meanwhile.
                Err(Trouble::Other(ClientError::Refused { .. })) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    pub(super) async fn send_consume(&mut self, producer: ProducerId) -> u64 {
        let transport = self.seat.receive.as_ref().map(|side| side.id.clone());
        let data = json!({
            "consumerTransportId": transport, "producerId": producer,
            "rtpCapabilities": receiver_capabilities(&self.seat.capabilities),
        });
        self.send("consume", &data).await
    }

    /// Tells the server our certificate, once.
    pub(super) async fn connect_side(&mut self, direction: Direction) -> Result<(), Trouble> {
        let Some(side) = self.side(direction).filter(|side| !side.is_connected) else {
            return Ok(());
        };
        side.is_connected = true;
        let id = side.id.clone();
        let dtls = self.dtls_parameters();
        if self.config.dialect == Dialect::SocketIo {
            let data = json!({"transport_id": id, "dtlsParameters": dtls});
            self.ask_once("connectTransport", &data).await?;
        } else {
            let data = json!({"transportId": id, "dtlsParameters": dtls});
            self.ask_once("connectWebRtcTransport", &data).await?;
        }
        self.release(direction);
        Ok(())
    }

    /// Opens our half of a transport.
    async fn open(&mut self, direction: Direction, offered: Value) -> Result<Side, ClientError> {
        let remote = RemoteTransport::read(offered).map_err(|error| ClientError::Protocol {
            what: "transport",
            source: Some(error),
        })?;
        let mut seed = [0; 32];
        rand::Rng::fill_bytes(&mut self.rng, &mut seed);
        let number = self.next_number;
        self.next_number += 1;
        let (username_fragment, password) = remote.credentials();
        let setup = LineSetup {
            direction,
            certificate: self.certificate.clone(),
            transport: TransportConfig {
                username_fragment,
                password,
                addresses: remote.addresses().await,
                fingerprints: remote.fingerprints(),
                holds_dtls: true,
                seed,
                wall_clock: (Instant::now(), SystemTime::now()),
                cname: self.name(),
            },
            network: self.config.network,
            local_ip: self.config.local_ip,
            events: self.tell.clone(),
            number,
        };
        let line = self.media.open(setup).map_err(|source| ClientError::Io {
            what: "opening a socket",
            source,
        })?;
        Ok(Side {
            line,
            number,
            id: remote.id,
            is_connected: false,
            ice: None,
            released: None,
        })
    }

    fn take_side(&mut self, direction: Direction, side: Side) {
        let place = match direction {
            Direction::Receive => &mut self.seat.receive,
            Direction::Send => &mut self.seat.send,
        };
        *place = Some(side);
    }

    pub(super) const fn side(&mut self, direction: Direction) -> Option<&mut Side> {
        match direction {
            Direction::Receive => self.seat.receive.as_mut(),
            Direction::Send => self.seat.send.as_mut(),
        }
    }

    /// The server knows our certificate: DTLS may begin.
    fn release(&mut self, direction: Direction) {
        if let Some(side) = self.side(direction) {
            side.is_connected = true;
            side.released = Some(Instant::now());
            side.line.release();
        }
    }

    fn dtls_parameters(&self) -> Value {
        let fingerprint = self.certificate.fingerprint();
        json!({
            "role": "client",
            "fingerprints": [{
                "algorithm": fingerprint.algorithm.name(), "value": fingerprint.to_string(),
            }],
        })
    }

    fn take_capabilities(&mut self, capabilities: Value) -> Result<(), ClientError> {
        let read = serde_json::from_value(capabilities);
        self.seat.capabilities = read.map_err(|error| ClientError::Protocol {
            what: "capabilities",
            source: Some(error),
        })?;
        Ok(())
    }

    /// Says something that is not acknowledged.
    pub(super) async fn emit_event(&mut self, event: &str, data: &Value) {
        let text = super::frames::request(self.config.dialect, 0, event, data);
        if let Some(wire) = &mut self.wire {
            wire.send(text).await;
        }
    }

    /// What the client is called, where it has to say so itself.
    fn name(&mut self) -> String {
        if let Some(name) = &self.config.peer {
            return name.clone();
        }
        let name = format!("native-{:08x}", self.random());
        self.config.peer = Some(name.clone());
        self.set_peer_id(&name);
        name
    }
}

fn device() -> Value {
    json!({"flag": "native", "name": "plenum-client", "version": env!("CARGO_PKG_VERSION")})
}

pub(super) fn subscription(subscription: Subscription) -> Value {
    match subscription {
        Subscription::All => json!("all"),
        Subscription::Audio => json!("audio"),
        Subscription::Manual => json!("manual"),
        Subscription::Speakers(count) => json!({"speakers": count}),
    }
}

/// Whether another address may do better than this one.
fn is_elsewhere_better(error: &ClientError) -> bool {
    match error {
        ClientError::Closed | ClientError::Connect { .. } | ClientError::Timeout(_) => true,
        ClientError::TurnedAway { code, .. } => {
            matches!(code, 1001 | 1012 | 1013 | 500 | 502 | 503 | 504)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
