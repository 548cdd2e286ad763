//! One viewer: how long each step took, and how often it had to wait for the server.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use plenum_client::{Client, ClientConfig, Dialect, Events, Hook, Media, Network, Stage, Step};
use tokio::{sync::Notify, time::timeout};

/// Who has seen nothing by then will not: a fault, and not a delay, also on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(15);

/// How a join went. Times count from the moment in which it was due.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Times {
    /// Until the generator came round to it.
    pub late: Duration,
    /// Until the connection was open.
    pub connect: Option<Duration>,
    /// Until the last answer that joining takes in its protocol.
    pub last_answer: Option<Duration>,
    /// Until the first media packet that decrypted.
    pub first_packet: Option<Duration>,
    /// Until the first key frame.
    pub first_key_frame: Option<Duration>,
    /// Requests that were answered.
    pub requests: u32,
    /// How often an answer had to be there before the next request could leave.
    pub turns: u32,
    /// When the last answer came that the next request waited for.
    waited: Option<Instant>,
}

/// What a viewer has been told so far.
#[derive(Debug)]
struct Notes {
    due: Instant,
    times: Mutex<Times>,
    sees: Notify,
}

/// A viewer in a room.
#[derive(Debug)]
pub struct Viewer {
    notes: Arc<Notes>,
    client: Client,
    events: Events,
}

/// How a viewer comes.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain settings")]
pub struct Way {
    /// Where to.
    pub url: String,
    /// Which room.
    pub room: String,
    /// Its name there.
    pub name: String,
    /// In which language.
    pub dialect: Dialect,
    /// Over which network its media goes.
    pub network: Network,
}

impl Viewer {
    /// Goes into a room without sending anything.
    pub async fn join(way: Way, due: Instant, media: &Media) -> Result<Self, String> {
        let notes = Arc::new(Notes {
            due,
            times: Mutex::new(Times {
                late: due.elapsed(),
                ..Times::default()
            }),
            sees: Notify::new(),
        });
        let mut config = ClientConfig::new(way.url, way.room)
            .peer(&way.name)
            .display_name(way.name)
            .dialect(way.dialect)
            .network(way.network)
            .receive_only();
        config.hook = Some(Arc::clone(&notes) as Arc<dyn Hook>);
        config.timeout = PATIENCE;
        let (client, events) = Client::join(config, media)
            .await
            .map_err(|error| format!("join: {} ({error})", error.kind()))?;
        Ok(Self {
            notes,
            client,
            events,
        })
    }

    /// Until there is a picture.
    pub async fn sees(&self) -> Result<(), String> {
        let seen = async {
            loop {
                let told = self.notes.sees.notified();
                if self.notes.lock().first_key_frame.is_some() {
                    return;
                }
                told.await;
            }
        };
        timeout(PATIENCE, seen)
            .await
            .map_err(|_| "no picture".to_owned())
    }

    /// Leaves; returns how its join went.
    pub async fn leave(self) -> Result<Times, String> {
        let Self {
            notes,
            client,
            events,
        } = self;
        let left = timeout(GOODBYE, client.leave()).await;
        drop(events);
        left.map_err(|_| "leaving took too long".to_owned())?;
        let times = *notes.lock();
        Ok(times)
    }
}

impl Times {
    fn answered(&mut self, began: Instant, ended: Instant) {
        self.requests += 1;
        if self.waited.is_none_or(|waited| began >= waited) {
            self.turns += 1;
            self.waited = Some(ended);
        }
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hook for Notes {
    fn step(&self, step: &Step) {
        if step.error.is_some() {
            return;
        }
        let since_due = step.ended.saturating_duration_since(self.due);
        let mut times = self.lock();
        match &step.stage {
            Stage::Connect => times.connect = Some(since_due),
            Stage::Message(_) => times.answered(step.began, step.ended),
            Stage::Join => times.last_answer = Some(since_due),
            Stage::FirstPacket(_) => {
                times.first_packet.get_or_insert(since_due);
            }
            Stage::FirstKeyFrame => {
                times.first_key_frame = Some(since_due);
                drop(times);
                self.sees.notify_waiters();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_side_by_side_are_one_turn() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut times = Times::default();
        for (began, ended) in [(0, 1), (1, 3), (1, 4), (4, 5)] {
            times.answered(at(began), at(ended));
        }
        assert_eq!((times.requests, times.turns), (4, 3));
    }
}
