use std::sync::Arc;

use plenum_api::grants::{Grants, Role};
use plenum_ids::{ConsumerId, DataConsumerId, DataProducerId, PeerId, ProducerId, TransportId};
use plenum_params::{
    data::SctpStreamParameters,
    event::{ConsumerScore, Layers},
    media::MediaKind,
    ortc::ProducerType,
    rtp_parameters::{RtpCapabilities, RtpParameters},
    transport::IceParameters,
};
use serde_json::{Map, Value, json};

use super::*;

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("our own output is JSON")
}

fn asked(ask: &ClientRequest) -> Value {
    parse(&encode_ask(5, ask).expect("has words for it"))
}

fn replied(reply: &PeerReply) -> Value {
    let message = parse(&encode_reply(&Number::from(7), reply));
    assert_eq!((&message["id"], &message["ok"]), (&json!(7), &json!(true)));
    message["data"].clone()
}

fn told(event: &PeerEvent) -> (Value, Value) {
    let message = parse(&encode_event(event).expect("has words for it"));
    (message["method"].clone(), message["data"].clone())
}

fn ada() -> PeerInfo {
    PeerInfo {
        remote: Some([192, 0, 2, 7].into()),
        ..PeerInfo::new(
            PeerId::from("ada"),
            "Ada".to_owned(),
            json!({"flag": "chrome"}),
        )
    }
}

#[test]
fn a_new_consumer_names_its_transport_and_quality() {
    let consumer = NewConsumer {
        peer: PeerId::from("ada"),
        transport: TransportId::from_u128(1),
        consumer: ConsumerId::from_u128(2),
        producer: ProducerId::from_u128(3),
        kind: MediaKind::Video,
        rtp_parameters: RtpParameters::default(),
        producer_type: ProducerType::Simulcast,
        app_data: Map::from_iter([("peerId".to_owned(), json!("ada"))]),
        producer_paused: true,
        score: ConsumerScore::default(),
    };
    let message = asked(&ClientRequest::NewConsumer(Box::new(consumer)));
    assert_eq!(message["method"], "newConsumer");
    assert_eq!(message["id"], 5);
    let data = message["data"].as_object().expect("an object");
    let mut names: Vec<_> = data.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "appData",
            "consumerId",
            "consumerScore",
            "kind",
            "peerId",
            "producerId",
            "producerPaused",
            "rtpParameters",
            "transportId",
            "type"
        ]
    );
    assert_eq!(data["appData"], json!({"peerId": "ada", "source": "video"}));
    assert_eq!(data["transportId"], json!(TransportId::from_u128(1)));
    assert_eq!(
        data["consumerScore"],
        json!({"score": 0, "producerScore": 0, "producerScores": []})
    );
    assert_eq!(data["type"], "simulcast");
}

#[test]
fn a_new_data_consumer_of_the_bot_has_no_peer() {
    let mut consumer = NewDataConsumer {
        peer: None,
        transport: TransportId::from_u128(1),
        data_consumer: DataConsumerId::from_u128(2),
        data_producer: DataProducerId::from_u128(3),
        stream: SctpStreamParameters::reliable(4),
        label: "bot".to_owned(),
        protocol: String::new(),
        app_data: Map::new(),
    };
    let ask = |consumer: &NewDataConsumer| {
        asked(&ClientRequest::NewDataConsumer(Box::new(consumer.clone())))["data"].clone()
    };
    assert_eq!(
        ask(&consumer),
        json!({
            "transportId": TransportId::from_u128(1),
            "dataConsumerId": DataConsumerId::from_u128(2),
            "dataProducerId": DataProducerId::from_u128(3),
            "sctpStreamParameters": {"streamId": 4, "ordered": true},
            "label": "bot", "protocol": "", "appData": {"channel": "bot"},
        })
    );
    consumer.peer = Some(PeerId::from("ada"));
    assert_eq!(ask(&consumer)["peerId"], "ada");
}

#[test]
fn replies_are_wrapped_in_this_dialect() {
    let producer = ProducerId::from_u128(3);
    assert_eq!(
        replied(&PeerReply::Produced { producer }),
        json!({"producerId": producer})
    );
    let data_producer = DataProducerId::from_u128(4);
    assert_eq!(
        replied(&PeerReply::DataProduced { data_producer }),
        json!({"dataProducerId": data_producer})
    );
    let ice = IceParameters {
        username_fragment: "u".to_owned(),
        password: "p".to_owned(),
    };
    assert_eq!(
        replied(&PeerReply::IceParameters(ice)),
        json!({"iceParameters": {"usernameFragment": "u", "password": "p", "iceLite": true}})
    );
    assert_eq!(
        replied(&PeerReply::ProducerStats(Vec::new())),
        json!({"stats": []})
    );
    let capabilities = PeerReply::RouterRtpCapabilities(Arc::new(RtpCapabilities::default()));
    assert_eq!(
        replied(&capabilities),
        json!({"routerRtpCapabilities": {"codecs": [], "headerExtensions": []}})
    );
    assert_eq!(replied(&PeerReply::Done), json!({}));
}

#[test]
fn peers_are_described_alike_everywhere() {
    let description = json!({
        "peerId": "ada", "displayName": "Ada", "device": {"flag": "chrome"},
        "remoteAddress": "192.0.2.7",
    });
    assert_eq!(
        replied(&PeerReply::Joined {
            peers: vec![ada()],
            display_name: "Bob".to_owned(),
            role: Role::Speaker,
            grants: Grants::default(),
        }),
        json!({"peers": [description]})
    );
    assert_eq!(
        told(&PeerEvent::NewPeer(ada())),
        (json!("newPeer"), json!({"peer": description}))
    );
}

#[test]
fn events_have_the_dialects_names() {
    let consumer = ConsumerId::from_u128(2);
    let layers = Layers {
        spatial: 1,
        temporal: None,
    };
    for (event, method, data) in [
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
                layers: Some(layers),
            },
            "consumerLayersChanged",
            json!({"consumerId": consumer, "layers": {"spatialLayer": 1}}),
        ),
        (
            PeerEvent::DominantSpeaker { peer: None },
            "activeSpeaker",
            json!({}),
        ),
        (
            PeerEvent::DominantSpeaker {
                peer: Some(PeerId::from("ada")),
            },
            "activeSpeaker",
            json!({"peerId": "ada"}),
        ),
        (
            PeerEvent::Volumes {
                volumes: [(PeerId::from("ada"), -30)].into(),
            },
            "speakingPeers",
            json!({"peerVolumes": [{"peerId": "ada", "volume": -30}]}),
        ),
        (
            PeerEvent::ConsumerClosed { consumer },
            "consumerClosed",
            json!({"consumerId": consumer}),
        ),
    ] {
        assert_eq!(told(&event), (json!(method), data));
    }
    assert_eq!(encode_event(&PeerEvent::Loudest { speaker: None }), None);
    assert_eq!(
        parse(&version_notification("1.2.3"))["method"],
        "mediasoupVersion"
    );
}
