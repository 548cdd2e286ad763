//! Two engines with a trunk between them: who sends is at one, who watches at the other.

use std::time::Duration;

use plenum_engine::EngineError;
use plenum_harness::{
    FAR, NEAR, Network, Pipe, ROUTER, TRUNK, TrunkLine, Vp8Packet, World, address,
    parameters::{encoding, opus, opus_receiver, simulcast, vp8, vp8_receiver},
    piped, transport,
};
use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{
    event::Event,
    media::ReceiveParameters,
    transport::{TrunkKey, TrunkOptions, TrunkSsrcs},
};
use plenum_testkit::{
    netem::NetemConfig,
    peer::{ReceiveStream, SendStream},
};
use rand::{SeedableRng, rngs::StdRng};

use crate::layers::stage::MS;

mod attacks;
mod closing;
mod commands;
mod demand;
mod layers;
mod scores;
mod sound;
mod unknown;

/// Two worlds with a trunk that loses nothing, and a sender at the near one.
struct Scene {
    near: World,
    far: World,
    line: TrunkLine,
}

impl Scene {
    fn new() -> Self {
        let (mut near, mut far) = (World::new(), TrunkLine::far_world());
        near.add_connected_peer();
        far.add_connected_peer();
        let perfect = NetemConfig::default();
        let line = TrunkLine::lay(&mut near, &mut far, Network::new(perfect, perfect, 1));
        Self { near, far, line }
    }

    fn run(&mut self, time: Duration) {
        self.line.run(&mut self.near, &mut self.far, time);
    }

    /// A producer of the near world's sender, piped to the far one.
    fn pipe(&mut self, id: u128, parameters: &ReceiveParameters) -> Pipe {
        let producer = self.near.produce(0, id, parameters.clone());
        self.line
            .pipe(&mut self.near, &mut self.far, producer, parameters)
    }

    /// A viewer at the far world.
    fn watch(&mut self, id: u128, producer: ProducerId, ssrc: u32) -> ConsumerId {
        let receiver = ReceiveStream::new(ssrc, Some(ssrc + 1), 101);
        self.far.peers[0].add_receiver(receiver);
        self.far.consume(0, id, producer, vp8_receiver(ssrc))
    }

    /// Pictures of the near world's sender, each of one packet, and 20 ms apart.
    fn send(&mut self, ssrc: u32, numbers: std::ops::Range<u16>) {
        for number in numbers {
            let packet = picture(ssrc, number);
            self.near.peers[0].send_rtp(&packet);
            self.run(20 * MS);
        }
    }

    /// How many packets the far world's viewer got since it was last asked.
    fn received(&mut self) -> usize {
        self.far.received(0).len()
    }
}

/// A picture that a consumer can begin with.
fn picture(ssrc: u32, number: u16) -> Vec<u8> {
    Vp8Packet {
        ssrc,
        sequence_number: number,
        timestamp: u32::from(number) * 1800,
        picture_id: number,
        key_frame: true,
        first: true,
        marker: true,
        len: 300,
        rid: None,
        transport_sequence: Some(number),
    }
    .write()
}

fn keys() -> (TrunkKey, TrunkKey) {
    let mut random = StdRng::seed_from_u64(9);
    (TrunkKey::random(&mut random), TrunkKey::random(&mut random))
}
