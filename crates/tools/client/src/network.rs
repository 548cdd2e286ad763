//! A bad network on the client's side: loss, delay and bandwidth, as `netem` makes them.

use std::time::Duration;

pub(crate) use pipe::Pipe;

mod pipe;

/// What lies between a client and the rest. Each transport of a client has these links for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Network {
    /// Towards the server.
    pub up: Link,
    /// From the server.
    pub down: Link,
}

/// One direction. The default is a perfect link, which costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers fill it with struct update syntax"
)]
pub struct Link {
    /// Share of packets that are lost, 0 to 1.
    pub loss: f64,
    /// Mean length of a burst of losses in packets; below 1: they are lost independently of each other.
    pub burst: f64,
    /// One way.
    pub delay: Duration,
    /// Up to so much is added at random. Packets do not overtake each other.
    pub jitter: Duration,
    /// Bits per second; `None`: as many as come.
    pub rate: Option<u64>,
    /// How long the queue in front of a limited rate may get before packets are dropped. Zero: 300 ms, what many home
    /// routers have.
    pub queue: Duration,
}

impl Network {
    /// The same links in both directions.
    pub const fn symmetric(link: Link) -> Self {
        Self {
            up: link,
            down: link,
        }
    }
}

impl Link {
    /// Whether packets pass as they come.
    pub fn is_perfect(&self) -> bool {
        self.loss <= 0.0 && self.delay.is_zero() && self.jitter.is_zero() && self.rate.is_none()
    }
}
