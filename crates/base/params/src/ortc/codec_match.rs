//! Whether two codecs are the same as far as RTP is concerned.

use crate::{
    h264_profile::{self, Agreement, PROFILE_LEVEL_ID},
    rtp_parameters::{CodecParameters, MimeType, RtpCodecCapability, RtpCodecParameters},
};

/// The members of a capability or of parameters that are compared.
#[derive(Clone, Copy)]
pub(crate) struct Codec<'a> {
    mime_type: &'a MimeType,
    clock_rate: u32,
    channels: Option<u8>,
    parameters: &'a CodecParameters,
}

impl<'a> From<&'a RtpCodecCapability> for Codec<'a> {
    fn from(codec: &'a RtpCodecCapability) -> Self {
        Self {
            mime_type: &codec.mime_type,
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            parameters: &codec.parameters,
        }
    }
}

impl<'a> From<&'a RtpCodecParameters> for Codec<'a> {
    fn from(codec: &'a RtpCodecParameters) -> Self {
        Self {
            mime_type: &codec.mime_type,
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            parameters: &codec.parameters,
        }
    }
}

/// Same format; profiles may differ.
pub(crate) fn is_same_format<'a, 'b>(
    left: impl Into<Codec<'a>>,
    right: impl Into<Codec<'b>>,
) -> bool {
    let (left, right) = (left.into(), right.into());
    let same = |name| left.parameters.number(name) == right.parameters.number(name);
    left.mime_type.matches(right.mime_type)
        && left.clock_rate == right.clock_rate
        && left.channels == right.channels
        && (!left.mime_type.is("multiopus") || (same("num_streams") && same("coupled_streams")))
}

/// Same format and profile: what one side sends, the other can decode.
pub(crate) fn is_match<'a, 'b>(left: impl Into<Codec<'a>>, right: impl Into<Codec<'b>>) -> bool {
    let (left, right) = (left.into(), right.into());
    if !is_same_format(left, right) {
        return false;
    }
    let same = |name| {
        left.parameters.number(name).unwrap_or(0) == right.parameters.number(name).unwrap_or(0)
    };
    if left.mime_type.is("H264") {
        same("packetization-mode")
            && h264_profile::agree(left.parameters, right.parameters) != Agreement::None
    } else if left.mime_type.is("VP9") {
        same("profile-id")
    } else {
        true
    }
}

/// Gives the producer's codec the profile and level that it uses towards the router. Both must match.
pub(crate) fn adopt_profile(codec: &mut RtpCodecParameters, router: &RtpCodecCapability) {
    if !codec.mime_type.is("H264") {
        return;
    }
    match h264_profile::agree(&codec.parameters, &router.parameters) {
        Agreement::ProfileLevelId(id) => codec.parameters.set_text(PROFILE_LEVEL_ID, &id),
        Agreement::None | Agreement::Unstated => codec.parameters.remove(PROFILE_LEVEL_ID),
    }
}
