//! Webhooks: what happens in rooms is posted to receivers elsewhere, signed, in order for each room, and again until they
//! take it. `docs/webhooks.md` is for those who receive.
//!
//! ```text
//! host ─RoomEvent─▶ fan_out ─▶ outbox of each target ─▶ run ─HTTP─▶ receiver
//!                              (one line per room)  ◀─ outcome ─┘
//! ```

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use plenum_api::webhook::{DeadLetterList, DeadLettersRetried, WebhookList};
use plenum_host::Host;
use reqwest::{Client, redirect};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep_until, timeout},
};
use tracing::{debug, warn};

mod event;
mod filter;
mod outbox;
mod secrets;
mod signature;
mod target;

use event::Happened;
use outbox::{Bounds, Delivery, Failure, Letter};
pub use secrets::SecretError;
use target::Target;
pub use target::{WebhookError, WebhookTarget};

/// How webhooks are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct WebhookSettings {
    /// Who is told.
    pub targets: Vec<WebhookTarget>,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// Deliveries of an event that may fail before it becomes a dead letter.
    pub attempts: u32,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            // Others' receivers are given five to thirty.
            timeout: Duration::from_secs(10),
            attempts: Bounds::default().attempts,
        }
    }
}

impl WebhookSettings {
    /// Whether they can work; files with secrets are read.
    pub fn check(&self) -> Result<(), WebhookError> {
        let mut targets = self.targets.iter().enumerate();
        targets.try_for_each(|(index, wanted)| {
            Target::new(index, wanted, Bounds::default()).map(|_| ())
        })
    }
}

/// Deliveries under way. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Webhooks {
    targets: Arc<[Arc<Target>]>,
    /// To whom sorts events; `None`: nobody does, as there are no targets.
    marks: Option<mpsc::Sender<Mark>>,
}

/// Is dropped when everything that happened before it has been sorted.
type Mark = oneshot::Sender<()>;

/// Events that may wait for being sorted into lines, which takes microseconds.
const CAPACITY: usize = 4096;

impl Webhooks {
    /// Tells receivers what happens in a host's rooms. Call inside a tokio runtime.
    pub fn start(settings: &WebhookSettings, host: &Host) -> Result<Self, WebhookError> {
        if settings.targets.is_empty() {
            return Ok(Self::default());
        }
        Self::deliver(settings, Bounds::default(), host.watch(CAPACITY))
    }

    /// Delivers `events` as long as they come.
    fn deliver(
        settings: &WebhookSettings,
        bounds: Bounds,
        events: mpsc::Receiver<impl Into<Happened> + Send + 'static>,
    ) -> Result<Self, WebhookError> {
        let bounds = Bounds {
            attempts: settings.attempts.max(1),
            ..bounds
        };
        let client = Client::builder()
            .timeout(settings.timeout)
            // What is signed is for this address and no other.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("Plenum/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(WebhookError::Client)?;
        let targets = settings.targets.iter().enumerate();
        let targets = targets
            .map(|(index, wanted)| Target::new(index, wanted, bounds).map(Arc::new))
            .collect::<Result<Arc<[_]>, _>>()?;
        for target in targets.iter() {
            tokio::spawn(run(Arc::clone(target), client.clone()));
        }
        let (marks, marked) = mpsc::channel(1);
        tokio::spawn(fan_out(Arc::clone(&targets), events, marked));
        Ok(Self {
            targets,
            marks: Some(marks),
        })
    }

    /// Completes when everything is delivered or given up, or after `limit`.
    pub async fn settled(&self, limit: Duration) {
        let settled = async {
            if let Some(marks) = &self.marks {
                let (mark, reached) = oneshot::channel();
                let _ = marks.send(mark).await;
                let _ = reached.await;
            }
            for target in self.targets.iter() {
                target.settled().await;
            }
        };
        if timeout(limit, settled).await.is_err() {
            let left: usize = self.targets.iter().map(|it| it.outbox().waiting()).sum();
            warn!(
                left,
                "events for webhooks are lost: their receivers did not take them in time"
            );
        }
    }

    pub(crate) fn list(&self) -> WebhookList {
        WebhookList {
            targets: self.targets.iter().map(|target| target.status()).collect(),
        }
    }

    pub(crate) fn dead_letters(&self) -> DeadLetterList {
        let all = self.targets.iter().flat_map(|target| target.dead_letters());
        DeadLetterList {
            dead_letters: all.collect(),
        }
    }

    /// Delivers one dead letter again, or all; `None`: there is no such.
    pub(crate) fn retry(&self, id: Option<&str>) -> Option<DeadLettersRetried> {
        let (index, number) = match id {
            None => (None, None),
            Some(id) => {
                let (index, number) = id.split_once('-')?;
                (Some(index.parse().ok()?), Some(number.parse::<u64>().ok()?))
            }
        };
        let chosen = |at: usize| index.is_none_or(|index: usize| index == at);
        let mut retried = 0;
        let mut left = 0;
        let mut known = id.is_none();
        for (at, target) in self.targets.iter().enumerate() {
            let mut outbox = target.outbox();
            if chosen(at) {
                known |= outbox
                    .dead_letters()
                    .any(|dead| Some(dead.number) == number);
                retried += outbox.retry(number);
                target.news.notify_one();
            }
            left += outbox.dead_letters().count();
        }
        known.then_some(DeadLettersRetried { retried, left })
    }
}

/// Sorts what happens into the targets' lines.
async fn fan_out(
    targets: Arc<[Arc<Target>]>,
    mut events: mpsc::Receiver<impl Into<Happened>>,
    mut marks: mpsc::Receiver<Mark>,
) {
    // Events that were lost since each of them was told so.
    let mut lost = vec![0_u64; targets.len()];
    loop {
        let happened: Happened = tokio::select! {
            biased;
            Some(event) = events.recv() => event.into(),
            Some(mark) = marks.recv() => {
                drop(mark);
                continue;
            }
            else => return,
        };
        for missed in &mut lost {
            *missed = missed.saturating_add(happened.lost);
        }
        let id = new_id();
        // Who has missed as much gets the same letter.
        let mut letter: Option<(u64, Arc<Letter>)> = None;
        for (target, missed) in targets.iter().zip(&mut lost) {
            if !target.wants(&happened.event, &happened.namespace) {
                continue;
            }
            let missed = std::mem::take(missed);
            let letter = match letter.take() {
                Some(written) if written.0 == missed => letter.insert(written),
                _ => letter.insert((missed, Arc::new(happened.to_letter(&id, missed)))),
            };
            target
                .outbox()
                .push(SystemTime::now(), Arc::clone(&letter.1));
            target.news.notify_one();
        }
    }
}

/// Delivers what waits for a target.
async fn run(target: Arc<Target>, client: Client) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let now = Instant::now();
        while let Some(delivery) = { target.outbox().poll_delivery(now) } {
            let (target, client) = (&target, &client);
            under_way.push(async move {
                let outcome = target.post(client, &delivery).await;
                (delivery, outcome)
            });
        }
        let deadline = target.outbox().poll_timeout();
        tokio::select! {
            Some((delivery, outcome)) = under_way.next() => settle(&target, &delivery, outcome),
            () = target.news.notified() => {}
            () = at(deadline) => {}
        }
    }
}

fn settle(target: &Target, delivery: &Delivery, outcome: Result<(), Failure>) {
    let Delivery {
        line,
        letter,
        attempt,
    } = delivery;
    if let Err(failure) = &outcome {
        debug!(room = %line, url = target.shown_url(), event = letter.event, id = letter.id, attempt, reason = failure.reason, "a webhook was not taken");
    }
    let now = (Instant::now(), SystemTime::now());
    let (died, waiting) = {
        let mut outbox = target.outbox();
        let before = outbox.counts().died;
        outbox.handle_outcome(now, line, outcome, random());
        (outbox.counts().died > before, outbox.waiting())
    };
    if died {
        warn!(room = %line, url = target.shown_url(), event = letter.event, id = letter.id, "an event for a webhook was given up: see /api/v1/webhooks/dead-letters");
    }
    if waiting == 0 {
        target.settling.notify_waiters();
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    // Without randomness pauses are their shortest.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}

/// Nobody guesses it, but nothing depends on that.
fn new_id() -> String {
    let mut bytes = [0; 16];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    format!("evt_{:032x}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests;
