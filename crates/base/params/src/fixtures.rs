//! What Chromium with mediasoup-client sends, shortened to one codec of each sort.

use serde_json::{Value, json};

use crate::rtp_parameters::{RtpCapabilities, RtpParameters};

pub(crate) fn parameters(value: Value) -> RtpParameters {
    serde_json::from_value(value).expect("a valid fixture")
}

pub(crate) fn capabilities(value: Value) -> RtpCapabilities {
    serde_json::from_value(value).expect("a valid fixture")
}

fn extension(uri: &str, id: u8) -> Value {
    json!({ "uri": uri, "id": id, "encrypt": false, "parameters": {} })
}

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const RRID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const ORIENTATION: &str = "urn:3gpp:video-orientation";

pub(crate) fn opus() -> RtpParameters {
    parameters(json!({
        "mid": "1",
        "codecs": [{
            "mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2,
            "parameters": { "minptime": 10, "useinbandfec": 1, "sprop-stereo": 1, "usedtx": 1 },
            "rtcpFeedback": [{ "type": "transport-cc", "parameter": "" }, { "type": "nack" }],
        }],
        "headerExtensions": [
            extension(MID, 4), extension(ABS_SEND_TIME, 2), extension(AUDIO_LEVEL, 1),
            extension("urn:example:nobody-knows-it", 9),
        ],
        "encodings": [{ "ssrc": 1_957_000_111, "dtx": false }],
        "rtcp": { "cname": "kR9bwZt3", "reducedSize": true },
        "msid": "stream track",
    }))
}

fn video_codecs(mime_type: &str, payload_type: u8, codec_parameters: &Value) -> Value {
    json!([
        {
            "mimeType": mime_type, "payloadType": payload_type, "clockRate": 90000,
            "parameters": codec_parameters,
            "rtcpFeedback": [
                { "type": "goog-remb", "parameter": "" }, { "type": "transport-cc", "parameter": "" },
                { "type": "ccm", "parameter": "fir" }, { "type": "nack", "parameter": "" },
                { "type": "nack", "parameter": "pli" },
            ],
        },
        {
            "mimeType": "video/rtx", "payloadType": payload_type + 1, "clockRate": 90000,
            "parameters": { "apt": payload_type }, "rtcpFeedback": [],
        },
    ])
}

pub(crate) fn video(
    mime_type: &str,
    payload_type: u8,
    codec_parameters: &Value,
    encodings: &Value,
) -> RtpParameters {
    parameters(json!({
        "mid": "2",
        "codecs": video_codecs(mime_type, payload_type, codec_parameters),
        "headerExtensions": [
            extension(MID, 4), extension(RID, 10), extension(RRID, 11), extension(ABS_SEND_TIME, 2),
            extension(TRANSPORT_CC, 3), extension(ORIENTATION, 13),
        ],
        "encodings": encodings,
        "rtcp": { "cname": "", "reducedSize": true },
    }))
}

pub(crate) fn vp8_simulcast() -> RtpParameters {
    let encodings = json!([
        { "rid": "r0", "scalabilityMode": "L1T3", "scaleResolutionDownBy": 4, "maxBitrate": 500_000,
          "active": true, "dtx": false },
        { "rid": "r1", "scalabilityMode": "L1T3", "scaleResolutionDownBy": 2, "maxBitrate": 1_000_000,
          "active": true, "dtx": false },
        { "rid": "r2", "scalabilityMode": "L1T3", "scaleResolutionDownBy": 1, "maxBitrate": 5_000_000,
          "active": true, "dtx": false },
    ]);
    video(
        "video/VP8",
        96,
        &json!({ "x-google-start-bitrate": 1000 }),
        &encodings,
    )
}

pub(crate) fn single_encoding() -> Value {
    json!([{ "ssrc": 3_000_000_001_u32, "rtx": { "ssrc": 3_000_000_002_u32 }, "dtx": false }])
}

/// What a browser's `join` carries: the router's numbers, each shared header extension once, with kind "video".
pub(crate) fn browser_capabilities() -> RtpCapabilities {
    let feedback = json!([
        { "type": "transport-cc" }, { "type": "ccm", "parameter": "fir" },
        { "type": "nack" }, { "type": "nack", "parameter": "pli" },
    ]);
    let codec = |mime_type: &str, payload_type: u8, parameters: Value| {
        json!({ "kind": "video", "mimeType": mime_type, "preferredPayloadType": payload_type,
            "clockRate": 90000, "parameters": parameters, "rtcpFeedback": feedback })
    };
    let rtx = |payload_type: u8| {
        json!({ "kind": "video", "mimeType": "video/rtx", "preferredPayloadType": payload_type,
            "clockRate": 90000, "parameters": { "apt": payload_type - 1 }, "rtcpFeedback": [] })
    };
    let known = |kind: &str, uri: &str, id: u8| {
        json!({ "kind": kind, "uri": uri, "preferredId": id, "preferredEncrypt": false,
            "direction": "sendrecv" })
    };
    capabilities(json!({
        "codecs": [
            { "kind": "audio", "mimeType": "audio/opus", "preferredPayloadType": 100, "clockRate": 48000,
              "channels": 2, "parameters": { "minptime": 10, "useinbandfec": 1 },
              "rtcpFeedback": [{ "type": "transport-cc" }, { "type": "nack" }] },
            codec("video/VP8", 101, json!({})), rtx(102),
            codec("video/VP9", 103, json!({ "profile-id": 2 })), rtx(104),
            codec("video/H264", 105, json!({ "level-asymmetry-allowed": 1, "packetization-mode": 1,
                "profile-level-id": "4d001f" })), rtx(106),
            codec("video/H264", 107, json!({ "level-asymmetry-allowed": 1, "packetization-mode": 1,
                "profile-level-id": "42e01f" })), rtx(108),
            codec("video/AV1", 109, json!({ "level-idx": "5", "profile": 0, "tier": 0 })), rtx(110),
            codec("video/VP9", 111, json!({ "profile-id": 0 })), rtx(112),
            codec("video/not-invented-yet", 120, json!({ "odd": "value" })),
        ],
        "headerExtensions": [
            known("video", MID, 1), known("video", ABS_SEND_TIME, 4), known("video", TRANSPORT_CC, 5)
            , known("audio", AUDIO_LEVEL, 6), known("video", ORIENTATION, 8),
            known("video", "urn:example:nobody-knows-it", 14),
        ],
        "extra": [1, 2, 3],
    }))
}
