//! What a receiver report says of one received stream: RFC 3550 §6.4 with appendices A.3 and A.8.

use std::time::{Duration, Instant};

/// Changes of the transit time beyond this are a step of the sender's clock, not jitter (libwebrtc's limit: 5 s).
const MAX_TRANSIT_CHANGE_SECONDS: u32 = 5;

/// `cumulative number of packets lost` is a signed 24-bit field, §6.4.1.
const MAX_CUMULATIVE_LOST: i64 = 0x7f_ffff;

/// Reception statistics of one stream, retransmissions not counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reception {
    /// First and highest extended sequence number.
    range: Option<(u64, u64)>,
    received: u64,
    expected_before: u64,
    received_before: u64,
    fraction_lost: u8,
    /// Packets of the last finished interval that had not come when it ended.
    lost_lately: u64,
    /// All packets of that interval.
    expected_lately: u64,
    jitter: Jitter,
    /// Compact NTP time of the last sender report, and when it arrived.
    last_sender_report: Option<(u32, Instant)>,
}

/// Values of a report block, RFC 3550 §6.4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceptionReport {
    pub(crate) fraction_lost: u8,
    pub(crate) cumulative_lost: i32,
    pub(crate) highest_sequence: u32,
    pub(crate) jitter: u32,
    pub(crate) last_sr: u32,
    pub(crate) delay_since_last_sr: u32,
}

impl Reception {
    /// Counts a packet that is neither a retransmission nor a replay.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        sequence: u64,
        timestamp: u32,
        clock_rate: u32,
    ) {
        self.received += 1;
        let Some((first, highest)) = &mut self.range else {
            self.range = Some((sequence, sequence));
            self.jitter.handle_packet(now, timestamp, clock_rate);
            return;
        };
        *first = sequence.min(*first);
        if sequence > *highest {
            *highest = sequence;
            // A late packet tells of reordering, which the jitter of packets in order must not include.
            self.jitter.handle_packet(now, timestamp, clock_rate);
        }
    }

    /// Takes the middle 32 bits of a sender report's NTP time.
    pub(crate) fn handle_sender_report(&mut self, now: Instant, compact_ntp: u32) {
        self.last_sender_report = Some((compact_ntp, now));
    }

    /// Ends the interval since the last report and returns what to report.
    pub(crate) fn report(&mut self, now: Instant) -> ReceptionReport {
        let expected = self.expected();
        // A.3. A first number that was corrected downwards may make the interval larger, never smaller.
        let expected_here = expected.saturating_sub(self.expected_before);
        let received_here = self.received - self.received_before;
        let lost_here = expected_here.saturating_sub(received_here);
        self.fraction_lost = (lost_here * 256)
            .checked_div(expected_here)
            .map_or(0, |fraction| fraction.min(255) as u8);
        self.lost_lately = lost_here;
        self.expected_lately = expected_here;
        self.expected_before = expected;
        self.received_before = self.received;
        let (last_sr, delay_since_last_sr) =
            self.last_sender_report
                .map_or((0, 0), |(compact_ntp, arrived)| {
                    (
                        compact_ntp,
                        compact_duration(now.saturating_duration_since(arrived)),
                    )
                });
        ReceptionReport {
            fraction_lost: self.fraction_lost,
            cumulative_lost: self
                .cumulative_lost()
                .clamp(-MAX_CUMULATIVE_LOST - 1, MAX_CUMULATIVE_LOST)
                as i32,
            highest_sequence: self.range.map_or(0, |(_, highest)| highest as u32),
            jitter: self.jitter(),
            last_sr,
            delay_since_last_sr,
        }
    }

    /// Packets expected and not received; negative when some came twice.
    pub(crate) fn cumulative_lost(&self) -> i64 {
        self.expected().cast_signed() - self.received.cast_signed()
    }

    /// The fraction of the last finished interval, in 1/256.
    pub(crate) fn fraction_lost(&self) -> u8 {
        self.fraction_lost
    }

    /// Packets of the last finished interval that had not come when it ended.
    pub(crate) fn lost_lately(&self) -> u64 {
        self.lost_lately
    }

    /// All packets of the last finished interval.
    pub(crate) fn expected_lately(&self) -> u64 {
        self.expected_lately
    }

    /// Interarrival jitter in units of the RTP clock.
    pub(crate) fn jitter(&self) -> u32 {
        self.jitter.value()
    }

    fn expected(&self) -> u64 {
        self.range.map_or(0, |(first, highest)| highest - first + 1)
    }
}

/// Interarrival jitter, A.8.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    last: Option<LastPacket>,
    /// In sixteenths, so that the running mean keeps its precision in integers.
    scaled: u32,
}

#[derive(Clone, Copy, Debug)]
struct LastPacket {
    arrived: Instant,
    timestamp: u32,
    clock_rate: u32,
}

impl Jitter {
    fn handle_packet(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        let last = self.last.replace(LastPacket {
            arrived: now,
            timestamp,
            clock_rate,
        });
        let Some(last) = last.filter(|last| last.clock_rate == clock_rate) else {
            return;
        };
        if last.timestamp == timestamp {
            // Packets of one frame share a timestamp however long the sender takes to put them on the wire. The
            // frame's first packet stays the one that the next frame is compared with.
            self.last = Some(last);
            return;
        }
        let elapsed = now.saturating_duration_since(last.arrived);
        let ticks = (elapsed.as_micros() as u64).saturating_mul(clock_rate.into()) / 1_000_000;
        let change = (ticks as u32)
            .wrapping_sub(timestamp.wrapping_sub(last.timestamp))
            .cast_signed()
            .unsigned_abs();
        if change <= clock_rate.saturating_mul(MAX_TRANSIT_CHANGE_SECONDS) {
            let decay = self.scaled.saturating_add(8) >> 4;
            self.scaled = self.scaled.saturating_add(change) - decay;
        }
    }

    fn value(&self) -> u32 {
        self.scaled >> 4
    }
}

/// A duration in 1/65536 s.
fn compact_duration(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
