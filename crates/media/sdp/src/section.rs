//! One media section of an offer.

use plenum_params::{
    media::MediaKind,
    rtp_parameters::{Direction, RtpCodecParameters, RtpHeaderExtensionParameters},
};
use sdp_types::{Attribute, Media};

use crate::{
    Error, MAX_ENTRIES, codecs,
    encodings::{self, Rid, Source},
    offer::value,
};

/// One media section of an offer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Section {
    /// Audio or video.
    pub kind: MediaKind,
    /// `a=mid`
    pub mid: String,
    /// From the client's viewpoint.
    pub direction: Direction,
    /// Payload types with their formats, in the client's order of preference.
    pub codecs: Vec<RtpCodecParameters>,
    /// Header extensions, each with the directions in which the client uses it.
    pub(crate) extensions: Vec<(RtpHeaderExtensionParameters, Direction)>,
    /// SSRCs that the client names, with their repetitions.
    pub(crate) sources: Vec<Source>,
    /// Streams that the client names by RID, best last.
    pub(crate) rids: Vec<Rid>,
    /// `a=msid`, or what says the same of an SSRC.
    pub msid: Option<String>,
    /// Canonical name, if an SSRC has one.
    pub(crate) cname: Option<String>,
}

impl Section {
    pub(crate) fn parse(media: &Media, session: &[Attribute]) -> Result<Self, Error> {
        let kind = match media.media.as_str() {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            other => {
                let what = format!("a section of {:?}", shorten(other));
                return Err(Error::unacceptable(what));
            }
        };
        let own = media.attributes.as_slice();
        let places = [own, session];
        if !media.proto.contains("RTP/SAVPF") {
            return Err(Error::unacceptable("media without DTLS and SRTP"));
        }
        if value(&places, "rtcp-mux").is_none() {
            return Err(Error::unacceptable("media without a=rtcp-mux"));
        }
        let mid = value(&[own], "mid").filter(|mid| is_name(mid));
        let mid = mid.ok_or_else(|| Error::malformed("no a=mid"))?;
        let sources = encodings::sources(own);
        Ok(Self {
            kind,
            mid: mid.to_owned(),
            direction: direction(&places),
            codecs: codecs::parse(kind, &media.fmt, own),
            extensions: extensions(&places),
            rids: encodings::rids(own),
            msid: value(&[own], "msid")
                .map(str::to_owned)
                .or_else(|| encodings::source_value(own, "msid"))
                .filter(|msid| msid.len() <= MAX_MSID),
            cname: encodings::source_value(own, "cname").filter(|name| name.len() <= MAX_NAME),
            sources,
        })
    }

    /// Whether the client will send.
    #[must_use]
    pub const fn sends(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the client will receive.
    #[must_use]
    pub const fn receives(&self) -> bool {
        matches!(self.direction, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// Longest MID, RID or CNAME: what the two-byte form of a header extension (RFC 8285 §4.3) can hold.
pub(crate) const MAX_NAME: usize = 255;

/// Two identifiers of 64 characters and a space (RFC 8830 §2), with room to spare.
const MAX_MSID: usize = 512;

/// RFC 9143 §4: a token, in any case without spaces.
fn is_name(mid: &str) -> bool {
    (1..=MAX_NAME).contains(&mid.len()) && mid.bytes().all(|byte| byte.is_ascii_graphic())
}

fn shorten(text: &str) -> String {
    text.chars().take(32).collect()
}

fn direction(places: &[&[Attribute]]) -> Direction {
    // A section's own word counts before the session's, which is why places are searched one after the other.
    for place in places {
        for attribute in *place {
            if let Some(direction) = direction_of(&attribute.attribute) {
                return direction;
            }
        }
    }
    Direction::SendRecv
}

fn direction_of(word: &str) -> Option<Direction> {
    Some(match word {
        "sendrecv" => Direction::SendRecv,
        "sendonly" => Direction::SendOnly,
        "recvonly" => Direction::RecvOnly,
        "inactive" => Direction::Inactive,
        _ => return None,
    })
}

fn extensions(places: &[&[Attribute]]) -> Vec<(RtpHeaderExtensionParameters, Direction)> {
    let all = places.iter().flat_map(|place| place.iter());
    let entries = all.filter(|attribute| attribute.attribute == "extmap");
    entries
        .filter_map(|attribute| extension(attribute.value.as_deref()?))
        .take(MAX_ENTRIES)
        .collect()
}

/// `id[/direction] uri [configuration]` (RFC 8285 §7).
fn extension(text: &str) -> Option<(RtpHeaderExtensionParameters, Direction)> {
    let mut words = text.split_whitespace();
    let (first, uri) = (words.next()?, words.next()?);
    let (id, direction) = match first.split_once('/') {
        Some((id, word)) => (id, direction_of(word)?),
        None => (first, Direction::SendRecv),
    };
    let id = id.parse().ok().filter(|id| *id != 0)?;
    let entry = RtpHeaderExtensionParameters {
        uri: uri.to_owned(),
        id,
        encrypt: false,
        parameters: std::collections::BTreeMap::new(),
    };
    Some((entry, direction))
}
