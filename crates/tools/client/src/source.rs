//! Where the media comes from that a client sends: made up, out of files, or an application's own.
//!
//! A [`Source`] runs on a media thread. It says when its next frame is due and writes that frame's packets into an
//! [`Outlet`], which numbers, protects and sends them. What all sources have in common (sequence numbers, header extensions,
//! retransmissions, reports) is not their business.

use std::time::Duration;

pub use clip::Clip;
pub use files::FileSource;
pub use layers::{NoMode, ScalabilityMode};
pub use outlet::{Demand, Outlet};
pub use plenum_rtp::ext::AudioLevel;
pub use several::Several;
pub use synthetic::Synthetic;
pub use trace::{Trace, TraceError, TraceSource};

pub use crate::peer::Packet;

mod clip;
mod files;
mod layers;
mod outlet;
mod payload;
mod several;
pub(crate) mod stamp;
mod synthetic;
mod trace;

/// Makes media. Called on a media thread, which serves many clients: it must be quick and must not block.
pub trait Source: Send + 'static {
    /// When the next frame is to be sent, counted from the beginning of the stream. `None`: nothing follows.
    ///
    /// Asked again after each [`Self::write`], and never goes back.
    fn due(&self) -> Option<Duration>;

    /// Writes the packets of the frame that is due.
    fn write(&mut self, out: &mut Outlet<'_>);
}

#[cfg(test)]
mod tests;
