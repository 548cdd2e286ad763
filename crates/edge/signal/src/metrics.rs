//! `GET /metrics`: what a node tells Prometheus, as `OpenMetrics` text.
//!
//! Figures of rooms and workers are read when somebody asks, out of what the workers said at their last heartbeat: a
//! scrape waits for nobody and costs the same however many peers there are. Only what the doors themselves see is
//! counted here. Labels are worker numbers and short lists of words, never names.

use std::{fmt::Debug, time::Duration};

use plenum_host::{ConnectError, NodeFigures};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

mod node;
mod stages;
#[cfg(test)]
mod tests;

pub(crate) use stages::{Stage, Stages};

/// What the answer is, for its reader.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the buckets of join stages in seconds: from a join on the same machine to one that people give up.
const STAGE_BOUNDS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// All metrics of a node.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    stages: Family<[(&'static str, &'static str); 1], Histogram>,
    refused: Family<[(&'static str, &'static str); 1], Counter>,
    connections: Gauge,
}

impl Metrics {
    /// `version` and `revision` are of the build; `figures` reads the node.
    pub(crate) fn new(
        version: String,
        revision: String,
        figures: impl Fn() -> NodeFigures + Send + Sync + 'static,
    ) -> Self {
        let mut registry = Registry::default();
        // The library ends these explanations with a full stop itself.
        let build = Info::new([("version", version), ("revision", revision)]);
        registry.register("plenum_build", "The build that runs", build);
        let stages: Family<_, _> = Family::new_with_constructor(|| Histogram::new(STAGE_BOUNDS));
        registry.register(
            "plenum_join_stage_seconds",
            "Time from a client's connection to each stage of its join, once for each connection",
            stages.clone(),
        );
        let refused = Family::default();
        registry.register(
            "plenum_connects_refused",
            "Clients that were not let in",
            refused.clone(),
        );
        let connections = Gauge::default();
        registry.register(
            "plenum_signalling_connections",
            "Open signalling connections",
            connections.clone(),
        );
        // Series that begin at zero, so that their first growth is seen.
        for stage in Stage::ALL {
            drop(stages.get_or_create(&[("stage", stage.as_str())]));
        }
        for reason in REFUSALS {
            drop(refused.get_or_create(&[("reason", reason)]));
        }
        registry.register_collector(Box::new(NodeCollector { figures }));
        Self {
            registry,
            stages,
            refused,
            connections,
        }
    }

    /// Everything as it is now.
    pub(crate) fn render(&self) -> String {
        let mut text = String::with_capacity(32 * 1024);
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// A client's join came so far, this long after it had connected.
    fn note_stage(&self, stage: Stage, after: Duration) {
        let labels = [("stage", stage.as_str())];
        let stages = self.stages.get_or_create(&labels);
        stages.observe(after.as_secs_f64());
    }

    pub(crate) fn note_refusal(&self, refusal: ConnectError) {
        let reason = refusal_reason(refusal);
        self.refused.get_or_create(&[("reason", reason)]).inc();
    }

    pub(crate) fn note_connections(&self, open: usize) {
        self.connections
            .set(i64::try_from(open).unwrap_or(i64::MAX));
    }
}

/// Why clients were not let in, as a label.
const REFUSALS: [&str; 7] = [
    "full",
    "namespace_full",
    "no_worker",
    "other",
    "overloaded",
    "shutting_down",
    "too_many_rooms",
];

fn refusal_reason(refusal: ConnectError) -> &'static str {
    match refusal {
        ConnectError::Full(_) => "full",
        ConnectError::NamespaceFull => "namespace_full",
        ConnectError::NoWorker => "no_worker",
        ConnectError::Overloaded => "overloaded",
        ConnectError::ShuttingDown => "shutting_down",
        ConnectError::TooManyRooms => "too_many_rooms",
        _ => "other",
    }
}

/// Reads the node when it is asked.
struct NodeCollector<F> {
    figures: F,
}

impl<F> Debug for NodeCollector<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeCollector").finish_non_exhaustive()
    }
}

impl<F: Fn() -> NodeFigures + Send + Sync + 'static> Collector for NodeCollector<F> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        node::encode(&(self.figures)(), &mut encoder)
    }
}
