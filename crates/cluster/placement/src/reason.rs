//! Why a node, and why not: facts that print as sentences.

use std::fmt;

use plenum_ids::{NamespaceId, NodeId};
use serde::Serialize;

use crate::{Country, Isp, Label, NodeSelector, Organisation, Region, Version};

/// One part of a candidate's points.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Reason {
    /// How many; ten are about a millisecond of round trip.
    pub points: i32,
    /// What for.
    #[serde(flatten)]
    pub cause: Cause,
}

/// What points are given or taken for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "cause")]
#[non_exhaustive]
pub enum Cause {
    /// Peers of the room are there.
    Affinity {
        /// How many.
        peers: u32,
    },
    /// What sending from there costs.
    Cost {
        /// In the operator's unit.
        cost: f32,
    },
    /// It is in the client's country.
    Country {
        /// That country.
        country: Country,
    },
    /// It is far from the client.
    Distance {
        /// Over ground.
        kilometres: u32,
    },
    /// Its uplink is used.
    Egress {
        /// How much of it, in hundredths.
        percent: u32,
    },
    /// Receivers of the room gather there.
    Gather {
        /// How many are there.
        peers: u32,
    },
    /// It is the home of the room, under `room`.
    Home,
    /// Its provider is good for the client's.
    Isp {
        /// The node's provider.
        isp: Isp,
        /// Its place in the preferences, counted from 1.
        preference: u32,
    },
    /// It has work.
    Load {
        /// Of what it can do, in hundredths, joins that it has not measured yet included.
        percent: u32,
        /// How many such joins.
        pending: u32,
    },
    /// It does not say where it is, and is not in the client's region.
    Nowhere,
    /// The operator's preference.
    Priority {
        /// From -100 to 100.
        priority: i8,
    },
    /// It feeds other nodes, and viewers shall leave it that.
    Publisher {
        /// Peers there that send.
        publishers: u32,
    },
    /// It is in the client's region.
    Region {
        /// That region.
        region: Region,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:+})", self.cause, self.points)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Affinity { peers } => {
                write!(f, "has {} of the room already", counted(*peers, "peer"))
            }
            Self::Cost { cost } => write!(f, "sending from there costs {cost}"),
            Self::Country { country } => write!(f, "is in the client's country, {country}"),
            Self::Distance { kilometres } => write!(f, "is {kilometres} km from the client"),
            Self::Egress { percent } => write!(f, "uses {percent} % of its uplink"),
            Self::Gather { peers } => {
                let peers = counted(*peers, "receiver");
                write!(f, "{peers} of the room gather there")
            }
            Self::Home => f.write_str("is the home of the room, and all of it stays together"),
            Self::Isp { isp, preference: 1 } => {
                write!(
                    f,
                    "is connected by {isp}, the best for the client's provider"
                )
            }
            Self::Isp { isp, preference } => write!(
                f,
                "is connected by {isp}, choice {preference} for the client's provider"
            ),
            Self::Load {
                percent,
                pending: 0,
            } => write!(f, "is {percent} % loaded"),
            Self::Load { percent, pending } => {
                let pending = counted(*pending, "join");
                write!(f, "is {percent} % loaded, {pending} under way included")
            }
            Self::Nowhere => f.write_str("does not say where it is"),
            Self::Priority { priority } => write!(f, "has priority {priority}"),
            Self::Publisher { publishers } => {
                let publishers = counted(*publishers, "publisher");
                write!(f, "feeds other nodes from {publishers}")
            }
            Self::Region { region } => write!(f, "is in the client's region, {region}"),
        }
    }
}

/// Why a node takes nobody of a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "refusal")]
#[non_exhaustive]
pub enum Refusal {
    /// A rule of the namespace excludes it.
    Denied {
        /// Which.
        rule: NodeSelector,
    },
    /// It is being drained.
    Draining,
    /// Its uplink has too little left.
    Egress {
        /// Bits a second that may still be planned with.
        free: u64,
        /// Bits a second that are needed.
        needed: u64,
    },
    /// It was named as part of the room, and is not among the living.
    Gone,
    /// It has too much work.
    Load {
        /// Of what it can do, in hundredths, joins that it has not measured yet included.
        percent: u32,
        /// From where on it is passed over, in hundredths.
        limit: u32,
    },
    /// It does not serve the namespace.
    Namespace {
        /// Which.
        namespace: NamespaceId,
    },
    /// No rule of the namespace allows it.
    NotAllowed,
    /// Clients stay in their country, and it is in another.
    OtherCountry {
        /// The client's.
        country: Country,
    },
    /// Clients stay in their region, and it is in another.
    OtherRegion {
        /// The client's.
        region: Region,
    },
    /// Media of the namespace is handled in certain countries only.
    Residency {
        /// The node's country, if it says.
        country: Option<Country>,
    },
    /// Clients stay in their country, and this one's is not known.
    UnknownCountry,
    /// Clients stay in their region, and this one's is not known.
    UnknownRegion,
    /// It has its share of the room's viewers.
    Viewers {
        /// How many a node takes.
        limit: u32,
    },
    /// It is older than the rules want.
    Version {
        /// What it runs.
        version: Version,
        /// What is wanted.
        min_version: Version,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { rule } => write!(f, "is denied by the rule for {rule}"),
            Self::Draining => f.write_str("is being drained"),
            Self::Egress { free, needed } => write!(
                f,
                "has {} Mb/s of its uplink left where {} Mb/s are needed",
                free / 1_000_000,
                needed.div_ceil(1_000_000)
            ),
            Self::Gone => f.write_str("is not among the living nodes"),
            Self::Load { percent, limit } => {
                write!(
                    f,
                    "is {percent} % loaded; from {limit} % on it takes no more"
                )
            }
            Self::Namespace { namespace } => write!(f, "does not serve the namespace {namespace}"),
            Self::NotAllowed => f.write_str("is allowed by no rule of the namespace"),
            Self::OtherCountry { country } => {
                write!(
                    f,
                    "is in another country than the client, who stays in {country}"
                )
            }
            Self::OtherRegion { region } => {
                write!(
                    f,
                    "is in another region than the client, who stays in {region}"
                )
            }
            Self::Residency {
                country: Some(country),
            } => write!(f, "is in {country}, where the namespace's media may not be"),
            Self::Residency { country: None } => f.write_str(
                "does not say its country, and the namespace's media may not be everywhere",
            ),
            Self::UnknownCountry => f.write_str("may not take a client whose country is not known"),
            Self::UnknownRegion => f.write_str("may not take a client whose region is not known"),
            Self::Viewers { limit } => {
                write!(f, "has its share of the room's viewers, which is {limit}")
            }
            Self::Version {
                version,
                min_version,
            } => write!(f, "runs {version}, and at least {min_version} is wanted"),
        }
    }
}

impl fmt::Display for NodeSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            ("node", self.node.as_ref().map(NodeId::as_str)),
            ("region", self.region.as_ref().map(Region::as_str)),
            ("country", self.country.as_ref().map(Country::as_str)),
            (
                "organisation",
                self.organisation.as_ref().map(Organisation::as_str),
            ),
            ("label", self.label.as_ref().map(Label::as_str)),
        ];
        let mut separator = "";
        for (word, name) in words {
            if let Some(name) = name {
                write!(f, "{separator}{word} {name}")?;
                separator = " and ";
            }
        }
        if separator.is_empty() {
            f.write_str("nothing")?;
        }
        Ok(())
    }
}

fn counted(count: u32, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
