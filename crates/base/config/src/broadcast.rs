//! `[broadcast]`: who publishes and plays by HTTP.

use std::time::Duration;

use plenum_params::network::Network;

/// `[broadcast]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broadcast {
    /// Sessions of WHIP and WHEP at a time.
    pub max_sessions: u32,
    /// Broadcasters (REST) at a time.
    pub max_broadcasters: u32,
    /// Seconds that a session of WHIP or WHEP may take to connect its media.
    pub media_timeout_s: u32,
    /// Seconds after which a broadcaster is gone of which nothing is heard.
    pub idle_timeout_s: u32,
    /// Networks that broadcasters may have their plain transports send to, besides the address that they come from.
    pub allow_networks: Vec<Network>,
}

impl Broadcast {
    /// `media_timeout_s` as a duration.
    pub fn media_timeout(&self) -> Duration {
        Duration::from_secs(self.media_timeout_s.into())
    }

    /// `idle_timeout_s` as a duration.
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout_s.into())
    }
}

impl Default for Broadcast {
    fn default() -> Self {
        Self {
            // A session without media costs the node some kilobytes; what media costs is limited at the workers.
            max_sessions: 10_000,
            // Each has ports of its own, of which a worker's share holds a hundred or two.
            max_broadcasters: 1000,
            // Browsers give up ICE after 15 to 30 s.
            media_timeout_s: 30,
            // Longer than a program takes to open a slow source after its transports were made.
            idle_timeout_s: 60,
            // Whoever is named there would get whatever some client likes.
            allow_networks: Vec::new(),
        }
    }
}
