//! Answering the other side's requests.

use std::{borrow::Cow, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use crate::{
    Handler,
    frame::{Frame, FrameError, encode},
};

use super::Connection;

/// A request as it came.
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) method: String,
    pub(super) body: Value,
    /// What it took on the wire.
    pub(super) bytes: usize,
    pub(super) within: Option<Duration>,
}

/// Longest reason of a refusal, and longest code: both are sentences at most.
const MAX_REASON_BYTES: usize = 4096;

/// Says so if a handler never came to its end.
struct Owed {
    connection: Arc<Connection>,
    id: u64,
    paid: bool,
}

impl Connection {
    /// Has a request answered, beside all others.
    pub(super) fn answer(self: &Arc<Self>, request: Request, handler: &Arc<dyn Handler>) {
        let Request {
            id,
            method,
            body,
            bytes,
            within,
        } = request;
        let Some(place) = self.answering.take(bytes) else {
            self.say(&Frame::Busy { id });
            return;
        };
        let until = within.and_then(|within| Instant::now().checked_add(within));
        let connection = Arc::clone(self);
        let handler = Arc::clone(handler);
        tokio::spawn(async move {
            // Kept until the answer is lined up, so that answers that nobody reads are as few as requests that run.
            let Some(_turn) = place.turn().await else {
                return;
            };
            if until.is_some_and(|until| until <= Instant::now()) {
                // Nobody waits for it any more, and nothing was done.
                return;
            }
            let mut owed = Owed {
                connection: Arc::clone(&connection),
                id,
                paid: false,
            };
            let from = connection.peer.clone();
            let answer = handler.request(from, method, body).await;
            owed.paid = true;
            let frame = match answer {
                Ok(body) => connection.response(id, &body),
                Err(refusal) => connection.refusal(id, refusal.code, refusal.message),
            };
            if let Some(frame) = frame {
                // When the connection is over, so is whoever asked.
                let _ = connection.outbox.push(frame).await;
                connection.mark_used();
            }
        });
    }

    fn response(&self, id: u64, body: &Value) -> Option<Vec<u8>> {
        let body = Cow::Borrowed(body);
        let response = Frame::Response { id, body };
        match encode(&response, self.config.limits.frame_bytes) {
            Ok(frame) => Some(frame),
            Err(FrameError::TooLarge { length } | FrameError::Malformed { length, .. }) => {
                let bytes = length as u64;
                self.encoded(&Frame::TooLarge { id, bytes })
            }
        }
    }

    fn refusal(&self, id: u64, mut code: String, mut message: String) -> Option<Vec<u8>> {
        // Short enough for any frame, so that who asks is told in any case.
        code.truncate(code.floor_char_boundary(MAX_REASON_BYTES));
        message.truncate(message.floor_char_boundary(MAX_REASON_BYTES));
        self.encoded(&Frame::Refusal { id, code, message })
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.paid {
            self.connection.say(&Frame::Refusal {
                id: self.id,
                code: "internal".to_owned(),
                message: "the handler failed".to_owned(),
            });
        }
    }
}
