//! Receivers who come between two key frames begin with the last one, if that is not long ago.
//!
//! They are sent everything since then as fast as pacing allows. The times of the past frames are drawn together so that
//! all of them are due at once: a player that kept their distances would stay behind by the age of the key frame.

use std::time::{Duration, Instant};

use plenum_params::media::MediaKind;

use crate::engine::Engine;

/// Longest time that sending the past may take. New packets wait behind it, and half a second of video is what a pacer
/// holds back before it gives up on it.
const MAX_CATCH_UP: Duration = Duration::from_millis(400);

impl Engine {
    /// Lets a consumer that gets nothing yet begin with the last key frame of its target's stream; `true` when it can.
    pub(crate) fn start_with_past(&mut self, now: Instant, key: usize) -> bool {
        let Some(consumer) = self.consumers.get_mut(key) else {
            return false;
        };
        let Some(producer) = self.producers.get(consumer.producer) else {
            return false;
        };
        let Some(transport) = self.transports.get_mut(consumer.transport) else {
            return false;
        };
        if consumer.parameters.kind == MediaKind::Audio
            || producer.paused
            || transport.path.is_none()
            || transport.blocked
            || transport.srtp.is_none()
            // A path that is full has no room for the past.
            || !transport.congestion.has_room(now)
        {
            return false;
        }
        let repaired = producer
            .parameters
            .codecs
            .first()
            .is_some_and(|codec| codec.feedback.nack);
        let stream = consumer
            .target()
            .and_then(|target| producer.streams.get(usize::from(target.stream)));
        let Some(past) = stream.and_then(|stream| stream.past(now, repaired)) else {
            return false;
        };
        if transport.pacer.time_for(past.bytes) > MAX_CATCH_UP || !consumer.start_with(now, past) {
            return false;
        }
        self.fan_out.enqueue_consumer(consumer.transport, key);
        true
    }
}
