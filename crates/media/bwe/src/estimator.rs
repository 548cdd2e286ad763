//! The estimator: what its inputs do to the estimate.
//!
//! One rate is kept. Delay, loss, probes and missing feedback each may lower or raise it; what the receiver itself
//! asks for (REMB) and the limits cap it.

use std::time::{Duration, Instant};

use plenum_prefetch::prefetch;

use crate::{
    Bitrate, Demand, EstimatorConfig, EstimatorState, Probe, ProbeId, Usage,
    busy_run::BusyRun,
    delay::DelayMeter,
    loss::LossControl,
    probing::{Aim, ProbeResult, Probing},
    rate_control::RateControl,
    rate_window::RateWindow,
    reports::Reports,
    sent_history::SentHistory,
    standing_queue::StandingQueue,
    trendline::Trendline,
};

mod feedback;

/// Sent, but no feedback for this long beyond the round trip: the path is broken or full. Receivers send feedback at
/// least every 250 ms (libwebrtc), so one lost feedback packet is not enough.
const SILENCE: Duration = Duration::from_millis(500);

/// What is left of the rate after each period of silence: two of them halve it.
const SILENCE_FACTOR: f64 = 0.7;

/// The longest round trip that is believed.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(2);

/// Weight of a new round trip in the average (RFC 6298 §2: one eighth).
const ROUND_TRIP_WEIGHT: u32 = 8;

/// How much of a longer round trip is believed each time: a path that became longer is known after a minute.
const LENGTHENING: u32 = 512;

/// What may be on its way beyond the shortest round trip, as time: feedback that is up to 250 ms old and a queue that is
/// bearable. libwebrtc's congestion window (`WebRTC-CongestionWindow`, `QueueSize:350`).
const QUEUE_ALLOWANCE: Duration = Duration::from_millis(350);

/// This much is always allowed: a key frame of the smallest picture (libwebrtc's window ends at two packets, but it makes
/// the encoder slower and holds nothing back).
const MIN_WINDOW: u64 = 6000;

/// The same for a while after the path has collapsed, as long as there is a queue: feedback that is up to 100 ms old, and
/// little more, so that the queue drains whatever it is that is sent.
const DRAINS_LONG: Duration = Duration::from_secs(5);
const DRAINING_ALLOWANCE: Duration = Duration::from_millis(200);
const MIN_DRAINING_WINDOW: u64 = 3000;

/// Without feedback for this long beyond the round trip what is on its way is not known, or all of it is lost: receivers
/// send feedback at least every 250 ms (libwebrtc) while anything arrives, and none when nothing does.
const STALE: Duration = Duration::from_millis(300);

/// Feedback on a packet that arrived comes within about this time (libwebrtc: every 50 to 250 ms, and every 100 ms at the
/// rates at which it matters).
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);

/// A probe that filled the path lowers the estimate only if it measured less than this part of it, and only if it is the
/// first one of the session or the second in a row: a radio that holds packets back makes a single probe look slow.
const PROBE_LOWERS: f64 = 0.85;

/// Estimates what the path to one receiver carries. One per transport.
#[derive(Debug)]
pub struct BandwidthEstimator {
    config: EstimatorConfig,
    demand: Demand,
    epoch: Instant,
    /// The latest time that was told.
    now: Instant,
    history: SentHistory,
    /// When the last packet left, and the same in microseconds after the epoch.
    last_sent: (Instant, u64),
    /// Since when packets have left without any feedback, in microseconds after the epoch.
    unanswered_since: Option<u64>,
    delay: DelayMeter,
    trendline: Trendline,
    queue: StandingQueue,
    acknowledged: RateWindow,
    offered: RateWindow,
    busy: BusyRun,
    /// When the newest group left whose delay is known, in milliseconds after the epoch.
    measured: f64,
    control: RateControl,
    loss: LossControl,
    probing: Probing,
    reports: Reports,
    round_trip: Option<Duration>,
    /// The shortest so far, which a path that becomes longer leaves slowly.
    shortest_round_trip: Option<Duration>,
    last_feedback: Option<Instant>,
    application_limited: bool,
    /// A probe that measures less than the estimate is believed.
    low_probe_lowers: bool,
    feedback: Feedback,
}

/// Transport-wide feedback, which knows more than reports and REMB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feedback {
    /// None was received yet.
    Never,
    /// It comes.
    Flowing,
    /// It came, and stays away.
    Silent,
}

impl BandwidthEstimator {
    /// An estimator that has heard nothing yet.
    pub fn new(config: EstimatorConfig, now: Instant) -> Self {
        let max = config.max.max(config.min);
        let initial = config.initial.clamp(config.min, max);
        Self {
            config: EstimatorConfig {
                initial,
                max,
                ..config
            },
            demand: Demand::default(),
            epoch: now,
            now,
            history: SentHistory::default(),
            last_sent: (now, 0),
            unanswered_since: None,
            delay: DelayMeter::default(),
            trendline: Trendline::default(),
            queue: StandingQueue::default(),
            acknowledged: RateWindow::default(),
            offered: RateWindow::default(),
            busy: BusyRun::default(),
            measured: 0.0,
            control: RateControl::new(initial, now),
            loss: LossControl::new(now),
            probing: Probing::new(initial, now),
            reports: Reports::new(now),
            round_trip: None,
            shortest_round_trip: None,
            last_feedback: None,
            application_limited: false,
            low_probe_lowers: true,
            feedback: Feedback::Never,
        }
    }

    /// Changes the limits of the estimate.
    pub fn set_limits(&mut self, now: Instant, min: Bitrate, max: Bitrate) {
        self.advance(now);
        self.config.min = min;
        self.config.max = max.max(min);
        self.set_rate(self.control.rate());
        self.consider_probe();
    }

    /// Says what the consumers would use; probes aim at it.
    pub fn set_demand(&mut self, now: Instant, demand: Demand) {
        self.advance(now);
        self.demand = demand;
        self.consider_probe();
    }

    /// A packet left with this transport-wide sequence number. `size` is the whole datagram without IP and UDP headers.
    pub fn handle_sent(
        &mut self,
        now: Instant,
        transport_sequence: u16,
        size: usize,
        probe: Option<ProbeId>,
    ) {
        // Packets leave in groups at one time.
        if self.last_sent.0 != now {
            self.last_sent = (now, self.micros(now));
        }
        let sent = self.last_sent.1;
        let sequence = self.history.record(sent, transport_sequence, size);
        if self.unanswered_since.is_none() {
            self.unanswered_since = Some(sent);
        }
        if let Some(id) = probe {
            self.probing.handle_sent(now, id, sequence, size);
        }
    }

    /// Asks for what [`Self::handle_sent`] and [`Self::room`] need, for one of many estimators whose memory has left the
    /// processor's cache since it was last used.
    pub fn prefetch_sending(&self) {
        prefetch(&self.unanswered_since);
        prefetch(&self.control);
        prefetch(&self.reports);
        prefetch(&self.history);
        prefetch(&self.now);
        prefetch(&self.last_sent);
        prefetch(&self.queue);
        prefetch(&self.round_trip);
        prefetch(&self.last_feedback);
        prefetch(&self.config);
        prefetch(&self.application_limited);
    }

    /// The same for [`Self::handle_feedback`].
    pub fn prefetch_feedback(&self) {
        self.prefetch_sending();
        prefetch(&self.delay);
        prefetch(&self.acknowledged);
        prefetch(&self.offered);
        prefetch(&self.busy);
        self.probing.prefetch();
        prefetch(&self.loss);
        self.trendline.prefetch();
    }

    /// Places of packets that will be sent next. They lie elsewhere: to be called when what [`Self::prefetch_sending`]
    /// asks for has come.
    pub fn prefetch_unsent(&self) {
        self.history.prefetch_unsent();
    }

    /// Places of packets that will be answered next; likewise.
    pub fn prefetch_unanswered(&self) {
        self.history.prefetch_unanswered();
    }

    /// The receiver's own estimate.
    pub fn handle_remb(&mut self, now: Instant, bitrate: Bitrate) {
        self.advance(now);
        self.reports.handle_remb(bitrate);
        if !self.has_feedback() {
            if bitrate > self.control.rate() {
                self.probing.handle_raised_remb();
            }
            let allowed = self.reports.allowed_by_loss().unwrap_or(bitrate);
            self.set_rate(bitrate.min(allowed));
        }
        self.consider_probe();
    }

    /// A receiver report: lost part since the last one in 256ths, and the round trip if it could be told.
    pub fn handle_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        self.advance(now);
        if let Some(round_trip) = round_trip {
            self.handle_round_trip(round_trip);
        }
        if self.has_feedback() {
            return;
        }
        let rate = self.control.rate();
        let useful = self.demand.wanted.max(rate);
        let rate = self.reports.handle_report(now, fraction_lost, rate, useful);
        self.set_rate(rate);
    }

    /// Time passed; call it when [`poll_timeout`](Self::poll_timeout) is reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        let passed = self.micros(now);
        self.history.release_idle(passed);
        if self.silence_ends().is_some_and(|end| end <= now) {
            self.set_rate(self.control.rate().scaled(SILENCE_FACTOR));
            self.unanswered_since = Some(passed);
            if self.has_feedback() {
                self.feedback = Feedback::Silent;
            }
            self.probing.pause_after_cut(now, false);
        }
        self.apply_probe(None);
        self.consider_probe();
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due. Also [`handle_sent`](Self::handle_sent) may bring it
    /// forward, but never to less than half a second ahead; it is enough to look again once per batch.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let probe = self.probing.deadline(&self.aim());
        // What is due but has to wait for a better time is looked at with the next feedback.
        let probe = probe.filter(|deadline| *deadline > self.now);
        [probe, self.silence_ends()].into_iter().flatten().min()
    }

    /// A probe to send now; asked for after every input but packets sent.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        self.advance(now);
        self.probing.take_order(now)
    }

    /// What the path carries.
    pub fn estimate(&self) -> Bitrate {
        let rate = self.control.rate();
        let rate = self.reports.remb().map_or(rate, |remb| remb.min(rate));
        rate.min(self.config.max).max(self.config.min)
    }

    /// How many bytes the path can take now: what is on its way shall not be more than it carries in a round trip, with
    /// some queue.
    ///
    /// A path that suddenly carries less is noticed here within that time, before any delay has been measured; and
    /// after it was noticed, nothing new meets a queue that is still full. Without fresh feedback there is no telling.
    pub fn room(&self, now: Instant) -> u64 {
        let (Some(shortest), Some(heard)) = (self.shortest_round_trip, self.last_feedback) else {
            return u64::MAX;
        };
        if now.saturating_duration_since(heard) > shortest + STALE {
            return u64::MAX;
        }
        let draining = self.queue.is_long() && self.control.collapsed_within(now, DRAINS_LONG);
        let (allowance, least) = if draining {
            (DRAINING_ALLOWANCE, MIN_DRAINING_WINDOW)
        } else {
            (QUEUE_ALLOWANCE, MIN_WINDOW)
        };
        let window = self.estimate().bytes_in(shortest + allowance).max(least);
        let room = window.saturating_sub(self.history.in_flight());
        // What was lost at the end is only missed when something else arrives: one packet may always try.
        let is_due = || {
            let wait = self.round_trip.unwrap_or(shortest) + FEEDBACK_INTERVAL;
            let newest = self.epoch + Duration::from_micros(self.history.newest_sent());
            now.saturating_duration_since(newest) > wait
        };
        if room == 0 && is_due() { 1 } else { room }
    }

    /// What stands behind the estimate.
    pub fn state(&self) -> EstimatorState {
        EstimatorState {
            delay_based: self.control.rate(),
            loss_based: self.loss.ceiling(),
            remb: self.reports.remb(),
            acknowledged: self.acknowledged.rate(),
            application_limited: self.application_limited,
            usage: self.trendline.usage(),
            queue_delay: self.queue.length(),
            round_trip: self.round_trip,
            loss: if self.has_feedback() {
                self.loss.average()
            } else {
                self.reports.loss()
            },
            inherent_loss: self.loss.inherent(),
            probing: self.probing.rate(),
        }
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn has_feedback(&self) -> bool {
        self.feedback != Feedback::Never
    }

    fn micros(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.epoch);
        passed.as_secs() * 1_000_000 + u64::from(passed.subsec_micros())
    }

    fn set_rate(&mut self, rate: Bitrate) {
        self.control
            .set(rate.min(self.config.max).max(self.config.min));
    }

    fn handle_round_trip(&mut self, sample: Duration) {
        let sample = sample.min(LONGEST_ROUND_TRIP);
        self.shortest_round_trip = Some(match self.shortest_round_trip {
            Some(shortest) if shortest < sample => {
                shortest + sample.saturating_sub(shortest) / LENGTHENING
            }
            _ => sample,
        });
        self.round_trip = Some(match self.round_trip {
            Some(known) => (known * (ROUND_TRIP_WEIGHT - 1) + sample) / ROUND_TRIP_WEIGHT,
            None => sample,
        });
    }

    fn apply_probe(&mut self, read_to: Option<u32>) {
        let rate = self.control.rate();
        let probing = self.probing.is_probing();
        let result = self.probing.conclude(self.now, read_to, rate);
        if probing && !self.probing.is_probing() {
            // Its queue is still there; whether that shrinks is to be seen without the step up to it.
            self.trendline.clear();
        }
        match result {
            Some(ProbeResult::Whole(measured)) if measured > rate => {
                self.low_probe_lowers = false;
                self.control.forget_capacity();
                self.probing.note_raise(self.now);
                self.set_rate(measured);
            }
            Some(ProbeResult::Filled(measured)) => {
                self.control
                    .measured_capacity(measured.max(rate.scaled(PROBE_LOWERS)));
                let low = measured < rate.scaled(PROBE_LOWERS);
                let doubted = std::mem::replace(&mut self.low_probe_lowers, low);
                if measured > rate {
                    // After raises that did not hold, half of the way.
                    let careful =
                        (measured - rate).scaled(if self.probing.is_doubted() { 0.5 } else { 1.0 });
                    self.probing.note_raise(self.now);
                    self.set_rate(rate + careful);
                } else if low && doubted {
                    // What has been arriving is more than a guess.
                    let arriving = self.acknowledged.rate().unwrap_or_default();
                    self.set_rate(measured.max(arriving.min(rate)));
                }
            }
            _ => {}
        }
    }

    /// Orders a probe if there is a reason, the queue is short and nothing else is being tried.
    fn consider_probe(&mut self) {
        let clear = self.queue.is_short() && self.trendline.usage() == Usage::Normal;
        let calm = (clear || self.queue.is_foreign(self.now)) && !self.loss.is_asking();
        if calm {
            let aim = self.aim();
            self.probing.consider(self.now, &aim);
        } else {
            self.probing.withhold();
        }
    }

    fn aim(&self) -> Aim {
        // As the only estimate, REMB is what a probe is to raise; beside others it is a wish of the receiver.
        let remb = self.reports.remb().filter(|_| self.has_feedback());
        let remb = remb.unwrap_or(Bitrate::MAX);
        let ceiling = self.loss.ceiling().unwrap_or(Bitrate::MAX);
        Aim {
            estimate: self.control.rate(),
            wanted: self.demand.wanted,
            next_step: self.demand.next_step,
            max: self.config.max.min(ceiling).min(remb),
            blind: !self.has_feedback() && self.reports.remb().is_some(),
        }
    }

    fn silence_ends(&self) -> Option<Instant> {
        let since = self.epoch + Duration::from_micros(self.unanswered_since?);
        let round_trip = self.round_trip.unwrap_or(LONGEST_ROUND_TRIP);
        Some(since + SILENCE + round_trip)
    }
}

#[cfg(test)]
mod tests;
