//! What a peer reports about what it receives: reception statistics of each stream (RFC 3550 §6.4) and arrival times by
//! transport-wide sequence number.
//!
//! Written apart from the engine's own counting, so that one checks the other.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use plenum_rtp::{
    RtpHeader, SequenceUnwrapper,
    ntp::duration_to_compact,
    rtcp::{ReportBlock, RtcpWriter, TwccHead},
};

/// Reception statistics of one stream, retransmissions not counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reception {
    first: Option<u64>,
    highest: u64,
    received: u64,
    expected_before: u64,
    received_before: u64,
    /// Seconds.
    jitter: f64,
    last_packet: Option<(Instant, u32)>,
    last_sender_report: Option<(u32, Instant)>,
}

impl Reception {
    pub(super) fn handle_packet(
        &mut self,
        now: Instant,
        sequence: u64,
        timestamp: u32,
        clock_rate: u32,
    ) {
        self.received += 1;
        self.first = Some(self.first.map_or(sequence, |first| first.min(sequence)));
        if sequence < self.highest {
            return;
        }
        self.highest = sequence;
        match self.last_packet {
            Some((_, last)) if last == timestamp => {}
            Some((at, last)) => {
                let media =
                    f64::from(timestamp.wrapping_sub(last).cast_signed()) / f64::from(clock_rate);
                let difference = ((now - at).as_secs_f64() - media).abs();
                self.jitter += (difference - self.jitter) / 16.0;
                self.last_packet = Some((now, timestamp));
            }
            None => self.last_packet = Some((now, timestamp)),
        }
    }

    pub(super) fn handle_sender_report(&mut self, now: Instant, compact_ntp: u32) {
        self.last_sender_report = Some((compact_ntp, now));
    }

    /// The block of the interval that ends now; `None` before the first packet.
    pub(super) fn report(
        &mut self,
        now: Instant,
        ssrc: u32,
        clock_rate: u32,
    ) -> Option<ReportBlock> {
        let expected = self.highest - self.first? + 1;
        let expected_here = expected.saturating_sub(self.expected_before);
        let lost_here = expected_here.saturating_sub(self.received - self.received_before);
        (self.expected_before, self.received_before) = (expected, self.received);
        let lost = expected.cast_signed() - self.received.cast_signed();
        #[expect(clippy::cast_sign_loss, reason = "jitter is never negative")]
        let jitter = (self.jitter * f64::from(clock_rate)) as u32;
        let (last_sr, delay) = self
            .last_sender_report
            .map_or((0, Duration::ZERO), |(ntp, at)| (ntp, now - at));
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost_here * 256)
                .checked_div(expected_here)
                .unwrap_or(0)
                .min(255) as u8,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence_number: self.highest as u32,
            jitter,
            last_sr,
            delay_since_last_sr: duration_to_compact(delay),
        })
    }
}

/// What was reported is told again when one before it comes late, so long after its own arrival, as libwebrtc does.
const REPORT_AGAIN: Duration = Duration::from_millis(500);

/// Arrivals by transport-wide sequence number.
#[derive(Clone, Debug)]
pub(super) struct TransportArrivals {
    extension_id: u8,
    origin: Instant,
    media_ssrc: u32,
    unwrapper: SequenceUnwrapper,
    arrivals: BTreeMap<u64, Duration>,
    /// Where the next report begins.
    next: Option<u64>,
    feedback_count: u8,
}

impl TransportArrivals {
    pub(super) fn new(extension_id: u8, origin: Instant) -> Self {
        Self {
            extension_id,
            origin,
            media_ssrc: 0,
            unwrapper: SequenceUnwrapper::new(),
            arrivals: BTreeMap::new(),
            next: None,
            feedback_count: 0,
        }
    }

    /// Notes a decrypted packet.
    pub(super) fn handle_packet(&mut self, now: Instant, header: &RtpHeader, packet: &[u8]) {
        let found = header
            .extensions(packet)
            .find(|(id, _)| *id == self.extension_id);
        let Some(number) =
            found.and_then(|(_, value)| value.try_into().ok().map(u16::from_be_bytes))
        else {
            return;
        };
        self.media_ssrc = header.ssrc;
        let sequence = self.unwrapper.extend(number);
        self.arrivals.entry(sequence).or_insert(now - self.origin);
        self.next = self.next.map(|next| next.min(sequence));
    }

    /// Writes one feedback packet; `false` when nothing has come.
    pub(super) fn write(&mut self, now: Instant, writer: &mut RtcpWriter<'_>) -> bool {
        self.forget(now);
        let base = self.next.unwrap_or(0);
        let Some((&oldest, _)) = self.arrivals.range(base..).next() else {
            return false;
        };
        let base = self
            .next
            .map_or(oldest, |next| next.max(oldest.saturating_sub(100)));
        let end = self
            .arrivals
            .last_key_value()
            .map_or(base, |(&newest, _)| newest + 1);
        let head = TwccHead {
            sender_ssrc: 1,
            media_ssrc: self.media_ssrc,
            base_sequence_number: base as u16,
            feedback_count: self.feedback_count,
        };
        let arrivals = (base..end).map(|sequence| self.arrivals.get(&sequence).copied());
        let Ok(reported) = writer.transport_feedback(head, arrivals) else {
            return false;
        };
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.next = Some(base + u64::from(reported));
        true
    }

    /// Forgets what was reported long ago.
    fn forget(&mut self, now: Instant) {
        let Some(next) = self.next else { return };
        let limit = (now - self.origin).saturating_sub(REPORT_AGAIN);
        while let Some(oldest) = self.arrivals.first_entry() {
            if *oldest.key() >= next || *oldest.get() >= limit {
                return;
            }
            oldest.remove();
        }
    }
}

#[cfg(test)]
mod tests;
