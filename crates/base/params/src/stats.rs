//! Counters of media objects, read by snapshot. Bitrates are bit/s over the last second.

use std::time::Duration;

use plenum_ids::TransportId;
use serde::{Deserialize, Serialize};

use crate::{
    data::SctpState,
    event::Layers,
    media::MediaKind,
    transport::{DtlsState, IceState, Tuple},
};

/// Counters of one direction of a transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionStats {
    /// All bytes, as UDP payload.
    pub bytes: u64,
    /// Bitrate of all bytes.
    pub bitrate: u32,
    /// RTP without retransmissions, protected size.
    pub rtp_bytes: u64,
    /// Bitrate of it.
    pub rtp_bitrate: u32,
    /// Retransmissions.
    pub rtx_bytes: u64,
    /// Bitrate of them.
    pub rtx_bitrate: u32,
    /// RTP packets, retransmissions included.
    pub packets: u64,
}

/// Upper ends of [`TransportStats::bursts`] in bytes, all but the last, which has none. From two full packets up to what
/// a transport without an estimate may send per tick.
pub const BURST_BOUNDS: [u32; 6] = [2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

/// What leads to the other side of a transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::exhaustive_enums,
    reason = "node and worker are the same build"
)]
pub enum TransportKind {
    /// ICE and DTLS.
    #[default]
    WebRtc,
    /// An address.
    Plain {
        /// RTCP shares its port.
        rtcp_mux: bool,
        /// The first packet says where the other side is.
        comedia: bool,
    },
    /// A trunk to another worker.
    Pipe,
    /// The node itself.
    Direct,
}

/// A transport of any kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TransportStats {
    /// What leads to its other side.
    pub kind: TransportKind,
    /// ICE.
    pub ice_state: IceState,
    /// DTLS.
    pub dtls_state: DtlsState,
    /// SCTP, on a transport with data channels.
    pub sctp_state: Option<SctpState>,
    /// The pair in use.
    pub selected_tuple: Option<Tuple>,
    /// Of RTCP, where it does not take the same.
    pub rtcp_tuple: Option<Tuple>,
    /// SRTP profile in use (`AEAD_AES_128_GCM` …).
    pub srtp_profile: Option<String>,
    /// From the peer.
    pub received: DirectionStats,
    /// To the peer.
    pub sent: DirectionStats,
    /// Our estimate, or the receiver's last REMB, bit/s.
    pub available_outgoing_bitrate: Option<u32>,
    /// Lower bound set for the estimate, bit/s.
    pub min_outgoing_bitrate: Option<u32>,
    /// Upper bound set for the estimate, bit/s.
    pub max_outgoing_bitrate: Option<u32>,
    /// Limit told to the sender, bit/s.
    pub max_incoming_bitrate: Option<u32>,
    /// Bytes sent only to measure the path (padding).
    pub probation_bytes: u64,
    /// Bitrate of them.
    pub probation_bitrate: u32,
    /// Round trip in milliseconds, as the bandwidth estimator sees it.
    pub round_trip_ms: Option<f32>,
    /// Loss towards the receiver, 0 to 1.
    pub packet_loss_sent: Option<f32>,
    /// Share of the sender's packets that did not come in time in the last report interval, 0 to 1.
    pub packet_loss_received: Option<f32>,
    /// Packets that wait in the pacer.
    pub paced_queue_packets: u32,
    /// Bytes that the pacer lets out at once.
    pub pacing_budget_bytes: u32,
    /// Most bytes that left in one pacing tick.
    pub largest_burst_bytes: u32,
    /// How many pacing ticks sent up to each of [`BURST_BOUNDS`] bytes; the last entry counts those that sent more.
    pub bursts: [u64; BURST_BOUNDS.len() + 1],
    /// How many messages left with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 datagrams in them.
    pub group_sizes: [u64; 6],
    /// Packets that failed authentication, were replayed, or could not be parsed.
    pub discarded: u64,
}

/// One RTP stream, received or sent: the fields of mediasoup's `inbound-rtp` and `outbound-rtp`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StreamStats {
    /// SSRC.
    pub ssrc: u32,
    /// SSRC of the retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// RTP stream id.
    pub rid: Option<String>,
    /// Audio or video.
    pub kind: Option<MediaKind>,
    /// `video/VP8`.
    pub mime_type: String,
    /// Packets that never arrived.
    pub packets_lost: u64,
    /// Loss of the last report interval, in 1/256.
    pub fraction_lost: u8,
    /// Interarrival jitter in RTP clock units.
    pub jitter: u32,
    /// Packets dropped by us.
    pub packets_discarded: u64,
    /// Retransmissions that were of no use, on received streams that have them.
    pub rtx_packets_discarded: Option<u64>,
    /// Retransmissions sent or received.
    pub packets_retransmitted: u64,
    /// Losses repaired by them.
    pub packets_repaired: u64,
    /// NACK messages.
    pub nack_count: u64,
    /// Packets asked for in them.
    pub nack_packet_count: u64,
    /// PLI messages.
    pub pli_count: u64,
    /// FIR messages.
    pub fir_count: u64,
    /// Round-trip time in milliseconds.
    pub round_trip_time_ms: Option<f32>,
    /// 0 (worst) to 10.
    pub score: u8,
    /// Packets.
    pub packet_count: u64,
    /// Payload and header bytes, unprotected.
    pub byte_count: u64,
    /// Bitrate.
    pub bitrate: u32,
    /// Spatial layer, temporal layer and the bitrate that forwarding up to them takes; on received streams only.
    pub bitrate_by_layer: Vec<(u8, u8, u32)>,
}

/// A consumer: what it sends, and the producer stream it forwards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConsumerStats {
    /// The consumer's own stream.
    pub outbound: StreamStats,
    /// The producer stream that it forwards now.
    pub inbound: Option<StreamStats>,
    /// Highest layers that its client wants; `None`: all there are.
    pub preferred_layers: Option<Layers>,
    /// What it shall forward as far as the path allows; `None`: nothing.
    pub target_layers: Option<Layers>,
    /// What it forwards now; `None`: nothing.
    pub current_layers: Option<Layers>,
    /// Its weight when bandwidth is shared out, 1 to 255; 0: not told.
    pub priority: u8,
}

/// What goes through a transport, in bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportBitrate {
    /// Which one.
    pub transport: TransportId,
    /// From its other side.
    pub received: u32,
    /// To it.
    pub sent: u32,
}

/// A whole worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerStats {
    /// Routers.
    pub routers: u32,
    /// Transports.
    pub transports: u32,
    /// Producers.
    pub producers: u32,
    /// Consumers.
    pub consumers: u32,
    /// Data producers.
    pub data_producers: u32,
    /// Data consumers.
    pub data_consumers: u32,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Datagrams sent (segments, not system calls).
    pub datagrams_sent: u64,
    /// Datagrams that the kernel refused to send.
    pub datagrams_dropped: u64,
    /// Bytes received as UDP payload.
    pub bytes_received: u64,
    /// Bytes sent as UDP payload.
    pub bytes_sent: u64,
    /// Datagrams that nobody could be found for, or that were malformed.
    pub datagrams_discarded: u64,
    /// How many messages left with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 segments.
    pub group_sizes: [u64; 6],
    /// Whether segmentation offload is in use.
    pub gso: bool,
    /// CPU time used by the process, microseconds.
    pub cpu_time_us: u64,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Packets that came from the node for direct transports.
    pub packets_received: u64,
    /// Those of them whose object does not exist (any more).
    pub packets_unknown: u64,
    /// What came on the packet socket and was no packet, or too long.
    pub packets_malformed: u64,
    /// Packets that left for the node.
    pub packets_sent: u64,
    /// Packets for the node that were lost because it did not take them fast enough.
    pub packets_dropped: u64,
    /// What passed and what was lost, since the process began.
    pub media: MediaCounters,
    /// How long datagrams stayed here: those that left at once from their arrival until the kernel had taken all that
    /// came of their batch, those that had to wait in a pacer until they left it.
    pub forwarding_delay: DelayHistogram,
    /// How long packets wait for others at present, because there is much to do, microseconds.
    pub hold_us: u32,
    /// Events for the node that were left out because it was behind.
    pub events_dropped: u64,
    /// Bytes for the node that wait on the control socket.
    pub control_bytes_waiting: u64,
    /// Open file descriptors of the process.
    pub descriptors: u32,
    /// TCP connections.
    pub connections: u32,
    /// TCP connections that were closed before anything valid came from them: one too many, or too slow.
    pub connections_refused: u64,
}

impl WorkerStats {
    /// Adds the counters of another process; what is there now, such as transports and memory, stays as it is.
    pub fn add_counters(&mut self, other: &Self) {
        self.datagrams_received += other.datagrams_received;
        self.datagrams_sent += other.datagrams_sent;
        self.datagrams_dropped += other.datagrams_dropped;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
        self.datagrams_discarded += other.datagrams_discarded;
        for (sum, more) in self.group_sizes.iter_mut().zip(other.group_sizes) {
            *sum += more;
        }
        self.cpu_time_us += other.cpu_time_us;
        self.packets_received += other.packets_received;
        self.packets_unknown += other.packets_unknown;
        self.packets_malformed += other.packets_malformed;
        self.packets_sent += other.packets_sent;
        self.packets_dropped += other.packets_dropped;
        self.media.add(&other.media);
        self.forwarding_delay.merge(&other.forwarding_delay);
        self.events_dropped += other.events_dropped;
        self.connections_refused += other.connections_refused;
    }
}

/// What passed through an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaCounters {
    /// RTP packets received, retransmissions included.
    pub rtp_received: u64,
    /// RTP packets sent, retransmissions and padding included.
    pub rtp_sent: u64,
    /// NACK messages from receivers.
    pub nacks_received: u64,
    /// NACK messages to senders.
    pub nacks_sent: u64,
    /// Requests for a key frame from receivers (PLI and FIR).
    pub key_frame_requests_received: u64,
    /// Requests for a key frame to senders.
    pub key_frame_requests_sent: u64,
    /// Retransmissions from senders.
    pub retransmissions_received: u64,
    /// Retransmissions to receivers.
    pub retransmissions_sent: u64,
    /// Packets of senders that had not come when the second of their report was over.
    pub lost_received: u64,
    /// Packets that receivers reported as lost.
    pub lost_sent: u64,
    /// Handshakes that came through.
    pub dtls_connected: u64,
    /// Handshakes that failed.
    pub dtls_failed: u64,
    /// Transports whose peer gave no sign of life for too long.
    pub ice_disconnected: u64,
    /// Times that a TCP connection did not take what its receiver was sent, so that pictures were left out.
    pub connections_blocked: u64,
    /// Messages of data channels that came for a data producer.
    pub messages_received: u64,
    /// Messages that were handed on, once for each data consumer.
    pub messages_sent: u64,
    /// Messages that a data consumer's full buffer, or a receiver who was not there, has cost.
    pub messages_dropped: u64,
    /// Messages that came for no data producer, or were none.
    pub messages_discarded: u64,
}

impl MediaCounters {
    fn add(&mut self, other: &Self) {
        self.rtp_received += other.rtp_received;
        self.rtp_sent += other.rtp_sent;
        self.nacks_received += other.nacks_received;
        self.nacks_sent += other.nacks_sent;
        self.key_frame_requests_received += other.key_frame_requests_received;
        self.key_frame_requests_sent += other.key_frame_requests_sent;
        self.retransmissions_received += other.retransmissions_received;
        self.retransmissions_sent += other.retransmissions_sent;
        self.lost_received += other.lost_received;
        self.lost_sent += other.lost_sent;
        self.dtls_connected += other.dtls_connected;
        self.dtls_failed += other.dtls_failed;
        self.ice_disconnected += other.ice_disconnected;
        self.connections_blocked += other.connections_blocked;
        self.messages_received += other.messages_received;
        self.messages_sent += other.messages_sent;
        self.messages_dropped += other.messages_dropped;
        self.messages_discarded += other.messages_discarded;
    }
}

/// Upper ends of the buckets of a [`DelayHistogram`] in microseconds, all but the last, which has none: from the work of
/// one small batch, over the pacer's ticks of 5 ms, to what people hear.
pub const DELAY_BOUNDS_US: [u32; 12] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 500_000,
];

/// How many of something took how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelayHistogram {
    /// Those that took up to the bound of the same index, and longer than the one before; the last entry counts the rest.
    pub counts: [u64; DELAY_BOUNDS_US.len() + 1],
    /// All delays together, in microseconds.
    pub sum_us: u64,
}

impl DelayHistogram {
    /// Counts `count` things that took `delay` each.
    pub fn add(&mut self, delay: Duration, count: u64) {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        let index = DELAY_BOUNDS_US.partition_point(|&bound| u64::from(bound) < micros);
        if let Some(entry) = self.counts.get_mut(index) {
            *entry += count;
        }
        self.sum_us = self.sum_us.saturating_add(micros.saturating_mul(count));
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.counts.iter_mut().zip(other.counts) {
            *sum += more;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_fall_into_the_bucket_that_they_do_not_exceed() {
        let mut delays = DelayHistogram::default();
        for (micros, index) in [(0, 0), (50, 0), (51, 1), (5_000, 6), (500_001, 12)] {
            let before = delays.counts[index];
            delays.add(Duration::from_micros(micros), 3);
            assert_eq!(delays.counts[index], before + 3, "{micros}");
        }
        assert_eq!(delays.count(), 15);
        assert_eq!(delays.sum_us, 3 * (50 + 51 + 5_000 + 500_001));
    }

    #[test]
    fn counters_add_up_and_what_is_there_now_does_not() {
        let mut stats = WorkerStats {
            transports: 2,
            bytes_sent: 10,
            group_sizes: [1; 6],
            ..WorkerStats::default()
        };
        stats.media.rtp_sent = 5;
        let other = stats.clone();
        stats.add_counters(&other);
        assert_eq!((stats.transports, stats.bytes_sent), (2, 20));
        assert_eq!((stats.group_sizes, stats.media.rtp_sent), ([2; 6], 10));
    }
}
