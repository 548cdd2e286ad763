//! What parts ask and tell each other. For each other node there is one channel that this one has opened, on which its parts' words
//! leave in order and answers come back, and one that the other has opened.
//!
//! When a channel breaks, its open questions are lost, and the parts of both nodes ask for each other's snapshot: what was told may
//! be lost as well.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use plenum_api::error::ErrorKind;
use plenum_ids::{NodeId, RoomName};
use plenum_link::{Channel, ChannelError};
use plenum_room::{NodeFailure, NodeKey, NodeReply, NodeRequest, RoomError};
use serde_json::{Value, json};
use tokio::sync::{
    Mutex as Turns,
    mpsc::{self, error::TrySendError},
    oneshot,
};
use tracing::{debug, warn};

use super::{
    Cluster,
    messages::{Question, ROOMS, Reply},
    rooms::PartInput,
};

/// What comes of a question; one that is dropped is lost.
pub(crate) type Sending = oneshot::Receiver<Result<NodeReply, NodeFailure>>;

/// Lines to other nodes.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    lines: Mutex<HashMap<NodeId, Line>>,
    /// Whoever reads what a node says: what came over an earlier channel is heard first.
    readers: Mutex<HashMap<NodeId, Arc<Turns<()>>>>,
}

/// What is to be said to a node.
#[derive(Clone, Debug)]
struct Line {
    words: mpsc::Sender<Word>,
    /// Something did not fit: what follows would not be in order.
    overflown: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Word {
    room: RoomName,
    to: NodeKey,
    request: NodeRequest,
    answer: Option<oneshot::Sender<Result<NodeReply, NodeFailure>>>,
}

/// Where the answer to another part's question goes.
#[derive(Debug)]
pub(crate) struct Answering {
    ask: u64,
    answers: mpsc::Sender<Reply>,
}

/// Words that wait for a node: the pipes of a hundred rooms that open at once.
const MAX_WORDS: usize = 4096;

/// Questions to one node without an answer, and answers that wait to be written: as many as may wait.
const MAX_OPEN: usize = 4096;

impl Answering {
    /// Somebody who has hung up, or takes no answers, has lost it.
    pub(crate) fn answer(self, result: Result<NodeReply, NodeFailure>) {
        if self.answers.try_send(Reply::new(self.ask, result)).is_err() {
            debug!(ask = self.ask, "nobody takes the answer");
        }
    }
}

#[cfg(test)]
impl Answering {
    /// One whose answers are seen, so many at a time.
    pub(crate) fn pair(most: usize) -> (Self, mpsc::Receiver<impl std::fmt::Debug + use<>>) {
        let (answers, seen) = mpsc::channel::<Reply>(most);
        (Self { ask: 1, answers }, seen)
    }

    pub(crate) fn again(&self) -> Self {
        Self {
            ask: self.ask,
            answers: self.answers.clone(),
        }
    }
}

impl Cluster {
    /// Asks another node's part of a room.
    pub(crate) fn ask(
        self: &Arc<Self>,
        room: &RoomName,
        to: NodeKey,
        request: NodeRequest,
    ) -> Sending {
        let (answer, sending) = oneshot::channel();
        self.say(room, to, request, Some(answer));
        sending
    }

    /// Tells another node's part of a room something.
    pub(crate) fn tell(self: &Arc<Self>, room: &RoomName, to: NodeKey, request: NodeRequest) {
        self.say(room, to, request, None);
    }

    fn say(
        self: &Arc<Self>,
        room: &RoomName,
        to: NodeKey,
        request: NodeRequest,
        answer: Option<oneshot::Sender<Result<NodeReply, NodeFailure>>>,
    ) {
        let line = self.line(&to.node);
        let word = Word {
            room: room.clone(),
            to,
            request,
            answer,
        };
        if let Err(TrySendError::Full(word)) = line.words.try_send(word) {
            warn!(node = %word.to.node, "too much waits for the node: what is under way is given up");
            line.overflown.store(true, Ordering::Release);
        }
    }

    fn line(self: &Arc<Self>, node: &NodeId) -> Line {
        let lines = self.peers.lines.lock();
        let mut lines = lines.unwrap_or_else(PoisonError::into_inner);
        let known = lines.get(node).filter(|line| !line.words.is_closed());
        if let Some(line) = known {
            return line.clone();
        }
        let (words, waiting) = mpsc::channel(MAX_WORDS);
        let overflown = Arc::<AtomicBool>::default();
        let line = Line {
            words,
            overflown: Arc::clone(&overflown),
        };
        lines.insert(node.clone(), line.clone());
        // It goes with the cluster, which has the other end of `waiting`.
        let (cluster, node) = (Arc::downgrade(self), node.clone());
        tokio::spawn(async move {
            let mut speaking = Speaking {
                waiting,
                overflown,
                open: HashMap::new(),
                last_ask: 0,
            };
            while let Some(first) = speaking.waiting.recv().await {
                let Some(links) = cluster.upgrade().map(|it| it.links.clone()) else {
                    return;
                };
                let address = cluster.upgrade().map(|it| it.address_of(&node));
                let address = address.unwrap_or_default();
                match links.open(&node, &address, ROOMS, &json!({})).await {
                    Ok(channel) => speaking.speak(first, channel).await,
                    Err(err) => debug!(%node, %err, "the node cannot be asked"),
                }
                drop(links);
                speaking.give_up();
                if let Some(cluster) = cluster.upgrade() {
                    // Whoever is asked for a snapshot now is asked after all this.
                    cluster.note_break(&node);
                }
            }
        });
        line
    }

    /// What was under way between a node and this one may be lost.
    fn note_break(&self, node: &NodeId) {
        for part in self.parts.all() {
            let broken = PartInput::Broken(node.clone());
            if let Err(TrySendError::Full(broken)) = part.try_send(broken) {
                tokio::spawn(async move { part.send(broken).await });
            }
        }
    }

    /// Hears what another node's parts ask and tell those of this one, until the channel is over.
    pub(super) async fn hear(self: Arc<Self>, from: NodeKey, channel: Channel) {
        let reader = {
            let readers = self.peers.readers.lock();
            let mut readers = readers.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(readers.entry(from.node.clone()).or_default())
        };
        let _turn = reader.lock().await;
        let cluster = Arc::downgrade(&self);
        drop(self);
        let (sender, mut receiver) = channel.split();
        let (answers, mut written) = mpsc::channel::<Reply>(MAX_OPEN);
        let writer = sender.clone();
        tokio::spawn(async move {
            while let Some(reply) = written.recv().await {
                let Ok(reply) = serde_json::to_value(&reply) else {
                    continue;
                };
                match writer.send(&reply).await {
                    Ok(()) => {}
                    Err(ChannelError::TooLarge { bytes }) => {
                        warn!(bytes, "an answer too long for a link");
                    }
                    Err(_) => return,
                }
            }
        });
        while let Ok(question) = receiver.recv().await {
            let Some(cluster) = cluster.upgrade() else {
                return;
            };
            match serde_json::from_value(question) {
                Ok(question) => cluster.pass_on(&from, question, &answers).await,
                Err(err) => {
                    debug!(node = %from.node, %err, "what another node asks cannot be read");
                }
            }
        }
        if let Some(cluster) = cluster.upgrade() {
            cluster.note_break(&from.node);
        }
        drop(sender);
    }

    async fn pass_on(&self, from: &NodeKey, question: Question, answers: &mpsc::Sender<Reply>) {
        let Question { room, ask, request } = question;
        let answering = ask.map(|ask| Answering {
            ask,
            answers: answers.clone(),
        });
        let input = PartInput::Asked {
            from: from.clone(),
            request,
            answering,
        };
        let refused = match self.parts.get(&room) {
            // Rooms wait for nobody, so that this does not wait for long.
            Some(part) => part.send(input).await.err().map(|err| err.0),
            None => Some(input),
        };
        if let Some(PartInput::Asked {
            answering: Some(answering),
            ..
        }) = refused
        {
            let reason = "the node has no part of the room";
            let error = RoomError::new(ErrorKind::NotFound, reason);
            answering.answer(Err(NodeFailure::refused(&error)));
        }
    }
}

/// One end of a line: what is said to one node.
#[derive(Debug)]
struct Speaking {
    waiting: mpsc::Receiver<Word>,
    overflown: Arc<AtomicBool>,
    open: HashMap<u64, oneshot::Sender<Result<NodeReply, NodeFailure>>>,
    last_ask: u64,
}

impl Speaking {
    /// Until the channel is over, or what is said would not be in order any more.
    async fn speak(&mut self, first: Word, channel: Channel) {
        let (sender, mut receiver) = channel.split();
        let epoch = sender.peer().epoch;
        let mut next = Some(first);
        loop {
            if let Some(word) = next.take() {
                if self.overflown.load(Ordering::Acquire) {
                    return;
                }
                // Words for another start of the node are lost with it.
                let question = (word.to.epoch == epoch).then(|| self.number(word));
                // Here it may wait: the other side reads what it is told whatever becomes of its answers.
                if let Some(question) = question.flatten()
                    && let Err(err) = sender.send(&question).await
                {
                    return debug!(%err, "a line to another node is over");
                }
            }
            tokio::select! {
                word = self.waiting.recv() => match word {
                    Some(word) => next = Some(word),
                    None => return,
                },
                reply = receiver.recv() => match reply {
                    Ok(reply) => self.handle_reply(reply),
                    Err(_) => return,
                },
            }
        }
    }

    /// As it is written; `None`: there are too many open questions.
    fn number(&mut self, word: Word) -> Option<Value> {
        let mut ask = None;
        if let Some(answer) = word.answer {
            if self.open.len() >= MAX_OPEN {
                self.open.retain(|_, answer| !answer.is_closed());
            }
            if self.open.len() >= MAX_OPEN {
                return None;
            }
            self.last_ask += 1;
            self.open.insert(self.last_ask, answer);
            ask = Some(self.last_ask);
        }
        let question = Question {
            room: word.room,
            ask,
            request: word.request,
        };
        serde_json::to_value(&question).ok()
    }

    fn handle_reply(&mut self, reply: Value) {
        let Ok(reply) = serde_json::from_value::<Reply>(reply) else {
            return debug!("an answer of another node cannot be read");
        };
        if let Some(answer) = self.open.remove(&reply.ask) {
            // Who has hung up does not want it any more.
            let _ = answer.send(reply.into_result());
        }
    }

    /// Whatever waits for an answer, or to be said, is lost.
    fn give_up(&mut self) {
        self.open.clear();
        self.overflown.store(false, Ordering::Release);
        while self.waiting.try_recv().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::{NodeEpoch, RoomId};

    use super::*;

    fn word(answer: Option<oneshot::Sender<Result<NodeReply, NodeFailure>>>) -> Word {
        Word {
            room: RoomName::from(RoomId::from("lobby")),
            to: NodeKey {
                node: "b".into(),
                epoch: NodeEpoch(1),
            },
            request: NodeRequest::ClosePipe { life: 1, pipe: 2 },
            answer,
        }
    }

    fn speaking() -> Speaking {
        let (_, waiting) = mpsc::channel(1);
        Speaking {
            waiting,
            overflown: Arc::default(),
            open: HashMap::new(),
            last_ask: 0,
        }
    }

    #[test]
    fn questions_without_an_answer_are_bounded_and_those_given_up_make_room() {
        let mut speaking = speaking();
        let mut asked = Vec::new();
        for _ in 0..MAX_OPEN {
            let (answer, sending) = oneshot::channel();
            assert!(speaking.number(word(Some(answer))).is_some());
            asked.push(sending);
        }
        let (answer, mut refused) = oneshot::channel();
        assert!(speaking.number(word(Some(answer))).is_none());
        assert!(refused.try_recv().is_err(), "lost at once");
        assert!(
            speaking.number(word(None)).is_some(),
            "it is told all the same"
        );
        drop(asked.pop());
        let (answer, _sending) = oneshot::channel();
        assert!(speaking.number(word(Some(answer))).is_some());
        assert_eq!(speaking.open.len(), MAX_OPEN);
    }

    #[test]
    fn each_answer_finds_its_question_and_a_break_loses_the_others() {
        let mut speaking = speaking();
        let (answer, mut first) = oneshot::channel();
        speaking.number(word(Some(answer)));
        let (answer, mut second) = oneshot::channel();
        let question = speaking.number(word(Some(answer))).expect("asked");
        let question: Question = serde_json::from_value(question).expect("readable");
        let reply = Reply::new(question.ask.expect("a question"), Ok(NodeReply::Done));
        speaking.handle_reply(serde_json::to_value(reply).expect("plain data"));
        assert_eq!(second.try_recv(), Ok(Ok(NodeReply::Done)));
        assert_eq!(first.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        speaking.give_up();
        assert_eq!(first.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
