//! The threads that move media.
//!
//! Each thread serves any number of transports: it waits for all their sockets at once, takes what has come in batches, and
//! sends what its sources write in batches. There is no task and no wake-up per packet, and no client waits for another's
//! lock.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::oneshot;

pub(crate) use line::{LineEvent, LineNews, LineSetup, SourceSetup, StreamSetup};
pub(crate) use remote::Line;

use crate::{ClientError, Histogram, Received, Sent};
use thread::{Command, Thread};

mod line;
mod remote;
mod running;
mod thread;

/// Threads that move the media of any number of clients. Cheap to clone; the threads end with the last clone and the last
/// client.
#[derive(Clone, Debug)]
pub struct Media(Arc<Threads>);

#[derive(Debug)]
struct Threads {
    all: Vec<Thread>,
    next: AtomicUsize,
    options: MediaOptions,
}

/// How media is moved.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct MediaOptions {
    /// How many threads. One moves some hundred thousand packets a second.
    pub threads: usize,
    /// Bytes of the receive buffer of each transport's socket; `None`: the system's default.
    pub receive_buffer: Option<usize>,
}

/// What the threads have done altogether, for all clients that they serve or have served.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct MediaFigures {
    /// What was sent.
    pub sent: Sent,
    /// What was received.
    pub received: Received,
    /// From the writing of a packet by a synthetic source of this process to its arrival at a client of this process, over
    /// the network and the server: packets of sound.
    pub audio_delay: Histogram,
    /// The same for packets of pictures.
    pub video_delay: Histogram,
    /// One entry for each thread.
    pub threads: Vec<ThreadFigures>,
}

/// How busy a thread is. One that is saturated makes the server look worse than it is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ThreadFigures {
    /// Transports that it serves: two for each client that sends and receives.
    pub transports: usize,
    /// Processor time that it has taken.
    pub cpu: Duration,
    /// Since the thread began.
    pub elapsed: Duration,
    /// How late sources were served.
    pub lateness: Histogram,
    /// Frames that were due so long ago that their stream was set back.
    pub skipped_frames: u64,
}

impl Media {
    /// Starts the threads.
    pub fn start(options: MediaOptions) -> Result<Self, ClientError> {
        let threads = (0..options.threads.max(1)).map(Thread::start);
        let threads: io::Result<_> = threads.collect();
        let failed = |source| ClientError::Io {
            what: "starting a media thread",
            source,
        };
        Ok(Self(Arc::new(Threads {
            all: threads.map_err(failed)?,
            next: AtomicUsize::new(0),
            options,
        })))
    }

    /// What all threads have done so far.
    pub async fn figures(&self) -> MediaFigures {
        let mut sum = MediaFigures::default();
        for thread in &self.0.all {
            let (answer, answered) = oneshot::channel();
            thread.send(Command::Figures(answer));
            if let Ok(figures) = answered.await {
                sum.sent += figures.sent;
                sum.received += figures.received;
                sum.audio_delay.merge(&figures.audio_delay);
                sum.video_delay.merge(&figures.video_delay);
                sum.threads.extend(figures.threads);
            }
        }
        sum
    }

    /// Opens a transport on one of the threads.
    pub(crate) fn open(&self, setup: LineSetup) -> io::Result<Line> {
        let threads = &self.0.all;
        let turn = self.0.next.fetch_add(1, Ordering::Relaxed);
        let index = turn.checked_rem(threads.len()).unwrap_or_default();
        let thread = threads.get(index).ok_or(io::ErrorKind::NotFound)?;
        Line::open(self.clone(), thread.clone(), &self.0.options, setup)
    }
}

impl Default for MediaOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            // A burst of key frames at 50 streams of 2.5 Mb/s.
            receive_buffer: Some(1 << 20),
        }
    }
}
