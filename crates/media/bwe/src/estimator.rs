//! The estimator: what its inputs do to the estimate.

use std::time::{Duration, Instant};

use crate::{ArrivalTime, Bitrate, Demand, EstimatorConfig, EstimatorState, Probe, ProbeId, Usage};

/// Estimates what the path to one receiver carries. One per transport.
#[derive(Debug)]
pub struct BandwidthEstimator {
    config: EstimatorConfig,
    rate: Bitrate,
    remb: Option<Bitrate>,
    round_trip: Option<Duration>,
    loss: f64,
    demand: Demand,
    next_probe: ProbeId,
}

impl BandwidthEstimator {
    /// An estimator that has heard nothing yet.
    pub fn new(config: EstimatorConfig, now: Instant) -> Self {
        let _ = now;
        Self {
            config,
            rate: config.initial,
            remb: None,
            round_trip: None,
            loss: 0.0,
            demand: Demand::default(),
            next_probe: ProbeId::FIRST,
        }
    }

    /// Changes the limits of the estimate.
    pub fn set_limits(&mut self, now: Instant, min: Bitrate, max: Bitrate) {
        let _ = now;
        self.config.min = min;
        self.config.max = max;
    }

    /// Says what the consumers would use; probes aim at it.
    pub fn set_demand(&mut self, now: Instant, demand: Demand) {
        let _ = now;
        self.demand = demand;
    }

    /// A packet left with this transport-wide sequence number. `size` is the whole datagram without IP and UDP headers.
    pub fn handle_sent(
        &mut self,
        now: Instant,
        transport_sequence: u16,
        size: usize,
        probe: Option<ProbeId>,
    ) {
        let _ = (now, transport_sequence, size, probe, &mut self.rate);
    }

    /// One transport-wide feedback packet: each packet's number and its arrival, `None` when it did not arrive.
    pub fn handle_feedback(
        &mut self,
        now: Instant,
        packets: impl Iterator<Item = (u16, Option<ArrivalTime>)>,
    ) {
        let _ = now;
        let (mut lost, mut all) = (0_u32, 0_u32);
        for (_, arrival) in packets {
            all += 1;
            lost += u32::from(arrival.is_none());
        }
        if all > 0 {
            self.loss = f64::from(lost) / f64::from(all);
        }
    }

    /// The receiver's own estimate.
    pub fn handle_remb(&mut self, now: Instant, bitrate: Bitrate) {
        let _ = now;
        self.remb = Some(bitrate);
    }

    /// A receiver report: lost part since the last one in 256ths, and the round trip if it could be told.
    pub fn handle_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        let _ = now;
        self.loss = f64::from(fraction_lost) / 256.0;
        self.round_trip = round_trip.or(self.round_trip);
    }

    /// Time passed; call it when [`poll_timeout`](Self::poll_timeout) is reached.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = (now, &mut self.rate);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// A probe to send now.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        let wanted = self.demand.next_step?.min(self.config.max);
        if wanted <= self.rate {
            return None;
        }
        let id = self.next_probe;
        self.next_probe = id.next();
        self.demand.next_step = None;
        let _ = now;
        Some(Probe {
            id,
            bitrate: wanted,
            bytes: usize::try_from(wanted.bytes_in(Duration::from_millis(15)))
                .unwrap_or(usize::MAX),
            packets: 5,
        })
    }

    /// What the path carries.
    pub fn estimate(&self) -> Bitrate {
        let rate = self.remb.map_or(self.rate, |remb| remb.min(self.rate));
        rate.min(self.config.max).max(self.config.min)
    }

    /// What stands behind the estimate.
    pub fn state(&self) -> EstimatorState {
        EstimatorState {
            delay_based: self.rate,
            loss_based: None,
            remb: self.remb,
            acknowledged: None,
            application_limited: self.demand.sending < self.estimate(),
            usage: Usage::Normal,
            queue_delay: Duration::ZERO,
            round_trip: self.round_trip,
            loss: self.loss,
            inherent_loss: 0.0,
            probing: None,
        }
    }
}
