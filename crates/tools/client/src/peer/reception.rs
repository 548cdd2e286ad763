//! Reception statistics of one stream (RFC 3550 §6.4).

use std::time::{Duration, Instant};

use plenum_rtp::{ntp::duration_to_compact, rtcp::ReportBlock};

/// Reception of one stream, retransmissions not counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reception {
    first: Option<u64>,
    highest: u64,
    received: u64,
    expected_before: u64,
    received_before: u64,
    jitter: Duration,
    last_packet: Option<(Instant, u32)>,
    last_sender_report: Option<(u32, Instant)>,
}

impl Reception {
    /// Notes a packet by its unwrapped number.
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
        // The packets of a frame leave together and share a timestamp: only the first tells something (libwebrtc does so).
        match self.last_packet {
            Some((_, last)) if last == timestamp => {}
            Some((at, last)) => {
                let ticks = timestamp.wrapping_sub(last).cast_signed();
                self.measure(now.saturating_duration_since(at), ticks, clock_rate);
                self.last_packet = Some((now, timestamp));
            }
            None => self.last_packet = Some((now, timestamp)),
        }
    }

    /// RFC 3550 §6.4.1: a sixteenth of each difference is taken over.
    fn measure(&mut self, elapsed: Duration, ticks: i32, clock_rate: u32) {
        let media = u64::try_from(ticks)
            .ok()
            .and_then(|ticks| (ticks * 1_000_000).checked_div(clock_rate.into()))
            .map_or(Duration::ZERO, Duration::from_micros);
        // A source that paused or jumped says nothing about the network (libwebrtc: 5 s).
        if elapsed > MAX_GAP || media > MAX_GAP {
            return;
        }
        let difference = elapsed.abs_diff(media);
        self.jitter = (self.jitter * 15 + difference) / 16;
    }

    pub(super) const fn handle_sender_report(&mut self, now: Instant, compact_ntp: u32) {
        self.last_sender_report = Some((compact_ntp, now));
    }

    pub(super) const fn jitter(&self) -> Duration {
        self.jitter
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
        let lost_here =
            expected_here.saturating_sub(self.received.saturating_sub(self.received_before));
        (self.expected_before, self.received_before) = (expected, self.received);
        let lost = expected.cast_signed() - self.received.cast_signed();
        let jitter = self.jitter.as_micros() * u128::from(clock_rate) / 1_000_000;
        let (last_sr, delay) = self
            .last_sender_report
            .map_or((0, Duration::ZERO), |(ntp, at)| {
                (ntp, now.saturating_duration_since(at))
            });
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost_here * 256)
                .checked_div(expected_here)
                .unwrap_or(0)
                .min(255) as u8,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence_number: self.highest as u32,
            jitter: u32::try_from(jitter).unwrap_or(u32::MAX),
            last_sr,
            delay_since_last_sr: duration_to_compact(delay),
        })
    }
}

/// Differences beyond it are not the network's.
const MAX_GAP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 90_000;

    #[test]
    fn loss_and_jitter_are_those_of_the_interval() {
        let start = Instant::now();
        let mut reception = Reception::default();
        assert_eq!(reception.report(start, 1, RATE), None);
        for number in (0..100_u32).filter(|number| number % 4 != 1) {
            // Every other frame is 10 ms late.
            let at = start
                + Duration::from_millis(u64::from(number) * 20 + u64::from(number / 2 % 2) * 10);
            reception.handle_packet(at, 65_536 + u64::from(number), number * 1800, RATE);
        }
        let block = reception.report(start, 1, RATE).expect("packets came");
        assert_eq!((block.fraction_lost, block.cumulative_lost), (64, 25));
        assert_eq!(block.highest_sequence_number, 65_536 + 99);
        assert!((1..900).contains(&block.jitter), "{block:?}");
        let block = reception.report(start, 1, RATE).expect("packets came");
        assert_eq!((block.fraction_lost, block.cumulative_lost), (0, 25));
    }

    #[test]
    fn the_last_sender_report_is_named_with_its_age() {
        let start = Instant::now();
        let mut reception = Reception::default();
        reception.handle_packet(start, 1, 0, RATE);
        reception.handle_sender_report(start, 77);
        let block = reception.report(start + Duration::from_secs(2), 1, RATE);
        let block = block.expect("a packet came");
        assert_eq!((block.last_sr, block.delay_since_last_sr), (77, 2 << 16));
    }
}
