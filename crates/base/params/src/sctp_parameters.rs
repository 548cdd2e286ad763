//! Parameters of data channels as JSON clients write and read them.

use serde::{Deserialize, Serialize};

use crate::data::{SCTP_STREAMS, SctpStreamParameters};

/// `sctpStreamParameters` of `produceData` and `newDataConsumer`. Reading checks and normalises them: a limit of time or
/// of repetitions means that messages have no order, unless that was said as well, which is a contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Raw")]
#[expect(clippy::exhaustive_structs, reason = "ORTC defines these")]
pub struct SctpStreamParametersJson {
    /// Stream of the association.
    pub stream_id: u16,
    /// Messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// Milliseconds after which a message is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_packet_life_time: Option<u16>,
    /// Repetitions after which a message is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retransmits: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    stream_id: u16,
    ordered: Option<bool>,
    max_packet_life_time: Option<u16>,
    max_retransmits: Option<u16>,
}

impl TryFrom<Raw> for SctpStreamParametersJson {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let limited = raw.max_packet_life_time.is_some() || raw.max_retransmits.is_some();
        if raw.stream_id >= SCTP_STREAMS {
            return Err("streamId is beyond the streams of the association");
        }
        if raw.max_packet_life_time.is_some() && raw.max_retransmits.is_some() {
            return Err("cannot provide both maxPacketLifeTime and maxRetransmits");
        }
        if raw.ordered == Some(true) && limited {
            return Err("cannot be ordered with maxPacketLifeTime or maxRetransmits");
        }
        Ok(Self {
            stream_id: raw.stream_id,
            ordered: raw.ordered.unwrap_or(!limited),
            max_packet_life_time: raw.max_packet_life_time,
            max_retransmits: raw.max_retransmits,
        })
    }
}

impl From<SctpStreamParametersJson> for SctpStreamParameters {
    fn from(json: SctpStreamParametersJson) -> Self {
        Self {
            stream_id: json.stream_id,
            ordered: json.ordered,
            max_packet_life_time: json.max_packet_life_time,
            max_retransmits: json.max_retransmits,
        }
    }
}

impl From<SctpStreamParameters> for SctpStreamParametersJson {
    fn from(parameters: SctpStreamParameters) -> Self {
        Self {
            stream_id: parameters.stream_id,
            ordered: parameters.ordered,
            max_packet_life_time: parameters.max_packet_life_time,
            max_retransmits: parameters.max_retransmits,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<SctpStreamParametersJson, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_follows_from_the_rest() {
        let plain = read(json!({ "streamId": 3 })).expect("enough");
        assert_eq!(
            SctpStreamParameters::from(plain),
            SctpStreamParameters::reliable(3)
        );
        let limited = read(json!({ "streamId": 0, "maxRetransmits": 1 })).expect("enough");
        assert!(!limited.ordered);
        let text = serde_json::to_value(limited).expect("plain data");
        assert_eq!(
            text,
            json!({ "streamId": 0, "ordered": false, "maxRetransmits": 1 })
        );
        let unordered = read(json!({ "streamId": 1023, "ordered": false })).expect("enough");
        assert!(SctpStreamParameters::from(unordered).is_reliable());
    }

    #[test]
    fn contradictions_are_refused() {
        for wrong in [
            json!({}),
            json!({ "streamId": "1" }),
            json!({ "streamId": -1 }),
            json!({ "streamId": 1024 }),
            json!({ "streamId": 1, "maxRetransmits": 1, "maxPacketLifeTime": 1 }),
            json!({ "streamId": 1, "maxRetransmits": 1, "ordered": true }),
            json!({ "streamId": 1, "maxPacketLifeTime": 1, "ordered": true }),
            json!({ "streamId": 1, "maxPacketLifeTime": 65536 }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
