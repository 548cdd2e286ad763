//! Several sources as the streams of one publication.

use std::time::Duration;

use super::{Demand, Outlet, Packet, Source};

/// One source for each simulcast stream, lowest first: three files of different size, or three traces.
pub struct Several {
    sources: Vec<Box<dyn Source>>,
}

impl Several {
    /// These, in the order of the publication's encodings. Each writes its packets as if it were alone.
    pub fn new(sources: Vec<Box<dyn Source>>) -> Self {
        Self { sources }
    }
}

impl Source for Several {
    fn due(&self) -> Option<Duration> {
        self.sources.iter().filter_map(|source| source.due()).min()
    }

    fn write(&mut self, out: &mut Outlet<'_>) {
        let Some(due) = self.due() else { return };
        for (encoding, source) in self.sources.iter_mut().enumerate() {
            // Streams of one camera have one clock, and frames at the same times, but for what rounding does.
            if source.due().is_some_and(|at| at <= due) {
                out.of_encoding(encoding, |out| source.write(out));
            }
        }
    }
}

impl std::fmt::Debug for Several {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Several")
            .field("sources", &self.sources.len())
            .finish()
    }
}

/// Nobody watches: what is written goes nowhere, and time goes on.
pub(super) const UNWATCHED: Demand = Demand {
    key_frame: false,
    at_all: false,
};

/// Of which encoding a packet is.
pub(super) const fn of<'a>(packet: &Packet<'a>, encoding: usize) -> Packet<'a> {
    Packet {
        encoding,
        ..*packet
    }
}
