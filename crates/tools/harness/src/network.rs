//! What lies between a peer and the engine.

use std::time::Instant;

use plenum_testkit::netem::{Netem, NetemConfig};

/// Both directions of a peer's network.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "a network has two directions")]
pub struct Network {
    /// From the peer to the engine.
    pub up: Netem<()>,
    /// From the engine to the peer.
    pub down: Netem<()>,
}

impl Network {
    /// Two directions with seeds of their own.
    pub fn new(up: NetemConfig, down: NetemConfig, seed: u64) -> Self {
        Self {
            up: Netem::new(up, seed),
            down: Netem::new(down, seed + 100),
        }
    }

    /// When the next datagram arrives at either end.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.up.poll_timeout(), self.down.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }
}
