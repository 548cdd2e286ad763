//! Which packets of a received stream to ask for again: generic NACK (RFC 4585 §6.2.1) from the receiver's side.
//!
//! The same rules as libwebrtc and mediasoup: a gap is asked for soon after it shows, then once per round trip, ten
//! times at most; a list that grows beyond reason is cut back to the newest key frame, or given up for a new one.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Missing packets that are followed at once (libwebrtc `kMaxNackPackets`, mediasoup `MaxNackPackets`).
const MAX_MISSING: usize = 1000;

/// Packets further behind the newest one are given up (`kMaxPacketAge`, `MaxPacketAge`).
const MAX_AGE: u64 = 10_000;

/// Requests for one packet (`kMaxNackRetries`, `MaxNackRetries`).
const MAX_RETRIES: u8 = 10;

/// How long a gap may stay before it is asked for. Reordering in the network and in Wi-Fi aggregation is mostly over
/// within this time, and it is little against the round trip that follows.
const REORDER_DELAY: Duration = Duration::from_millis(5);

/// Shortest time between two requests for one packet (the 20 ms of libwebrtc's and half of mediasoup's 40 ms timers):
/// with a shorter round trip the sender's own queue is what the packet waits in.
const MIN_RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// Longest time between two requests for one packet: a wrong round trip must not end the repair.
const MAX_RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Follows the gaps of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct NackGenerator {
    newest: Option<u64>,
    /// Ordered by sequence number.
    missing: VecDeque<Missing>,
    /// First packet of the newest key frame: nothing older is needed to go on.
    newest_key_frame: Option<u64>,
    key_frame_needed: bool,
    /// Not later than the first request that is due.
    next_due: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    due: Instant,
    requests: u8,
}

impl NackGenerator {
    /// How many packets are followed.
    pub(crate) fn missing_count(&self) -> usize {
        self.missing.len()
    }

    /// Takes note of an arrived packet. Returns whether it was a missing one: as a retransmission always, as a late
    /// packet when it had been asked for.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        sequence: u64,
        is_retransmission: bool,
        is_key_frame: bool,
    ) -> bool {
        if is_key_frame {
            self.newest_key_frame = self.newest_key_frame.max(Some(sequence));
        }
        let Some(newest) = self.newest else {
            // Before the first packet nothing can be missing, so that a retransmission means nothing yet.
            if !is_retransmission {
                self.newest = Some(sequence);
            }
            return false;
        };
        if sequence <= newest {
            let Ok(index) = self
                .missing
                .binary_search_by_key(&sequence, |missing| missing.sequence)
            else {
                return false;
            };
            let found = self.missing.remove(index);
            return is_retransmission || found.is_some_and(|missing| missing.requests > 0);
        }
        self.newest = Some(sequence);
        self.add_gap(now, newest + 1, sequence);
        // The sender repeats its last packet unasked when it probes the path; it may have been lost before.
        is_retransmission
    }

    /// Appends the sequence numbers to ask for now. Returns whether the stream cannot be repaired without a new key
    /// frame; once for each time that this happens.
    pub(crate) fn poll_nacks(
        &mut self,
        now: Instant,
        round_trip: Duration,
        lost: &mut Vec<u16>,
    ) -> bool {
        if self.next_due.is_none_or(|due| now < due) {
            return false;
        }
        let interval = round_trip.clamp(MIN_RETRY_INTERVAL, MAX_RETRY_INTERVAL);
        let mut next_due: Option<Instant> = None;
        self.missing.retain_mut(|missing| {
            if missing.due <= now {
                if missing.requests == MAX_RETRIES {
                    return false;
                }
                missing.requests += 1;
                missing.due = now + interval;
                lost.push(missing.sequence as u16);
            }
            next_due = Some(next_due.map_or(missing.due, |due| due.min(missing.due)));
            true
        });
        self.next_due = next_due;
        std::mem::take(&mut self.key_frame_needed)
    }

    /// When to poll next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_due
            .filter(|_| self.key_frame_needed || !self.missing.is_empty())
    }

    /// Lists the packets from `first` up to the one that just arrived, which is not missing.
    fn add_gap(&mut self, now: Instant, first: u64, arrived: u64) {
        let oldest = arrived.saturating_sub(MAX_AGE);
        self.give_up_before(oldest);
        let first = first.max(oldest);
        let count = usize::try_from(arrived - first).unwrap_or(usize::MAX);
        if count == 0 {
            return;
        }
        let due = now + REORDER_DELAY;
        let mut first = first;
        if self.missing.len().saturating_add(count) > MAX_MISSING {
            let key_frame = self.newest_key_frame.unwrap_or(0);
            self.give_up_before(key_frame);
            first = first.max(key_frame.min(arrived));
            if self.missing.len() as u64 + (arrived - first) > MAX_MISSING as u64 {
                self.missing.clear();
                self.key_frame_needed = true;
                self.next_due = Some(now);
                return;
            }
        }
        if first == arrived {
            return;
        }
        self.missing
            .extend((first..arrived).map(|sequence| Missing {
                sequence,
                due,
                requests: 0,
            }));
        self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
    }

    fn give_up_before(&mut self, sequence: u64) {
        while self
            .missing
            .front()
            .is_some_and(|missing| missing.sequence < sequence)
        {
            self.missing.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
