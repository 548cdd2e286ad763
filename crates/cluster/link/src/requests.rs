//! Requests of one connection: those that wait for the other side, and those that the other side waits for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::{Limits, LinkError};

/// Requests from here without an answer.
#[derive(Debug)]
pub(crate) struct Asked {
    limit: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<u64, oneshot::Sender<Result<Value, LinkError>>>,
    next: u64,
    over: bool,
}

/// A request that waits for its answer. It is forgotten when this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) id: u64,
    answer: oneshot::Receiver<Result<Value, LinkError>>,
    asked: Arc<Asked>,
}

/// Why a request cannot go over this connection.
#[derive(Debug)]
pub(crate) enum NotAsked {
    /// For its own sake, or because too much is waiting.
    Failed(LinkError),
    /// The connection is over: another one may do.
    Over,
}

impl Asked {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            table: Mutex::default(),
        }
    }

    /// Remembers a request.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<Waiting, NotAsked> {
        let mut table = self.table();
        if table.over {
            return Err(NotAsked::Over);
        }
        if table.waiting.len() >= self.limit {
            return Err(NotAsked::Failed(LinkError::Overloaded));
        }
        let id = table.next;
        table.next += 1;
        let (sender, answer) = oneshot::channel();
        table.waiting.insert(id, sender);
        Ok(Waiting {
            id,
            answer,
            asked: Arc::clone(self),
        })
    }

    /// The answer is there. One that nobody waits for any more came too late.
    pub(crate) fn answer(&self, id: u64, answer: Result<Value, LinkError>) {
        if let Some(waiting) = self.table().waiting.remove(&id) {
            // Who has just gone does not need it.
            let _ = waiting.send(answer);
        }
    }

    /// No answers come any more.
    pub(crate) fn end_all(&self) {
        let mut table = self.table();
        table.over = true;
        // Whoever waits finds the other end dropped.
        table.waiting.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.table().waiting.len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The answer, if one comes.
    pub(crate) async fn answer(mut self) -> Result<Value, LinkError> {
        (&mut self.answer).await.unwrap_or(Err(LinkError::Lost))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.asked.table().waiting.remove(&self.id);
    }
}

/// Requests of the other side that are not answered.
#[derive(Debug)]
pub(crate) struct Answering {
    turns: Semaphore,
    max_requests: usize,
    max_bytes: usize,
    load: Mutex<Load>,
}

#[derive(Debug, Default)]
struct Load {
    requests: usize,
    bytes: usize,
}

/// A request that counts as long as this is there.
#[derive(Debug)]
pub(crate) struct Place {
    answering: Arc<Answering>,
    bytes: usize,
}

impl Answering {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            turns: Semaphore::new(limits.running_requests),
            max_requests: limits.requests,
            max_bytes: limits.request_bytes,
            load: Mutex::default(),
        }
    }

    /// Room for a request of so many bytes, if there is any.
    pub(crate) fn take(self: &Arc<Self>, bytes: usize) -> Option<Place> {
        let mut load = self.load();
        if load.requests >= self.max_requests || load.bytes + bytes > self.max_bytes {
            return None;
        }
        load.requests += 1;
        load.bytes += bytes;
        Some(Place {
            answering: Arc::clone(self),
            bytes,
        })
    }

    /// Those that have not begun never will.
    pub(crate) fn end_all(&self) {
        self.turns.close();
    }

    pub(crate) fn len(&self) -> usize {
        self.load().requests
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until the request may run, in the order in which requests came. `None`: nobody waits for its answer any more.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.answering.turns.acquire().await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut load = self.answering.load();
        load.requests -= 1;
        load.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_find_their_requests_and_late_ones_nobody() {
        let asked = Arc::new(Asked::new(2));
        let first = asked.begin().expect("room");
        let second = asked.begin().expect("room");
        assert!(matches!(
            asked.begin(),
            Err(NotAsked::Failed(LinkError::Overloaded))
        ));
        let id = first.id;
        drop(first);
        assert_eq!(asked.len(), 1);
        asked.answer(id, Ok(Value::Null));
        asked.answer(second.id, Ok(1.into()));
        assert_eq!(second.answer().await, Ok(1.into()));
        let third = asked.begin().expect("room");
        asked.end_all();
        assert_eq!(third.answer().await, Err(LinkError::Lost));
        assert!(matches!(asked.begin(), Err(NotAsked::Over)));
    }

    #[test]
    fn requests_of_others_are_bounded_by_number_and_by_bytes() {
        let limits = Limits {
            requests: 2,
            request_bytes: 100,
            ..Limits::default()
        };
        let answering = Arc::new(Answering::new(&limits));
        let first = answering.take(60).expect("room");
        assert!(answering.take(60).is_none(), "bytes");
        let second = answering.take(40).expect("room");
        assert!(answering.take(0).is_none(), "number");
        drop(first);
        assert!(answering.take(60).is_some());
        drop(second);
        assert_eq!(answering.len(), 0);
    }
}
