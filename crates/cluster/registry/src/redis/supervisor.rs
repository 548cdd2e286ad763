//! Keeps one connection alive: makes it, watches it, and makes another when it fails or its server is no master any more.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{TryRng, rngs::SysRng};
use redis::{PushInfo, PushKind, Value};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    connection::{ConnectError, Live, Source, patiently},
    topics::Topics,
};
use crate::RegistryError;

/// How often a connection is looked at: as often as leases are renewed.
const CHECK: Duration = Duration::from_secs(1);
/// How often suspicions make it look: a server that refuses a thousand questions a second is not asked as often itself.
const SUSPICION: Duration = Duration::from_millis(100);
/// The first wait before another attempt. A server that was started again is there in less.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait: owners write their facts again within two seconds of the server's return.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What questions, topics and the supervisor know of each other.
pub(super) struct Shared {
    live: watch::Sender<Option<Live>>,
    suspected: Notify,
    last_error: Mutex<String>,
    pub(super) topics: Arc<Topics>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            live: watch::Sender::new(None),
            suspected: Notify::new(),
            last_error: Mutex::new("no answer".to_owned()),
            topics: Arc::default(),
        }
    }
}

impl Shared {
    /// The present connection, or the next one, and what changes when it is given up.
    pub(super) async fn live(&self) -> (Live, watch::Receiver<Option<Live>>) {
        let mut changes = self.live.subscribe();
        loop {
            let live = changes.borrow_and_update().clone();
            if let Some(live) = live {
                return (live, changes);
            }
            // The sender is `self`: it is not gone.
            let _ = changes.changed().await;
        }
    }

    /// A question found the connection wanting: it is looked at now.
    pub(super) fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// What a question says that had no answer in time.
    pub(super) fn unreachable(&self) -> RegistryError {
        let reason = if self.live.borrow().is_some() {
            "no answer in time".to_owned()
        } else {
            let reason = self.last_error.lock();
            reason.unwrap_or_else(PoisonError::into_inner).clone()
        };
        RegistryError::Unreachable { reason }
    }

    fn failed(&self, err: &ConnectError) {
        let reason = self.last_error.lock();
        *reason.unwrap_or_else(PoisonError::into_inner) = err.to_string();
    }
}

/// Runs until it is aborted.
pub(super) async fn run(shared: Arc<Shared>, mut source: Source) {
    let mut wait = FIRST_WAIT;
    let mut is_told = false;
    loop {
        let ended = Arc::new(Notify::new());
        match source.connect(listen(&shared, &ended)).await {
            Ok(live) => {
                tracing::info!(run_id = %live.run_id, "connected to Redis");
                is_told = false;
                let since = Instant::now();
                shared.live.send_replace(Some(live.clone()));
                let reason = watch_over(&shared, &mut source, live, &ended).await;
                shared.live.send_replace(None);
                shared.topics.interrupted();
                tracing::warn!(reason, "the connection to Redis is lost");
                // One that did not last is like one that was refused.
                if since.elapsed() > LONGEST_WAIT {
                    wait = FIRST_WAIT;
                }
            }
            Err(err) => {
                shared.failed(&err);
                if !is_told {
                    tracing::warn!(%err, "Redis cannot be reached");
                    is_told = true;
                }
            }
        }
        sleep(jittered(wait)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// What the server says without being asked.
fn listen(shared: &Arc<Shared>, ended: &Arc<Notify>) -> impl Fn(PushInfo) + Send + Sync + 'static {
    let (topics, ended) = (shared.topics.clone(), ended.clone());
    move |info| match info.kind {
        PushKind::Disconnection => ended.notify_one(),
        PushKind::Message => {
            let mut data = info.data.into_iter();
            if let (Some(Value::BulkString(channel)), Some(Value::BulkString(message))) =
                (data.next(), data.next())
            {
                topics.deliver(&channel, message);
            }
        }
        _ => {}
    }
}

/// Stays with a connection until it is of no more use, and says why.
async fn watch_over(
    shared: &Shared,
    source: &mut Source,
    mut live: Live,
    ended: &Notify,
) -> String {
    let mut subscribed = BTreeSet::new();
    let mut checks = interval(CHECK);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks.tick().await;
    shared.topics.all_changed();
    let mut checked = Instant::now();
    loop {
        tokio::select! {
            () = ended.notified() => return "closed by the server".to_owned(),
            () = shared.topics.changed() => {
                if let Err(err) = follow(&shared.topics, &mut live, &mut subscribed).await {
                    return err.to_string();
                }
                continue;
            }
            () = shared.suspected.notified() => {
                if checked.elapsed() < SUSPICION {
                    continue;
                }
            }
            _ = checks.tick() => {}
        }
        checked = Instant::now();
        match source.check(&mut live).await {
            Ok(true) => {}
            Ok(false) => return "the server is not the master".to_owned(),
            Err(err) => return err.to_string(),
        }
    }
}

/// Subscribes to what somebody listens to, and to nothing else.
async fn follow(
    topics: &Topics,
    live: &mut Live,
    subscribed: &mut BTreeSet<String>,
) -> Result<(), redis::RedisError> {
    while let Some(changes) = topics.next_changes(subscribed) {
        if !changes.ended.is_empty() {
            patiently(live.connection.unsubscribe(&changes.ended)).await?;
            for channel in &changes.ended {
                subscribed.remove(channel);
            }
        }
        if !changes.begun.is_empty() {
            patiently(live.connection.subscribe(&changes.begun)).await?;
            topics.heard(&changes.begun);
            subscribed.extend(changes.begun);
        }
    }
    Ok(())
}

/// Between half of a wait and all of it: a hundred nodes do not come back as one.
fn jittered(wait: Duration) -> Duration {
    let part = SysRng.try_next_u32().unwrap_or(u32::MAX);
    wait.mul_f64(0.5 + 0.5 * f64::from(part) / f64::from(u32::MAX))
}
