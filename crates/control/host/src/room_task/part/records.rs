//! What a part asks of the registry: one thing at a time, in order.

use std::{
    collections::{BTreeSet, VecDeque},
    future::{pending, ready},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use plenum_cluster::Stamp;
use plenum_ids::{PeerId, RoomName};
use plenum_registry::{ClaimRequest, PartMark, Registry, RegistryError, RoomHome, RoomRecord};
use plenum_room::NodeKey;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::sleep;
use tracing::debug;

use super::{super::random_seed, Part};
use crate::cluster::Cluster;

/// The room's record is read this often: a fact that the bus has lost is missed for no longer.
const LOOK: Duration = Duration::from_secs(2);
/// Parts that began together do not ask together for ever.
const JITTER: Duration = Duration::from_millis(400);

/// Whoever has a part and is not known to live is looked up; so often, and as long as leases take to be read each time.
const LOOKS_FOR_STRANGERS: u8 = 3;
/// See [`LOOKS_FOR_STRANGERS`].
const STRANGER: Duration = Duration::from_millis(100);

/// Marks of a part that changes all the time are written this often. Who reads them catches up in any case.
const MARK: Duration = Duration::from_millis(250);

/// A registry that does not answer is asked again after this.
const AGAIN: Duration = Duration::from_millis(500);

/// Peers whose place is to be written. All of a large room that comes at once; the rest is not found by name.
const MAX_PEERS: usize = 4096;

/// A question to the registry.
#[derive(Clone, Debug)]
pub(in crate::room_task) enum Call {
    Claim(ClaimRequest),
    PutPart(PartMark),
    /// Whether it is here.
    Peer(PeerId, bool),
    ReadRoom,
}

impl Call {
    /// What comes of it without a lease, if it needs one.
    const fn without_lease(&self) -> Option<Said> {
        match self {
            Self::Claim(_) => Some(Said::Claimed(None)),
            Self::PutPart(_) | Self::Peer(_, true) => Some(Said::Done(false)),
            Self::Peer(_, false) | Self::ReadRoom => None,
        }
    }
}

/// What it answers.
#[derive(Debug)]
pub(in crate::room_task) enum Said {
    Claimed(Option<RoomHome>),
    Done(bool),
    Room(Result<Option<RoomRecord>, RegistryError>),
}

/// Questions that wait, and what the registry knows.
#[expect(
    clippy::struct_excessive_bools,
    reason = "what is written, being written and read of three things"
)]
pub(super) struct Records {
    waiting: VecDeque<Call>,
    asking: Option<BoxFuture<'static, (Call, Said)>>,
    /// The registry does not know the part as it is.
    unmarked: bool,
    marking: bool,
    /// Its mark stands there, if only an old one.
    is_told: bool,
    mark_at: Instant,
    look_at: Instant,
    looking: bool,
    has_looked: bool,
    /// How often somebody was met who is not known to live.
    strangers: u8,
    peers: BTreeSet<PeerId>,
    peer_at: Instant,
    writing_peer: bool,
    random: StdRng,
}

impl Records {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            random: StdRng::from_seed(random_seed()),
            waiting: VecDeque::new(),
            asking: None,
            unmarked: false,
            marking: false,
            is_told: false,
            mark_at: now,
            look_at: now,
            looking: false,
            has_looked: false,
            strangers: 0,
            peers: BTreeSet::new(),
            peer_at: now,
            writing_peer: false,
        }
    }

    /// The part is not any more what was written of it.
    pub(super) const fn note_change(&mut self) {
        self.unmarked = true;
    }

    /// What was refused may be written now.
    pub(super) const fn retry(&mut self, now: Instant) {
        self.mark_at = now;
        self.peer_at = now;
    }

    /// Somebody has come or gone.
    pub(super) fn note_peer(&mut self, peer: PeerId) {
        if self.peers.len() < MAX_PEERS {
            self.peers.insert(peer);
        }
    }

    /// The record is read as soon as possible.
    pub(super) const fn look(&mut self, now: Instant) {
        self.look_at = now;
    }

    /// Whether it was read since the part began.
    pub(super) const fn has_looked(&self) -> bool {
        self.has_looked
    }

    /// Whether others can find the part.
    pub(super) const fn is_told(&self) -> bool {
        self.is_told
    }

    pub(super) fn ask(&mut self, call: Call) {
        self.waiting.push_back(call);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let mark = (self.unmarked && !self.marking).then_some(self.mark_at);
        let look = (!self.looking).then_some(self.look_at);
        let peer = (!self.peers.is_empty() && !self.writing_peer).then_some(self.peer_at);
        mark.into_iter().chain(look).chain(peer).min()
    }

    /// Asks what is due. `counts`: peers, and producers of theirs.
    pub(super) fn step(&mut self, now: Instant, stamp: Stamp, counts: (usize, u32)) {
        if self.unmarked && !self.marking && self.mark_at <= now {
            self.marking = true;
            self.mark_at = now + MARK;
            let (peers, producers) = counts;
            self.waiting.push_back(Call::PutPart(PartMark {
                seq: stamp.seq,
                peers: u32::try_from(peers).unwrap_or(u32::MAX),
                producers,
                digest: 0,
            }));
        }
        if !self.looking && self.look_at <= now {
            self.looking = true;
            self.look_at = now + LOOK + self.random.random_range(Duration::ZERO..JITTER);
            self.waiting.push_back(Call::ReadRoom);
        }
    }

    /// Writes one peer's place, if it is time.
    pub(super) fn step_peers(&mut self, now: Instant, is_here: impl Fn(&PeerId) -> bool) {
        if self.writing_peer || self.peer_at > now {
            return;
        }
        if let Some(peer) = self.peers.pop_first() {
            self.writing_peer = true;
            let is_here = is_here(&peer);
            self.waiting.push_back(Call::Peer(peer, is_here));
        }
    }

    /// Asks the next question, if none is open. What only those may write who have a lease is not even asked without one.
    pub(super) fn begin(&mut self, cluster: &Arc<Cluster>, room: &RoomName, is_leased: bool) {
        if self.asking.is_some() {
            return;
        }
        if let Some(call) = self.waiting.pop_front() {
            if let Some(refused) = call.without_lease().filter(|_| !is_leased) {
                self.asking = Some(Box::pin(ready((call, refused))));
                return;
            }
            let registry = Arc::clone(cluster.registry());
            let me = cluster.me().clone();
            let room = room.clone();
            let lease = cluster.lease();
            let note = match &call {
                Call::Peer(peer, true) => cluster.why(&room, peer),
                _ => String::new(),
            };
            self.asking = Some(Box::pin(async move {
                let said = carry_out(&*registry, (me, lease), room, &call, note).await;
                (call, said)
            }));
        }
    }

    /// What was asked is answered, so that nothing follows it; what was to be asked is forgotten. Gives the home that was claimed
    /// last, if that is what was asked.
    pub(super) async fn finish(&mut self) -> Option<RoomHome> {
        self.waiting.clear();
        self.asking.as_ref()?;
        match self.next().await {
            (_, Said::Claimed(home)) => home,
            _ => None,
        }
    }

    /// The answer to the open question. Loses nothing when cancelled.
    pub(super) async fn next(&mut self) -> (Call, Said) {
        let said = match &mut self.asking {
            Some(asking) => asking.await,
            None => pending().await,
        };
        self.asking = None;
        said
    }
}

async fn carry_out(
    registry: &dyn Registry,
    (me, lease): (NodeKey, Duration),
    room: RoomName,
    call: &Call,
    note: String,
) -> Said {
    let NodeKey { node, epoch } = me;
    match call {
        Call::Claim(request) => {
            let claim = registry.claim(request.clone()).await;
            let claim = claim.inspect_err(|err| debug!(%room, %err, "no home"));
            Said::Claimed(claim.ok().map(|claim| RoomHome {
                node: claim.home,
                node_epoch: claim.home_epoch,
                epoch: claim.epoch,
            }))
        }
        Call::PutPart(mark) => {
            let put = registry.put_part(room, node, epoch, *mark, lease).await;
            Said::Done(put.is_ok())
        }
        Call::Peer(peer, true) => {
            let put = registry.put_peer(room, node, epoch, peer.clone(), note, lease);
            Said::Done(put.await.is_ok())
        }
        Call::Peer(peer, false) => {
            let removed = registry.remove_peer(room, node, epoch, peer.clone());
            Said::Done(removed.await.is_ok())
        }
        Call::ReadRoom => Said::Room(registry.room(room).await),
    }
}

/// After the last question: the part is gone, and so is what it was the home of. Until the registry says so, or a later start of
/// this node lives.
pub(super) async fn remove(
    registry: &dyn Registry,
    me: &NodeKey,
    room: &RoomName,
    home: Option<plenum_ids::RoomEpoch>,
) {
    let NodeKey { node, epoch } = me;
    loop {
        let removed = async {
            registry
                .remove_part(room.clone(), node.clone(), *epoch)
                .await?;
            if let Some(home) = home {
                registry
                    .release(room.clone(), node.clone(), *epoch, home)
                    .await?;
            }
            Ok::<_, RegistryError>(())
        };
        match removed.await {
            Err(err) if err.is_temporary() => sleep(AGAIN).await,
            Ok(()) | Err(_) => return,
        }
    }
}

impl Part {
    pub(super) fn handle_record(&mut self, now: Instant, call: Call, said: Said) {
        match (call, said) {
            (Call::Claim(_), Said::Claimed(home)) => {
                let home = home.map(|it| (it.node, it.node_epoch, it.epoch));
                self.deciding.handle_claim(now, home);
            }
            (Call::PutPart(mark), Said::Done(done)) => {
                let records = &mut self.records;
                records.marking = false;
                records.is_told |= done;
                if done && mark.seq == self.log.stamp().seq {
                    records.unmarked = false;
                } else if !done {
                    records.mark_at = now + AGAIN;
                }
            }
            (Call::Peer(peer, was_here), Said::Done(done)) => {
                self.records.writing_peer = false;
                let is_here = self.peers.contains_key(&peer);
                if !done {
                    self.records.peer_at = now + AGAIN;
                }
                if !done || is_here != was_here {
                    self.records.note_peer(peer);
                }
            }
            (Call::ReadRoom, Said::Room(record)) => {
                self.records.looking = false;
                if let Ok(record) = record {
                    self.look_for_strangers(now, record.as_ref());
                    self.handle_room(record);
                }
            }
            (Call::Claim(_) | Call::PutPart(_) | Call::Peer(..) | Call::ReadRoom, _) => {}
        }
    }

    /// A node that has just started is in the record before its lease is known here. Whoever comes waits for it, and not for
    /// those who are dead.
    fn look_for_strangers(&mut self, now: Instant, record: Option<&RoomRecord>) {
        let me = &self.cluster.me().node;
        let mut parts = record.iter().flat_map(|record| &record.parts);
        let is_strange =
            parts.any(|part| part.node != *me && !self.standing.alive.contains_key(&part.node));
        let records = &mut self.records;
        if is_strange && !records.has_looked && records.strangers < LOOKS_FOR_STRANGERS {
            records.strangers += 1;
            records.look_at = now + STRANGER;
            self.cluster.note_stranger();
        } else {
            records.has_looked = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::NodeEpoch;

    use super::*;

    const STAMP: Stamp = Stamp {
        epoch: NodeEpoch(1),
        seq: 7,
    };

    #[test]
    fn a_part_that_changes_all_the_time_is_marked_now_and_then() {
        let now = Instant::now();
        let mut records = Records::new(now);
        records.look(now + LOOK);
        let mut marks = 0;
        for millisecond in 0..1000 {
            records.note_change();
            records.step(now + Duration::from_millis(millisecond), STAMP, (1, 0));
            for call in std::mem::take(&mut records.waiting) {
                assert!(matches!(call, Call::PutPart(_)), "{call:?}");
                (marks, records.marking) = (marks + 1, false);
            }
        }
        assert_eq!(marks, 4);
    }

    #[test]
    fn only_who_has_a_lease_writes_and_everybody_may_look_and_take_back() {
        let peer = PeerId::from("ann");
        assert!(Call::PutPart(PartMark::default()).without_lease().is_some());
        assert!(Call::Peer(peer.clone(), true).without_lease().is_some());
        assert!(Call::Peer(peer, false).without_lease().is_none());
        assert!(Call::ReadRoom.without_lease().is_none());
    }

    #[test]
    fn places_of_peers_that_wait_to_be_written_are_bounded_and_written_one_by_one() {
        let now = Instant::now();
        let mut records = Records::new(now);
        for number in 0..2 * MAX_PEERS {
            records.note_peer(number.to_string().into());
        }
        assert_eq!(records.peers.len(), MAX_PEERS);
        for _ in 0..10 {
            records.step_peers(now, |_| true);
        }
        assert_eq!(records.waiting.len(), 1);
    }
}
