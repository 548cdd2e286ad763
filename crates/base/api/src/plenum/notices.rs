//! What clients are told about the room, about others and about what they send.

use plenum_ids::{DataProducerId, PeerId, ProducerId};
use plenum_params::event;
use serde::Serialize;
use serde_json::Value;

use super::welcome::{DataProducer, Peer, Producer, Welcome};
use crate::grants::{Grants, Role};

/// `peerJoined`
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct PeerJoined<'a> {
    /// Who.
    pub peer: Peer<'a>,
}

/// `peerLeft`, `knockGone`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PeerNotice<'a> {
    /// Who.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
}

/// `peerChanged`: what is absent is as before. It may be the client itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct PeerChanged<'a> {
    /// Who.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<&'a str>,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// It wants to speak, or not any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hand_raised: Option<bool>,
}

/// `producerAdded`
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProducerAdded<'a> {
    /// Who sends.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// What.
    pub producer: Producer<'a>,
}

/// `producerRemoved`, `producerPaused`, `producerResumed`: of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProducerOf<'a> {
    /// Who sends.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// What.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub producer_id: ProducerId,
}

/// `dataProducerAdded`
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DataProducerAdded<'a> {
    /// Who writes.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// What.
    pub data_producer: DataProducer<'a>,
}

/// `dataProducerRemoved`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DataProducerRemoved<'a> {
    /// Who wrote.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// What.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub data_producer_id: DataProducerId,
}

/// `dataProducerClosed`: of the client's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DataProducerNotice {
    /// Which data producer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub data_producer_id: DataProducerId,
}

/// `producerMuted`, `producerClosed`: a host has paused or closed the client's own producer, or it may not send it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProducerNotice {
    /// Which producer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub producer_id: ProducerId,
}

/// `producerScore`: of the client's own producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProducerScoreNotice {
    /// Which producer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub producer_id: ProducerId,
    /// One per encoding seen.
    pub score: Vec<EncodingScore>,
}

/// Quality of one encoding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct EncodingScore {
    /// Index of the encoding.
    pub encoding_idx: u8,
    /// Its SSRC.
    pub ssrc: u32,
    /// Its RTP stream id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// 0 to 10.
    pub score: u8,
}

impl From<&event::EncodingScore> for EncodingScore {
    fn from(score: &event::EncodingScore) -> Self {
        Self {
            encoding_idx: score.encoding_index,
            ssrc: score.ssrc,
            rid: score.rid.clone(),
            score: score.score,
        }
    }
}

/// `producerDemand`: which encodings of the client's own producer anybody gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProducerDemand<'a> {
    /// Which producer.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub producer_id: ProducerId,
    /// One per encoding: whether sending it is of any use.
    pub encodings: &'a [bool],
}

/// `speakingPeers`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SpeakingPeers<'a> {
    /// The loudest first; empty: nobody can be heard.
    pub peer_volumes: Vec<PeerVolume<'a>>,
}

/// How loud somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PeerVolume<'a> {
    /// Who.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// In dBov, −127 to 0.
    pub volume: i8,
}

/// `activeSpeaker`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct ActiveSpeaker<'a> {
    /// Who has the floor; absent: nobody any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(as = "Option<String>"))]
    pub peer_id: Option<&'a PeerId>,
}

/// `roomChanged`: all of it, changed or not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct RoomChanged<'a> {
    /// Nobody but hosts may join.
    pub locked: bool,
    /// Who joins waits for a host.
    pub lobby: bool,
    /// How many may be in it; absent: as many as the server takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_peers: Option<u32>,
    /// For applications.
    #[cfg_attr(feature = "ts", ts(type = "unknown"))]
    pub metadata: &'a Value,
}

/// `grantsChanged`: what the client itself may do from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GrantsChanged<'a> {
    /// All of it.
    pub grants: &'a Grants,
}

/// `knock`: somebody waits in the lobby. To hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Knocked<'a> {
    /// Who.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// For people.
    pub display_name: &'a str,
}

/// `admitted`: the `join` that was answered with `waiting` has succeeded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Admitted<'a> {
    /// Everybody who was there already.
    pub peers: Vec<Peer<'a>>,
    /// How the client is called here: by its token if that says so.
    pub display_name: &'a str,
    /// What the client is.
    pub role: Role,
    /// What the client may do.
    pub grants: &'a Grants,
}

/// `migrate`: the room goes on at another media worker. Join there with the new `welcome`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Migrate<'a> {
    /// For logs: `workerLost` or `maintenance`.
    pub reason: &'a str,
    /// What the client has goes on until it asks `migrated`.
    pub make_before_break: bool,
    /// As at the beginning.
    pub welcome: Welcome<'a>,
}

/// `draining`: the node lets nobody in any more and will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Draining {
    /// At the latest after so many seconds.
    pub seconds: u64,
}

/// `redirect`: instead of `welcome`, to a client that follows: it is to be served by another node. Without `seq`: it begins
/// no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Redirect<'a> {
    /// That node, as `https://host` or `wss://host`.
    pub url: &'a str,
    /// For logs.
    pub reason: &'a str,
}

/// `comeBack`: instead of `welcome`, before the socket is closed: too many come at once. Without `seq`: it begins no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ComeBack {
    /// In so many milliseconds the client is let in, whoever else comes.
    pub after_ms: u32,
}

/// `resumed`: the first words on a socket that goes on with a session. Without `seq`: it belongs to the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Resumed {
    /// The highest identifier of a request that has arrived; 0: none. Greater ones are to be sent again.
    pub last_request_id: u64,
    /// Questions of the server whose answers have not arrived. Answers that were given are to be sent again.
    pub unanswered: Vec<u64>,
}
