//! Statistics in the shapes that mediasoup clients show (`webrtc-transport`, `inbound-rtp`, `outbound-rtp`).

use std::collections::BTreeMap;

use plenum_ids::TransportId;
use plenum_params::{
    media::MediaKind,
    stats::{ConsumerStats, StreamStats, TransportStats},
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
        // Nothing probes yet: the counters stay in the shape because dashboards read them.
        probation_bytes_sent: 0,
        probation_send_bitrate: 0,
        available_outgoing_bitrate: stats.available_outgoing_bitrate,
        max_incoming_bitrate: stats.max_incoming_bitrate,
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
    /// Bitrate per `spatial.temporal` layer; on received streams only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate_by_layer: Option<BTreeMap<String, u32>>,
}

impl StreamStatsJson {
    fn inbound(stats: &StreamStats, timestamp: u64) -> Self {
        Self {
            bitrate_by_layer: Some(BTreeMap::new()),
            ..Self::new("inbound-rtp", stats, timestamp)
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
    let mut entries = vec![StreamStatsJson::new(
        "outbound-rtp",
        &stats.outbound,
        timestamp,
    )];
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
        assert!(entry.get("maxIncomingBitrate").is_none());
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
                ..StreamStats::default()
            }),
            ..ConsumerStats::default()
        };
        let json = serde_json::to_value(consumer_stats(&stats, 5)).expect("plain data");
        assert_eq!(json[0]["type"], "outbound-rtp");
        assert_eq!(json[0]["kind"], "video");
        assert!(json[0].get("bitrateByLayer").is_none());
        assert_eq!(json[1]["type"], "inbound-rtp");
        assert_eq!(json[1]["ssrc"], 9);
        assert_eq!(json[1]["rid"], "r0");
        assert_eq!(json[1]["bitrateByLayer"], serde_json::json!({}));
    }
}
