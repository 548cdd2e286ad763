//! What waits to be written to a connection.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// Frames on their way out, bounded. Whoever asks for something waits for room or does without; answers and what
/// belongs to a conversation wait; heartbeats and the like go past all that.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// A permit for each byte that may wait.
    room: Arc<Semaphore>,
    limit: usize,
    lines: Mutex<Lines>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Lines {
    urgent: VecDeque<Waiting>,
    usual: VecDeque<Waiting>,
    queued: usize,
    /// Of those, what nobody asked room for.
    unasked: usize,
    finishing: bool,
}

#[derive(Debug)]
struct Waiting {
    frame: Vec<u8>,
    permit: Option<OwnedSemaphorePermit>,
}

/// Why a frame cannot go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushError {
    /// The connection is over.
    Closed,
    /// Too much is waiting.
    Full,
}

/// What goes out next. Its room is free again when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    permits: Vec<OwnedSemaphorePermit>,
}

/// Frames are put together up to so much: what a socket takes at once, and what a turn of the encryption takes.
const BATCH_BYTES: usize = 64 * 1024;

/// Most bytes that nobody asked room for: answers to what the other side makes us say, while it does not read. A hundred
/// thousand heartbeats would fit.
const UNASKED_BYTES: usize = 4 * 1024 * 1024;

impl Outbox {
    /// One in which so many bytes may wait.
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.min(u32::MAX as usize);
        Self {
            room: Arc::new(Semaphore::new(limit)),
            limit,
            lines: Mutex::default(),
            ready: Notify::new(),
        }
    }

    /// Puts a frame at the end, if there is room.
    pub(crate) fn try_push(&self, frame: Vec<u8>) -> Result<(), PushError> {
        let room = Arc::clone(&self.room);
        let permit = match room.try_acquire_many_owned(self.cost(&frame)) {
            Ok(permit) => permit,
            Err(TryAcquireError::Closed) => return Err(PushError::Closed),
            Err(TryAcquireError::NoPermits) => return Err(PushError::Full),
        };
        self.line_up(frame, Some(permit), false)
    }

    /// Puts a frame at the end when there is room: those who wait get it in the order in which they came.
    pub(crate) async fn push(&self, frame: Vec<u8>) -> Result<(), PushError> {
        let room = Arc::clone(&self.room);
        let permit = room.acquire_many_owned(self.cost(&frame)).await;
        let permit = permit.map_err(|_| PushError::Closed)?;
        self.line_up(frame, Some(permit), false)
    }

    /// Puts a frame at the end without asking for room. `Full`: the other side has had so much of these without reading
    /// them that it is to be given up.
    pub(crate) fn push_unasked(&self, frame: Vec<u8>) -> Result<(), PushError> {
        self.line_up(frame, None, false)
    }

    /// The same, in front of everything that is not urgent.
    pub(crate) fn push_urgent(&self, frame: Vec<u8>) -> Result<(), PushError> {
        self.line_up(frame, None, true)
    }

    /// Nothing more is taken. What waits is forgotten, except that `last` goes out.
    pub(crate) fn finish(&self, last: Option<Vec<u8>>) {
        self.room.close();
        let mut lines = self.lines();
        *lines = Lines {
            finishing: true,
            ..Lines::default()
        };
        if let Some(frame) = last {
            lines.queued = frame.len();
            lines.unasked = frame.len();
            let permit = None;
            lines.usual.push_back(Waiting { frame, permit });
        }
        drop(lines);
        self.ready.notify_one();
    }

    /// Nothing more is taken, and what waits goes out.
    pub(crate) fn finish_all(&self) {
        self.room.close();
        self.lines().finishing = true;
        self.ready.notify_one();
    }

    /// Bytes that wait.
    pub(crate) fn queued(&self) -> usize {
        self.lines().queued
    }

    /// What goes out next, into an empty batch; waits for it. `false`: nothing more comes. Only one may wait.
    pub(crate) async fn next(&self, batch: &mut Batch) -> bool {
        loop {
            {
                let mut lines = self.lines();
                lines.fill(batch);
                if !batch.bytes.is_empty() {
                    return true;
                }
                if lines.finishing {
                    return false;
                }
            }
            self.ready.notified().await;
        }
    }

    fn line_up(
        &self,
        frame: Vec<u8>,
        permit: Option<OwnedSemaphorePermit>,
        urgent: bool,
    ) -> Result<(), PushError> {
        let mut lines = self.lines();
        if lines.finishing {
            return Err(PushError::Closed);
        }
        if permit.is_none() {
            if lines.unasked + frame.len() > UNASKED_BYTES {
                return Err(PushError::Full);
            }
            lines.unasked += frame.len();
        }
        lines.queued += frame.len();
        let waiting = Waiting { frame, permit };
        if urgent {
            lines.urgent.push_back(waiting);
        } else {
            lines.usual.push_back(waiting);
        }
        drop(lines);
        self.ready.notify_one();
        Ok(())
    }

    /// What a frame takes of the room: one that is longer than all of it takes all of it.
    fn cost(&self, frame: &[u8]) -> u32 {
        frame.len().min(self.limit) as u32
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn fill(&mut self, batch: &mut Batch) {
        while batch.bytes.len() < BATCH_BYTES {
            let next = self.urgent.pop_front().or_else(|| self.usual.pop_front());
            let Some(Waiting { frame, permit }) = next else {
                return;
            };
            self.queued -= frame.len();
            if permit.is_none() {
                self.unasked -= frame.len();
            }
            batch.permits.extend(permit);
            if batch.bytes.is_empty() {
                batch.bytes = frame;
            } else {
                batch.bytes.extend_from_slice(&frame);
            }
        }
    }
}

impl Batch {
    /// It was written: its room is free.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.permits.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_waits_is_bounded_and_room_comes_with_writing() {
        let outbox = Outbox::new(100);
        assert_eq!(outbox.try_push(vec![1; 60]), Ok(()));
        assert_eq!(outbox.try_push(vec![2; 60]), Err(PushError::Full));
        let mut waiting = std::pin::pin!(outbox.push(vec![3; 60]));
        assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none());
        let mut batch = Batch::default();
        assert!(outbox.next(&mut batch).await);
        assert!(
            futures_util::FutureExt::now_or_never(&mut waiting).is_none(),
            "not written yet"
        );
        batch.clear();
        assert_eq!(waiting.await, Ok(()));
        assert_eq!(outbox.queued(), 60);
    }

    #[tokio::test]
    async fn urgent_frames_overtake_and_others_keep_their_order() {
        let outbox = Outbox::new(1000);
        for frame in [vec![1], vec![2]] {
            outbox.try_push(frame).expect("room");
        }
        outbox.push_unasked(vec![3]).expect("room");
        outbox.push_urgent(vec![0]).expect("room");
        let mut batch = Batch::default();
        assert!(outbox.next(&mut batch).await);
        assert_eq!(batch.bytes, [0, 1, 2, 3]);
        outbox.push_unasked(vec![4]).expect("room");
        outbox.finish_all();
        assert_eq!(outbox.push_unasked(vec![5]), Err(PushError::Closed));
        assert_eq!(outbox.push(vec![5]).await, Err(PushError::Closed));
        batch.clear();
        assert!(outbox.next(&mut batch).await);
        batch.clear();
        assert!(!outbox.next(&mut batch).await);
    }

    #[test]
    fn what_nobody_asked_room_for_is_bounded_too() {
        let outbox = Outbox::new(10);
        let frame = vec![0; UNASKED_BYTES / 4];
        for _ in 0..4 {
            outbox.push_urgent(frame.clone()).expect("room");
        }
        assert_eq!(outbox.push_urgent(frame), Err(PushError::Full));
    }

    #[tokio::test]
    async fn a_frame_longer_than_all_room_goes_alone() {
        let outbox = Outbox::new(10);
        outbox.push(vec![0; 50]).await.expect("all of the room");
        assert_eq!(outbox.try_push(vec![0]), Err(PushError::Full));
    }
}
