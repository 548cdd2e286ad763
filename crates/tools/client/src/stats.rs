//! What came and what went. All counters count from the beginning of the client, over all its transports.

use std::time::Duration;

use plenum_ids::{ConsumerId, ProducerId};
use plenum_params::media::MediaKind;

/// The figures of a client.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ClientStats {
    /// All streams that it sends or has sent.
    pub sent: Sent,
    /// All streams that it receives or has received.
    pub received: Received,
    /// State of the transport for sending; `None`: there is none.
    pub send_transport: Option<TransportState>,
    /// State of the transport for receiving; `None`: there is none.
    pub receive_transport: Option<TransportState>,
    /// What is being sent, one entry for each encoding.
    pub sending: Vec<SentStream>,
    /// What is being received, one entry for each consumer.
    pub receiving: Vec<ReceivedStream>,
}

/// How far a transport is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportState {
    /// No answer of ICE yet, or not for too long.
    #[default]
    Checking,
    /// ICE is done, DTLS is not.
    Handshaking,
    /// Media flows.
    Connected,
    /// It has failed, or was closed by the other side.
    Closed,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Packets, retransmissions left out.
    pub packets: u64,
    /// Bytes of them as RTP, without protection.
    pub bytes: u64,
    /// Frames.
    pub frames: u64,
    /// Key frames among them.
    pub key_frames: u64,
    /// Packets sent again.
    pub retransmitted: u64,
    /// Packets asked for again.
    pub nacks: u64,
    /// Packets asked for again that had been forgotten already.
    pub nacks_too_late: u64,
    /// Requests for key frames that came (PLI and FIR).
    pub key_frame_requests: u64,
    /// Packets that the operating system or the simulated network dropped.
    pub dropped: u64,
}

/// What was received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Packets that decrypted, retransmissions and padding left out.
    pub packets: u64,
    /// Bytes of them as RTP, without protection.
    pub bytes: u64,
    /// Frames of which the last packet has come.
    pub frames: u64,
    /// Key frames that have begun.
    pub key_frames: u64,
    /// Packets that had not come when a later one did and a little time had passed.
    pub missed: u64,
    /// Those of them that came after all.
    pub recovered: u64,
    /// Those of them that were given up.
    pub lost: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Bytes of padding, with which the server probes.
    pub padding_bytes: u64,
    /// Packets asked for again, each request counted.
    pub nacks: u64,
    /// Requests for key frames that were sent.
    pub key_frame_requests: u64,
    /// Packets that could not be decrypted.
    pub undecipherable: u64,
    /// Packets of streams that signalling has not told of.
    pub unknown: u64,
    /// Packets that the simulated network dropped.
    pub dropped: u64,
}

/// One encoding that is being sent.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SentStream {
    /// Of which producer; `None`: the server has not answered yet.
    pub producer_id: Option<ProducerId>,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// Its place among the encodings.
    pub encoding: usize,
    /// Its SSRC.
    pub ssrc: u32,
    /// What was sent.
    pub sent: Sent,
    /// Share of packets lost on the way to the server, as its last report says, 0 to 1.
    pub fraction_lost: f64,
    /// Round trip to the server, by its last report.
    pub round_trip: Option<Duration>,
}

/// One consumer that is being received.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReceivedStream {
    /// Which.
    pub consumer_id: ConsumerId,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// What was received.
    pub received: Received,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
}

/// Adds members by name.
macro_rules! add_members {
    ($name:ident: $($member:ident),+) => {
        impl std::ops::AddAssign for $name {
            fn add_assign(&mut self, more: Self) {
                $(self.$member += more.$member;)+
            }
        }
    };
}

add_members!(Sent: packets, bytes, frames, key_frames, retransmitted, nacks, nacks_too_late, key_frame_requests, dropped);
add_members!(
    Received: packets, bytes, frames, key_frames, missed, recovered, lost, duplicates, padding_bytes, nacks,
    key_frame_requests, undecipherable, unknown, dropped
);
