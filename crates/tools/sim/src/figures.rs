//! What a run comes to.

use serde::Serialize;

use crate::{Choice, world::precise};

/// The figures of one who decided.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Figures {
    /// Who.
    pub choice: Choice,
    /// People who were placed when they came.
    pub joins: u64,
    /// People for whom there was no node.
    pub refused: u64,
    /// People who went to another node because theirs failed.
    pub moved_by_failures: u64,
    /// People who went to another node because theirs was drained.
    pub moved_by_drains: u64,
    /// People who lost their node and found no other.
    pub lost: u64,
    /// Nodes that failed.
    pub failures: u64,
    /// Nodes that were drained.
    pub drains: u64,
    /// Milliseconds from a person to the node and back, without the last mile.
    pub round_trip_ms: Spread,
    /// Milliseconds from one person of a room to another, without both last miles.
    pub path_ms: Spread,
    /// How full nodes are at the busiest moment, from 0 to 1.
    pub load_at_peak: Spread,
    /// The fullest node of the day.
    pub highest_load: f64,
    /// Nodes and moments at which a node had more to do than it can, as a share of all.
    pub overloaded: f64,
    /// Bits a second between nodes, mean of the day.
    pub piped_mean: f64,
    /// Bits a second between nodes at their highest.
    pub piped_peak: f64,
    /// Of all that nodes send, what goes to other nodes.
    pub piped_share: f64,
    /// Most bits a second that one node sent to others.
    pub piped_by_one: f64,
    /// Nodes of a room, mean over rooms and moments.
    pub nodes_per_room: f64,
    /// Nodes of the event at its largest.
    pub nodes_of_event: u64,
    /// Hops of its tree, under `broadcast`.
    pub tree_depth: u32,
    /// Nodes that found no place in the tree.
    pub tree_unreachable: u32,
    /// Microseconds of processor time of a decision.
    pub decision_us: Spread,
    /// The same of decisions for the event, whose rooms have many nodes.
    pub event_decision_us: Spread,
    /// People, over the day.
    pub people: Curve,
    /// The mean load, over the day.
    pub mean_load: Curve,
    /// The load that one of a hundred nodes exceeds, over the day.
    pub high_load: Curve,
    /// Bits a second between nodes, over the day.
    pub piped: Curve,
    /// Round trips, for every hundredth of the people.
    pub round_trips: Curve,
}

/// Points of a curve.
pub type Curve = Vec<(f64, f64)>;

/// How figures are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Half are below.
    pub p50: f64,
    /// 95 of a hundred are below.
    pub p95: f64,
    /// 99 of a hundred are below.
    pub p99: f64,
    /// The highest.
    pub max: f64,
}

impl Spread {
    /// Of figures in any order, which are sorted.
    pub(crate) fn of(figures: &mut [f32]) -> Self {
        figures.sort_unstable_by(f32::total_cmp);
        let Some(max) = figures.last() else {
            return Self::default();
        };
        let sum: f64 = figures.iter().map(|figure| f64::from(*figure)).sum();
        Self {
            mean: sum / precise(figures.len() as u64),
            p50: quantile(figures, 0.50),
            p95: quantile(figures, 0.95),
            p99: quantile(figures, 0.99),
            max: f64::from(*max),
        }
    }
}

/// The figure below which such a share of sorted figures is.
pub(crate) fn quantile(sorted: &[f32], share: f64) -> f64 {
    let index = crate::world::bits(precise(sorted.len() as u64) * share) as usize;
    let figure = sorted.get(index).or_else(|| sorted.last());
    f64::from(figure.copied().unwrap_or(0.0))
}

/// Sorted figures as a curve: each hundredth of them with the figure that it stays below.
pub(crate) fn cumulative(sorted: &[f32]) -> Curve {
    let shares = (0..=100_u32).map(|percent| f64::from(percent) / 100.0);
    shares
        .map(|share| (quantile(sorted, share), share))
        .collect()
}
