//! Receivers without transport-wide feedback: their own estimate (REMB) and the loss in their reports.
//!
//! The loss rule is that of draft-ietf-rmcat-gcc-02 §6: above 10 % fall, below 2 % grow, in between stay. Where there
//! is transport-wide feedback, REMB is only a cap and the loss in reports is ignored, because the feedback tells more.

use std::time::{Duration, Instant};

use crate::Bitrate;

/// Bounds of the rule.
const MUCH: f64 = 0.1;
const LITTLE: f64 = 0.02;

/// Growth per report without loss, at one report per second (draft §6: 1.05 per report).
const GROWTH_PER_SECOND: f64 = 1.05;

/// The rate falls at most so often: reports come per stream, and the loss of all of them has one cause (libwebrtc).
const BETWEEN_CUTS: Duration = Duration::from_millis(300);

/// Weight of a report in the average: half, because there are few.
const WEIGHT: f64 = 0.5;

#[derive(Debug)]
pub(crate) struct Reports {
    remb: Option<Bitrate>,
    loss: f64,
    updated: Instant,
    last_cut: Option<Instant>,
    /// Where loss has put the rate.
    allowed: Option<Bitrate>,
}

impl Reports {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            remb: None,
            loss: 0.0,
            updated: now,
            last_cut: None,
            allowed: None,
        }
    }

    /// The last REMB.
    pub(crate) fn remb(&self) -> Option<Bitrate> {
        self.remb
    }

    /// Smoothed part lost.
    pub(crate) fn loss(&self) -> f64 {
        self.loss
    }

    /// What loss allows; `None` when loss is no limit.
    pub(crate) fn allowed_by_loss(&self) -> Option<Bitrate> {
        self.allowed
    }

    pub(crate) fn handle_remb(&mut self, bitrate: Bitrate) {
        self.remb = Some(bitrate);
    }

    /// Transport-wide feedback takes over.
    pub(crate) fn handle_feedback(&mut self) {
        self.allowed = None;
    }

    /// The rate after a report. It grows to `useful` by itself if there is no REMB, which grows on its own.
    pub(crate) fn handle_report(
        &mut self,
        now: Instant,
        fraction_lost: u8,
        rate: Bitrate,
        useful: Bitrate,
    ) -> Bitrate {
        let lost = f64::from(fraction_lost) / 256.0;
        self.loss += WEIGHT * (lost - self.loss);
        let step = now.saturating_duration_since(self.updated);
        self.updated = now;
        if self.loss > MUCH {
            let recent = self
                .last_cut
                .is_some_and(|cut| now.saturating_duration_since(cut) < BETWEEN_CUTS);
            if recent {
                return rate;
            }
            self.last_cut = Some(now);
            let rate = rate.scaled(1.0 - 0.5 * self.loss);
            self.allowed = Some(rate);
            return rate;
        }
        if self.loss >= LITTLE {
            return rate;
        }
        let seconds = step.min(Duration::from_secs(1)).as_secs_f64();
        let grown = rate.scaled(GROWTH_PER_SECOND.powf(seconds));
        let limit = self.remb.unwrap_or(useful).max(rate);
        let rate = grown.min(limit);
        self.allowed = self.allowed.filter(|_| rate < limit).map(|_| rate);
        rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_loss_lowers_and_none_raises() {
        let start = Instant::now();
        let mut reports = Reports::new(start);
        let rate = Bitrate::from_kbps(1000);
        let useful = Bitrate::from_kbps(1200);
        let mut now = start;
        let mut step = |lost, rate| {
            now += Duration::from_secs(1);
            reports.handle_report(now, lost, rate, useful)
        };
        assert_eq!(step(20, rate), rate, "4 % on average is in between");
        let less = step(90, rate);
        assert!(less < rate.scaled(0.95), "{less}");
        for _ in 0..4 {
            step(0, less);
        }
        let mut grown = less;
        for _ in 0..20 {
            grown = step(0, grown);
        }
        assert_eq!(grown, useful);
    }
}
