//! What clients are told and asked.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plenum_api::{classic, data, ice::IceServer, media_stats, transport::IceParametersJson};
use plenum_ids::{PeerId, TransportId};
use plenum_params::transport::WebRtcTransportInfo;
use plenum_room::{ClientRequest, NewConsumer, NewDataConsumer, PeerEvent, PeerInfo, PeerReply};
use serde_json::{Map, Number, Value};
use tracing::warn;

use crate::protoo::{
    app_data,
    message::{notification, ok_response, request},
};

/// The first words to every client.
pub(crate) fn version_notification(version: &str) -> String {
    notification("mediasoup-version", &classic::Version { version })
}

/// To a client who understands it: join again.
pub(crate) fn migrate_notification(reason: &'static str, make_before_break: bool) -> String {
    let data = classic::Migrate {
        reason,
        make_before_break,
    };
    notification("migrate", &data)
}

/// To a client who understands it: the node will end.
pub(crate) fn draining_notification(after: Duration) -> String {
    let data = classic::Draining {
        seconds: after.as_secs(),
    };
    notification("draining", &data)
}

/// The answer to the request with this id.
pub(crate) fn encode_reply(id: &Number, reply: &PeerReply) -> String {
    match reply {
        PeerReply::ConsumerStats(stats) => {
            ok_response(id, &media_stats::consumer_stats(stats, unix_milliseconds()))
        }
        PeerReply::DataConsumerStats(stats) => {
            let names = (stats.label.as_str(), stats.protocol.as_str());
            let entries = data::data_consumer_stats(names, &stats.counters, unix_milliseconds());
            ok_response(id, &entries)
        }
        PeerReply::DataProduced { data_producer } => {
            ok_response(id, &classic::DataProduced { id: *data_producer })
        }
        PeerReply::DataProducerStats(stats) => {
            let names = (stats.label.as_str(), stats.protocol.as_str());
            let entries = data::data_producer_stats(names, &stats.counters, unix_milliseconds());
            ok_response(id, &entries)
        }
        PeerReply::Done => ok_response(id, &classic::Empty {}),
        PeerReply::IceParameters(ice) => ok_response(id, &IceParametersJson::from(ice)),
        PeerReply::Joined { peers, .. } => ok_response(
            id,
            &classic::Joined {
                peers: peers.iter().map(describe).collect(),
            },
        ),
        PeerReply::Produced { producer } => ok_response(id, &classic::Produced { id: *producer }),
        PeerReply::ProducerStats(streams) => ok_response(
            id,
            &media_stats::producer_stats(streams, unix_milliseconds()),
        ),
        PeerReply::RouterRtpCapabilities(capabilities) => ok_response(id, &**capabilities),
        PeerReply::TransportStats { transport, stats } => ok_response(
            id,
            &media_stats::transport_stats(*transport, stats, unix_milliseconds()),
        ),
        other => {
            warn!(?other, "unknown reply");
            ok_response(id, &classic::Empty {})
        }
    }
}

/// The answer to `createWebRtcTransport`.
pub(crate) fn encode_transport(
    id: &Number,
    transport: TransportId,
    info: &WebRtcTransportInfo,
    ice_servers: Vec<IceServer>,
) -> String {
    let created = classic::TransportCreated {
        id: transport,
        parameters: info.into(),
        ice_servers,
    };
    ok_response(id, &created)
}

/// A question under an id of ours; `None`: the dialect has no words for it.
pub(crate) fn encode_ask(id: u64, ask: &ClientRequest) -> Option<String> {
    match ask {
        ClientRequest::NewConsumer(consumer) => {
            let app_data = app_data::classic(&consumer.app_data);
            let data = new_consumer(consumer, &app_data);
            Some(request(id, "newConsumer", &data))
        }
        ClientRequest::NewDataConsumer(consumer) => {
            Some(request(id, "newDataConsumer", &new_data_consumer(consumer)))
        }
        _ => None,
    }
}

/// A notification; `None`: the dialect has no words for it.
pub(crate) fn encode_event(event: &PeerEvent) -> Option<String> {
    Some(match event {
        PeerEvent::ConsumerClosed { consumer } => consumer_notice("consumerClosed", *consumer),
        PeerEvent::ConsumerLayersChanged { consumer, layers } => notification(
            "consumerLayersChanged",
            &classic::ConsumerLayersChanged::new(*consumer, *layers),
        ),
        PeerEvent::ConsumerPaused { consumer } => consumer_notice("consumerPaused", *consumer),
        PeerEvent::ConsumerResumed { consumer } => consumer_notice("consumerResumed", *consumer),
        PeerEvent::ConsumerScore { consumer, score } => notification(
            "consumerScore",
            &classic::ConsumerScoreNotice::new(*consumer, score),
        ),
        PeerEvent::DataConsumerClosed { data_consumer } => notification(
            "dataConsumerClosed",
            &classic::DataConsumerNotice {
                data_consumer_id: *data_consumer,
            },
        ),
        PeerEvent::DominantSpeaker { peer } => notification(
            "dominantSpeaker",
            &classic::DominantSpeaker {
                peer_id: peer.as_ref(),
            },
        ),
        PeerEvent::Loudest { speaker } => notification(
            "activeSpeaker",
            &classic::ActiveSpeaker {
                peer_id: speaker.as_ref().map(|(peer, _)| peer),
                volume: speaker.as_ref().map(|(_, volume)| *volume),
            },
        ),
        PeerEvent::NewPeer(info) => notification("newPeer", &describe(info)),
        PeerEvent::PeerClosed { peer } => {
            notification("peerClosed", &classic::PeerClosed { peer_id: peer })
        }
        PeerEvent::PeerDisplayNameChanged {
            peer,
            display_name,
            old_display_name,
        } => notification(
            "peerDisplayNameChanged",
            &classic::PeerDisplayNameChanged {
                peer_id: peer,
                display_name,
                old_display_name,
            },
        ),
        PeerEvent::ProducerDemand {
            producer,
            encodings,
        } => notification(
            "producerDemand",
            &classic::ProducerDemand {
                producer_id: *producer,
                encodings,
            },
        ),
        PeerEvent::ProducerScore { producer, scores } => notification(
            "producerScore",
            &classic::ProducerScoreNotice::new(*producer, scores),
        ),
        PeerEvent::Volumes { volumes } => notification("speakingPeers", &speaking_peers(volumes)),
        _ => return None,
    })
}

fn consumer_notice(method: &str, consumer_id: plenum_ids::ConsumerId) -> String {
    notification(method, &classic::ConsumerNotice { consumer_id })
}

fn new_consumer<'a>(
    consumer: &'a NewConsumer,
    app_data: &'a Map<String, Value>,
) -> classic::NewConsumer<'a> {
    classic::NewConsumer {
        peer_id: &consumer.peer,
        producer_id: consumer.producer,
        id: consumer.consumer,
        kind: consumer.kind,
        rtp_parameters: &consumer.rtp_parameters,
        consumer_type: consumer.producer_type.as_str(),
        app_data,
        producer_paused: consumer.producer_paused,
    }
}

fn new_data_consumer(consumer: &NewDataConsumer) -> classic::NewDataConsumer<'_> {
    classic::NewDataConsumer {
        peer_id: consumer.peer.as_ref(),
        data_producer_id: consumer.data_producer,
        id: consumer.data_consumer,
        sctp_stream_parameters: consumer.stream.into(),
        label: &consumer.label,
        protocol: &consumer.protocol,
        app_data: &consumer.app_data,
    }
}

fn speaking_peers(volumes: &[(PeerId, i8)]) -> classic::SpeakingPeers<'_> {
    let volumes = volumes.iter();
    classic::SpeakingPeers {
        peer_volumes: volumes
            .map(|(peer_id, volume)| classic::PeerVolume {
                peer_id,
                volume: *volume,
            })
            .collect(),
    }
}

fn describe(info: &PeerInfo) -> classic::PeerDescription<'_> {
    classic::PeerDescription {
        id: &info.peer,
        display_name: &info.display_name,
        device: &info.device,
    }
}

/// For entries of statistics.
pub(crate) fn unix_milliseconds() -> u64 {
    // A clock before 1970 is nobody's problem but its owner's.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, ProducerId, TransportId};
    use plenum_params::{
        data::SctpStreamParameters, event::ConsumerScore, media::MediaKind, ortc::ProducerType,
        rtp_parameters::RtpParameters, transport::IceParameters,
    };
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).expect("our own output is JSON")
    }

    #[test]
    fn a_new_consumer_has_the_dialects_names() {
        let consumer = NewConsumer {
            peer: PeerId::from("ada"),
            transport: TransportId::from_u128(1),
            consumer: ConsumerId::from_u128(2),
            producer: ProducerId::from_u128(3),
            kind: MediaKind::Video,
            rtp_parameters: RtpParameters::default(),
            producer_type: ProducerType::Simulcast,
            app_data: Map::from_iter([("share".to_owned(), json!(true))]),
            producer_paused: true,
            score: ConsumerScore::default(),
        };
        let text = encode_ask(5, &ClientRequest::NewConsumer(Box::new(consumer)));
        let message = parse(&text.expect("has words for it"));
        assert_eq!(message["method"], "newConsumer");
        assert_eq!(message["id"], 5);
        let data = &message["data"];
        assert_eq!(data["peerId"], "ada");
        assert_eq!(data["id"], ConsumerId::from_u128(2).to_string());
        assert_eq!(data["producerId"], ProducerId::from_u128(3).to_string());
        assert_eq!(data["kind"], "video");
        assert_eq!(data["type"], "simulcast");
        assert_eq!(data["appData"], json!({"share": true}));
        assert_eq!(data["producerPaused"], true);
        assert!(data["rtpParameters"].is_object());
        assert!(data.get("transportId").is_none());
    }

    #[test]
    fn a_new_data_consumer_has_the_dialects_names_and_the_bot_has_none() {
        let mut consumer = NewDataConsumer {
            peer: Some(PeerId::from("ada")),
            transport: TransportId::from_u128(1),
            data_consumer: DataConsumerId::from_u128(2),
            data_producer: DataProducerId::from_u128(3),
            stream: SctpStreamParameters::reliable(4),
            label: "chat".to_owned(),
            protocol: String::new(),
            app_data: Map::from_iter([("info".to_owned(), json!("my"))]),
        };
        let data = |consumer: NewDataConsumer| {
            let ask = ClientRequest::NewDataConsumer(Box::new(consumer));
            let message = parse(&encode_ask(5, &ask).expect("has words for it"));
            assert_eq!(message["method"], "newDataConsumer");
            message["data"].clone()
        };
        assert_eq!(
            data(consumer.clone()),
            json!({
                "peerId": "ada", "id": DataConsumerId::from_u128(2),
                "dataProducerId": DataProducerId::from_u128(3), "label": "chat", "protocol": "",
                "sctpStreamParameters": {"streamId": 4, "ordered": true}, "appData": {"info": "my"},
            })
        );
        consumer.peer = None;
        assert_eq!(data(consumer)["peerId"], Value::Null);
    }

    #[test]
    fn replies_are_bare_in_this_dialect() {
        let id = Number::from(1);
        let ice = IceParameters {
            username_fragment: "u".to_owned(),
            password: "p".to_owned(),
        };
        let reply = parse(&encode_reply(&id, &PeerReply::IceParameters(ice)));
        assert_eq!(
            reply["data"],
            json!({"usernameFragment": "u", "password": "p", "iceLite": true})
        );
        let producer = ProducerId::from_u128(3);
        let reply = parse(&encode_reply(&id, &PeerReply::Produced { producer }));
        assert_eq!(reply["data"], json!({"id": producer}));
        assert_eq!(
            parse(&encode_reply(&id, &PeerReply::Done))["data"],
            json!({})
        );
        let reply = parse(&encode_reply(&id, &PeerReply::ProducerStats(Vec::new())));
        assert_eq!(reply["data"], json!([]));
    }

    #[test]
    fn events_have_the_dialects_names() {
        let consumer = ConsumerId::from_u128(2);
        let peer = PeerId::from("ada");
        let info = PeerInfo::new(peer.clone(), "Ada".to_owned(), json!({"flag": "chrome"}));
        for (event, method, data) in [
            (
                PeerEvent::ConsumerClosed { consumer },
                "consumerClosed",
                json!({"consumerId": consumer}),
            ),
            (
                PeerEvent::NewPeer(info),
                "newPeer",
                json!({"id": "ada", "displayName": "Ada", "device": {"flag": "chrome"}}),
            ),
            (
                PeerEvent::PeerClosed { peer: peer.clone() },
                "peerClosed",
                json!({"peerId": "ada"}),
            ),
            (
                PeerEvent::PeerDisplayNameChanged {
                    peer,
                    display_name: "B".to_owned(),
                    old_display_name: "A".to_owned(),
                },
                "peerDisplayNameChanged",
                json!({"peerId": "ada", "displayName": "B", "oldDisplayName": "A"}),
            ),
            (
                PeerEvent::ConsumerLayersChanged {
                    consumer,
                    layers: None,
                },
                "consumerLayersChanged",
                json!({"consumerId": consumer, "spatialLayer": null, "temporalLayer": null}),
            ),
            (
                PeerEvent::DataConsumerClosed {
                    data_consumer: DataConsumerId::from_u128(2),
                },
                "dataConsumerClosed",
                json!({"dataConsumerId": DataConsumerId::from_u128(2)}),
            ),
            (
                PeerEvent::Loudest {
                    speaker: Some((PeerId::from("ada"), -30)),
                },
                "activeSpeaker",
                json!({"peerId": "ada", "volume": -30}),
            ),
            (
                PeerEvent::Loudest { speaker: None },
                "activeSpeaker",
                json!({"peerId": null}),
            ),
            (
                PeerEvent::Volumes {
                    volumes: [(PeerId::from("ada"), -30)].into(),
                },
                "speakingPeers",
                json!({"peerVolumes": [{"peerId": "ada", "volume": -30}]}),
            ),
            (
                PeerEvent::DominantSpeaker { peer: None },
                "dominantSpeaker",
                json!({"peerId": null}),
            ),
            (
                PeerEvent::ProducerDemand {
                    producer: ProducerId::from_u128(3),
                    encodings: vec![true, false],
                },
                "producerDemand",
                json!({"producerId": ProducerId::from_u128(3), "encodings": [true, false]}),
            ),
        ] {
            let message = parse(&encode_event(&event).expect("has words for it"));
            assert_eq!(message["notification"], true);
            assert_eq!(message["method"], method);
            assert_eq!(message["data"], data);
        }
        let version = parse(&version_notification("1.2.3"));
        assert_eq!(version["method"], "mediasoup-version");
        assert_eq!(version["data"], json!({"version": "1.2.3"}));
    }
}
