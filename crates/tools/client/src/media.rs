//! The threads that move media.
#![expect(clippy::unused_async, reason = "the shape comes before what fills it")]

use std::{sync::Arc, time::Duration};

use crate::{ClientError, Histogram, Received, Sent};

/// Threads that move the media of any number of clients. Cheap to clone; the threads end with the last clone and the last
/// client.
#[derive(Clone, Debug)]
pub struct Media {
    options: Arc<MediaOptions>,
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
    /// Clients that it serves.
    pub clients: usize,
    /// Processor time that it has taken.
    pub cpu: Duration,
    /// Since the thread began.
    pub elapsed: Duration,
    /// How late sources and timers were served.
    pub lateness: Histogram,
    /// Frames that were due so long ago that they were left out.
    pub skipped_frames: u64,
}

impl Media {
    /// Starts the threads.
    pub fn start(options: MediaOptions) -> Result<Self, ClientError> {
        Ok(Self {
            options: Arc::new(options),
        })
    }

    /// What all threads have done so far.
    pub async fn figures(&self) -> MediaFigures {
        MediaFigures {
            threads: vec![ThreadFigures::default(); self.options.threads],
            ..MediaFigures::default()
        }
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
