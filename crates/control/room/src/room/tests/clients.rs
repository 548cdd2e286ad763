//! What clients say.

use plenum_ids::{ProducerId, TransportId};
use plenum_params::{
    data::SctpStreamParameters,
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpParameters},
};
use serde_json::json;

use crate::{
    command::{Audience, PeerRequest},
    subscription::Subscription,
};

pub(super) fn join(display_name: &str) -> PeerRequest {
    PeerRequest::Join {
        display_name: display_name.to_owned(),
        device: super::device(),
        rtp_capabilities: Some(capabilities()),
        data: true,
        volumes: false,
        demand: true,
        migrate: false,
        subscription: Subscription::All,
        app_data: serde_json::Map::new(),
        features: false,
    }
}

/// Of a client that understands lobbies, roles and hands.
pub(super) fn join_featured(display_name: &str, wanted: Subscription) -> PeerRequest {
    let mut request = join(display_name);
    if let PeerRequest::Join {
        features,
        subscription,
        ..
    } = &mut request
    {
        *features = true;
        *subscription = wanted;
    }
    request
}

/// A producer that the client chooses itself.
pub(super) fn consume(producer: ProducerId) -> PeerRequest {
    PeerRequest::Consume {
        transport: None,
        producer,
        rtp_capabilities: None,
        paused: false,
        layers: None,
        numbers: None,
    }
}

/// Of a client that comes back when its place is lost.
pub(super) fn join_able(display_name: &str) -> PeerRequest {
    let mut request = join(display_name);
    if let PeerRequest::Join { migrate, .. } = &mut request {
        *migrate = true;
    }
    request
}

pub(super) fn produce(transport: TransportId) -> PeerRequest {
    PeerRequest::Produce {
        transport,
        kind: MediaKind::Video,
        rtp_parameters: vp8(),
        app_data: serde_json::Map::from_iter([("share".to_owned(), json!(true))]),
        paused: false,
        voice: false,
        wish: None,
    }
}

/// A camera.
pub(super) fn film(transport: TransportId) -> PeerRequest {
    let mut request = produce(transport);
    if let PeerRequest::Produce { app_data, .. } = &mut request {
        app_data.clear();
    }
    request
}

/// A microphone.
pub(super) fn speak(transport: TransportId) -> PeerRequest {
    PeerRequest::Produce {
        transport,
        kind: MediaKind::Audio,
        rtp_parameters: opus(),
        app_data: serde_json::Map::new(),
        paused: false,
        voice: true,
        wish: None,
    }
}

pub(super) fn write(transport: TransportId, stream_id: u16, audience: Audience) -> PeerRequest {
    PeerRequest::ProduceData {
        transport,
        stream: SctpStreamParameters::reliable(stream_id),
        label: "chat".to_owned(),
        protocol: String::new(),
        app_data: serde_json::Map::from_iter([("info".to_owned(), json!("my-chat"))]),
        audience,
    }
}

pub(super) fn opus() -> RtpParameters {
    serde_json::from_value(json!({
        "mid": "0",
        "codecs": [
            { "mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2 },
        ],
        "encodings": [{ "ssrc": 5 }],
    }))
    .expect("valid")
}

pub(super) fn capabilities() -> RtpCapabilities {
    serde_json::from_value(json!({
        "codecs": [
            { "kind": "audio", "mimeType": "audio/opus", "preferredPayloadType": 100, "clockRate": 48000,
              "channels": 2, "rtcpFeedback": [{ "type": "nack" }] },
            { "kind": "video", "mimeType": "video/VP8", "preferredPayloadType": 101, "clockRate": 90000,
              "rtcpFeedback": [{ "type": "nack" }, { "type": "nack", "parameter": "pli" }] },
            { "kind": "video", "mimeType": "video/rtx", "preferredPayloadType": 102, "clockRate": 90000,
              "parameters": { "apt": 101 } },
            { "kind": "video", "mimeType": "video/of-tomorrow", "preferredPayloadType": 103, "clockRate": 90000 },
        ],
        "headerExtensions": [
            { "kind": "video", "uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "preferredId": 1 },
        ],
    }))
    .expect("valid")
}

pub(super) fn vp8() -> RtpParameters {
    serde_json::from_value(json!({
        "mid": "1",
        "codecs": [
            { "mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000,
              "rtcpFeedback": [{ "type": "nack" }, { "type": "nack", "parameter": "pli" }] },
            { "mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000, "parameters": { "apt": 96 } },
        ],
        "headerExtensions": [{ "uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 4 }],
        "encodings": [{ "rid": "r0" }, { "rid": "r1" }],
        "rtcp": { "cname": "" },
    }))
    .expect("valid")
}

pub(super) fn vp9() -> RtpParameters {
    serde_json::from_value(json!({
        "codecs": [{ "mimeType": "video/VP9", "payloadType": 98, "clockRate": 90000 }],
        "encodings": [{ "ssrc": 7 }],
    }))
    .expect("valid")
}
