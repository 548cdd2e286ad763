//! A trunk between the engines of two worlds.

use std::{net::SocketAddr, time::Duration};

use plenum_engine::SocketConfig;
use plenum_ids::{ConsumerId, ProducerId, TransportId};
use plenum_params::{
    media::{
        ExtensionId, HeaderExtension, ReceiveCodec, ReceiveEncoding, ReceiveParameters, SendCodec,
        SendParameters,
    },
    transport::{TrunkKey, TrunkOptions, TrunkSsrcs},
};
use plenum_testkit::netem::Netem;
use rand::{SeedableRng, rngs::StdRng};

use crate::{Network, ROUTER, STEP, World, WorldConfig, address};

/// The trunk, at both ends.
pub const TRUNK: TransportId = TransportId::from_u128(0xffff);

/// Where the engine is whose producers are piped.
pub const NEAR: u16 = 10_000;

/// Where the engine is that they are piped to.
pub const FAR: u16 = 11_000;

/// Answers to answers that one step may bring on a trunk without delay.
const MAX_EXCHANGES: usize = 10;

/// What lies between two engines, and the numbers of the streams on it.
#[derive(Debug)]
pub struct TrunkLine {
    /// Upwards to the far engine.
    pub network: Network,
    /// Datagrams that reached the far engine, when somebody wants to see them.
    pub carried: Option<Vec<Vec<u8>>>,
    ssrcs: TrunkSsrcs,
    next_consumer: u128,
}

/// A producer that is piped.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Pipe {
    /// The same at both ends.
    pub producer: ProducerId,
    /// At the near end, one for each stream.
    pub consumers: Vec<ConsumerId>,
}

impl TrunkLine {
    /// A world for the far end of a trunk.
    pub fn far_world() -> World {
        World::with_config(WorldConfig {
            socket: SocketConfig::new(address(FAR)),
            ..WorldConfig::default()
        })
    }

    /// Makes both ends. The worlds have one time from now on.
    pub fn lay(near: &mut World, far: &mut World, network: Network) -> Self {
        let now = near.now.max(far.now);
        (near.now, far.now) = (now, now);
        let mut line = Self {
            network,
            carried: None,
            ssrcs: TrunkSsrcs::default(),
            next_consumer: 0xffff_0000,
        };
        line.create(near, far, 1);
        line
    }

    /// Makes both ends anew, with keys of this seed.
    pub fn create(&mut self, near: &mut World, far: &mut World, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let (there, back) = (TrunkKey::random(&mut random), TrunkKey::random(&mut random));
        let ends = [
            (near, FAR, there.clone(), back.clone()),
            (far, NEAR, back, there),
        ];
        for (world, remote, send_key, receive_key) in ends {
            let options = TrunkOptions {
                remote: address(remote),
                local: None,
                send_key,
                receive_key,
            };
            let made = world.engine.create_trunk(world.now, TRUNK, &options);
            made.expect("no other trunk");
        }
        self.ssrcs = TrunkSsrcs::default();
    }

    /// Moves the time of both worlds on by one step.
    pub fn step(&mut self, near: &mut World, far: &mut World) {
        near.now += STEP;
        far.now = near.now;
        near.exchange();
        far.exchange();
        self.carry(near, far);
    }

    /// Lets time pass in both worlds.
    pub fn run(&mut self, near: &mut World, far: &mut World, time: Duration) {
        let end = near.now + time;
        while near.now < end {
            self.step(near, far);
        }
    }

    /// Brings what is on the trunk to its ends.
    pub fn carry(&mut self, near: &mut World, far: &mut World) {
        for _ in 0..MAX_EXCHANGES {
            let now = near.now;
            for (from, to, way) in [
                (&mut *near, FAR, &mut self.network.up),
                (&mut *far, NEAR, &mut self.network.down),
            ] {
                from.elsewhere.retain(|(destination, datagram)| {
                    let is_trunk = *destination == address(to);
                    if is_trunk {
                        way.handle_packet(now, datagram.clone(), ());
                    }
                    !is_trunk
                });
            }
            let arriving = |way: &mut Netem<()>, from: u16| {
                let datagrams = std::iter::from_fn(|| way.poll(now));
                datagrams
                    .map(|((), datagram)| (address(from), datagram))
                    .collect::<Vec<(SocketAddr, Vec<u8>)>>()
            };
            let mut to_far = arriving(&mut self.network.up, NEAR);
            let mut to_near = arriving(&mut self.network.down, FAR);
            if to_far.is_empty() && to_near.is_empty() {
                return;
            }
            if let Some(carried) = &mut self.carried {
                carried.extend(to_far.iter().map(|(_, datagram)| datagram.clone()));
            }
            far.deliver(&mut to_far);
            near.deliver(&mut to_near);
        }
    }

    /// Pipes a producer with these parameters: first its far end, then a consumer for each of its streams.
    pub fn pipe(
        &mut self,
        near: &mut World,
        far: &mut World,
        producer: ProducerId,
        parameters: &ReceiveParameters,
    ) -> Pipe {
        let (received, sent) = piped(parameters, &mut self.ssrcs);
        let made = far
            .engine
            .pipe_produce(TRUNK, ROUTER, producer, received, false);
        made.expect("the trunk is there");
        let mut consumers = Vec::new();
        for (stream, sent) in (0..).zip(sent) {
            let id = ConsumerId::from_u128(self.next_consumer);
            self.next_consumer += 1;
            let source = (producer, stream);
            let made = near
                .engine
                .pipe_consume(near.now, TRUNK, id, source, sent, false);
            made.expect("trunk and producer are there");
            consumers.push(id);
        }
        near.drain();
        far.drain();
        Pipe {
            producer,
            consumers,
        }
    }
}

/// What `plenum_params::resolve::pipe_parameters` makes of the consumable form of these parameters. Extensions have the
/// ids that the router gives them.
pub fn piped(
    parameters: &ReceiveParameters,
    ssrcs: &mut TrunkSsrcs,
) -> (ReceiveParameters, Vec<SendParameters>) {
    let has_rtx = parameters
        .codecs
        .iter()
        .any(|codec| codec.rtx_payload_type.is_some());
    let mut take = || ssrcs.take().expect("there are billions");
    let encodings: Vec<_> = parameters
        .encodings
        .iter()
        .map(|encoding| ReceiveEncoding {
            ssrc: Some(take()),
            rtx_ssrc: has_rtx.then(&mut take),
            rid: None,
            ..encoding.clone()
        })
        .collect();
    let mut received = ReceiveParameters {
        mid: None,
        encodings,
        extensions: ON_TRUNK
            .map(|(extension, id)| ExtensionId { extension, id })
            .to_vec(),
        ..parameters.clone()
    };
    for codec in &mut received.codecs {
        codec.payload_type = codec.mapped_payload_type;
        codec.rtx_payload_type = codec
            .rtx_payload_type
            .map(|_| codec.mapped_payload_type + 1);
        codec.feedback.transport_cc = false;
        codec.feedback.remb = false;
    }
    let sent = received.encodings.iter().map(|encoding| SendParameters {
        kind: received.kind,
        mid: None,
        codecs: received.codecs.iter().map(send_codec).collect(),
        extensions: received.extensions.clone(),
        ssrc: encoding.ssrc.unwrap_or_default(),
        rtx_ssrc: encoding.rtx_ssrc,
        cname: received.cname.clone(),
    });
    let sent = sent.collect();
    (received, sent)
}

const ON_TRUNK: [(HeaderExtension, u8); 6] = [
    (HeaderExtension::AudioLevel, 6),
    (HeaderExtension::DependencyDescriptor, 7),
    (HeaderExtension::VideoOrientation, 8),
    (HeaderExtension::TransmissionTimeOffset, 9),
    (HeaderExtension::AbsCaptureTime, 10),
    (HeaderExtension::PlayoutDelay, 11),
];

fn send_codec(codec: &ReceiveCodec) -> SendCodec {
    SendCodec {
        codec: codec.codec,
        mime_type: codec.mime_type.clone(),
        payload_type: codec.payload_type,
        own_payload_type: None,
        clock_rate: codec.clock_rate,
        rtx_payload_type: codec.rtx_payload_type,
        feedback: codec.feedback,
    }
}
