//! What senders and receivers of each codec negotiate, as browsers do.
//!
//! A sender's payload types and extension ids differ from those of the router, so that a test notices when they are not
//! rewritten.

use plenum_params::media::{
    CodecKind, ExtensionId, Feedback, HeaderExtension, MediaKind, ReceiveCodec, ReceiveEncoding,
    ReceiveParameters, SendCodec, SendParameters,
};

/// Everything that there is.
pub const FEEDBACK: Feedback = Feedback {
    nack: true,
    pli: true,
    fir: true,
    remb: true,
    transport_cc: true,
};

/// What audio negotiates.
pub const AUDIO_FEEDBACK: Feedback = Feedback {
    nack: true,
    pli: false,
    fir: false,
    remb: false,
    transport_cc: true,
};

/// Ids of the extensions in [`vp8`]'s packets.
pub mod sent {
    /// Transport-wide sequence number.
    pub const TRANSPORT_CC: u8 = 3;
    /// Media section.
    pub const MID: u8 = 4;
    /// Simulcast stream.
    pub const RID: u8 = 10;
    /// Simulcast stream that a retransmission belongs to.
    pub const REPAIRED_RID: u8 = 11;
    /// How the camera is held.
    pub const VIDEO_ORIENTATION: u8 = 13;
}

/// Ids of the extensions in the packets that [`vp8_receiver`] gets.
pub mod received {
    /// Media section.
    pub const MID: u8 = 1;
    /// Time of sending.
    pub const ABS_SEND_TIME: u8 = 4;
    /// Transport-wide sequence number.
    pub const TRANSPORT_CC: u8 = 5;
}

/// VP8 as a browser sends it: payload type 96, retransmissions 97, these encodings.
pub fn vp8(encodings: Vec<ReceiveEncoding>) -> ReceiveParameters {
    video(CodecKind::Vp8, "video/VP8", encodings)
}

/// Like [`vp8`] with another codec.
pub fn video(
    codec: CodecKind,
    mime_type: &str,
    encodings: Vec<ReceiveEncoding>,
) -> ReceiveParameters {
    ReceiveParameters {
        kind: MediaKind::Video,
        mid: Some("1".into()),
        codecs: vec![ReceiveCodec {
            codec,
            mime_type: mime_type.into(),
            payload_type: 96,
            mapped_payload_type: 101,
            clock_rate: 90_000,
            rtx_payload_type: Some(97),
            feedback: FEEDBACK,
        }],
        extensions: extensions([
            (HeaderExtension::Mid, sent::MID),
            (HeaderExtension::Rid, sent::RID),
            (HeaderExtension::RepairedRid, sent::REPAIRED_RID),
            (HeaderExtension::TransportWideCc, sent::TRANSPORT_CC),
            (HeaderExtension::VideoOrientation, sent::VIDEO_ORIENTATION),
        ]),
        encodings,
        cname: "sender".into(),
    }
}

/// Opus on a signalled SSRC, payload type 111 on both sides.
pub fn opus(ssrc: u32) -> ReceiveParameters {
    ReceiveParameters {
        kind: MediaKind::Audio,
        mid: Some("0".into()),
        codecs: vec![ReceiveCodec {
            codec: CodecKind::Opus,
            mime_type: "audio/opus".into(),
            payload_type: 111,
            mapped_payload_type: 111,
            clock_rate: 48_000,
            rtx_payload_type: None,
            feedback: AUDIO_FEEDBACK,
        }],
        extensions: extensions([
            (HeaderExtension::Mid, sent::MID),
            (HeaderExtension::TransportWideCc, sent::TRANSPORT_CC),
        ]),
        encodings: vec![ReceiveEncoding {
            rtx_ssrc: None,
            ..encoding(ssrc)
        }],
        cname: "sender".into(),
    }
}

/// One encoding with signalled SSRCs.
pub fn encoding(ssrc: u32) -> ReceiveEncoding {
    ReceiveEncoding {
        ssrc: Some(ssrc),
        rtx_ssrc: Some(ssrc + 1),
        spatial_layers: 1,
        temporal_layers: 1,
        ..ReceiveEncoding::default()
    }
}

/// One simulcast encoding, known by its RID only.
pub fn simulcast(rid: &str) -> ReceiveEncoding {
    ReceiveEncoding {
        rid: Some(rid.into()),
        spatial_layers: 1,
        temporal_layers: 1,
        ..ReceiveEncoding::default()
    }
}

/// What a receiver of [`vp8`] is told: payload type 101, retransmissions 102.
pub fn vp8_receiver(ssrc: u32) -> SendParameters {
    video_receiver(CodecKind::Vp8, "video/VP8", ssrc)
}

/// What a receiver of [`video`] is told.
pub fn video_receiver(codec: CodecKind, mime_type: &str, ssrc: u32) -> SendParameters {
    SendParameters {
        kind: MediaKind::Video,
        mid: Some("0".into()),
        codecs: vec![SendCodec {
            codec,
            mime_type: mime_type.into(),
            payload_type: 101,
            own_payload_type: None,
            clock_rate: 90_000,
            rtx_payload_type: Some(102),
            feedback: FEEDBACK,
        }],
        extensions: receiver_extensions(),
        ssrc,
        rtx_ssrc: Some(ssrc + 1),
        cname: "sender".into(),
    }
}

/// What a receiver of [`opus`] is told.
pub fn opus_receiver(ssrc: u32) -> SendParameters {
    SendParameters {
        kind: MediaKind::Audio,
        mid: Some("1".into()),
        codecs: vec![SendCodec {
            codec: CodecKind::Opus,
            mime_type: "audio/opus".into(),
            payload_type: 111,
            own_payload_type: None,
            clock_rate: 48_000,
            rtx_payload_type: None,
            feedback: AUDIO_FEEDBACK,
        }],
        extensions: receiver_extensions(),
        ssrc,
        rtx_ssrc: None,
        cname: "sender".into(),
    }
}

fn receiver_extensions() -> Vec<ExtensionId> {
    extensions([
        (HeaderExtension::Mid, received::MID),
        (HeaderExtension::AbsSendTime, received::ABS_SEND_TIME),
        (HeaderExtension::TransportWideCc, received::TRANSPORT_CC),
    ])
}

fn extensions<const N: usize>(ids: [(HeaderExtension, u8); N]) -> Vec<ExtensionId> {
    ids.map(|(extension, id)| ExtensionId { extension, id })
        .to_vec()
}
