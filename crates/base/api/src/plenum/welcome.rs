//! The first words to a client, from which it can connect its transports and draw the room.

use plenum_ids::{DataProducerId, NamespaceId, PeerId, ProducerId, RoomId, TransportId};
use plenum_params::{
    media::MediaKind,
    rtp_parameters::RtpCapabilities,
    transport::{DtlsParameters, WebRtcTransportInfo},
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    data::SctpParametersJson,
    grants::{Grants, Role},
    ice::IceServer,
    transport::{IceCandidateJson, IceParametersJson, TransportParametersJson},
};

/// `welcome`: the first words on a new session, and what a client needs when its room has moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Welcome<'a> {
    /// Of the server; for people.
    pub version: &'a str,
    /// How to come back when the socket breaks.
    pub session: SessionTicket<'a>,
    /// Who the client is here.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// How the client is called here whatever it says; absent when its token leaves that to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<&'a str>,
    /// What the client is; absent while the room has not decided, until it joins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What the client may do.
    pub grants: &'a Grants,
    /// What the router can do.
    #[cfg_attr(feature = "ts", ts(type = "types.RtpCapabilities"))]
    pub router_rtp_capabilities: &'a RtpCapabilities,
    /// Already made; `join` connects them.
    pub transports: Transports,
    /// For clients that cannot reach us directly.
    pub ice_servers: &'a [IceServer],
    /// The room as it is now.
    pub room: Room<'a>,
    /// Other nodes, as `https://host`: where to go when this one does not answer any more.
    pub nodes: Vec<String>,
}

/// How to come back when the socket breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct SessionTicket<'a> {
    /// For `?resume=`. Whoever has it is the client.
    pub token: &'a str,
    /// Seconds.
    pub resume_within: u64,
}

/// The transports of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
pub struct Transports {
    /// To produce on; absent without a right to publish anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<Transport>,
    /// Where consumers come; absent without the right to subscribe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recv: Option<Transport>,
}

/// A transport that waits to be connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Transport {
    /// Which one.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub transport_id: TransportId,
    /// Our ICE credentials.
    #[cfg_attr(feature = "ts", ts(type = "types.IceParameters"))]
    pub ice_parameters: IceParametersJson,
    /// Our candidates.
    #[cfg_attr(feature = "ts", ts(type = "Array<types.IceCandidate>"))]
    pub ice_candidates: Vec<IceCandidateJson>,
    /// Our certificate.
    #[cfg_attr(feature = "ts", ts(type = "types.DtlsParameters"))]
    pub dtls_parameters: DtlsParameters,
    /// Data channels; absent: there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional, type = "types.SctpParameters"))]
    pub sctp_parameters: Option<SctpParametersJson>,
}

impl Transport {
    /// As the worker made it.
    #[must_use]
    pub fn new(transport_id: TransportId, info: &WebRtcTransportInfo) -> Self {
        let parameters = TransportParametersJson::from(info);
        Self {
            transport_id,
            ice_parameters: parameters.ice_parameters,
            ice_candidates: parameters.ice_candidates,
            dtls_parameters: parameters.dtls_parameters,
            sctp_parameters: parameters.sctp_parameters,
        }
    }
}

/// The room as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(optional_fields))]
#[serde(rename_all = "camelCase")]
pub struct Room<'a> {
    /// Its name.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub name: &'a RoomId,
    /// The namespace that the name belongs to.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub namespace: &'a NamespaceId,
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
    /// Who has joined.
    pub peers: Vec<Peer<'a>>,
}

/// A peer who has joined.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Peer<'a> {
    /// Who.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub peer_id: &'a PeerId,
    /// For people.
    pub display_name: &'a str,
    /// What it runs on, as it told us; `{flag, name, version}` usually.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    pub device: &'a Value,
    /// What it is.
    pub role: Role,
    /// It wants to speak.
    pub hand_raised: bool,
    /// For applications.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    pub app_data: &'a Map<String, Value>,
    /// What it sends.
    pub producers: Vec<Producer<'a>>,
    /// What it writes.
    pub data_producers: Vec<DataProducer<'a>>,
}

/// Something that a peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Producer<'a> {
    /// Which one.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub producer_id: ProducerId,
    /// Audio or video.
    #[cfg_attr(feature = "ts", ts(type = "types.MediaKind"))]
    pub kind: MediaKind,
    /// As in its `produce`.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    pub app_data: &'a Map<String, Value>,
    /// Nothing comes now.
    pub paused: bool,
}

/// A data channel that a peer writes on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct DataProducer<'a> {
    /// Which one.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub data_producer_id: DataProducerId,
    /// As in its `produceData`.
    pub label: &'a str,
    /// As in its `produceData`.
    pub protocol: &'a str,
    /// As in its `produceData`.
    #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
    pub app_data: &'a Map<String, Value>,
}
