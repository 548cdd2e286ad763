//! What is noted during a day.

use super::{Flow, Spread, cumulative, precise};
use crate::{Choice, Curve, Figures, figures::quantile};

#[derive(Debug, Default)]
pub(super) struct Samples {
    pub(super) joins: u64,
    pub(super) refused: u64,
    pub(super) lost: u64,
    pub(super) moved_by_failures: u64,
    pub(super) moved_by_drains: u64,
    pub(super) failures: u64,
    pub(super) drains: u64,
    pub(super) round_trips: Vec<f32>,
    pub(super) paths: Vec<f32>,
    pub(super) piped_by_one: f64,
    pub(super) piped_share: f64,
    pub(super) room_nodes: u64,
    pub(super) room_moments: u64,
    pub(super) nodes_of_event: u64,
    decisions: Vec<f32>,
    event_decisions: Vec<f32>,
    tree_depth: u32,
    tree_unreachable: u32,
    people: Curve,
    mean_load: Curve,
    high_load: Curve,
    piped: Curve,
    load_at_peak: Spread,
    highest_load: f64,
    overloaded: u64,
    node_moments: u64,
}

impl Samples {
    pub(super) fn decision(&mut self, micros: f32, is_event: bool) {
        if is_event {
            self.event_decisions.push(micros);
        }
        self.decisions.push(micros);
    }

    pub(super) fn tree(&mut self, depth: u32, unreachable: u32) {
        self.tree_depth = self.tree_depth.max(depth);
        self.tree_unreachable = self.tree_unreachable.max(unreachable);
    }

    pub(super) fn moment(&mut self, hour: f64, people: u32, mut loads: Vec<f32>, total: &Flow) {
        let spread = Spread::of(&mut loads);
        if spread.mean > self.load_at_peak.mean {
            self.load_at_peak = spread;
        }
        self.highest_load = self.highest_load.max(spread.max);
        self.overloaded += loads.iter().filter(|load| **load > 1.0).count() as u64;
        self.node_moments += loads.len() as u64;
        self.people.push((hour, f64::from(people)));
        self.mean_load.push((hour, spread.mean));
        self.high_load.push((hour, quantile(&loads, 0.99)));
        self.piped.push((hour, total.piped_out.max(0.0)));
    }

    pub(super) fn figures(mut self, choice: Choice) -> Figures {
        let moments = precise(self.piped.len().max(1) as u64);
        let piped = self.piped.iter().map(|(_, bitrate)| *bitrate);
        let round_trip_ms = Spread::of(&mut self.round_trips);
        Figures {
            choice,
            joins: self.joins,
            refused: self.refused,
            moved_by_failures: self.moved_by_failures,
            moved_by_drains: self.moved_by_drains,
            lost: self.lost,
            failures: self.failures,
            drains: self.drains,
            round_trip_ms,
            path_ms: Spread::of(&mut self.paths),
            load_at_peak: self.load_at_peak,
            highest_load: self.highest_load,
            overloaded: precise(self.overloaded) / precise(self.node_moments.max(1)),
            piped_mean: piped.clone().sum::<f64>() / moments,
            piped_peak: piped.fold(0.0, f64::max),
            piped_share: self.piped_share / moments,
            piped_by_one: self.piped_by_one,
            nodes_per_room: precise(self.room_nodes) / precise(self.room_moments.max(1)),
            nodes_of_event: self.nodes_of_event,
            tree_depth: self.tree_depth,
            tree_unreachable: self.tree_unreachable,
            decision_us: Spread::of(&mut self.decisions),
            event_decision_us: Spread::of(&mut self.event_decisions),
            people: self.people,
            mean_load: self.mean_load,
            high_load: self.high_load,
            piped: self.piped,
            round_trips: cumulative(&self.round_trips),
        }
    }
}
