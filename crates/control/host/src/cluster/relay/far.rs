//! The far side: the room is here, the client's connection at another node.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plenum_api::error::ErrorKind;
use plenum_link::{Channel, ChannelReceiver, Peer};
use plenum_room::RoomError;
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tracing::{debug, info};

use super::{
    GRACE, Over, Relays, Side, Source,
    words::{Entering, Greeting, LOST, Meaning, Opening, order, read, to_json},
};
use crate::{
    host::{ConnectError, Host},
    session::{Inlet, Order, Session, SessionEnd, SessionEvent, next_event},
};

/// Another channel for a session.
#[derive(Debug)]
pub(super) struct Attachment {
    channel: Channel,
    /// How much the near side has heard.
    heard: u64,
}

/// Requests of one client that may be unanswered at a time. Doors let clients have 512.
pub(super) const MAX_OPEN_REQUESTS: usize = 1024;

impl Relays {
    /// Another node has opened a channel for one of its clients.
    pub(crate) async fn serve(
        self: Arc<Self>,
        host: Host,
        from: Peer,
        channel: Channel,
        opening: Value,
    ) {
        let let_in = move |entering| let_in(host, entering);
        self.serve_with(let_in, from, channel, opening).await;
    }

    /// The same with somebody else who lets people in.
    pub(super) async fn serve_with<F>(
        self: Arc<Self>,
        let_in: impl FnOnce(Entering) -> F + Send,
        from: Peer,
        channel: Channel,
        opening: Value,
    ) where
        F: Future<Output = Result<Session, ConnectError>> + Send,
    {
        match read(opening) {
            Some(Opening::Enter(entering)) => {
                self.let_in(let_in, &from, channel, *entering).await;
            }
            Some(Opening::Attach { key, heard }) => {
                let attachment = Attachment { channel, heard };
                let refused = match self.attachments(&key) {
                    Some(attachments) => {
                        let sent = attachments.send(attachment).await;
                        sent.err().map(|it| it.0)
                    }
                    None => Some(attachment),
                };
                if let Some(Attachment { channel, .. }) = refused {
                    debug!(%from, "no session to attach");
                    refuse(channel, ConnectError::Refused).await;
                }
            }
            None => {
                info!(%from, "a client's node says what this one does not understand");
                refuse(channel, ConnectError::Refused).await;
            }
        }
    }

    async fn let_in<F>(
        &self,
        let_in: impl FnOnce(Entering) -> F + Send,
        from: &Peer,
        channel: Channel,
        entering: Entering,
    ) where
        F: Future<Output = Result<Session, ConnectError>> + Send,
    {
        let key = entering.key.clone();
        let attachments = self
            .has_room_for(&from.node)
            .then(|| self.hold(&key, from.node.clone()))
            .flatten();
        let Some(attachments) = attachments else {
            return refuse(channel, ConnectError::Overloaded).await;
        };
        let _held = Forget { relays: self, key };
        let (room, peer) = (entering.room.clone(), entering.admission.peer.clone());
        match let_in(entering).await {
            Ok(session) => {
                debug!(%from, %room, %peer, "client of another node");
                let far = Far::new(session);
                far.run(channel, attachments, self.grace).await;
            }
            Err(err) => refuse(channel, err).await,
        }
    }
}

async fn let_in(host: Host, entering: Entering) -> Result<Session, ConnectError> {
    let Entering {
        room,
        admission,
        options,
        again,
        because,
        ..
    } = entering;
    let peer = admission.peer.clone();
    let session = if again {
        host.enter_again(&room, &admission, options).await
    } else {
        host.enter(&room, admission, options, true)
    };
    Ok(host.noted(session?, &room, &peer, &because))
}

struct Forget<'a> {
    relays: &'a Relays,
    key: String,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.relays.forget(&self.key);
    }
}

async fn refuse(channel: Channel, error: ConnectError) {
    // Who has gone meanwhile need not know.
    let _ = channel.send(&to_json(&Greeting::refused(error))).await;
    channel.close("refused", &error.to_string());
}

struct Far {
    session: Session,
    side: Side,
    open: AtomicUsize,
    ended: bool,
}

impl Far {
    fn new(session: Session) -> Self {
        Self {
            session,
            side: Side::default(),
            open: AtomicUsize::new(0),
            ended: false,
        }
    }

    /// Until the client has left or been told the end, or was away for too long.
    async fn run(
        mut self,
        channel: Channel,
        mut attachments: mpsc::Receiver<Attachment>,
        grace: Duration,
    ) {
        let mut attachment = Attachment { channel, heard: 0 };
        loop {
            let over = tokio::select! {
                over = self.carry(attachment) => over,
                // The near side has found the channel broken before this one did.
                Some(next) = attachments.recv() => {
                    attachment = next;
                    continue;
                }
            };
            if !over.leaves_behind() {
                return;
            }
            match timeout(grace, attachments.recv()).await {
                Ok(Some(next)) => attachment = next,
                _ => return debug!("the client's node did not come back"),
            }
        }
    }

    /// Until the channel carries it no longer. It may be dropped at any time.
    async fn carry(&mut self, Attachment { channel, heard }: Attachment) -> Over {
        let Self {
            session: Session { room, events, .. },
            side,
            open,
            ended,
        } = self;
        let (sender, mut receiver) = channel.split();
        let greeting = {
            let mut line = side.line();
            if line.begin_again(heard).is_err() {
                return Over::Nonsense;
            }
            let heard = line.heard();
            Greeting::Welcome { heard }
        };
        if let Err(err) = sender.send(&to_json(&greeting)).await {
            return err.into();
        }
        let events = Events {
            queue: events,
            open,
            ended,
        };
        let over = tokio::select! {
            said = side.speak(&sender, events) => said.err().unwrap_or(Over::Nonsense),
            over = listen(side, &mut receiver, room, open) => over,
        };
        if matches!(over, Over::Nonsense) {
            sender.close("nonsense", "what was said makes no sense");
        }
        over
    }
}

/// What the room has for the client.
struct Events<'a> {
    queue: &'a mut mpsc::Receiver<SessionEvent>,
    open: &'a AtomicUsize,
    ended: &'a mut bool,
}

impl Source for Events<'_> {
    async fn next(&mut self) -> Option<Value> {
        if *self.ended {
            // The near side closes the channel when it has heard that.
            sleep(GRACE).await;
            return None;
        }
        let mut event = next_event(self.queue).await;
        match &mut event {
            SessionEvent::End(end) => {
                *self.ended = true;
                *end = as_heard_there(*end);
            }
            SessionEvent::Reply { .. } => {
                self.open.fetch_sub(1, Ordering::Relaxed);
            }
            _ => {}
        }
        Some(to_json(&event))
    }
}

/// The near node does not end with this one: its clients go on where the room is next.
const fn as_heard_there(end: SessionEnd) -> SessionEnd {
    match end {
        SessionEnd::Shutdown => LOST,
        end => end,
    }
}

/// It may be dropped at any time: what was not told to the room by then was not heard.
async fn listen(
    side: &Side,
    receiver: &mut ChannelReceiver,
    room: &Inlet,
    open: &AtomicUsize,
) -> Over {
    loop {
        let said = match receiver.recv().await {
            Ok(body) => side.take(body),
            Err(end) => return end.into(),
        };
        let said = match said {
            Ok(Some(said)) => said,
            Ok(None) => continue,
            Err(over) => return over,
        };
        match order(said) {
            Meaning::Known(Order::Request { request, .. })
                if open.load(Ordering::Relaxed) >= MAX_OPEN_REQUESTS =>
            {
                let refusal = RoomError::new(ErrorKind::TooMany, "too many open requests");
                let result = Err(refusal);
                side.say(to_json(&SessionEvent::Reply { request, result }));
            }
            Meaning::Known(order) => {
                let is_request = matches!(order, Order::Request { .. });
                // If the room has ended, the end of the session is the next event.
                let told = room.tell(order).await;
                if is_request && told.is_ok() {
                    open.fetch_add(1, Ordering::Relaxed);
                }
            }
            Meaning::Unknown(answer) => side.say(to_json(&answer)),
            Meaning::Nothing => debug!("a client's node wants something unknown"),
        }
        side.note_heard();
    }
}
