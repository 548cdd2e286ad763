//! One node's process: the protocol's state machines, carried out.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use plenum_cluster::{
    Judgement, LeaseAnswer, Membership, MembershipAction, MembershipConfig, MembershipEvent,
    Numbered, Seen, Stamp,
};
use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

use crate::{
    part::{Beginning, Failure, Part, Start},
    registry::{HomeRecord, RoomRecord},
    seat::Seat,
};

/// What the dead have left is swept this often, until it is gone.
const SWEEP: Duration = Duration::from_secs(2);

/// A room that the registry believes to be here twice in a row and that is not is given up.
const TIDY: Duration = Duration::from_secs(10);

/// What a node asks of the registry.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Claim(NodeEpoch, RoomEpoch, String),
    PutPart(Stamp),
    /// Where the part's peers are.
    PutPlaces,
    ReadLeases,
    ReadRoom,
    Register(NodeEpoch),
    Release(NodeEpoch, RoomEpoch),
    RemovePart(NodeEpoch),
    Renew(NodeEpoch),
    Sweep(NodeId, NodeEpoch, String),
    /// The room's record, to see whether it is believed to be here.
    Tidy,
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Claimed(Option<HomeRecord>),
    Done,
    Lease(LeaseAnswer),
    Leases(String, Duration, Vec<Seen>),
    Room(Box<RoomRecord>),
    /// Nothing was done.
    Unleased,
}

/// What the bus carries.
#[derive(Debug)]
pub(crate) enum Item<P: Part> {
    Change(Numbered<P::Change>),
    Ended(Stamp),
    Hint(P::Hint),
    Mark(Stamp),
}

/// What one node says to another one.
#[derive(Debug)]
pub(crate) enum Parcel<P: Part> {
    /// To who asked under that number of that part.
    Answer((u64, u64), Result<P::Reply, Failure>),
    Question {
        from: Start,
        to: Start,
        /// `None`: nobody waits for an answer.
        id: Option<(u64, u64)>,
        request: P::Request,
    },
}

/// What a process wants done.
#[derive(Debug)]
pub(crate) enum Out<P: Part> {
    Ask(Call),
    Began(RoomEpoch),
    Dead(NodeId, NodeEpoch),
    Decides(RoomEpoch),
    /// Of which part of this process, under which number.
    Fetch(NodeId, (u64, u64)),
    Say(NodeId, Parcel<P>),
    Stop,
    Tell(Item<P>),
}

/// Who lives, as a node's parts see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Until when this node's lease holds.
    pub(crate) until: Option<Instant>,
    pub(crate) judgement: Judgement,
    pub(crate) incarnation: Option<String>,
    pub(crate) alive: BTreeMap<NodeId, NodeEpoch>,
    pub(crate) has_read: bool,
    pub(crate) held: u64,
    pub(crate) forgotten: u64,
}

/// A node's process.
#[derive(Debug)]
pub struct Process<P: Part> {
    me: NodeId,
    /// On its disk.
    stored_epoch: NodeEpoch,
    pub(crate) membership: Membership,
    /// No part of this process has given a change a higher number.
    highest: u64,
    seats: u64,
    /// Its part of the room.
    pub(crate) seat: Option<Seat<P>>,
    /// What is written of a part that has ended. The next one begins afterwards.
    ending: VecDeque<Call>,
    /// The part has asked the registry something.
    calling: bool,
    /// A part is to begin as soon as the one before has ended.
    wants_part: Option<(u64, u64)>,
    unswept: BTreeMap<NodeId, NodeEpoch>,
    sweep_at: Instant,
    tidy_at: Instant,
    /// The registry believed that the room was here, and it was not.
    suspects: bool,
    has_read: bool,
    held: u64,
    forgotten: u64,
    pub(crate) out: Vec<Out<P>>,
}

impl<P: Part> Process<P> {
    pub(crate) fn new(me: NodeId, stored_epoch: NodeEpoch, now: Instant) -> Self {
        Self {
            me: me.clone(),
            stored_epoch,
            membership: Membership::new(MembershipConfig::default(), me, now),
            highest: 0,
            seats: 0,
            seat: None,
            ending: VecDeque::new(),
            calling: false,
            wants_part: None,
            unswept: BTreeMap::new(),
            sweep_at: now,
            tidy_at: now + TIDY,
            suspects: false,
            has_read: false,
            held: 0,
            forgotten: 0,
            out: Vec::new(),
        }
    }

    /// Its part of the room, if it has one.
    pub const fn seat(&mut self) -> Option<&mut Seat<P>> {
        self.seat.as_mut()
    }

    /// The node gets a part of the room as soon as it can, with a clock and a number for its randomness.
    pub fn open(&mut self, now: Instant, luck: (u64, u64)) {
        if self.seat.is_none() {
            self.wants_part = Some(luck);
        }
        self.step(now);
    }

    /// It gives its part up.
    pub fn close(&mut self, now: Instant) {
        self.wants_part = None;
        if let Some(seat) = &mut self.seat {
            seat.is_over = true;
        }
        self.step(now);
    }

    fn remove_seat(&mut self) {
        let Some(seat) = self.seat.take() else { return };
        let epoch = seat.log.stamp().epoch;
        self.ending.push_back(Call::RemovePart(epoch));
        let home = seat.deciding.home().here();
        let release = home.map(|home| Call::Release(epoch, home));
        self.ending.extend(release);
    }

    fn begin(&mut self, now: Instant) {
        let Some(epoch) = self.membership.epoch() else {
            return;
        };
        if self.seat.is_some() || self.calling || !self.ending.is_empty() {
            return;
        }
        if let Some(luck) = self.wants_part.take() {
            self.seats += 1;
            let beginning = Beginning::new((self.me.clone(), epoch), now, luck);
            let numbers = (self.seats, self.highest);
            self.seat = Some(Seat::new(beginning, numbers, self.standing(now)));
        }
    }

    fn standing(&self, now: Instant) -> Standing {
        let alive = self.membership.nodes();
        Standing {
            until: self.membership.lease_until(),
            judgement: self.membership.judgement(now),
            incarnation: self.membership.incarnation().map(str::to_owned),
            alive: alive.map(|(node, epoch)| (node.clone(), epoch)).collect(),
            has_read: self.has_read,
            held: self.held,
            forgotten: self.forgotten,
        }
    }

    /// When [`Self::step`] is due.
    pub(crate) fn due(&self) -> Instant {
        let seat = self.seat.as_ref().map(Seat::due);
        let all = [self.membership.poll_timeout(), seat];
        let all = all.into_iter().flatten();
        all.fold(self.sweep_at.min(self.tidy_at), Instant::min)
    }

    pub(crate) fn step(&mut self, now: Instant) {
        self.membership.handle_timeout(now);
        while let Some(action) = self.membership.poll_action() {
            let call = match action {
                MembershipAction::ReadLeases => Call::ReadLeases,
                MembershipAction::Register => Call::Register(self.stored_epoch),
                MembershipAction::Renew { epoch } => Call::Renew(epoch),
            };
            self.out.push(Out::Ask(call));
        }
        while let Some(event) = self.membership.poll_event() {
            self.handle_event(event);
        }
        self.sweep(now);
        self.begin(now);
        let standing = self.standing(now);
        if let Some(seat) = &mut self.seat {
            seat.handle_standing(now, &standing);
        }
        self.take_out(now);
    }

    fn sweep(&mut self, now: Instant) {
        if now >= self.tidy_at {
            self.tidy_at = now + TIDY;
            self.out.push(Out::Ask(Call::Tidy));
        }
        if now < self.sweep_at {
            return;
        }
        self.sweep_at = now + SWEEP;
        if let Some(life) = self.membership.incarnation()
            && self.membership.judgement(now) == Judgement::Free
        {
            for (node, epoch) in &self.unswept {
                let sweep = Call::Sweep(node.clone(), *epoch, life.to_owned());
                self.out.push(Out::Ask(sweep));
            }
        }
    }

    /// Takes what the part wants done, one question to the registry at a time.
    fn take_out(&mut self, now: Instant) {
        if let Some(seat) = &mut self.seat {
            if seat.is_over {
                seat.end(now);
            }
            self.out.append(&mut seat.out);
            self.highest = self.highest.max(seat.log.stamp().seq);
            if seat.is_over {
                self.remove_seat();
            }
        }
        if !self.calling {
            let ending = self.ending.pop_front();
            let seat = self.seat.as_mut().filter(|_| ending.is_none());
            let call = ending.or_else(|| seat.and_then(|seat| seat.calls.pop_front()));
            self.calling = call.is_some();
            self.out.extend(call.map(Out::Ask));
        }
    }

    pub(crate) fn handle_said(&mut self, now: Instant, asked: &Call, said: Option<Said>) {
        match (asked, said) {
            (Call::Register(_) | Call::Renew(_), said) => {
                let answer = match said {
                    Some(Said::Lease(answer)) => answer,
                    _ => LeaseAnswer::Unknown,
                };
                self.membership.handle_lease(now, answer);
            }
            (Call::ReadLeases, Some(Said::Leases(life, since, seen))) => {
                self.has_read = true;
                let answer = Some((life, since, seen));
                self.membership.handle_leases(now, answer);
            }
            (Call::ReadLeases, _) => self.membership.handle_leases(now, None),
            (Call::Sweep(node, epoch, _), Some(_)) => {
                self.unswept.retain(|name, it| name != node || *it > *epoch);
            }
            (Call::Sweep(..), None) => {}
            (Call::RemovePart(_) | Call::Release(..), said) => {
                self.calling = false;
                if said.is_none() {
                    self.ending.push_front(asked.clone());
                }
            }
            (Call::Claim(..) | Call::PutPart(_) | Call::PutPlaces | Call::ReadRoom, said) => {
                self.calling = false;
                match (&mut self.seat, said) {
                    (Some(seat), said) => seat.handle_said(now, asked, said),
                    // The part that wanted it has ended.
                    (None, Some(Said::Claimed(Some(home)))) => self.release(&home),
                    (None, _) => {}
                }
            }
            (Call::Tidy, said) => {
                if let Some(Said::Room(record)) = said {
                    self.tidy(&record);
                }
            }
        }
        self.step(now);
    }

    /// Gives up a room that is not here.
    fn tidy(&mut self, record: &RoomRecord) {
        let home = record.home.as_ref().filter(|home| home.node == self.me);
        let is_named = home.is_some() || record.parts.contains_key(&self.me);
        let is_held = self.seat.is_some() || self.calling || !self.ending.is_empty();
        let was_named = std::mem::replace(&mut self.suspects, is_named && self.seat.is_none());
        if let Some(epoch) = self.membership.epoch()
            && self.suspects
            && was_named
            && !is_held
        {
            self.ending.push_back(Call::RemovePart(epoch));
            if let Some(home) = home {
                self.release(home);
            }
        }
    }

    /// It is home no more if it was this start that was.
    fn release(&mut self, home: &HomeRecord) {
        if home.node == self.me && Some(home.node_epoch) == self.membership.epoch() {
            let release = Call::Release(home.node_epoch, home.epoch);
            self.ending.push_back(release);
        }
    }

    pub(crate) fn handle_link(&mut self, now: Instant, node: &NodeId, epoch: NodeEpoch, up: bool) {
        self.membership.handle_link(node, epoch, up);
        self.step(now);
    }

    /// What comes for its part.
    pub(crate) fn hear(&mut self, now: Instant, hear: impl FnOnce(&mut Seat<P>)) {
        if let Some(seat) = &mut self.seat {
            hear(seat);
        }
        self.step(now);
    }

    /// Another node's part says something to the one here.
    pub(crate) fn handle_parcel(&mut self, now: Instant, parcel: Parcel<P>) {
        match (parcel, &mut self.seat) {
            (Parcel::Answer(id, answer), Some(seat)) => seat.handle_answer(now, id, answer),
            (
                Parcel::Question {
                    from, id, request, ..
                },
                Some(seat),
            ) => seat.handle_question(now, (from, id), request),
            (
                Parcel::Question {
                    from, id: Some(id), ..
                },
                None,
            ) => {
                let parcel = Parcel::Answer(id, Err(Failure::NoPart));
                self.out.push(Out::Say(from.0, parcel));
            }
            (Parcel::Answer(..) | Parcel::Question { .. }, None) => {}
        }
        self.step(now);
    }

    /// All of its part, for those who ask.
    pub(crate) fn told(&self) -> Option<(Stamp, Option<P::Snapshot>)> {
        let epoch = self.membership.epoch()?;
        let seq = self.highest;
        let seat = self.seat.as_ref();
        Some(seat.map_or((Stamp { epoch, seq }, None), |seat| {
            (seat.log.stamp(), Some(seat.part.snapshot()))
        }))
    }

    fn handle_event(&mut self, event: MembershipEvent) {
        match event {
            MembershipEvent::Fenced { .. } => self.out.push(Out::Stop),
            MembershipEvent::Forgotten => self.forgotten += 1,
            MembershipEvent::Held { epoch } => {
                self.stored_epoch = epoch;
                self.held += 1;
                let earlier = NodeEpoch(epoch.0 - 1);
                self.unswept.insert(self.me.clone(), earlier);
            }
            MembershipEvent::NodeGone { node, epoch } => {
                self.out.push(Out::Dead(node.clone(), epoch));
                let known = self.unswept.entry(node).or_default();
                *known = epoch.max(*known);
            }
            MembershipEvent::Lapsed | MembershipEvent::NodeUp { .. } => {}
        }
    }
}
