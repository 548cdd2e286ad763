//! A source that runs on a media thread.

use std::time::{Duration, Instant};

use plenum_params::media::MediaKind;

use super::thread::Shared;
use crate::{
    peer::{SendStream, StreamKey, Transport},
    source::{Demand, Outlet, Source},
    stats::TransportState,
};

/// A stream that is so far behind is set back instead of sending a burst of old frames.
const TOO_LATE: Duration = Duration::from_millis(200);

/// Frames written at a time, so that one source does not hold up the others.
const MAX_FRAMES: usize = 64;

/// A source with all that it needs to run.
pub(crate) struct SourceSetup {
    /// The client's own number for it.
    pub(crate) publication: u64,
    pub(crate) kind: MediaKind,
    /// One for each encoding.
    pub(crate) streams: Vec<SendStream>,
    pub(crate) source: Box<dyn Source>,
    pub(crate) is_paused: bool,
}

pub(super) struct Running {
    pub(super) setup: SourceSetup,
    pub(super) keys: Vec<StreamKey>,
    demand: Vec<Demand>,
    /// When media time zero was, or is to have been.
    began: Option<Instant>,
    paused_at: Option<Instant>,
}

impl Running {
    pub(super) fn new(setup: SourceSetup, transport: &mut Transport, now: Instant) -> Self {
        let streams = setup.streams.iter();
        let keys: Vec<_> = streams
            .map(|stream| transport.add_sender(stream.clone()))
            .collect();
        let demand = Demand {
            key_frame: true,
            at_all: true,
        };
        Self {
            demand: vec![demand; keys.len()],
            keys,
            began: None,
            paused_at: setup.is_paused.then_some(now),
            setup,
        }
    }

    pub(super) fn set_paused(&mut self, now: Instant, paused: bool) {
        self.setup.is_paused = paused;
        match (self.paused_at, paused) {
            (None, true) => self.paused_at = Some(now),
            (Some(at), false) => {
                self.paused_at = None;
                let paused = now.saturating_duration_since(at);
                self.began = Some(self.began.map_or(now, |began| began + paused));
                for demand in &mut self.demand {
                    demand.key_frame = true;
                }
            }
            _ => {}
        }
    }

    pub(super) fn set_demand(&mut self, encodings: &[bool]) {
        for (demand, wanted) in self.demand.iter_mut().zip(encodings) {
            demand.key_frame |= *wanted && !demand.at_all;
            demand.at_all = *wanted;
        }
    }

    pub(super) fn request_key_frame(&mut self, key: StreamKey) {
        let keys = self.keys.iter().zip(&mut self.demand);
        for (_, demand) in keys.filter(|(one, _)| **one == key) {
            demand.key_frame = true;
        }
    }

    /// The stream begins when media can flow.
    pub(super) fn begin_if(&mut self, now: Instant, state: TransportState) {
        if state == TransportState::Connected && self.paused_at.is_none() {
            self.began.get_or_insert(now);
        }
    }

    /// When the next frame is due; nothing is before media can flow.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.paused_at.is_some() {
            return None;
        }
        Some(self.began? + self.setup.source.due()?)
    }

    /// Writes what is due. `transport` is connected.
    pub(super) fn write(&mut self, now: Instant, transport: &mut Transport, shared: &mut Shared) {
        if self.paused_at.is_some() {
            return;
        }
        let began = *self.began.get_or_insert(now);
        for _ in 0..MAX_FRAMES {
            let Some(due) = self.setup.source.due().map(|due| began + due) else {
                return;
            };
            if due > now {
                return;
            }
            let late = now.saturating_duration_since(due);
            shared.lateness.record(late);
            if late > TOO_LATE {
                shared.skipped_frames += 1;
                self.began = Some(began + late);
            }
            self.write_frame(now, began, transport, shared);
            if self.began != Some(began) {
                return;
            }
        }
    }

    fn write_frame(
        &mut self,
        now: Instant,
        began: Instant,
        transport: &mut Transport,
        shared: &mut Shared,
    ) {
        let (keys, kind) = (&self.keys, self.setup.kind);
        let mut take = |packet: &crate::peer::Packet<'_>| {
            let Some(key) = keys.get(packet.encoding) else {
                return;
            };
            transport.send(now, *key, packet, &mut shared.out);
            if packet.marker || kind == MediaKind::Audio {
                transport.count_frame(*key, packet.is_key);
            }
        };
        let elapsed = now.saturating_duration_since(began);
        let mut outlet = Outlet::new(&mut self.demand, now, elapsed, &mut take);
        self.setup.source.write(&mut outlet);
    }
}
