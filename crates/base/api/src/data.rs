//! Data channels: what clients must know to open them, and their statistics as mediasoup clients show them.

use plenum_params::data::{DataConsumerStats, DataProducerStats, SctpParameters};
use serde::Serialize;

/// `sctpParameters` of a transport: what clients of all ages read, in one object. Until mediasoup 3.19 one length was for both
/// directions, and the buffer was the association's; afterwards each has its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SctpParametersJson {
    /// SCTP port of both sides.
    pub port: u16,
    /// Streams that we may send.
    #[serde(rename = "OS")]
    pub os: u16,
    /// Streams that we take.
    #[serde(rename = "MIS")]
    pub mis: u16,
    /// Longest message in either direction, the older name.
    pub max_message_size: u32,
    /// Longest message that we send.
    pub max_send_message_size: u32,
    /// Longest message that we take.
    pub max_receive_message_size: u32,
    /// Bytes that may wait for the client.
    pub send_buffer_size: u32,
    /// Bytes that may wait for the client on one stream.
    pub per_stream_send_queue_limit: u32,
    /// What an older server tells of its buffer in a new association.
    pub sctp_buffered_amount: u32,
    /// Always true: the association is for data channels.
    pub is_data_channel: bool,
}

impl From<&SctpParameters> for SctpParametersJson {
    fn from(sctp: &SctpParameters) -> Self {
        Self {
            port: sctp.port,
            os: sctp.os,
            mis: sctp.mis,
            max_message_size: sctp.max_message_size,
            max_send_message_size: sctp.max_message_size,
            max_receive_message_size: sctp.max_message_size,
            send_buffer_size: sctp.send_buffer,
            per_stream_send_queue_limit: sctp.send_buffer,
            sctp_buffered_amount: 0,
            is_data_channel: true,
        }
    }
}

/// A data producer's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataProducerStatsJson<'a> {
    /// `data-producer`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// As the client named it.
    pub label: &'a str,
    /// As the client named it.
    pub protocol: &'a str,
    /// Messages from the client.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Messages that went nowhere because it was paused. Our own.
    pub messages_discarded: u64,
}

/// A data consumer's entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataConsumerStatsJson<'a> {
    /// `data-consumer`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Milliseconds since 1970.
    pub timestamp: u64,
    /// The data producer's.
    pub label: &'a str,
    /// The data producer's.
    pub protocol: &'a str,
    /// Messages to the client.
    pub messages_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Bytes that wait for the client.
    pub buffered_amount: u32,
    /// Messages lost because too much waited. Our own.
    pub messages_dropped: u64,
}

/// Answer to `getDataProducerStats`.
#[must_use]
pub fn data_producer_stats<'a>(
    (label, protocol): (&'a str, &'a str),
    stats: &DataProducerStats,
    timestamp: u64,
) -> [DataProducerStatsJson<'a>; 1] {
    [DataProducerStatsJson {
        kind: "data-producer",
        timestamp,
        label,
        protocol,
        messages_received: stats.messages_received,
        bytes_received: stats.bytes_received,
        messages_discarded: stats.messages_discarded,
    }]
}

/// Answer to `getDataConsumerStats`.
#[must_use]
pub fn data_consumer_stats<'a>(
    (label, protocol): (&'a str, &'a str),
    stats: &DataConsumerStats,
    timestamp: u64,
) -> [DataConsumerStatsJson<'a>; 1] {
    [DataConsumerStatsJson {
        kind: "data-consumer",
        timestamp,
        label,
        protocol,
        messages_sent: stats.messages_sent,
        bytes_sent: stats.bytes_sent,
        buffered_amount: stats.buffered_amount,
        messages_dropped: stats.messages_dropped,
    }]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sctp_parameters_have_the_names_of_old_and_new_clients() {
        let sctp = SctpParameters {
            port: 5000,
            os: 1024,
            mis: 1024,
            max_message_size: 262_144,
            send_buffer: 2_000_000,
        };
        let text = serde_json::to_value(SctpParametersJson::from(&sctp)).expect("plain data");
        assert_eq!(
            text,
            json!({
                "port": 5000, "OS": 1024, "MIS": 1024, "maxMessageSize": 262_144,
                "maxSendMessageSize": 262_144, "maxReceiveMessageSize": 262_144,
                "sendBufferSize": 2_000_000, "perStreamSendQueueLimit": 2_000_000,
                "sctpBufferedAmount": 0, "isDataChannel": true,
            })
        );
    }

    #[test]
    fn statistics_name_their_kind() {
        let names = ("chat", "");
        let mut producer = DataProducerStats::default();
        producer.messages_received = 3;
        let text = serde_json::to_value(data_producer_stats(names, &producer, 7));
        assert_eq!(
            text.expect("plain data"),
            json!([{
                "type": "data-producer", "timestamp": 7, "label": "chat", "protocol": "",
                "messagesReceived": 3, "bytesReceived": 0, "messagesDiscarded": 0,
            }])
        );
        let text =
            serde_json::to_value(data_consumer_stats(names, &DataConsumerStats::default(), 7));
        assert_eq!(
            text.expect("plain data"),
            json!([{
                "type": "data-consumer", "timestamp": 7, "label": "chat", "protocol": "",
                "messagesSent": 0, "bytesSent": 0, "bufferedAmount": 0, "messagesDropped": 0,
            }])
        );
    }
}
