//! What layers a producer has, which of them arrive, and which of them a consumer is to get.

use std::time::{Duration, Instant};

use plenum_params::event::Layers;

use super::{
    Producer,
    activity::{LAYER_TIMEOUT, MISSED_FRAMES},
};
use crate::{consumer::LayerTarget, packet::MAX_TEMPORAL_LAYERS};

/// A stream without packets for this long is not forwarded any more: longer than the gap between two frames of the
/// slowest screen share, shorter than people need to notice.
const STREAM_TIMEOUT: Duration = Duration::from_millis(1500);

impl Producer {
    /// Spatial and temporal layers in the words of signalling, at least 1 each. The spatial layers of a producer with
    /// several streams are its streams.
    pub(crate) fn layer_counts(&self) -> (u8, u8) {
        let temporal = self.streams.iter().map(|it| it.activity.temporal_layers());
        let spatial = match self.streams.as_slice() {
            [only] => only.activity.spatial_layers(),
            streams => streams.len() as u8,
        };
        (spatial, temporal.max().unwrap_or(1))
    }

    /// Whether there is anything to choose.
    pub(crate) fn is_layered(&self) -> bool {
        self.layer_counts() != (1, 1)
    }

    /// Layers that exist, as near as possible to these; without a temporal layer the highest.
    pub(crate) fn clamp(&self, layers: Layers) -> Layers {
        let (spatial, temporal) = self.layer_counts();
        Layers {
            spatial: layers.spatial.min(spatial - 1),
            temporal: Some(
                layers
                    .temporal
                    .map_or(temporal - 1, |wanted| wanted.min(temporal - 1)),
            ),
        }
    }

    /// Where these layers are found, whether they arrive or not.
    pub(crate) fn target(&self, spatial: u8, temporal: u8) -> LayerTarget {
        let (stream, spatial) = if self.streams.len() > 1 {
            (spatial.min(self.streams.len() as u8 - 1), 0)
        } else {
            let layers = self.streams.first();
            (
                0,
                spatial.min(layers.map_or(0, |it| it.activity.spatial_layers() - 1)),
            )
        };
        let layers = self.streams.get(usize::from(stream));
        let highest = layers.map_or(0, |it| it.activity.temporal_layers() - 1);
        LayerTarget {
            stream,
            spatial,
            temporal: temporal.min(highest),
        }
    }

    /// What a consumer gets that prefers these layers and has bandwidth enough: the highest that arrives and is not above
    /// them, else the lowest that arrives. `None` as long as nothing has arrived.
    pub(crate) fn best_target(&self, preferred: Option<Layers>) -> Option<LayerTarget> {
        let spatial = preferred.map_or(u8::MAX, |layers| layers.spatial);
        let temporal = preferred.and_then(|layers| layers.temporal);
        let temporal = temporal.unwrap_or(MAX_TEMPORAL_LAYERS);
        if let [only] = self.streams.as_slice() {
            let arrives = only.live.then(|| only.activity.top());
            return arrives.map(|top| self.target(spatial.min(top), temporal));
        }
        let live = |index: &usize| self.streams.get(*index).is_some_and(|stream| stream.live);
        let end = self
            .streams
            .len()
            .min(usize::from(spatial).saturating_add(1));
        let below = (0..end).rev().find(live);
        let stream = below.or_else(|| (end..self.streams.len()).find(live))?;
        Some(self.target(stream as u8, temporal))
    }

    /// The highest stream that arrives.
    pub(crate) fn best_stream(&self) -> Option<u8> {
        self.best_target(None).map(|target| target.stream)
    }

    /// Bit/s that forwarding up to these layers takes; `None` when they do not arrive now. A stream that rests takes
    /// nothing and still counts as arriving.
    pub(crate) fn layer_bitrate(&self, now: Instant, spatial: u8, temporal: u8) -> Option<u32> {
        let (index, spatial) = if self.streams.len() > 1 {
            (spatial, 0)
        } else {
            (0, spatial)
        };
        let stream = self.streams.get(usize::from(index)).filter(|it| it.live)?;
        if stream.activity.is_layered() {
            stream.activity.bitrate(now, spatial, temporal)
        } else {
            let exists = spatial == 0 && temporal == 0;
            // The key frame with which a receiver begins is no reason not to send it the only stream that there is.
            let rate = if self.streams.len() > 1 {
                &stream.rate
            } else {
                &stream.steady
            };
            exists.then(|| rate.bitrate(now))
        }
    }

    /// For statistics: spatial and temporal layer inside a stream, and what forwarding up to them takes.
    pub(super) fn bitrate_by_layer(&self, now: Instant, index: usize) -> Vec<(u8, u8, u32)> {
        let activity = self.streams.get(index).map(|stream| &stream.activity);
        let Some(activity) = activity.filter(|activity| activity.is_layered()) else {
            return Vec::new();
        };
        let mut bitrates = Vec::new();
        for spatial in 0..activity.spatial_layers() {
            for temporal in 0..activity.temporal_layers() {
                let signalled = if self.streams.len() > 1 {
                    index as u8
                } else {
                    spatial
                };
                let bitrate = self.layer_bitrate(now, signalled, temporal);
                bitrates.extend(bitrate.map(|bitrate| (spatial, temporal, bitrate)));
            }
        }
        bitrates
    }

    /// Takes a new packet of one of several streams. The streams above it have missed a frame when it starts one.
    pub(super) fn handle_simulcast(&mut self, now: Instant, index: u8, starts_frame: bool) {
        let Some((stream, above)) = self
            .streams
            .get_mut(usize::from(index)..)
            .and_then(<[_]>::split_first_mut)
        else {
            return;
        };
        stream.missed_frames = 0;
        self.layers_changed |= !stream.live;
        if !starts_frame {
            return;
        }
        for stream in above {
            stream.missed_frames = stream.missed_frames.saturating_add(1);
            self.layers_changed |= stream.live && !stream.arrives(now);
        }
    }

    /// Finds out anew which streams arrive; `true` when consumers may get other layers than before.
    pub(crate) fn update_live(&mut self, now: Instant) -> bool {
        let mut changed = std::mem::take(&mut self.layers_changed);
        // A stream that is silent together with all others (DTX, static screen) stays the one to forward.
        if self.streams.iter().any(|stream| stream.arrives(now)) {
            for stream in &mut self.streams {
                let live = stream.arrives(now);
                changed |= std::mem::replace(&mut stream.live, live) != live;
            }
        }
        changed
    }
}

impl super::ProducerStream {
    fn arrives(&self, now: Instant) -> bool {
        let Some(last) = self.last_packet else {
            return false;
        };
        let silent = now.saturating_duration_since(last);
        silent < STREAM_TIMEOUT && (silent < LAYER_TIMEOUT || self.missed_frames < MISSED_FRAMES)
    }
}
