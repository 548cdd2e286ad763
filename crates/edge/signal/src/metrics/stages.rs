//! How far a client's join has come.

use std::{sync::Arc, time::Instant};

use super::Metrics;

/// Stages of a join, in their usual order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The client asked to join.
    JoinRequest,
    /// It was told that it has joined.
    Joined,
    /// Its first transport was made.
    Transport,
    /// The media connection of its first transport stands.
    Connected,
    /// The first media was sent to it.
    FirstMedia,
}

impl Stage {
    pub(crate) const ALL: [Self; 5] = [
        Self::JoinRequest,
        Self::Joined,
        Self::Transport,
        Self::Connected,
        Self::FirstMedia,
    ];

    /// As a label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::JoinRequest => "join_request",
            Self::Joined => "joined",
            Self::Transport => "transport",
            Self::Connected => "connected",
            Self::FirstMedia => "first_media",
        }
    }
}

/// The stages of one client, each noted once.
pub(crate) struct Stages {
    metrics: Arc<Metrics>,
    since: Instant,
    /// One bit for each stage that was noted.
    reached: u8,
}

impl Stages {
    pub(crate) fn new(metrics: Arc<Metrics>, since: Instant) -> Self {
        Self {
            metrics,
            since,
            reached: 0,
        }
    }

    pub(crate) fn reach(&mut self, stage: Stage) {
        let bit = 1 << stage as u8;
        if self.reached & bit == 0 {
            self.reached |= bit;
            self.metrics.note_stage(stage, self.since.elapsed());
        }
    }
}
