//! What somebody wants to look into: single packets and messages of a transport, a producer or a consumer.
//!
//! Off, it costs a test of one byte of an object that is in hand. On, what is told is bounded for the whole worker, so
//! that looking into a busy stream delays nobody: what is beyond is left out and counted.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plenum_bwe::Bitrate;
use plenum_params::{
    media::{HeaderExtension, MediaKind},
    trace::{
        TraceEvent, TraceInfo, TraceObject, TraceType, TraceTypes, TracedEstimate, TracedPacket,
    },
};
use plenum_rtp::{RtpHeader, rtcp::SenderReport};

use crate::{
    config::WallClock,
    consumer::Consumer,
    engine::Engine,
    packet::PacketMeta,
    producer::Producer,
    transport::{StreamTarget, Transport},
};

/// Events of one worker in a second: several streams of a browser, packet by packet. Some 200 KB/s on the control socket,
/// whose other traffic is a tenth of that at a busy worker.
const RATE: u32 = 2_000;

/// Events that may come at once: half a second of them, more than a batch of datagrams brings.
const BURST: u32 = 1_000;

/// What every packet of RTP counts among.
const PACKETS: TraceTypes = TraceTypes::NONE
    .with(TraceType::Rtp)
    .with(TraceType::KeyFrame);

/// Time that one event takes.
const INTERVAL: Duration = Duration::from_micros(1_000_000 / RATE as u64);

/// What was traced and not fetched yet.
#[derive(Debug)]
pub(crate) struct Traces {
    queue: VecDeque<TraceEvent>,
    clock: WallClock,
    /// Until when the rate is used up: in the past while there is some left.
    used_until: Instant,
    /// Events left out since the last one that was not.
    dropped: u32,
}

impl Traces {
    pub(crate) fn new(now: Instant, clock: WallClock) -> Self {
        Self {
            queue: VecDeque::new(),
            clock,
            used_until: now,
            dropped: 0,
        }
    }

    /// Something happened, if it is one of those that are asked for.
    #[cold]
    pub(crate) fn add(
        &mut self,
        now: Instant,
        (object, types): (TraceObject, TraceTypes),
        outgoing: bool,
        info: TraceInfo,
    ) {
        if !types.contains(info.kind()) {
            return;
        }
        let ahead = self.used_until.saturating_duration_since(now);
        if ahead > INTERVAL * (BURST - 1) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.used_until = self.used_until.max(now) + INTERVAL;
        let timestamp = self.clock.unix(now).as_millis();
        self.queue.push_back(TraceEvent {
            object,
            timestamp: u64::try_from(timestamp).unwrap_or(u64::MAX),
            outgoing,
            dropped: std::mem::take(&mut self.dropped),
            info,
        });
    }

    /// The next that nobody has fetched.
    pub(crate) fn poll(&mut self) -> Option<TraceEvent> {
        self.queue.pop_front()
    }

    /// Nothing more is said of an object.
    pub(crate) fn forget(&mut self, object: TraceObject) {
        self.queue.retain(|event| event.object != object);
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// A packet as `rtp`, and as `keyframe` too if it begins one.
    #[cold]
    pub(crate) fn add_packet(
        &mut self,
        now: Instant,
        (object, types): (TraceObject, TraceTypes),
        outgoing: bool,
        packet: TracedPacket,
    ) {
        if !types.intersects(PACKETS) {
            return;
        }
        self.add(now, (object, types), outgoing, TraceInfo::Rtp(packet));
        if packet.is_key_frame {
            self.add(now, (object, types), outgoing, TraceInfo::KeyFrame(packet));
        }
    }
}

/// A packet on the wire, `len` bytes long without what SRTP adds.
pub(crate) fn traced(packet: &[u8], len: usize, meta: Option<&PacketMeta>) -> Option<TracedPacket> {
    let header = RtpHeader::parse(packet).ok()?;
    let layer = meta.map(|meta| meta.layer);
    Some(TracedPacket {
        ssrc: header.ssrc,
        payload_type: header.payload_type,
        sequence_number: header.sequence_number,
        timestamp: header.timestamp,
        marker: header.marker,
        size: len as u16,
        payload_size: len.saturating_sub(header.header_len) as u16,
        spatial_layer: layer.map_or(0, |layer| layer.spatial),
        temporal_layer: layer.map_or(0, |layer| layer.temporal),
        is_key_frame: meta.is_some_and(|meta| meta.sync_point),
        ..TracedPacket::default()
    })
}

impl Engine {
    /// A packet of a producer, decrypted, which has this extended sequence number in its stream.
    #[cold]
    pub(crate) fn trace_received(
        &mut self,
        now: Instant,
        target: StreamTarget,
        sequence: u64,
        header: &RtpHeader,
        packet: &[u8],
    ) {
        let Some(producer) = self.producers.get(target.producer) else {
            return;
        };
        let stream = producer.streams.get(usize::from(target.stream));
        let kept = stream.and_then(|stream| stream.packet(sequence));
        let Some(mut told) = traced(packet, packet.len(), kept.map(|(meta, ..)| meta)) else {
            return;
        };
        told.is_rtx = target.retransmission;
        told.is_key_frame &= producer.parameters.kind == MediaKind::Video;
        if let Some(transport) = self.transports.get(producer.transport) {
            let numbers = header.extensions(packet).filter(|(id, _)| {
                transport.extensions.get(*id) == Some(HeaderExtension::TransportWideCc)
            });
            told.wide_sequence_number = numbers
                .filter_map(|(_, value)| value.try_into().ok())
                .map(u16::from_be_bytes)
                .next();
        }
        let traced_as = producer.traced_as();
        self.traces.add_packet(now, traced_as, false, told);
    }

    /// A sender's report on one of the streams of a transport.
    pub(crate) fn trace_sender_report(
        &mut self,
        now: Instant,
        key: usize,
        report: &SenderReport<'_>,
    ) {
        let transport = self.transports.get_mut(key);
        let entry = transport.and_then(|transport| transport.receive.find(report.ssrc));
        let producer = entry.and_then(|entry| self.producers.get(entry.target.producer));
        let Some(producer) = producer.filter(|producer| !producer.trace.is_empty()) else {
            return;
        };
        let info = TraceInfo::SenderReport {
            ssrc: report.ssrc,
            ntp: report.ntp.as_u64(),
            rtp_timestamp: report.rtp_timestamp,
            packet_count: report.packet_count,
            octet_count: report.octet_count,
        };
        self.traces.add(now, producer.traced_as(), false, info);
    }

    /// The estimate of a path changed.
    #[cold]
    pub(crate) fn trace_estimate(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get(key) else {
            return;
        };
        let congestion = &transport.congestion;
        let Some(estimate) = congestion.estimate(now) else {
            return;
        };
        let bps = |bitrate: Bitrate| u32::try_from(bitrate.bps()).unwrap_or(u32::MAX);
        let limits = congestion.limits();
        let info = TraceInfo::Bwe(TracedEstimate {
            is_remb: !congestion.is_numbered(),
            available: bps(estimate),
            desired: bps(congestion.wanted()),
            min: limits.min,
            max: limits.max,
        });
        self.traces.add(now, transport.traced_as(), true, info);
    }
}

impl Producer {
    /// Whose events these are, and which are asked for.
    pub(crate) fn traced_as(&self) -> (TraceObject, TraceTypes) {
        (TraceObject::Producer(self.id), self.trace)
    }
}

impl Consumer {
    /// Whose events these are, and which are asked for.
    pub(crate) fn traced_as(&self) -> (TraceObject, TraceTypes) {
        (TraceObject::Consumer(self.id), self.trace)
    }
}

impl Transport {
    /// Whose events these are, and which are asked for.
    pub(crate) fn traced_as(&self) -> (TraceObject, TraceTypes) {
        (TraceObject::Transport(self.id), self.trace)
    }
}

#[cfg(test)]
mod tests {
    use plenum_ids::ProducerId;

    use super::*;

    const OBJECT: TraceObject = TraceObject::Producer(ProducerId::from_u128(1));

    fn traces(now: Instant) -> Traces {
        Traces::new(now, WallClock::new(now, Duration::from_secs(1000)))
    }

    fn add(traces: &mut Traces, now: Instant, count: u32) {
        for ssrc in 0..count {
            let types = TraceTypes::NONE.with(TraceType::Pli);
            traces.add(now, (OBJECT, types), true, TraceInfo::Pli { ssrc });
            traces.add(now, (OBJECT, types), true, TraceInfo::Fir { ssrc });
        }
    }

    #[test]
    fn more_than_the_rate_is_left_out_and_counted() {
        let start = Instant::now();
        let mut traces = traces(start);
        add(&mut traces, start, 10 * BURST);
        assert_eq!(traces.len(), BURST as usize);
        let first = traces.poll().expect("one");
        assert_eq!((first.timestamp, first.dropped), (1_000_000, 0));
        while traces.poll().is_some() {}

        let later = start + Duration::from_millis(100);
        add(&mut traces, later, 10 * BURST);
        assert_eq!(traces.len(), RATE as usize / 10);
        assert_eq!(traces.poll().expect("one").dropped, 9 * BURST);
        assert_eq!(traces.poll().expect("another").dropped, 0);
        // However long nothing happened, no more than so many at once.
        while traces.poll().is_some() {}
        add(&mut traces, start + Duration::from_hours(1), 10 * BURST);
        assert_eq!(traces.len(), BURST as usize);
    }

    #[test]
    fn what_was_closed_is_not_told_of() {
        let start = Instant::now();
        let mut traces = traces(start);
        add(&mut traces, start, 3);
        traces.forget(TraceObject::Producer(ProducerId::from_u128(2)));
        assert_eq!(traces.len(), 3);
        traces.forget(OBJECT);
        assert_eq!(traces.poll(), None);
    }
}
