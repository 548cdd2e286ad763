//! Names of packets that wait to be sent to one receiver, most urgent kind first.

use std::{collections::VecDeque, time::Instant};

/// What a packet is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// Sound, for the first time.
    Audio,
    /// A picture, for the first time.
    Video,
    /// A packet again, on the retransmission stream.
    Retransmission,
    /// A packet again under its own number, the same to the byte.
    Repetition,
    /// A packet again on the retransmission stream, though nobody misses it: to find out what the path carries.
    Probation,
    /// Nothing but bytes, for the same purpose.
    Padding,
}

/// One packet for one consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) consumer: u32,
    pub(crate) stream: u8,
    pub(crate) kind: ItemKind,
    /// Only the header is sent, to fill a gap in the numbers.
    pub(crate) filler: bool,
    /// Sound without transport-wide numbers: what is estimated is what comes through beside it.
    pub(crate) beside: bool,
    /// Protected size.
    pub(crate) size: u16,
    /// The producer's extended sequence number.
    pub(crate) sequence: u64,
    /// The outgoing extended sequence number.
    pub(crate) out: u64,
}

impl Item {
    /// Whether it is sound, for the first time or again.
    #[inline]
    pub(crate) fn is_sound(&self) -> bool {
        self.kind == ItemKind::Audio || self.beside
    }
}

/// Entries that a queue keeps memory for while it is empty.
const KEPT_CAPACITY: usize = 64;

/// Retransmissions that wait at most; a receiver asks again for what it still misses.
const MAX_RETRANSMISSIONS: usize = 512;

/// Packets of sound that wait at most: half a second, after which sound is too old, of eighty who speak at once.
const MAX_AUDIO: usize = 2048;

/// Three queues, served in the order of their urgency.
#[derive(Debug, Default)]
pub(crate) struct PacedQueue {
    audio: VecDeque<(Instant, Item)>,
    retransmissions: VecDeque<(Instant, Item)>,
    video: VecDeque<(Instant, Item)>,
    bytes: usize,
    /// When the packet that was taken last had come.
    popped_since: Option<Instant>,
}

impl PacedQueue {
    /// Appends a packet.
    pub(super) fn push(&mut self, now: Instant, item: Item) {
        let queue = match item.kind {
            ItemKind::Audio => {
                // The oldest is worth least.
                if self.audio.len() >= MAX_AUDIO
                    && let Some((_, oldest)) = self.audio.pop_front()
                {
                    self.bytes -= usize::from(oldest.size);
                }
                &mut self.audio
            }
            ItemKind::Retransmission | ItemKind::Repetition => {
                let is_here = |(_, waiting): &(Instant, Item)| {
                    (waiting.consumer, waiting.out) == (item.consumer, item.out)
                };
                if self.retransmissions.len() >= MAX_RETRANSMISSIONS
                    || self.retransmissions.iter().any(is_here)
                {
                    return;
                }
                &mut self.retransmissions
            }
            ItemKind::Video | ItemKind::Probation | ItemKind::Padding => &mut self.video,
        };
        queue.push_back((now, item));
        self.bytes += usize::from(item.size);
    }

    /// Takes the most urgent packet: sound if `audio`, or on `credit` if it is in the estimate; others if `open`.
    pub(super) fn pop(&mut self, open: bool, audio: bool, credit: bool) -> Option<Item> {
        let sound = self.audio.front();
        let queue = if sound.is_some_and(|(_, item)| audio || credit && !item.beside) {
            Some(&mut self.audio)
        } else if !open {
            None
        } else if self.retransmissions.is_empty() {
            Some(&mut self.video)
        } else {
            Some(&mut self.retransmissions)
        };
        let (since, item) = queue?.pop_front()?;
        self.popped_since = Some(since);
        self.bytes -= usize::from(item.size);
        if self.is_empty() {
            self.shrink();
        }
        Some(item)
    }

    /// Gives back the memory of a burst.
    fn shrink(&mut self) {
        for queue in [&mut self.audio, &mut self.retransmissions, &mut self.video] {
            if queue.capacity() > KEPT_CAPACITY {
                queue.shrink_to(KEPT_CAPACITY);
            }
        }
    }

    /// When the packet that was taken last had come.
    pub(super) fn popped_since(&self) -> Option<Instant> {
        self.popped_since
    }

    /// Whether sound waits.
    pub(super) fn has_audio(&self) -> bool {
        !self.audio.is_empty()
    }

    /// When the oldest waiting picture came.
    pub(super) fn video_since(&self) -> Option<Instant> {
        self.video.front().map(|(since, _)| *since)
    }

    /// What waits of a consumer's video, oldest first.
    pub(super) fn video_of(&self, consumer: u32) -> impl Iterator<Item = Item> {
        let all = self.video.iter().map(|(_, item)| *item);
        all.filter(move |item| item.consumer == consumer)
    }

    /// Whether retransmissions of a consumer wait that came after `since`.
    pub(super) fn repairs(&self, consumer: u32, since: Option<Instant>) -> bool {
        let mut waiting = self.retransmissions.iter();
        waiting.any(|(at, item)| item.consumer == consumer && since.is_none_or(|since| *at > since))
    }

    /// Puts what waits of a consumer's video behind that of others.
    pub(super) fn defer_video(&mut self, now: Instant, consumer: u32) {
        let (mut own, others): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.video)
            .into_iter()
            .partition(|(_, item)| item.consumer == consumer);
        for (since, _) in &mut own {
            *since = now;
        }
        self.video = others;
        self.video.append(&mut own);
    }

    /// Adds up waiting bytes of video by consumer.
    pub(super) fn video_by_consumer(&self, totals: &mut Vec<(u32, usize)>) {
        totals.clear();
        for (_, item) in &self.video {
            let bytes = usize::from(item.size);
            match totals.iter_mut().find(|(key, _)| *key == item.consumer) {
                Some((_, total)) => *total += bytes,
                None => totals.push((item.consumer, bytes)),
            }
        }
    }

    /// Removes everything of a consumer.
    pub(super) fn remove(&mut self, consumer: u32) {
        self.retain(|item| item.consumer != consumer);
    }

    /// Removes what a consumer has waiting before an outgoing number.
    pub(super) fn remove_before(&mut self, consumer: u32, end: u64) {
        self.retain(|item| item.consumer != consumer || item.out >= end);
    }

    fn retain(&mut self, stays: impl Fn(&Item) -> bool) {
        let bytes = &mut self.bytes;
        for queue in [&mut self.audio, &mut self.retransmissions, &mut self.video] {
            queue.retain(|(_, item)| {
                let stays = stays(item);
                if !stays {
                    *bytes -= usize::from(item.size);
                }
                stays
            });
        }
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) fn len(&self) -> usize {
        self.audio.len() + self.retransmissions.len() + self.video.len()
    }

    pub(super) fn consumers(&self) -> impl Iterator<Item = u32> {
        let all = self.audio.iter().chain(&self.retransmissions);
        all.chain(&self.video).map(|(_, item)| item.consumer)
    }
}
