//! What loss allows.
//!
//! Loss has two causes: a queue that is full, and a radio link that loses whatever is sent. Only the first one is cured
//! by sending less. libwebrtc's loss-based v2 fits a model of both to all observations; here the estimator *asks*: on
//! loss that is not explained yet it sends a little less for a while. If that cures the loss, the rate was too high, and
//! growth stops just below it for some time; if not, the loss belongs to the path (`inherent`) and the rate comes back.
//! A question costs a few percent of rate for about a second; a wrong answer is forgotten as soon as loss falls.

use std::time::{Duration, Instant};

use crate::Bitrate;

/// A window of observations spans at least this long and this many packets: less is chance.
const WINDOW: Duration = Duration::from_millis(200);
const WINDOW_PACKETS: u32 = 30;

/// A window that is not full after this long counts as it is (a voice alone is 50 packets a second).
const WINDOW_LONGEST: Duration = Duration::from_secs(1);

/// Weight of a window in the average, and in the inherent loss when that turns out smaller: slowly, because the least of
/// many windows is chance.
const WINDOW_WEIGHT: f64 = 0.3;
const INHERENT_WEIGHT: f64 = 0.05;

/// Loss above the inherent one that raises the question. libwebrtc's first loss controller held at 2 % and fell at 10 %
/// without asking; asking is cheap, so it comes earlier, above what chance makes of 2 %.
const SUSPICIOUS: f64 = 0.05;

/// Part of the rate that arrives which is sent while the question stands.
const QUESTION_RATE: f64 = 0.92;

/// The rate never falls by more in one question, so that an outage of a fraction of a second does not ruin it.
const QUESTION_LEAST: f64 = 0.6;

/// Packets that decide: 5 % of 100 are five packets, and chance rarely makes two of five or ten of them.
const ANSWER_PACKETS: u32 = 100;

/// A question is answered after this long even with fewer packets.
const ANSWER_LONGEST: Duration = Duration::from_secs(3);

/// The rate was the cause if no more than this part of the suspicious loss is left.
const CURED: f64 = 0.5;

/// The same when loss is heavy: one question may not lower the rate enough to halve it, and chance plays less with it.
/// Loss that is not heavy while much less is sent than is known to fit belongs to the path without asking: a lower
/// estimate would not change what is sent.
const HEAVY: f64 = 0.15;
const HEAVY_CURED: f64 = 0.8;

/// More loss than this is never accepted as the path's own: no codec makes up for it.
const MAX_INHERENT: f64 = 0.3;

/// For so long growth stops below a rate that was too high, and for so long when the same rate turns out
/// too high again. A path that got wider is noticed within seconds, and a policer, which has no queue
/// to warn us, is seldom run into.
const REMEMBER: Duration = Duration::from_secs(3);
const REMEMBER_LONGEST: Duration = Duration::from_secs(6);

/// Rates that differ by less than this are the same one.
const SAME: f64 = 0.15;

/// Where it stops, as part of the rate that was too high.
const BELOW: f64 = 0.95;

/// What to do about loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LossAction {
    /// Nothing.
    None,
    /// Send no more than this.
    Cut(Bitrate),
    /// The cut was for nothing: this was right.
    Restore(Bitrate),
}

#[derive(Debug)]
pub(crate) struct LossControl {
    window_began: Instant,
    lost: u32,
    received: u32,
    /// A queue that overflowed explains loss of this window.
    window_explained: bool,
    /// Smoothed part lost.
    average: f64,
    /// The same without what an overflowing queue explains.
    unexplained: f64,
    inherent: f64,
    question: Option<Question>,
    /// Growth stops here until then.
    ceiling: Option<(Bitrate, Instant)>,
    /// The last ceiling and how long it was kept.
    last_ceiling: (Bitrate, Duration),
}

#[derive(Debug)]
struct Question {
    asked: Instant,
    /// What was sent before this moment was sent at the old rate.
    counts_from: Instant,
    rate_before: Bitrate,
    loss_before: f64,
    lost: u32,
    received: u32,
}

impl LossControl {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            window_began: now,
            lost: 0,
            received: 0,
            window_explained: false,
            average: 0.0,
            unexplained: 0.0,
            inherent: 0.0,
            question: None,
            ceiling: None,
            last_ceiling: (Bitrate::ZERO, REMEMBER),
        }
    }

    /// Smoothed part of the packets that is lost.
    pub(crate) fn average(&self) -> f64 {
        self.average
    }

    /// Loss that belongs to the path.
    pub(crate) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// What growth and probes must not exceed.
    pub(crate) fn ceiling(&self) -> Option<Bitrate> {
        self.ceiling.map(|(rate, _)| rate)
    }

    /// Whether loss is being looked into: no time to grow.
    pub(crate) fn is_asking(&self) -> bool {
        self.question.is_some()
    }

    /// The rate was cut for another reason: a question that stands cannot be answered any more.
    pub(crate) fn forget_question(&mut self) {
        self.question = None;
    }

    /// Feedback told of packets; `late` ones were counted as lost before.
    pub(crate) fn count(&mut self, lost: u32, received: u32, late: u32) {
        self.lost = (self.lost + lost).saturating_sub(late);
        self.received += received + late;
        if let Some(question) = &mut self.question {
            question.lost = (question.lost + lost).saturating_sub(late);
            question.received += received + late;
        }
    }

    /// Decides. `rate` is the estimate, `acknowledged` what arrives of it; `None` when there is no asking now, because a
    /// queue that is being drained explains the loss.
    pub(crate) fn update(
        &mut self,
        now: Instant,
        rate: Bitrate,
        acknowledged: Option<Bitrate>,
        round_trip: Duration,
        application_limited: bool,
    ) -> LossAction {
        if self.ceiling.is_some_and(|(_, until)| now >= until) {
            self.ceiling = None;
        }
        self.window_explained |= acknowledged.is_none();
        let whole_window = self.close_window(now);
        if self.question.is_some() {
            return self.answer(now);
        }
        let Some(acknowledged) = acknowledged else {
            // A queue that overflows explains it.
            self.unexplained = self.inherent;
            return LossAction::None;
        };
        if !whole_window || self.unexplained - self.inherent <= SUSPICIOUS {
            return LossAction::None;
        }
        let suspicious = self.unexplained - self.inherent;
        if application_limited && suspicious < HEAVY {
            self.inherent = self.unexplained;
            return LossAction::None;
        }
        let asked = rate.min(acknowledged).scaled(QUESTION_RATE);
        self.question = Some(Question {
            asked: now,
            counts_from: now + round_trip + WINDOW,
            rate_before: rate,
            loss_before: self.unexplained,
            lost: 0,
            received: 0,
        });
        LossAction::Cut(asked.max(rate.scaled(QUESTION_LEAST)))
    }

    /// Takes a full window into the average; whether there was one.
    fn close_window(&mut self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.window_began);
        let packets = self.lost + self.received;
        if age < WINDOW || (packets < WINDOW_PACKETS && age < WINDOW_LONGEST) {
            return false;
        }
        if packets > 0 {
            let part = f64::from(self.lost) / f64::from(packets);
            self.average += WINDOW_WEIGHT * (part - self.average);
            if !self.window_explained {
                self.unexplained += WINDOW_WEIGHT * (part - self.unexplained);
            }
            if self.average < self.inherent {
                self.inherent += INHERENT_WEIGHT * (self.average - self.inherent);
            }
        }
        (self.lost, self.received) = (0, 0);
        self.window_began = now;
        self.window_explained = false;
        packets > 0
    }

    fn answer(&mut self, now: Instant) -> LossAction {
        let Some(question) = &mut self.question else {
            return LossAction::None;
        };
        if now < question.counts_from {
            (question.lost, question.received) = (0, 0);
            return LossAction::None;
        }
        let packets = question.lost + question.received;
        let waited = now.saturating_duration_since(question.asked);
        if packets < ANSWER_PACKETS && waited < ANSWER_LONGEST {
            return LossAction::None;
        }
        let rate_before = question.rate_before;
        let suspicious = question.loss_before - self.inherent;
        let after = match packets {
            0 => self.average,
            packets => f64::from(question.lost) / f64::from(packets),
        };
        self.question = None;
        self.average = after;
        self.unexplained = after;
        let left = if suspicious > HEAVY {
            HEAVY_CURED
        } else {
            CURED
        };
        if after - self.inherent <= left * suspicious {
            self.stop_below(now, rate_before);
            return LossAction::None;
        }
        self.inherent = after.min(MAX_INHERENT);
        if after > MAX_INHERENT {
            LossAction::None
        } else {
            LossAction::Restore(rate_before)
        }
    }

    fn stop_below(&mut self, now: Instant, too_high: Bitrate) {
        let ceiling = too_high.scaled(BELOW);
        let (last, kept) = self.last_ceiling;
        let same = (ceiling.ratio(last) - 1.0).abs() < SAME;
        let keep = if same {
            (kept * 2).min(REMEMBER_LONGEST)
        } else {
            REMEMBER
        };
        self.last_ceiling = (ceiling, keep);
        self.ceiling = Some((ceiling, now + keep));
    }
}

#[cfg(test)]
mod tests;
