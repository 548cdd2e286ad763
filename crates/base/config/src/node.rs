//! `[node]`: who a node is, where it stands, and what it takes.

use std::{path::PathBuf, time::Duration};

use toml::Value;

use crate::setting::Setting;

/// `[node]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Stable identifier in a cluster; `None`: made once and kept in `data_dir`.
    pub id: Option<String>,
    /// Where the identifier and the number of the last start are kept; `None`: where such things are kept on the machine.
    pub data_dir: Option<PathBuf>,
    /// Name that people see.
    pub name: String,
    /// What the node does in a cluster.
    pub role: NodeRole,
    /// Where clients that are redirected reach it; `None`: they are not.
    pub public_url: Option<String>,
    /// Whose it is.
    pub organisation: Option<String>,
    /// Region for placement.
    pub region: Option<String>,
    /// The country that it is in, by two letters.
    pub country: Option<String>,
    /// Who connects it.
    pub isp: Option<String>,
    /// Where it is on the globe.
    pub coordinates: Option<Coordinates>,
    /// What rules may say of it besides.
    pub labels: Vec<String>,
    /// The namespaces that it serves; all, if none is named.
    pub namespaces: Vec<String>,
    /// How much it is preferred, from −100 to 100.
    pub priority: i32,
    /// What a gigabyte sent costs there, in a unit of the operator's.
    pub cost: u32,
    /// CPU of all workers together from which on no new rooms are taken, in percent of a core; 0: no limit.
    pub max_cpu_percent: u32,
    /// Consumers of the whole node from which on no new rooms are taken; 0: no limit.
    pub max_consumers: u32,
    /// Memory of all workers together from which on no new rooms are taken, in MiB; 0: no limit.
    pub max_memory_mib: u32,
    /// Bandwidth out of the node from which on no new rooms are taken, in Mbit/s; 0: no limit.
    pub max_egress_mbps: u32,
    /// Seconds that calls may go on after SIGTERM; 0: none.
    pub drain_timeout_s: u32,
}

impl Node {
    /// `drain_timeout_s` as a duration.
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout_s.into())
    }
}

impl Default for Node {
    fn default() -> Self {
        Self {
            id: None,
            data_dir: None,
            name: "plenum".into(),
            role: NodeRole::default(),
            public_url: None,
            organisation: None,
            region: None,
            country: None,
            isp: None,
            coordinates: None,
            labels: Vec::new(),
            namespaces: Vec::new(),
            priority: 0,
            cost: 0,
            // What the workers may use together is bounded by what each of them may; what the network carries, nobody
            // can know but its owner.
            max_cpu_percent: 0,
            max_consumers: 0,
            max_memory_mib: 0,
            max_egress_mbps: 0,
            // A third of what service managers wait before they kill (systemd: 90 s): time to say goodbye, and for a
            // balancer to notice.
            drain_timeout_s: 30,
        }
    }
}

/// What a node does in a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "doors, workers, or both")]
pub enum NodeRole {
    /// It speaks to clients and carries media.
    #[default]
    All,
    /// It carries media of clients that speak to other nodes.
    Media,
    /// It speaks to clients whose media other nodes carry.
    Signal,
}

impl NodeRole {
    /// Whether it runs workers.
    #[must_use]
    pub const fn has_workers(self) -> bool {
        !matches!(self, Self::Signal)
    }

    /// Whether clients come to it.
    #[must_use]
    pub const fn has_clients(self) -> bool {
        !matches!(self, Self::Media)
    }
}

/// A place on the globe, in millionths of a degree: a tenth of a metre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coordinates {
    latitude: i32,
    longitude: i32,
}

impl Coordinates {
    const STEPS: f64 = 1_000_000.0;

    fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let steps = |degrees: f64, most: f64| {
            // Within these bounds it fits, and what is no number is not.
            (degrees.abs() <= most).then(|| (degrees * Self::STEPS).round() as i32)
        };
        Some(Self {
            latitude: steps(latitude, 90.0)?,
            longitude: steps(longitude, 180.0)?,
        })
    }

    /// Degrees north of the equator.
    #[must_use]
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude) / Self::STEPS
    }

    /// Degrees east of Greenwich.
    #[must_use]
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude) / Self::STEPS
    }
}

impl Setting for Coordinates {
    const EXPECTED: &'static str = "latitude and longitude in degrees, as in [50.11, 8.68]";

    fn from_text(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('[').trim_end_matches(']');
        let (latitude, longitude) = text.split_once(',')?;
        Self::new(
            latitude.trim().parse().ok()?,
            longitude.trim().parse().ok()?,
        )
    }

    fn from_toml(value: &Value) -> Option<Self> {
        let degrees = |value: &Value| match value {
            // Exact, as there are no more than 180 of them.
            Value::Integer(whole) => i16::try_from(*whole).ok().map(f64::from),
            other => other.as_float(),
        };
        let [latitude, longitude] = value.as_array()?.as_slice() else {
            return None;
        };
        Self::new(degrees(latitude)?, degrees(longitude)?)
    }

    fn to_toml(&self) -> Option<Value> {
        let both = [self.latitude(), self.longitude()];
        Some(Value::Array(both.map(Value::Float).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_two_numbers_of_degrees() {
        let frankfurt = Coordinates::from_text("50.11, 8.68").expect("a place");
        assert_eq!(Coordinates::from_text("[50.11,8.68]"), Some(frankfurt));
        let shown = frankfurt.to_toml().expect("always set");
        assert_eq!(shown.to_string(), "[50.11, 8.68]");
        assert_eq!(Coordinates::from_toml(&shown), Some(frankfurt));
        let whole = Value::Array(vec![Value::Integer(-33), Value::Integer(151)]);
        let sydney = Coordinates::from_toml(&whole).expect("a place");
        assert!((sydney.latitude() + 33.0).abs() < 1e-9 && sydney.longitude() > 150.0);
        for nonsense in ["", "50", "91, 0", "0, 181", "NaN, 0", "1, 2, 3", "a, b"] {
            assert_eq!(Coordinates::from_text(nonsense), None, "{nonsense}");
        }
    }
}
