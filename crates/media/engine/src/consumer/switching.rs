//! From one stream to another, or to the same one after a pause.

use std::time::{Duration, Instant};

use plenum_params::{event::Event, media::CodecKind};

use super::{Consumer, Epoch, LayerTarget, ticks};
use crate::{
    packet::PacketMeta,
    producer::{Fresh, Past, Producer},
};

/// How long the first frame of another stream waits for the rest of the present one's last frame: two frames at 30 a
/// second. What has not come by then is lost or held up, and the picture should not be.
const FRAME_PATIENCE: Duration = Duration::from_millis(66);

/// Where to begin with another stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    stream: u8,
    sequence: u64,
    since: Instant,
    /// The newest frame's timestamp, when the beginning lies in the past.
    newest: Option<u32>,
}

/// Times of past frames are drawn together by this factor: a second to 31 ms, less than two frames, while the frames of
/// 60 a second still have times of their own (1500 ticks of 90 kHz become 46).
const COMPRESSION: u32 = 32;

impl Consumer {
    /// Sets what to forward; `true` when that takes a key frame of the target's stream which was not needed before.
    pub(crate) fn set_target(&mut self, target: Option<LayerTarget>) -> bool {
        if self.target == target {
            return false;
        }
        self.target = target;
        self.start = self
            .start
            .filter(|start| target.is_some_and(|target| target.stream == start.stream));
        self.needs_sync()
    }

    /// What to change to as soon as the stream allows it.
    pub(crate) fn target(&self) -> Option<LayerTarget> {
        self.target
    }

    /// What the consumer is to get when there is bandwidth enough.
    pub(crate) fn wanted(&self, producer: &Producer) -> Option<LayerTarget> {
        if self.is_pinned() {
            self.target
        } else {
            producer.best_target(self.preferred)
        }
    }

    /// Whether a key frame of the target's stream is waited for.
    pub(crate) fn needs_sync(&self) -> bool {
        let Some(target) = self.target.filter(|_| !self.paused) else {
            return false;
        };
        if self.current_stream() != Some(target.stream) {
            return self.start.is_none();
        }
        let selector = self.selector.as_ref();
        selector.is_some_and(|selector| selector.needs_key(target))
    }

    /// The event that tells other current layers than the node knows of. Only where there are layers to choose.
    pub(crate) fn announce_layers(&mut self, producer: &Producer) -> Option<Event> {
        self.selector.as_ref()?;
        let layers = self.layers(producer);
        let changed = std::mem::replace(&mut self.announced_layers, layers) != layers;
        changed.then_some(Event::ConsumerLayers {
            consumer: self.id,
            layers,
        })
    }

    /// Waits for the next sync point before anything is sent again.
    pub(crate) fn resync(&mut self) {
        self.synced = false;
        self.start = None;
    }

    /// The stream begins anew with other numbers.
    pub(crate) fn restart(&mut self) {
        self.resync();
        self.renumbered = true;
    }

    /// Looks at a packet while the stream that flows and the target's are not one; `true` when the packet is of the one
    /// that flows and is to be sent.
    pub(super) fn consider_stream(
        &mut self,
        now: Instant,
        fresh: Fresh,
        meta: &PacketMeta,
    ) -> bool {
        if self.current_stream() != Some(fresh.stream) {
            let wanted = self
                .target
                .is_some_and(|target| target.stream == fresh.stream);
            if wanted && meta.sync_point && !fresh.empty && self.takes(meta) {
                self.start.get_or_insert(Start {
                    stream: fresh.stream,
                    sequence: fresh.sequence,
                    since: now,
                    newest: None,
                });
            }
            return false;
        }
        let newer = self.map.peek(fresh.sequence).is_some();
        if self.target.is_some() && self.start.is_none() {
            // What the receiver asked for is not lower for want of bandwidth.
            let is_lower = self.target.is_some_and(|target| {
                let preferred = self.preferred;
                target.stream < fresh.stream
                    && preferred.is_none_or(|layers| target.stream < layers.spatial)
            });
            // Encoders make key frames of all streams at once. The large one is what a narrow path must not get.
            if is_lower && meta.sync_point && !fresh.empty && newer {
                self.synced = false;
            }
            return self.synced;
        }
        // The present stream ends with the frame that it is in the middle of.
        let sent_as = self
            .epochs
            .newest()
            .map(|epoch| epoch.timestamp(meta.timestamp));
        let same_frame = sent_as == Some(self.last_timestamp);
        if !same_frame && !fresh.empty {
            self.frame_is_open &= !newer;
        }
        if !self.frame_is_open && self.target.is_none() {
            self.synced = false;
        }
        same_frame || fresh.empty
    }

    /// Begins in the past, with everything since the last key frame; `false` when that is not possible.
    pub(crate) fn start_with(&mut self, now: Instant, past: Past) -> bool {
        let Some(target) = self
            .target
            .filter(|_| !self.paused && self.current_stream().is_none())
        else {
            return false;
        };
        let (key_frame, newest) = past.timestamps;
        if let Some(epoch) = self
            .epochs
            .newest()
            .filter(|epoch| epoch.stream == target.stream && !self.renumbered)
        {
            // Who had some of these frames already must not see time go back.
            let first = Epoch {
                newest_past: Some(newest),
                ..*epoch
            }
            .timestamp(key_frame);
            if first.wrapping_sub(self.last_timestamp).cast_signed() <= 0 {
                return false;
            }
        }
        self.start = Some(Start {
            stream: target.stream,
            sequence: past.first,
            since: now,
            newest: Some(newest),
        });
        true
    }

    /// Begins with another stream if one waits and the present one's last frame is through. Returns its stream and first
    /// packet: whatever of it is here from that one on is to be sent.
    pub(crate) fn poll_start(&mut self, now: Instant, producer: &Producer) -> Option<(u8, u64)> {
        let start = self.start?;
        let waited = now.saturating_duration_since(start.since);
        if self.synced && self.frame_is_open && waited < FRAME_PATIENCE {
            return None;
        }
        self.start = None;
        let stream = producer.streams.get(usize::from(start.stream))?;
        let (meta, ..) = stream.packet(start.sequence)?;
        self.begin(now, producer, start, meta);
        Some((start.stream, start.sequence))
    }

    /// Forwards a stream from this packet on, continuing sequence numbers, timestamps, picture ids and frame numbers.
    fn begin(&mut self, now: Instant, producer: &Producer, start: Start, meta: &PacketMeta) {
        let first_out = self.map.jump(start.sequence);
        let same = self
            .epochs
            .newest()
            .filter(|epoch| epoch.stream == start.stream && !self.renumbered)
            .copied();
        let goes_on = same.is_some() && start.newest.is_none();
        let codec = self.codec(meta.payload_type).map(|codec| codec.codec);
        if let Some(picture_ids) = &mut self.picture_ids {
            let closes_up = !goes_on || codec == Some(CodecKind::Vp8);
            picture_ids.begin(first_out, &meta.layer, closes_up);
        }
        let epoch = if let Some(same) = same.filter(|_| goes_on) {
            // The same stream goes on after a pause: its clock ran on.
            Epoch { first_out, ..same }
        } else {
            let next_frame = self.last_frame_number.map(|last| last.wrapping_add(1));
            let frame_number = meta.layer.frame_number;
            Epoch {
                first_out,
                stream: start.stream,
                timestamp_offset: same.map_or_else(
                    || self.timestamp_offset(now, producer, start, meta),
                    |same| same.timestamp_offset,
                ),
                newest_past: start.newest,
                frame_number_offset: next_frame.map_or(0, |next| next.wrapping_sub(frame_number)),
            }
        };
        self.epochs.push(epoch);
        self.begun = Some(first_out);
        if let (Some(selector), Some(target)) = (&mut self.selector, self.target) {
            selector.begin(start.sequence, first_out, target);
        }
        self.synced = true;
        self.renumbered = false;
        self.frame_is_open = false;
    }

    /// What to add to the timestamps of another stream.
    fn timestamp_offset(
        &self,
        now: Instant,
        producer: &Producer,
        start: Start,
        meta: &PacketMeta,
    ) -> u32 {
        let (Some(previous), Some(last_sent)) = (self.epochs.newest(), self.last_sent) else {
            return 0;
        };
        // Where time is drawn together the first frame is due that much before the newest one.
        let newest = start.newest.unwrap_or(meta.timestamp);
        let span = newest.wrapping_sub(meta.timestamp) / COMPRESSION;
        let goes_on = |offset: &u32| {
            // Reports of a confused sender must not move time backwards.
            let first = newest.wrapping_sub(span).wrapping_add(*offset);
            first.wrapping_sub(self.last_timestamp).cast_signed() > 0
        };
        let by_reports = self
            .offset_by_reports(producer, *previous, start.stream)
            .filter(|_| !self.renumbered)
            .filter(goes_on);
        by_reports.unwrap_or_else(|| {
            let codec = self.codec(meta.payload_type);
            let codec = codec.or_else(|| self.codec(meta.primary_type));
            let clock_rate = codec.map_or(90_000, |codec| codec.clock_rate);
            let elapsed = ticks(now.saturating_duration_since(last_sent), clock_rate);
            let next = self.last_timestamp.wrapping_add(elapsed.max(span + 1));
            next.wrapping_sub(newest)
        })
    }

    /// The offset that keeps the capture time of both streams on one line, by their senders' reports.
    fn offset_by_reports(&self, producer: &Producer, old: Epoch, stream: u8) -> Option<u32> {
        let clock_rate = self.parameters.codecs.first()?.clock_rate;
        let (old_ntp, old_rtp, _) = producer
            .streams
            .get(usize::from(old.stream))?
            .sender_report?;
        let (new_ntp, new_rtp, _) = producer.streams.get(usize::from(stream))?.sender_report?;
        // NTP time has 32 bits of fraction (RFC 5905 §6); the difference may be negative.
        let elapsed = i128::from(new_ntp.wrapping_sub(old_ntp).cast_signed());
        let new_on_old =
            old_rtp.wrapping_add(((elapsed * i128::from(clock_rate)) >> 32).cast_unsigned() as u32);
        Some(
            new_on_old
                .wrapping_add(old.timestamp_offset)
                .wrapping_sub(new_rtp),
        )
    }
}

impl Epoch {
    /// The outgoing number of its first packet.
    pub(crate) fn first_out(&self) -> u64 {
        self.first_out
    }

    /// A timestamp of the sender as the receiver sees it.
    pub(crate) fn timestamp(&self, timestamp: u32) -> u32 {
        let drawn_together = self.newest_past.map(|newest| {
            let past = newest.wrapping_sub(timestamp);
            if past.cast_signed() > 0 {
                newest.wrapping_sub(past / COMPRESSION)
            } else {
                timestamp
            }
        });
        drawn_together
            .unwrap_or(timestamp)
            .wrapping_add(self.timestamp_offset)
    }
}
