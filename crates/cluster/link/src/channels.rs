//! All channels of one connection.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::Value;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::{
    LinkError, Peer,
    channel::{Channel, ChannelEnd, EndedBy, Shared, WINDOW, cost},
    frame::{Frame, FrameError, encode},
    outbox::{Outbox, PushError},
};

/// The channels of a connection. Those that the dialler opens have even numbers, the others odd ones; each side counts
/// up, so that no number is used twice.
#[derive(Debug)]
pub(crate) struct Channels {
    outbox: Arc<Outbox>,
    peer: Peer,
    limits: ChannelLimits,
    /// Bytes of messages that nobody has taken.
    untaken: Arc<AtomicUsize>,
    table: Mutex<Table>,
}

/// How much of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelLimits {
    pub(crate) channels: usize,
    pub(crate) frame_bytes: usize,
    /// Bytes of messages that nobody has taken.
    pub(crate) untaken: usize,
}

#[derive(Debug)]
struct Table {
    open: HashMap<u64, Entry>,
    next: u64,
    /// The lowest number that the other side may use next.
    next_theirs: u64,
    over: bool,
}

#[derive(Debug)]
struct Entry {
    shared: Arc<Shared>,
    inbox: mpsc::UnboundedSender<Message>,
    /// Bytes that have come and for which no credit was given.
    outstanding: usize,
}

/// A message that nobody has taken. It counts until somebody does, also when its channel is over.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) body: Value,
    pub(crate) cost: usize,
    untaken: Arc<AtomicUsize>,
}

/// Longest name of a channel, and longest words at its end: they are kept as long as it is.
const MAX_TEXT_BYTES: usize = 256;

/// The other side does not keep to the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) &'static str);

impl Channels {
    pub(crate) fn new(
        outbox: Arc<Outbox>,
        peer: Peer,
        dialled: bool,
        limits: ChannelLimits,
    ) -> Self {
        Self {
            outbox,
            peer,
            limits,
            untaken: Arc::default(),
            table: Mutex::new(Table {
                open: HashMap::new(),
                next: u64::from(!dialled),
                next_theirs: u64::from(dialled),
                over: false,
            }),
        }
    }

    /// Opens a channel from here. One at a time: numbers go out in their order.
    pub(crate) fn open(self: &Arc<Self>, name: &str, body: &Value) -> Result<Channel, LinkError> {
        if name.len() > MAX_TEXT_BYTES {
            let bytes = name.len();
            let answer = false;
            return Err(LinkError::TooLarge { bytes, answer });
        }
        let (id, channel) = {
            let mut table = self.table();
            if table.over {
                return Err(LinkError::Lost);
            }
            if table.open.len() >= self.limits.channels {
                return Err(LinkError::Overloaded);
            }
            let id = table.next;
            table.next += 2;
            (id, self.enter(&mut table, id, name))
        };
        let frame = Frame::Open {
            channel: id,
            name: Cow::Borrowed(name),
            body: Cow::Borrowed(body),
        };
        let sent = encode(&frame, self.limits.frame_bytes)
            .map_err(LinkError::from)
            .and_then(|frame| self.outbox.try_push(frame).map_err(LinkError::from));
        if let Err(err) = sent {
            // The other side has not heard of it, and need not.
            self.remove(id, ChannelEnd::link());
            return Err(err);
        }
        Ok(channel)
    }

    /// The other side opens a channel. `None`: one too many.
    pub(crate) fn handle_open(
        self: &Arc<Self>,
        id: u64,
        name: &str,
    ) -> Result<Option<Channel>, Violation> {
        if name.len() > MAX_TEXT_BYTES {
            return Err(Violation("a channel's name is too long"));
        }
        let mut table = self.table();
        let next = table.next_theirs;
        if id < next || id % 2 != next % 2 {
            return Err(Violation(
                "a channel's number is not the other side's, or used",
            ));
        }
        table.next_theirs = id.saturating_add(2);
        if table.open.len() < self.limits.channels && !table.over {
            return Ok(Some(self.enter(&mut table, id, name)));
        }
        drop(table);
        self.tell_closed(
            id,
            "overloaded",
            "there are as many channels as there may be",
        );
        Ok(None)
    }

    /// A message, whose frame was so long.
    pub(crate) fn handle_message(&self, id: u64, body: Value, length: usize) {
        let cost = cost(length);
        let mut table = self.table();
        let Some(entry) = table.open.get_mut(&id) else {
            // It was closed here meanwhile.
            return;
        };
        let untaken = self.untaken.load(Ordering::Relaxed) + cost;
        if entry.outstanding + cost > WINDOW || untaken > self.limits.untaken {
            // Whoever keeps to the protocol has waited for credit; or all channels together have too much.
            drop(table);
            self.close(id, "overloaded", "more was sent than was taken");
            return;
        }
        entry.outstanding += cost;
        self.untaken.fetch_add(cost, Ordering::Relaxed);
        let untaken = Arc::clone(&self.untaken);
        let message = Message {
            body,
            cost,
            untaken,
        };
        // Who does not listen any more has closed it, or is about to.
        let _ = entry.inbox.send(message);
    }

    /// The other side has taken so much.
    pub(crate) fn handle_credit(&self, id: u64, bytes: u64) {
        if let Some(entry) = self.table().open.get(&id) {
            let window = &entry.shared.window;
            let used = WINDOW.saturating_sub(window.available_permits());
            window.add_permits(usize::try_from(bytes).unwrap_or(used).min(used));
        }
    }

    /// The other side closes a channel. What it sent before can still be taken.
    pub(crate) fn handle_close(&self, id: u64, mut code: String, mut message: String) {
        let by = EndedBy::There;
        code.truncate(code.floor_char_boundary(MAX_TEXT_BYTES));
        message.truncate(message.floor_char_boundary(MAX_TEXT_BYTES));
        self.remove(id, ChannelEnd { by, code, message });
    }

    /// Closes a channel from here.
    pub(crate) fn close(&self, id: u64, code: &str, message: &str) {
        let end = ChannelEnd {
            by: EndedBy::Here,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        if self.remove(id, end) {
            self.tell_closed(id, code, message);
        }
    }

    /// Messages of so many bytes were taken: the other side may send as many.
    pub(crate) fn give_credit(&self, channel: u64, credit: usize) {
        if let Some(entry) = self.table().open.get_mut(&channel) {
            entry.outstanding = entry.outstanding.saturating_sub(credit);
        } else {
            return;
        }
        let bytes = credit as u64;
        self.send_unasked(&Frame::Credit { channel, bytes });
    }

    /// The link is broken: all channels are over.
    pub(crate) fn end_all(&self) {
        let entries: Vec<Entry> = {
            let mut table = self.table();
            table.over = true;
            table.open.drain().map(|(_, entry)| entry).collect()
        };
        for entry in entries {
            entry.end(ChannelEnd::link());
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table().open.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(crate) fn frame_bytes(&self) -> usize {
        self.limits.frame_bytes
    }

    fn enter(self: &Arc<Self>, table: &mut Table, id: u64, name: &str) -> Channel {
        let (inbox, messages) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            id,
            name: name.to_owned(),
            window: Semaphore::new(WINDOW),
            end: watch::Sender::new(None),
        });
        let entry = Entry {
            shared: Arc::clone(&shared),
            inbox,
            outstanding: 0,
        };
        table.open.insert(id, entry);
        Channel::new(self, shared, messages)
    }

    /// Takes it off the table, if it is there.
    fn remove(&self, id: u64, end: ChannelEnd) -> bool {
        let entry = self.table().open.remove(&id);
        let found = entry.is_some();
        if let Some(entry) = entry {
            entry.end(end);
        }
        found
    }

    fn tell_closed(&self, channel: u64, code: &str, message: &str) {
        self.send_unasked(&Frame::Close {
            channel,
            code: code.to_owned(),
            message: message.to_owned(),
        });
    }

    /// When there is no room for this either, the one who writes has seen that the other side does not read.
    fn send_unasked(&self, frame: &Frame<'_>) {
        if let Ok(frame) = encode(frame, self.limits.frame_bytes) {
            let _ = self.outbox.push_unasked(frame);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn end(self, end: ChannelEnd) {
        // Said before anybody finds it closed. The inbox ends with the entry.
        self.shared.end.send_replace(Some(end));
        self.shared.window.close();
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.untaken.fetch_sub(self.cost, Ordering::Relaxed);
    }
}

impl From<FrameError> for LinkError {
    fn from(err: FrameError) -> Self {
        match err {
            // Values of JSON can always be written.
            FrameError::TooLarge { length } | FrameError::Malformed { length, .. } => {
                Self::TooLarge {
                    bytes: length,
                    answer: false,
                }
            }
        }
    }
}

impl From<PushError> for LinkError {
    fn from(err: PushError) -> Self {
        match err {
            PushError::Closed => Self::Unreachable {
                reason: "the link has just ended".to_owned(),
            },
            PushError::Full => Self::Overloaded,
        }
    }
}

#[cfg(test)]
mod tests;
