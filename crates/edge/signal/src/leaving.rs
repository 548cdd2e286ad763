//! Clients whose room is at another node, at a node that is about to end: they are closed one after another, so that they do not all
//! come to the others at once.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
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

/// When a node ends that has said so.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    ends_at: Option<Instant>,
    at: Option<Instant>,
}

impl Departure {
    /// Notes what the node says of its end, and whether somebody's room is at another node.
    pub(crate) fn look(&mut self, ending: Option<Duration>, is_elsewhere: bool, now: Instant) {
        let Some(after) = ending else { return };
        let ends_at = *self.ends_at.get_or_insert(now + after);
        if is_elsewhere && self.at.is_none() {
            self.at = Some(moment(now, ends_at));
        }
    }

    /// When it is to go.
    pub(crate) const fn at(&self) -> Option<Instant> {
        self.at
    }
}

/// Completes when somebody is to go whose room is at another node.
pub(crate) async fn due(mut ending: watch::Receiver<Option<Duration>>) {
    let after = match ending.wait_for(Option::is_some).await {
        Ok(after) => after.unwrap_or_default(),
        // The node has ended.
        Err(_) => return,
    };
    let now = Instant::now();
    sleep_until(moment(now, now + after).into()).await;
}

#[cfg(test)]
mod tests {
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
        let after = Some(Duration::from_secs(10));
        departure.look(after, false, now);
        assert_eq!(departure.at(), None);
        let later = now + Duration::from_secs(9);
        departure.look(after, true, later);
        let at = departure.at().expect("to go");
        assert!(at >= later && at < now + Duration::from_secs(10));
    }
}
