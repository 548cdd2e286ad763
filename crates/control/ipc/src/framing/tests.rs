use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId, WorkerId};
use plenum_params::{
    event::Layers,
    media::{MediaKind, SendParameters},
    transport::{
        DtlsFingerprint, DtlsParameters, DtlsRole, IceState, OutgoingLimits, TrunkKey, TrunkOptions,
    },
};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    frame::{NodeToWorker, OwnPorts, SocketOptions, WorkerConfig, WorkerHello, WorkerToNode},
    fuzzing,
    message::{Answer, ErrorCode, Event, Request, RequestError},
};

fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).expect("small");
    bytes
}

fn request() -> impl Strategy<Value = Request> {
    let id = any::<u128>();
    prop_oneof![
        id.prop_map(|id| Request::CreateRouter {
            router: RouterId::from_u128(id)
        }),
        (id, ".{0,40}", ".{0,200}").prop_map(|(id, algorithm, value)| {
            Request::ConnectWebRtcTransport {
                transport: TransportId::from_u128(id),
                dtls: DtlsParameters {
                    role: DtlsRole::Client,
                    fingerprints: vec![DtlsFingerprint { algorithm, value }],
                },
            }
        }),
        id.prop_map(|id| Request::CloseProducer {
            producer: ProducerId::from_u128(id)
        }),
        Just(Request::WorkerStats),
        (id, any::<u8>(), any::<Option<u8>>()).prop_map(|(id, spatial, temporal)| {
            Request::SetPreferredLayers {
                consumer: ConsumerId::from_u128(id),
                layers: Layers { spatial, temporal },
            }
        }),
        (id, any::<Option<u32>>(), any::<Option<u32>>()).prop_map(|(id, min, max)| {
            Request::SetOutgoingLimits {
                transport: TransportId::from_u128(id),
                limits: OutgoingLimits { min, max },
            }
        }),
        (id, any::<u16>(), any::<u64>()).prop_map(|(id, port, seed)| {
            let mut rng = StdRng::seed_from_u64(seed);
            Request::CreateTrunk {
                trunk: TransportId::from_u128(id),
                options: TrunkOptions {
                    remote: ([127, 0, 0, 1], port).into(),
                    local: None,
                    send_key: TrunkKey::random(&mut rng),
                    receive_key: TrunkKey::random(&mut rng),
                },
            }
        }),
        (id, id, any::<u8>(), any::<u32>()).prop_map(|(trunk, id, stream, ssrc)| {
            Request::PipeConsume {
                trunk: TransportId::from_u128(trunk),
                consumer: ConsumerId::from_u128(id),
                producer: ProducerId::from_u128(id),
                stream,
                parameters: SendParameters {
                    kind: MediaKind::Video,
                    mid: None,
                    codecs: Vec::new(),
                    extensions: Vec::new(),
                    ssrc,
                    rtx_ssrc: ssrc.checked_add(1),
                    cname: "name".into(),
                },
                paused: stream > 1,
            }
        }),
    ]
}

fn to_worker() -> impl Strategy<Value = NodeToWorker> {
    let hello = (any::<u16>(), any::<u16>(), any::<u32>()).prop_map(|(node, worker, seconds)| {
        NodeToWorker::Hello(Box::new(WorkerConfig {
            node,
            worker: WorkerId(worker),
            sockets: vec![SocketOptions::default(); usize::from(worker % 5)],
            own_ports: OwnPorts::default(),
            consent_timeout: std::time::Duration::from_secs(seconds.into()),
            max_hold: std::time::Duration::from_micros(node.into()),
            srtp_profiles: vec!["AEAD_AES_128_GCM".into()],
            log: plenum_params::log::LogOptions::default(),
            log_json: false,
        }))
    });
    let request =
        (any::<u64>(), request()).prop_map(|(id, body)| NodeToWorker::Request { id, body });
    prop_oneof![hello, request]
}

fn to_node() -> impl Strategy<Value = WorkerToNode> {
    prop_oneof![
        (any::<u32>(), any::<bool>())
            .prop_map(|(pid, gso)| WorkerToNode::Hello(WorkerHello { pid, gso })),
        any::<u64>().prop_map(|id| WorkerToNode::Response {
            id,
            result: Ok(Answer::Done)
        }),
        (any::<u64>(), ".{0,60}").prop_map(|(id, reason)| WorkerToNode::Response {
            id,
            result: Err(RequestError {
                code: ErrorCode::Conflict,
                reason
            })
        }),
        any::<u128>().prop_map(|id| WorkerToNode::Event(Event::IceState {
            transport: TransportId::from_u128(id),
            state: IceState::Connected,
            tuple: None,
        })),
        any::<u128>().prop_map(|id| WorkerToNode::Event(Event::ConsumerLayers {
            consumer: ConsumerId::from_u128(id),
            layers: None,
        })),
        (any::<u128>(), prop::collection::vec(any::<bool>(), 0..8)).prop_map(|(id, encodings)| {
            WorkerToNode::Event(Event::ProducerDemand {
                producer: ProducerId::from_u128(id),
                encodings,
            })
        }),
    ]
}

proptest! {
    #[test]
    fn frames_survive_any_split(frames in prop::collection::vec(to_worker(), 1..6), size in 1_usize..40) {
        let mut bytes = Vec::new();
        for frame in &frames {
            encode(frame, &mut bytes).expect("small");
        }
        let mut decoder = Decoder::new();
        let mut decoded = Vec::new();
        for chunk in bytes.chunks(size) {
            decoder.feed(chunk).expect("drained");
            while let Some(frame) = decoder.next_frame::<NodeToWorker>().expect("well-formed") {
                decoded.push(frame);
            }
        }
        prop_assert_eq!(decoded, frames);
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn a_cut_frame_is_waited_for(frame in to_node(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&frame);
        let cut = cut.index(bytes.len());
        let mut decoder = Decoder::new();
        decoder.feed(&bytes[..cut]).expect("little");
        prop_assert_eq!(decoder.next_frame::<WorkerToNode>().expect("not malformed yet"), None);
        let ended = if cut == 0 { Ok(()) } else { Err(FrameError::Truncated { waiting: cut }) };
        prop_assert_eq!(decoder.finish(), ended);
        decoder.feed(&bytes[cut..]).expect("little");
        prop_assert_eq!(decoder.next_frame::<WorkerToNode>().expect("whole"), Some(frame));
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn a_frame_with_a_wrong_length_is_an_error(frame in to_node(), extra in 1_u8..20) {
        let mut bytes = encoded(&frame);
        let length = bytes.len() - LENGTH_BYTES;
        bytes.extend(std::iter::repeat_n(0, extra.into()));
        let longer = (length as u32) + u32::from(extra);
        bytes[..LENGTH_BYTES].copy_from_slice(&longer.to_le_bytes());
        let mut decoder = Decoder::new();
        decoder.feed(&bytes).expect("little");
        let (length, extra) = (longer as usize, extra.into());
        prop_assert_eq!(
            decoder.next_frame::<WorkerToNode>(),
            Err(FrameError::TrailingBytes { length, extra })
        );
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::fuzz_frames(&bytes);
        // The same behind a believable length, so that the value decoders see it.
        let mut framed = (bytes.len() as u32).to_le_bytes().to_vec();
        framed.extend_from_slice(&bytes);
        fuzzing::fuzz_frames(&framed);
    }

    #[test]
    fn a_damaged_frame_never_panics(frame in to_worker(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = encoded(&frame);
        let at = at.index(bytes.len());
        bytes[at] = value;
        fuzzing::fuzz_frames(&bytes);
    }
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() {
    let mut decoder = Decoder::new();
    let length = MAX_FRAME_BYTES + 1;
    decoder
        .feed(&(length as u32).to_le_bytes())
        .expect("four bytes");
    assert_eq!(
        decoder.next_frame::<NodeToWorker>(),
        Err(FrameError::TooLarge { length })
    );
}

#[test]
fn a_value_beyond_the_limit_is_not_written() {
    let mut out = vec![1, 2, 3];
    let large = WorkerToNode::Response {
        id: 1,
        result: Err(RequestError {
            code: ErrorCode::Invalid,
            reason: "x".repeat(MAX_FRAME_BYTES),
        }),
    };
    assert!(matches!(
        encode(&large, &mut out),
        Err(FrameError::TooLarge { .. })
    ));
    assert_eq!(out, [1, 2, 3]);
}

#[test]
fn a_decoder_that_nobody_drains_stays_bounded() {
    let mut decoder = Decoder::new();
    let chunk = vec![0; MAX_FRAME_BYTES];
    assert_eq!(decoder.feed(&chunk), Ok(()));
    assert_eq!(decoder.feed(&chunk), Ok(()));
    assert_eq!(decoder.feed(&chunk), Err(FrameError::Backlog));
}
