//! Keys that change while we run: files are read again, sets of keys are fetched again.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use plenum_api::error::chain;
use tokio::{sync::Notify, time::sleep};
use tracing::{info, warn};

use crate::{
    jwks,
    keys::{self, KeyError, Stamps},
    verifier::Verifier,
};

/// How often files are looked at. A look costs some system calls, and whoever puts a key there waits for this.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How often a set of keys is fetched even if nobody shows an unknown one, so that a key that was taken back is forgotten.
const FETCH_INTERVAL: Duration = Duration::from_mins(5);

/// Shortest time between two fetches, whatever tokens strangers show.
const FETCH_FLOOR: Duration = Duration::from_secs(10);

/// For a few kilobytes.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest set of keys taken.
const MAX_SET: usize = 1 << 20;

/// What is asked for, and when it was last.
pub(crate) struct Refresh {
    client: Option<(reqwest::Client, String)>,
    wanted: Notify,
    last_fetch: Mutex<Option<Instant>>,
    stamps: Mutex<Stamps>,
    floor: Duration,
}

impl Refresh {
    pub(crate) fn none() -> Self {
        Self {
            client: None,
            wanted: Notify::new(),
            last_fetch: Mutex::new(None),
            stamps: Mutex::new(Vec::new()),
            floor: FETCH_FLOOR,
        }
    }

    pub(crate) fn new(url: Option<&str>) -> Result<Self, KeyError> {
        let Some(url) = url else {
            return Ok(Self::none());
        };
        let parsed = reqwest::Url::parse(url).map_err(|_| KeyError::Url)?;
        let is_local = parsed.host_str().is_some_and(|host| {
            let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
            host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
        });
        if parsed.scheme() != "https" && !(parsed.scheme() == "http" && is_local) {
            return Err(KeyError::Url);
        }
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            // Whoever could send us elsewhere could give us keys.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| KeyError::Url)?;
        Ok(Self {
            client: Some((client, url.to_owned())),
            ..Self::none()
        })
    }

    pub(crate) fn note_stamps(&self, stamps: Stamps) {
        *self.stamps.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
    }

    /// Has the set fetched because of a key that is not known. `false`: there is none, or it was fetched just now.
    pub(crate) fn ask(&self) -> bool {
        if self.client.is_none() || !self.may_fetch() {
            return false;
        }
        self.wanted.notify_one();
        true
    }

    fn may_fetch(&self) -> bool {
        let last = self.last_fetch.lock();
        let last = *last.unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| last.elapsed() >= self.floor)
    }
}

impl Verifier {
    /// Reads files again when they change and fetches the set of keys again, until nobody holds the verifier any more. What
    /// cannot be read or fetched changes nothing: the keys that are there stay.
    pub async fn keep_current(self: Arc<Self>) {
        let weak = Arc::downgrade(&self);
        drop(self);
        let mut is_wanted = true;
        let mut next_fetch = Instant::now();
        while let Some(verifier) = weak.upgrade() {
            verifier.look_at_files();
            if is_wanted && verifier.refresh.may_fetch() || next_fetch <= Instant::now() {
                verifier.fetch().await;
                next_fetch = Instant::now() + FETCH_INTERVAL;
            }
            is_wanted = tokio::select! {
                () = verifier.refresh.wanted.notified() => true,
                () = sleep(LOOK_INTERVAL) => false,
            };
        }
    }

    fn look_at_files(&self) {
        let paths = &self.options.keys;
        let mut known = self
            .refresh
            .stamps
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let seen = match keys::stamps(paths) {
            Ok(seen) if seen == *known => return,
            Ok(seen) => seen,
            // What it was before is not forgotten, so that it is said once when it is there again.
            Err(_) => return,
        };
        // Said once for each change, whatever comes of it.
        *known = seen;
        drop(known);
        match keys::read_all(paths) {
            Ok((keys, _)) if keys.is_empty() && self.options.jwks_url.is_none() => {
                warn!("no keys are left in auth.keys, those from before go on");
            }
            Ok((keys, stamps)) => {
                info!(count = keys.len(), "keys of tokens read again");
                self.from_files.store(Arc::new(keys));
                self.refresh.note_stamps(stamps);
            }
            Err(err) => warn!(err = chain(&err), "keys of tokens stay as they were"),
        }
    }

    async fn fetch(&self) {
        let Some((client, url)) = &self.refresh.client else {
            return;
        };
        {
            let mut last = self
                .refresh
                .last_fetch
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *last = Some(Instant::now());
        }
        match fetch(client, url).await {
            Ok(keys) => self.from_url.store(Arc::new(keys)),
            Err(err) => warn!(err, "auth.jwks_url gives no keys, those from before go on"),
        }
    }
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<Vec<keys::Key>, String> {
    let failed = |err: reqwest::Error| chain(&err);
    let response = client.get(url).send().await.map_err(failed)?;
    let mut response = response.error_for_status().map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_SET {
            return Err("no set of keys is as large".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    jwks::parse(&body, jwks::Source::Url).map_err(str::to_owned)
}

#[cfg(test)]
mod tests;
