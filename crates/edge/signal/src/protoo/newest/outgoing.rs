//! What clients are told and asked, where it differs from the classic dialect.

use plenum_api::{classic::Version, data, ice::IceServer, media_stats, newest};
use plenum_ids::TransportId;
use plenum_params::transport::WebRtcTransportInfo;
use plenum_room::{ClientRequest, NewConsumer, NewDataConsumer, PeerEvent, PeerInfo, PeerReply};
use serde::Serialize;
use serde_json::Number;

use crate::protoo::{
    app_data,
    classic::{self, unix_milliseconds},
    message::{notification, ok_response, request},
};

/// The first words to every client.
pub(crate) fn version_notification(version: &str) -> String {
    notification("mediasoupVersion", &Version { version })
}

/// The answer to the request with this id.
pub(crate) fn encode_reply(id: &Number, reply: &PeerReply) -> String {
    match reply {
        PeerReply::ConsumerStats(stats) => {
            stats_reply(id, &media_stats::consumer_stats(stats, unix_milliseconds()))
        }
        PeerReply::DataConsumerStats(stats) => {
            let names = (stats.label.as_str(), stats.protocol.as_str());
            let entries = data::data_consumer_stats(names, &stats.counters, unix_milliseconds());
            stats_reply(id, &entries)
        }
        PeerReply::DataProduced { data_producer } => ok_response(
            id,
            &newest::DataProduced {
                data_producer_id: *data_producer,
            },
        ),
        PeerReply::DataProducerStats(stats) => {
            let names = (stats.label.as_str(), stats.protocol.as_str());
            let entries = data::data_producer_stats(names, &stats.counters, unix_milliseconds());
            stats_reply(id, &entries)
        }
        PeerReply::IceParameters(ice) => ok_response(
            id,
            &newest::IceRestarted {
                ice_parameters: ice.into(),
            },
        ),
        PeerReply::Joined { peers, .. } => ok_response(
            id,
            &newest::Joined {
                peers: peers.iter().map(describe).collect(),
            },
        ),
        PeerReply::Produced { producer } => ok_response(
            id,
            &newest::Produced {
                producer_id: *producer,
            },
        ),
        PeerReply::ProducerStats(streams) => stats_reply(
            id,
            &media_stats::producer_stats(streams, unix_milliseconds()),
        ),
        PeerReply::RouterRtpCapabilities(capabilities) => ok_response(
            id,
            &newest::RouterCapabilities {
                router_rtp_capabilities: capabilities,
            },
        ),
        PeerReply::TransportStats { transport, stats } => stats_reply(
            id,
            &media_stats::transport_stats(*transport, stats, unix_milliseconds()),
        ),
        other => classic::encode_reply(id, other),
    }
}

/// The answer to `createWebRtcTransport`.
pub(crate) fn encode_transport(
    id: &Number,
    transport_id: TransportId,
    info: &WebRtcTransportInfo,
    ice_servers: Vec<IceServer>,
) -> String {
    let created = newest::TransportCreated {
        transport_id,
        parameters: info.into(),
        ice_servers,
    };
    ok_response(id, &created)
}

/// A question under an id of ours; `None`: the dialect has no words for it.
pub(crate) fn encode_ask(id: u64, ask: &ClientRequest) -> Option<String> {
    match ask {
        ClientRequest::NewConsumer(consumer) => Some(new_consumer(id, consumer)),
        ClientRequest::NewDataConsumer(consumer) => Some(new_data_consumer(id, consumer)),
        _ => None,
    }
}

/// A notification; `None`: the dialect has no words for it.
pub(crate) fn encode_event(event: &PeerEvent) -> Option<String> {
    match event {
        PeerEvent::ConsumerLayersChanged { consumer, layers } => Some(notification(
            "consumerLayersChanged",
            &newest::ConsumerLayersChanged {
                consumer_id: *consumer,
                layers: layers.map(Into::into),
            },
        )),
        PeerEvent::DominantSpeaker { peer } => Some(notification(
            "activeSpeaker",
            &newest::ActiveSpeaker {
                peer_id: peer.as_ref(),
            },
        )),
        // It has another meaning here.
        PeerEvent::Loudest { .. } => None,
        PeerEvent::NewPeer(info) => Some(notification(
            "newPeer",
            &newest::NewPeer {
                peer: describe(info),
            },
        )),
        other => classic::encode_event(other),
    }
}

fn stats_reply(id: &Number, stats: &impl Serialize) -> String {
    ok_response(id, &newest::Stats { stats })
}

fn new_consumer(id: u64, consumer: &NewConsumer) -> String {
    let app_data = app_data::newest(&consumer.app_data, consumer.kind);
    let data = newest::NewConsumer {
        peer_id: &consumer.peer,
        transport_id: consumer.transport,
        consumer_id: consumer.consumer,
        producer_id: consumer.producer,
        kind: consumer.kind,
        rtp_parameters: &consumer.rtp_parameters,
        consumer_type: consumer.producer_type.as_str(),
        producer_paused: consumer.producer_paused,
        consumer_score: (&consumer.score).into(),
        app_data: &app_data,
    };
    request(id, "newConsumer", &data)
}

fn new_data_consumer(id: u64, consumer: &NewDataConsumer) -> String {
    let app_data = app_data::newest_channel(&consumer.app_data, &consumer.label);
    let data = newest::NewDataConsumer {
        peer_id: consumer.peer.as_ref(),
        transport_id: consumer.transport,
        data_consumer_id: consumer.data_consumer,
        data_producer_id: consumer.data_producer,
        sctp_stream_parameters: consumer.stream.into(),
        label: &consumer.label,
        protocol: &consumer.protocol,
        app_data: &app_data,
    };
    request(id, "newDataConsumer", &data)
}

fn describe(info: &PeerInfo) -> newest::PeerDescription<'_> {
    newest::PeerDescription {
        peer_id: &info.peer,
        display_name: info.display_name.as_str(),
        device: &info.device,
        remote_address: info.remote,
    }
}

#[cfg(test)]
mod tests;
