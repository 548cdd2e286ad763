//! Which layers of a stream arrive now, and what each of them costs.

use std::time::{Duration, Instant};

use plenum_params::media::ReceiveEncoding;

use crate::{
    packet::{LayerInfo, MAX_SPATIAL_LAYERS, MAX_TEMPORAL_LAYERS},
    rate::RateCounter,
};

/// A layer is gone when this many frames of lower ones came without any of it …
pub(super) const MISSED_FRAMES: u8 = 5;

/// … and this much time. Together they tell a sender that gave a layer up (who watches it sees a frozen picture) from one
/// that sends a few frames a second, and from a burst of loss. With the key frame that follows it stays below half a
/// second, which is where people begin to call it a freeze.
pub(super) const LAYER_TIMEOUT: Duration = Duration::from_millis(250);

/// Layers of one stream, as declared and as they arrive.
#[derive(Debug)]
pub(crate) struct LayerActivity {
    spatial_layers: u8,
    temporal_layers: u8,
    began: Option<Instant>,
    last_frame: [Option<Instant>; MAX_SPATIAL_LAYERS as usize],
    /// Frames of lower layers since the last one of this layer.
    missed: [u8; MAX_SPATIAL_LAYERS as usize],
    /// Bit `n`: spatial layer `n` does not arrive.
    gone: u8,
    /// Highest spatial layer that arrives.
    top: u8,
    /// By spatial and temporal layer: what who watches the spatial layer is sent of the temporal one. Only where there
    /// is more than one layer.
    rates: Vec<RateCounter>,
}

impl LayerActivity {
    pub(crate) fn new(encoding: &ReceiveEncoding) -> Self {
        let spatial_layers = encoding.spatial_layers.clamp(1, MAX_SPATIAL_LAYERS);
        Self {
            spatial_layers,
            temporal_layers: encoding.temporal_layers.clamp(1, MAX_TEMPORAL_LAYERS),
            began: None,
            last_frame: [None; MAX_SPATIAL_LAYERS as usize],
            missed: [0; MAX_SPATIAL_LAYERS as usize],
            gone: 0,
            top: spatial_layers - 1,
            rates: Vec::new(),
        }
    }

    /// Spatial layers as declared, at least 1.
    pub(crate) fn spatial_layers(&self) -> u8 {
        self.spatial_layers
    }

    /// Temporal layers as declared, at least 1.
    pub(crate) fn temporal_layers(&self) -> u8 {
        self.temporal_layers
    }

    /// Whether there is anything to choose.
    pub(crate) fn is_layered(&self) -> bool {
        self.spatial_layers > 1 || self.temporal_layers > 1
    }

    /// Highest spatial layer that arrives now.
    pub(crate) fn top(&self) -> u8 {
        self.top
    }

    /// Takes a new packet. `told` is how many spatial layers the sender says it sends. Returns whether the highest layer
    /// changed.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        layer: &LayerInfo,
        size: usize,
        told: Option<u8>,
    ) -> bool {
        if !self.is_layered() {
            return false;
        }
        self.count(now, layer, size);
        if self.spatial_layers == 1 || !layer.start {
            return false;
        }
        let began = *self.began.get_or_insert(now);
        let own = usize::from(layer.spatial);
        for above in own..usize::from(self.spatial_layers) {
            let (Some(missed), Some(last)) =
                (self.missed.get_mut(above), self.last_frame.get_mut(above))
            else {
                continue;
            };
            let bit = 1 << above;
            if above == own {
                (*missed, *last) = (0, Some(now));
                self.gone &= !bit;
                continue;
            }
            *missed = missed.saturating_add(1);
            let silent = now.saturating_duration_since(last.unwrap_or(began));
            if *missed >= MISSED_FRAMES && silent >= LAYER_TIMEOUT {
                self.gone |= bit;
            }
        }
        let told = told.map_or(self.spatial_layers, |told| {
            told.clamp(1, self.spatial_layers)
        });
        let arrives = |spatial: &u8| self.gone >> spatial & 1 == 0;
        let top = (0..told).rev().find(arrives).unwrap_or(0);
        std::mem::replace(&mut self.top, top) != top
    }

    fn count(&mut self, now: Instant, layer: &LayerInfo, size: usize) {
        let temporal_layers = usize::from(self.temporal_layers);
        if self.rates.is_empty() {
            let layers = usize::from(self.spatial_layers) * temporal_layers;
            self.rates.resize(layers, RateCounter::default());
        }
        let temporal = usize::from(layer.temporal).min(temporal_layers - 1);
        for (spatial, rates) in self.rates.chunks_mut(temporal_layers).enumerate() {
            if layer.needed_by >> spatial & 1 == 1
                && let Some(rate) = rates.get_mut(temporal)
            {
                rate.add(now, size);
            }
        }
    }

    /// What forwarding up to these layers takes; `None` when they do not arrive although others do. Only where there is
    /// more than one layer.
    pub(crate) fn bitrate(&self, now: Instant, spatial: u8, temporal: u8) -> Option<u32> {
        if spatial > self.top || temporal >= self.temporal_layers {
            return None;
        }
        let rates = self
            .rates
            .chunks(usize::from(self.temporal_layers))
            .nth(usize::from(spatial))?;
        let mut total = 0u32;
        let mut own = 0;
        for rate in rates.get(..=usize::from(temporal))? {
            own = rate.bitrate(now);
            total = total.saturating_add(own);
        }
        let rests = || self.rates.iter().all(|rate| rate.bitrate(now) == 0);
        (own > 0 || rests()).then_some(total)
    }
}
