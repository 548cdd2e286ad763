//! Parameters and states of transports, as node and worker exchange them.

use std::{fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::data::{SctpOptions, SctpParameters};

pub use listen::{Address, InvalidAddress, ListenInfo, Protocols};
pub use plain::{
    PlainRemote, PlainTransportInfo, PlainTransportOptions, SrtpParameters, SrtpSuite,
};
pub use trunk::{TrunkKey, TrunkOptions, TrunkSsrcs};

mod listen;
mod plain;
mod trunk;

/// What a WebRTC transport shall be like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRtcTransportOptions {
    /// Bitrate in bit/s assumed towards the receiver before anything was measured; `None`: the estimator's own.
    pub initial_outgoing_bitrate: Option<u32>,
    /// The estimate towards the receiver never falls below this, in bit/s; `None`: the estimator's own bound.
    pub min_outgoing_bitrate: Option<u32>,
    /// The estimate towards the receiver never rises above this, in bit/s; `None`: the estimator's own bound.
    pub max_outgoing_bitrate: Option<u32>,
    /// Limit in bit/s that the sender is told by REMB; `None`: no limit.
    pub max_incoming_bitrate: Option<u32>,
    /// Data channels; `None`: without.
    pub sctp: Option<SctpOptions>,
    /// By which protocols it may be reached.
    pub protocols: Protocols,
}

impl Default for WebRtcTransportOptions {
    /// mediasoup-demo's default: 1 Mbit/s to start from. No data channels.
    fn default() -> Self {
        Self {
            initial_outgoing_bitrate: Some(1_000_000),
            min_outgoing_bitrate: None,
            max_outgoing_bitrate: None,
            max_incoming_bitrate: None,
            sctp: None,
            protocols: Protocols::default(),
        }
    }
}

/// Bounds of the estimate towards a receiver in bit/s; `None`: the estimator's own. A minimum above the maximum counts
/// as the maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a lower and an upper bound")]
pub struct OutgoingLimits {
    /// Lower bound.
    pub min: Option<u32>,
    /// Upper bound.
    pub max: Option<u32>,
}

/// ICE credentials and mode of our side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceParameters {
    /// `ice-ufrag`.
    pub username_fragment: String,
    /// `ice-pwd`. A secret of the transport: never logged.
    pub password: String,
}

/// A host candidate of our side (ICE-lite has no others).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCandidate {
    /// RFC 8445 foundation.
    pub foundation: String,
    /// RFC 8445 priority.
    pub priority: u32,
    /// Address that clients connect to (announced address or host name, or the bound address).
    pub address: Address,
    /// Port.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// Transport protocol of a candidate or tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "ICE knows no others")]
pub enum Protocol {
    /// Passive TCP (RFC 6544, framed by RFC 4571).
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `UDP` or `TCP`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The part a side takes in the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "ORTC defines these three")]
pub enum DtlsRole {
    /// Whichever the other side is not.
    #[serde(rename = "auto")]
    Auto,
    /// Sends the `ClientHello`.
    #[serde(rename = "client")]
    Client,
    /// Waits for it.
    #[serde(rename = "server")]
    Server,
}

/// A certificate fingerprint (RFC 8122) as text, for instance `sha-256` and `AB:CD:…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DtlsFingerprint {
    /// Hash function, lower case.
    pub algorithm: String,
    /// Upper-case hex pairs joined by colons.
    pub value: String,
}

/// DTLS parameters of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DtlsParameters {
    /// The side's part in the handshake.
    pub role: DtlsRole,
    /// Fingerprints; one match is enough.
    pub fingerprints: Vec<DtlsFingerprint>,
}

/// What a client must know to connect to a WebRTC transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebRtcTransportInfo {
    /// Our credentials.
    pub ice_parameters: IceParameters,
    /// Our candidates.
    pub ice_candidates: Vec<IceCandidate>,
    /// Our certificate.
    pub dtls_parameters: DtlsParameters,
    /// Data channels, if there are any.
    pub sctp_parameters: Option<SctpParameters>,
}

/// State of ICE, in mediasoup's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "mediasoup's IceState")]
pub enum IceState {
    /// No check arrived yet.
    #[default]
    New,
    /// A valid pair exists.
    Connected,
    /// A pair was nominated.
    Completed,
    /// Consent was lost.
    Disconnected,
    /// The transport closed.
    Closed,
}

impl IceState {
    /// mediasoup's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Connected => "connected",
            Self::Completed => "completed",
            Self::Disconnected => "disconnected",
            Self::Closed => "closed",
        }
    }
}

/// State of DTLS, in mediasoup's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "mediasoup's DtlsState")]
pub enum DtlsState {
    /// Waiting for `connect` and ICE.
    #[default]
    New,
    /// In the handshake.
    Connecting,
    /// Keys are there.
    Connected,
    /// The handshake failed or the fingerprint did not match.
    Failed,
    /// The other side closed it.
    Closed,
}

impl DtlsState {
    /// mediasoup's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Failed => "failed",
            Self::Closed => "closed",
        }
    }
}

/// The pair of addresses that media takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tuple {
    /// Our bound address.
    pub local: SocketAddr,
    /// The peer's address as we see it.
    pub remote: SocketAddr,
    /// Transport protocol.
    pub protocol: Protocol,
}
