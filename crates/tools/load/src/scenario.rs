//! What is to happen: scenarios and their sizes, as flags or a file say it, and what is missing filled in.
//!
//! [`Shape`] is what somebody wrote, [`Part`] what it means. A run has one part, or of `mixed` several at once.

use std::{fmt, time::Duration};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::duration;

/// What kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Everybody sends sound, and nobody pictures.
    Audio,
    /// Some stay; others come and go all the time.
    Churn,
    /// Many come at once, or so many a second, to a room that has people.
    JoinStorm,
    /// Everybody sends and receives sound and pictures.
    Meeting,
    /// Some send, everybody else only receives.
    Webinar,
}

/// The protocol that a peer joins by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Dialect {
    /// mediasoup-demo's, over protoo.
    Classic,
    /// This server's own: in the room with one message.
    Fast,
    /// Socket.IO, eight messages.
    Socketio,
}

/// How much of what, as it was written; `None` was not.
#[derive(Args, Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Shape {
    /// Rooms, all alike.
    #[arg(long, value_name = "N")]
    pub rooms: Option<u32>,
    /// Peers of each room; of a churn those that stay, of a storm those that are there before it.
    #[arg(long, value_name = "N")]
    pub peers: Option<u32>,
    /// How many of them send, where not everybody does.
    #[arg(long, value_name = "N")]
    pub publishers: Option<u32>,
    /// Newcomers of each round of a storm.
    #[arg(long, value_name = "N")]
    pub joins: Option<u32>,
    /// Newcomers a second in all rooms together; without it a storm comes at once.
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,
    /// How often a storm comes.
    #[arg(long, value_name = "N")]
    pub rounds: Option<u32>,
    /// How long newcomers stay.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    #[serde(deserialize_with = "duration::optional")]
    pub stay: Option<Duration>,
    /// Time over which those who stay come; 20 ms for each of them without it.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    #[serde(deserialize_with = "duration::optional")]
    pub ramp: Option<Duration>,
    /// The protocol that peers join by.
    #[arg(long, value_name = "DIALECT")]
    pub dialect: Option<Dialect>,
}

/// One scenario with everything that it needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Which it is.
    pub scenario: Kind,
    /// Rooms, all alike.
    pub rooms: u32,
    /// Peers of each room that stay.
    pub peers: u32,
    /// How many of those send.
    pub publishers: u32,
    /// Newcomers of each round; none but in a storm.
    pub joins: u32,
    /// Newcomers a second in all rooms together.
    pub rate: Option<f64>,
    /// How often a storm comes.
    pub rounds: u32,
    /// How long newcomers stay.
    #[serde(serialize_with = "duration::seconds", rename = "stay_s")]
    pub stay: Duration,
    /// Time over which those who stay come.
    #[serde(serialize_with = "duration::seconds", rename = "ramp_s")]
    pub ramp: Duration,
    /// The protocol that peers join by.
    pub dialect: Dialect,
    /// Whether pictures are sent.
    pub video: bool,
}

/// Why a scenario cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// A number that a scenario has no use for.
    #[error("{name} means nothing to {scenario}")]
    Meaningless {
        /// As it was written.
        name: &'static str,
        /// Of which.
        scenario: Kind,
    },
    /// More than its size was said of a mixture.
    #[error(
        "of mixed only peers and dialect can be said; a file says more (plenum load run --help)"
    )]
    Mixed,
    /// A number outside of what makes sense.
    #[error("{name} is {value}: {expected}")]
    Outside {
        /// As it was written.
        name: &'static str,
        /// What was written.
        value: String,
        /// What may be.
        expected: String,
    },
    /// More peers at once than one generator may try.
    #[error("{0} peers would be planned, and {MAX_PEERS} are as many as can be")]
    TooMany(u64),
}

/// As many as can be planned: each costs memory from the beginning of the run.
pub const MAX_PEERS: u64 = 1_000_000;

impl Kind {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Churn => "churn",
            Self::JoinStorm => "join-storm",
            Self::Meeting => "meeting",
            Self::Webinar => "webinar",
        }
    }

    const fn has_newcomers(self) -> bool {
        matches!(self, Self::Churn | Self::JoinStorm)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Shape {
    /// What it means for a scenario.
    pub fn resolve(&self, scenario: Kind) -> Result<Part, ScenarioError> {
        self.refuse_meaningless(scenario)?;
        let rooms = within("rooms", self.rooms.unwrap_or(1), 1, 100_000)?;
        let least = u32::from(!scenario.has_newcomers());
        let peers = self.peers.unwrap_or_else(|| default_peers(scenario));
        let peers = within("peers", peers, least, 100_000)?;
        let publishers = match (scenario, self.publishers) {
            (Kind::Audio | Kind::Meeting, None) => peers,
            (_, Some(count)) => within("publishers", count, 0, peers)?,
            (_, None) => peers.min(1),
        };
        if let Some(rate) = self.rate
            && !(rate > 0.0 && rate <= 10_000.0)
        {
            return Err(outside("rate", rate, "more than 0, and at most 10000"));
        }
        let is_storm = scenario == Kind::JoinStorm;
        let joins = within("joins", self.joins.unwrap_or(50), 1, 100_000)?;
        let rounds = within("rounds", self.rounds.unwrap_or(1), 1, 10_000)?;
        let everybody = u64::from(rooms) * u64::from(peers);
        let part = Part {
            scenario,
            rooms,
            peers,
            publishers,
            joins: if is_storm { joins } else { 0 },
            rate: self
                .rate
                .or_else(|| (scenario == Kind::Churn).then_some(DEFAULT_RATE)),
            rounds: if is_storm { rounds } else { 0 },
            stay: self.stay.unwrap_or(DEFAULT_STAY),
            ramp: self
                .ramp
                .unwrap_or_else(|| RAMP_EACH * u32::try_from(everybody).unwrap_or(u32::MAX)),
            dialect: self.dialect.unwrap_or_else(|| default_dialect(scenario)),
            video: scenario != Kind::Audio,
        };
        let newcomers = u64::from(part.joins) * u64::from(part.rounds) * u64::from(rooms);
        let planned = everybody + newcomers;
        if planned > MAX_PEERS {
            return Err(ScenarioError::TooMany(planned));
        }
        Ok(part)
    }

    fn refuse_meaningless(&self, scenario: Kind) -> Result<(), ScenarioError> {
        let storm_only = [
            ("joins", self.joins.is_some()),
            ("rounds", self.rounds.is_some()),
        ];
        let newcomers_only = [("rate", self.rate.is_some()), ("stay", self.stay.is_some())];
        let given = |names: &[(&'static str, bool)]| {
            names
                .iter()
                .find(|(_, given)| *given)
                .map(|(name, _)| *name)
        };
        let wrong = match scenario {
            Kind::JoinStorm => None,
            Kind::Churn => given(&storm_only),
            Kind::Audio | Kind::Meeting | Kind::Webinar => {
                given(&storm_only).or_else(|| given(&newcomers_only))
            }
        };
        wrong.map_or(Ok(()), |name| {
            Err(ScenarioError::Meaningless { name, scenario })
        })
    }
}

impl Part {
    /// Peers of this part that stay from their beginning to the end.
    pub fn residents(&self) -> u64 {
        u64::from(self.rooms) * u64::from(self.peers)
    }
}

/// What `mixed` is when nobody says of what: a working day in small, most people in small meetings, one of them a
/// talk, some with sound alone, and somebody who comes or leaves all the time.
pub fn mixture(peers: u32, dialect: Option<Dialect>) -> Result<Vec<Part>, ScenarioError> {
    let peers = within("peers", peers, 10, 100_000)?;
    let share = |percent: u32| (peers * percent).div_ceil(100);
    let shape = Shape {
        dialect,
        ..Shape::default()
    };
    [
        (
            Kind::Meeting,
            Shape {
                rooms: Some(share(50).div_ceil(5)),
                peers: Some(5),
                ..shape.clone()
            },
        ),
        (
            Kind::Webinar,
            Shape {
                peers: Some(share(30)),
                ..shape.clone()
            },
        ),
        (
            Kind::Audio,
            Shape {
                peers: Some(share(10)),
                ..shape.clone()
            },
        ),
        (
            Kind::Churn,
            Shape {
                peers: Some(share(5)),
                rate: Some(f64::from(peers) / 100.0),
                ..shape
            },
        ),
    ]
    .into_iter()
    .map(|(kind, shape)| shape.resolve(kind))
    .collect()
}

/// As many as people expect of the word; of a storm and a churn, what the design's own figures are for.
const fn default_peers(scenario: Kind) -> u32 {
    match scenario {
        Kind::Audio => 20,
        Kind::Churn | Kind::Meeting => 10,
        Kind::JoinStorm => 47,
        Kind::Webinar => 100,
    }
}

/// A storm measures the many messages of the protocol that most clients of such rooms speak.
const fn default_dialect(scenario: Kind) -> Dialect {
    match scenario {
        Kind::JoinStorm => Dialect::Socketio,
        _ => Dialect::Fast,
    }
}

/// A peer who looks in and leaves again; long enough to have pictures.
const DEFAULT_STAY: Duration = Duration::from_secs(5);

/// What a small machine takes besides everything else.
const DEFAULT_RATE: f64 = 10.0;

/// Fifty a second: nobody who means to measure media wants a storm before it.
const RAMP_EACH: Duration = Duration::from_millis(20);

fn within(name: &'static str, value: u32, least: u32, most: u32) -> Result<u32, ScenarioError> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(outside(name, value, &format!("{least} to {most}")))
    }
}

fn outside(name: &'static str, value: impl fmt::Display, expected: &str) -> ScenarioError {
    ScenarioError::Outside {
        name,
        value: value.to_string(),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_said_is_what_people_expect_of_the_word() {
        let part = |kind| Shape::default().resolve(kind).expect("sound");
        let meeting = part(Kind::Meeting);
        assert_eq!((meeting.peers, meeting.publishers), (10, 10));
        assert!(meeting.video);
        let webinar = part(Kind::Webinar);
        assert_eq!((webinar.peers, webinar.publishers), (100, 1));
        assert!(!part(Kind::Audio).video);
        let storm = part(Kind::JoinStorm);
        assert_eq!((storm.peers, storm.publishers, storm.joins), (47, 1, 50));
        assert_eq!(storm.dialect, Dialect::Socketio);
        assert_eq!(storm.rate, None);
        assert_eq!(part(Kind::Churn).rate, Some(DEFAULT_RATE));
    }

    #[test]
    fn what_a_scenario_has_no_use_for_is_refused_by_name() {
        let shape = Shape {
            rounds: Some(2),
            ..Shape::default()
        };
        let refused = shape.resolve(Kind::Meeting).expect_err("none");
        assert_eq!(refused.to_string(), "rounds means nothing to meeting");
        assert!(shape.resolve(Kind::Churn).is_err());
        assert!(shape.resolve(Kind::JoinStorm).is_ok());
        let shape = Shape {
            rate: Some(3.0),
            ..Shape::default()
        };
        assert!(shape.resolve(Kind::Webinar).is_err());
        assert!(shape.resolve(Kind::Churn).is_ok());
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_with_what_may_be() {
        let many = Shape {
            peers: Some(3),
            publishers: Some(4),
            ..Shape::default()
        };
        let refused = many.resolve(Kind::Webinar).expect_err("too many");
        assert_eq!(refused.to_string(), "publishers is 4: 0 to 3");
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            let shape = Shape {
                rate: Some(rate),
                ..Shape::default()
            };
            assert!(shape.resolve(Kind::Churn).is_err(), "{rate}");
        }
        let nobody = Shape {
            peers: Some(0),
            ..Shape::default()
        };
        assert!(nobody.resolve(Kind::Meeting).is_err());
        assert!(nobody.resolve(Kind::JoinStorm).is_ok());
        let crowd = Shape {
            rooms: Some(100_000),
            peers: Some(100_000),
            ..Shape::default()
        };
        assert!(matches!(
            crowd.resolve(Kind::Meeting),
            Err(ScenarioError::TooMany(10_000_000_000))
        ));
    }

    #[test]
    fn a_mixture_has_about_as_many_people_as_it_was_asked_for() {
        for peers in [10, 40, 100, 1000] {
            let parts = mixture(peers, None).expect("sound");
            let everybody: u64 = parts.iter().map(Part::residents).sum();
            assert!(
                (u64::from(peers) * 9 / 10..=u64::from(peers) + 8).contains(&everybody),
                "{peers}: {everybody}"
            );
            assert_eq!(parts.len(), 4);
        }
        assert!(mixture(3, None).is_err());
    }
}
