//! The people of a day: which rooms there are, who is in them, from where, from when until when.

use plenum_placement::Coordinates;

use crate::{
    Options,
    regions::{AREAS, shares},
    rng::Rng,
    world::ISPS,
};

/// Milliseconds since the start of the run.
pub(crate) type Time = u32;

/// Everybody.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// People of one room stand together.
    pub(crate) people: Vec<Person>,
    pub(crate) rooms: Vec<Room>,
    /// Indices of people, by when they come.
    pub(crate) arrivals: Vec<u32>,
    /// Indices of people, by when they leave; those who stay to the end are not in it.
    pub(crate) departures: Vec<u32>,
    pub(crate) end: Time,
}

/// Somebody who is in one room once.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) room: u32,
    pub(crate) joins: Time,
    pub(crate) leaves: Time,
    pub(crate) area: u8,
    pub(crate) isp: u8,
    pub(crate) publishes: bool,
    /// Whether the node is told where on the globe, or only in which region.
    pub(crate) located: bool,
    latitude: f32,
    longitude: f32,
}

impl Person {
    pub(crate) const fn coordinates(&self) -> Coordinates {
        Coordinates {
            latitude: self.latitude,
            longitude: self.longitude,
        }
    }
}

/// A room, and what its streams weigh.
#[derive(Debug)]
pub(crate) struct Room {
    /// Its people: the first one, and how many.
    pub(crate) first: u32,
    pub(crate) size: u32,
    pub(crate) is_event: bool,
}

/// How many rooms have how many people: from, to, share of rooms. Most calls are small; what is large is rare and has
/// many of the people.
const SIZES: [(u32, u32, f64); 6] = [
    (2, 2, 0.45),
    (3, 5, 0.30),
    (6, 10, 0.15),
    (11, 25, 0.07),
    (26, 100, 0.027),
    (101, 500, 0.003),
];

/// In larger rooms only so many people send.
const PUBLISHERS: u32 = 25;

/// Speakers of the event.
const SPEAKERS: u32 = 3;

/// How many of the people of a room are where the room was made.
const NEAR: f64 = 0.8;

/// Of how many people it is known where on the globe they are.
const LOCATED: f64 = 0.9;

/// How far people live from the middle of their region, in degrees: some 250 km.
const SCATTER: f64 = 2.2;

const SECOND: f64 = 1000.0;
const MINUTE: f64 = 60.0 * SECOND;
const HOUR: f64 = 60.0 * MINUTE;

impl Crowd {
    pub(crate) fn new(options: &Options) -> Self {
        let mut maker = Maker {
            rng: Rng::new(options.seed, "crowd"),
            end: options.hours.max(0.1) * HOUR,
            people: Vec::with_capacity(options.users as usize),
            rooms: Vec::new(),
        };
        if options.event() > 0 {
            maker.event(options.event());
        }
        while maker.people.len() < options.users as usize {
            let left = options.users - maker.people.len() as u32;
            maker.call(left);
        }
        maker.finish()
    }

    /// About as many bits a second as all clients together receive when most are there.
    pub(crate) fn peak_bitrate(&self) -> f64 {
        let step = time(MINUTE);
        let mut change = vec![0.0; (self.end / step) as usize + 2];
        for person in &self.people {
            let room = &self.rooms[person.room as usize];
            let bitrate = f64::from(room.streams(room.size)) * f64::from(room.bitrate());
            change[(person.joins / step) as usize] += bitrate;
            let leaves = (person.leaves.min(self.end) / step) as usize;
            change[leaves + 1] -= bitrate;
        }
        let mut now = 0.0;
        let mut peak: f64 = 0.0;
        for change in change {
            now += change;
            peak = peak.max(now);
        }
        peak
    }
}

/// Streams that somebody receives at once: what fits a grid.
const GRID: u32 = 9;

impl Room {
    /// How many streams each of `peers` people receives.
    pub(crate) fn streams(&self, peers: u32) -> u32 {
        let publishers = if self.is_event { SPEAKERS } else { PUBLISHERS };
        publishers.min(peers.saturating_sub(1)).min(GRID)
    }

    /// How many streams a node could need of the others for `peers` of its own, who do not all watch the same.
    pub(crate) fn wanted(peers: u32) -> u32 {
        peers.saturating_mul(GRID)
    }

    /// Bits a second of a stream as somebody receives it: a picture of a grid, or of the stage.
    pub(crate) const fn bitrate(&self) -> u32 {
        if self.is_event { 700_000 } else { 500_000 }
    }

    /// Bits a second of a stream as it is sent, and as it goes between nodes: with the layers that somebody wants.
    pub(crate) const fn sent_bitrate(&self) -> u32 {
        if self.is_event { 1_500_000 } else { 1_000_000 }
    }
}

struct Maker {
    rng: Rng,
    end: f64,
    people: Vec<Person>,
    rooms: Vec<Room>,
}

impl Maker {
    /// A call of a size, at a time and place of its own.
    fn call(&mut self, most: u32) {
        let shares = SIZES.map(|(_, _, share)| share);
        let (from, to, _) = SIZES[self.rng.weighted(&shares)];
        let size = from + self.rng.index((to - from + 1) as usize) as u32;
        let size = size.min(most).max(1);
        let home = self.rng.weighted(&shares_of_people());
        let start = loop {
            let start = self.rng.up_to(self.end);
            if self.rng.chance(AREAS[home].activity(start / HOUR)) {
                break start;
            }
        };
        // Half are shorter than 25 minutes, some are much longer.
        let length = (0.7 * self.rng.normal()).exp() * 25.0 * MINUTE;
        let end = start + length.clamp(MINUTE, 180.0 * MINUTE);
        self.room(size, false);
        for number in 0..size {
            let joins = if number == 0 {
                start
            } else if self.rng.chance(0.7) {
                start + self.rng.exponential(MINUTE)
            } else {
                start + self.rng.up_to(0.6 * length)
            };
            let joins = joins.min(end);
            let leaves = if self.rng.chance(0.8) {
                end + self.rng.up_to(30.0 * SECOND)
            } else {
                joins + self.rng.up_to(end - joins)
            };
            let area = if number == 0 || self.rng.chance(NEAR) {
                home
            } else {
                self.rng.weighted(&shares_of_people())
            };
            self.person(area, joins, leaves, number < PUBLISHERS);
        }
    }

    /// One room with a tenth of all people, most of whom come within minutes.
    fn event(&mut self, size: u32) {
        let start = if self.end >= 21.0 * HOUR {
            19.0 * HOUR
        } else {
            0.5 * self.end
        };
        let end = (start + 90.0 * MINUTE).min(self.end);
        self.room(size, true);
        for number in 0..size {
            let is_speaker = number < SPEAKERS;
            let wait = self.rng.up_to(10.0 * MINUTE) + self.rng.up_to(10.0 * MINUTE);
            let joins = if is_speaker {
                start - MINUTE
            } else {
                start + wait
            };
            let stays = self.rng.exponential(60.0 * MINUTE);
            let leaves = if is_speaker {
                end
            } else {
                (joins + stays).min(end + self.rng.up_to(2.0 * MINUTE))
            };
            // The speakers are together, in the largest region.
            let area = if is_speaker {
                0
            } else {
                self.rng.weighted(&shares_of_people())
            };
            self.person(area, joins, leaves, is_speaker);
        }
    }

    fn room(&mut self, size: u32, is_event: bool) {
        let first = self.people.len() as u32;
        self.rooms.push(Room {
            first,
            size,
            is_event,
        });
    }

    fn person(&mut self, area: usize, joins: f64, leaves: f64, publishes: bool) {
        let isp = self.rng.weighted(&ISPS) as u8;
        let scatter = |rng: &mut Rng| (rng.normal() * SCATTER) as f32;
        let person = Person {
            room: self.rooms.len() as u32 - 1,
            joins: time(joins.min(self.end)),
            leaves: time(leaves.max(joins)),
            area: area as u8,
            isp,
            publishes,
            located: self.rng.chance(LOCATED),
            latitude: AREAS[area].latitude + scatter(&mut self.rng),
            longitude: AREAS[area].longitude + scatter(&mut self.rng),
        };
        self.people.push(person);
    }

    fn finish(self) -> Crowd {
        let Self { people, rooms, .. } = self;
        let end = time(self.end);
        let all = 0..people.len() as u32;
        let of = |index: u32| &people[index as usize];
        let mut arrivals: Vec<u32> = all.clone().filter(|index| of(*index).joins < end).collect();
        arrivals.sort_by_key(|index| (of(*index).joins, *index));
        let stays = |index: &u32| of(*index).joins < end && of(*index).leaves < end;
        let mut departures: Vec<u32> = all.filter(stays).collect();
        departures.sort_by_key(|index| (of(*index).leaves, *index));
        Crowd {
            people,
            rooms,
            arrivals,
            departures,
            end,
        }
    }
}

fn shares_of_people() -> [f64; 30] {
    shares()
}

#[expect(clippy::cast_sign_loss, reason = "what is negative becomes 0")]
fn time(millis: f64) -> Time {
    millis as Time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_people_and_nobody_leaves_before_he_comes() {
        let options = Options {
            users: 20_000,
            ..Options::default()
        };
        let crowd = Crowd::new(&options);
        assert_eq!(crowd.people.len(), 20_000);
        assert!(
            crowd
                .people
                .iter()
                .all(|person| person.joins <= person.leaves)
        );
        let event = crowd.rooms.iter().filter(|room| room.is_event);
        assert_eq!(event.map(|room| room.size).collect::<Vec<_>>(), [2000]);
        let in_rooms: u32 = crowd.rooms.iter().map(|room| room.size).sum();
        assert_eq!(in_rooms, 20_000);
        assert!(crowd.peak_bitrate() > 1e9);
        // The same seed gives the same people, another one others.
        let again = Crowd::new(&options);
        assert_eq!(crowd.arrivals, again.arrivals);
        let other = Crowd::new(&Options { seed: 8, ..options });
        assert_ne!(crowd.arrivals, other.arrivals);
    }
}
