use serde_json::{from_value, json};

use super::*;

fn codec(value: Value) -> Result<RtpCodecParameters, String> {
    from_value(value).map_err(|error| error.to_string())
}

#[test]
fn members_left_out_get_their_defaults() {
    let parameters: RtpParameters = from_value(json!({
        "codecs": [{ "mimeType": "video/vp8", "payloadType": 101, "clockRate": 90000, "channels": 3 }],
    }))
    .expect("enough");
    let codec = &parameters.codecs[0];
    assert_eq!(codec.channels, None, "video has no channels");
    assert!(codec.parameters.is_empty() && codec.rtcp_feedback.is_empty());
    assert!(parameters.rtcp.reduced_size);
    let audio = json!({ "mimeType": "AUDIO/PCMU", "payloadType": 0, "clockRate": 8000 });
    assert_eq!(self::codec(audio).expect("enough").channels, Some(1));
}

#[test]
fn what_cannot_be_made_sense_of_is_an_error_for_people() {
    let cases = [
        (json!({ "payloadType": 1, "clockRate": 1 }), "mimeType"),
        (
            json!({ "mimeType": "text/plain", "payloadType": 1, "clockRate": 1 }),
            "text/plain",
        ),
        (
            json!({ "mimeType": "video/", "payloadType": 1, "clockRate": 1 }),
            "MIME",
        ),
        (
            json!({ "mimeType": "video/VP8", "payloadType": 1, "clockRate": "x" }),
            "invalid type",
        ),
        (
            json!({ "mimeType": "video/VP8", "clockRate": 90000 }),
            "payloadType",
        ),
        (
            json!({ "mimeType": "video/VP8", "payloadType": 128, "clockRate": 90000 }),
            "7 bits",
        ),
        (
            json!({ "mimeType": "video/rtx", "payloadType": 1, "clockRate": 1, "parameters": { "apt": "x" } }),
            "apt",
        ),
        (
            json!({ "mimeType": "video/VP8", "payloadType": 1, "clockRate": 1, "parameters": { "a": [] } }),
            "neither",
        ),
    ];
    for (value, part) in cases {
        let error = codec(value).expect_err("nonsense");
        assert!(error.contains(part), "{error} should mention {part}");
    }
}

#[test]
fn odd_values_of_unimportant_members_count_as_not_given() {
    let encoding: RtpEncodingParameters =
        from_value(json!({ "dtx": "yes", "maxBitrate": 1_500_000.7, "active": 1, "ssrc": null }))
            .expect("lenient");
    assert_eq!(
        (encoding.dtx, encoding.max_bitrate),
        (false, Some(1_500_000))
    );
    let extension: RtpHeaderExtension = from_value(json!({
        "kind": "audio", "uri": "u", "preferredId": 1, "direction": "sideways", "preferredEncrypt": null,
    }))
    .expect("lenient");
    assert_eq!(extension.direction, Direction::SendRecv);
    let rtcp: RtcpParameters =
        from_value(json!({ "reducedSize": null, "mux": true })).expect("lenient");
    assert_eq!(rtcp, RtcpParameters::default());
}

#[test]
fn parameters_are_numbers_or_strings() {
    let parameters: CodecParameters =
        from_value(json!({ "apt": 96, "spelt": "7", "none": null, "profile-level-id": 640_032 }))
            .expect("valid");
    assert_eq!(parameters.number("apt"), Some(96));
    assert_eq!(parameters.number("spelt"), Some(7));
    assert_eq!(parameters.text("none").as_deref(), Some(""));
    assert_eq!(
        parameters.text("profile-level-id").as_deref(),
        Some("640032")
    );
}
