//! What a node does for its part of a room: what the part tells the others, and what it is told of them. As the room's task of a
//! node does it (`plenum-host`), against the same state machines.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use plenum_cluster::{
    Decides, Deciding, HomeAction, Judgement, Log, Numbered, Replicas, ReplicasAction, Sight, Stamp,
};
use plenum_ids::{NodeEpoch, NodeId};

use crate::{
    part::{Beginning, Failure, HomeIs, News, Part, Start, Wish},
    process::{Call, Item, Out, Parcel, Said, Standing},
    registry::{HomeRecord, RoomRecord},
};

/// A room's record is read this often.
const LOOK: Duration = Duration::from_secs(2);
/// Marks are written this often at most.
const MARK: Duration = Duration::from_millis(250);
/// A registry that did not answer is asked again after this.
const AGAIN: Duration = Duration::from_millis(500);
/// Newcomers wait for what is not known yet for so long.
const SETTLE: Duration = Duration::from_secs(2);
/// A question without an answer is lost after this.
const ASK_PATIENCE: Duration = Duration::from_secs(10);
/// An owner that does not tell its part in this time is asked again.
const FETCH_PATIENCE: Duration = Duration::from_secs(3);

/// A part, and what its node does for it.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is written and read of two things"
)]
pub struct Seat<P: Part> {
    me: Start,
    /// Tells it from an earlier one of the same process.
    number: u64,
    /// The part itself.
    pub(crate) part: P,
    pub(crate) log: Log,
    replicas: Replicas<P::Change, P::Snapshot>,
    /// Of which start the copies are that the part was told of.
    copies: BTreeMap<NodeId, NodeEpoch>,
    /// Whose part is to be asked for once more after the answer that is on its way.
    again: BTreeSet<NodeId>,
    /// Until when answers are waited for.
    fetches: BTreeMap<u64, (NodeId, Instant)>,
    next_fetch: u64,
    pub(crate) deciding: Deciding,
    /// When the part was last asked to do something while it believed to decide.
    pub(crate) decided: Option<Instant>,
    standing: Standing,
    settling: Option<Instant>,
    pub(crate) calls: VecDeque<Call>,
    unmarked: bool,
    marking: bool,
    is_told: bool,
    mark_at: Instant,
    /// The registry does not know where the peers are.
    unplaced: bool,
    placing: bool,
    place_at: Instant,
    look_at: Instant,
    looking: bool,
    has_looked: bool,
    /// Questions of others: who asks, under which number there.
    asked: BTreeMap<u64, (Start, (u64, u64))>,
    last_ask: u64,
    /// Own questions: whom, and until when.
    open: BTreeMap<u64, (NodeId, Instant)>,
    /// It has ended by itself.
    pub(crate) is_over: bool,
    pub(crate) out: Vec<Out<P>>,
}

impl<P: Part> Seat<P> {
    /// A part begins above all numbers that its node has given.
    pub(crate) fn new(
        beginning: Beginning,
        (number, highest): (u64, u64),
        standing: Standing,
    ) -> Self {
        let (me, now) = (beginning.me.clone(), beginning.now);
        let mut log = Log::resume(Stamp {
            epoch: me.1,
            seq: highest,
        });
        // The beginning has a number of its own: nothing that was said of earlier parts speaks of this one.
        let stamp = log.number(()).stamp;
        let mut seat = Self {
            deciding: Deciding::new(me.0.clone(), me.1),
            decided: None,
            me,
            number,
            part: P::begin(beginning),
            log,
            replicas: Replicas::default(),
            copies: BTreeMap::new(),
            again: BTreeSet::new(),
            fetches: BTreeMap::new(),
            next_fetch: 0,
            standing,
            settling: now.checked_add(SETTLE),
            calls: VecDeque::new(),
            unmarked: true,
            marking: false,
            is_told: false,
            mark_at: now,
            unplaced: true,
            placing: false,
            place_at: now,
            look_at: now,
            looking: false,
            has_looked: false,
            asked: BTreeMap::new(),
            last_ask: 0,
            open: BTreeMap::new(),
            is_over: false,
            out: vec![Out::Tell(Item::Mark(stamp))],
        };
        seat.step(now);
        seat
    }

    /// Whether newcomers may come in: the others are known, or were waited for.
    pub fn is_settled(&mut self, now: Instant) -> bool {
        let is_blind = self.standing.judgement == Judgement::Blind && self.standing.has_read;
        let is_complete = self.has_looked
            && self.replicas.is_current()
            && *self.deciding.told() != Decides::Nobody
            && self.is_told;
        if is_complete || is_blind || self.settling.is_some_and(|until| until <= now) {
            self.settling = None;
        }
        self.settling.is_none()
    }

    /// Something happens to the part itself.
    pub fn act<T>(&mut self, now: Instant, act: impl FnOnce(&mut P) -> T) -> T {
        self.look_at_clock(now);
        let result = act(&mut self.part);
        self.collect(now);
        self.step(now);
        result
    }

    /// The part itself.
    pub const fn part(&self) -> &P {
        &self.part
    }

    pub(crate) fn due(&self) -> Instant {
        let fetches = self.fetches.values().map(|(_, until)| *until);
        let open = self.open.values().map(|(_, until)| *until);
        let mark = (self.unmarked && !self.marking).then_some(self.mark_at);
        let place = (self.unplaced && !self.placing).then_some(self.place_at);
        let look = (!self.looking).then_some(self.look_at);
        let rest = [
            self.part.due(),
            self.replicas.poll_timeout(),
            self.deciding.poll_timeout(),
            mark,
            place,
            look,
        ];
        let all = fetches.chain(open).chain(rest.into_iter().flatten());
        all.min().unwrap_or(self.look_at + LOOK)
    }

    /// The node gives the part up.
    pub(crate) fn end(&mut self, now: Instant) {
        self.part.end(now);
        self.collect(now);
        for (_, (asker, id)) in std::mem::take(&mut self.asked) {
            let answer = Err(Failure::Lost);
            self.out.push(Out::Say(asker.0, Parcel::Answer(id, answer)));
        }
        self.out.push(Out::Tell(Item::Ended(self.log.stamp())));
    }

    /// Takes what the part wants done.
    fn collect(&mut self, now: Instant) {
        while let Some(wish) = self.part.poll() {
            match wish {
                Wish::Answer(ask, reply) => {
                    if let Some((asker, id)) = self.asked.remove(&ask) {
                        let parcel = Parcel::Answer(id, Ok(reply));
                        self.out.push(Out::Say(asker.0, parcel));
                    }
                }
                Wish::Ask(op, to, request) => {
                    let until = now + ASK_PATIENCE;
                    self.open.insert(op, (to.0.clone(), until));
                    self.say(to, Some((self.number, op)), request);
                }
                Wish::End => self.is_over = true,
                Wish::Hint(hint) if !self.copies.is_empty() => {
                    self.out.push(Out::Tell(Item::Hint(hint)));
                }
                Wish::Hint(_) => {}
                Wish::LookAt((node, epoch)) => {
                    if self.standing.alive.get(&node) == Some(&epoch) {
                        self.replicas.handle_stranger(&node, epoch);
                    }
                }
                Wish::Publish(change) => {
                    let numbered = self.log.number(change);
                    self.out.push(Out::Tell(Item::Change(numbered)));
                    self.unmarked = true;
                }
                Wish::Tell(to, request) => self.say(to, None, request),
            }
        }
    }

    fn say(&mut self, to: Start, id: Option<(u64, u64)>, request: P::Request) {
        let parcel = Parcel::Question {
            from: self.me.clone(),
            to: to.clone(),
            id,
            request,
        };
        self.out.push(Out::Say(to.0, parcel));
    }

    fn hear(&mut self, now: Instant, news: News<P>) {
        self.look_at_clock(now);
        self.part.handle(now, news);
        self.collect(now);
    }

    /// Who was asleep finds out whether its lease still holds before it does anything.
    fn look_at_clock(&mut self, now: Instant) {
        let until = self.standing.until;
        if let Some(decides) = self.deciding.poll_lapse(|| until > Some(now)) {
            self.tell_home(now, decides);
        }
        if matches!(self.deciding.told(), Decides::Here(_)) {
            self.decided = Some(now);
        }
    }

    fn tell_home(&mut self, now: Instant, decides: Decides) {
        if let Decides::Here(epoch) = decides {
            self.out.push(Out::Decides(epoch));
        }
        self.part.handle(now, News::Home(decides.into()));
        self.collect(now);
    }

    fn sight(&self, now: Instant) -> Sight {
        Sight {
            is_leased: self.standing.until > Some(now),
            judgement: self.standing.judgement,
            can_claim: self.standing.incarnation.is_some(),
            is_complete: self.has_looked && self.replicas.is_current(),
        }
    }

    /// What the protocol wants done now.
    pub(crate) fn step(&mut self, now: Instant) {
        self.hear(now, News::Due);
        self.expire(now);
        self.step_home(now);
        self.replicas.handle_timeout(now);
        self.carry_out(now);
        if self.unmarked && !self.marking && self.mark_at <= now {
            self.marking = true;
            self.mark_at = now + MARK;
            self.calls.push_back(Call::PutPart(self.log.stamp()));
        }
        if self.unplaced && !self.placing && self.place_at <= now {
            (self.placing, self.unplaced) = (true, false);
            self.calls.push_back(Call::PutPlaces);
        }
        if !self.looking && self.look_at <= now {
            self.looking = true;
            self.look_at = now + LOOK;
            self.calls.push_back(Call::ReadRoom);
        }
        let (sight, alive) = (self.sight(now), &self.standing.alive);
        let lives = |node: &NodeId, start| alive.get(node) == Some(&start);
        if let Some(decides) = self.deciding.poll_told(sight, lives) {
            self.tell_home(now, decides);
        }
    }

    /// Who was waited for in vain.
    fn expire(&mut self, now: Instant) {
        let lost = self.open.extract_if(.., |_, (_, until)| *until <= now);
        for (op, _) in lost.collect::<Vec<_>>() {
            self.hear(now, News::Answered(op, Err(Failure::Lost)));
        }
        let late = self.fetches.iter().filter(|(_, (_, until))| *until <= now);
        for number in late.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.handle_told(now, number, None);
        }
    }

    fn step_home(&mut self, now: Instant) {
        let sight = self.sight(now);
        self.deciding.handle_timeout(now, sight);
        while let Some(action) = self.deciding.poll_action(now, sight) {
            match action {
                HomeAction::Begin { epoch } => self.out.push(Out::Began(epoch)),
                HomeAction::Claim { at_least } => {
                    if let Some(seen) = self.standing.incarnation.clone() {
                        let claim = Call::Claim(self.me.1, at_least, seen);
                        self.calls.push_back(claim);
                    }
                }
                HomeAction::End => {}
            }
        }
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(action) = self.replicas.poll_action() {
            match action {
                ReplicasAction::Apply { node, change } => {
                    if let Some(start) = self.known(node) {
                        self.hear(now, News::Apply(start, change));
                    }
                }
                ReplicasAction::Drop { node } => {
                    if let Some(start) = self.known(node) {
                        self.copies.remove(&start.0);
                        self.hear(now, News::Dropped(start));
                    }
                }
                ReplicasAction::Fetch { node } => {
                    self.again.remove(&node);
                    self.next_fetch += 1;
                    let until = now + FETCH_PATIENCE;
                    self.fetches.insert(self.next_fetch, (node.clone(), until));
                    self.out
                        .push(Out::Fetch(node, (self.number, self.next_fetch)));
                }
                ReplicasAction::Replace { node, snapshot } => {
                    let mut known = self.replicas.nodes();
                    let have = known.find_map(|(name, have)| have.filter(|_| *name == node));
                    if let Some(have) = have {
                        drop(known);
                        self.copies.insert(node.clone(), have.epoch);
                        self.hear(now, News::Replace((node, have.epoch), snapshot));
                    }
                }
            }
        }
    }

    fn known(&self, node: NodeId) -> Option<Start> {
        let epoch = *self.copies.get(&node)?;
        Some((node, epoch))
    }
}

/// What comes from outside.
impl<P: Part> Seat<P> {
    /// What the registry says.
    pub(crate) fn handle_said(&mut self, now: Instant, call: &Call, said: Option<Said>) {
        match (call, said) {
            (Call::Claim(..), Some(Said::Claimed(Some(home)))) => {
                let home = (home.node, home.node_epoch, home.epoch);
                self.deciding.handle_claim(now, Some(home));
            }
            (Call::Claim(..), _) => self.deciding.handle_claim(now, None),
            (Call::PutPart(stamp), said) => {
                self.marking = false;
                let is_done = matches!(said, Some(Said::Done));
                self.is_told |= is_done;
                if !is_done {
                    self.mark_at = now + AGAIN;
                } else if *stamp == self.log.stamp() {
                    self.unmarked = false;
                }
            }
            (Call::PutPlaces, said) => {
                self.placing = false;
                if !matches!(said, Some(Said::Done)) {
                    self.unplaced = true;
                    self.place_at = now + AGAIN;
                }
            }
            (Call::ReadRoom, said) => {
                self.looking = false;
                if let Some(Said::Room(record)) = said {
                    self.has_looked = true;
                    self.handle_record(*record);
                }
            }
            _ => {}
        }
        self.step(now);
    }

    fn handle_record(&mut self, record: RoomRecord) {
        let judges = self.standing.judgement == Judgement::Free;
        for (node, stamp) in &record.parts {
            if self.standing.alive.contains_key(node) {
                self.replicas.handle_mark(node, *stamp);
            }
        }
        // What was written last may have been overtaken by what was written before, or be forgotten.
        self.unmarked |= record.parts.get(&self.me.0) != Some(&self.log.stamp());
        let known = self.replicas.nodes().map(|(node, _)| node.clone());
        for node in known.collect::<Vec<_>>() {
            if !record.parts.contains_key(&node) {
                self.replicas.handle_absent(&node);
            }
            if judges && !self.standing.alive.contains_key(&node) {
                self.replicas.handle_node_gone(&node, NodeEpoch(u64::MAX));
            }
        }
        let Some(HomeRecord {
            node,
            node_epoch,
            epoch,
        }) = record.home
        else {
            return self.deciding.home_mut().handle_vacant();
        };
        self.deciding
            .home_mut()
            .handle_home(node.clone(), node_epoch, epoch);
        let is_alive = self.standing.alive.get(&node) == Some(&node_epoch);
        if judges && node != self.me.0 && !is_alive {
            self.deciding.home_mut().handle_node_gone(&node, node_epoch);
        }
    }

    /// Who lives has changed, or what may be concluded.
    pub(crate) fn handle_standing(&mut self, now: Instant, standing: &Standing) {
        if self.standing != *standing {
            let before = std::mem::replace(&mut self.standing, standing.clone());
            for (node, lived) in &before.alive {
                if standing.alive.get(node) != Some(lived) {
                    self.replicas.handle_node_gone(node, *lived);
                    self.deciding.home_mut().handle_node_gone(node, *lived);
                    if self.copies.get(node) != Some(lived) {
                        // It may have asked for something before it was heard of.
                        self.hear(now, News::Dropped((node.clone(), *lived)));
                    }
                }
            }
            let mut nodes = standing.alive.keys();
            let has_come = nodes.any(|node| !before.alive.contains_key(node));
            let is_held = standing.held != before.held;
            if is_held {
                self.deciding.home_mut().handle_lapse();
                self.replicas.handle_silence();
            }
            let is_doubtful = is_held || standing.forgotten != before.forgotten;
            if is_doubtful {
                self.deciding.home_mut().handle_doubt();
                self.unmarked = true;
                self.unplaced = true;
            }
            if has_come || is_doubtful {
                self.look_at = now;
            }
        }
        self.step(now);
    }

    /// The bus brings something.
    pub(crate) fn handle_bus(&mut self, now: Instant, (node, epoch): &Start, item: Item<P>) {
        let lives = self.standing.alive.get(node);
        if lives.is_some_and(|lives| lives > epoch) {
            return;
        }
        match item {
            Item::Change(change) => self.replicas.handle_change(node, change),
            Item::Ended(stamp) => self.replicas.handle_end(node, stamp),
            Item::Hint(hint) => {
                if self.copies.get(node) == Some(epoch) {
                    self.hear(now, News::Hint((node.clone(), *epoch), hint));
                }
            }
            Item::Mark(stamp) => self.replicas.handle_mark(node, stamp),
        }
        self.step(now);
    }

    /// The bus was away.
    pub(crate) fn handle_resubscribed(&mut self, now: Instant) {
        self.replicas.handle_silence();
        self.look_at = now;
        self.step(now);
    }

    /// An owner answers, or not.
    pub(crate) fn handle_told(
        &mut self,
        now: Instant,
        fetch: u64,
        told: Option<(Stamp, Option<P::Snapshot>)>,
    ) {
        let Some((node, _)) = self.fetches.remove(&fetch) else {
            return;
        };
        match told {
            Some((stamp, Some(snapshot))) => {
                self.replicas.handle_snapshot(now, &node, stamp, snapshot);
            }
            Some((stamp, None)) => self.replicas.handle_no_part(now, &node, stamp),
            None => self.replicas.handle_no_snapshot(now, &node),
        }
        if self.again.remove(&node) {
            // What it told may be from before something was lost.
            self.replicas.handle_absent(&node);
        }
    }

    /// What was under way between a node and this one is lost.
    pub(crate) fn handle_broken(&mut self, now: Instant, node: &NodeId) {
        let lost = self.open.extract_if(.., |_, (to, _)| to == node);
        for (op, _) in lost.collect::<Vec<_>>() {
            self.hear(now, News::Answered(op, Err(Failure::Lost)));
        }
        self.again.insert(node.clone());
        self.replicas.handle_absent(node);
        self.step(now);
    }

    /// Another part asks or tells something.
    pub(crate) fn handle_question(
        &mut self,
        now: Instant,
        (from, id): (Start, Option<(u64, u64)>),
        request: P::Request,
    ) {
        let ask = id.map(|id| {
            self.last_ask += 1;
            self.asked.insert(self.last_ask, (from.clone(), id));
            self.last_ask
        });
        self.hear(now, News::Asked(ask, from, request));
        self.step(now);
    }

    /// Another part, or its node, has answered.
    pub(crate) fn handle_answer(
        &mut self,
        now: Instant,
        (number, op): (u64, u64),
        answer: Result<P::Reply, Failure>,
    ) {
        if number == self.number && self.open.remove(&op).is_some() {
            self.hear(now, News::Answered(op, answer));
            self.step(now);
        }
    }

    pub(crate) const fn number(&self) -> u64 {
        self.number
    }
}

impl From<Decides> for HomeIs {
    fn from(decides: Decides) -> Self {
        match decides {
            Decides::Here(epoch) => Self::Here(epoch),
            Decides::Nobody => Self::Unreachable,
            Decides::There(node, start, epoch) => Self::There((node, start), epoch),
        }
    }
}

/// Something that the bus carries.
impl<P: Part> Clone for Item<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Change(change) => Self::Change(Numbered::clone(change)),
            Self::Ended(stamp) => Self::Ended(*stamp),
            Self::Hint(hint) => Self::Hint(hint.clone()),
            Self::Mark(stamp) => Self::Mark(*stamp),
        }
    }
}
