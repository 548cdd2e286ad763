//! The points of a node for a request. One list of terms serves the sum of every node that is looked at and the reasons of
//! those that come out.

use super::{
    filter::percent,
    query::{PartFact, Query},
};
use crate::{
    Cause, Policy, Reason,
    view::{NONE, RegionGroup, Row, share},
};

/// What a node comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Points {
    /// Nodes of a higher tier come before all others, whatever weights the rules give: the home of a room under `room`, then
    /// other nodes that have some of it.
    pub(super) tier: u8,
    pub(super) sum: i32,
}

/// One part of the sum.
#[derive(Clone, Copy, Debug)]
enum Term {
    Affinity(u32),
    Cost,
    Country,
    Distance(f32),
    Egress(u32),
    Gather(u32),
    Home,
    Isp(usize),
    Load,
    Nowhere,
    Priority,
    Publisher(u32),
    Region,
}

/// What tiers are shown as: above all that other terms come to with usual weights.
const HOME: i32 = 100_000;
const PART: i32 = 50_000;

/// Load and uplink count in steps of a twentieth: differences below that are chance of sampling, and nodes between which only
/// chance decides shall share what comes.
const STEPS: u32 = 20;

/// Distances count in steps of 100 km, about a millisecond of round trip.
const STEP_KM: f32 = 100.0;

/// What a node's distance is taken for that does not say where it is, in steps: half of the farthest it could be is 10 000 km;
/// half of that is what a client of a world-wide cluster is from the average node.
const NOWHERE_STEPS: i32 = 50;

/// Up to so many peers of a room a publisher's node takes viewers as any other under `broadcast`: a small audience is not
/// worth a second node.
const SMALL_AUDIENCE: u32 = 50;

/// No single term counts for more, so that sums stay far from the ends of their type.
const MOST: i32 = 50_000_000;

impl Query<'_> {
    /// What a node comes to.
    pub(super) fn points(&self, index: u32, part: Option<&PartFact<'_>>) -> Points {
        let mut sum = 0;
        self.terms(self.row(index), part, &mut |points, _| sum += points);
        Points {
            tier: self.tier(part),
            sum,
        }
    }

    /// The same, in words: those that count most first.
    pub(super) fn reasons(&self, index: u32, part: Option<&PartFact<'_>>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        self.terms(self.row(index), part, &mut |points, term| {
            if let Some(cause) = self.cause(index, term) {
                reasons.push(Reason { points, cause });
            }
        });
        reasons.sort_by_key(|reason| -reason.points.abs());
        reasons
    }

    /// The points that no node of a region exceeds, but for what it is worth to have a part of the room.
    pub(super) fn bound(&self, group: &RegionGroup) -> i32 {
        let weights = &self.rules.weights;
        let mut bound = 0;
        let is_own = self.region != NONE && group.region == self.region;
        if is_own {
            bound += i32::from(weights.region);
        }
        if self.country != NONE && group.country.is_none_or(|country| country == self.country) {
            bound += i32::from(weights.country);
        }
        if !self.isps.is_empty() {
            bound += i32::from(weights.isp);
        }
        bound += i32::from(weights.priority) * i32::from(group.max_priority);
        bound += self.cost(group.min_cost);
        if let Some((middle, radius)) = group.circle
            && let Some(far) = self.kilometres(Some(middle))
        {
            // A step less than the nearest point of the circle: sums of rounded distances must not cut off anybody.
            let nearest = (far - radius - STEP_KM).max(0.0);
            bound += self.distance(nearest);
        }
        bound
    }

    /// The most that it is worth to have a part of the room, under all policies but `room`.
    pub(super) fn most_for_a_part(&self) -> i32 {
        let weights = &self.rules.weights;
        let gather = i32::from(weights.gather) + crowd(self.peers);
        gather.max(weights.affinity.into())
    }

    fn tier(&self, part: Option<&PartFact<'_>>) -> u8 {
        match part {
            Some(part) if self.policy == Policy::Room => 1 + u8::from(part.is_home),
            _ => 0,
        }
    }

    fn terms(&self, row: &Row, part: Option<&PartFact<'_>>, each: &mut impl FnMut(i32, Term)) {
        let weights = &self.rules.weights;
        if let Some(part) = part {
            self.part_terms(part, each);
        }
        let is_own = self.region != NONE && row.region == self.region;
        if is_own {
            each(i32::from(weights.region), Term::Region);
        }
        if self.country != NONE && row.country == self.country {
            each(i32::from(weights.country), Term::Country);
        }
        match self.kilometres(row.direction) {
            Some(far) => each(self.distance(far), Term::Distance(far)),
            None if self.direction.is_some() && !is_own => {
                each(-NOWHERE_STEPS * i32::from(weights.distance), Term::Nowhere);
            }
            None => {}
        }
        if let Some(place) = self.isps.iter().position(|isp| *isp == row.isp) {
            let of = self.isps.len();
            let share = (of - place) * usize::from(weights.isp) / of;
            each(i32::try_from(share).unwrap_or(MOST), Term::Isp(place));
        }
        let priority = i32::from(weights.priority) * i32::from(row.priority);
        each(priority, Term::Priority);
        each(-used(row.load, weights.load), Term::Load);
        if row.egress_capacity > 0 {
            let share = share(row.egress, row.egress_capacity);
            each(-used(share, weights.egress), Term::Egress(percent(share)));
        }
        each(self.cost(row.cost), Term::Cost);
    }

    /// What it is worth that a node has peers of the room.
    fn part_terms(&self, part: &PartFact<'_>, each: &mut impl FnMut(i32, Term)) {
        let weights = &self.rules.weights;
        let PartFact {
            peers, publishers, ..
        } = *part;
        let affinity = i32::from(weights.affinity);
        let gather = i32::from(weights.gather) + crowd(peers);
        match self.policy {
            Policy::Room if part.is_home => each(HOME, Term::Home),
            Policy::Room => {
                let most_peers = i32::try_from(peers).map_or(PART, |peers| peers.min(PART));
                each(PART + most_peers / 2, Term::Affinity(peers));
            }
            // A home whose peers have all left is no saving.
            _ if peers == 0 => {}
            Policy::Broadcast if self.is_viewer() => {
                if publishers > 0 && self.peers >= SMALL_AUDIENCE {
                    each(-i32::from(weights.publisher), Term::Publisher(publishers));
                } else {
                    each(gather, Term::Gather(peers));
                }
            }
            Policy::Stream if self.is_viewer() && self.peers >= self.rules.gather_from => {
                each(gather, Term::Gather(peers));
            }
            Policy::Broadcast | Policy::Stream | Policy::User => {
                each(affinity, Term::Affinity(peers));
            }
        }
    }

    fn distance(&self, kilometres: f32) -> i32 {
        let steps = (kilometres / STEP_KM) as i32;
        -steps * i32::from(self.rules.weights.distance)
    }

    fn cost(&self, cost: f32) -> i32 {
        let points = -cost * f32::from(self.rules.weights.cost);
        (points as i32).clamp(-MOST, MOST)
    }

    /// A term in words; `None`: it is not worth any.
    fn cause(&self, index: u32, term: Term) -> Option<Cause> {
        let (row, node) = (self.row(index), self.node(index));
        Some(match term {
            Term::Affinity(peers) => Cause::Affinity { peers },
            Term::Cost if row.cost == 0.0 => return None,
            Term::Cost => Cause::Cost { cost: row.cost },
            Term::Country => Cause::Country {
                country: node.location.country.clone()?,
            },
            Term::Distance(far) => Cause::Distance {
                kilometres: percent(far / 100.0),
            },
            Term::Egress(percent) => Cause::Egress { percent },
            Term::Gather(peers) => Cause::Gather { peers },
            Term::Home => Cause::Home,
            Term::Isp(place) => Cause::Isp {
                isp: node.location.isp.clone()?,
                preference: u32::try_from(place + 1).unwrap_or(u32::MAX),
            },
            Term::Load => Cause::Load {
                percent: percent(row.load),
                pending: row.pending,
            },
            Term::Nowhere => Cause::Nowhere,
            Term::Priority if row.priority == 0 => return None,
            Term::Priority => Cause::Priority {
                priority: row.priority,
            },
            Term::Publisher(publishers) => Cause::Publisher { publishers },
            Term::Region => Cause::Region {
                region: node.location.region.clone()?,
            },
        })
    }
}

/// Of several nodes where receivers gather, the one with more of them: twice as many are worth half a millisecond.
fn crowd(peers: u32) -> i32 {
    i32::try_from(peers.checked_ilog2().unwrap_or(0) * 5).unwrap_or(0)
}

/// What using so much of something takes away: a little of what is free matters little, a little of what is scarce much.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers, and what is negative becomes 0"
)]
fn used(share: f32, weight: u16) -> i32 {
    // What is loaded twice over is as bad as it gets.
    let steps = ((share * STEPS as f32) as u32).min(2 * STEPS);
    let points = u32::from(weight) * steps * steps / (STEPS * STEPS);
    i32::try_from(points).unwrap_or(MOST)
}
