//! What a trunk does by the clock: the same as a peer's transport, for thousands of streams and therefore a share at a
//! time, so that neither reports nor the work of a second come as one burst.

use std::{ops::Range, time::Instant};

use plenum_rtp::rtcp::{ReportBlock, SenderInfo};

use super::{
    REPORT_INTERVAL,
    reports::{MAX_REPORT_BLOCKS, report_block, send_rtcp, sender_info},
};
use crate::engine::Engine;

/// Streams of a turn as long as there are few: one datagram of reports.
const STREAMS_PER_TURN: usize = 31;

/// Turns of a second at most: beyond that turns grow, and not their number.
const MAX_TURNS: usize = 50;

/// Sender reports of one datagram: 28 bytes each (RFC 3550 §6.4.1) behind an empty receiver report.
const MAX_SENDER_REPORTS: usize = 31;

impl Engine {
    /// Reports on a share of a trunk's streams and reviews its producers.
    pub(super) fn handle_trunk_turn(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let Some(trunk) = &mut transport.trunk else {
            return;
        };
        let streams = transport.producers.len() + transport.consumers.len();
        let turns = streams.div_ceil(STREAMS_PER_TURN).clamp(1, MAX_TURNS);
        trunk.turn = (trunk.turn + 1) % turns;
        let turn = trunk.turn;
        transport.next_report = now + REPORT_INTERVAL / turns as u32;
        let producers = share(&transport.producers, turn, turns).to_vec();
        let consumers = share(&transport.consumers, turn, turns).to_vec();
        self.report_received(now, key, &producers);
        self.report_sent(now, key, &consumers);
        for producer in producers {
            self.review_producer(now, producer);
        }
    }

    /// Sends receiver reports.
    fn report_received(&mut self, now: Instant, key: usize, producers: &[usize]) {
        let mut blocks: Vec<ReportBlock> = Vec::new();
        for &producer in producers {
            let Some(producer) = self.producers.get_mut(producer) else {
                continue;
            };
            for stream in &mut producer.streams {
                if let (Some(ssrc), Some(_)) = (stream.ssrc, stream.last_packet) {
                    blocks.push(report_block(now, ssrc, stream));
                }
            }
        }
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let local = transport.local_ssrc;
        for blocks in blocks.chunks(MAX_REPORT_BLOCKS) {
            send_rtcp(&mut self.control, transport, now, |writer| {
                writer
                    .receiver_report(local, blocks.iter().copied())
                    .is_ok()
            });
        }
    }

    /// Sends sender reports. All go out under one SSRC, that of the receiver report in front of them: the other end keeps
    /// replay state for each SSRC that RTCP comes from.
    fn report_sent(&mut self, now: Instant, key: usize, consumers: &[usize]) {
        let mut infos: Vec<SenderInfo> = Vec::new();
        for &consumer in consumers {
            let Some(consumer) = self.consumers.get_mut(consumer) else {
                continue;
            };
            let producer = self.producers.get(consumer.producer);
            let info = producer.and_then(|producer| sender_info(now, consumer, producer));
            if let Some(info) = info.filter(|_| !consumer.paused) {
                consumer.sent_reports.rotate_right(1);
                consumer.sent_reports[0] = Some((info.ntp.compact(), now));
                infos.push(info);
            }
        }
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let local = transport.local_ssrc;
        for infos in infos.chunks(MAX_SENDER_REPORTS) {
            send_rtcp(&mut self.control, transport, now, |writer| {
                writer.receiver_report(local, []).is_ok()
                    && infos
                        .iter()
                        .all(|&info| writer.sender_report(info, []).is_ok())
            });
        }
    }
}

/// The part of a list that has its turn.
fn share(list: &[usize], turn: usize, turns: usize) -> &[usize] {
    let Range { start, end } = list.len() * turn / turns..list.len() * (turn + 1) / turns;
    list.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_has_its_turn_once() {
        for len in [0, 1, 7, 31, 32, 1000, 5001] {
            let list: Vec<usize> = (0..len).collect();
            for turns in [1, 2, 7, MAX_TURNS] {
                let shares = (0..turns).flat_map(|turn| share(&list, turn, turns));
                assert!(shares.eq(&list), "{len} in {turns}");
            }
        }
    }
}
