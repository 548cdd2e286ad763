//! What clients are told and asked. Frames get their numbers elsewhere.

use std::time::Duration;

use plenum_api::{
    data,
    error::ErrorKind,
    grants::{Grants, Role},
    media_stats,
    plenum::{self as words, Peer, Producer, Welcome},
};
use plenum_ids::PeerId;
use plenum_room::{
    DataProducerInfo, NewConsumer, NewDataConsumer, PeerEvent, PeerInfo, PeerReply, ProducerInfo,
    RoomError,
};
use serde_json::Number;
use tracing::warn;

use super::closing::word_of;
use crate::protoo::{
    message::{error_response, notification, ok_response, request},
    unix_milliseconds,
};

/// The first words to every client.
pub(super) fn welcome(welcome: &Welcome<'_>) -> String {
    notification("welcome", welcome)
}

/// The room goes on elsewhere.
pub(super) fn migrate(reason: &str, make_before_break: bool, welcome: Welcome<'_>) -> String {
    let data = words::Migrate {
        reason,
        make_before_break,
        welcome,
    };
    notification("migrate", &data)
}

/// The node will end.
pub(super) fn draining(after: Duration) -> String {
    let data = words::Draining {
        seconds: after.as_secs(),
    };
    notification("draining", &data)
}

/// The only words on a socket of somebody who is to come again later.
pub(super) fn come_back(after: Duration) -> String {
    let after_ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    notification("comeBack", &words::ComeBack { after_ms })
}

/// The first words on a socket that goes on with a session. It belongs to no session, and gets no number.
pub(super) fn resumed(last_request_id: u64, unanswered: Vec<u64>) -> String {
    let data = words::Resumed {
        last_request_id,
        unanswered,
    };
    notification("resumed", &data)
}

/// A request was refused. If that is the end, programs understand why.
pub(super) fn refusal(id: u64, error: &RoomError) -> String {
    let whole = error.ending.map(|end| word_of(end).with(&error.reason));
    let reason = whole.as_deref().unwrap_or(&error.reason);
    error_response(&Number::from(id), error.kind.code(), reason)
}

/// A request came to nobody, or to a room that is given up.
pub(super) fn between_rooms(id: u64) -> String {
    let reason = "the room moves to another media worker";
    refusal(id, &RoomError::new(ErrorKind::Unavailable, reason))
}

/// A request is done.
pub(super) fn done(id: u64) -> String {
    ok_response(&Number::from(id), &words::Empty {})
}

/// The answer to `consume`.
pub(super) fn consumed(
    id: u64,
    (consumers, data_consumers): (&[NewConsumer], &[NewDataConsumer]),
    refused: Vec<words::RefusedProducer>,
) -> String {
    let data = words::Consumed {
        consumers: consumers.iter().map(new_consumer).collect(),
        data_consumers: data_consumers.iter().map(new_data_consumer).collect(),
        refused,
    };
    ok_response(&Number::from(id), &data)
}

/// The answer that one reply of the room makes.
pub(super) fn reply(id: u64, reply: &PeerReply) -> String {
    let id = &Number::from(id);
    let now = unix_milliseconds();
    match reply {
        PeerReply::ConsumerStats(stats) => {
            stats_answer(id, media_stats::consumer_stats(stats, now))
        }
        PeerReply::DataConsumerStats(stats) => {
            let names = (stats.label.as_str(), stats.protocol.as_str());
            stats_answer(id, data::data_consumer_stats(names, &stats.counters, now))
        }
        PeerReply::DataProduced { data_producer } => {
            let data_producer_id = *data_producer;
            ok_response(id, &words::DataProduced { data_producer_id })
        }
        PeerReply::DataProducerStats(stats) => {
            let names = (stats.label.as_str(), stats.protocol.as_str());
            stats_answer(id, data::data_producer_stats(names, &stats.counters, now))
        }
        PeerReply::Done => ok_response(id, &words::Empty {}),
        PeerReply::IceParameters(ice) => {
            let ice_parameters = ice.into();
            ok_response(id, &words::IceRestarted { ice_parameters })
        }
        PeerReply::Joined {
            peers,
            display_name,
            role,
            grants,
        } => ok_response(
            id,
            &words::Joined {
                peers: peers.iter().map(peer).collect(),
                display_name,
                role: *role,
                grants,
            },
        ),
        PeerReply::Produced { producer } => {
            let producer_id = *producer;
            ok_response(id, &words::Produced { producer_id })
        }
        PeerReply::ProducerStats(streams) => {
            stats_answer(id, media_stats::producer_stats(streams, now))
        }
        PeerReply::TransportStats { transport, stats } => {
            stats_answer(id, media_stats::transport_stats(*transport, stats, now))
        }
        PeerReply::Waiting => ok_response(id, &words::Waiting { waiting: true }),
        PeerReply::WebRtcTransport { transport, info } => {
            ok_response(id, &words::Transport::new(*transport, info))
        }
        other => {
            warn!(?other, "unknown reply");
            ok_response(id, &words::Empty {})
        }
    }
}

fn stats_answer<T: serde::Serialize>(id: &Number, stats: T) -> String {
    ok_response(id, &words::Stats { stats })
}

/// The one question that there is.
pub(super) fn new_consumers(
    id: u64,
    consumers: &[NewConsumer],
    data_consumers: &[NewDataConsumer],
) -> String {
    let data = words::NewConsumers {
        consumers: consumers.iter().map(new_consumer).collect(),
        data_consumers: data_consumers.iter().map(new_data_consumer).collect(),
    };
    request(id, words::NEW_CONSUMERS, &data)
}

/// A notification; `None`: the dialect has no words for it.
pub(super) fn event(event: &PeerEvent) -> Option<String> {
    about_consumers(event)
        .or_else(|| about_others(event))
        .or_else(|| about_own(event))
}

/// Of what the client receives.
fn about_consumers(event: &PeerEvent) -> Option<String> {
    Some(match event {
        PeerEvent::ConsumerClosed { consumer } => notification(
            "consumersClosed",
            &words::ConsumersClosed {
                consumer_ids: vec![*consumer],
            },
        ),
        PeerEvent::ConsumerLayersChanged { consumer, layers } => notification(
            "consumerLayersChanged",
            &words::ConsumerLayersChanged {
                consumer_id: *consumer,
                layers: layers.map(Into::into),
            },
        ),
        PeerEvent::ConsumerPaused { consumer } => {
            let consumer_id = *consumer;
            notification("consumerPaused", &words::ConsumerNotice { consumer_id })
        }
        PeerEvent::ConsumerResumed { consumer } => {
            let consumer_id = *consumer;
            notification("consumerResumed", &words::ConsumerNotice { consumer_id })
        }
        PeerEvent::ConsumerScore { consumer, score } => notification(
            "consumerScore",
            &words::ConsumerScoreNotice {
                consumer_id: *consumer,
                score: score.into(),
            },
        ),
        PeerEvent::DataConsumerClosed { data_consumer } => notification(
            "dataConsumerClosed",
            &words::DataConsumerNotice {
                data_consumer_id: *data_consumer,
            },
        ),
        _ => return None,
    })
}

/// Of the others and of the room.
fn about_others(event: &PeerEvent) -> Option<String> {
    Some(match event {
        PeerEvent::DataProducerAdded(info) => notification(
            "dataProducerAdded",
            &words::DataProducerAdded {
                peer_id: &info.peer,
                data_producer: data_producer(info),
            },
        ),
        PeerEvent::DataProducerRemoved {
            peer,
            data_producer,
        } => notification(
            "dataProducerRemoved",
            &words::DataProducerRemoved {
                peer_id: peer,
                data_producer_id: *data_producer,
            },
        ),
        PeerEvent::DominantSpeaker { peer } => {
            let peer_id = peer.as_ref();
            notification("activeSpeaker", &words::ActiveSpeaker { peer_id })
        }
        PeerEvent::HandRaised { peer, raised } => peer_changed(peer, None, None, Some(*raised)),
        PeerEvent::Knock { peer, display_name } => notification(
            "knock",
            &words::Knocked {
                peer_id: peer,
                display_name,
            },
        ),
        PeerEvent::KnockGone { peer } => {
            notification("knockGone", &words::PeerNotice { peer_id: peer })
        }
        PeerEvent::NewPeer(info) => {
            notification("peerJoined", &words::PeerJoined { peer: peer(info) })
        }
        PeerEvent::PeerClosed { peer } => {
            notification("peerLeft", &words::PeerNotice { peer_id: peer })
        }
        PeerEvent::PeerDisplayNameChanged {
            peer, display_name, ..
        } => peer_changed(peer, Some(display_name), None, None),
        PeerEvent::ProducerAdded(info) => notification(
            "producerAdded",
            &words::ProducerAdded {
                peer_id: &info.peer,
                producer: producer(info),
            },
        ),
        PeerEvent::ProducerPaused { peer, producer } => {
            producer_of("producerPaused", peer, *producer)
        }
        PeerEvent::ProducerRemoved { peer, producer } => {
            producer_of("producerRemoved", peer, *producer)
        }
        PeerEvent::ProducerResumed { peer, producer } => {
            producer_of("producerResumed", peer, *producer)
        }
        PeerEvent::RoleChanged { peer, role } => peer_changed(peer, None, Some(*role), None),
        PeerEvent::RoomChanged(properties) => notification(
            "roomChanged",
            &words::RoomChanged {
                locked: properties.locked,
                lobby: properties.lobby,
                max_peers: properties.max_peers,
                metadata: &properties.metadata,
            },
        ),
        PeerEvent::Volumes { volumes } => notification(
            "speakingPeers",
            &words::SpeakingPeers {
                peer_volumes: volumes
                    .iter()
                    .map(|(peer_id, volume)| words::PeerVolume {
                        peer_id,
                        volume: *volume,
                    })
                    .collect(),
            },
        ),
        _ => return None,
    })
}

/// Of the client itself and of what it sends.
fn about_own(event: &PeerEvent) -> Option<String> {
    Some(match event {
        PeerEvent::Admitted {
            peers,
            display_name,
            role,
            grants,
        } => admitted(peers, display_name, *role, *grants),
        PeerEvent::DataProducerClosed { data_producer } => notification(
            "dataProducerClosed",
            &words::DataProducerNotice {
                data_producer_id: *data_producer,
            },
        ),
        PeerEvent::GrantsChanged { grants } => {
            notification("grantsChanged", &words::GrantsChanged { grants })
        }
        PeerEvent::Muted { producer } => {
            let producer_id = *producer;
            notification("producerMuted", &words::ProducerNotice { producer_id })
        }
        PeerEvent::ProducerClosed { producer } => {
            let producer_id = *producer;
            notification("producerClosed", &words::ProducerNotice { producer_id })
        }
        PeerEvent::ProducerDemand {
            producer,
            encodings,
        } => notification(
            "producerDemand",
            &words::ProducerDemand {
                producer_id: *producer,
                encodings,
            },
        ),
        PeerEvent::ProducerScore { producer, scores } => notification(
            "producerScore",
            &words::ProducerScoreNotice {
                producer_id: *producer,
                score: scores.iter().map(Into::into).collect(),
            },
        ),
        _ => return None,
    })
}

fn admitted(peers: &[PeerInfo], display_name: &str, role: Role, grants: Grants) -> String {
    let peers = peers.iter().map(peer).collect();
    let data = words::Admitted {
        peers,
        display_name,
        role,
        grants: &grants,
    };
    notification("admitted", &data)
}

fn peer_changed(
    peer_id: &PeerId,
    display_name: Option<&str>,
    role: Option<Role>,
    hand_raised: Option<bool>,
) -> String {
    let data = words::PeerChanged {
        peer_id,
        display_name,
        role,
        hand_raised,
    };
    notification("peerChanged", &data)
}

fn producer_of(method: &str, peer_id: &PeerId, producer_id: plenum_ids::ProducerId) -> String {
    let data = words::ProducerOf {
        peer_id,
        producer_id,
    };
    notification(method, &data)
}

fn new_consumer(consumer: &NewConsumer) -> words::NewConsumer<'_> {
    words::NewConsumer {
        peer_id: &consumer.peer,
        transport_id: consumer.transport,
        consumer_id: consumer.consumer,
        producer_id: consumer.producer,
        kind: consumer.kind,
        rtp_parameters: &consumer.rtp_parameters,
        consumer_type: consumer.producer_type.as_str(),
        producer_paused: consumer.producer_paused,
        consumer_score: (&consumer.score).into(),
        app_data: &consumer.app_data,
    }
}

fn new_data_consumer(consumer: &NewDataConsumer) -> words::NewDataConsumer<'_> {
    words::NewDataConsumer {
        peer_id: consumer.peer.as_ref(),
        transport_id: consumer.transport,
        data_consumer_id: consumer.data_consumer,
        data_producer_id: consumer.data_producer,
        sctp_stream_parameters: consumer.stream.into(),
        label: &consumer.label,
        protocol: &consumer.protocol,
        app_data: &consumer.app_data,
    }
}

/// Somebody who has joined.
pub(super) fn peer(info: &PeerInfo) -> Peer<'_> {
    Peer {
        peer_id: &info.peer,
        display_name: &info.display_name,
        device: &info.device,
        role: info.role,
        hand_raised: info.hand_raised,
        app_data: &info.app_data,
        producers: info.producers.iter().map(producer).collect(),
        data_producers: info.data_producers.iter().map(data_producer).collect(),
    }
}

fn producer(info: &ProducerInfo) -> Producer<'_> {
    Producer {
        producer_id: info.producer,
        kind: info.kind,
        app_data: &info.app_data,
        paused: info.paused,
    }
}

fn data_producer(info: &DataProducerInfo) -> words::DataProducer<'_> {
    words::DataProducer {
        data_producer_id: info.data_producer,
        label: &info.label,
        protocol: &info.protocol,
        app_data: &info.app_data,
    }
}

#[cfg(test)]
mod tests;
