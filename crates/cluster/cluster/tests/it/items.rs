//! Sets of numbers, which stand for peers and what they send.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use plenum_clusterkit::{Beginning, News, Part, Wish};
use plenum_ids::NodeId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add(u32),
    Remove(u32),
}

/// A part that is a set of numbers.
#[derive(Debug, Default)]
pub(crate) struct Items {
    own: BTreeSet<u32>,
    /// Of the others.
    copies: BTreeMap<NodeId, BTreeSet<u32>>,
    wishes: VecDeque<Change>,
}

impl Items {
    pub(crate) fn change(&mut self, change: Change) {
        apply(&mut self.own, change);
        self.wishes.push_back(change);
    }
}

fn apply(items: &mut BTreeSet<u32>, change: Change) {
    match change {
        Change::Add(item) => items.insert(item),
        Change::Remove(item) => items.remove(&item),
    };
}

/// Sets have nothing to say to each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Never {}

impl Part for Items {
    type Change = Change;
    type Hint = Never;
    type Reply = Never;
    type Request = Never;
    type Snapshot = BTreeSet<u32>;

    /// Two leases of caution, one for who is dead, and some seconds to read and fetch.
    const SIGHT: Duration = Duration::from_secs(15);

    /// Two leases of caution, and some seconds to read and fetch. A home that nobody is at is found when tidying up twice.
    const QUIET: Duration = Duration::from_secs(40);

    fn begin(_: Beginning) -> Self {
        Self::default()
    }

    fn handle(&mut self, _: Instant, news: News<Self>) {
        match news {
            News::Apply((node, _), change) => apply(self.copies.entry(node).or_default(), change),
            News::Dropped((node, _)) => drop(self.copies.remove(&node)),
            News::Replace((node, _), items) => drop(self.copies.insert(node, items)),
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<Wish<Self>> {
        self.wishes.pop_front().map(Wish::Publish)
    }

    fn due(&self) -> Option<Instant> {
        None
    }

    fn snapshot(&self) -> BTreeSet<u32> {
        self.own.clone()
    }

    fn end(&mut self, _: Instant) {}

    fn calm(&mut self) {}

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn check_rest(parts: &BTreeMap<&NodeId, &Self>, _: Option<&NodeId>) -> Result<(), String> {
        Self::check_sight(parts)
    }

    fn check_sight(parts: &BTreeMap<&NodeId, &Self>) -> Result<(), String> {
        for (id, part) in parts {
            let copies: BTreeMap<_, _> = part.copies.iter().collect();
            let others = parts.iter().filter(|(owner, _)| *owner != id);
            let others: BTreeMap<_, _> = others.map(|(owner, it)| (*owner, &it.own)).collect();
            if copies != others {
                return Err(format!("{id} has {copies:?}, there is {others:?}"));
            }
        }
        Ok(())
    }
}
