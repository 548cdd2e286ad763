//! What transport-wide feedback does to the estimate.

use std::time::{Duration, Instant};

use super::{BandwidthEstimator, Feedback};
use crate::{
    ArrivalTime, Bitrate, Usage,
    busy_run::BusyRun,
    delay::Grouped,
    loss::LossAction,
    rate_control::Signals,
    rate_window::RateWindow,
    sent_history::{Answer, SentPacket},
};

/// A round trip that is assumed before one is known.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(200);

/// Sending begins to be application-limited below this part of the estimate and ends above the second one. (libwebrtc:
/// a budget that fills while less than 65 % is sent.)
const LIMITED_BELOW: f64 = 0.65;
const LIMITED_UNTIL: f64 = 0.8;

/// After a cut because of delay, a queue that overflowed explains loss for so long beyond the round trip.
const DRAINS_WITHIN: Duration = Duration::from_secs(1);

/// A fall to less than this part at once is large (libwebrtc probes for recovery after such a one).
const LARGE_FALL: f64 = 0.66;

impl BandwidthEstimator {
    /// One transport-wide feedback packet: each packet's number and its arrival, `None` when it did not arrive.
    ///
    /// What is said about packets that were never sent, or a second time about the same one, is ignored.
    pub fn handle_feedback(
        &mut self,
        now: Instant,
        packets: impl Iterator<Item = (u16, Option<ArrivalTime>)>,
    ) {
        self.advance(now);
        let mut read = Read::default();
        for (sequence, arrival) in packets {
            match (self.history.answer(sequence, arrival.is_some()), arrival) {
                (Some(Answer::Received(packet)), Some(arrival)) => {
                    read.received += 1;
                    self.handle_arrival(packet, arrival.micros(), &mut read);
                }
                (Some(Answer::ReceivedLate(packet)), Some(arrival)) => {
                    read.late += 1;
                    self.handle_arrival(packet, arrival.micros(), &mut read);
                }
                (Some(Answer::Lost(packet)), _) => {
                    read.lost += 1;
                    read.reach(packet);
                    self.offered.add(packet.sent.cast_signed(), packet.size);
                }
                _ => {}
            }
        }
        let Some(newest) = read.newest else {
            return;
        };
        self.history.cover(newest.sequence);
        self.last_feedback = Some(now);
        let silent = self.feedback == Feedback::Silent;
        self.feedback = Feedback::Flowing;
        self.unanswered_since = None;
        self.reports.handle_feedback();
        if silent {
            // The path may be what it was before: a probe tells sooner than growth.
            self.probing.pause_after_cut(now, true);
        }
        if let Some(sent) = read.newest_received {
            self.handle_round_trip(Duration::from_micros(self.micros(now).saturating_sub(sent)));
        }
        self.loss.count(read.lost, read.received, read.late);
        self.judge_limited();
        self.apply_delay(now);
        self.apply_loss(now);
        self.apply_probe(Some(newest.sequence));
        self.consider_probe();
    }

    fn handle_arrival(&mut self, packet: SentPacket, arrival: i64, read: &mut Read) {
        read.reach(packet);
        read.newest_received = read.newest_received.max(Some(packet.sent));
        self.acknowledged.add(arrival, packet.size);
        self.offered.add(packet.sent.cast_signed(), packet.size);
        let wait = self.delay.wait(packet.sent, arrival);
        self.busy.add(packet.sent, arrival, packet.size, wait);
        if self.probing.handle_received(packet, arrival) {
            // The queue of a probe is wanted, and says nothing about the rate outside it.
            return;
        }
        match self.delay.add(packet.sent, arrival) {
            Grouped::Open => {}
            Grouped::Complete(group) => {
                self.measured = group.sent;
                self.trendline.update(group);
                self.queue.update(self.now, group.queue);
            }
            Grouped::Reset => {
                self.trendline.clear();
                self.queue.clear();
                self.acknowledged = RateWindow::default();
                self.busy = BusyRun::default();
            }
        }
    }

    fn judge_limited(&mut self) {
        let Some(offered) = self.offered.rate() else {
            return;
        };
        let bound = if self.application_limited {
            LIMITED_UNTIL
        } else {
            LIMITED_BELOW
        };
        self.application_limited = offered < self.control.rate().scaled(bound);
    }

    fn apply_delay(&mut self, now: Instant) {
        let asking = self.loss.is_asking();
        let ceiling = if asking {
            Bitrate::ZERO
        } else {
            self.loss.ceiling().unwrap_or(Bitrate::MAX)
        };
        let foreign = self.queue.is_foreign(now);
        let usage = match self.trendline.usage() {
            Usage::Overuse if foreign => Usage::Normal,
            usage => usage,
        };
        let signals = Signals {
            usage,
            standing_queue: self.queue.wants_cut(now) && !foreign,
            drained: self.queue.is_short(),
            acknowledged: self.acknowledged.rate(),
            saturated: self.busy.saturated(),
            measured: self.epoch + Duration::from_secs_f64(self.measured.max(0.0) / 1000.0),
            offered: self.offered.rate(),
            queue: self.queue.length(),
            round_trip: self.round_trip.unwrap_or(FIRST_ROUND_TRIP),
            application_limited: self.application_limited,
            ceiling: ceiling.min(self.config.max),
        };
        let before = self.control.rate();
        if self.control.update(now, signals) {
            let large = self.control.rate() < before.scaled(LARGE_FALL);
            self.probing.pause_after_cut(now, large);
            self.loss.forget_question();
            self.queue.note_cut(now);
        }
        self.set_rate(self.control.rate());
    }

    fn apply_loss(&mut self, now: Instant) {
        let rate = self.control.rate();
        let round_trip = self.round_trip.unwrap_or(FIRST_ROUND_TRIP);
        let draining = self.control.cut_within(now, round_trip + DRAINS_WITHIN)
            || (self.queue.is_long() && !self.queue.is_foreign(now));
        let acknowledged = self.acknowledged.rate().filter(|_| !draining);
        let limited = self.application_limited;
        match self
            .loss
            .update(now, rate, acknowledged, round_trip, limited)
        {
            LossAction::None => {}
            LossAction::Cut(to) => {
                self.set_rate(rate.min(to));
                self.probing.pause_after_cut(now, false);
            }
            LossAction::Restore(to) => self.set_rate(rate.max(to)),
        }
    }
}

/// What one feedback packet told.
#[derive(Debug, Default)]
struct Read {
    received: u32,
    lost: u32,
    late: u32,
    newest: Option<SentPacket>,
    newest_received: Option<u64>,
}

impl Read {
    fn reach(&mut self, packet: SentPacket) {
        let newer = self
            .newest
            .is_none_or(|newest| packet.sequence.wrapping_sub(newest.sequence).cast_signed() > 0);
        if newer {
            self.newest = Some(packet);
        }
    }
}
