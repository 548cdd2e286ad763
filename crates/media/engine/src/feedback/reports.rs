//! RTCP that the engine sends: reports, NACK, key frame requests, transport-wide feedback.

use std::time::{Duration, Instant};

use plenum_params::{stats::StreamStats, trace::TraceInfo};
use plenum_rtp::{
    NtpTime,
    ntp::compact_to_duration,
    rtcp::{FirEntry, ReportBlock, RtcpWriter, SenderInfo, TwccHead},
};

use super::{DEFAULT_ROUND_TRIP, MAX_NACKS, TRUNK_ROUND_TRIP, key_frame_request};
use crate::{
    batch::ControlQueue,
    consumer::{Consumer, ticks},
    engine::Engine,
    key_frame_requests::KeyFrameAction,
    producer::{Producer, ProducerStream},
    receive::MAX_CONTROL_DATAGRAM,
    transport::Transport,
};

/// Room left in a control datagram for the SRTCP index and tag.
const SRTCP_OVERHEAD: usize = 24;

/// Report blocks of one packet, by its 5-bit count.
pub(super) const MAX_REPORT_BLOCKS: usize = 31;

impl Engine {
    /// Sends NACKs and key frame requests that are due to this transport's sender.
    pub(super) fn send_requests(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let mut lost = std::mem::take(&mut self.nack_scratch);
        let round_trip = transport
            .trunk
            .as_ref()
            .map_or(DEFAULT_ROUND_TRIP, |_| TRUNK_ROUND_TRIP);
        let mut index = 0;
        while let Some(&producer_key) = transport.asking.get(index) {
            index += 1;
            let Some(producer) = self.producers.get_mut(producer_key) else {
                continue;
            };
            producer.is_asking = false;
            let feedback = producer
                .parameters
                .codecs
                .first()
                .map(|codec| codec.feedback)
                .unwrap_or_default();
            let (paused, traced_as) = (producer.paused, producer.traced_as());
            let mut trace = |info: TraceInfo| {
                if !traced_as.1.is_empty() {
                    self.traces.add(now, traced_as, true, info);
                }
            };
            for stream in &mut producer.streams {
                let Some(ssrc) = stream.ssrc else { continue };
                lost.clear();
                if stream.nacks.poll_nacks(now, round_trip, &mut lost) {
                    stream.gop.handle_loss();
                    stream.key_frames.request(now);
                }
                if !lost.is_empty() {
                    stream.counters.nacks += 1;
                    self.counters.media.nacks_sent += 1;
                    stream.counters.nacked_packets += lost.len() as u64;
                    let packets = lost.len() as u16;
                    trace(TraceInfo::Nack { ssrc, packets });
                    let local = transport.local_ssrc;
                    send_rtcp(&mut self.control, transport, now, |writer| {
                        writer
                            .nack(local, ssrc, lost.iter().copied().take(MAX_NACKS))
                            .is_ok()
                    });
                }
                producer.is_asking |= stream.nacks.poll_timeout().is_some();
                if paused || stream.last_packet.is_none() {
                    producer.is_asking |= stream.key_frames.is_wanted();
                    continue;
                }
                let action = stream.key_frames.poll(now);
                producer.is_asking |= stream.key_frames.is_wanted();
                if action == KeyFrameAction::Send {
                    self.counters.media.key_frame_requests_sent += 1;
                    let local = transport.local_ssrc;
                    if feedback.pli || !feedback.fir {
                        stream.counters.plis += 1;
                        trace(key_frame_request(ssrc, false));
                        send_rtcp(&mut self.control, transport, now, |writer| {
                            writer.pli(local, ssrc).is_ok()
                        });
                    } else {
                        stream.counters.firs += 1;
                        trace(key_frame_request(ssrc, true));
                        let entry = FirEntry {
                            ssrc,
                            sequence_number: stream.counters.firs as u8,
                        };
                        send_rtcp(&mut self.control, transport, now, |writer| {
                            writer.fir(local, [entry]).is_ok()
                        });
                    }
                }
            }
            if !producer.is_asking {
                index -= 1;
                transport.asking.swap_remove(index);
            }
        }
        lost.clear();
        self.nack_scratch = lost;
    }

    /// Sends transport-wide feedback that is due.
    pub(super) fn send_twcc_feedback(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let (local, media) = (transport.local_ssrc, transport.twcc_media_ssrc);
        // Taken out for the moment, so that the packet can be built while the transport is borrowed.
        let mut receiver = std::mem::take(&mut transport.twcc_receiver);
        while let Some(feedback) = receiver.poll_feedback(now) {
            let mut head = TwccHead {
                sender_ssrc: local,
                media_ssrc: media,
                base_sequence_number: feedback.base_sequence,
                feedback_count: transport.twcc_feedback_count,
            };
            let mut arrivals = feedback.arrivals;
            // More than one packet only when arrivals are far apart or the datagram is full.
            while !arrivals.is_empty() {
                let mut reported = 0;
                send_rtcp(&mut self.control, transport, now, |writer| {
                    reported = writer
                        .transport_feedback(head, arrivals.iter().copied())
                        .unwrap_or(0);
                    reported > 0
                });
                if reported == 0 {
                    break;
                }
                let missing = arrivals
                    .iter()
                    .skip(usize::from(reported))
                    .take_while(|arrival| arrival.is_none())
                    .count();
                let step = usize::from(reported) + missing;
                arrivals = arrivals.get(step..).unwrap_or_default();
                head.base_sequence_number = head.base_sequence_number.wrapping_add(step as u16);
                head.feedback_count = head.feedback_count.wrapping_add(1);
            }
            transport.twcc_feedback_count = head.feedback_count;
        }
        transport.twcc_receiver = receiver;
    }

    /// Sends receiver reports about what this transport's peer sends, and sender reports about what it is sent.
    pub(super) fn send_reports(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let mut blocks = [ReportBlock::default(); MAX_REPORT_BLOCKS];
        let (mut count, mut lost, mut expected) = (0, 0, 0);
        for &producer in &transport.producers {
            let Some(producer) = self.producers.get_mut(producer) else {
                continue;
            };
            for stream in producer
                .streams
                .iter_mut()
                .filter(|stream| stream.last_packet.is_some())
            {
                let (Some(ssrc), Some(block)) = (stream.ssrc, blocks.get_mut(count)) else {
                    continue;
                };
                *block = report_block(now, ssrc, stream);
                self.counters.media.lost_received += stream.reception.lost_lately();
                lost += stream.reception.lost_lately();
                expected += stream.reception.expected_lately();
                count += 1;
            }
        }
        if let Some(share) = (lost * 10_000).checked_div(expected) {
            transport.loss_received = Some(share.min(10_000) as u16);
        }
        let (local, limit) = (transport.local_ssrc, transport.max_incoming_bitrate);
        if count > 0 {
            let reported = blocks.iter().take(count);
            send_rtcp(&mut self.control, transport, now, |writer| {
                let mut ssrcs = [0; MAX_REPORT_BLOCKS];
                for (ssrc, block) in ssrcs.iter_mut().zip(reported.clone()) {
                    *ssrc = block.ssrc;
                }
                writer.receiver_report(local, reported.copied()).is_ok()
                    && limit.is_none_or(|limit| {
                        writer
                            .remb(local, u64::from(limit), &ssrcs[..count])
                            .is_ok()
                    })
            });
        }
        for index in 0..transport.consumers.len() {
            let Some(consumer) = transport
                .consumers
                .get(index)
                .and_then(|&key| self.consumers.get_mut(key))
            else {
                continue;
            };
            let Some(producer) = self.producers.get(consumer.producer) else {
                continue;
            };
            let Some(info) = sender_info(now, consumer, producer) else {
                continue;
            };
            consumer.sent_reports.rotate_right(1);
            consumer.sent_reports[0] = Some((info.ntp.compact(), now));
            let (ssrc, cname) = (consumer.parameters.ssrc, &consumer.parameters.cname);
            send_rtcp(&mut self.control, transport, now, |writer| {
                writer.sender_report(info, []).is_ok() && writer.sdes_cname(ssrc, cname).is_ok()
            });
        }
    }
}

/// What a receiver report says of a stream.
pub(super) fn report_block(now: Instant, ssrc: u32, stream: &mut ProducerStream) -> ReportBlock {
    let report = stream.reception.report(now);
    ReportBlock {
        ssrc,
        fraction_lost: report.fraction_lost,
        cumulative_lost: report.cumulative_lost,
        highest_sequence_number: report.highest_sequence,
        jitter: report.jitter,
        last_sr: report.last_sr,
        delay_since_last_sr: report.delay_since_last_sr,
    }
}

/// What a sender report says of a consumer: the producer's own clock pair moved to now, so that sound and picture of one
/// peer stay in step however long they travelled. `None` until the producer has reported.
pub(super) fn sender_info(
    now: Instant,
    consumer: &Consumer,
    producer: &Producer,
) -> Option<SenderInfo> {
    let epoch = consumer.current_epoch()?;
    consumer.last_sent()?;
    let stream = producer.streams.get(usize::from(epoch.stream))?;
    let clock_rate = consumer.parameters.codecs.first()?.clock_rate;
    let (ntp, rtp_timestamp, at) = stream.sender_report?;
    let elapsed = now.saturating_duration_since(at);
    let ticks = ticks(elapsed, clock_rate);
    let ntp = NtpTime::from_u64(
        ntp.wrapping_add(NtpTime::from_unix(elapsed).as_u64())
            .wrapping_sub(NtpTime::from_unix(Duration::ZERO).as_u64()),
    );
    Some(SenderInfo {
        ssrc: consumer.parameters.ssrc,
        ntp,
        rtp_timestamp: rtp_timestamp
            .wrapping_add(epoch.timestamp_offset)
            .wrapping_add(ticks),
        packet_count: consumer.counters.packets as u32,
        octet_count: consumer.counters.bytes as u32,
    })
}

/// Builds, protects and queues one compound packet.
pub(crate) fn send_rtcp(
    control: &mut ControlQueue,
    transport: &mut Transport,
    now: Instant,
    build: impl FnOnce(&mut RtcpWriter<'_>) -> bool,
) {
    let path = transport.rtcp_path();
    let Transport {
        srtp: Some(session),
        sent,
        ..
    } = transport
    else {
        return;
    };
    let Some((socket, to)) = path else {
        return;
    };
    let len = control.push_with(socket, to, MAX_CONTROL_DATAGRAM, |out| {
        let plain_room = out.len() - SRTCP_OVERHEAD;
        let mut writer = RtcpWriter::new(&mut out[..plain_room]);
        if !build(&mut writer) {
            return 0;
        }
        let plain = writer.len();
        if plain == 0 {
            0
        } else {
            session.sealer.seal_rtcp(out, plain).unwrap_or(0)
        }
    });
    sent.count_other(now, len);
}

impl Consumer {
    /// Takes what the receiver reports of this stream.
    pub(super) fn handle_report_block(&mut self, now: Instant, block: &ReportBlock) {
        self.report.lost = u32::try_from(block.cumulative_lost).unwrap_or(0);
        self.report.fraction_lost = block.fraction_lost;
        self.report.jitter = block.jitter;
        // RFC 3550 §6.4.1: DLSR counts in 1/65536 s from the arrival of the report that LSR names.
        let mut sent_reports = self.sent_reports.iter().flatten();
        // Some receivers keep NTP time in other units and come back one off in the last place.
        let is_named = |compact: u32| compact.wrapping_sub(block.last_sr).wrapping_add(1) <= 2;
        let named = sent_reports.find(|(compact, _)| is_named(*compact));
        let held = compact_to_duration(block.delay_since_last_sr);
        // Rounding of DLSR may make it a hair longer than the whole.
        let round_trip =
            named.map(|(_, sent)| now.saturating_duration_since(*sent).saturating_sub(held));
        self.report.round_trip = round_trip.or(self.report.round_trip);
    }

    /// Counters of the sent stream.
    pub(crate) fn stats(&self, now: Instant) -> StreamStats {
        let counters = &self.counters;
        StreamStats {
            ssrc: self.parameters.ssrc,
            rtx_ssrc: self.parameters.rtx_ssrc,
            rid: None,
            kind: Some(self.parameters.kind),
            mime_type: self
                .parameters
                .codecs
                .first()
                .map(|codec| codec.mime_type.clone())
                .unwrap_or_default(),
            packets_lost: u64::from(self.report.lost),
            fraction_lost: self.report.fraction_lost,
            jitter: self.report.jitter,
            packets_discarded: 0,
            rtx_packets_discarded: None,
            packets_retransmitted: counters.retransmitted,
            packets_repaired: counters.retransmitted,
            nack_count: counters.nacks,
            nack_packet_count: counters.nacked_packets,
            pli_count: counters.plis,
            fir_count: counters.firs,
            round_trip_time_ms: self
                .report
                .round_trip
                .map(|round_trip| round_trip.as_secs_f32() * 1000.0),
            score: self.score.score,
            packet_count: counters.packets,
            byte_count: counters.bytes,
            bitrate: self.rate.bitrate(now),
            bitrate_by_layer: Vec::new(),
        }
    }
}
