//! Data channels of a world's peers.

use plenum_ids::{DataConsumerId, DataProducerId};
use plenum_params::{
    data::{SctpOptions, SctpStreamParameters},
    transport::WebRtcTransportOptions,
};
use plenum_sctp::{Reliability, Settings};
use plenum_testkit::peer::PeerMessage;

use crate::{World, world::transport};

/// Most time that a peer may need until it can send messages.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// What a browser's association allows, roughly.
#[must_use]
pub const fn peer_settings() -> Settings {
    Settings {
        max_message: 256 * 1024,
        receive_buffer: 1024 * 1024,
        streams: 1024,
    }
}

/// How a stream with these parameters is sent on.
#[must_use]
pub fn reliability(stream: &SctpStreamParameters) -> Reliability {
    Reliability {
        unordered: !stream.ordered,
        max_life_time: stream.max_packet_life_time,
        max_retransmits: stream.max_retransmits,
    }
}

impl World {
    /// Adds a peer whose transport carries data channels, and tells the engine its certificate.
    pub fn add_data_peer(&mut self, sctp: SctpOptions) -> usize {
        let index = self.add_peer_with(&WebRtcTransportOptions {
            sctp: Some(sctp),
            ..WebRtcTransportOptions::default()
        });
        self.peers[index].want_data(peer_settings());
        self.connect(index);
        index
    }

    /// Adds such a peer and waits until it can send messages.
    pub fn add_connected_data_peer(&mut self, sctp: SctpOptions) -> usize {
        let index = self.add_data_peer(sctp);
        self.await_data(index);
        index
    }

    /// Waits until a peer can send messages.
    pub fn await_data(&mut self, index: usize) {
        let connected = self.run_until(PATIENCE, |world| world.peers[index].has_data());
        assert!(connected, "no association with peer {index}");
    }

    /// A data producer on a peer's transport.
    pub fn produce_data(
        &mut self,
        peer: usize,
        id: u128,
        stream: SctpStreamParameters,
    ) -> DataProducerId {
        let id = DataProducerId::from_u128(id);
        self.engine
            .produce_data(transport(peer), id, Some(stream), false)
            .expect("the transport has data channels");
        id
    }

    /// A data consumer on a peer's transport.
    pub fn consume_data(
        &mut self,
        peer: usize,
        id: u128,
        producer: DataProducerId,
        stream: SctpStreamParameters,
    ) -> DataConsumerId {
        let id = DataConsumerId::from_u128(id);
        let transport = transport(peer);
        self.engine
            .consume_data(transport, id, producer, Some(stream), Vec::new(), false)
            .expect("transport and data producer exist");
        id
    }

    /// Lets a peer send a message; it has to be able to.
    pub fn send_message(
        &mut self,
        peer: usize,
        stream: &SctpStreamParameters,
        ppid: u32,
        message: impl AsRef<[u8]>,
    ) {
        let message = message.as_ref().to_vec();
        let channel = (stream.stream_id, reliability(stream));
        self.peers[peer]
            .send_message(self.now, channel, ppid, message)
            .expect("the association is connected");
    }

    /// All messages that a peer has got and nobody took yet.
    pub fn messages(&mut self, peer: usize) -> Vec<PeerMessage> {
        std::iter::from_fn(|| self.peers[peer].poll_message()).collect()
    }
}
