//! Sessions of clients whose room is at another node.
//!
//! The *near* node has the client's connection: its [`Session`] is one like all others, behind which a task
//! ([`near`]) speaks with the *far* node over a channel of the link. That one has let the peer into its room ([`far`]), with
//! its own limits, and has a session of it as any door would. Both pass on what comes, in order, and wait for no answer
//! before the next request. Media goes between client and far node.
//!
//! When the link breaks, the far node keeps the session for [`GRACE`], and the near one attaches it again over a new link: what was
//! said is numbered ([`line`]), so that nothing is lost or done twice. When that does not succeed, or the far node is gone, the
//! session ends like one whose worker has died: clients who can join again where the room is then, over the same
//! connection; all others connect again.

mod far;
mod line;
mod near;
mod words;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plenum_ids::NodeId;
use plenum_link::{ChannelEnd, ChannelError, ChannelSender, EndedBy};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};

use self::{
    far::Attachment,
    line::{Line, Nonsense, pieces},
    words::{Message, to_json},
};

use crate::host::Host;

pub(crate) use near::enter;

/// The name of such channels.
pub(crate) const CHANNEL: &str = "session";

/// How long a session stays in its room without a channel: the same as for a client without a socket.
const GRACE: Duration = Duration::from_secs(10);

/// Why a channel is closed whose client is on its way to another node: its session stays for [`GRACE`].
const AWAY: &str = "away";

/// How long the other side may take to say whether somebody is let in: for a room that is moving to another worker it waits as long
/// as [`crate::Host::reconnect`] does.
const GREETING: Duration = Duration::from_secs(10);

/// Sessions of clients of one other node. As many channels as a link has.
const MAX_PER_NODE: usize = 16_384;

/// The sessions that other nodes have here, by their keys, and how many this one has at others.
#[derive(Debug)]
pub(crate) struct Relays {
    by_key: Mutex<HashMap<String, Held>>,
    elsewhere: Arc<AtomicUsize>,
    /// Clients at other nodes' doors whom this one's serve.
    visitors: Arc<AtomicUsize>,
    grace: Duration,
}

impl Default for Relays {
    fn default() -> Self {
        Self {
            by_key: Mutex::default(),
            elsewhere: Arc::default(),
            visitors: Arc::default(),
            grace: GRACE,
        }
    }
}

/// Counts a session that is at another node as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn one(of: &Arc<AtomicUsize>) -> Self {
        of.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(of))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Held {
    near: NodeId,
    attachments: mpsc::Sender<Attachment>,
}

impl Relays {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table().len() + self.visitors.load(Ordering::Relaxed)
    }

    /// How many this node has at others.
    pub(crate) fn elsewhere(&self) -> usize {
        self.elsewhere.load(Ordering::Relaxed)
    }

    /// One more goes to another node.
    pub(crate) fn count(&self) -> Counted {
        Counted::one(&self.elsewhere)
    }

    /// One more comes from another node's door.
    pub(crate) fn count_visitor(&self) -> Counted {
        Counted::one(&self.visitors)
    }

    fn has_room_for(&self, near: &NodeId) -> bool {
        let table = self.table();
        table.values().filter(|held| held.near == *near).count() < MAX_PER_NODE
    }

    /// `None`: somebody has this key already.
    fn hold(&self, key: &str, near: NodeId) -> Option<mpsc::Receiver<Attachment>> {
        let mut table = self.table();
        if table.contains_key(key) {
            return None;
        }
        let (attachments, receiver) = mpsc::channel(1);
        table.insert(key.to_owned(), Held { near, attachments });
        Some(receiver)
    }

    fn attachments(&self, key: &str) -> Option<mpsc::Sender<Attachment>> {
        let table = self.table();
        table.get(key).map(|held| held.attachments.clone())
    }

    fn forget(&self, key: &str) {
        self.table().remove(key);
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        // Every change leaves a whole table.
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One side of a relayed session, for the two that speak and listen at the same time.
#[derive(Debug, Default)]
struct Side {
    line: Mutex<Line>,
    /// Something may be said again, or is to be.
    changed: Notify,
}

/// Why a channel carries a session no longer.
#[derive(Debug)]
enum Over {
    /// The link broke, or the other side closed the channel.
    Channel(ChannelEnd),
    /// It is of no use.
    Nonsense,
}

impl Side {
    fn line(&self) -> MutexGuard<'_, Line> {
        // Every change leaves a whole line.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes something to say that nobody waited to say.
    fn say(&self, body: Value) {
        self.line().say(body);
        self.changed.notify_one();
    }

    /// Says what is to be said, from what the other side may not have heard on, and asks the source for more whenever there is
    /// room for it. It may be dropped at any time.
    async fn speak(&self, sender: &ChannelSender, mut source: impl Source) -> Result<(), Over> {
        let mut number = self.line().first();
        loop {
            loop {
                let message = self.line().message(number);
                let Some(message) = message else { break };
                send(sender, &message).await?;
                number += 1;
            }
            let confirmation = self.line().confirmation();
            if let Some(confirmation) = confirmation {
                send(sender, &confirmation).await?;
            }
            let has_room = self.line().has_room();
            tokio::select! {
                said = source.next(), if has_room => match said {
                    Some(said) => self.line().say(said),
                    None => return Ok(()),
                },
                () = self.changed.notified() => {}
            }
        }
    }

    /// What is said in something that came, if it is new.
    fn take(&self, body: Value) -> Result<Option<Value>, Over> {
        let message = words::read::<Message>(body).ok_or(Over::Nonsense)?;
        let said = {
            let mut line = self.line();
            let could_not_speak = !line.has_room();
            let said = line.take(message)?;
            if could_not_speak && line.has_room() {
                self.changed.notify_one();
            }
            said
        };
        Ok(said)
    }

    /// What was said there was dealt with.
    fn note_heard(&self) {
        let mut line = self.line();
        line.note_heard();
        if line.is_confirmation_due() {
            self.changed.notify_one();
        }
    }
}

/// Sessions of clients whose room is at another node than their connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayedSessions {
    /// Their rooms are here.
    pub from_elsewhere: usize,
    /// Their connections are.
    pub to_elsewhere: usize,
}

impl Host {
    /// How many clients are here whose room is elsewhere, and the other way round.
    pub fn relayed_sessions(&self) -> RelayedSessions {
        let relays = self.cluster().map(|cluster| cluster.relays());
        relays.map_or_else(RelayedSessions::default, |relays| RelayedSessions {
            from_elsewhere: relays.len(),
            to_elsewhere: relays.elsewhere(),
        })
    }
}

/// Where one side has from what it says.
trait Source: Send {
    /// The next thing to say; `None`: that was all. Loses nothing when dropped.
    fn next(&mut self) -> impl Future<Output = Option<Value>> + Send;
}

async fn send(sender: &ChannelSender, message: &Message) -> Result<(), Over> {
    match sender.send(&to_json(message)).await {
        Ok(()) => Ok(()),
        Err(ChannelError::TooLarge { .. }) => {
            for piece in pieces(message) {
                sender.send(&to_json(&piece)).await?;
            }
            Ok(())
        }
        Err(err) => Err(err.into()),
    }
}

impl Over {
    /// Whether the same session may go on over another channel.
    fn may_go_on(&self) -> bool {
        matches!(self, Self::Channel(end) if end.by == EndedBy::Link)
    }

    /// Whether it is to be kept for a while, whatever comes of it.
    fn leaves_behind(&self) -> bool {
        let is_away = |end: &ChannelEnd| end.by == EndedBy::There && end.code == AWAY;
        self.may_go_on() || matches!(self, Self::Channel(end) if is_away(end))
    }
}

impl From<ChannelEnd> for Over {
    fn from(end: ChannelEnd) -> Self {
        Self::Channel(end)
    }
}

impl From<ChannelError> for Over {
    fn from(err: ChannelError) -> Self {
        match err {
            ChannelError::Closed(end) => Self::Channel(end),
            _ => Self::Nonsense,
        }
    }
}

impl From<Nonsense> for Over {
    fn from(_: Nonsense) -> Self {
        Self::Nonsense
    }
}

#[cfg(test)]
mod tests;
