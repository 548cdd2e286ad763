//! Clients whose room is at another node, at a node that is to be empty or about to end: they are closed one after another, so that
//! they do not all come to the others at once.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Instant,
};

use tokio::{sync::watch, time::sleep_until};

/// The last part of a node's time, in which nobody is left.
const REST: f64 = 0.1;

/// When somebody is to go from a node that ends at this time: anybody at any time until shortly before.
pub(crate) fn moment(now: Instant, ends_at: Instant) -> Instant {
    let left = ends_at.saturating_duration_since(now);
    // Each hasher begins with other random keys.
    let random = RandomState::new().hash_one(0_u8) % 1000;
    let share = f64::from(u16::try_from(random).unwrap_or(0)) / 1000.0;
    now + left.mul_f64((1.0 - REST) * share)
}

/// When somebody is to go from a node that is to be empty.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    ends_at: Option<Instant>,
    at: Option<Instant>,
}

impl Departure {
    /// Notes until when nobody is to be left ([`plenum_host::Host::departing`]), and whether somebody's room is at another node.
    pub(crate) fn look(&mut self, ends_at: Option<Instant>, is_elsewhere: bool, now: Instant) {
        if self.ends_at != ends_at {
            (self.ends_at, self.at) = (ends_at, None);
        }
        if let Some(ends_at) = ends_at.filter(|_| is_elsewhere && self.at.is_none()) {
            self.at = Some(moment(now, ends_at));
        }
    }

    /// When it is to go.
    pub(crate) const fn at(&self) -> Option<Instant> {
        self.at
    }
}

/// Completes when somebody is to go whose room is at another node.
pub(crate) async fn due(mut departing: watch::Receiver<Option<Instant>>) {
    let mut departure = Departure::default();
    loop {
        let ends_at = *departing.borrow_and_update();
        departure.look(ends_at, true, Instant::now());
        tokio::select! {
            () = at(departure.at()) => return,
            changed = departing.changed() => if changed.is_err() {
                // The node has ended.
                return;
            }
        }
    }
}

/// When that time has come, if it ever does.
pub(crate) async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn everybody_goes_at_a_time_of_its_own_before_the_end() {
        let now = Instant::now();
        let ends_at = now + Duration::from_secs(10);
        let moments: Vec<_> = (0..200).map(|_| moment(now, ends_at)).collect();
        let in_time = |it: &Instant| (now..=now + Duration::from_secs(9)).contains(it);
        assert!(moments.iter().all(in_time));
        let early = moments
            .iter()
            .filter(|it| **it < now + Duration::from_secs(4));
        assert!((20..180).contains(&early.count()));
    }

    #[test]
    fn who_is_led_away_meanwhile_goes_in_what_is_left_of_the_time() {
        let now = Instant::now();
        let mut departure = Departure::default();
        departure.look(None, true, now);
        let ends_at = Some(now + Duration::from_secs(10));
        departure.look(ends_at, false, now);
        assert_eq!(departure.at(), None);
        let later = now + Duration::from_secs(9);
        departure.look(ends_at, true, later);
        let at = departure.at().expect("to go");
        assert!(at >= later && at < now + Duration::from_secs(10));
        departure.look(ends_at, true, at);
        assert_eq!(departure.at(), Some(at), "it stays as it is");
        // It is called off, and said again for a later time.
        departure.look(None, true, later);
        assert_eq!(departure.at(), None);
        departure.look(Some(later + Duration::from_mins(1)), true, later);
        assert!(departure.at() >= Some(later));
    }
}
