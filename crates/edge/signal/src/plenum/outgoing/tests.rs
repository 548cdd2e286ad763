use plenum_api::plenum::NOTIFICATIONS;
use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, ProducerId, TransportId};
use plenum_params::{
    data::SctpStreamParameters,
    event::{ConsumerScore, Layers},
    media::MediaKind,
    ortc::ProducerType,
    rtp_parameters::RtpParameters,
};
use plenum_room::RoomProperties;
use serde_json::{Map, Value, json};

use super::*;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn info() -> PeerInfo {
    let mut info = PeerInfo::new(
        PeerId::from("ada"),
        "Ada".to_owned(),
        json!({"flag": "chrome"}),
    );
    let app_data = Map::from_iter([("source".to_owned(), json!("video"))]);
    info.producers.push(ProducerInfo {
        peer: info.peer.clone(),
        producer: ProducerId::from_u128(3),
        kind: MediaKind::Video,
        producer_type: ProducerType::Simulcast,
        app_data: app_data.into(),
        paused: false,
        consumable: RtpParameters::default().into(),
    });
    info
}

fn ada() -> Value {
    json!({
        "peerId": "ada", "displayName": "Ada", "device": {"flag": "chrome"}, "role": "speaker",
        "handRaised": false, "appData": {}, "dataProducers": [],
        "producers": [{"producerId": ProducerId::from_u128(3), "kind": "video",
            "appData": {"source": "video"}, "paused": false}],
    })
}

#[test]
fn a_batch_has_everything_that_a_client_needs() {
    let consumer = NewConsumer {
        peer: PeerId::from("ada"),
        transport: TransportId::from_u128(1),
        consumer: ConsumerId::from_u128(2),
        producer: ProducerId::from_u128(3),
        kind: MediaKind::Video,
        rtp_parameters: RtpParameters::default(),
        producer_type: ProducerType::Simulcast,
        app_data: Map::new(),
        producer_paused: true,
        score: ConsumerScore::default(),
    };
    let data_consumer = NewDataConsumer {
        peer: None,
        transport: TransportId::from_u128(1),
        data_consumer: DataConsumerId::from_u128(4),
        data_producer: DataProducerId::from_u128(5),
        stream: SctpStreamParameters::reliable(4),
        label: "bot".to_owned(),
        protocol: String::new(),
        app_data: Map::new(),
    };
    let message = parse(&new_consumers(7, &[consumer], &[data_consumer]));
    assert_eq!(
        (&message["id"], &message["method"]),
        (&json!(7), &json!("newConsumers"))
    );
    let consumer = &message["data"]["consumers"][0];
    assert_eq!(consumer["consumerId"], json!(ConsumerId::from_u128(2)));
    assert_eq!(consumer["transportId"], json!(TransportId::from_u128(1)));
    assert_eq!(
        (&consumer["type"], &consumer["producerPaused"]),
        (&json!("simulcast"), &json!(true))
    );
    assert_eq!(consumer["consumerScore"]["producerScores"], json!([]));
    let data_consumer = &message["data"]["dataConsumers"][0];
    assert_eq!(
        data_consumer["dataConsumerId"],
        json!(DataConsumerId::from_u128(4))
    );
    assert!(data_consumer.get("peerId").is_none());
}

#[test]
fn events_have_the_names_of_the_protocol() {
    let consumer = ConsumerId::from_u128(2);
    let producer = ProducerId::from_u128(3);
    let peer = || PeerId::from("ada");
    let grants = json!({"publish": ["audio", "video", "screen", "data"], "subscribe": true,
        "hidden": false, "admin": false, "record": false});
    for (happened, method, data) in [
        (
            PeerEvent::ConsumerClosed { consumer },
            "consumersClosed",
            json!({"consumerIds": [consumer]}),
        ),
        (
            PeerEvent::ConsumerLayersChanged {
                consumer,
                layers: None,
            },
            "consumerLayersChanged",
            json!({"consumerId": consumer}),
        ),
        (
            PeerEvent::ConsumerLayersChanged {
                consumer,
                layers: Some(Layers {
                    spatial: 1,
                    temporal: Some(2),
                }),
            },
            "consumerLayersChanged",
            json!({"consumerId": consumer, "layers": {"spatialLayer": 1, "temporalLayer": 2}}),
        ),
        (
            PeerEvent::NewPeer(info()),
            "peerJoined",
            json!({"peer": ada()}),
        ),
        (
            PeerEvent::PeerClosed { peer: peer() },
            "peerLeft",
            json!({"peerId": "ada"}),
        ),
        (
            PeerEvent::HandRaised {
                peer: peer(),
                raised: true,
            },
            "peerChanged",
            json!({"peerId": "ada", "handRaised": true}),
        ),
        (
            PeerEvent::RoleChanged {
                peer: peer(),
                role: Role::Host,
            },
            "peerChanged",
            json!({"peerId": "ada", "role": "host"}),
        ),
        (
            PeerEvent::ProducerAdded(info().producers.remove(0)),
            "producerAdded",
            json!({"peerId": "ada", "producer": ada()["producers"][0]}),
        ),
        (
            PeerEvent::ProducerRemoved {
                peer: peer(),
                producer,
            },
            "producerRemoved",
            json!({"peerId": "ada", "producerId": producer}),
        ),
        (
            PeerEvent::RoomChanged(RoomProperties::default()),
            "roomChanged",
            json!({"locked": false, "lobby": false, "metadata": null}),
        ),
        (
            PeerEvent::DominantSpeaker { peer: None },
            "activeSpeaker",
            json!({}),
        ),
        (
            PeerEvent::Volumes {
                volumes: [(peer(), -30)].into(),
            },
            "speakingPeers",
            json!({"peerVolumes": [{"peerId": "ada", "volume": -30}]}),
        ),
        (
            PeerEvent::Admitted {
                peers: vec![info()],
                display_name: "Bob".to_owned(),
                role: Role::Speaker,
                grants: Grants::default(),
            },
            "admitted",
            json!({"peers": [ada()], "displayName": "Bob", "role": "speaker", "grants": grants}),
        ),
        (
            PeerEvent::Knock {
                peer: peer(),
                display_name: "Ada".to_owned(),
            },
            "knock",
            json!({"peerId": "ada", "displayName": "Ada"}),
        ),
        (
            PeerEvent::Muted { producer },
            "producerMuted",
            json!({"producerId": producer}),
        ),
    ] {
        let message = parse(&event(&happened).expect("has words for it"));
        assert_eq!(message["notification"], true);
        assert_eq!(message["method"], method);
        assert_eq!(message["data"], data, "{method}");
        assert!(NOTIFICATIONS.contains(&method), "{method}");
    }
    let transport = TransportId::from_u128(1);
    assert_eq!(event(&PeerEvent::MediaStarted { transport }), None);
}

#[test]
fn answers_name_what_they_are() {
    let producer = ProducerId::from_u128(3);
    let data = |answer: PeerReply| parse(&reply(1, &answer))["data"].clone();
    assert_eq!(
        data(PeerReply::Produced { producer }),
        json!({"producerId": producer})
    );
    assert_eq!(data(PeerReply::Done), json!({}));
    assert_eq!(data(PeerReply::Waiting), json!({"waiting": true}));
    assert_eq!(
        data(PeerReply::ProducerStats(Vec::new())),
        json!({"stats": []})
    );
    let refused = parse(&refusal(1, &RoomError::not_found("producer", "x")));
    assert_eq!(refused["errorCode"], 404);
    assert_eq!(parse(&between_rooms(1))["errorCode"], 503);
    let first = parse(&resumed(7, vec![2]));
    assert_eq!(
        first["data"],
        json!({"lastRequestId": 7, "unanswered": [2]})
    );
}
