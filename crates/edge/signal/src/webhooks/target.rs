//! One receiver of events: what it gets, and the way there.

use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use plenum_api::{
    error::chain,
    webhook::{DeadLetterInfo, WebhookStatus},
};
use reqwest::{Client, StatusCode, Url, header};
use tokio::sync::Notify;

use super::{
    filter::Filter,
    outbox::{Bounds, Delivery, Failure, Letter, Outbox},
    secrets::{SecretError, Secrets},
    signature,
};

/// Where events are posted to.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct WebhookTarget {
    /// `http` or `https`.
    pub url: String,
    /// What deliveries are signed with; two while one is exchanged.
    pub secrets: Vec<String>,
    /// A file with further ones, one a line, that is read again when it changes.
    pub secret_file: Option<PathBuf>,
    /// Names of events, a part of them ending in `*`; none: all.
    pub events: Vec<String>,
    /// Namespaces; none: all.
    pub namespaces: Vec<String>,
}

impl fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookTarget")
            .field("events", &self.events)
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

/// Why a target cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The HTTP client cannot be made.
    #[error("webhooks cannot be sent")]
    Client(#[source] reqwest::Error),
    /// Names of events that there are not.
    #[error("there is no event {name:?} for a webhook; there are {known}")]
    Event {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Its secrets.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Its address.
    #[error("a webhook's url must begin with http:// or https:// and name a host")]
    Url,
}

/// A receiver, and what it is still to be told.
#[derive(Debug)]
pub(crate) struct Target {
    index: usize,
    url: Url,
    secrets: Secrets,
    filter: Filter,
    outbox: Mutex<Outbox>,
    last_failure: Mutex<Option<String>>,
    /// There may be something to deliver.
    pub(crate) news: Notify,
    /// Nothing waits any more.
    pub(crate) settling: Notify,
}

impl Target {
    pub(crate) fn new(
        index: usize,
        wanted: &WebhookTarget,
        bounds: Bounds,
    ) -> Result<Self, WebhookError> {
        let url = Url::parse(&wanted.url).map_err(|_| WebhookError::Url)?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
            return Err(WebhookError::Url);
        }
        Ok(Self {
            index,
            url,
            secrets: Secrets::new(&wanted.secrets, wanted.secret_file.as_deref())?,
            filter: Filter::new(&wanted.events, &wanted.namespaces)?,
            outbox: Mutex::new(Outbox::new(bounds)),
            last_failure: Mutex::default(),
            news: Notify::new(),
            settling: Notify::new(),
        })
    }

    pub(crate) fn wants(&self, event: &str, namespace: &str) -> bool {
        self.filter.wants(event, namespace)
    }

    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // Every change of it is whole.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when nothing waits.
    pub(crate) async fn settled(&self) {
        loop {
            let settling = self.settling.notified();
            tokio::pin!(settling);
            // Before looking, so that nothing is missed in between.
            settling.as_mut().enable();
            if self.outbox().waiting() == 0 {
                return;
            }
            settling.await;
        }
    }

    /// One delivery.
    pub(crate) async fn post(&self, client: &Client, delivery: &Delivery) -> Result<(), Failure> {
        let Letter {
            id, event, body, ..
        } = &*delivery.letter;
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH);
        let secrets = self.secrets.current(Instant::now());
        let secrets = secrets.iter().map(Vec::as_slice);
        let signature = signature::sign(secrets, seconds.unwrap_or_default().as_secs(), body);
        let request = client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(signature::HEADER, signature)
            .header("plenum-event", event)
            .header("plenum-delivery", id)
            .header("plenum-attempt", delivery.attempt)
            .body(body.clone());
        let result = match request.send().await {
            Ok(response) => judge(response.status(), response.headers()),
            Err(err) => Err(unreachable(err)),
        };
        let failure = result.as_ref().err().map(|failure| failure.reason.clone());
        *self
            .last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = failure;
        result
    }

    pub(crate) fn status(&self) -> WebhookStatus {
        let last_failure = self.last_failure.lock();
        let last_failure = last_failure.unwrap_or_else(PoisonError::into_inner).clone();
        let outbox = self.outbox();
        let counts = outbox.counts();
        WebhookStatus {
            target: self.index,
            url: self.shown_url(),
            events: self.filter.events().to_vec(),
            namespaces: self.filter.namespaces().to_vec(),
            waiting: outbox.waiting(),
            delivered: counts.delivered,
            failures: counts.failures,
            dead_letters: outbox.dead_letters().count(),
            forgotten: counts.forgotten,
            last_failure,
        }
    }

    pub(crate) fn dead_letters(&self) -> Vec<DeadLetterInfo> {
        let outbox = self.outbox();
        let info = |dead: &super::outbox::DeadLetter| {
            let died = dead.died.duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(DeadLetterInfo {
                id: format!("{}-{}", self.index, dead.number),
                target: self.index,
                reason: dead.reason.clone(),
                attempts: dead.attempts,
                died_at: u64::try_from(died.as_millis()).unwrap_or(u64::MAX),
                // It was written by us.
                payload: serde_json::from_slice(&dead.letter.body).ok()?,
            })
        };
        outbox.dead_letters().filter_map(info).collect()
    }

    /// User, password and query may be secret.
    pub(crate) fn shown_url(&self) -> String {
        let mut url = self.url.clone();
        // Refused for addresses that have none of them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        url.into()
    }
}

/// Everything but success is tried again: what is wrong at the receiver may be set right.
fn judge(status: StatusCode, headers: &header::HeaderMap) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let seconds = headers.get(header::RETRY_AFTER);
    let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
    Err(Failure {
        reason: format!("HTTP {}", status.as_u16()),
        retry_after: seconds.map(Duration::from_secs),
    })
}

fn unreachable(err: reqwest::Error) -> Failure {
    let reason = if err.is_timeout() {
        "no answer in time".to_owned()
    } else {
        // The address may have secrets in it.
        chain(&err.without_url())
    };
    Failure {
        reason,
        retry_after: None,
    }
}
