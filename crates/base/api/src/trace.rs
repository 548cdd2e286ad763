//! Traces of single packets and messages, as mediasoup's `trace` events show them.

use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_params::trace::{
    TraceEvent, TraceInfo, TraceObject, TraceType, TraceTypes, TracedEstimate, TracedPacket,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What shall be traced, or is: the body of `PUT /api/v1/workers/{id}/trace`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraceWish {
    /// Of this transport, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub transport_id: Option<TransportId>,
    /// … or this producer, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub producer_id: Option<ProducerId>,
    /// … or this consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    pub consumer_id: Option<ConsumerId>,
    /// Kinds of events; none: not any more.
    pub types: Vec<String>,
}

/// Why a wish cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WishError {
    /// It names nothing, or more than one thing.
    #[error("exactly one of transportId, producerId and consumerId is needed")]
    Object,
    /// There is no such kind of events, or the object has none of it.
    #[error("such an object has no {kind:?} events; it has {known}")]
    Kind {
        /// What was asked for.
        kind: String,
        /// What there is.
        known: String,
    },
}

impl TraceWish {
    /// Of what, and which kinds.
    pub fn resolve(&self) -> Result<(TraceObject, TraceTypes), WishError> {
        let object = match (self.transport_id, self.producer_id, self.consumer_id) {
            (Some(id), None, None) => TraceObject::Transport(id),
            (None, Some(id), None) => TraceObject::Producer(id),
            (None, None, Some(id)) => TraceObject::Consumer(id),
            _ => return Err(WishError::Object),
        };
        let kinds = self.types.iter().map(|name| {
            let kind = TraceType::from_name(name).filter(|kind| object.kinds().contains(*kind));
            kind.ok_or_else(|| WishError::Kind {
                kind: name.clone(),
                known: names(object.kinds()).join(", "),
            })
        });
        Ok((object, kinds.collect::<Result<_, _>>()?))
    }
}

fn names(types: TraceTypes) -> Vec<&'static str> {
    let all = TraceType::ALL.into_iter();
    let named = all.filter(|kind| types.contains(*kind));
    named.map(TraceType::as_str).collect()
}

/// The answer to `GET /api/v1/workers/{id}/trace`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TraceList {
    /// What was traced since this was last asked, oldest first.
    #[schema(value_type = Vec<serde_json::Map<String, serde_json::Value>>)]
    pub events: Vec<TraceJson>,
    /// Events before them that nobody fetched in time.
    pub lost: u64,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceJson {
    #[serde(flatten)]
    object: ObjectJson,
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: u64,
    direction: &'static str,
    info: InfoJson,
    /// Ours: events of the worker that were left out before this one.
    #[serde(skip_serializing_if = "is_zero")]
    dropped: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[derive(Clone, Debug, PartialEq, Serialize)]
enum ObjectJson {
    #[serde(rename = "transportId")]
    Transport(TransportId),
    #[serde(rename = "producerId")]
    Producer(ProducerId),
    #[serde(rename = "consumerId")]
    Consumer(ConsumerId),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum InfoJson {
    Packet(PacketJson),
    Nack(NackJson),
    Request(RequestJson),
    Bwe(EstimateJson),
    SenderReport(SenderReportJson),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct PacketJson {
    payload_type: u8,
    sequence_number: u16,
    timestamp: u32,
    marker: bool,
    ssrc: u32,
    is_key_frame: bool,
    size: u16,
    payload_size: u16,
    spatial_layer: u8,
    temporal_layer: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    wide_sequence_number: Option<u16>,
    is_rtx: bool,
}

/// mediasoup says nothing of these; ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct NackJson {
    ssrc: u32,
    packets: u16,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct RequestJson {
    ssrc: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct EstimateJson {
    #[serde(rename = "type")]
    kind: &'static str,
    desired_bitrate: u32,
    effective_desired_bitrate: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_bitrate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bitrate: Option<u32>,
    available_bitrate: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SenderReportJson {
    ssrc: u32,
    ntp_sec: u32,
    ntp_frac: u32,
    rtp_ts: u32,
    packet_count: u32,
    octet_count: u32,
}

impl From<&TraceEvent> for TraceJson {
    fn from(event: &TraceEvent) -> Self {
        Self {
            object: match event.object {
                TraceObject::Transport(id) => ObjectJson::Transport(id),
                TraceObject::Producer(id) => ObjectJson::Producer(id),
                TraceObject::Consumer(id) => ObjectJson::Consumer(id),
            },
            kind: event.info.kind().as_str(),
            timestamp: event.timestamp,
            direction: if event.outgoing { "out" } else { "in" },
            info: info(&event.info),
            dropped: event.dropped,
        }
    }
}

fn info(info: &TraceInfo) -> InfoJson {
    match *info {
        TraceInfo::Rtp(packet) | TraceInfo::KeyFrame(packet) | TraceInfo::Probation(packet) => {
            InfoJson::Packet(packet_json(&packet))
        }
        TraceInfo::Nack { ssrc, packets } => InfoJson::Nack(NackJson { ssrc, packets }),
        TraceInfo::Pli { ssrc } | TraceInfo::Fir { ssrc } => {
            InfoJson::Request(RequestJson { ssrc })
        }
        TraceInfo::Bwe(estimate) => InfoJson::Bwe(estimate_json(&estimate)),
        TraceInfo::SenderReport {
            ssrc,
            ntp,
            rtp_timestamp,
            packet_count,
            octet_count,
        } => InfoJson::SenderReport(SenderReportJson {
            ssrc,
            ntp_sec: (ntp >> 32) as u32,
            ntp_frac: ntp as u32,
            rtp_ts: rtp_timestamp,
            packet_count,
            octet_count,
        }),
    }
}

const fn packet_json(packet: &TracedPacket) -> PacketJson {
    PacketJson {
        payload_type: packet.payload_type,
        sequence_number: packet.sequence_number,
        timestamp: packet.timestamp,
        marker: packet.marker,
        ssrc: packet.ssrc,
        is_key_frame: packet.is_key_frame,
        size: packet.size,
        payload_size: packet.payload_size,
        spatial_layer: packet.spatial_layer,
        temporal_layer: packet.temporal_layer,
        wide_sequence_number: packet.wide_sequence_number,
        is_rtx: packet.is_rtx,
    }
}

fn estimate_json(estimate: &TracedEstimate) -> EstimateJson {
    EstimateJson {
        kind: if estimate.is_remb {
            "remb"
        } else {
            "transport-cc"
        },
        desired_bitrate: estimate.desired,
        effective_desired_bitrate: estimate.desired.min(estimate.max.unwrap_or(u32::MAX)),
        min_bitrate: estimate.min,
        max_bitrate: estimate.max,
        available_bitrate: estimate.available,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PRODUCER: ProducerId = ProducerId::from_u128(1);

    fn shown(object: TraceObject, outgoing: bool, info: TraceInfo) -> Value {
        let event = TraceEvent {
            object,
            timestamp: 5,
            outgoing,
            dropped: 0,
            info,
        };
        serde_json::to_value(TraceJson::from(&event)).expect("plain data")
    }

    #[test]
    fn events_have_the_shapes_that_mediasoup_gives_them() {
        let producer = TraceObject::Producer(PRODUCER);
        let transport = TraceObject::Transport(TransportId::from_u128(2));
        let consumer = TraceObject::Consumer(ConsumerId::from_u128(3));
        let packet = TracedPacket {
            ssrc: 9,
            payload_type: 96,
            sequence_number: 7,
            timestamp: 8,
            marker: true,
            is_key_frame: true,
            is_rtx: false,
            size: 120,
            payload_size: 100,
            spatial_layer: 1,
            temporal_layer: 2,
            wide_sequence_number: Some(11),
        };
        let info = json!({
            "payloadType": 96, "sequenceNumber": 7, "timestamp": 8, "marker": true, "ssrc": 9,
            "isKeyFrame": true, "size": 120, "payloadSize": 100, "spatialLayer": 1, "temporalLayer": 2,
            "wideSequenceNumber": 11, "isRtx": false,
        });
        assert_eq!(
            shown(producer, false, TraceInfo::Rtp(packet)),
            json!({"producerId": PRODUCER, "type": "rtp", "timestamp": 5, "direction": "in", "info": info})
        );
        assert_eq!(
            shown(consumer, true, TraceInfo::KeyFrame(packet))["type"],
            "keyframe"
        );
        assert_eq!(
            shown(transport, true, TraceInfo::Probation(packet))["info"],
            info
        );
        let pli = shown(consumer, false, TraceInfo::Pli { ssrc: 4 });
        assert_eq!(
            (&pli["type"], &pli["info"]),
            (&json!("pli"), &json!({"ssrc": 4}))
        );
        assert_eq!(
            shown(producer, true, TraceInfo::Fir { ssrc: 4 })["type"],
            "fir"
        );
        let nack = TraceInfo::Nack {
            ssrc: 4,
            packets: 2,
        };
        assert_eq!(
            shown(producer, true, nack)["info"],
            json!({"ssrc": 4, "packets": 2})
        );
        let estimate = TraceInfo::Bwe(TracedEstimate {
            is_remb: false,
            available: 500,
            desired: 900,
            min: None,
            max: Some(800),
        });
        assert_eq!(
            shown(transport, true, estimate)["info"],
            json!({
                "type": "transport-cc", "desiredBitrate": 900, "effectiveDesiredBitrate": 800,
                "maxBitrate": 800, "availableBitrate": 500,
            })
        );
        let report = TraceInfo::SenderReport {
            ssrc: 4,
            ntp: 0x0000_0001_0000_0002,
            rtp_timestamp: 3,
            packet_count: 5,
            octet_count: 6,
        };
        assert_eq!(
            shown(producer, false, report)["info"],
            json!({"ssrc": 4, "ntpSec": 1, "ntpFrac": 2, "rtpTs": 3, "packetCount": 5, "octetCount": 6})
        );
    }

    #[test]
    fn a_wish_names_one_thing_and_what_it_has() {
        let wish = |body: Value| {
            let wish: TraceWish = serde_json::from_value(body).expect("well-formed");
            wish.resolve()
        };
        let id = PRODUCER.to_string();
        let types = TraceTypes::NONE
            .with(TraceType::Rtp)
            .with(TraceType::SenderReport);
        assert_eq!(
            wish(json!({"producerId": id, "types": ["rtp", "sr"]})),
            Ok((TraceObject::Producer(PRODUCER), types))
        );
        let nothing = wish(json!({"transportId": id, "types": []}));
        assert_eq!(nothing.map(|(_, types)| types), Ok(TraceTypes::NONE));
        let both = json!({"producerId": id, "consumerId": id, "types": []});
        assert_eq!(wish(both), Err(WishError::Object));
        for (object, kind) in [
            ("transportId", "rtp"),
            ("consumerId", "sr"),
            ("producerId", "all"),
        ] {
            let refused = wish(json!({object: id, "types": [kind]}));
            assert!(
                matches!(refused, Err(WishError::Kind { .. })),
                "{object} {kind}"
            );
        }
    }
}
