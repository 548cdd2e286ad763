//! One peer of a plan: joins, sends, receives, leaves, and writes down how that went.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use plenum_client::{
    Client, ClientConfig, ClientError, Dialect as Language, Ended, Event, Events, Hook, Link,
    Media, Network, Stage, Step, Tls,
};
use tokio::{
    sync::watch,
    time::{sleep_until, timeout},
};

use crate::{
    figures::Shard,
    options::Options,
    plan::{Planned, Sends},
    scenario::Dialect,
    tickets::Tickets,
};

/// What all peers of a run share.
pub(crate) struct Company {
    pub(crate) options: Options,
    pub(crate) media: Media,
    pub(crate) tickets: Tickets,
    /// Which certificates hold.
    pub(crate) tls: Tls,
    /// When the run ends, from its beginning on.
    pub(crate) ends: Duration,
    /// In every peer's name: generators on several machines may load one room.
    pub(crate) run: String,
}

/// Who has been there so long without a single packet, although others send, has seen a fault and not a delay.
const SHOULD_SEE: Duration = Duration::from_secs(5);

/// Saying goodbye takes one message; a server that does not take it is not waited for.
const GOODBYE: Duration = Duration::from_secs(2);

/// From its time to join until it has left.
pub(crate) async fn peer(
    company: Arc<Company>,
    planned: Planned,
    shard: Arc<Shard>,
    began: Instant,
    mut stop: watch::Receiver<bool>,
) {
    let due = began + planned.joins;
    let leaves = began + planned.leaves;
    let notes = Arc::new(Notes::new(Arc::clone(&shard), due, planned.is_measured));
    notes.begin();
    let joined = tokio::select! {
        joined = join(&company, &planned, &notes) => joined,
        () = sleep_until(leaves.into()) => {
            return notes.gave_up(planned.leaves < company.ends);
        }
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let (client, mut events) = match joined {
        Ok(joined) => joined,
        Err(error) => return notes.failed(&error),
    };
    {
        let mut figures = shard.lock();
        figures.joined += 1;
        figures.joined_at(&client.server(), 1);
    }
    shard.arrived();
    let arrived = Instant::now();
    let publishing = publish(&company, &client, &planned, &notes);
    let stays = tokio::select! {
        stays = async { publishing.await; watch_events(&client, &mut events, &notes).await } => stays,
        () = sleep_until(leaves.into()) => true,
        _ = stop.wait_for(|stop| *stop) => true,
    };
    shard.departed();
    if !stays {
        return;
    }
    if planned.senders > 0 && arrived.elapsed() >= SHOULD_SEE && !notes.has_packet() {
        notes.error("no_media", || {
            format!(
                "{} received nothing from {} others",
                planned.number, planned.senders
            )
        });
    }
    take_jitter(&client, &shard).await;
    shard.lock().left += 1;
    if timeout(GOODBYE, client.leave()).await.is_err() {
        notes.error("goodbye", || "leaving took too long".to_owned());
    }
}

async fn join(
    company: &Company,
    planned: &Planned,
    notes: &Arc<Notes>,
) -> Result<(Client, Events), ClientError> {
    let options = &company.options;
    let name = format!("load-{}-{}", company.run, planned.number);
    // The others follow, for when this one does not answer.
    let mut urls = options.urls.iter().cycle().skip(planned.door).cloned();
    let first = urls.next().unwrap_or_default();
    let mut config = ClientConfig::new(first, &*planned.room)
        .peer(&name)
        .display_name(&name)
        .dialect(language(planned.dialect))
        .network(network(options))
        .tls(company.tls.clone());
    for url in urls.take(options.urls.len().saturating_sub(1)) {
        config = config.or_at(url);
    }
    if planned.sends == Sends::Nothing {
        config = config.receive_only();
    }
    config.namespace.clone_from(&options.namespace);
    config.token = company.tickets.token(&planned.room, &name);
    config.timeout = options.timeout;
    config.hook = Some(Arc::clone(notes) as Arc<dyn Hook>);
    Client::join(config, &company.media).await
}

const fn language(dialect: Dialect) -> Language {
    match dialect {
        Dialect::Classic => Language::Protoo,
        Dialect::Fast => Language::Plenum,
        Dialect::Socketio => Language::SocketIo,
    }
}

fn network(options: &Options) -> Network {
    let up = Link {
        loss: options.loss,
        delay: options.delay,
        jitter: options.jitter,
        ..Link::default()
    };
    let down = Link {
        rate: options.bandwidth.map(u64::from),
        ..up
    };
    Network { up, down }
}

async fn publish(company: &Company, client: &Client, planned: &Planned, notes: &Notes) {
    let studio = &company.options.studio;
    if matches!(planned.sends, Sends::Audio | Sends::Both) {
        let microphone = studio.microphone(planned.number);
        notes.published(client.publish(microphone).await.err());
    }
    if planned.sends == Sends::Both {
        let camera = studio.camera(planned.number);
        notes.published(client.publish(camera).await.err());
    }
}

/// Until the session is over; `false`: it is, and nobody asked for that.
async fn watch_events(client: &Client, events: &mut Events, notes: &Notes) -> bool {
    while let Some(event) = events.next().await {
        if let Event::Reconnected { resumed: false } = event {
            notes.shard.lock().joined_at(&client.server(), 1);
        }
        let Event::Ended(ended) = event else {
            continue;
        };
        match ended {
            Ended::Left => return true,
            Ended::SentAway { code, reason } => {
                notes.lost(&format!("sent_away:{code}"), reason);
            }
            Ended::Lost { error } => {
                let kind = error.map_or_else(|| "lost".to_owned(), |kind| format!("lost:{kind}"));
                notes.lost(&kind, "the connection broke for good".to_owned());
            }
            other => notes.lost("ended", format!("{other:?}")),
        }
        return false;
    }
    notes.lost("ended", "the session is over".to_owned());
    false
}

async fn take_jitter(client: &Client, shard: &Shard) {
    let Ok(stats) = timeout(GOODBYE, client.stats()).await else {
        return;
    };
    let mut figures = shard.lock();
    for stream in &stats.receiving {
        if stream.received.packets > 0 {
            figures.jitter.record(stream.jitter);
        }
    }
}

/// What is written down about one peer.
struct Notes {
    shard: Arc<Shard>,
    due: Instant,
    is_measured: bool,
    connected: AtomicBool,
    answered: AtomicBool,
    packet: AtomicBool,
    key_frame: AtomicBool,
}

impl Notes {
    fn new(shard: Arc<Shard>, due: Instant, is_measured: bool) -> Self {
        Self {
            shard,
            due,
            is_measured,
            connected: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            packet: AtomicBool::new(false),
            key_frame: AtomicBool::new(false),
        }
    }

    fn begin(&self) {
        let late = Instant::now().saturating_duration_since(self.due);
        let mut figures = self.shard.lock();
        figures.begun += 1;
        figures.lateness.record(late);
    }

    fn has_packet(&self) -> bool {
        self.packet.load(Ordering::Relaxed)
    }

    fn error(&self, kind: &str, text: impl FnOnce() -> String) {
        self.shard.lock().error(kind, text);
    }

    fn failed(&self, error: &ClientError) {
        let kind = match error {
            ClientError::Refused { method, refusal } => {
                format!("refused:{method}:{}", refusal.code)
            }
            ClientError::TurnedAway { code, .. } => format!("turned_away:{code}"),
            other => other.kind().to_owned(),
        };
        let mut figures = self.shard.lock();
        figures.failed += 1;
        figures.error(&kind, || chain(error));
    }

    /// Its time in the room was over before it was there; `is_fault`: not because the run is over.
    fn gave_up(&self, is_fault: bool) {
        if is_fault {
            let mut figures = self.shard.lock();
            figures.failed += 1;
            figures.error("not_in_time", || {
                "it was time to leave before the join was over".to_owned()
            });
        }
    }

    fn lost(&self, kind: &str, text: String) {
        let mut figures = self.shard.lock();
        figures.lost += 1;
        figures.error(kind, || text);
    }

    fn published(&self, error: Option<ClientError>) {
        if let Some(error) = error {
            self.error(&format!("publish:{}", error.kind()), || chain(&error));
        }
    }

    /// Whether it is the first time, of a peer whose join is measured.
    fn is_first(&self, flag: &AtomicBool) -> bool {
        !flag.swap(true, Ordering::Relaxed) && self.is_measured
    }
}

impl Hook for Notes {
    fn step(&self, step: &Step) {
        if let Some(error) = step.error {
            // What goes wrong while joining is what the join fails with; the rest nobody else tells.
            if let Some(name) = background(&step.stage) {
                self.error(&format!("{name}:{error}"), || format!("{:?}", step.stage));
            }
            return;
        }
        let since_due = step.ended.saturating_duration_since(self.due);
        let took = step.took();
        match &step.stage {
            Stage::Connect if self.is_first(&self.connected) => {
                self.shard.lock().connect.record(since_due);
            }
            Stage::Message(name) if self.is_measured => self.shard.lock().message(name, took),
            Stage::Ice(_) if self.is_measured => self.shard.lock().ice.record(took),
            Stage::Dtls(_) if self.is_measured => self.shard.lock().dtls.record(took),
            Stage::Join if self.is_first(&self.answered) => {
                self.shard.lock().last_answer.record(since_due);
            }
            Stage::FirstPacket(_) if self.is_first(&self.packet) => {
                self.shard.lock().first_packet.record(since_due);
            }
            Stage::FirstKeyFrame if self.is_first(&self.key_frame) => {
                self.shard.lock().first_key_frame.record(since_due);
            }
            Stage::Resume => self.shard.lock().resumed.record(took),
            Stage::Reconnect => self.shard.lock().rejoined.record(took),
            Stage::Redirect => self.shard.lock().redirected.record(took),
            _ => {}
        }
    }
}

const fn background(stage: &Stage) -> Option<&'static str> {
    match stage {
        Stage::Dtls(_) => Some("dtls"),
        Stage::Ice(_) => Some("ice"),
        Stage::Reconnect => Some("reconnect"),
        Stage::Resume => Some("resume"),
        _ => None,
    }
}

/// An error with everything behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
