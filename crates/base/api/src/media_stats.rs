//! Statistics in the shapes that mediasoup clients show (`webrtc-transport`, `inbound-rtp`, `outbound-rtp`).

use std::collections::BTreeMap;

use plenum_ids::TransportId;
use plenum_params::{
    event::Layers,
    media::MediaKind,
    stats::{BURST_BOUNDS, ConsumerStats, StreamStats, TransportStats},
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
    /// `webrtc-transport`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Which transport.
    pub transport_id: TransportId,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// Always `controlled`: we are ICE-lite.
    pub ice_role: &'static str,
    /// ICE state.
    pub ice_state: &'static str,
    /// The pair in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ice_selected_tuple: Option<TupleJson>,
    /// DTLS state.
    pub dtls_state: &'static str,
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
    /// Round trip in milliseconds; one of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_time: Option<f32>,
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
    [TransportStatsJson {
        kind: "webrtc-transport",
        transport_id: transport,
        timestamp,
        ice_role: "controlled",
        ice_state: stats.ice_state.as_str(),
        ice_selected_tuple: stats.selected_tuple.as_ref().map(Into::into),
        dtls_state: stats.dtls_state.as_str(),
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
        round_trip_time: stats.round_trip_ms,
        pacing: PacingJson {
            queued_packets: stats.paced_queue_packets,
            budget_bytes: stats.pacing_budget_bytes,
            largest_burst_bytes: stats.largest_burst_bytes,
            bursts: stats.bursts,
        },
    }]
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
mod tests {
    use plenum_params::transport::{DtlsState, IceState, Protocol};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transport_entry_has_the_names_that_clients_show() {
        let stats = TransportStats {
            ice_state: IceState::Completed,
            dtls_state: DtlsState::Connected,
            selected_tuple: Some(Tuple {
                local: ([127, 0, 0, 1], 10_000).into(),
                remote: ([127, 0, 0, 1], 50_000).into(),
                protocol: Protocol::Udp,
            }),
            ..TransportStats::default()
        };
        let id = TransportId::from_u128(1);
        let json = serde_json::to_value(transport_stats(id, &stats, 5)).expect("plain data");
        let entry = &json[0];
        assert_eq!(entry["type"], "webrtc-transport");
        assert_eq!(entry["transportId"], id.to_string());
        assert_eq!(entry["iceState"], "completed");
        assert_eq!(entry["iceRole"], "controlled");
        assert_eq!(entry["iceSelectedTuple"]["localIp"], "127.0.0.1");
        assert_eq!(entry["iceSelectedTuple"]["remotePort"], 50_000);
        assert_eq!(entry["rtpRecvBitrate"], 0);
        for absent in ["maxIncomingBitrate", "maxOutgoingBitrate", "roundTripTime"] {
            assert!(entry.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn a_transport_entry_shows_what_the_path_carries() {
        let stats = TransportStats {
            available_outgoing_bitrate: Some(900_000),
            min_outgoing_bitrate: Some(30_000),
            max_outgoing_bitrate: Some(2_000_000),
            probation_bytes: 5_000,
            probation_bitrate: 40_000,
            packet_loss_sent: Some(0.25),
            round_trip_ms: Some(12.5),
            paced_queue_packets: 3,
            bursts: [1, 2, 3, 4, 5, 6, 7],
            ..TransportStats::default()
        };
        let id = TransportId::from_u128(1);
        let json = serde_json::to_value(transport_stats(id, &stats, 5)).expect("plain data");
        let entry = &json[0];
        assert_eq!(entry["availableOutgoingBitrate"], 900_000);
        assert_eq!(entry["minOutgoingBitrate"], 30_000);
        assert_eq!(entry["maxOutgoingBitrate"], 2_000_000);
        assert_eq!(entry["probationBytesSent"], 5_000);
        assert_eq!(entry["probationSendBitrate"], 40_000);
        assert_eq!(entry["rtpPacketLossSent"], 0.25);
        assert_eq!(entry["roundTripTime"], 12.5);
        assert_eq!(entry["pacing"]["queuedPackets"], 3);
        assert_eq!(entry["pacing"]["bursts"], json!([1, 2, 3, 4, 5, 6, 7]));
    }

    #[test]
    fn a_consumer_has_its_own_entry_first_and_then_the_producers() {
        let stats = ConsumerStats {
            outbound: StreamStats {
                ssrc: 7,
                kind: Some(MediaKind::Video),
                ..StreamStats::default()
            },
            inbound: Some(StreamStats {
                ssrc: 9,
                rid: Some("r0".to_owned()),
                bitrate_by_layer: vec![(0, 0, 100_000), (0, 1, 150_000)],
                ..StreamStats::default()
            }),
            preferred_layers: None,
            target_layers: Some(Layers {
                spatial: 1,
                temporal: Some(2),
            }),
            current_layers: Some(Layers {
                spatial: 0,
                temporal: Some(2),
            }),
            priority: 7,
        };
        let json = serde_json::to_value(consumer_stats(&stats, 5)).expect("plain data");
        assert_eq!(json[0]["type"], "outbound-rtp");
        assert_eq!(json[0]["kind"], "video");
        assert!(json[0].get("bitrateByLayer").is_none());
        assert_eq!(json[1]["type"], "inbound-rtp");
        assert_eq!(json[1]["ssrc"], 9);
        assert_eq!(json[1]["rid"], "r0");
        assert_eq!(
            json[1]["bitrateByLayer"],
            json!({"0.0": 100_000, "0.1": 150_000})
        );
        assert_eq!(json[0]["preferredLayers"], json!(null));
        assert_eq!(
            json[0]["targetLayers"],
            json!({"spatialLayer": 1, "temporalLayer": 2})
        );
        assert_eq!(
            json[0]["currentLayers"],
            json!({"spatialLayer": 0, "temporalLayer": 2})
        );
        assert_eq!(json[0]["priority"], 7);
        assert!(json[1].get("currentLayers").is_none());
    }
}
