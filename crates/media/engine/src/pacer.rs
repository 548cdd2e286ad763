//! How much leaves towards one receiver, and when.
//!
//! Whatever a batch brings for a receiver leaves at once while the budget covers it, which is nearly always. A burst
//! beyond the budget - key frames of many senders at a time, a stream that is larger than the path - waits here, and
//! leaves tick by tick. What waits is named, not copied: the packets stay in their producers' rings.

use std::time::{Duration, Instant};

mod budget;
mod bursts;
mod queue;
mod repairs;

pub(crate) use budget::Budget;
pub(crate) use bursts::Bursts;
pub(crate) use queue::{Item, ItemKind, PacedQueue};
use repairs::Repairs;

use plenum_prefetch::prefetch;

/// Between two releases of what waits: the interval of libwebrtc's pacer (`PacingController`, 5 ms).
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Video that has waited longer than this is out of date, and the path will not catch up by sending more: libwebrtc's
/// limit (2 s). Less would cut off the key frame that a narrow path needs a second for.
pub(crate) const MAX_VIDEO_AGE: Duration = Duration::from_secs(2);

/// Sound that has waited longer than this is of no use: receivers' buffers have gone on without it (libwebrtc's `NetEq` holds a
/// few hundred milliseconds), and it would keep what comes after it waiting.
pub(crate) const MAX_AUDIO_AGE: Duration = Duration::from_millis(500);

/// A consumer that was cut off is resumed once what waits is younger than this, so that its key frame leaves soon.
const RESUME_AGE: Duration = Duration::from_millis(100);

/// Packets that wait at most: about two seconds at 10 Mbit/s.
const MAX_WAITING: usize = 2048;

/// Bytes that are to leave at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    all: usize,
    sound: usize,
    /// Sound that is not in the estimate.
    beside: usize,
}

impl Load {
    /// Counts a packet.
    #[inline]
    pub(crate) fn add(&mut self, item: &Item) {
        let size = usize::from(item.size);
        self.all += size;
        if item.is_sound() {
            self.sound += size;
            self.beside += if item.beside { size } else { 0 };
        }
    }
}

/// The pacer of one transport.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    budget: Budget,
    /// What sound has for itself, once the path is measured. Beyond it only sound that is in the estimate costs the
    /// pictures something.
    sound: Option<Budget>,
    repairs: Repairs,
    pub(crate) bursts: Bursts,
    queue: PacedQueue,
    /// Consumers that are cut off until what waits has become less; then each gets a key frame.
    held: Vec<u32>,
    /// Consumers and the outgoing numbers before which they are sent nothing any more, nor again: a key frame comes, or is
    /// here. One entry per consumer.
    abandoned: Vec<(u32, u64)>,
}

impl Pacer {
    /// For a trunk.
    pub(crate) fn for_trunk() -> Self {
        Self {
            budget: Budget::for_trunk(),
            ..Self::default()
        }
    }

    /// Asks for what most packets need: see [`prefetching`](crate::prefetching).
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(&self.queue);
        prefetch(&self.held);
        prefetch(&self.abandoned);
        prefetch(&self.budget);
        prefetch(&self.repairs);
        self.bursts.prefetch();
    }

    /// Whether nothing waits, and all of it may leave at once; then it is spent.
    #[inline]
    pub(crate) fn admit(&mut self, now: Instant, load: Load) -> bool {
        if !self.queue.is_empty() || !self.held.is_empty() {
            return false;
        }
        let mut own = 0;
        if load.sound > 0
            && let Some(sound) = &mut self.sound
        {
            if sound.covers(now, load.sound) {
                own = load.sound;
            } else if load.beside > 0 {
                return false;
            }
        }
        let paced = load.all - own;
        let admitted = paced == 0 || self.budget.covers(now, paced);
        if admitted {
            if let Some(sound) = self.sound.as_mut().filter(|_| own > 0) {
                sound.spend(own);
                self.bursts.add(now, own);
            }
            if paced > 0 {
                self.spend(now, paced);
            }
        }
        admitted
    }

    #[inline]
    fn spend(&mut self, now: Instant, bytes: usize) {
        self.budget.spend(bytes);
        self.repairs.spend(bytes);
        self.bursts.add(now, bytes);
    }

    /// The path carries this many bits per second; `None`: nobody knows. Pictures that take `granted` were chosen whatever
    /// the path is said to carry.
    pub(crate) fn set_estimate(
        &mut self,
        now: Instant,
        bits_per_second: Option<u64>,
        granted: u64,
    ) {
        let paced = bits_per_second.map(|bits| bits.max(granted));
        self.budget.set_estimate(now, paced);
        let sound = self.sound;
        self.sound = paced.map(|bits| {
            let mut sound = sound.unwrap_or_else(Budget::for_sound);
            sound.set_sound_estimate(now, bits);
            sound
        });
        self.repairs.set_estimate(now, bits_per_second);
    }

    /// Bytes that may leave in any 5 ms.
    pub(crate) fn tick_bytes(&self) -> u64 {
        let sound = self.sound.as_ref().map_or(0, Budget::tick_bytes);
        self.budget.tick_bytes() + sound
    }

    /// Whether there is room for a packet of `size` bytes that the receiver asked for again; then it is taken.
    pub(crate) fn admit_repair(&mut self, now: Instant, size: usize) -> bool {
        let is_open = self.repairs.is_open(now);
        if is_open {
            self.repairs.repair(size);
        }
        is_open
    }

    /// Makes a packet wait.
    pub(crate) fn push(&mut self, now: Instant, item: Item) {
        self.queue.push(now, item);
    }

    /// Takes the next packet that may leave now. `extra` bytes may leave beyond the budget: a probe is under way. While the
    /// path has no room only sound may. It costs nothing until [`Self::leaves`]: a queue of packets that are too old by the
    /// time of their turn would use the budget up for ever otherwise, and nothing would leave at all.
    pub(crate) fn pop(&mut self, now: Instant, extra: usize, has_room: bool) -> Option<Item> {
        let is_open = self.budget.is_open(now) && has_room;
        // Sound is little, and worth most in time: what is beyond its own leaves even on credit, which video then pays back.
        let credit = self.budget.has_credit(now);
        let sound = self.sound.as_mut();
        let audio = sound.map_or(credit, |sound| sound.is_open(now));
        self.queue
            .pop(is_open || extra > 0 && has_room, audio, credit)
    }

    /// The packet that was taken last does leave; `extra` and `has_room` are what they were then.
    pub(crate) fn leaves(&mut self, now: Instant, item: &Item, extra: usize, has_room: bool) {
        let size = usize::from(item.size);
        // Sound that pictures paid for would leave them nothing on a path that is thought to be narrow, and without pictures
        // that are reported on, nothing would ever tell that it is not.
        if item.is_sound()
            && let Some(sound) = self.sound.as_mut()
            && (item.beside || sound.is_open(now))
        {
            sound.spend(size);
            self.bursts.add(now, size);
        } else if extra == 0 || self.budget.is_open(now) && has_room {
            self.spend(now, size);
        } else {
            // What leaves as part of a probe is paid for by the probe.
            self.bursts.add(now, size);
        }
    }

    /// How long the packet that was taken last had waited.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        let since = self.queue.popped_since();
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// How long it takes until `bytes` more have left.
    pub(crate) fn time_for(&self, bytes: usize) -> Duration {
        self.budget.time_for(self.queue.bytes() + bytes)
    }

    /// When to take packets again; `None`: nothing waits.
    pub(crate) fn next_release(&self, now: Instant) -> Option<Instant> {
        let opens = self.budget.opens_at(now);
        let sound = self.sound.filter(|_| self.queue.has_audio());
        let opens = sound.map_or(opens, |sound| opens.min(sound.opens_at(now)));
        (!self.queue.is_empty()).then(|| opens.max(now + TICK))
    }

    /// Whether too much waits, or waits too long.
    pub(crate) fn overflowing(&self, now: Instant) -> bool {
        self.is_full()
            || self
                .queue
                .video_since()
                .is_some_and(|since| now.saturating_duration_since(since) > MAX_VIDEO_AGE)
    }

    /// How long the oldest picture has waited.
    pub(crate) fn video_age(&self, now: Instant) -> Duration {
        self.queue
            .video_since()
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// Bytes of video that wait, by consumer.
    pub(crate) fn waiting_video(&self, totals: &mut Vec<(u32, usize)>) {
        self.queue.video_by_consumer(totals);
    }

    /// What waits of a consumer's video, oldest first.
    pub(crate) fn waiting_of(&self, consumer: u32) -> impl Iterator<Item = Item> {
        self.queue.video_of(consumer)
    }

    /// Whether packets of a consumer wait to be sent again, and not for too long.
    pub(crate) fn repairs(&self, now: Instant, consumer: u32) -> bool {
        self.queue.repairs(consumer, now.checked_sub(MAX_VIDEO_AGE))
    }

    /// Lets others' video pass what waits of a consumer.
    pub(crate) fn defer(&mut self, now: Instant, consumer: u32) {
        self.queue.defer_video(now, consumer);
    }

    /// Drops what waits of a consumer's video, which stays cut off until [`Self::resumed`] names it. Nothing before the
    /// outgoing number `end`, with which it goes on, is sent again.
    pub(crate) fn cut_off(&mut self, consumer: u32, end: u64) {
        self.abandon(consumer, end);
        if !self.held.contains(&consumer) {
            self.held.push(consumer);
        }
    }

    /// Drops what waits of a consumer before an outgoing number, and sends none of it again.
    pub(crate) fn abandon(&mut self, consumer: u32, end: u64) {
        self.queue.remove_before(consumer, end);
        match self.abandoned.iter_mut().find(|(it, _)| *it == consumer) {
            Some((_, until)) => *until = end.max(*until),
            None => self.abandoned.push((consumer, end)),
        }
    }

    /// Whether anybody's video is cut off.
    pub(crate) fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// Whether more waits than may, however old it is.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() > MAX_WAITING
    }

    /// Whether a consumer's video is cut off.
    #[inline]
    pub(crate) fn holds(&self, consumer: usize) -> bool {
        !self.held.is_empty() && self.held.contains(&(consumer as u32))
    }

    /// A consumer that may go on, now that what waits is little.
    pub(crate) fn resumed(&mut self, now: Instant) -> Option<usize> {
        let is_young = self
            .queue
            .video_since()
            .is_none_or(|since| now.saturating_duration_since(since) < RESUME_AGE);
        if !is_young || self.queue.len() > MAX_WAITING / 2 {
            return None;
        }
        self.held.pop().map(|consumer| consumer as usize)
    }

    /// Whether the packet with this outgoing number is not worth sending any more.
    pub(crate) fn is_abandoned(&self, consumer: usize, out: u64) -> bool {
        let mut abandoned = self.abandoned.iter();
        abandoned.any(|&(it, end)| it as usize == consumer && out < end)
    }

    /// Forgets a closed consumer: its key may soon be another's.
    pub(crate) fn forget(&mut self, consumer: usize) {
        let consumer = consumer as u32;
        self.queue.remove(consumer);
        self.held.retain(|&held| held != consumer);
        self.abandoned.retain(|&(it, _)| it != consumer);
    }

    /// Forgets everything that waits: there is no way to the receiver any more.
    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    /// Packets that wait.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Consumers with waiting packets, some more than once, and those that are cut off.
    pub(crate) fn consumers(&self) -> impl Iterator<Item = usize> {
        let held = self.held.iter().copied();
        self.queue.consumers().chain(held).map(|key| key as usize)
    }
}

#[cfg(test)]
mod tests;
