//! A room with people in it, and those who come to it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use plenum_client::{
    Client, ClientConfig, Codec, Dialect, Events, Media, Network, Publication, Subscription,
    source::Synthetic,
};
use tokio::{
    task::JoinSet,
    time::{sleep, sleep_until},
};

use super::viewer::{Times, Viewer, Way};

/// Opus as browsers send it, and a camera of a meeting.
const AUDIO_BITRATE: u32 = 32_000;
const VIDEO_BITRATE: u32 = 500_000;

/// Between two who come to stay: they are not what is measured.
const PACE: Duration = Duration::from_millis(4);

/// Somebody who stays, and what it is told.
pub type Resident = (Client, Events);

/// Where everybody goes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Scene {
    /// The server's.
    pub url: String,
    /// Threads of the generator.
    pub media: Media,
}

/// What became of joins.
#[derive(Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "two plain lists")]
pub struct Outcome {
    /// Of those who came and left.
    pub times: Vec<Times>,
    /// What went wrong, and how often.
    pub failures: BTreeMap<String, u32>,
}

/// Everybody has another name, in all rooms.
static NEXT: AtomicU32 = AtomicU32::new(0);

impl Scene {
    /// With these threads.
    pub const fn new(url: String, media: Media) -> Self {
        Self { url, media }
    }

    /// How somebody new comes to a room.
    pub fn way(&self, room: &str, dialect: Dialect) -> Way {
        Way {
            url: self.url.clone(),
            room: room.to_owned(),
            name: format!("peer-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            dialect,
            network: Network::default(),
        }
    }

    /// Somebody who sends sound and a picture of this bitrate.
    pub async fn publisher(&self, room: &str, dialect: Dialect, video: u32) -> Result<Resident> {
        let config = self.config(room, dialect);
        let (client, events) = Client::join(config, &self.media).await?;
        let microphone = Publication::audio(Synthetic::audio(AUDIO_BITRATE));
        client.publish(microphone).await?;
        let camera = Publication::video(Codec::Vp8, Synthetic::video(Codec::Vp8, video));
        client.publish(camera).await?;
        Ok((client, events))
    }

    /// Somebody who only receives, and stays.
    pub async fn resident(
        &self,
        room: &str,
        dialect: Dialect,
        wants: Subscription,
    ) -> Result<Resident> {
        let config = self
            .config(room, dialect)
            .receive_only()
            .subscription(wants);
        Ok(Client::join(config, &self.media).await?)
    }

    /// A publisher and so many viewers.
    pub async fn fill(
        &self,
        room: &str,
        dialect: Dialect,
        viewers: usize,
    ) -> Result<Vec<Resident>> {
        let mut all = vec![self.publisher(room, dialect, VIDEO_BITRATE).await?];
        for _ in 0..viewers {
            sleep(PACE).await;
            all.push(self.resident(room, dialect, Subscription::All).await?);
        }
        Ok(all)
    }

    /// So many come in the same moment, and leave when all of them have seen something.
    pub async fn storm(&self, room: &str, dialect: Dialect, joins: usize) -> Outcome {
        let due = Instant::now();
        let mut coming = JoinSet::new();
        for _ in 0..joins {
            let (way, media) = (self.way(room, dialect), self.media.clone());
            coming.spawn(async move {
                let viewer = Viewer::join(way, due, &media).await?;
                viewer.sees().await?;
                Ok(viewer)
            });
        }
        let mut outcome = Outcome::default();
        let mut leaving = JoinSet::new();
        for joined in coming.join_all().await {
            match joined {
                Ok(viewer) => {
                    leaving.spawn(viewer.leave());
                }
                Err(failure) => outcome.fail(failure),
            }
        }
        for left in leaving.join_all().await {
            outcome.take(left);
        }
        outcome
    }

    /// So many a second come to these rooms, whatever became of those before them, stay and leave.
    pub async fn churn(&self, rooms: &[String], dialect: Dialect, stream: Stream) -> Outcome {
        let begin = Instant::now();
        let count = (stream.rate * stream.lasts.as_secs_f64()) as u32;
        let mut peers = JoinSet::new();
        let mut outcome = Outcome::default();
        for (number, room) in (0..count).zip(rooms.iter().cycle()) {
            let due = begin + Duration::from_secs_f64(f64::from(number) / stream.rate);
            sleep_until(due.into()).await;
            let (way, media) = (self.way(room, dialect), self.media.clone());
            peers.spawn(async move {
                let viewer = Viewer::join(way, due, &media).await?;
                sleep_until((due + stream.stay).into()).await;
                viewer.sees().await?;
                viewer.leave().await
            });
            while let Some(left) = peers.try_join_next() {
                outcome.take(left.unwrap_or_else(|error| Err(error.to_string())));
            }
        }
        for left in peers.join_all().await {
            outcome.take(left);
        }
        outcome
    }

    fn config(&self, room: &str, dialect: Dialect) -> ClientConfig {
        let way = self.way(room, dialect);
        ClientConfig::new(way.url, way.room)
            .peer(way.name)
            .dialect(dialect)
    }
}

/// People who come and go.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain settings")]
pub struct Stream {
    /// A second.
    pub rate: f64,
    /// For so long somebody comes.
    pub lasts: Duration,
    /// How long each of them is there at least.
    pub stay: Duration,
}

impl Outcome {
    fn take(&mut self, left: Result<Times, String>) {
        match left {
            Ok(times) => self.times.push(times),
            Err(failure) => self.fail(failure),
        }
    }

    fn fail(&mut self, failure: String) {
        *self.failures.entry(failure).or_default() += 1;
    }

    /// All of another one.
    pub fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        for (failure, count) in other.failures {
            *self.failures.entry(failure).or_default() += count;
        }
    }

    /// How many joins came to nothing.
    pub fn failed(&self) -> u32 {
        self.failures.values().sum()
    }

    /// One of the times of everybody, in milliseconds, in order.
    pub fn sorted(&self, which: impl Fn(&Times) -> Option<Duration>) -> Vec<f64> {
        let times = self.times.iter().filter_map(which);
        let mut times: Vec<_> = times.map(|time| time.as_secs_f64() * 1000.0).collect();
        times.sort_by(f64::total_cmp);
        times
    }
}

/// All leave.
pub async fn dismiss(residents: Vec<Resident>) {
    let mut leaving = JoinSet::new();
    for (client, events) in residents {
        drop(events);
        leaving.spawn(client.leave());
    }
    leaving.join_all().await;
}

/// As many threads as a generator that shares two cores with its server has use for.
pub fn threads() -> Result<Media> {
    let media = Media::start(plenum_client::MediaOptions::default());
    let media = media.context("cannot start threads")?;
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    ensure!(
        limit.maximum.is_none_or(|most| most >= 4096),
        "five hundred peers need 4096 open files: ulimit -n"
    );
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
    Ok(media)
}
