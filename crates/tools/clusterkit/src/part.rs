//! What lives on nodes.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    time::{Duration, Instant},
};

use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

/// One start of a node.
pub type Start = (NodeId, NodeEpoch);

/// A node's part of the one room that there is.
pub trait Part: Debug + Sized {
    /// What the others are told of.
    type Change: Clone + Debug;
    /// All of it.
    type Snapshot: Clone + Debug;
    /// What may get lost.
    type Hint: Clone + Debug;
    /// What one part asks or tells another one.
    type Request: Clone + Debug;
    /// The answer.
    type Reply: Clone + Debug;

    /// After trouble has ended, everybody sees everything that is there in this time.
    const SIGHT: Duration;

    /// After trouble has ended, everybody agrees in this time, and nothing is left of what nobody needs.
    const QUIET: Duration;

    /// A node gets a part of the room.
    fn begin(beginning: Beginning) -> Self;

    /// Something has happened.
    fn handle(&mut self, now: Instant, news: News<Self>);

    /// What it wants done, in order.
    fn poll(&mut self) -> Option<Wish<Self>>;

    /// When [`News::Due`] comes.
    fn due(&self) -> Option<Instant>;

    /// All that it has told.
    fn snapshot(&self) -> Self::Snapshot;

    /// The node gives it up; its last words are taken with [`Self::poll`].
    fn end(&mut self, now: Instant);

    /// What is beneath it fails no more.
    fn calm(&mut self);

    /// What must hold at any time.
    ///
    /// # Errors
    ///
    /// Says what does not.
    fn check(&self) -> Result<(), String>;

    /// What must hold when nothing has happened for [`Self::SIGHT`].
    ///
    /// # Errors
    ///
    /// Says what does not.
    fn check_sight(parts: &BTreeMap<&NodeId, &Self>) -> Result<(), String>;

    /// What must hold when nothing has happened for [`Self::QUIET`].
    ///
    /// # Errors
    ///
    /// Says what does not.
    fn check_rest(parts: &BTreeMap<&NodeId, &Self>, home: Option<&NodeId>) -> Result<(), String>;
}

/// What a part begins with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Beginning {
    /// Where.
    pub me: Start,
    /// When.
    pub now: Instant,
    /// What the node's clock shows. Clocks of nodes differ.
    pub clock_ms: u64,
    /// For whatever is random in it.
    pub seed: u64,
}

impl Beginning {
    pub(crate) const fn new(me: Start, now: Instant, (clock_ms, seed): (u64, u64)) -> Self {
        Self {
            me,
            now,
            clock_ms,
            seed,
        }
    }
}

/// What a part hears.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "all are to be heard")]
pub enum News<P: Part> {
    /// The answer to [`Wish::Ask`].
    Answered(u64, Result<P::Reply, Failure>),
    /// The next change of another part.
    Apply(Start, P::Change),
    /// Another part asks something, or tells it if there is no number.
    Asked(Option<u64>, Start, P::Request),
    /// Another part is gone.
    Dropped(Start),
    /// Time has passed.
    Due,
    /// Another part said something that may get lost.
    Hint(Start, P::Hint),
    /// Who decides.
    Home(HomeIs),
    /// Another part is this from now on.
    Replace(Start, P::Snapshot),
}

/// What a part wants.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "all are to be carried out")]
pub enum Wish<P: Part> {
    /// Answers [`News::Asked`].
    Answer(u64, P::Reply),
    /// Asks another part.
    Ask(u64, Start, P::Request),
    /// It is over.
    End,
    /// Tells all others, perhaps.
    Hint(P::Hint),
    /// Asks another part for all of it, which may be more or less than is known here.
    LookAt(Start),
    /// Tells all others.
    Publish(P::Change),
    /// Tells one.
    Tell(Start, P::Request),
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each means something else")]
pub enum Failure {
    /// Nobody knows what became of the question.
    Lost,
    /// There is no part at that node.
    NoPart,
}

/// Who decides about the room as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each means something else")]
pub enum HomeIs {
    /// This part.
    Here(RoomEpoch),
    /// Another one.
    There(Start, RoomEpoch),
    /// Nobody who can be reached.
    Unreachable,
}
