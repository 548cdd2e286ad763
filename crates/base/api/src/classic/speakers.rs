//! Who can be heard, in the classic dialect and in our own words beside it.

use plenum_ids::PeerId;
use serde::Serialize;

/// `activeSpeaker`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveSpeaker<'a> {
    /// The loudest peer; `null`: nobody can be heard.
    pub peer_id: Option<&'a PeerId>,
    /// How loud in dBov.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<i8>,
}

/// `speakingPeers`, one of our own (`docs/protocol/extensions.md`), in the words of a newer dialect
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeakingPeers<'a> {
    /// The loudest first; empty: nobody can be heard.
    pub peer_volumes: Vec<PeerVolume<'a>>,
}

/// How loud somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerVolume<'a> {
    /// Who.
    pub peer_id: &'a PeerId,
    /// In dBov, −127 to 0.
    pub volume: i8,
}

/// `dominantSpeaker`, one of our own (`docs/protocol/extensions.md`)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DominantSpeaker<'a> {
    /// Who has the floor; `null`: nobody any more.
    pub peer_id: Option<&'a PeerId>,
}
