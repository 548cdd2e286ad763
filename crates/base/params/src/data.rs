//! Data channels as node and worker exchange them: streams of an SCTP association, their limits, states and counters.

use serde::{Deserialize, Serialize};

/// Longest message in bytes, in either direction: what mediasoup announces and browsers have taken since the first of
/// them.
pub const MAX_MESSAGE_BYTES: u32 = 256 * 1024;

/// Streams of an association in either direction; their identifiers lie below it. mediasoup-client counts its own up to
/// here, and each stream that is open costs memory.
pub const SCTP_STREAMS: u16 = 1024;

/// Most subchannels of one data consumer, and of one message.
pub const MAX_SUBCHANNELS: usize = 64;

/// Payload protocol identifiers of RFC 8831 §8: what a message is.
pub mod ppid {
    /// Text.
    pub const STRING: u32 = 51;
    /// Bytes.
    pub const BINARY: u32 = 53;
    /// Text without any; SCTP sends one byte, which means nothing.
    pub const EMPTY_STRING: u32 = 56;
    /// No bytes; SCTP sends one, which means nothing.
    pub const EMPTY_BINARY: u32 = 57;
}

/// How the messages of one direction of a data channel travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "ORTC defines these")]
pub struct SctpStreamParameters {
    /// Stream of the association, below [`SCTP_STREAMS`].
    pub stream_id: u16,
    /// Messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// A message that could not be delivered within so many milliseconds is given up.
    pub max_packet_life_time: Option<u16>,
    /// A message is given up after having been sent again so often.
    pub max_retransmits: Option<u16>,
}

impl SctpStreamParameters {
    /// One on which nothing is lost and everything keeps its order.
    #[must_use]
    pub const fn reliable(stream_id: u16) -> Self {
        Self {
            stream_id,
            ordered: true,
            max_packet_life_time: None,
            max_retransmits: None,
        }
    }

    /// Whether no message is ever given up.
    pub const fn is_reliable(&self) -> bool {
        self.max_packet_life_time.is_none() && self.max_retransmits.is_none()
    }
}

/// That a transport shall carry data channels, and within which limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct SctpOptions {
    /// Longest message in either direction, at most [`MAX_MESSAGE_BYTES`].
    pub max_message_size: u32,
    /// Bytes that may wait for the receiver of one data consumer.
    pub send_buffer: u32,
}

impl Default for SctpOptions {
    /// The buffer is that of mediasoup's newer releases, 2 MB.
    fn default() -> Self {
        Self {
            max_message_size: MAX_MESSAGE_BYTES,
            send_buffer: 2_000_000,
        }
    }
}

/// What a client must know to open data channels over a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "both sides are the same build")]
pub struct SctpParameters {
    /// SCTP port of both sides.
    pub port: u16,
    /// Streams that we may send.
    pub os: u16,
    /// Streams that we take.
    pub mis: u16,
    /// Longest message in either direction.
    pub max_message_size: u32,
    /// Bytes that may wait for the receiver of one data consumer.
    pub send_buffer: u32,
}

/// State of a transport's association, in mediasoup's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "mediasoup's SctpState")]
pub enum SctpState {
    /// DTLS is not connected yet.
    #[default]
    New,
    /// Waiting for the peer's first words, or in the handshake.
    Connecting,
    /// Messages flow.
    Connected,
    /// The association broke.
    Failed,
    /// The other side closed it.
    Closed,
}

impl SctpState {
    /// mediasoup's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// Counters of a data producer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DataProducerStats {
    /// Messages that arrived.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Messages that arrived while it was paused and went nowhere.
    pub messages_discarded: u64,
}

/// Counters of a data consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DataConsumerStats {
    /// Messages that were handed to the association.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Bytes that wait for being sent, or for being acknowledged.
    pub buffered_amount: u32,
    /// Messages lost because the buffer was full or nobody was there to take them.
    pub messages_dropped: u64,
}
