//! The way to a client: a socket, or the hope for one.

use std::future::pending;

use axum::extract::ws::Utf8Bytes;
use tokio::time::{Duration, Instant};
use tracing::debug;

use super::outbox::{Kept, Outbox};
use crate::protoo::wire::{Lost, Wire};

/// What a client is told, over whichever socket there is.
pub(super) struct Link {
    wire: Option<Wire>,
    outbox: Outbox,
    /// Without a socket: until when one may come.
    resume_by: Option<Instant>,
}

/// How long a session goes on without a socket. A phone that changes networks takes some seconds to notice and to find its
/// way; what happens meanwhile has to be kept, and the others look at a picture that stands still.
pub(super) const RESUME_WITHIN: Duration = Duration::from_secs(10);

/// What the socket has for us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Text(Utf8Bytes),
    /// The client has said goodbye.
    Left,
    /// Nothing more from this socket.
    Lost,
}

/// What became of a socket that came for a session.
pub(super) enum Taken {
    /// It took the place of this one.
    After(Option<Wire>),
    /// It comes back: not all is known that its client has missed.
    NotPossible(Wire),
}

impl Link {
    /// `queue`: frames that a socket takes at once.
    pub(super) fn new(wire: Wire, queue: usize) -> Self {
        Self {
            wire: Some(wire),
            outbox: Outbox::new(queue),
            resume_by: None,
        }
    }

    /// One without a socket: somebody is to come.
    pub(super) fn awaited(outbox: Outbox) -> Self {
        Self {
            wire: None,
            outbox,
            resume_by: Some(Instant::now() + RESUME_WITHIN),
        }
    }

    /// What the client may not have got, if it has a socket.
    pub(super) fn kept(&mut self) -> Option<Kept> {
        let wire = self.wire.as_ref()?;
        self.outbox.note_arrived(wire.marked());
        Some(self.outbox.kept())
    }

    /// The latest frame.
    pub(super) const fn last(&self) -> u64 {
        self.outbox.last()
    }

    /// What the client says. Never without a socket. Loses nothing when cancelled.
    pub(super) async fn receive(&mut self) -> Received {
        let Some(wire) = &mut self.wire else {
            return pending().await;
        };
        match wire.receive().await {
            Ok(text) => Received::Text(text),
            Err(Lost::Left) => Received::Left,
            Err(lost) => {
                self.lose(lost);
                Received::Lost
            }
        }
    }

    /// Tells the client something, now or when it is back.
    pub(super) fn tell(&mut self, text: &str) {
        if let Some(wire) = &self.wire {
            self.outbox.note_arrived(wire.marked());
        }
        let frame = self.outbox.push(text);
        let mark = self.outbox.mark();
        let Some(wire) = &self.wire else {
            return;
        };
        let sent = wire.send_text(frame);
        let sent = sent.and_then(|()| mark.map_or(Ok(()), |mark| wire.mark(mark)));
        if let Err(lost) = sent {
            self.lose(lost);
        }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, request: u64, text: &str) {
        self.tell(text);
        self.outbox.note_answer(request);
    }

    /// Repeats an answer; false if it is not known any more.
    pub(super) fn answer_again(&mut self, request: u64) -> bool {
        let Some(frame) = self.outbox.answer(request) else {
            return false;
        };
        if let Some(wire) = &self.wire
            && let Err(lost) = wire.send_text(frame)
        {
            self.lose(lost);
        }
        true
    }

    /// Goes on over another socket, with these words first and then everything after the frame that was `seen`. Without such words
    /// that was only sent.
    pub(super) fn take(&mut self, wire: Wire, seen: u64, first: Option<&str>) -> Taken {
        let Some(frames) = self.outbox.after(seen) else {
            return Taken::NotPossible(wire);
        };
        let mut sent = first.map_or(Ok(()), |first| wire.send(first.to_owned()));
        for frame in frames {
            sent = sent.and_then(|()| wire.send_text(frame));
        }
        if first.is_some() {
            self.outbox.note_arrived(seen);
        }
        let before = self.wire.replace(wire);
        self.resume_by = None;
        if let Err(lost) = sent {
            self.lose(lost);
        }
        Taken::After(before)
    }

    /// Until when somebody may come back who has no socket.
    pub(super) const fn resume_by(&self) -> Option<Instant> {
        self.resume_by
    }

    /// There is no socket, and what is kept is not enough for who might come back.
    pub(super) const fn is_hopeless(&self) -> bool {
        self.wire.is_none() && self.outbox.is_overrun()
    }

    /// The socket, for saying goodbye.
    pub(super) fn into_wire(self) -> Option<Wire> {
        self.wire
    }

    fn lose(&mut self, lost: Lost) {
        debug!(?lost, "socket lost, the session goes on for a while");
        if let Some(wire) = self.wire.take() {
            self.outbox.note_arrived(wire.marked());
        }
        self.resume_by = Some(Instant::now() + RESUME_WITHIN);
    }
}
