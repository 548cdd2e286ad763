//! Statistics in the shapes that mediasoup clients show (`webrtc-transport`, `inbound-rtp`, `outbound-rtp`).
//!
//! Two of mediasoup's optional fields are never there: `availableIncomingBitrate`, as senders estimate their path by the
//! feedback that they get, and the `roundTripTime` of received streams, which would take RTCP XR from them.

use std::collections::BTreeMap;

use plenum_ids::TransportId;
use plenum_params::{
    data::SctpState,
    event::Layers,
    media::MediaKind,
    stats::{BURST_BOUNDS, ConsumerStats, StreamStats, TransportKind, TransportStats},
    transport::Tuple,
};
use serde::Serialize;

use crate::transport::protocol_name;

/// The pair of addresses that media takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TupleJson {
    /// Our address, older name.
    pub local_ip: String,
    /// Our address, newer name.
    pub local_address: String,
    /// Our port.
    pub local_port: u16,
    /// The peer's address.
    pub remote_ip: String,
    /// The peer's port.
    pub remote_port: u16,
    /// `udp` or `tcp`.
    pub protocol: &'static str,
}

impl From<&Tuple> for TupleJson {
    fn from(tuple: &Tuple) -> Self {
        let local = tuple.local.ip().to_string();
        Self {
            local_ip: local.clone(),
            local_address: local,
            local_port: tuple.local.port(),
            remote_ip: tuple.remote.ip().to_string(),
            remote_port: tuple.remote.port(),
            protocol: protocol_name(tuple.protocol),
        }
    }
}

/// A transport's entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportStatsJson {
    /// `webrtc-transport`, `plain-rtp-transport`, `pipe-transport` or `direct-transport`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which transport.
    pub transport_id: TransportId,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// SCTP state, of transports with data channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_state: Option<&'static str>,
    /// Always `controlled`, where there is ICE: we are ICE-lite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_role: Option<&'static str>,
    /// ICE state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_state: Option<&'static str>,
    /// The pair in use, of a transport with ICE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_selected_tuple: Option<TupleJson>,
    /// DTLS state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtls_state: Option<&'static str>,
    /// Whether RTCP shares the port, of a plain transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtcp_mux: Option<bool>,
    /// Whether the first packet says where the other side is, of a plain transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comedia: Option<bool>,
    /// Both addresses, of a plain or pipe transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuple: Option<TupleJson>,
    /// Those of RTCP, of a plain transport where it takes others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtcp_tuple: Option<TupleJson>,
    /// SRTP profile in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srtp_profile: Option<String>,
    /// Bytes from the peer.
    pub bytes_received: u64,
    /// Bitrate from the peer.
    pub recv_bitrate: u32,
    /// Bytes to the peer.
    pub bytes_sent: u64,
    /// Bitrate to the peer.
    pub send_bitrate: u32,
    /// RTP bytes from the peer, retransmissions excluded.
    pub rtp_bytes_received: u64,
    /// Bitrate of them.
    pub rtp_recv_bitrate: u32,
    /// RTP bytes to the peer, retransmissions excluded.
    pub rtp_bytes_sent: u64,
    /// Bitrate of them.
    pub rtp_send_bitrate: u32,
    /// Retransmitted bytes from the peer.
    pub rtx_bytes_received: u64,
    /// Bitrate of them.
    pub rtx_recv_bitrate: u32,
    /// Retransmitted bytes to the peer.
    pub rtx_bytes_sent: u64,
    /// Bitrate of them.
    pub rtx_send_bitrate: u32,
    /// Bytes sent to probe bandwidth.
    pub probation_bytes_sent: u64,
    /// Bitrate of them.
    pub probation_send_bitrate: u32,
    /// Estimate towards the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_outgoing_bitrate: Option<u32>,
    /// Limit told to the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_incoming_bitrate: Option<u32>,
    /// Upper bound of the estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_outgoing_bitrate: Option<u32>,
    /// Lower bound of the estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_outgoing_bitrate: Option<u32>,
    /// Loss towards the peer, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtp_packet_loss_sent: Option<f32>,
    /// Loss of what the peer sent, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtp_packet_loss_received: Option<f32>,
    /// Round trip in milliseconds; one of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_time: Option<f32>,
    /// How many messages left with 1, 2–3, 4–7, 8–15, 16–31 and 32–64 datagrams in them; one of our own.
    pub group_sizes: [u64; 6],
    /// How packets are spread over time; one of our own.
    pub pacing: PacingJson,
}

/// How a transport's packets are spread over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PacingJson {
    /// Packets that wait.
    pub queued_packets: u32,
    /// Bytes that may leave at once.
    pub budget_bytes: u32,
    /// Most bytes that left at once.
    pub largest_burst_bytes: u32,
    /// How often up to 2, 4, 8, 16, 32 and 64 KiB left at once, and how often more.
    pub bursts: [u64; BURST_BOUNDS.len() + 1],
}

/// The array that answers `getTransportStats`.
#[must_use]
pub fn transport_stats(
    transport: TransportId,
    stats: &TransportStats,
    timestamp: u64,
) -> [TransportStatsJson; 1] {
    let (received, sent) = (&stats.received, &stats.sent);
    let is_webrtc = stats.kind == TransportKind::WebRtc;
    let plain = match stats.kind {
        TransportKind::Plain { rtcp_mux, comedia } => Some((rtcp_mux, comedia)),
        _ => None,
    };
    let tuple = stats.selected_tuple.as_ref().map(TupleJson::from);
    let (ice_selected_tuple, tuple) = if is_webrtc {
        (tuple, None)
    } else {
        (None, tuple)
    };
    [TransportStatsJson {
        kind: kind_name(stats.kind),
        transport_id: transport,
        timestamp,
        sctp_state: stats.sctp_state.map(SctpState::as_str),
        ice_role: is_webrtc.then_some("controlled"),
        ice_state: is_webrtc.then(|| stats.ice_state.as_str()),
        ice_selected_tuple,
        dtls_state: is_webrtc.then(|| stats.dtls_state.as_str()),
        rtcp_mux: plain.map(|(rtcp_mux, _)| rtcp_mux),
        comedia: plain.map(|(_, comedia)| comedia),
        tuple,
        rtcp_tuple: stats.rtcp_tuple.as_ref().map(Into::into),
        srtp_profile: stats.srtp_profile.clone(),
        bytes_received: received.bytes,
        recv_bitrate: received.bitrate,
        bytes_sent: sent.bytes,
        send_bitrate: sent.bitrate,
        rtp_bytes_received: received.rtp_bytes,
        rtp_recv_bitrate: received.rtp_bitrate,
        rtp_bytes_sent: sent.rtp_bytes,
        rtp_send_bitrate: sent.rtp_bitrate,
        rtx_bytes_received: received.rtx_bytes,
        rtx_recv_bitrate: received.rtx_bitrate,
        rtx_bytes_sent: sent.rtx_bytes,
        rtx_send_bitrate: sent.rtx_bitrate,
        probation_bytes_sent: stats.probation_bytes,
        probation_send_bitrate: stats.probation_bitrate,
        available_outgoing_bitrate: stats.available_outgoing_bitrate,
        max_incoming_bitrate: stats.max_incoming_bitrate,
        max_outgoing_bitrate: stats.max_outgoing_bitrate,
        min_outgoing_bitrate: stats.min_outgoing_bitrate,
        rtp_packet_loss_sent: stats.packet_loss_sent,
        rtp_packet_loss_received: stats.packet_loss_received,
        round_trip_time: stats.round_trip_ms,
        group_sizes: stats.group_sizes,
        pacing: PacingJson {
            queued_packets: stats.paced_queue_packets,
            budget_bytes: stats.pacing_budget_bytes,
            largest_burst_bytes: stats.largest_burst_bytes,
            bursts: stats.bursts,
        },
    }]
}

/// mediasoup's names of kinds of transports.
const fn kind_name(kind: TransportKind) -> &'static str {
    match kind {
        TransportKind::WebRtc => "webrtc-transport",
        TransportKind::Plain { .. } => "plain-rtp-transport",
        TransportKind::Pipe => "pipe-transport",
        TransportKind::Direct => "direct-transport",
    }
}

/// A stream's entry.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamStatsJson {
    /// `inbound-rtp` or `outbound-rtp`.
    #[serde(rename = "type")]
    pub entry: &'static str,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// SSRC.
    pub ssrc: u32,
    /// SSRC of the retransmissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtx_ssrc: Option<u32>,
    /// RTP stream id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Audio or video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
    /// Codec.
    pub mime_type: String,
    /// Packets that never arrived.
    pub packets_lost: u64,
    /// Loss of the last interval in 1/256.
    pub fraction_lost: u8,
    /// Jitter in clock units.
    pub jitter: u32,
    /// Packets dropped by us.
    pub packets_discarded: u64,
    /// Retransmissions that were of no use, on received streams that have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtx_packets_discarded: Option<u64>,
    /// Retransmissions.
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
    /// Round trip in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_time: Option<f32>,
    /// 0 to 10.
    pub score: u8,
    /// Packets.
    pub packet_count: u64,
    /// Bytes.
    pub byte_count: u64,
    /// Bitrate.
    pub bitrate: u32,
    /// Bitrate up to a `spatial.temporal` layer; on received streams only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate_by_layer: Option<BTreeMap<String, u32>>,
    /// Layers of a consumer; on sent streams only, and ours alone.
    #[serde(flatten)]
    pub layers: Option<ConsumerLayersJson>,
}

/// What a consumer wants, shall get, and gets. `null`: nothing, and as a wish: whatever there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsumerLayersJson {
    /// Highest that its client wants.
    pub preferred_layers: Option<LayersJson>,
    /// Highest that the path has room for.
    pub target_layers: Option<LayersJson>,
    /// What it gets now.
    pub current_layers: Option<LayersJson>,
    /// 1 to 255.
    pub priority: u8,
}

/// A spatial and a temporal layer; lowest is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayersJson {
    /// Or simulcast stream.
    pub spatial_layer: u8,
    /// `null` where there are none.
    pub temporal_layer: Option<u8>,
}

impl From<Layers> for LayersJson {
    fn from(layers: Layers) -> Self {
        Self {
            spatial_layer: layers.spatial,
            temporal_layer: layers.temporal,
        }
    }
}

impl StreamStatsJson {
    fn inbound(stats: &StreamStats, timestamp: u64) -> Self {
        let by_layer = stats.bitrate_by_layer.iter();
        let by_layer = by_layer
            .map(|(spatial, temporal, bitrate)| (format!("{spatial}.{temporal}"), *bitrate));
        Self {
            bitrate_by_layer: Some(by_layer.collect()),
            ..Self::new("inbound-rtp", stats, timestamp)
        }
    }

    fn outbound(stats: &ConsumerStats, timestamp: u64) -> Self {
        Self {
            layers: Some(ConsumerLayersJson {
                preferred_layers: stats.preferred_layers.map(Into::into),
                target_layers: stats.target_layers.map(Into::into),
                current_layers: stats.current_layers.map(Into::into),
                priority: stats.priority,
            }),
            ..Self::new("outbound-rtp", &stats.outbound, timestamp)
        }
    }

    fn new(entry: &'static str, stats: &StreamStats, timestamp: u64) -> Self {
        Self {
            entry,
            timestamp,
            ssrc: stats.ssrc,
            rtx_ssrc: stats.rtx_ssrc,
            rid: stats.rid.clone(),
            kind: stats.kind,
            mime_type: stats.mime_type.clone(),
            packets_lost: stats.packets_lost,
            fraction_lost: stats.fraction_lost,
            jitter: stats.jitter,
            packets_discarded: stats.packets_discarded,
            rtx_packets_discarded: stats.rtx_packets_discarded,
            packets_retransmitted: stats.packets_retransmitted,
            packets_repaired: stats.packets_repaired,
            nack_count: stats.nack_count,
            nack_packet_count: stats.nack_packet_count,
            pli_count: stats.pli_count,
            fir_count: stats.fir_count,
            round_trip_time: stats.round_trip_time_ms,
            score: stats.score,
            packet_count: stats.packet_count,
            byte_count: stats.byte_count,
            bitrate: stats.bitrate,
            bitrate_by_layer: None,
            layers: None,
        }
    }
}

/// The array that answers `getProducerStats`: one entry per received stream.
#[must_use]
pub fn producer_stats(streams: &[StreamStats], timestamp: u64) -> Vec<StreamStatsJson> {
    streams
        .iter()
        .map(|stream| StreamStatsJson::inbound(stream, timestamp))
        .collect()
}

/// The array that answers `getConsumerStats`: what is sent, and the producer stream behind it.
#[must_use]
pub fn consumer_stats(stats: &ConsumerStats, timestamp: u64) -> Vec<StreamStatsJson> {
    let mut entries = vec![StreamStatsJson::outbound(stats, timestamp)];
    entries.extend(
        stats
            .inbound
            .iter()
            .map(|stream| StreamStatsJson::inbound(stream, timestamp)),
    );
    entries
}

#[cfg(test)]
mod tests;
