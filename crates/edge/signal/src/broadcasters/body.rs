//! What broadcasters write, of both generations in one, and what they are answered.

use plenum_api::classic::ClientDtlsParameters;
use plenum_params::{
    media::MediaKind,
    rtp_parameters::{RtpCapabilities, RtpCodecParameters, RtpParameters},
    sctp_parameters::SctpStreamParametersJson,
};
use plenum_room::{NewConsumer, ProducerInfo};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::failure::Failure;

/// `POST /rooms/R/broadcasters`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Registration {
    pub(super) id: Option<String>,
    pub(super) peer_id: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) device: Option<Map<String, Value>>,
    pub(super) rtp_capabilities: Option<RtpCapabilities>,
}

/// `POST …/transports`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NewTransport {
    #[serde(rename = "type")]
    pub(super) form: Option<String>,
    direction: Option<String>,
    app_data: Map<String, Value>,
    pub(super) rtcp_mux: Option<bool>,
    pub(super) comedia: Option<bool>,
    pub(super) sctp_capabilities: Option<Value>,
}

impl NewTransport {
    /// Newest: what the transport is for. One tool of the reference server says so in `appData`.
    pub(super) fn direction(&self) -> Option<&str> {
        let said = self.direction.as_deref();
        said.or_else(|| self.app_data.get("direction")?.as_str())
    }
}

/// `POST …/transports/T/connect`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connect {
    pub(super) dtls_parameters: Option<ClientDtlsParameters>,
    pub(super) ip: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) rtcp_port: Option<u16>,
}

/// `POST …/producers`, of either generation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Produce {
    pub(super) transport_id: Option<String>,
    pub(super) kind: MediaKind,
    pub(super) rtp_parameters: RtpParameters,
    #[serde(default)]
    pub(super) app_data: Map<String, Value>,
}

/// `POST …/consume` and `POST …/consumers`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Consume {
    pub(super) transport_id: Option<String>,
    pub(super) producer_id: Option<String>,
    pub(super) paused: bool,
    pub(super) rtp_capabilities: Option<RtpCapabilities>,
}

/// `POST …/resume` of the classic generation.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resume {
    pub(super) consumer_id: String,
}

/// `POST …/produce/data`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProduceData {
    #[serde(default)]
    pub(super) label: String,
    #[serde(default)]
    pub(super) protocol: String,
    pub(super) sctp_stream_parameters: SctpStreamParametersJson,
    #[serde(default)]
    pub(super) app_data: Map<String, Value>,
}

/// `POST …/consume/data`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConsumeData {
    pub(super) data_producer_id: String,
}

/// Reads a body, whatever its type is said to be. No body counts as `{}`.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|err| Failure::invalid(err.to_string()))
}

/// A text that must be there.
pub(super) fn required<'a>(text: Option<&'a str>, name: &str) -> Result<&'a str, Failure> {
    let found = text.filter(|text| !text.is_empty());
    found.ok_or_else(|| Failure::invalid(format!("missing {name}")))
}

/// A consumer as the classic generation is told of it.
pub(super) fn consumer(consumer: &NewConsumer) -> Value {
    json!({
        "id": consumer.consumer,
        "producerId": consumer.producer,
        "kind": consumer.kind,
        "rtpParameters": consumer.rtp_parameters,
        "type": consumer.producer_type.as_str(),
    })
}

/// A producer as the newest generation is told of it.
pub(super) fn producer(producer: &ProducerInfo) -> Value {
    let media = producer.consumable.codecs.iter();
    let media = media.filter(|codec| !codec.mime_type.is_rtx());
    let codecs: Vec<_> = media.map(codec_without_feedback).collect();
    json!({
        "producerId": producer.producer,
        "kind": producer.kind,
        "source": producer.app_data.get("source"),
        "consumableCodecs": codecs,
    })
}

fn codec_without_feedback(codec: &RtpCodecParameters) -> Value {
    // Plain data: it can always be written.
    let mut value = serde_json::to_value(codec).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.remove("rtcpFeedback");
    }
    value
}
