//! What a link carries that is suddenly too narrow, told from the first packets that had to wait for it.
//!
//! While every packet waits, the link is never idle, and what arrives is what it carries: a few packets tell, long before
//! the average of what arrives has forgotten the time before. One gap is left out of the count: where somebody else's burst
//! or a radio that held everything back came first, what follows arrives quickly.

use std::time::Duration;

use crate::Bitrate;

/// A packet that met less queue than this may have found the link idle.
const WAITS_MICROS: i64 = 20_000;

/// A run tells something after this long and so many packets.
const MIN_MICROS: i64 = 150_000;
const MIN_PACKETS: u32 = 4;

/// How many times longer the run takes to arrive than it took to leave.
const SPREAD: i64 = 2;

/// A packet is bunched with the one before if it came after less than this part of the mean time between packets. A link
/// that is too narrow spaces packets out by their sizes; a radio or a busy receiver that hands them over in heaps does not.
const BUNCHED: i64 = 4;

/// A queue that has been there for longer says nothing of how it began; the average knows by then.
const MAX_MICROS: i64 = 1_000_000;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Saturated {
    /// What the link carries.
    pub(crate) rate: Bitrate,
    /// How long the newest packet waited in front of it.
    pub(crate) wait: Duration,
}

/// Packets that arrived one after another while the link had a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BusyRun {
    /// First and newest arrival; none before the first packet.
    times: Option<(i64, i64)>,
    bytes: u64,
    packets: u32,
    /// First and newest departure, in microseconds.
    sent: (u64, u64),
    /// Packets that came in a heap with the one before.
    bunched: u32,
    /// The longest time between two arrivals, and the size of the packet that ended it.
    gap: (i64, u16),
    /// How long the newest packet waited.
    wait: i64,
}

impl BusyRun {
    /// A packet arrived that had waited for so many microseconds.
    pub(crate) fn add(&mut self, sent: u64, arrival: i64, size: u16, wait: i64) {
        let Some((first, newest)) = self.times.filter(|_| wait >= WAITS_MICROS) else {
            *self = Self {
                times: Some((arrival, arrival)),
                sent: (sent, sent),
                ..Self::default()
            };
            return;
        };
        self.bytes += u64::from(size);
        self.packets += 1;
        self.wait = wait;
        self.sent.1 = self.sent.1.max(sent);
        let mean = arrival.saturating_sub(first) / i64::from(self.packets);
        if arrival.saturating_sub(newest).saturating_mul(BUNCHED) < mean {
            self.bunched += 1;
        }
        if arrival > newest {
            self.gap = self.gap.max((arrival - newest, size));
            self.times = Some((first, arrival));
        }
    }

    /// What the link carries, if enough packets have told.
    pub(crate) fn saturated(&self) -> Option<Saturated> {
        let (first, newest) = self.times?;
        let lasted = newest.saturating_sub(first);
        if self.packets < MIN_PACKETS || !(MIN_MICROS..=MAX_MICROS).contains(&lasted) {
            return None;
        }
        if self.bunched * 4 > self.packets * 3 {
            // Frames that leave in bursts are still in heaps of two or three behind a link that is a little too narrow.
            return None;
        }
        // What left as slowly as it arrived tells how much was sent.
        let sending = self.sent.1.saturating_sub(self.sent.0).cast_signed();
        if lasted < sending.saturating_mul(SPREAD) {
            return None;
        }
        let (gap, size) = self.gap;
        let bits = (self.bytes - u64::from(size)) * 8;
        let bps = bits * 1_000_000 / (lasted - gap).max(1).unsigned_abs();
        Some(Saturated {
            rate: Bitrate::from_bps(bps),
            wait: Duration::from_micros(self.wait.max(0).unsigned_abs()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: u16 = 1150;

    /// Packets that arrive at these milliseconds, the first without waiting.
    fn run(arrivals: &[i64]) -> BusyRun {
        let mut run = BusyRun::default();
        for (index, arrival) in arrivals.iter().enumerate() {
            run.add(
                index as u64 * 1000,
                arrival * 1000,
                PACKET,
                if index == 0 { 0 } else { 50_000 },
            );
        }
        run
    }

    #[test]
    fn a_burst_that_comes_spread_out_tells_what_the_link_carries() {
        assert!(run(&[0, 46, 92, 138]).saturated().is_none(), "too few");
        let found = run(&[0, 46, 92, 138, 184]).saturated();
        let expected = Saturated {
            rate: Bitrate::from_kbps(200),
            wait: Duration::from_millis(50),
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn a_packet_that_did_not_wait_begins_anew() {
        let mut run = run(&[0, 46, 92, 138, 184]);
        run.add(5000, 230_000, PACKET, 1000);
        assert!(run.saturated().is_none());
    }

    #[test]
    fn one_long_gap_is_left_out() {
        let found = run(&[0, 300, 346, 392, 438]).saturated();
        assert_eq!(found.map(|found| found.rate.bps() / 1000), Some(200));
    }

    #[test]
    fn packets_that_come_in_heaps_are_no_narrow_link() {
        assert!(run(&[0, 200, 203, 206, 209, 212]).saturated().is_none());
        let heaps = [
            0, 90, 90, 91, 91, 200, 201, 201, 201, 201, 310, 310, 311, 311, 311,
        ];
        assert!(run(&heaps).saturated().is_none());
    }

    #[test]
    fn what_is_sent_slowly_tells_nothing() {
        let mut run = BusyRun::default();
        for index in 0..6 {
            run.add(
                index * 46_000,
                index.cast_signed() * 46_000,
                PACKET,
                index.min(1).cast_signed() * 120_000,
            );
        }
        assert!(run.saturated().is_none());
    }

    #[test]
    fn an_old_queue_tells_nothing() {
        let arrivals: Vec<i64> = (0..30).map(|index| index * 46).collect();
        assert!(run(&arrivals).saturated().is_none());
    }
}
