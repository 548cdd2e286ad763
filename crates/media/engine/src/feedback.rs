//! RTCP in both directions and everything else that a transport does by the clock.

use std::time::{Duration, Instant};

use plenum_ice::IceLite;
use plenum_params::{
    event::{ConsumerScore, Event},
    media::MediaKind,
    trace::TraceInfo,
    transport::DtlsState,
};
use plenum_rtp::rtcp::{RtcpPacket, RtcpPackets};

use crate::{engine::Engine, fan_out::pacing::key_frame_waits, producer::Producer};

mod reports;
mod trunk_turns;

pub(crate) use reports::send_rtcp;

/// Sender and receiver reports: RFC 3550 §6.2 allows less than 5 s on fast links; browsers use 1 s for video.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Assumed round trip to a sender until one is measured; spaces repeated NACKs.
const DEFAULT_ROUND_TRIP: Duration = Duration::from_millis(100);

/// The same on a trunk: workers of one site are nearer to each other than clients, and the other end lets a second request
/// within its measured round trip pass unheard.
const TRUNK_ROUND_TRIP: Duration = Duration::from_millis(30);

/// Lost packets that one compound packet can name.
const MAX_NACKS: usize = 200;

impl Engine {
    /// The handshake is through: media may flow both ways.
    pub(crate) fn handle_connected(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        transport.next_report = now + REPORT_INTERVAL;
        self.timers.schedule(key, transport.next_report);
        self.start_association(now, key);
        let Some(transport) = self.transports.get(key) else {
            return;
        };
        for consumer in transport.consumers.clone() {
            self.request_key_frame_for(now, consumer);
        }
        if self
            .transports
            .get(key)
            .is_some_and(|transport| !transport.asking.is_empty())
        {
            self.timers.schedule(key, now);
        }
    }

    /// A stream of a producer shows up for the first time.
    pub(crate) fn handle_first_packet(&mut self, now: Instant, producer_key: usize, stream: u8) {
        let Some(producer) = self.producers.get_mut(producer_key) else {
            return;
        };
        let mut is_awaited = false;
        let score = producer.origin_score(stream.into()).unwrap_or(10);
        if let Some(stream) = producer.streams.get_mut(usize::from(stream)) {
            stream.score = score;
            is_awaited = stream.key_frames.is_wanted();
        }
        if !producer.is_piped {
            let event = Event::ProducerScore {
                producer: producer.id,
                scores: producer.scores(),
            };
            self.events.push_back(event);
        }
        self.update_live(now, producer_key);
        self.update_consumer_scores(producer_key);
        if is_awaited {
            // Nobody could be asked before.
            self.note_asking(now, producer_key);
        }
    }

    /// Finds out which layers of a producer arrive, and what that means for its consumers.
    pub(crate) fn update_live(&mut self, now: Instant, producer_key: usize) {
        let Some(producer) = self.producers.get_mut(producer_key) else {
            return;
        };
        if !producer.update_live(now) {
            return;
        }
        let consumers = std::mem::take(&mut producer.consumers);
        for &consumer_key in &consumers {
            self.retarget(now, consumer_key);
        }
        if let Some(producer) = self.producers.get_mut(producer_key) {
            producer.consumers = consumers;
        }
    }

    pub(crate) fn update_consumer_scores(&mut self, producer_key: usize) {
        let Some(producer) = self.producers.get(producer_key) else {
            return;
        };
        for &consumer_key in &producer.consumers {
            let Some(consumer) = self.consumers.get_mut(consumer_key) else {
                continue;
            };
            if consumer.is_pinned() {
                // Nobody watches there; who does behind it has a score of its own.
                continue;
            }
            let score = consumer_score(
                producer,
                consumer.report.fraction_lost,
                consumer.current_stream(),
            );
            if consumer.score != score {
                consumer.score = score.clone();
                self.events.push_back(Event::ConsumerScore {
                    consumer: consumer.id,
                    score,
                });
            }
        }
    }

    /// Takes a protected RTCP compound packet.
    pub(crate) fn handle_srtcp(&mut self, now: Instant, key: usize, data: &mut [u8]) -> Option<()> {
        let transport = self.transports.get_mut(key)?;
        transport.received.count_other(now, data.len());
        let len = transport.srtp.as_mut()?.opener.open_rtcp(data).ok()?;
        for packet in RtcpPackets::new(data.get(..len)?) {
            self.handle_rtcp(now, key, &packet.ok()?);
        }
        Some(())
    }

    fn handle_rtcp(&mut self, now: Instant, key: usize, packet: &RtcpPacket<'_>) {
        match packet {
            RtcpPacket::SenderReport(report) => {
                if let Some(stream) = self.producer_stream(key, report.ssrc) {
                    stream
                        .reception
                        .handle_sender_report(now, report.ntp.compact());
                    stream.sender_report = Some((report.ntp.as_u64(), report.rtp_timestamp, now));
                }
                self.trace_sender_report(now, key, report);
                for block in report.reports() {
                    self.handle_report_block(now, key, &block);
                }
            }
            RtcpPacket::ReceiverReport(report) => {
                for block in report.reports() {
                    self.handle_report_block(now, key, &block);
                }
            }
            RtcpPacket::Nack(nack) => self.handle_nack(now, key, nack.media_ssrc, nack.lost()),
            RtcpPacket::Pli(pli) => self.handle_key_frame_request(now, key, pli.media_ssrc, false),
            RtcpPacket::Fir(fir) => {
                for entry in fir.entries() {
                    self.handle_key_frame_request(now, key, entry.ssrc, true);
                }
            }
            RtcpPacket::Remb(remb) => {
                if let Some(transport) = self.transports.get_mut(key) {
                    transport.remb = Some(u32::try_from(remb.bitrate).unwrap_or(u32::MAX));
                    transport.congestion.handle_remb(now, remb.bitrate);
                    self.follow_estimate(now, key);
                }
            }
            RtcpPacket::Unknown(packet) => self.handle_trunk_data(now, key, packet),
            RtcpPacket::TransportFeedback(feedback) => {
                if let Some(transport) = self.transports.get_mut(key) {
                    transport
                        .congestion
                        .handle_feedback(now, feedback.arrivals());
                    self.follow_estimate(now, key);
                }
            }
            _ => {}
        }
    }

    /// The producer stream behind an SSRC of this transport's sender.
    fn producer_stream(
        &mut self,
        key: usize,
        ssrc: u32,
    ) -> Option<&mut crate::producer::ProducerStream> {
        let target = self.transports.get_mut(key)?.receive.find(ssrc)?.target;
        if target.retransmission {
            return None;
        }
        self.producers
            .get_mut(target.producer)?
            .streams
            .get_mut(usize::from(target.stream))
    }

    /// The consumer that sends `ssrc` on this transport.
    fn consumer_by_ssrc(&self, key: usize, ssrc: u32) -> Option<usize> {
        let transport = self.transports.get(key)?;
        if let Some(trunk) = &transport.trunk {
            return trunk.senders.get(&ssrc).copied();
        }
        let consumers = &transport.consumers;
        let is_it = |&&consumer: &&usize| {
            self.consumers
                .get(consumer)
                .is_some_and(|consumer| consumer.parameters.ssrc == ssrc)
        };
        consumers.iter().find(is_it).copied()
    }

    fn handle_report_block(
        &mut self,
        now: Instant,
        key: usize,
        block: &plenum_rtp::rtcp::ReportBlock,
    ) {
        let Some(consumer_key) = self.consumer_by_ssrc(key, block.ssrc) else {
            return;
        };
        let Some(consumer) = self.consumers.get_mut(consumer_key) else {
            return;
        };
        let lost = consumer.report.lost;
        consumer.handle_report_block(now, block);
        let lost = consumer.report.lost.saturating_sub(lost);
        self.counters.media.lost_sent += u64::from(lost);
        if consumer.is_pinned() {
            return;
        }
        let (producer, round_trip) = (consumer.producer, consumer.report.round_trip);
        let streams = self.producers.get(producer).map(|it| it.streams.as_slice());
        let mut streams = streams.unwrap_or_default().iter();
        let is_lossy = streams.any(|stream| stream.reception.fraction_lost() > 0);
        consumer.review_redundancy(now, is_lossy);
        if let Some(transport) = self.transports.get_mut(key) {
            let congestion = &mut transport.congestion;
            congestion.handle_report(now, block.fraction_lost, round_trip);
        }
        self.update_consumer_scores(producer);
    }

    fn handle_nack(
        &mut self,
        now: Instant,
        key: usize,
        ssrc: u32,
        lost: impl Iterator<Item = u16>,
    ) {
        let Some(consumer_key) = self.consumer_by_ssrc(key, ssrc) else {
            return;
        };
        let Some(consumer) = self.consumers.get_mut(consumer_key) else {
            return;
        };
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let is_idle = transport.pacer.len() == 0 && transport.congestion.has_room(now);
        let nacked_before = consumer.counters.nacked_packets;
        consumer.counters.nacks += 1;
        self.counters.media.nacks_received += 1;
        for sequence_number in lost {
            consumer.counters.nacked_packets += 1;
            let lost = consumer.lost_packet(now, sequence_number);
            let lost = lost.filter(|(out, _)| !transport.pacer.is_abandoned(consumer_key, *out));
            // While pictures wait, those of the stream before this one are not worth it: its key frame is on its way.
            let begins = consumer
                .current_epoch()
                .map_or(0, |epoch| epoch.first_out());
            let lost = lost.filter(|(out, _)| *out >= begins || is_idle);
            if let Some((out, _)) = lost {
                transport.retransmissions.push((consumer_key, out));
            }
        }
        if !consumer.trace.is_empty() {
            let packets = (consumer.counters.nacked_packets - nacked_before) as u16;
            let info = TraceInfo::Nack { ssrc, packets };
            self.traces.add(now, consumer.traced_as(), false, info);
        }
        if !transport.retransmissions.is_empty() {
            self.fan_out.enqueue(key);
        }
    }

    fn handle_key_frame_request(&mut self, now: Instant, key: usize, ssrc: u32, fir: bool) {
        let Some(consumer_key) = self.consumer_by_ssrc(key, ssrc) else {
            return;
        };
        if let Some(consumer) = self.consumers.get_mut(consumer_key) {
            consumer.counters.plis += u64::from(!fir);
            consumer.counters.firs += u64::from(fir);
            self.counters.media.key_frame_requests_received += 1;
            if !consumer.trace.is_empty() {
                let info = key_frame_request(ssrc, fir);
                self.traces.add(now, consumer.traced_as(), false, info);
            }
        }
        if !self.has_key_frame_on_its_way(now, key, consumer_key) {
            self.request_key_frame_for(now, consumer_key);
        }
    }

    /// Whether the receiver asks for a key frame before it can have got the last one, with what was lost of it and sent
    /// again. On a narrow path each one more would only wait behind it.
    fn has_key_frame_on_its_way(&self, now: Instant, key: usize, consumer_key: usize) -> bool {
        let Some(transport) = self.transports.get(key) else {
            return false;
        };
        let Some(consumer) = self.consumers.get(consumer_key) else {
            return false;
        };
        let Some(producer) = self.producers.get(consumer.producer) else {
            return false;
        };
        let round_trip = transport
            .congestion
            .state()
            .and_then(|state| state.round_trip)
            .unwrap_or_default();
        let is_young = consumer
            .key_frame_left()
            .is_some_and(|left| now.saturating_duration_since(left) < round_trip * 2);
        consumer.current_stream().is_some()
            && (is_young
                || key_frame_waits(
                    now,
                    &transport.pacer,
                    consumer_key as u32,
                    consumer,
                    producer,
                ))
    }

    /// Everything of one transport that is due, and when it wants to be called again.
    pub(crate) fn handle_transport_timeout(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if let Some(ice) = &mut transport.ice {
            ice.handle_timeout(now);
        }
        if let Some(endpoint) = transport.dtls.as_mut().filter(|endpoint| {
            endpoint
                .poll_timeout()
                .is_some_and(|deadline| deadline <= now)
        }) {
            let failed = endpoint.handle_timeout(now).is_err();
            self.drive_dtls(now, key);
            if failed {
                self.set_dtls_state(key, DtlsState::Failed);
            }
        }
        self.handle_ice_events(now, key);
        self.handle_data_timeout(now, key);
        self.handle_congestion_timeout(now, key);
        let Some(transport) = self.transports.get(key) else {
            return;
        };
        if transport.srtp.is_some() && transport.path.is_some() {
            self.send_requests(now, key);
            self.send_twcc_feedback(now, key);
            if self
                .transports
                .get(key)
                .is_some_and(|transport| transport.next_report <= now)
            {
                self.handle_report_interval(now, key);
            }
        }
        self.schedule_transport(now, key);
    }

    fn handle_report_interval(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get(key) else {
            return;
        };
        if transport.trunk.is_some() {
            return self.handle_trunk_turn(now, key);
        }
        self.send_reports(now, key);
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        transport.next_report = now + REPORT_INTERVAL;
        transport.report_count = transport.report_count.wrapping_add(1);
        for producer_key in transport.producers.clone() {
            self.review_producer(now, producer_key);
        }
    }

    /// Finds out once a second what arrives of a producer, how well, and who wants it.
    fn review_producer(&mut self, now: Instant, key: usize) {
        self.update_live(now, key);
        self.settle_demand(now, key);
        let Some(producer) = self.producers.get_mut(key) else {
            return;
        };
        if !producer.update_scores(now) {
            return;
        }
        if !producer.is_piped {
            let event = Event::ProducerScore {
                producer: producer.id,
                scores: producer.scores(),
            };
            self.events.push_back(event);
        }
        self.update_consumer_scores(key);
    }

    /// There is, or will be at `due`, something to be asked of a producer's sender.
    pub(crate) fn note_asking(&mut self, due: Instant, key: usize) {
        let Some(producer) = self.producers.get_mut(key) else {
            return;
        };
        self.timers.schedule(producer.transport, due);
        if !std::mem::replace(&mut producer.is_asking, true)
            && let Some(transport) = self.transports.get_mut(producer.transport)
        {
            transport.asking.push(key);
        }
    }

    /// Enters the earliest of a transport's deadlines.
    fn schedule_transport(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get(key) else {
            return;
        };
        let mut next = transport.ice.as_ref().and_then(IceLite::poll_timeout);
        let mut consider = |deadline: Option<Instant>| {
            if let Some(deadline) = deadline {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
        };
        consider(
            transport
                .dtls
                .as_ref()
                .and_then(plenum_dtls::DtlsEndpoint::poll_timeout),
        );
        consider(transport.data.as_ref().and_then(|data| data.poll_timeout()));
        if transport.srtp.is_some() && transport.path.is_some() {
            consider(Some(transport.next_report));
            consider(transport.twcc_receiver.poll_timeout());
            consider(transport.pacer.next_release(now));
            consider(transport.congestion.poll_timeout());
            for producer in transport
                .asking
                .iter()
                .filter_map(|&producer| self.producers.get(producer))
            {
                for stream in &producer.streams {
                    consider(stream.nacks.poll_timeout());
                    // Nobody can be asked before the stream is there, or while it is paused.
                    if stream.last_packet.is_some() && !producer.paused {
                        consider(stream.key_frames.poll_timeout());
                    }
                }
            }
        }
        if let Some(deadline) = next {
            // A deadline in the past would spin; what is due was just done.
            self.timers
                .schedule(key, deadline.max(now + Duration::from_millis(1)));
        }
    }
}

/// What is traced of a request for a key frame.
const fn key_frame_request(ssrc: u32, fir: bool) -> TraceInfo {
    if fir {
        TraceInfo::Fir { ssrc }
    } else {
        TraceInfo::Pli { ssrc }
    }
}

impl Producer {
    /// Recomputes the scores of all streams from the last interval; `true` when one changed.
    fn update_scores(&mut self, now: Instant) -> bool {
        if !self.origin_scores.is_empty() {
            // They change when they are told.
            return false;
        }
        let mut changed = false;
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let Some(last) = stream.last_packet else {
                continue;
            };
            let dtx = self
                .parameters
                .encodings
                .get(index)
                .is_some_and(|encoding| encoding.dtx);
            let silent = now.saturating_duration_since(last) > 3 * REPORT_INTERVAL;
            let quiet_by_design = dtx || self.paused || self.parameters.kind == MediaKind::Audio;
            let score = if silent && !quiet_by_design {
                0
            } else {
                loss_score(stream.reception.fraction_lost())
            };
            changed |= std::mem::replace(&mut stream.score, score) != score;
        }
        changed
    }
}

/// 10 without loss, down to 1 at 50 % and more: what a viewer notices grows fast with the first per cents.
fn loss_score(fraction_lost: u8) -> u8 {
    match fraction_lost {
        0..=5 => 10,
        6..=12 => 9,
        13..=25 => 8,
        26..=38 => 7,
        39..=51 => 6,
        52..=64 => 5,
        65..=76 => 4,
        77..=102 => 3,
        103..=127 => 2,
        _ => 1,
    }
}

/// The receiver sees no better picture than the producer's stream has, nor than arrives of it.
fn consumer_score(producer: &Producer, fraction_lost: u8, stream: Option<u8>) -> ConsumerScore {
    let current = stream
        .or_else(|| producer.best_stream())
        .and_then(|stream| producer.streams.get(usize::from(stream)));
    let producer_score = current.map_or(0, |stream| stream.score);
    ConsumerScore {
        score: loss_score(fraction_lost).min(producer_score),
        producer_score,
        producer_scores: producer.streams.iter().map(|stream| stream.score).collect(),
    }
}
