//! What is known of the path to one receiver, and what follows from it for the transport.

use std::time::{Duration, Instant};

use plenum_bwe::{ArrivalTime, BandwidthEstimator, Bitrate, EstimatorConfig};
use plenum_params::transport::{OutgoingLimits, WebRtcTransportOptions};

use plenum_prefetch::prefetch;

use crate::{consumer::Consumer, engine::Engine, pacer::Pacer};

mod allocation;
mod probing;

pub(crate) use allocation::{Allocation, Division};
pub(crate) use probing::Probing;

/// A receiver that answers nothing to numbered packets for this long does not report arrivals, whatever was agreed on:
/// feedback comes every 50 to 250 ms (libwebrtc), and it may be lost a few times.
const SILENCE: Duration = Duration::from_secs(2);

/// Congestion control towards one receiver.
#[derive(Debug)]
pub(crate) struct Congestion {
    /// Made with the first consumer whose receiver says anything about the path.
    estimator: Option<Box<BandwidthEstimator>>,
    config: EstimatorConfig,
    limits: OutgoingLimits,
    /// Some consumer's packets are numbered for the whole transport.
    is_numbered: bool,
    /// The first numbered packet.
    numbered_since: Option<Instant>,
    /// The receiver has said something about the path.
    is_heard: bool,
    /// What would be sent if there were room.
    wanted: Bitrate,
    /// Estimate that is in force for the pacer, and what was granted then if that is more.
    paced: Option<(Bitrate, Bitrate)>,
    /// What pictures take that were chosen however little the path is said to carry: paced by less, they would pile up.
    granted: Bitrate,
    pub(crate) probing: Probing,
    pub(crate) allocation: Allocation,
}

impl Congestion {
    pub(crate) fn new(options: &WebRtcTransportOptions) -> Self {
        let default = EstimatorConfig::default();
        let limits = OutgoingLimits {
            min: options.min_outgoing_bitrate,
            max: options.max_outgoing_bitrate,
        };
        let (min, max) = bounds(limits);
        let initial = options
            .initial_outgoing_bitrate
            .map_or(default.initial, |initial| Bitrate::from_bps(initial.into()));
        Self {
            estimator: None,
            config: EstimatorConfig {
                initial: initial.max(min).min(max),
                min,
                max,
            },
            limits,
            is_numbered: false,
            numbered_since: None,
            is_heard: false,
            wanted: Bitrate::ZERO,
            paced: None,
            granted: Bitrate::ZERO,
            probing: Probing::default(),
            allocation: Allocation::default(),
        }
    }

    /// A consumer was added: its receiver may have something to say about the path.
    pub(crate) fn add_consumer(&mut self, now: Instant, consumer: &Consumer) {
        let is_numbered = consumer.template.is_sequenced();
        let has_remb = |codec: &plenum_params::media::SendCodec| codec.feedback.remb;
        if is_numbered || consumer.parameters.codecs.iter().any(has_remb) {
            self.is_numbered |= is_numbered;
            let config = self.config;
            self.estimator
                .get_or_insert_with(|| Box::new(BandwidthEstimator::new(config, now)));
        }
    }

    /// Changes the bounds of the estimate.
    pub(crate) fn set_limits(&mut self, now: Instant, limits: OutgoingLimits) {
        self.limits = limits;
        (self.config.min, self.config.max) = bounds(limits);
        if let Some(estimator) = &mut self.estimator {
            estimator.set_limits(now, self.config.min, self.config.max);
        }
    }

    /// Whether the receiver reports arrivals by transport-wide numbers.
    pub(crate) fn is_numbered(&self) -> bool {
        self.is_numbered
    }

    /// The bounds that were asked for.
    pub(crate) fn limits(&self) -> OutgoingLimits {
        self.limits
    }

    /// Media goes another way from now on, of which nothing is known.
    pub(crate) fn handle_new_path(&mut self, now: Instant) {
        if let Some(estimator) = &mut self.estimator {
            **estimator = BandwidthEstimator::new(self.config, now);
            self.probing.abandon();
            (self.is_heard, self.numbered_since) = (false, None);
            self.allocation.request(now);
        }
    }

    /// Asks for what most packets need, without the estimator: see [`prefetching`](crate::prefetching).
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(&self.numbered_since);
        prefetch(&self.is_heard);
        prefetch(&self.paced);
        prefetch(&self.probing);
        prefetch(&self.allocation.due);
    }

    /// The estimator, once where it lies is known.
    #[inline]
    pub(crate) fn estimator(&self) -> Option<&BandwidthEstimator> {
        self.estimator.as_deref()
    }

    /// A numbered packet leaves.
    #[inline]
    pub(crate) fn handle_sent(&mut self, now: Instant, sequence: u16, size: usize) {
        if let Some(estimator) = &mut self.estimator {
            self.numbered_since.get_or_insert(now);
            let probe = self.probing.count(size);
            estimator.handle_sent(now, sequence, size, probe);
        }
    }

    /// Transport-wide feedback of the receiver.
    pub(crate) fn handle_feedback(
        &mut self,
        now: Instant,
        arrivals: impl Iterator<Item = (u16, Option<i64>)>,
    ) {
        if let Some(estimator) = &mut self.estimator {
            self.is_heard = true;
            let arrivals =
                arrivals.map(|(sequence, micros)| (sequence, micros.map(ArrivalTime::from_micros)));
            estimator.handle_feedback(now, arrivals);
        }
    }

    /// The receiver's own estimate.
    pub(crate) fn handle_remb(&mut self, now: Instant, bitrate: u64) {
        if let Some(estimator) = &mut self.estimator {
            self.is_heard = true;
            estimator.handle_remb(now, Bitrate::from_bps(bitrate));
        }
    }

    /// A receiver report on one of the streams.
    pub(crate) fn handle_report(
        &mut self,
        now: Instant,
        fraction_lost: u8,
        round_trip: Option<Duration>,
    ) {
        if let Some(estimator) = &mut self.estimator {
            estimator.handle_report(now, fraction_lost, round_trip);
        }
    }

    /// Does what is due: the estimator's timer and the next probe.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let Some(estimator) = &mut self.estimator else {
            return;
        };
        if estimator.poll_timeout().is_some_and(|due| due <= now) {
            estimator.handle_timeout(now);
        }
    }

    /// Begins the next probe, if there is one and packets can be numbered for it; `true` when one is under way.
    pub(crate) fn poll_probe(&mut self, now: Instant) -> bool {
        if let Some(estimator) = &mut self.estimator
            && self.is_numbered
            && !self.probing.is_active()
            && let Some(probe) = estimator.poll_probe(now)
        {
            self.probing.start(now, probe);
        }
        self.probing.is_active()
    }

    /// Tells the estimator what would be sent if there were room.
    pub(crate) fn set_demand(&mut self, now: Instant, demand: plenum_bwe::Demand) {
        self.wanted = demand.wanted;
        if let Some(estimator) = &mut self.estimator {
            estimator.set_demand(now, demand);
        }
    }

    /// What would be sent if there were room.
    pub(crate) fn wanted(&self) -> Bitrate {
        self.wanted
    }

    /// What may be granted at most.
    pub(crate) fn max(&self) -> Bitrate {
        self.config.max
    }

    /// Pictures that take so much were chosen whatever the path is said to carry.
    pub(crate) fn set_granted(&mut self, granted: Bitrate) {
        self.granted = granted.min(self.config.max);
    }

    /// What the path carries; `None`: nobody knows.
    pub(crate) fn estimate(&self, now: Instant) -> Option<Bitrate> {
        let estimator = self.estimator.as_ref()?;
        let is_silent = self
            .numbered_since
            .is_some_and(|since| now.saturating_duration_since(since) > SILENCE);
        let is_told = self.is_heard || self.is_numbered && !is_silent;
        is_told.then(|| estimator.estimate())
    }

    /// Whether the path can take more now.
    #[inline]
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        self.room(now) > 0
    }

    /// How many bytes the path can take now. The last packet may be larger than what is left.
    #[inline]
    pub(crate) fn room(&self, now: Instant) -> u64 {
        let estimator = self.estimator.as_ref();
        estimator.map_or(u64::MAX, |estimator| estimator.room(now))
    }

    /// Hands the estimate on: to the pacer at once, to the allocation when it is urgent or its time has come.
    /// `true` when it changed.
    pub(crate) fn apply(&mut self, now: Instant, pacer: &mut Pacer) -> bool {
        let estimate = self.estimate(now);
        let paced = estimate.map(|estimate| (estimate, self.granted.max(estimate)));
        let is_changed = self.paced.map(|(estimate, _)| estimate) != estimate;
        if self.paced != paced {
            self.paced = paced;
            pacer.set_estimate(now, estimate.map(Bitrate::bps), self.granted.bps());
        }
        self.allocation.handle_estimate(now, estimate);
        is_changed
    }

    /// The earliest deadline of the estimator, the probe and the allocation.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let estimator = self.estimator.as_ref();
        let deadlines = [
            estimator.and_then(|estimator| estimator.poll_timeout()),
            self.probing.poll_timeout(),
            self.allocation.due,
        ];
        deadlines.into_iter().flatten().min()
    }

    /// What the estimator thinks, for statistics.
    pub(crate) fn state(&self) -> Option<plenum_bwe::EstimatorState> {
        let estimator = self.estimator.as_ref();
        estimator.filter(|_| self.is_heard).map(|it| it.state())
    }
}

/// A minimum above the maximum counts as the maximum.
fn bounds(limits: OutgoingLimits) -> (Bitrate, Bitrate) {
    let default = EstimatorConfig::default();
    let rate = |limit: Option<u32>| limit.map(|limit| Bitrate::from_bps(limit.into()));
    let max = rate(limits.max).unwrap_or(default.max);
    (rate(limits.min).unwrap_or(default.min).min(max), max)
}

impl Engine {
    /// Acts on what was learnt of the path: probes, pacing, division of the bandwidth.
    pub(crate) fn follow_estimate(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let congestion = &mut transport.congestion;
        congestion.probing.finish(now);
        if congestion.poll_probe(now) {
            self.fan_out.enqueue(key);
        }
        let congestion = &mut transport.congestion;
        let is_changed = congestion.apply(now, &mut transport.pacer);
        if let Some(due) = congestion.poll_timeout() {
            // What is due was just done, or is done when what waits is sent.
            let soonest = now + Duration::from_millis(1);
            self.timers.schedule(key, due.max(soonest));
        }
        if is_changed && !transport.trace.is_empty() {
            self.trace_estimate(now, key);
        }
    }

    /// Divides the bandwidth of a transport soon: its consumers changed, or what they can be sent.
    pub(crate) fn request_allocation(&mut self, now: Instant, key: usize) {
        if let Some(transport) = self.transports.get_mut(key) {
            transport.congestion.allocation.request(now);
            self.timers.schedule(key, now);
        }
    }

    /// Does what is due on a transport by its estimator, its pacer and its division of bandwidth.
    pub(crate) fn handle_congestion_timeout(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if transport.pacer.len() > 0 {
            self.fan_out.enqueue(key);
        }
        transport.congestion.handle_timeout(now);
        let is_due = transport
            .congestion
            .allocation
            .due
            .is_some_and(|due| due <= now);
        if is_due {
            self.divide_bandwidth(now, key);
        } else {
            self.follow_estimate(now, key);
        }
    }
}
