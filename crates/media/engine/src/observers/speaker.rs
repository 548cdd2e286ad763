//! Who speaks: dominant speaker identification after I. Volfin and I. Cohen, "Dominant speaker identification for
//! multipoint videoconferencing" (Computer Speech & Language 27, 2013).
//!
//! Speech is looked for in three intervals: the last 20 ms, 100 ms and second. In each, so many sub-units of `N` were
//! active; how likely that is for somebody who speaks, with numbers that grow exponentially, and how likely by chance, by
//! a binomial distribution, makes a score. Another becomes the dominant speaker whose scores are enough above the present
//! one's in all three: not by a cough (too short), not in a breath's pause (the long interval outlasts it).
//!
//! The paper counts sub-bands with speech in the shortest interval. As Jitsi and mediasoup do, we count steps of the level
//! in the header extension instead, as we cannot hear.

use std::time::Instant;

use plenum_ids::{ProducerId, RtpObserverId};
use plenum_params::event::Event;
use slab::Slab;

use super::{
    Member,
    levels::{Activity, IMMEDIATE_UNITS, LONG_UNITS, MEDIUM_UNITS},
};
use crate::producer::Producer;

/// λ of the exponential distribution for each interval: Jitsi's values, which mediasoup has too.
const IMMEDIATE_RATE: f64 = 0.78;
const MEDIUM_RATE: f64 = 24.0;
const LONG_RATE: f64 = 47.0;

/// Chance of an active sub-unit without speech: p of the paper.
const CHANCE: f64 = 0.5;

/// What the logarithms of the scores' ratios must be above in the three intervals: C1, C2 and C3 of the paper.
const MIN_AHEAD: [f64; 3] = [3.0, 2.0, 0.0];

/// The score of silence: Jitsi's value. Below it nothing is told apart.
const SILENCE: f64 = 1e-10;

/// What an active speaker observer remembers.
#[derive(Debug)]
pub(super) struct DominantSpeaker {
    /// Logarithms of the scores, by active sub-units.
    immediate: [f64; IMMEDIATE_UNITS as usize + 1],
    medium: [f64; MEDIUM_UNITS as usize + 1],
    long: [f64; LONG_UNITS as usize + 1],
    /// Who was told to speak.
    dominant: Option<ProducerId>,
}

impl Default for DominantSpeaker {
    fn default() -> Self {
        Self {
            immediate: scores(IMMEDIATE_RATE),
            medium: scores(MEDIUM_RATE),
            long: scores(LONG_RATE),
            dominant: None,
        }
    }
}

impl DominantSpeaker {
    /// Decides who speaks.
    pub(super) fn look(
        &mut self,
        now: Instant,
        observer: RtpObserverId,
        members: &[Member],
        producers: &mut Slab<Producer>,
    ) -> Option<Event> {
        let mut present = self.scores(Activity::default());
        let mut others = Vec::new();
        for member in members {
            let Some(producer) = producers.get_mut(member.producer) else {
                continue;
            };
            let Some(levels) = producer.levels.as_mut().filter(|_| !producer.paused) else {
                continue;
            };
            let activity = levels.activity(now);
            if self.dominant == Some(producer.id) {
                present = self.scores(activity);
            } else if activity.long > 0 {
                others.push((producer.id, activity));
            }
        }
        let ahead = others.into_iter().filter_map(|(id, activity)| {
            let ahead = Self::ahead(self.scores(activity), present)?;
            Some((id, ahead))
        });
        // Of several the one that is furthest ahead in the medium interval; then in the long one.
        let (producer, _) =
            ahead.max_by(|(one, [_, medium, long]), (other, [_, medium2, long2])| {
                let by_medium = medium.total_cmp(medium2);
                by_medium.then(long.total_cmp(long2)).then(other.cmp(one))
            })?;
        self.dominant = Some(producer);
        Some(Event::DominantSpeaker { observer, producer })
    }

    fn scores(&self, activity: Activity) -> [f64; 3] {
        let score = |scores: &[f64], active: u8| {
            let score = scores.get(usize::from(active)).or_else(|| scores.last());
            score.copied().unwrap_or_default()
        };
        [
            score(&self.immediate, activity.immediate),
            score(&self.medium, activity.medium),
            score(&self.long, activity.long),
        ]
    }

    /// How far one is ahead of the present speaker, if that is enough.
    fn ahead(one: [f64; 3], present: [f64; 3]) -> Option<[f64; 3]> {
        let ahead: [f64; 3] = std::array::from_fn(|interval| one[interval] - present[interval]);
        let is_enough = ahead.iter().zip(MIN_AHEAD).all(|(ahead, min)| *ahead > min);
        is_enough.then_some(ahead)
    }
}

/// Logarithms of the scores of 0 to `UNITS - 1` active sub-units out of `UNITS - 1`.
fn scores<const UNITS: usize>(rate: f64) -> [f64; UNITS] {
    let mut ways = 0.0;
    let (mut active, mut silent) = (0.0, (1..UNITS).fold(0.0, |all, _| all + 1.0));
    std::array::from_fn(|_| {
        let by_chance = ways + active * CHANCE.ln() + silent * (1.0 - CHANCE).ln();
        let score: f64 = by_chance - rate.ln() + rate * active;
        // The logarithm of the binomial coefficient, from the one before.
        ways += f64::ln(silent / (active + 1.0));
        active += 1.0;
        silent -= 1.0;
        score.max(SILENCE).ln()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TALKS: Activity = Activity {
        immediate: 10,
        medium: 5,
        long: 8,
    };

    fn is_ahead(one: Activity, present: Activity) -> bool {
        let speaker = DominantSpeaker::default();
        DominantSpeaker::ahead(speaker.scores(one), speaker.scores(present)).is_some()
    }

    #[test]
    fn scores_are_those_of_the_published_formula() {
        let speaker = DominantSpeaker::default();
        // By hand: ln C(13, 9) - 13 ln 2 - ln 0.78 + 0.78 * 9 = 4.83.
        assert!((speaker.immediate[9] - 4.83_f64.ln()).abs() < 0.01);
        // -5 ln 2 - ln 24 + 24 * 5 = 113.36, and -10 ln 2 - ln 47 + 47 * 10 = 459.22.
        assert!((speaker.medium[5] - 113.36_f64.ln()).abs() < 0.001);
        assert!((speaker.long[10] - 459.22_f64.ln()).abs() < 0.001);
        for silent in [speaker.immediate[0], speaker.medium[0], speaker.long[0]] {
            assert!((silent - SILENCE.ln()).abs() < 1e-9);
        }
    }

    #[test]
    fn who_talks_is_ahead_of_silence_and_not_of_who_talks_too() {
        assert!(is_ahead(TALKS, Activity::default()));
        assert!(!is_ahead(TALKS, TALKS));
        assert!(!is_ahead(Activity::default(), Activity::default()));
    }

    #[test]
    fn a_short_noise_and_a_short_pause_change_nothing() {
        let cough = Activity { long: 1, ..TALKS };
        let breathes = Activity {
            immediate: 0,
            medium: 0,
            ..TALKS
        };
        assert!(!is_ahead(cough, breathes));
        let goes_on = Activity { long: 9, ..TALKS };
        assert!(is_ahead(goes_on, breathes));
        assert!(!is_ahead(
            goes_on,
            Activity {
                immediate: 0,
                ..TALKS
            }
        ));
    }
}
