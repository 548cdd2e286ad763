//! Placement in a synthetic world: nodes in thirty regions, the people of a day, calls of all sizes, one event with a tenth of
//! all people, nodes that fail and nodes that are drained — in virtual time, seeded, with the very ranking that nodes
//! use ([`plenum_placement::rank`]).
//!
//! What is simulated is decisions and what follows from them: who is where, how far away that is, how full nodes are, what
//! goes between nodes. Packets are not. The only figures that differ from run to run are those of the time that decisions
//! take on this processor.
#![forbid(unsafe_code)]

use std::{fmt, str::FromStr};

use plenum_placement::Policy;
use serde::Serialize;

mod crowd;
mod faults;
mod figures;
mod page;
mod plot;
mod regions;
mod rng;
mod simulation;
mod table;
mod traffic;
mod world;

pub use figures::{Curve, Figures, Spread};
pub use page::{WriteError, write};
pub use table::table;

use crowd::Crowd;
use simulation::Simulation;
use world::World;

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Options {
    /// Nodes in the world.
    pub nodes: u32,
    /// People of the day; each is in one room once.
    pub users: u32,
    /// Another seed, another day.
    pub seed: u64,
    /// How long the day is.
    pub hours: f64,
    /// Who decides.
    pub choices: Vec<Choice>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: 1000,
            users: 100_000,
            seed: 7,
            hours: 24.0,
            choices: Choice::all().to_vec(),
        }
    }
}

impl Options {
    /// How many of the people come to the event.
    pub(crate) const fn event(&self) -> u32 {
        self.users / 10
    }
}

/// Who decides where people go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the rules, or none")]
pub enum Choice {
    /// The ranking, under a policy.
    Policy(Policy),
    /// Nobody: any node that is not full.
    Random,
}

impl Choice {
    /// All of them, in the order in which they are compared.
    #[must_use]
    pub const fn all() -> [Self; 5] {
        [
            Self::Policy(Policy::Room),
            Self::Policy(Policy::User),
            Self::Policy(Policy::Stream),
            Self::Policy(Policy::Broadcast),
            Self::Random,
        ]
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy(policy) => policy.as_str(),
            Self::Random => "random",
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Choice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        let mut all = Self::all().into_iter();
        all.find(|choice| choice.as_str() == text)
            .ok_or(UnknownChoice)
    }
}

impl Serialize for Choice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The text names nobody who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected room, user, stream, broadcast or random")]
pub struct UnknownChoice;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Who decides at present.
    pub choice: Choice,
    /// How much of all runs is done, from 0 to 1.
    pub done: f64,
}

/// What came out.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What was simulated.
    pub options: Options,
    /// Rooms of the day.
    pub rooms: u32,
    /// People of the event.
    pub viewers: u32,
    /// What came out for each who decided.
    pub results: Vec<Figures>,
}

/// Runs one day after another, each with the same people and the same failures.
pub fn run(options: &Options, progress: &mut dyn FnMut(Progress)) -> Report {
    let crowd = Crowd::new(options);
    let world = World::new(options.nodes as usize, &crowd, options.seed);
    let runs = f64::from(u32::try_from(options.choices.len()).unwrap_or(u32::MAX));
    let mut results = Vec::new();
    for (number, choice) in (0_u32..).zip(&options.choices) {
        let mut simulation = Simulation::new(&world, &crowd, *choice, options.seed);
        results.push(simulation.run(&mut |done| {
            let done = (f64::from(number) + done) / runs;
            progress(Progress {
                choice: *choice,
                done,
            });
        }));
    }
    Report {
        options: options.clone(),
        rooms: u32::try_from(crowd.rooms.len()).unwrap_or(u32::MAX),
        viewers: options.event(),
        results,
    }
}

#[cfg(test)]
mod tests;
