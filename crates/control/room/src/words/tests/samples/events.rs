//! What clients are told.

use plenum_params::event::EncodingScore;

use super::Samples;
use crate::PeerEvent;

impl Samples {
    pub(in super::super) fn event(&mut self, variant: usize) -> PeerEvent {
        match variant {
            0 => PeerEvent::Admitted {
                peers: self.some(Self::peer_info),
                display_name: self.text(),
                role: self.role(),
                grants: self.grants(),
            },
            1 => PeerEvent::ConsumerClosed {
                consumer: self.consumer(),
            },
            2 => PeerEvent::ConsumerLayersChanged {
                consumer: self.consumer(),
                layers: self.maybe(Self::layers),
            },
            3 => PeerEvent::ConsumerPaused {
                consumer: self.consumer(),
            },
            4 => PeerEvent::ConsumerResumed {
                consumer: self.consumer(),
            },
            5 => PeerEvent::ConsumerScore {
                consumer: self.consumer(),
                score: self.score(),
            },
            6 => PeerEvent::DataConsumerClosed {
                data_consumer: self.data_consumer(),
            },
            7 => PeerEvent::DataProducerAdded(self.data_producer_info()),
            8 => PeerEvent::DataProducerClosed {
                data_producer: self.data_producer(),
            },
            9 => PeerEvent::DataProducerRemoved {
                peer: self.peer(),
                data_producer: self.data_producer(),
            },
            10 => PeerEvent::DominantSpeaker {
                peer: self.maybe(Self::peer),
            },
            11 => PeerEvent::GrantsChanged {
                grants: self.grants(),
            },
            12 => PeerEvent::HandRaised {
                peer: self.peer(),
                raised: self.flag(),
            },
            13 => PeerEvent::Knock {
                peer: self.peer(),
                display_name: self.text(),
            },
            14 => PeerEvent::KnockGone { peer: self.peer() },
            15 => PeerEvent::Loudest {
                speaker: self.maybe(|it| (it.peer(), it.number())),
            },
            16 => PeerEvent::MediaStarted {
                transport: self.transport(),
            },
            17 => PeerEvent::Muted {
                producer: self.producer(),
            },
            18 => PeerEvent::NewPeer(self.peer_info()),
            19 => PeerEvent::PeerClosed { peer: self.peer() },
            20 => PeerEvent::PeerDisplayNameChanged {
                peer: self.peer(),
                display_name: self.text(),
                old_display_name: self.text(),
            },
            21 => PeerEvent::ProducerAdded(self.producer_info()),
            22 => PeerEvent::ProducerClosed {
                producer: self.producer(),
            },
            23 => PeerEvent::ProducerDemand {
                producer: self.producer(),
                encodings: self.some(Self::flag),
            },
            24 => PeerEvent::ProducerPaused {
                peer: self.peer(),
                producer: self.producer(),
            },
            25 => PeerEvent::ProducerRemoved {
                peer: self.peer(),
                producer: self.producer(),
            },
            26 => PeerEvent::ProducerResumed {
                peer: self.peer(),
                producer: self.producer(),
            },
            27 => PeerEvent::ProducerScore {
                producer: self.producer(),
                scores: self.some(|it| EncodingScore {
                    encoding_index: it.number(),
                    ssrc: it.number(),
                    rid: it.maybe(Self::text),
                    score: it.number(),
                }),
            },
            28 => PeerEvent::RoleChanged {
                peer: self.peer(),
                role: self.role(),
            },
            29 => PeerEvent::RoomChanged(self.properties()),
            30 => PeerEvent::Volumes {
                volumes: self.some(|it| (it.peer(), it.number())).into(),
            },
            _ => PeerEvent::TransportConnected {
                transport: self.transport(),
            },
        }
    }
}

/// Its number here. A variant that is new is missed by the compiler.
pub(in super::super) const fn event_number(it: &PeerEvent) -> usize {
    match it {
        PeerEvent::Admitted { .. } => 0,
        PeerEvent::ConsumerClosed { .. } => 1,
        PeerEvent::ConsumerLayersChanged { .. } => 2,
        PeerEvent::ConsumerPaused { .. } => 3,
        PeerEvent::ConsumerResumed { .. } => 4,
        PeerEvent::ConsumerScore { .. } => 5,
        PeerEvent::DataConsumerClosed { .. } => 6,
        PeerEvent::DataProducerAdded(_) => 7,
        PeerEvent::DataProducerClosed { .. } => 8,
        PeerEvent::DataProducerRemoved { .. } => 9,
        PeerEvent::DominantSpeaker { .. } => 10,
        PeerEvent::GrantsChanged { .. } => 11,
        PeerEvent::HandRaised { .. } => 12,
        PeerEvent::Knock { .. } => 13,
        PeerEvent::KnockGone { .. } => 14,
        PeerEvent::Loudest { .. } => 15,
        PeerEvent::MediaStarted { .. } => 16,
        PeerEvent::Muted { .. } => 17,
        PeerEvent::NewPeer(_) => 18,
        PeerEvent::PeerClosed { .. } => 19,
        PeerEvent::PeerDisplayNameChanged { .. } => 20,
        PeerEvent::ProducerAdded(_) => 21,
        PeerEvent::ProducerClosed { .. } => 22,
        PeerEvent::ProducerDemand { .. } => 23,
        PeerEvent::ProducerPaused { .. } => 24,
        PeerEvent::ProducerRemoved { .. } => 25,
        PeerEvent::ProducerResumed { .. } => 26,
        PeerEvent::ProducerScore { .. } => 27,
        PeerEvent::RoleChanged { .. } => 28,
        PeerEvent::RoomChanged(_) => 29,
        PeerEvent::Volumes { .. } => 30,
        PeerEvent::TransportConnected { .. } => 31,
    }
}
