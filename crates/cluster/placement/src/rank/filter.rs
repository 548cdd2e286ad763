//! What keeps a request from a node.

use super::query::{PartFact, Query};
use crate::{Isolation, Policy, Refusal, view::NONE};

/// Why a node is out of the question; what a [`Refusal`] says more is looked up for those that are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    Denied(usize),
    Draining,
    Egress { free: u64, needed: u64 },
    Load { limit: u32 },
    Namespace,
    NotAllowed,
    OtherCountry,
    OtherRegion,
    Residency,
    UnknownCountry,
    UnknownRegion,
    Viewers,
    Version,
}

impl Query<'_> {
    /// The first thing that keeps the peer from a node: what its operators decided, then what it can take.
    pub(super) fn obstacle(&self, index: u32, part: Option<&PartFact<'_>>) -> Option<Obstacle> {
        let row = self.row(index);
        let rules = self.rules;
        if row.draining {
            return Some(Obstacle::Draining);
        }
        if rules.min_version.is_some_and(|wanted| row.version < wanted) {
            return Some(Obstacle::Version);
        }
        if !row.namespaces.is_empty() && !row.namespaces.contains(&self.namespace) {
            return Some(Obstacle::Namespace);
        }
        if let Some(rule) = self.deny.iter().find(|rule| rule.matches(index, row)) {
            return Some(Obstacle::Denied(rule.index));
        }
        // Rules that describe nothing allow nothing.
        let is_allowed = || self.allow.iter().any(|rule| rule.matches(index, row));
        if !rules.allow.is_empty() && !is_allowed() {
            return Some(Obstacle::NotAllowed);
        }
        if !self.residency.is_empty() && !self.residency.contains(&row.country) {
            return Some(Obstacle::Residency);
        }
        if self.is_isolated(Isolation::Region) && (self.region == NONE || row.region != self.region)
        {
            let is_known = self.region != NONE;
            return Some(if is_known {
                Obstacle::OtherRegion
            } else {
                Obstacle::UnknownRegion
            });
        }
        if self.is_isolated(Isolation::Country)
            && (self.country == NONE || row.country != self.country)
        {
            let is_known = self.country != NONE;
            return Some(if is_known {
                Obstacle::OtherCountry
            } else {
                Obstacle::UnknownCountry
            });
        }
        self.lack(index, part)
    }

    /// What the node has too little of.
    fn lack(&self, index: u32, part: Option<&PartFact<'_>>) -> Option<Obstacle> {
        let row = self.row(index);
        let rules = self.rules;
        // Rooms that are there may grow into what new ones may not take.
        let limit = match part {
            Some(_) => rules.full_load.max(rules.max_load),
            None => rules.max_load,
        };
        if row.load >= limit {
            let limit = percent(limit);
            return Some(Obstacle::Load { limit });
        }
        if row.egress_capacity > 0 {
            let planned = planned(row.egress_capacity, rules.egress_reserve);
            let free = planned.saturating_sub(row.egress);
            // Who sends nothing yet needs at least something.
            let needed = self.request.egress.max(1);
            if free < needed {
                return Some(Obstacle::Egress { free, needed });
            }
        }
        let is_viewer = self.policy == Policy::Broadcast && self.is_viewer();
        if is_viewer && part.is_some_and(|part| part.peers >= rules.viewers_per_node) {
            return Some(Obstacle::Viewers);
        }
        None
    }

    /// An obstacle with all that is to be said of it.
    pub(super) fn refusal(&self, index: u32, obstacle: &Obstacle) -> Refusal {
        let row = self.row(index);
        let node = self.node(index);
        let client = self.client;
        match *obstacle {
            Obstacle::Denied(rule) => Refusal::Denied {
                rule: self.rules.deny[rule].clone(),
            },
            Obstacle::Draining => Refusal::Draining,
            Obstacle::Egress { free, needed } => Refusal::Egress { free, needed },
            Obstacle::Load { limit } => Refusal::Load {
                percent: percent(row.load),
                limit,
            },
            Obstacle::Namespace => Refusal::Namespace {
                namespace: self.request.room.namespace.clone(),
            },
            Obstacle::NotAllowed => Refusal::NotAllowed,
            Obstacle::OtherCountry => match &client.country {
                Some(country) => Refusal::OtherCountry {
                    country: country.clone(),
                },
                None => Refusal::UnknownCountry,
            },
            Obstacle::OtherRegion => match &client.region {
                Some(region) => Refusal::OtherRegion {
                    region: region.clone(),
                },
                None => Refusal::UnknownRegion,
            },
            Obstacle::Residency => Refusal::Residency {
                country: node.location.country.clone(),
            },
            Obstacle::UnknownCountry => Refusal::UnknownCountry,
            Obstacle::UnknownRegion => Refusal::UnknownRegion,
            Obstacle::Viewers => Refusal::Viewers {
                limit: self.rules.viewers_per_node,
            },
            Obstacle::Version => Refusal::Version {
                version: row.version,
                min_version: self.rules.min_version.unwrap_or_default(),
            },
        }
    }
}

/// Bits a second of an uplink that are planned with: reserves count in thousandths.
#[expect(clippy::cast_sign_loss, reason = "what is negative becomes 0")]
fn planned(capacity: u64, reserve: f32) -> u64 {
    let reserved = ((reserve * 1000.0).round() as u64).min(1000);
    (capacity / 1000).saturating_mul(1000 - reserved)
}

/// A share in hundredths, for people.
#[expect(clippy::cast_sign_loss, reason = "what is negative becomes 0")]
pub(super) fn percent(share: f32) -> u32 {
    (share * 100.0).round() as u32
}
