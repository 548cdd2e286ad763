//! What a part is told of who decides: its own node, another one, or nobody who can be reached.

use std::time::{Duration, Instant};

use plenum_ids::{NodeEpoch, NodeId, RoomEpoch};

use crate::{
    fault::Fault,
    home::{Home, HomeAction},
    membership::Judgement,
};

/// A new home waits so long for the other parts before it decides without them.
const SETTLE: Duration = Duration::from_secs(2);

/// A claim that came to nothing is made again after this: a registry that was away is back, or this node drains and somebody
/// else has come.
const CLAIM_AGAIN: Duration = Duration::from_millis(500);

/// Who decides about the room as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each means something else")]
pub enum Decides {
    /// This node, under this epoch.
    Here(RoomEpoch),
    /// Nobody who can be reached.
    Nobody,
    /// That start of that node, under this epoch.
    There(NodeId, NodeEpoch, RoomEpoch),
}

/// What a node knows at this moment.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "all of it is to be said")]
pub struct Sight {
    /// This node's lease holds. To be found out by the clock now, and not from what was noted: who was asleep may look at this before
    /// anything else has noticed.
    pub is_leased: bool,
    /// How much may be concluded.
    pub judgement: Judgement,
    /// The registry's life is known, which claims name.
    pub can_claim: bool,
    /// The registry's record was read, and all parts in it are known as they are.
    pub is_complete: bool,
}

/// A room's [`Home`], and what the part here was told of it. *A part that decides does so with all parts before it that can be
/// reached, and under a lease that holds.*
#[derive(Debug)]
pub struct Deciding {
    home: Home,
    /// Since this node is the home: until when it waits for the other parts before it decides.
    begins: Option<Instant>,
    claim_again: Option<Instant>,
    told: Decides,
}

impl Deciding {
    /// A room of which nothing is known yet, at this start of a node. The part believes that nobody can be reached.
    #[must_use]
    pub fn new(me: NodeId, start: NodeEpoch) -> Self {
        Self {
            home: Home::new(me, start),
            begins: None,
            claim_again: None,
            told: Decides::Nobody,
        }
    }

    /// What hears who is the home.
    pub const fn home_mut(&mut self) -> &mut Home {
        &mut self.home
    }

    /// What is known of the home.
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// What the part was told last.
    pub const fn told(&self) -> &Decides {
        &self.told
    }

    /// What came of a claim: whose home the room is, if there is an answer.
    pub fn handle_claim(&mut self, now: Instant, home: Option<(NodeId, NodeEpoch, RoomEpoch)>) {
        match home {
            Some((node, start, epoch)) => self.home.handle_home(node, start, epoch),
            None => self.claim_again = now.checked_add(CLAIM_AGAIN),
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.begins.into_iter().chain(self.claim_again).min()
    }

    /// Time has passed, or something was heard. Afterwards there may be actions, and something to tell.
    pub fn handle_timeout(&mut self, now: Instant, sight: Sight) {
        if self.claim_again.is_some_and(|at| at <= now) {
            self.claim_again = None;
            self.home.handle_no_answer();
        }
        if self.begins.is_some_and(|until| until <= now) {
            self.begins = None;
        }
        self.home.handle_timeout(sight.judgement);
    }

    /// What to do next. A claim is only to be made if there is one here: without a lease it is put off.
    pub fn poll_action(&mut self, now: Instant, sight: Sight) -> Option<HomeAction> {
        loop {
            match self.home.poll_action()? {
                HomeAction::Claim { .. } if !sight.is_leased || !sight.can_claim => {
                    self.claim_again = now.checked_add(CLAIM_AGAIN);
                }
                action => {
                    match action {
                        HomeAction::Begin { .. } => self.begins = now.checked_add(SETTLE),
                        HomeAction::End => self.begins = None,
                        HomeAction::Claim { .. } => {}
                    }
                    return Some(action);
                }
            }
        }
    }

    /// What the part is to be told, if that is something new.
    pub fn poll_told(
        &mut self,
        sight: Sight,
        is_alive: impl Fn(&NodeId, NodeEpoch) -> bool,
    ) -> Option<Decides> {
        let present = self.present(sight, is_alive);
        if self.told == present {
            return None;
        }
        self.told = present.clone();
        Some(present)
    }

    /// To be asked before the part does anything: whether it is to be told first that it decides no more, because the lease has
    /// ended while nobody looked.
    pub fn poll_lapse(&mut self, is_leased: impl FnOnce() -> bool) -> Option<Decides> {
        if !matches!(self.told, Decides::Here(_))
            || Fault::TrustOldLease.is_planted()
            || is_leased()
        {
            return None;
        }
        self.told = Decides::Nobody;
        Some(Decides::Nobody)
    }

    fn present(&mut self, sight: Sight, is_alive: impl Fn(&NodeId, NodeEpoch) -> bool) -> Decides {
        if let Some(epoch) = self.home.here() {
            let may = self.home.decides() && sight.is_leased;
            if !may || self.begins.is_some() && !sight.is_complete {
                return Decides::Nobody;
            }
            self.begins = None;
            return Decides::Here(epoch);
        }
        match self.home.holder() {
            Some((node, start, epoch)) if is_alive(node, start) => {
                Decides::There(node.clone(), start, epoch)
            }
            _ => Decides::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGHT: Sight = Sight {
        is_leased: true,
        judgement: Judgement::Free,
        can_claim: true,
        is_complete: true,
    };

    fn told(deciding: &mut Deciding, sight: Sight) -> Option<Decides> {
        deciding.poll_told(sight, |node, start| *node == "b".into() && start.0 == 1)
    }

    fn home(now: Instant) -> Deciding {
        let mut deciding = Deciding::new("a".into(), NodeEpoch(1));
        deciding.handle_timeout(now, SIGHT);
        let claim = deciding.poll_action(now, SIGHT);
        assert!(matches!(claim, Some(HomeAction::Claim { .. })), "{claim:?}");
        let here = ("a".into(), NodeEpoch(1), RoomEpoch(1));
        deciding.handle_claim(now, Some(here));
        let begin = deciding.poll_action(now, SIGHT);
        assert!(matches!(begin, Some(HomeAction::Begin { .. })), "{begin:?}");
        deciding
    }

    #[test]
    fn a_home_decides_when_it_knows_the_others_or_has_waited_for_them() {
        let now = Instant::now();
        let mut deciding = home(now);
        let blind = Sight {
            is_complete: false,
            ..SIGHT
        };
        assert_eq!(told(&mut deciding, blind), None, "it waits");
        assert_eq!(deciding.poll_timeout(), Some(now + SETTLE));
        deciding.handle_timeout(now + SETTLE, blind);
        let here = Decides::Here(RoomEpoch(1));
        assert_eq!(told(&mut deciding, blind), Some(here.clone()));
        let mut deciding = home(now);
        assert_eq!(told(&mut deciding, SIGHT), Some(here));
        assert_eq!(told(&mut deciding, SIGHT), None, "once");
    }

    #[test]
    fn who_sleeps_over_the_end_of_the_lease_decides_nothing_on_waking() {
        let mut deciding = home(Instant::now());
        let asleep = Sight {
            is_leased: false,
            ..SIGHT
        };
        assert_eq!(deciding.poll_lapse(|| false), None, "it was told nothing");
        assert!(told(&mut deciding, SIGHT).is_some());
        assert_eq!(deciding.poll_lapse(|| true), None);
        assert_eq!(deciding.poll_lapse(|| false), Some(Decides::Nobody));
        assert_eq!(deciding.poll_lapse(|| false), None, "once");
        assert_eq!(told(&mut deciding, asleep), None);
        let here = Decides::Here(RoomEpoch(1));
        assert_eq!(told(&mut deciding, SIGHT), Some(here), "it holds again");
    }

    #[test]
    fn nothing_is_claimed_without_a_lease_and_it_is_tried_again() {
        let now = Instant::now();
        for unable in [
            Sight {
                is_leased: false,
                ..SIGHT
            },
            Sight {
                can_claim: false,
                ..SIGHT
            },
        ] {
            let mut deciding = Deciding::new("a".into(), NodeEpoch(1));
            deciding.handle_timeout(now, unable);
            assert_eq!(deciding.poll_action(now, unable), None);
            assert_eq!(deciding.poll_timeout(), Some(now + CLAIM_AGAIN));
            deciding.handle_timeout(now + CLAIM_AGAIN, SIGHT);
            let claim = deciding.poll_action(now, SIGHT);
            assert!(matches!(claim, Some(HomeAction::Claim { .. })), "{claim:?}");
            deciding.handle_claim(now, None);
            assert_eq!(deciding.poll_timeout(), Some(now + CLAIM_AGAIN));
        }
    }

    #[test]
    fn another_home_counts_while_it_lives() {
        let now = Instant::now();
        let mut deciding = Deciding::new("a".into(), NodeEpoch(1));
        let there = |epoch| Some(("b".into(), NodeEpoch(epoch), RoomEpoch(epoch)));
        deciding.handle_claim(now, there(1));
        let decides = Decides::There("b".into(), NodeEpoch(1), RoomEpoch(1));
        assert_eq!(told(&mut deciding, SIGHT), Some(decides.clone()));
        assert_eq!(*deciding.told(), decides);
        assert_eq!(deciding.poll_lapse(|| false), None, "it is not here");
        deciding.handle_claim(now, there(2));
        assert_eq!(told(&mut deciding, SIGHT), Some(Decides::Nobody));
    }
}
