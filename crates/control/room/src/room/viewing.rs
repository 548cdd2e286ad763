//! What those see who look after a room.

use plenum_ids::TransportId;

use crate::{
    command::{PlaceId, SessionId},
    info::RoomProperties,
    room::Room,
    state::{Peer, Transport},
    view::{
        ConsumerView, DataConsumerView, DataProducerView, PeerState, PeerView, PlaceView,
        ProducerView, RoomView, TransportView,
    },
};

impl Room {
    /// Everything of the room that can be told. It costs as much as the room is large.
    pub fn view(&self) -> RoomView {
        let places = self.places.keys();
        let peers = self.sessions.iter();
        // Nobody is there twice.
        let peers = peers.filter(|(id, peer)| self.names.get(&peer.id) == Some(id));
        RoomView {
            properties: self.properties.clone(),
            places: places.map(|place| self.view_place(*place)).collect(),
            peers: peers.map(|(id, peer)| self.view_peer(*id, peer)).collect(),
            remote_peers: self.view_remote(),
            from_nodes: self.view_inlets(),
            to_nodes: self.view_feeds(),
        }
    }

    /// The transports of everybody here, one by one.
    pub fn transports_of_peers(&self) -> Vec<Vec<TransportId>> {
        let peers = self.sessions.iter();
        let transports = peers.map(|(_, peer)| peer.transports.clone());
        transports.collect()
    }

    /// What hosts have decided.
    pub const fn properties(&self) -> &RoomProperties {
        &self.properties
    }

    fn view_place(&self, id: PlaceId) -> PlaceView {
        let place = &self.places[&id];
        PlaceView {
            place: id,
            router_id: place.router,
            peers: place.sessions,
            producers: place.producers,
            pipes: self.pipes().filter(|(_, to)| *to == id).count(),
        }
    }

    fn view_peer(&self, session: SessionId, peer: &Peer) -> PeerView {
        let membership = peer.membership.as_ref();
        let waiting = peer.knock.as_ref().map(|it| &it.membership);
        let told = membership.or(waiting);
        let transports = peer.transports.iter().filter_map(|id| {
            let transport = self.transports.get(id)?;
            Some(self.view_transport(*id, transport))
        });
        PeerView {
            peer_id: peer.id.clone(),
            session,
            place: peer.place,
            door: peer.admission.door,
            remote: peer.admission.remote,
            state: match (membership, &peer.knock) {
                (Some(_), _) => PeerState::Joined,
                (None, Some(_)) => PeerState::Waiting,
                (None, None) => PeerState::Connected,
            },
            display_name: told.map_or_else(String::new, |it| it.display_name.clone()),
            device: told.map_or_else(Default::default, |it| it.device.clone()),
            role: membership.map(|it| it.role),
            grants: peer.admission.grants,
            hand_raised: membership.is_some_and(|it| it.hand_raised),
            transports: transports.collect(),
        }
    }

    fn view_transport(&self, id: TransportId, transport: &Transport) -> TransportView {
        let producers = transport.producers.iter().filter_map(|id| {
            let producer = self.producers.get(id)?;
            Some(ProducerView {
                producer_id: *id,
                kind: producer.kind,
                form: producer.form.as_str(),
                paused: producer.paused,
                codec: producer
                    .consumable
                    .codecs
                    .first()
                    .map(|it| it.mime_type.as_str().to_owned()),
                consumers: producer.consumers.len(),
                piped_to: producer.pipes.keys().copied().collect(),
            })
        });
        let consumers = transport.consumers.iter().filter_map(|id| {
            let consumer = self.consumers.get(id)?;
            Some(ConsumerView {
                consumer_id: *id,
                producer_id: consumer.producer,
                paused: consumer.paused_by_client,
                announced: consumer.is_announced(),
                score: consumer.score.as_ref().map(|it| it.score),
            })
        });
        let written = transport.data_producers.iter().filter_map(|id| {
            let producer = self.data_producers.get(id)?;
            Some(DataProducerView {
                data_producer_id: *id,
                label: producer.label.clone(),
                protocol: producer.protocol.clone(),
                consumers: producer.consumers.len(),
            })
        });
        let read = transport.data_consumers.iter().filter_map(|id| {
            let consumer = self.data_consumers.get(id)?;
            Some(DataConsumerView {
                data_consumer_id: *id,
                data_producer_id: consumer.data_producer,
            })
        });
        TransportView {
            transport_id: id,
            form: transport.form.as_str(),
            consuming: transport.consuming,
            data: transport.data,
            connected: transport.connected,
            producers: producers.collect(),
            consumers: consumers.collect(),
            data_producers: written.collect(),
            data_consumers: read.collect(),
        }
    }
}
