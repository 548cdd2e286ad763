//! Where nodes and people are: thirty metropolitan areas with their share of both.

use crate::world::bits;

/// A region of the synthetic world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Area {
    pub(crate) name: &'static str,
    pub(crate) country: &'static str,
    pub(crate) latitude: f32,
    pub(crate) longitude: f32,
    /// Share of users, in hundredths; about that of people with broadband.
    pub(crate) share: f64,
}

const fn area(
    name: &'static str,
    country: &'static str,
    (latitude, longitude): (f32, f32),
    share: f64,
) -> Area {
    Area {
        name,
        country,
        latitude,
        longitude,
        share,
    }
}

pub(crate) const AREAS: [Area; 30] = [
    area("us-east", "US", (39.0, -77.5), 9.0),
    area("us-central", "US", (32.8, -96.8), 6.0),
    area("us-west", "US", (37.3, -121.9), 6.0),
    area("ca-east", "CA", (45.5, -73.6), 2.0),
    area("mx-central", "MX", (20.6, -100.4), 3.0),
    area("br-south", "BR", (-23.5, -46.6), 5.0),
    area("ar-east", "AR", (-34.6, -58.4), 2.0),
    area("cl-central", "CL", (-33.4, -70.7), 1.0),
    area("gb-south", "GB", (51.5, -0.1), 4.0),
    area("fr-north", "FR", (48.9, 2.4), 3.0),
    area("de-central", "DE", (50.1, 8.7), 5.0),
    area("nl-west", "NL", (52.4, 4.9), 2.0),
    area("es-central", "ES", (40.4, -3.7), 2.0),
    area("it-north", "IT", (45.5, 9.2), 2.0),
    area("se-east", "SE", (59.3, 18.1), 1.0),
    area("pl-central", "PL", (52.2, 21.0), 2.0),
    area("tr-west", "TR", (41.0, 29.0), 3.0),
    area("eg-north", "EG", (30.0, 31.2), 2.0),
    area("ng-south", "NG", (6.5, 3.4), 2.0),
    area("za-north", "ZA", (-26.2, 28.0), 2.0),
    area("ae-north", "AE", (25.2, 55.3), 2.0),
    area("in-west", "IN", (19.1, 72.9), 7.0),
    area("in-south", "IN", (13.1, 80.3), 4.0),
    area("sg", "SG", (1.35, 103.8), 3.0),
    area("id-west", "ID", (-6.2, 106.8), 4.0),
    area("cn-north", "CN", (39.9, 116.4), 6.0),
    area("cn-south", "CN", (23.1, 113.3), 6.0),
    area("jp-east", "JP", (35.7, 139.7), 5.0),
    area("kr-north", "KR", (37.6, 127.0), 3.0),
    area("au-east", "AU", (-33.9, 151.2), 2.0),
];

/// What the hours of a local day see of calls: little at night, most before and after noon, some in the evening.
pub(crate) const HOURS: [f64; 24] = [
    0.15, 0.10, 0.07, 0.06, 0.07, 0.12, 0.25, 0.45, 0.75, 0.95, 1.00, 0.95, 0.80, 0.85, 0.95, 0.95,
    0.85, 0.75, 0.70, 0.75, 0.75, 0.60, 0.40, 0.25,
];

impl Area {
    /// How much is going on there at an hour of universal time.
    pub(crate) fn activity(&self, hour: f64) -> f64 {
        let local = (hour + f64::from(self.longitude) / 15.0).rem_euclid(24.0);
        HOURS[(bits(local) as usize).min(23)]
    }
}

/// The shares of all.
pub(crate) fn shares() -> [f64; 30] {
    AREAS.map(|area| area.share)
}
