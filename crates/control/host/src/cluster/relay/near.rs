//! The near side: the client's connection is here, its room at another node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plenum_ids::{NodeId, RoomName};
use plenum_link::{Channel, ChannelReceiver, LinkError, Links};
use plenum_room::{Admission, NodeKey};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info};

use super::{
    AWAY, CHANNEL, Counted, GRACE, GREETING, Over, Side, Source,
    words::{Entering, Greeting, LOST, Meaning, Opening, event, read, refusal, to_json},
};
use crate::{
    cluster::Cluster,
    host::ConnectError,
    options::RoomOptions,
    room_task::random_seed,
    session::{Order, Session, SessionEnd, SessionEvent},
};

/// Orders on their way to the task, which is never busy for longer than the link is behind.
const ORDERS: usize = 32;

/// Between two attempts to attach a session again. Many do so at once when a link breaks, all over the same new one.
const ATTACH_AGAIN: Duration = Duration::from_millis(250);

/// How long that is tried. The far side knows a little later than this one that the link has broken, and from then on waits for
/// [`GRACE`]; a node that is not alive any more is given up before.
const ATTACH_LIMIT: Duration = GRACE;

/// A place in a room at another node; with `again` for somebody who was in the room before. The node is told why it was chosen.
pub(crate) async fn enter(
    neighbours: Arc<dyn Neighbours>,
    node: &NodeKey,
    (room, admission, options): (&RoomName, Admission, RoomOptions),
    (again, because): (bool, Vec<String>),
    (queue, count): (usize, Counted),
) -> Result<Session, ConnectError> {
    let key = new_key();
    let opening = Opening::Enter(Box::new(Entering {
        room: room.clone(),
        admission,
        options,
        again,
        because,
        key: key.clone(),
    }));
    let far = Far {
        neighbours,
        node: node.clone(),
    };
    let (channel, _) = far.open(&opening).await.map_err(NotOpened::into_error)?;
    let (orders, inbox) = mpsc::channel(ORDERS);
    let (events, reader) = mpsc::channel(queue);
    let left_behind = Arc::new(AtomicBool::new(false));
    let near = Near {
        left_behind: Arc::clone(&left_behind),
        far,
        key,
        side: Side::default(),
        orders: inbox,
        events,
        _count: count,
    };
    tokio::spawn(near.run(channel));
    Ok(Session::relayed((orders, left_behind), reader))
}

/// What is known of other nodes.
pub(crate) trait Neighbours: Send + Sync + 'static {
    /// Connections to them.
    fn links(&self) -> &Links;

    /// Where one's links are; empty: nobody knows.
    fn address_of(&self, node: &NodeId) -> String;

    /// Whether that start of it lives.
    fn is_alive(&self, node: &NodeKey) -> bool;
}

impl Neighbours for Cluster {
    fn links(&self) -> &Links {
        Self::links(self)
    }

    fn address_of(&self, node: &NodeId) -> String {
        Self::address_of(self, node)
    }

    fn is_alive(&self, node: &NodeKey) -> bool {
        let standing = self.standing_now();
        let alive = standing.alive.get(&node.node);
        alive.is_some_and(|alive| alive.epoch == node.epoch)
    }
}

/// 128 bits that nobody guesses.
fn new_key() -> String {
    let seed = random_seed();
    let (bits, _) = seed.split_at(16);
    let bits = bits
        .iter()
        .fold(0, |all: u128, byte| all << 8 | u128::from(*byte));
    format!("{bits:032x}")
}

/// Where the room is.
struct Far {
    neighbours: Arc<dyn Neighbours>,
    node: NodeKey,
}

/// Why no channel was opened.
enum NotOpened {
    /// It may go at another time.
    Unreachable,
    /// The other node has said no.
    Refused(ConnectError),
}

impl NotOpened {
    const fn into_error(self) -> ConnectError {
        match self {
            Self::Unreachable => ConnectError::Unreachable,
            Self::Refused(error) => error,
        }
    }
}

impl Far {
    /// Opens a channel and waits to be greeted. With it how much the far side has heard.
    async fn open(&self, opening: &Opening) -> Result<(Channel, u64), NotOpened> {
        let opened = self.try_open(opening);
        let greeted = timeout(GREETING, opened).await;
        greeted.unwrap_or(Err(NotOpened::Unreachable))
    }

    async fn try_open(&self, opening: &Opening) -> Result<(Channel, u64), NotOpened> {
        let node = &self.node.node;
        let address = self.neighbours.address_of(node);
        let opening = to_json(opening);
        let links = self.neighbours.links();
        let opened = links.open(node, &address, CHANNEL, &opening).await;
        let mut channel = opened.map_err(|err| not_opened(&err))?;
        if channel.peer().epoch != self.node.epoch {
            // Another start of the node has nothing of what was meant.
            return Err(NotOpened::Refused(ConnectError::Unreachable));
        }
        let greeting = channel.recv().await.map_err(|end| {
            debug!(%node, %end, "not greeted");
            NotOpened::Unreachable
        })?;
        match read(greeting) {
            Some(Greeting::Welcome { heard }) => Ok((channel, heard)),
            Some(Greeting::Refused { error }) => Err(NotOpened::Refused(refusal(error))),
            None => Err(NotOpened::Refused(ConnectError::Refused)),
        }
    }

    /// Whether that start of the node lives, as far as this one knows.
    fn is_alive(&self) -> bool {
        self.neighbours.is_alive(&self.node)
    }
}

fn not_opened(err: &LinkError) -> NotOpened {
    debug!(%err, "no channel to the room's node");
    NotOpened::Unreachable
}

struct Near {
    far: Far,
    left_behind: Arc<AtomicBool>,
    key: String,
    side: Side,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<SessionEvent>,
    _count: Counted,
}

/// What the client wants.
struct Orders<'a>(&'a mut mpsc::Receiver<Order>);

impl Source for Orders<'_> {
    async fn next(&mut self) -> Option<Value> {
        let order = self.0.recv().await?;
        Some(to_json(&order))
    }
}

/// Why a channel is not needed any more.
enum Done {
    /// The client has left.
    Left,
    Ended(SessionEnd),
    Over(Over),
}

impl Near {
    /// Until the session is over for either side.
    async fn run(mut self, mut channel: Channel) {
        let end = loop {
            match self.carry(channel).await {
                Done::Left => return,
                Done::Ended(end) => break end,
                Done::Over(over) if !over.may_go_on() => break LOST,
                Done::Over(_) => {}
            }
            let events = self.events.clone();
            let attached = tokio::select! {
                attached = self.attach() => attached,
                // The client has left.
                () = events.closed() => return,
            };
            match attached {
                Some(again) => channel = again,
                None => break LOST,
            }
        };
        // One that is so far behind finds the end of the queue.
        let _ = self.events.try_send(SessionEvent::End(end));
    }

    async fn carry(&mut self, channel: Channel) -> Done {
        let (sender, mut receiver) = channel.split();
        let orders = Orders(&mut self.orders);
        let done = tokio::select! {
            said = self.side.speak(&sender, orders) => match said {
                Ok(()) => Done::Left,
                Err(over) => Done::Over(over),
            },
            done = listen(&self.side, &mut receiver, &self.events) => done,
        };
        let (code, message) = match &done {
            Done::Left if self.left_behind.load(Ordering::Acquire) => {
                (AWAY, "the client comes again from another node")
            }
            Done::Left => ("left", "the client has left"),
            Done::Ended(SessionEnd::Overrun) => ("overrun", "the client does not keep up"),
            Done::Ended(_) => ("ended", "the client knows that it has ended"),
            Done::Over(Over::Nonsense) => ("nonsense", "what was said makes no sense"),
            Done::Over(Over::Channel(_)) => return done,
        };
        sender.close(code, message);
        done
    }

    /// Tries to attach the session over another channel, as long as it makes sense.
    async fn attach(&self) -> Option<Channel> {
        let node = &self.far.node.node;
        let deadline = Instant::now() + ATTACH_LIMIT;
        while Instant::now() < deadline && self.far.is_alive() {
            let opening = Opening::Attach {
                key: self.key.clone(),
                heard: self.side.line().heard(),
            };
            match self.far.open(&opening).await {
                Ok((channel, heard)) => {
                    self.side.line().begin_again(heard).ok()?;
                    debug!(%node, "session attached again");
                    return Some(channel);
                }
                Err(NotOpened::Refused(_)) => return None,
                Err(NotOpened::Unreachable) => {}
            }
            let [random, ..] = random_seed();
            sleep(ATTACH_AGAIN.mul_f32(0.75 + f32::from(random) / 512.0)).await;
        }
        info!(%node, "the room's node is lost");
        None
    }
}

/// It may be dropped at any time.
async fn listen(
    side: &Side,
    receiver: &mut ChannelReceiver,
    events: &mpsc::Sender<SessionEvent>,
) -> Done {
    loop {
        let said = match receiver.recv().await {
            Ok(body) => side.take(body),
            Err(end) => return Done::Over(end.into()),
        };
        let said = match said {
            Ok(Some(said)) => said,
            Ok(None) => continue,
            Err(over) => return Done::Over(over),
        };
        match event(said) {
            Meaning::Known(SessionEvent::End(end)) => return Done::Ended(end),
            Meaning::Known(event) => {
                if let Err(mpsc::error::TrySendError::Full(_)) = events.try_send(event) {
                    return Done::Ended(SessionEnd::Overrun);
                }
            }
            Meaning::Unknown(order) => side.say(to_json(&order)),
            Meaning::Nothing => debug!("the room's node tells something unknown"),
        }
        side.note_heard();
    }
}
