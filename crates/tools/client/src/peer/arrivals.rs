//! Arrival times by transport-wide sequence number, and the feedback that tells them
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use plenum_rtp::{
    SequenceUnwrapper,
    rtcp::{RtcpWriter, TwccHead},
};

/// What was reported is told again when one before it comes late, so long after its own arrival, as libwebrtc does.
const REPORT_AGAIN: Duration = Duration::from_millis(500);

/// Numbers that are remembered at most: 8 s of a thousand packets a second. Whoever jumps further begins anew.
const MAX_WINDOW: u64 = 8192;

/// How far feedback reaches back before the first packet that came: a burst of losses, told once.
const MAX_LEADING_GAP: u64 = 100;

/// Arrivals by transport-wide sequence number.
#[derive(Debug)]
pub(super) struct Arrivals {
    origin: Instant,
    media_ssrc: u32,
    unwrapper: SequenceUnwrapper,
    /// Number of the first entry.
    first: u64,
    times: VecDeque<Option<Duration>>,
    /// Where the next report begins.
    next: Option<u64>,
    feedback_count: u8,
}

impl Arrivals {
    pub(super) const fn new(origin: Instant) -> Self {
        Self {
            origin,
            media_ssrc: 0,
            unwrapper: SequenceUnwrapper::new(),
            first: 0,
            times: VecDeque::new(),
            next: None,
            feedback_count: 0,
        }
    }

    /// Notes a packet.
    pub(super) fn handle_packet(&mut self, now: Instant, media_ssrc: u32, number: u16) {
        self.media_ssrc = media_ssrc;
        let sequence = self.unwrapper.extend(number);
        let end = self.first + self.times.len() as u64;
        if self.times.is_empty() || sequence >= end + MAX_WINDOW {
            self.times.clear();
            self.first = sequence;
            self.next = self.next.map(|_| sequence);
        } else if sequence < self.first {
            // Forgotten: told as lost already, or before all others.
            return;
        }
        while self.first + (self.times.len() as u64) <= sequence {
            self.times.push_back(None);
        }
        let at = now.saturating_duration_since(self.origin);
        if let Some(time) = self.times.get_mut((sequence - self.first) as usize)
            && time.is_none()
        {
            *time = Some(at);
            self.next = self.next.map(|next| next.min(sequence));
        }
    }

    /// Writes one feedback packet; `false` when nothing has come since the last one.
    pub(super) fn write(&mut self, now: Instant, writer: &mut RtcpWriter<'_>) -> bool {
        self.forget(now);
        let from = self.next.unwrap_or(self.first).max(self.first);
        let skipped = (from - self.first) as usize;
        let waiting = self.times.iter().skip(skipped);
        let Some(gap) = waiting.clone().position(Option::is_some) else {
            return false;
        };
        let leading = if self.next.is_some() {
            (gap as u64).min(MAX_LEADING_GAP)
        } else {
            0
        };
        let base = from + gap as u64 - leading;
        let head = TwccHead {
            sender_ssrc: REPORTER,
            media_ssrc: self.media_ssrc,
            base_sequence_number: base as u16,
            feedback_count: self.feedback_count,
        };
        let arrivals = self.times.iter().skip((base - self.first) as usize);
        let Ok(reported) = writer.transport_feedback(head, arrivals.copied()) else {
            return false;
        };
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.next = Some(base + u64::from(reported));
        true
    }

    /// Forgets what was reported long ago, and what is too much.
    fn forget(&mut self, now: Instant) {
        let next = self.next.unwrap_or(self.first);
        let limit = now
            .saturating_duration_since(self.origin)
            .saturating_sub(REPORT_AGAIN);
        while let Some(time) = self.times.front() {
            let is_old = self.first < next && time.is_none_or(|at| at < limit);
            if !is_old && self.times.len() as u64 <= MAX_WINDOW {
                return;
            }
            self.times.pop_front();
            self.first += 1;
        }
    }
}

/// SSRC of the reporter: a receiver without streams of its own (libwebrtc's is 1 too).
pub(super) const REPORTER: u32 = 1;

#[cfg(test)]
mod tests {
    use plenum_rtp::rtcp::{RtcpPacket, RtcpPackets};
    use proptest::prelude::*;

    use super::*;

    /// What feedback says: numbers with whether they came.
    fn feedback(arrivals: &mut Arrivals, now: Instant) -> Vec<(u16, bool)> {
        let mut told = Vec::new();
        loop {
            let mut buffer = [0; 1200];
            let mut writer = RtcpWriter::new(&mut buffer);
            if !arrivals.write(now, &mut writer) {
                return told;
            }
            for packet in RtcpPackets::new(writer.written()).flatten() {
                let RtcpPacket::TransportFeedback(feedback) = packet else {
                    panic!("{packet:?}");
                };
                told.extend(
                    feedback
                        .packets()
                        .map(|packet| (packet.0, packet.1.is_some())),
                );
            }
        }
    }

    #[test]
    fn gaps_are_told_and_late_ones_too() {
        let start = Instant::now();
        let mut arrivals = Arrivals::new(start);
        for number in [65_534, 65_535, 1] {
            arrivals.handle_packet(start, 7, number);
        }
        let told = feedback(&mut arrivals, start);
        assert_eq!(
            told,
            [(65_534, true), (65_535, true), (0, false), (1, true)]
        );
        assert_eq!(feedback(&mut arrivals, start), []);
        arrivals.handle_packet(start + Duration::from_millis(20), 7, 0);
        let told = feedback(&mut arrivals, start + Duration::from_millis(30));
        assert_eq!(told, [(0, true), (1, true)]);
    }

    proptest! {
        #[test]
        fn everything_that_came_is_told_and_nothing_else(
            numbers in prop::collection::vec(0_u16..400, 1..200),
            first in any::<u16>(),
        ) {
            let start = Instant::now();
            let mut arrivals = Arrivals::new(start);
            arrivals.handle_packet(start, 1, first);
            let mut came = std::collections::BTreeSet::from([first]);
            for (index, number) in numbers.iter().enumerate() {
                let number = first.wrapping_add(*number);
                arrivals.handle_packet(start + Duration::from_millis(index as u64), 1, number);
                came.insert(number);
            }
            let told = feedback(&mut arrivals, start + Duration::from_millis(200));
            let told: std::collections::BTreeSet<_> =
                told.iter().filter(|(_, came)| *came).map(|(number, _)| *number).collect();
            prop_assert_eq!(told, came);
        }
    }
}
