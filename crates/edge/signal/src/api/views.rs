//! Rooms as the host shows them, in the words of the API.

use plenum_api::admin::{
    ConsumerDetail, DataConsumerDetail, DataProducerDetail, FromNode, PeerDetail, PlaceDetail,
    ProducerDetail, RoomDetail, RoomSummary, ToNode, TransportDetail,
};
use plenum_host::RoomPicture;
use plenum_room::{PeerState, PeerView, PlaceId, PlaceView, TransportView};

/// Everything of a room.
pub(super) fn room(picture: &RoomPicture) -> RoomDetail {
    let places = Places(picture);
    let RoomSummary {
        namespace,
        room,
        opened_at,
        ..
    } = picture.summary.clone();
    let properties = &picture.view.properties;
    RoomDetail {
        namespace,
        room,
        opened_at,
        locked: properties.locked,
        lobby: properties.lobby,
        max_peers: properties.max_peers,
        metadata: properties.metadata.as_ref().clone(),
        places: picture
            .view
            .places
            .iter()
            .map(|it| places.place(it))
            .collect(),
        peers: picture
            .view
            .peers
            .iter()
            .map(|it| places.peer(it))
            .collect(),
        from_nodes: picture
            .view
            .from_nodes
            .iter()
            .map(|it| FromNode {
                producer_id: it.producer_id,
                node: it.node.to_string(),
                hops: it.hops,
            })
            .collect(),
        to_nodes: picture
            .view
            .to_nodes
            .iter()
            .map(|it| ToNode {
                producer_id: it.producer_id,
                node: it.node.to_string(),
            })
            .collect(),
    }
}

/// Which worker a place is at.
struct Places<'a>(&'a RoomPicture);

impl Places<'_> {
    fn worker(&self, place: PlaceId) -> Option<u16> {
        self.0.worker(place).map(|worker| worker.0)
    }

    fn place(&self, view: &PlaceView) -> PlaceDetail {
        PlaceDetail {
            worker_id: self.worker(view.place),
            router_id: view.router_id,
            peers: view.peers,
            producers: view.producers,
            pipes: view.pipes,
        }
    }

    fn peer(&self, view: &PeerView) -> PeerDetail {
        let transports = view.transports.iter();
        PeerDetail {
            peer_id: view.peer_id.to_string(),
            worker_id: self.worker(view.place),
            door: view.door.as_str().to_owned(),
            remote: view.remote.map(|ip| ip.to_string()),
            state: state(view.state).to_owned(),
            display_name: view.display_name.clone(),
            device: view.device.clone(),
            role: view.role,
            grants: view.grants,
            hand_raised: view.hand_raised,
            transports: transports.map(|it| transport(view, it)).collect(),
        }
    }
}

const fn state(state: PeerState) -> &'static str {
    match state {
        PeerState::Waiting => "waiting",
        PeerState::Joined => "joined",
        _ => "connected",
    }
}

fn transport(peer: &PeerView, view: &TransportView) -> TransportDetail {
    let (peer_id, transport_id) = (peer.peer_id.as_str(), view.transport_id);
    let producers = view.producers.iter().map(|it| ProducerDetail {
        producer_id: it.producer_id,
        peer_id: peer_id.to_owned(),
        transport_id,
        kind: it.kind,
        form: it.form.to_owned(),
        paused: it.paused,
        codec: it.codec.clone(),
        consumers: it.consumers,
    });
    let consumers = view.consumers.iter().map(|it| ConsumerDetail {
        consumer_id: it.consumer_id,
        peer_id: peer_id.to_owned(),
        transport_id,
        producer_id: it.producer_id,
        paused: it.paused,
        announced: it.announced,
        score: it.score,
    });
    let data_producers = view.data_producers.iter().map(|it| DataProducerDetail {
        data_producer_id: it.data_producer_id,
        peer_id: peer_id.to_owned(),
        transport_id,
        label: it.label.clone(),
        protocol: it.protocol.clone(),
        consumers: it.consumers,
    });
    let data_consumers = view.data_consumers.iter().map(|it| DataConsumerDetail {
        data_consumer_id: it.data_consumer_id,
        peer_id: peer_id.to_owned(),
        transport_id,
        data_producer_id: it.data_producer_id,
    });
    TransportDetail {
        transport_id,
        peer_id: peer_id.to_owned(),
        form: view.form.to_owned(),
        consuming: view.consuming,
        data: view.data,
        connected: view.connected,
        producers: producers.collect(),
        consumers: consumers.collect(),
        data_producers: data_producers.collect(),
        data_consumers: data_consumers.collect(),
    }
}
