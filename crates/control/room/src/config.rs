//! What a room is made with.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use plenum_api::grants::{Grants, Role};
use plenum_ids::{PeerId, RouterId};
use plenum_params::{rtp_parameters::RtpCapabilities, transport::WebRtcTransportOptions};

use crate::{info::RoomProperties, remote::NodeKey};

/// Settings of a room; they do not change in its life.
#[derive(Clone, Debug)]
pub struct RoomConfig {
    /// The router to make for this room.
    pub router: RouterId,
    /// What that router offers, see [`plenum_params::ortc::router_capabilities`].
    pub capabilities: Arc<RtpCapabilities>,
    /// Options of every transport.
    pub transport: WebRtcTransportOptions,
    /// How many consumers a peer gets of each producer beyond the first one (for load tests); at most
    /// [`MAX_CONSUMER_REPLICAS`] count.
    pub consumer_replicas: u8,
    /// A session that does not join for so long is closed.
    pub join_timeout: Duration,
    /// In a room of more peers than this, those who come to watch are not announced to the others.
    pub announce_up_to: usize,
    /// What peers may use.
    pub limits: Limits,
    /// Who joins first becomes host, unless its door says what it is.
    pub first_is_host: bool,
    /// How often it is told who can be heard.
    pub volume_interval: Duration,
    /// What the room begins with.
    pub properties: RoomProperties,
    /// Who was in the room before it moved here, and is on the way.
    pub returning: BTreeMap<PeerId, Returning>,
    /// To how many other nodes this one brings something itself; more take it from those.
    pub fan_out: usize,
    /// Over how many nodes something gets at most to one that takes it, that one included.
    pub depth: u8,
    /// The room may have parts at other nodes. `None`: it is whole, and pays nothing.
    pub shared: Option<SharedRoom>,
}

/// What a part of a room that may live on several nodes must know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "callers fill it")]
pub struct SharedRoom {
    /// The node of this part.
    pub node: NodeKey,
    /// A moment …
    pub now: Instant,
    /// … and what the node's clock showed then, in milliseconds since 1970. Jumps of the clock in the life of a room do not
    /// matter.
    pub clock_ms: u64,
}

/// What somebody was in a room that has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "what rooms remember of a member")]
pub struct Returning {
    /// What it was.
    pub role: Role,
    /// What it was given while it was there, if anything.
    pub grants: Option<Grants>,
}

/// Upper bound of [`RoomConfig::consumer_replicas`]: the number comes from a client's URL.
pub const MAX_CONSUMER_REPLICAS: u8 = 15;

/// Longer than anybody takes to answer the browser's question for the camera, which classic clients ask before joining.
pub const DEFAULT_JOIN_TIMEOUT: Duration = Duration::from_mins(5);

/// Everybody is told of everybody else, which makes a room's size squared messages to fill it: 10 000 up to here, 9 million
/// with 3000 viewers. And nobody reads a list of more names.
pub const DEFAULT_ANNOUNCE_UP_TO: usize = 100;

/// Half of mediasoup-demo's: a frame around who speaks is to follow the voice, and a few hundred bytes so often cost
/// nothing.
pub const DEFAULT_VOLUME_INTERVAL: Duration = Duration::from_millis(400);

/// Eight copies of a picture of 2.5 Mb/s are 20 Mb/s, which a node with one viewer may send for one who sends.
pub const DEFAULT_FAN_OUT: usize = 8;

/// Each node in between costs about 3 ms; two of them let it reach 8 + 64 + 512 nodes.
pub const DEFAULT_DEPTH: u8 = 3;

impl RoomConfig {
    /// A room with default settings.
    #[must_use]
    pub fn new(router: RouterId, capabilities: Arc<RtpCapabilities>) -> Self {
        Self {
            router,
            capabilities,
            transport: WebRtcTransportOptions::default(),
            consumer_replicas: 0,
            join_timeout: DEFAULT_JOIN_TIMEOUT,
            announce_up_to: DEFAULT_ANNOUNCE_UP_TO,
            limits: Limits::default(),
            first_is_host: true,
            volume_interval: DEFAULT_VOLUME_INTERVAL,
            properties: RoomProperties::default(),
            returning: BTreeMap::new(),
            fan_out: DEFAULT_FAN_OUT,
            depth: DEFAULT_DEPTH,
            shared: None,
        }
    }
}

/// What one peer, or all of them, may use of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members of the room, and besides them as many sessions that have not joined, those in the lobby included.
    pub peers: usize,
    /// Transports per peer.
    pub transports: usize,
    /// Producers per peer.
    pub producers: usize,
    /// Data producers per peer.
    pub data_producers: usize,
    /// Consumers of a peer from which on it may ask for no more.
    pub consumers: usize,
    /// Requests of one peer that a worker has not answered yet.
    pub pending_requests: usize,
    /// Characters of a display name.
    pub display_name: usize,
    /// Bytes of `appData`, as JSON.
    pub app_data: usize,
    /// Bytes of a room's metadata, as JSON.
    pub metadata: usize,
    /// Peers of whom a room remembers what they were made.
    pub remembered: usize,
    /// Bytes of the label and of the protocol of a data producer, as JSON.
    pub label: usize,
    /// Bytes of a device description, as JSON.
    pub device: usize,
}

impl Default for Limits {
    /// Clients use 2 transports (one more pair after a restart of theirs), up to 3 producers (microphone, camera, screen),
    /// 2 data producers (chat, bot),
    /// and some 10 requests at once when they join; the limits leave room for several times as much.
    fn default() -> Self {
        Self {
            peers: 1_000,
            transports: 8,
            producers: 16,
            data_producers: 16,
            consumers: 1_000,
            pending_requests: 128,
            display_name: 128,
            app_data: 16 * 1024,
            metadata: 16 * 1024,
            remembered: 10_000,
            label: 256,
            device: 4 * 1024,
        }
    }
}
