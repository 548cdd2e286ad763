//! A participant without a browser: signalling over a real WebSocket, media over real sockets. It talks and shows a
//! picture all the time, consumes everybody else, follows its room when it is told to, and comes back when it is thrown
//! out.

mod ledger;
pub(crate) mod media;
pub(crate) mod wire;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

pub(crate) use ledger::{Ledger, Source};
use media::Media;
use wire::{Message, Trouble, Wire};

use crate::{client::receiver_capabilities, node::PATIENCE};

/// A participant; gone when dropped.
pub(crate) struct Bot {
    pub(crate) name: String,
    ledger: Arc<Mutex<Ledger>>,
    task: JoinHandle<()>,
}

/// Who a bot is and what it can do.
#[derive(Clone, Debug)]
pub(crate) struct Role {
    /// Where it connects to; after a failure to the next one.
    pub(crate) doors: Vec<SocketAddr>,
    /// The address that a proxy before the server says it has.
    pub(crate) from: Option<Ipv4Addr>,
    pub(crate) room: String,
    pub(crate) name: String,
    /// Its number among all bots: streams are told apart by it.
    pub(crate) number: u32,
    /// It understands `migrate`.
    pub(crate) able: bool,
}

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(250);

/// How often a bot that moves looks whether it has everything.
const LOOK: Duration = Duration::from_millis(10);

impl Bot {
    pub(crate) fn start(role: Role) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let name = role.name.clone();
        let task = tokio::spawn(live(role, Arc::clone(&ledger)));
        Self { name, ledger, task }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// Waits for something that the bot notes.
    pub(crate) async fn wait_for(&self, what: &str, condition: impl Fn(&Ledger) -> bool) {
        let waiting = async {
            while !condition(&self.ledger()) {
                sleep(LOOK).await;
            }
        };
        let met = timeout(PATIENCE, waiting).await.is_ok();
        let name = &self.name;
        assert!(met, "{name}: {what} never came true: {:?}", self.ledger());
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection after another, as protoo's clients do it: at the same door, or the next one if nobody opens.
async fn live(role: Role, ledger: Arc<Mutex<Ledger>>) {
    let mut before = None;
    for door in role.doors.iter().cycle() {
        while let Some(mut wire) = Wire::connect(*door, role.from, &role.room, &role.name).await {
            lock(&ledger).connections += 1;
            let mut seat = Seat {
                role: &role,
                ledger: &ledger,
                current: None,
                before: before.take(),
                old: None,
                releasing: None,
            };
            let code = seat.serve(&mut wire).await;
            before = seat.current.or(seat.before);
            lock(&ledger).closes.push(code);
            if code == Some(4000) {
                return;
            }
        }
        sleep(RETRY).await;
    }
}

/// What a bot has on one connection.
struct Seat<'a> {
    role: &'a Role,
    ledger: &'a Arc<Mutex<Ledger>>,
    current: Option<Media>,
    /// Of the connection before, until this one has media: what is lost with a connection is not always the media.
    before: Option<Media>,
    /// During a move: goes on until the server says so.
    old: Option<Media>,
    /// The request that lets the old session go.
    releasing: Option<u64>,
}

impl Seat<'_> {
    /// Until the connection ends; how it did.
    async fn serve(&mut self, wire: &mut Wire) -> Option<u16> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        match self.join(wire).await {
            Err(Trouble::Closed(code)) => return code,
            Err(Trouble::Refused(_)) | Ok(()) => {}
        }
        loop {
            let message = tokio::select! {
                message = wire.next() => message,
                _ = looks.tick(), if self.old.is_some() && self.releasing.is_none() => {
                    if self.has_everything() {
                        self.releasing = Some(wire.request("migrated", json!({})).await);
                    }
                    continue;
                }
            };
            let result = match message {
                Ok(message) => self.handle(wire, message).await,
                Err(trouble) => Err(trouble),
            };
            match result {
                Err(Trouble::Closed(code)) => return code,
                // The room has gone in the middle of something: the server will say what to do.
                Err(Trouble::Refused(_)) | Ok(()) => {}
            }
        }
    }

    async fn handle(&mut self, wire: &mut Wire, message: Message) -> Result<(), Trouble> {
        match message {
            Message::Notification(method, data) => match method.as_str() {
                "migrate" => {
                    let gently = data["makeBeforeBreak"] == true;
                    lock(self.ledger).migrates.push(gently);
                    self.releasing = None;
                    let left = self.current.take();
                    if gently {
                        self.old = left.or_else(|| self.old.take());
                    } else {
                        self.old = None;
                    }
                    self.join(wire).await?;
                }
                "newPeer" => {
                    let name = data["id"].as_str().unwrap_or_default().to_owned();
                    lock(self.ledger).roster.insert(name);
                }
                "peerClosed" => {
                    let name = data["peerId"].as_str().unwrap_or_default();
                    lock(self.ledger).roster.remove(name);
                }
                _ => {}
            },
            Message::Request(id, method, data) if method == "newConsumer" => {
                if let Some(media) = &self.current {
                    self.ledger_source(&data);
                    media.receive(&data);
                }
                wire.accept(id).await;
            }
            Message::Response(id) if self.releasing == Some(id) => {
                self.old = None;
                self.releasing = None;
                lock(self.ledger).released += 1;
            }
            _ => {}
        }
        Ok(())
    }

    fn ledger_source(&self, data: &Value) {
        let id = data["producerId"].as_str().unwrap_or_default().to_owned();
        lock(self.ledger).producers.insert(Source::of(data), id);
    }

    /// Whether everything that comes in the old session comes in the new one, too.
    fn has_everything(&self) -> bool {
        let ledger = lock(self.ledger);
        let generation = ledger.generation;
        let heard = ledger.heard.values();
        let mut fresh = heard.filter(|heard| heard.last.elapsed() < Duration::from_secs(1));
        self.current.is_some() && fresh.all(|heard| heard.generation == generation)
    }

    async fn join(&mut self, wire: &mut Wire) -> Result<(), Trouble> {
        let capabilities = wire.ask("getRouterRtpCapabilities", json!({})).await?;
        let transport = |producing: bool| json!({"forceTcp": false, "producing": producing, "consuming": !producing});
        let send = wire.ask("createWebRtcTransport", transport(true)).await?;
        let receive = wire.ask("createWebRtcTransport", transport(false)).await?;
        let generation = lock(self.ledger).generation + 1;
        let media = Media::start(
            self.role.number,
            generation,
            [&send, &receive],
            Arc::clone(self.ledger),
        )
        .await;
        for (transport, dtls) in [&send, &receive].into_iter().zip(media.dtls_parameters()) {
            let data = json!({"transportId": transport["id"], "dtlsParameters": dtls});
            wire.ask("connectWebRtcTransport", data).await?;
        }
        let mut join = json!({
            "displayName": self.role.name,
            "device": {"flag": "bot", "name": "Bot", "version": "1"},
            "rtpCapabilities": receiver_capabilities(&capabilities),
        });
        if self.role.able {
            join["plenum"] = json!({"migrate": true});
        }
        let joined = wire.ask("join", join).await?;
        {
            let mut ledger = lock(self.ledger);
            ledger.generation = generation;
            ledger.joined_at = Some(Instant::now());
            let peers = joined["peers"].as_array().into_iter().flatten();
            let names = peers.filter_map(|peer| peer["id"].as_str().map(str::to_owned));
            ledger.roster = names.collect();
        }
        self.current = Some(media);
        self.before = None;
        for kind in ["audio", "video"] {
            let mut data = json!({
                "transportId": send["id"],
                "kind": kind,
                "rtpParameters": media::rtp_parameters(self.role.number, kind),
                "appData": {},
            });
            let had = lock(self.ledger).own.get(kind).cloned();
            if let Some(id) = had.filter(|_| self.role.able) {
                data["plenum"] = json!({"producerId": id});
            }
            let produced = wire.ask("produce", data).await?;
            let id = produced["id"].as_str().unwrap_or_default().to_owned();
            lock(self.ledger).own.insert(kind.to_owned(), id);
        }
        Ok(())
    }
}
