//! The ranking: who is out of the question, who is in it, and in which order.
//!
//! A decision looks at few of a thousand nodes. The home of the room comes first, under `room` also its other parts; then region
//! by region, the one whose best conceivable node would have most points first. It ends where no region left could
//! hold a node better than the last one kept. What comes out is what looking at all of them would give (a test compares both). Nothing is
//! allocated for a node that does not come out.

use plenum_ids::NodeId;
use serde::Serialize;

use crate::{Policy, Reason, Refusal, Request, Rules, View};

mod filter;
mod query;
mod score;

use filter::Obstacle;
use query::{PartFact, Query};
use score::Points;

/// A node that may take the peer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// Which one.
    pub node: NodeId,
    /// The sum of its reasons' points.
    pub score: i32,
    /// What they are for, those that decide first.
    pub reasons: Vec<Reason>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ranking {
    /// The policy that was followed.
    pub policy: Policy,
    /// Nodes that may take the peer, best first; at most [`MAX_CANDIDATES`].
    pub candidates: Vec<Candidate>,
    /// Nodes that may not: the home first, then those that would have had most points, dead ones last; at most
    /// [`MAX_REFUSED`].
    pub refused: Vec<(NodeId, Refusal)>,
    /// How many were looked at and refused, those that are not listed included.
    pub refusals: u32,
}

impl Ranking {
    /// The best node.
    #[must_use]
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.first()
    }
}

/// So many candidates come out: a claim tries one after another, and if eight nodes died since the view was made, so did it.
pub const MAX_CANDIDATES: usize = 8;

/// So many refused nodes are named: a screen of them; what is beyond is a number.
pub const MAX_REFUSED: usize = 16;

/// Puts nodes in order for a request.
#[must_use]
pub fn rank(request: &Request, view: &View, rules: &Rules) -> Ranking {
    let query = Query::new(request, view, rules.of(&request.room.namespace));
    let mut kept = Kept::default();
    let mut gone = Vec::new();
    for part in query.parts() {
        match part.row {
            None => gone.push(part.node.clone()),
            Some(row) if query.comes_first(part) => kept.look_at(&query, row, Some(part)),
            Some(_) => {}
        }
    }
    for group in query.groups() {
        if kept.ends_before(group.bound) {
            break;
        }
        for row in &view.regions()[group.index].rows {
            let part = query.part(*row);
            if !part.is_some_and(|part| query.comes_first(part)) {
                kept.look_at(&query, *row, part);
            }
        }
    }
    finish(&query, &kept, gone)
}

/// Names nodes and reasons of what was kept.
fn finish(query: &Query<'_>, kept: &Kept<'_>, gone: Vec<NodeId>) -> Ranking {
    let refusals = kept.refusals + u32::try_from(gone.len()).unwrap_or(u32::MAX);
    let gone = gone.into_iter().map(|node| (node, Refusal::Gone));
    let listed = kept.refused.iter().map(|(entry, obstacle)| {
        let node = query.node(entry.row).id.clone();
        (node, query.refusal(entry.row, obstacle))
    });
    let candidates = kept.accepted.iter().map(|(entry, ())| Candidate {
        node: query.node(entry.row).id.clone(),
        score: entry.points.sum,
        reasons: query.reasons(entry.row, entry.part),
    });
    let mut refused: Vec<(NodeId, Refusal)> = listed.chain(gone).collect();
    let is_home = |(node, _): &(NodeId, Refusal)| query.request.home.as_ref() == Some(node);
    if let Some(home) = refused.iter().position(is_home) {
        refused[..=home].rotate_right(1);
    }
    refused.truncate(MAX_REFUSED);
    Ranking {
        policy: query.policy,
        candidates: candidates.collect(),
        refused,
        refusals,
    }
}

/// The best of what was looked at.
#[derive(Default)]
struct Kept<'a> {
    accepted: Vec<(Entry<'a>, ())>,
    refused: Vec<(Entry<'a>, Obstacle)>,
    refusals: u32,
}

#[derive(Clone, Copy)]
struct Entry<'a> {
    points: Points,
    /// Among nodes of equal points each request has its own order.
    turn: u64,
    row: u32,
    part: Option<&'a PartFact<'a>>,
}

impl<'a> Kept<'a> {
    fn look_at(&mut self, query: &Query<'_>, row: u32, part: Option<&'a PartFact<'a>>) {
        let mut entry = Entry {
            points: query.points(row, part),
            turn: query.turn(row),
            row,
            part,
        };
        match query.obstacle(row, part) {
            None => insert(&mut self.accepted, entry, (), MAX_CANDIDATES),
            Some(obstacle) => {
                self.refusals += 1;
                // Why not at home is what is asked first.
                if part.is_some_and(|part| part.is_home) {
                    entry.points.tier = u8::MAX;
                }
                insert(&mut self.refused, entry, obstacle, MAX_REFUSED);
            }
        }
    }

    /// Whether no node with at most so many points would be kept.
    fn ends_before(&self, bound: i32) -> bool {
        let last = self.accepted.get(MAX_CANDIDATES - 1);
        last.is_some_and(|(last, ())| (last.points.tier, last.points.sum) > (0, bound))
    }
}

/// Puts an entry where it belongs among the best `most`.
fn insert<'a, T>(sorted: &mut Vec<(Entry<'a>, T)>, entry: Entry<'a>, with: T, most: usize) {
    let place = sorted.partition_point(|(other, _)| other.comes_before(&entry));
    if place < most {
        if sorted.len() == most {
            sorted.pop();
        }
        sorted.insert(place, (entry, with));
    }
}

impl Entry<'_> {
    fn comes_before(&self, other: &Self) -> bool {
        let key = |entry: &Self| (entry.points.tier, entry.points.sum, entry.turn);
        // Rows are in the order of names.
        (key(self), other.row) > (key(other), self.row)
    }
}

#[cfg(test)]
mod tests;
