use plenum_params::transport::{DtlsState, IceState, Protocol};
use serde_json::{Value, json};

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

/// What each object of mediasoup's has, whatever its kind. What is optional is given its value in these tests.
const TRANSPORT: &[&str] = &[
    "type",
    "transportId",
    "timestamp",
    "bytesReceived",
    "recvBitrate",
    "bytesSent",
    "sendBitrate",
    "rtpBytesReceived",
    "rtpRecvBitrate",
    "rtpBytesSent",
    "rtpSendBitrate",
    "rtxBytesReceived",
    "rtxRecvBitrate",
    "rtxBytesSent",
    "rtxSendBitrate",
    "probationBytesSent",
    "probationSendBitrate",
    "sctpState",
    "availableOutgoingBitrate",
    "maxIncomingBitrate",
    "maxOutgoingBitrate",
    "minOutgoingBitrate",
    "rtpPacketLossReceived",
    "rtpPacketLossSent",
    // Ours.
    "srtpProfile",
    "roundTripTime",
    "groupSizes",
    "pacing",
];

const STREAM: &[&str] = &[
    "type",
    "timestamp",
    "ssrc",
    "rtxSsrc",
    "rid",
    "kind",
    "mimeType",
    "packetsLost",
    "fractionLost",
    "jitter",
    "packetsDiscarded",
    "packetsRetransmitted",
    "packetsRepaired",
    "nackCount",
    "nackPacketCount",
    "pliCount",
    "firCount",
    "score",
    "packetCount",
    "byteCount",
    "bitrate",
];

/// The members of an object, as a set.
fn members(entry: &Value) -> Vec<&str> {
    let mut names: Vec<_> = entry
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

fn expected<'a>(common: &[&'a str], own: &[&'a str]) -> Vec<&'a str> {
    let mut names = [common, own].concat();
    names.sort_unstable();
    names
}

/// A transport that has a value for everything.
fn full_transport(kind: TransportKind) -> TransportStats {
    let tuple = Tuple {
        local: ([127, 0, 0, 1], 10_000).into(),
        remote: ([127, 0, 0, 1], 50_000).into(),
        protocol: Protocol::Udp,
    };
    TransportStats {
        kind,
        sctp_state: Some(SctpState::Connected),
        selected_tuple: Some(tuple),
        srtp_profile: Some("AEAD_AES_256_GCM".to_owned()),
        available_outgoing_bitrate: Some(1),
        min_outgoing_bitrate: Some(2),
        max_outgoing_bitrate: Some(3),
        max_incoming_bitrate: Some(4),
        round_trip_ms: Some(5.0),
        packet_loss_sent: Some(0.25),
        packet_loss_received: Some(0.5),
        group_sizes: [1, 2, 3, 4, 5, 6],
        ..TransportStats::default()
    }
}

#[test]
fn each_kind_of_transport_has_the_members_that_mediasoup_gives_it() {
    let plain = TransportKind::Plain {
        rtcp_mux: false,
        comedia: true,
    };
    let kinds: [(_, _, &[&str]); 4] = [
        (
            TransportKind::WebRtc,
            "webrtc-transport",
            &["iceRole", "iceState", "iceSelectedTuple", "dtlsState"],
        ),
        (
            plain,
            "plain-rtp-transport",
            &["rtcpMux", "comedia", "tuple", "rtcpTuple"],
        ),
        (TransportKind::Pipe, "pipe-transport", &["tuple"]),
        (TransportKind::Direct, "direct-transport", &[]),
    ];
    let id = TransportId::from_u128(1);
    for (kind, name, own) in kinds {
        let mut stats = full_transport(kind);
        if kind == plain {
            stats.rtcp_tuple = stats.selected_tuple;
        }
        if kind == TransportKind::Direct {
            stats.selected_tuple = None;
        }
        let json = serde_json::to_value(transport_stats(id, &stats, 5)).expect("plain data");
        assert_eq!(json[0]["type"], name);
        assert_eq!(members(&json[0]), expected(TRANSPORT, own), "{name}");
    }
    let json = serde_json::to_value(transport_stats(id, &full_transport(plain), 5));
    let entry = &json.expect("plain data")[0];
    assert_eq!(
        (&entry["rtcpMux"], &entry["comedia"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        entry["tuple"],
        json!({
            "localIp": "127.0.0.1", "localAddress": "127.0.0.1", "localPort": 10_000,
            "remoteIp": "127.0.0.1", "remotePort": 50_000, "protocol": "udp",
        })
    );
    assert_eq!(entry["sctpState"], "connected");
    assert_eq!(entry["rtpPacketLossReceived"], 0.5);
    assert_eq!(entry["groupSizes"], json!([1, 2, 3, 4, 5, 6]));
}

#[test]
fn streams_have_the_members_that_mediasoup_gives_them() {
    let stream = StreamStats {
        ssrc: 9,
        rtx_ssrc: Some(10),
        rid: Some("r0".to_owned()),
        kind: Some(MediaKind::Video),
        rtx_packets_discarded: Some(3),
        ..StreamStats::default()
    };
    let json = serde_json::to_value(producer_stats(std::slice::from_ref(&stream), 5));
    let json = json.expect("plain data");
    let own = ["bitrateByLayer", "rtxPacketsDiscarded"];
    assert_eq!(members(&json[0]), expected(STREAM, &own));
    assert_eq!(json[0]["rtxPacketsDiscarded"], 3);

    let stats = ConsumerStats {
        outbound: StreamStats {
            round_trip_time_ms: Some(20.0),
            rtx_packets_discarded: None,
            ..stream.clone()
        },
        inbound: Some(stream),
        ..ConsumerStats::default()
    };
    let json = serde_json::to_value(consumer_stats(&stats, 5)).expect("plain data");
    let own = [
        "roundTripTime",
        // Ours.
        "preferredLayers",
        "targetLayers",
        "currentLayers",
        "priority",
    ];
    assert_eq!(members(&json[0]), expected(STREAM, &own));
    assert_eq!(members(&json[1]).len(), STREAM.len() + 2);
}
