//! Parameters of WebRTC transports as JSON clients read and write them.

use plenum_params::transport::{
    DtlsParameters, IceCandidate, IceParameters, Protocol, WebRtcTransportInfo,
};
use serde::Serialize;

use crate::data::SctpParametersJson;

/// ICE credentials of our side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IceParametersJson {
    /// `ice-ufrag`.
    pub username_fragment: String,
    /// `ice-pwd`.
    pub password: String,
    /// Always true.
    pub ice_lite: bool,
}

impl From<&IceParameters> for IceParametersJson {
    fn from(ice: &IceParameters) -> Self {
        Self {
            username_fragment: ice.username_fragment.clone(),
            password: ice.password.clone(),
            ice_lite: true,
        }
    }
}

/// One of our candidates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IceCandidateJson {
    /// RFC 8445 foundation.
    pub foundation: String,
    /// RFC 8445 priority.
    pub priority: u32,
    /// The address under the name that older and native clients read.
    pub ip: String,
    /// The same address under the name that newer clients read.
    pub address: String,
    /// `udp` or `tcp`.
    pub protocol: &'static str,
    /// Port.
    pub port: u16,
    /// Always `host`: ICE-lite has no other kind.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// `passive`, on TCP only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_type: Option<&'static str>,
}

impl From<&IceCandidate> for IceCandidateJson {
    fn from(candidate: &IceCandidate) -> Self {
        let address = candidate.address.to_string();
        Self {
            foundation: candidate.foundation.clone(),
            priority: candidate.priority,
            ip: address.clone(),
            address,
            protocol: protocol_name(candidate.protocol),
            port: candidate.port,
            kind: "host",
            tcp_type: (candidate.protocol == Protocol::Tcp).then_some("passive"),
        }
    }
}

/// `udp` or `tcp`.
#[must_use]
pub const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// What every dialect's answer to `createWebRtcTransport` holds besides the identifier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransportParametersJson {
    /// Our ICE credentials.
    pub ice_parameters: IceParametersJson,
    /// Our candidates.
    pub ice_candidates: Vec<IceCandidateJson>,
    /// Our certificate.
    pub dtls_parameters: DtlsParameters,
    /// Data channels; absent: there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_parameters: Option<SctpParametersJson>,
}

impl From<&WebRtcTransportInfo> for TransportParametersJson {
    fn from(info: &WebRtcTransportInfo) -> Self {
        Self {
            ice_parameters: (&info.ice_parameters).into(),
            ice_candidates: info.ice_candidates.iter().map(Into::into).collect(),
            dtls_parameters: info.dtls_parameters.clone(),
            sctp_parameters: info.sctp_parameters.as_ref().map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn a_candidate_names_its_address_twice_and_tcp_is_passive() {
        let mut candidate = IceCandidate {
            foundation: "udpcandidate".to_owned(),
            priority: 1_076_302_079,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST).into(),
            port: 10_000,
            protocol: Protocol::Udp,
        };
        let json = serde_json::to_value(IceCandidateJson::from(&candidate)).expect("plain data");
        assert_eq!(
            json,
            serde_json::json!({
                "foundation": "udpcandidate", "priority": 1_076_302_079_u32, "ip": "127.0.0.1",
                "address": "127.0.0.1", "protocol": "udp", "port": 10_000, "type": "host",
            })
        );
        candidate.protocol = Protocol::Tcp;
        let json = serde_json::to_value(IceCandidateJson::from(&candidate)).expect("plain data");
        assert_eq!(json["tcpType"], "passive");
    }
}
