//! When to probe, how fast, and what a probe has told.
//!
//! A probe is sent only for a reason: more is wanted than the estimate allows. It aims at what the next layer needs, so
//! that one probe decides. As in libwebrtc, a session begins with probes of 3 and 6 times the first estimate, one after
//! the other here (the second only if the first came through), so that a narrow path never gets both.
//!
//! libwebrtc rates a probe by its own packets; here everything between its first and its last packet counts, because
//! media keeps flowing in between.

use std::time::{Duration, Instant};

use plenum_prefetch::prefetch;

use crate::{Bitrate, Probe, ProbeId, allocation::HEADROOM, sent_history::SentPacket};

/// First probes, in times of the first estimate (libwebrtc).
const FIRST_FACTORS: [f64; 2] = [3.0, 6.0];

/// A later probe is at most so many times the estimate (libwebrtc: twice; it doubles again when that came through).
const MAX_FACTOR: f64 = 2.0;

/// A probe is at least so many times the estimate: less would tell nothing new.
const MIN_FACTOR: f64 = 1.15;

/// Above what is aimed at: the allocation's headroom of 1.12, the 5 % that a probe which fills the path gives up, and
/// as much again for what is measured short.
const AIM_FACTOR: f64 = 1.2;

/// Never above this much of all that is wanted.
const WANTED_FACTOR: f64 = 1.25;

/// Length of the first probes. libwebrtc's least is 15 ms; bursts of 5 ms make its measure coarse.
const FIRST_LENGTH: Duration = Duration::from_millis(25);

/// Length of later probes: longer than a Wi-Fi transmission that holds packets back, and a probe at twice of what a path
/// carries leaves 40 ms of queue.
const LENGTH: Duration = Duration::from_millis(40);

/// Length of a probe whose answer is the receiver's own estimate: that follows what arrives over half a second.
const BLIND_LENGTH: Duration = Duration::from_millis(600);

/// Fewest packets of a probe (libwebrtc).
const MIN_PACKETS: usize = 5;

/// Size of the smallest packets that a probe may be made of, for its least number of bytes. Full packets would be 130 ms
/// of queue on a path of 300 kb/s.
const PACKET_BYTES: usize = 300;

/// If less than this part of the sent rate is received, the probe filled the path (libwebrtc).
const WHOLE: f64 = 0.9;

/// Part of the received rate that is used when it did (libwebrtc).
const FILLED: f64 = 0.95;

/// Received faster than sent by more than this: packets were held back and released, which measures nothing
/// (libwebrtc: 2).
const MAX_RATIO: f64 = 2.0;

/// If less than this part of the bytes arrives, the probe measures nothing. libwebrtc wants 80 %; but what comes through a
/// full queue that drops the rest has the rate of the path all the same.
const MIN_RECEIVED_PERCENT: u64 = 30;

/// A measured rate that is higher than the estimate by less than this is no news.
const NEWS: f64 = 1.05;

/// After this long without an answer, there will be none (libwebrtc: one second).
const GIVE_UP: Duration = Duration::from_secs(1);

/// Pause after a probe that came through: it goes on until it fails, but not on top of the last one's queue.
const PAUSE_AFTER_SUCCESS: Duration = Duration::from_millis(200);

/// Pause after the first failure, doubled with each one more up to the longest. libwebrtc probes an application-limited
/// sender every 5 s; a probe here costs 40 ms of queue at worst, and with 3 s a path that got wider is used within 5 s:
/// the climb takes three or four probes more.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Pause after probes that nobody answers at all: there is no receiver, or no feedback.
const PAUSE_UNANSWERED: Duration = Duration::from_secs(15);

/// Pause after overuse before the first probe: the queue drains and the detector's window passes.
const PAUSE_AFTER_CUT: Duration = Duration::from_millis(1200);

/// A raise that is cut again within this time was wrong: a probe among other traffic takes a larger share than the traffic
/// leaves. The pause after it doubles with each one in a row, to at most 2^2 times [`PAUSE_AFTER_CUT`].
const PROVEN: Duration = Duration::from_secs(3);
const MOST_WRONG_RAISES: u32 = 2;

/// What a probe has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeResult {
    /// All of it came through: the path carries at least this.
    Whole(Bitrate),
    /// It filled the path: this is what the path carries, a margin taken off.
    Filled(Bitrate),
}

/// Why and how far one might probe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    pub(crate) estimate: Bitrate,
    pub(crate) wanted: Bitrate,
    pub(crate) next_step: Option<Bitrate>,
    pub(crate) max: Bitrate,
    /// There is no feedback on packets, only the receiver's own estimate.
    pub(crate) blind: bool,
}

#[derive(Debug)]
pub(crate) struct Probing {
    next_id: ProbeId,
    first_estimate: Bitrate,
    /// First probes that are still to come.
    first_left: usize,
    /// To be sent; goes to the caller once.
    order: Option<Probe>,
    cluster: Option<Cluster>,
    not_before: Instant,
    /// Probes in a row that came through.
    successes: u32,
    /// Probes in a row that told nothing new.
    failures: u32,
    /// When a probe raised the estimate, and how many such raises in a row did not hold.
    raised: Option<Instant>,
    wrong_raises: u32,
    /// Probes in a row of which nothing arrived.
    unanswered: u32,
}

impl Probing {
    /// Asks for what feedback needs.
    pub(crate) fn prefetch(&self) {
        prefetch(&self.next_id);
        prefetch(&self.order);
        prefetch(&self.cluster);
        prefetch(&self.not_before);
        prefetch(&self.raised);
    }

    pub(crate) fn new(first_estimate: Bitrate, now: Instant) -> Self {
        Self {
            next_id: ProbeId::FIRST,
            first_estimate,
            first_left: FIRST_FACTORS.len(),
            order: None,
            cluster: None,
            not_before: now,
            successes: 0,
            failures: 0,
            raised: None,
            wrong_raises: 0,
            unanswered: 0,
        }
    }

    /// The probe to send, once.
    pub(crate) fn take_order(&mut self, now: Instant) -> Option<Probe> {
        let order = self.order.take()?;
        self.cluster = Some(Cluster::new(order, now));
        Some(order)
    }

    /// Rate of the probe that is under way.
    pub(crate) fn rate(&self) -> Option<Bitrate> {
        let ordered = self.order.map(|order| order.bitrate);
        ordered.or_else(|| self.cluster.as_ref().map(|cluster| cluster.order.bitrate))
    }

    /// When something is to be looked at, unless feedback comes first.
    pub(crate) fn deadline(&self, aim: &Aim) -> Option<Instant> {
        match &self.cluster {
            Some(cluster) => Some(cluster.last_activity + GIVE_UP),
            None if self.order.is_none() && self.target(aim).is_some() => Some(self.not_before),
            None => None,
        }
    }

    /// Orders a probe if there is a reason and it is time.
    pub(crate) fn consider(&mut self, now: Instant, aim: &Aim) {
        if self.cluster.is_some() || now < self.not_before {
            return;
        }
        let Some(bitrate) = self.target(aim) else {
            // An order that is not taken yet may have lost its reason.
            self.order = None;
            return;
        };
        let length = match self.first_left {
            _ if aim.blind => BLIND_LENGTH,
            0 => LENGTH,
            _ => FIRST_LENGTH,
        };
        let bytes = usize::try_from(bitrate.bytes_in(length)).unwrap_or(usize::MAX);
        self.order = Some(Probe {
            id: self.next_id,
            bitrate,
            bytes: bytes.max(MIN_PACKETS * PACKET_BYTES),
            packets: MIN_PACKETS,
        });
    }

    /// It is no time to probe: an order that was not taken is void.
    pub(crate) fn withhold(&mut self) {
        self.order = None;
    }

    /// The estimate was raised to what a probe measured.
    pub(crate) fn note_raise(&mut self, now: Instant) {
        if self
            .raised
            .is_some_and(|raised| now.saturating_duration_since(raised) >= PROVEN)
        {
            self.wrong_raises = 0;
        }
        self.raised = Some(now);
    }

    /// Whether the last raise did not hold, so that the next one should be careful.
    pub(crate) fn is_doubted(&self) -> bool {
        self.wrong_raises > 0
    }

    /// The estimate fell: the next probe is due when the queue has drained, or later after probes that failed. After a
    /// `large` fall the past failures say nothing about the path as it is now.
    pub(crate) fn pause_after_cut(&mut self, now: Instant, large: bool) {
        self.order = None;
        let earliest = now + PAUSE_AFTER_CUT;
        self.not_before = if large {
            earliest
        } else {
            self.not_before.max(earliest)
        };
        let recent = |raised: Instant| now.saturating_duration_since(raised) < PROVEN;
        if self.raised.take_if(|raised| recent(*raised)).is_some() {
            // What the probe measured was not there for long: others share the path.
            self.wrong_raises = (self.wrong_raises + 1).min(MOST_WRONG_RAISES);
            let pause = PAUSE_AFTER_CUT * 2_u32.pow(self.wrong_raises);
            self.not_before = self.not_before.max(now + pause);
        }
        if large {
            (self.failures, self.unanswered) = (0, 0);
        }
    }

    /// The receiver's own estimate rose: what was sent without other feedback came through.
    pub(crate) fn handle_raised_remb(&mut self) {
        (self.failures, self.unanswered) = (0, 0);
    }

    /// Whether a probe is under way.
    pub(crate) fn is_probing(&self) -> bool {
        self.cluster.is_some()
    }

    /// A packet of a probe left.
    pub(crate) fn handle_sent(&mut self, now: Instant, id: ProbeId, sequence: u32, size: usize) {
        if let Some(cluster) = &mut self.cluster
            && cluster.order.id == id
        {
            cluster.handle_sent(now, sequence, size);
        }
    }

    /// A packet arrived; whether it belongs to a probe.
    pub(crate) fn handle_received(&mut self, packet: SentPacket, arrival: i64) -> bool {
        let Some(cluster) = &mut self.cluster else {
            return false;
        };
        let belongs = cluster.spans(packet.sequence);
        if belongs {
            cluster.handle_received(packet, arrival);
        }
        belongs
    }

    /// Feedback has been read up to this packet, or time passed: what the probe has told, when it is over.
    pub(crate) fn conclude(
        &mut self,
        now: Instant,
        read_to: Option<u32>,
        estimate: Bitrate,
    ) -> Option<ProbeResult> {
        let cluster = self.cluster.as_ref()?;
        let late = now.saturating_duration_since(cluster.last_activity) >= GIVE_UP;
        if !late && !read_to.is_some_and(|sequence| cluster.is_over(sequence)) {
            return None;
        }
        let cluster = self.cluster.take()?;
        self.next_id = self.next_id.next();
        let result = cluster.result();
        self.schedule(now, &cluster, result, estimate);
        result
    }

    fn schedule(
        &mut self,
        now: Instant,
        cluster: &Cluster,
        result: Option<ProbeResult>,
        estimate: Bitrate,
    ) {
        self.unanswered = match cluster.received_bytes {
            0 => self.unanswered + 1,
            _ => 0,
        };
        let successes = self.successes;
        self.successes = 0;
        let pause = match result {
            Some(ProbeResult::Whole(_)) => {
                self.successes = successes + 1;
                self.first_left = self.first_left.saturating_sub(1);
                self.failures = 0;
                PAUSE_AFTER_SUCCESS
            }
            Some(ProbeResult::Filled(rate)) if rate >= estimate.scaled(NEWS) => {
                self.first_left = 0;
                self.failures = 1;
                PAUSE_AFTER_FAILURE
            }
            _ => {
                self.first_left = 0;
                self.failures += 1;
                let doublings = (self.failures - 1).min(8);
                (PAUSE_AFTER_FAILURE * 2_u32.pow(doublings)).min(LONGEST_PAUSE)
            }
        };
        self.not_before = match self.unanswered {
            0..=3 => now + pause,
            _ => now + PAUSE_UNANSWERED,
        };
    }

    /// The rate to probe at; `None` without a reason.
    fn target(&self, aim: &Aim) -> Option<Bitrate> {
        let wanted = aim.wanted.min(aim.max);
        // All of it is sent only when there is headroom, too.
        if wanted.scaled(HEADROOM).min(aim.max) <= aim.estimate {
            return None;
        }
        let most = aim.wanted.scaled(WANTED_FACTOR).min(aim.max);
        let ladder = FIRST_FACTORS.len() - self.first_left;
        if let Some(factor) = FIRST_FACTORS.get(ladder) {
            let rate = self.first_estimate.scaled(*factor).min(most);
            return Some(rate.max(aim.estimate.scaled(MIN_FACTOR).min(most)));
        }
        // A step that the estimate affords already is the allocation's business; the one after it is not known.
        let goal = aim
            .next_step
            .map(|step| step.scaled(AIM_FACTOR))
            .filter(|step| *step > aim.estimate)
            .unwrap_or_else(|| aim.wanted.scaled(AIM_FACTOR));
        // The path turned out wider than thought: do not climb it in steps of layers.
        let least = match self.successes {
            0 => MIN_FACTOR,
            _ => MAX_FACTOR,
        };
        let rate = goal
            .max(aim.estimate.scaled(least))
            .min(aim.estimate.scaled(MAX_FACTOR));
        Some(rate.min(most))
    }
}

/// The probe under way.
#[derive(Debug)]
struct Cluster {
    order: Probe,
    last_activity: Instant,
    /// First and last packet of it that left.
    sequences: Option<(u32, u32)>,
    sent_bytes: u64,
    sent_packets: usize,
    received_bytes: u64,
    received_packets: u32,
    first_sent: u64,
    last_sent: u64,
    first_arrival: i64,
    last_arrival: i64,
    first_size: u16,
    last_size: u16,
}

impl Cluster {
    fn new(order: Probe, now: Instant) -> Self {
        Self {
            order,
            last_activity: now,
            sequences: None,
            sent_bytes: 0,
            sent_packets: 0,
            received_bytes: 0,
            received_packets: 0,
            first_sent: u64::MAX,
            last_sent: 0,
            first_arrival: i64::MAX,
            last_arrival: i64::MIN,
            first_size: 0,
            last_size: 0,
        }
    }

    fn handle_sent(&mut self, now: Instant, sequence: u32, size: usize) {
        self.last_activity = now;
        self.sequences = Some(match self.sequences {
            Some((first, _)) => (first, sequence),
            None => (sequence, sequence),
        });
        self.sent_bytes += size as u64;
        self.sent_packets += 1;
    }

    fn spans(&self, sequence: u32) -> bool {
        self.sequences
            .is_some_and(|(first, last)| sequence.wrapping_sub(first) <= last.wrapping_sub(first))
    }

    fn handle_received(&mut self, packet: SentPacket, arrival: i64) {
        self.received_bytes += u64::from(packet.size);
        self.received_packets += 1;
        self.first_sent = self.first_sent.min(packet.sent);
        if packet.sent >= self.last_sent {
            self.last_sent = packet.sent;
            self.last_size = packet.size;
        }
        if arrival < self.first_arrival {
            self.first_arrival = arrival;
            self.first_size = packet.size;
        }
        self.last_arrival = self.last_arrival.max(arrival);
    }

    /// All of it left, and feedback has come to its end.
    fn is_over(&self, read_to: u32) -> bool {
        let all_left =
            self.sent_bytes >= self.order.bytes as u64 && self.sent_packets >= self.order.packets;
        all_left
            && self
                .sequences
                .is_some_and(|(_, last)| read_to.wrapping_sub(last).cast_signed() >= 0)
    }

    fn result(&self) -> Option<ProbeResult> {
        let bytes = self.received_bytes;
        if (self.received_packets as usize) < MIN_PACKETS - 1
            || bytes * 100 < MIN_RECEIVED_PERCENT * self.sent_bytes
        {
            return None;
        }
        let sending = Duration::from_micros(self.last_sent.checked_sub(self.first_sent)?);
        let receiving = self.last_arrival.checked_sub(self.first_arrival)?;
        let receiving = Duration::from_micros(u64::try_from(receiving).ok()?);
        if receiving > GIVE_UP || sending > GIVE_UP || receiving.is_zero() {
            return None;
        }
        let sent = Bitrate::from_bytes_in(bytes - u64::from(self.last_size), sending);
        let received = Bitrate::from_bytes_in(bytes - u64::from(self.first_size), receiving);
        if received > sent.scaled(MAX_RATIO) {
            return None;
        }
        // Steps of the pacer make the sent rate look higher than it was.
        let sent = sent.min(self.order.bitrate);
        Some(if received >= sent.scaled(WHOLE) {
            ProbeResult::Whole(sent.min(received))
        } else {
            ProbeResult::Filled(received.scaled(FILLED))
        })
    }
}

#[cfg(test)]
mod tests;
