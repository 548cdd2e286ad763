//! Data channels in the classic dialect.

use plenum_ids::{DataConsumerId, DataProducerId, PeerId};
use plenum_params::sctp_parameters::SctpStreamParametersJson;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `produceData`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProduceData {
    /// On which transport.
    pub transport_id: String,
    /// How messages will be sent.
    pub sctp_stream_parameters: SctpStreamParametersJson,
    /// `chat`, `bot`, or whatever else the application wants.
    #[serde(default)]
    pub label: String,
    /// For applications.
    #[serde(default)]
    pub protocol: String,
    /// Passed on to the data consumers.
    #[serde(default)]
    pub app_data: Option<Value>,
}

/// `getDataProducerStats`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataProducerReference {
    /// Which data producer.
    pub data_producer_id: String,
}

/// `getDataConsumerStats`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataConsumerReference {
    /// Which data consumer.
    pub data_consumer_id: String,
}

/// Answer to `produceData`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DataProduced {
    /// The new data producer.
    pub id: DataProducerId,
}

/// Request `newDataConsumer` of the server.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewDataConsumer<'a> {
    /// Who writes; `null`: the bot.
    pub peer_id: Option<&'a PeerId>,
    /// What is written.
    pub data_producer_id: DataProducerId,
    /// The new data consumer.
    pub id: DataConsumerId,
    /// How it will be sent.
    pub sctp_stream_parameters: SctpStreamParametersJson,
    /// The data producer's.
    pub label: &'a str,
    /// The data producer's.
    pub protocol: &'a str,
    /// The data producer's, with `peerId` added.
    pub app_data: &'a Map<String, Value>,
}

/// `dataConsumerClosed`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataConsumerNotice {
    /// Which data consumer.
    pub data_consumer_id: DataConsumerId,
}
