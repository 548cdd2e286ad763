//! Everything that can be said, with something in it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use plenum_api::{
    error::ErrorKind,
    grants::{Grants, Role},
};
use plenum_params::{
    data::{DataConsumerStats, DataProducerStats, SctpParameters, SctpState, SctpStreamParameters},
    event::{ConsumerScore, Layers},
    media::MediaKind,
    ortc::{OwnNumbers, ProducerType, default_codecs, router_capabilities},
    rtp_parameters::{
        CodecParameters, MimeType, RtcpFeedback, RtcpParameters, RtpCapabilities,
        RtpCodecParameters, RtpEncodingParameters, RtpHeaderExtensionParameters, RtpParameters,
        RtxParameters,
    },
    stats::{ConsumerStats, StreamStats, TransportKind, TransportStats},
    transport::{
        Address, DtlsFingerprint, DtlsParameters, DtlsRole, DtlsState, IceCandidate, IceParameters,
        IceState, PlainTransportInfo, Protocol, SrtpParameters, SrtpSuite, Tuple,
        WebRtcTransportInfo,
    },
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value, json};

use crate::{
    Admission, ClientRequest, CloseReason, DataProducerInfo, DataStats, Door, NewConsumer,
    NewDataConsumer, PeerInfo, PeerReply, ProducerInfo, RoomError, RoomProperties, RoomSnapshot,
    Subscription,
};

pub(super) const REQUESTS: usize = 42;
pub(super) const REPLIES: usize = 17;
pub(super) const EVENTS: usize = 32;
pub(super) const QUESTIONS: usize = 3;

pub(super) const SUBSCRIPTIONS: [Subscription; 5] = [
    Subscription::All,
    Subscription::Audio,
    Subscription::Speakers(9),
    Subscription::None,
    Subscription::Manual,
];

pub(super) const CLOSE_REASONS: [CloseReason; 9] = [
    CloseReason::JoinTimeout,
    CloseReason::Kicked,
    CloseReason::Locked,
    CloseReason::Refused,
    CloseReason::Replaced,
    CloseReason::RoomClosed,
    CloseReason::RoomFull,
    CloseReason::RouterLost,
    CloseReason::TransportLost,
];

/// Random values, the same for the same seed.
pub(super) struct Samples(StdRng);

impl Samples {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    fn flag(&mut self) -> bool {
        self.0.random()
    }

    fn number<T>(&mut self) -> T
    where
        rand::distr::StandardUniform: rand::distr::Distribution<T>,
    {
        self.0.random()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    fn some<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(3);
        (0..count).map(|_| make(self)).collect()
    }

    fn text(&mut self) -> String {
        let texts = ["", "a", "Grüße \u{1f44b}", "\"\\\n\0", "null", "camelCase"];
        self.one_of(&texts).to_owned()
    }

    fn peer(&mut self) -> plenum_ids::PeerId {
        self.text().into()
    }

    fn id<T>(&mut self, make: impl FnOnce(u128) -> T) -> T {
        make(self.number())
    }

    fn transport(&mut self) -> plenum_ids::TransportId {
        self.id(plenum_ids::TransportId::from_u128)
    }

    fn producer(&mut self) -> plenum_ids::ProducerId {
        self.id(plenum_ids::ProducerId::from_u128)
    }

    fn consumer(&mut self) -> plenum_ids::ConsumerId {
        self.id(plenum_ids::ConsumerId::from_u128)
    }

    fn data_producer(&mut self) -> plenum_ids::DataProducerId {
        self.id(plenum_ids::DataProducerId::from_u128)
    }

    fn data_consumer(&mut self) -> plenum_ids::DataConsumerId {
        self.id(plenum_ids::DataConsumerId::from_u128)
    }

    fn json(&mut self) -> Value {
        let values = [
            json!(null),
            json!(1.5),
            json!("x"),
            json!([{"a": null}, true]),
            json!({"flag": "chrome", "name": "Chrome", "version": u64::MAX}),
        ];
        values[self.below(values.len())].clone()
    }

    fn app_data(&mut self) -> Map<String, Value> {
        let values = self.some(|it| (it.text(), it.json()));
        values.into_iter().collect()
    }

    fn role(&mut self) -> Role {
        self.one_of(&[Role::Host, Role::Listener, Role::Speaker])
    }

    fn grants(&mut self) -> Grants {
        Grants {
            publish_audio: self.flag(),
            publish_screen: self.flag(),
            publish_data: self.flag(),
            subscribe: self.flag(),
            hidden: self.flag(),
            admin: self.flag(),
            ..Grants::default()
        }
    }

    fn kind(&mut self) -> MediaKind {
        self.one_of(&[MediaKind::Audio, MediaKind::Video])
    }

    fn layers(&mut self) -> Layers {
        Layers {
            spatial: self.number(),
            temporal: self.maybe(Self::number),
        }
    }

    fn address(&mut self) -> SocketAddr {
        let ip: IpAddr = if self.flag() {
            Ipv4Addr::from(self.number::<u32>()).into()
        } else {
            Ipv6Addr::from(self.number::<u128>()).into()
        };
        (ip, self.number()).into()
    }

    fn tuple(&mut self) -> Tuple {
        Tuple {
            local: self.address(),
            remote: self.address(),
            protocol: self.one_of(&[Protocol::Tcp, Protocol::Udp]),
        }
    }

    fn stream(&mut self) -> SctpStreamParameters {
        SctpStreamParameters {
            stream_id: self.number(),
            ordered: self.flag(),
            max_packet_life_time: self.maybe(Self::number),
            max_retransmits: self.maybe(Self::number),
        }
    }

    fn srtp(&mut self) -> SrtpParameters {
        let suite = self.one_of(&SrtpSuite::ALL);
        SrtpParameters::random(suite, &mut self.0)
    }

    fn dtls(&mut self) -> DtlsParameters {
        DtlsParameters {
            role: self.one_of(&[DtlsRole::Auto, DtlsRole::Client, DtlsRole::Server]),
            fingerprints: self.some(|it| DtlsFingerprint {
                algorithm: it.text(),
                value: it.text(),
            }),
        }
    }

    fn ice(&mut self) -> IceParameters {
        IceParameters {
            username_fragment: self.text(),
            password: self.text(),
        }
    }

    fn capabilities(&mut self) -> RtpCapabilities {
        let all = router_capabilities(&default_codecs()).expect("supported codecs");
        let mut all = RtpCapabilities::clone(&all);
        let count = self.below(all.codecs.len());
        all.codecs.truncate(count);
        all
    }

    fn parameters(&mut self) -> RtpParameters {
        RtpParameters {
            mid: self.maybe(Self::text),
            codecs: self.some(Self::codec),
            header_extensions: self.some(|it| RtpHeaderExtensionParameters {
                uri: it.text(),
                id: it.number(),
                encrypt: it.flag(),
                parameters: it.app_data().into_iter().collect(),
            }),
            encodings: self.some(|it| RtpEncodingParameters {
                ssrc: it.maybe(Self::number),
                rid: it.maybe(Self::text),
                rtx: it.maybe(|it| RtxParameters { ssrc: it.number() }),
                dtx: it.flag(),
                scalability_mode: it.maybe(Self::text),
                max_bitrate: it.maybe(Self::number),
            }),
            rtcp: RtcpParameters {
                cname: self.maybe(Self::text),
                reduced_size: self.flag(),
            },
            msid: self.maybe(Self::text),
        }
    }

    fn codec(&mut self) -> RtpCodecParameters {
        let (mime_type, channels) = if self.flag() {
            ("audio/opus", Some(2))
        } else {
            ("video/VP8", None)
        };
        RtpCodecParameters {
            mime_type: MimeType::new(mime_type).expect("a MIME type"),
            payload_type: self.number::<u8>() % 128,
            clock_rate: self.number(),
            channels,
            parameters: CodecParameters::default()
                .with_number("apt", self.number())
                .with_text("fmtp", "1;2"),
            rtcp_feedback: vec![RtcpFeedback::new("nack", "pli")],
        }
    }

    fn numbers(&mut self) -> OwnNumbers {
        OwnNumbers {
            mid: self.maybe(Self::text),
            payload_types: self.some(|it| (it.number(), it.number())),
            extensions: self.some(|it| (it.number(), it.number())),
        }
    }

    fn score(&mut self) -> ConsumerScore {
        ConsumerScore {
            score: self.number(),
            producer_score: self.number(),
            producer_scores: self.some(Self::number),
        }
    }

    fn subscription(&mut self) -> Subscription {
        self.one_of(&SUBSCRIPTIONS)
    }

    fn producer_type(&mut self) -> ProducerType {
        self.one_of(&[
            ProducerType::Simple,
            ProducerType::Simulcast,
            ProducerType::Svc,
        ])
    }

    pub(super) fn admission(&mut self) -> Admission {
        let doors = [
            Door::Classic,
            Door::Newest,
            Door::SocketIo,
            Door::Broadcaster,
            Door::Whip,
            Door::Whep,
            Door::Plenum,
        ];
        Admission {
            peer: self.peer(),
            name: self.maybe(Self::text),
            grants: self.grants(),
            role: self.maybe(Self::role),
            remote: self.maybe(|it| it.address().ip()),
            region: self.maybe(Self::text),
            isp: self.maybe(Self::text),
            door: self.one_of(&doors),
            keeps_room: self.flag(),
            catalog: self.flag(),
            batch: self.flag(),
        }
    }

    pub(super) fn error(&mut self) -> RoomError {
        RoomError {
            kind: self.one_of(&ErrorKind::ALL),
            reason: self.text(),
            ending: self.maybe(|it| it.one_of(&CLOSE_REASONS)),
        }
    }

    fn peer_info(&mut self) -> PeerInfo {
        PeerInfo {
            peer: self.peer(),
            display_name: self.text(),
            device: self.json(),
            role: self.role(),
            hand_raised: self.flag(),
            remote: self.maybe(|it| it.address().ip()),
            app_data: self.app_data(),
            producers: self.some(Self::producer_info),
            data_producers: self.some(Self::data_producer_info),
        }
    }

    fn producer_info(&mut self) -> ProducerInfo {
        ProducerInfo {
            peer: self.peer(),
            producer: self.producer(),
            kind: self.kind(),
            producer_type: self.producer_type(),
            app_data: Arc::new(self.app_data()),
            paused: self.flag(),
            consumable: Arc::new(self.parameters()),
        }
    }

    fn data_producer_info(&mut self) -> DataProducerInfo {
        DataProducerInfo {
            peer: self.peer(),
            data_producer: self.data_producer(),
            label: self.text(),
            protocol: self.text(),
            app_data: Arc::new(self.app_data()),
        }
    }

    fn properties(&mut self) -> RoomProperties {
        RoomProperties {
            locked: self.flag(),
            lobby: self.flag(),
            max_peers: self.maybe(Self::number),
            metadata: Arc::new(self.json()),
        }
    }

    fn new_consumer(&mut self) -> NewConsumer {
        NewConsumer {
            peer: self.peer(),
            transport: self.transport(),
            consumer: self.consumer(),
            producer: self.producer(),
            kind: self.kind(),
            rtp_parameters: self.parameters(),
            producer_type: self.producer_type(),
            app_data: self.app_data(),
            producer_paused: self.flag(),
            score: self.score(),
        }
    }

    fn new_data_consumer(&mut self) -> NewDataConsumer {
        NewDataConsumer {
            peer: self.maybe(Self::peer),
            transport: self.transport(),
            data_consumer: self.data_consumer(),
            data_producer: self.data_producer(),
            stream: self.stream(),
            label: self.text(),
            protocol: self.text(),
            app_data: self.app_data(),
        }
    }

    fn stream_stats(&mut self) -> StreamStats {
        StreamStats {
            ssrc: self.number(),
            rid: self.maybe(Self::text),
            kind: self.maybe(Self::kind),
            mime_type: self.text(),
            packets_lost: self.number(),
            round_trip_time_ms: self.maybe(Self::number::<f32>),
            bitrate_by_layer: self.some(|it| (it.number(), it.number(), it.number())),
            ..StreamStats::default()
        }
    }

    fn transport_stats(&mut self) -> TransportStats {
        let kinds = [
            TransportKind::WebRtc,
            TransportKind::Plain {
                rtcp_mux: true,
                comedia: false,
            },
            TransportKind::Pipe,
            TransportKind::Direct,
        ];
        TransportStats {
            kind: self.one_of(&kinds),
            ice_state: self.one_of(&[IceState::New, IceState::Completed, IceState::Closed]),
            dtls_state: self.one_of(&[DtlsState::New, DtlsState::Connected, DtlsState::Failed]),
            sctp_state: self.maybe(|it| it.one_of(&[SctpState::New, SctpState::Connected])),
            selected_tuple: self.maybe(Self::tuple),
            packet_loss_sent: self.maybe(Self::number::<f32>),
            discarded: self.number(),
            ..TransportStats::default()
        }
    }

    fn data_stats<T>(&mut self, counters: T) -> DataStats<T> {
        DataStats {
            label: self.text(),
            protocol: self.text(),
            counters,
        }
    }

    fn candidate(&mut self) -> IceCandidate {
        IceCandidate {
            foundation: self.text(),
            priority: self.number(),
            address: Address::from(self.address().ip()),
            port: self.number(),
            protocol: self.one_of(&[Protocol::Tcp, Protocol::Udp]),
        }
    }

    pub(super) fn question(&mut self, variant: usize) -> ClientRequest {
        match variant {
            0 => ClientRequest::NewConsumer(Box::new(self.new_consumer())),
            1 => ClientRequest::NewConsumers(
                self.some(Self::new_consumer),
                self.some(Self::new_data_consumer),
            ),
            _ => ClientRequest::NewDataConsumer(Box::new(self.new_data_consumer())),
        }
    }

    pub(super) fn reply(&mut self, variant: usize) -> PeerReply {
        match variant {
            0 => PeerReply::ConsumerStats(Box::new(ConsumerStats {
                outbound: self.stream_stats(),
                inbound: self.maybe(Self::stream_stats),
                preferred_layers: self.maybe(Self::layers),
                ..ConsumerStats::default()
            })),
            1 => PeerReply::Consumed(Box::new(self.new_consumer())),
            2 => PeerReply::DataConsumed(Box::new(self.new_data_consumer())),
            3 => {
                let mut counters = DataConsumerStats::default();
                counters.bytes_sent = self.number();
                PeerReply::DataConsumerStats(Box::new(self.data_stats(counters)))
            }
            4 => PeerReply::DataProduced {
                data_producer: self.data_producer(),
            },
            5 => {
                let mut counters = DataProducerStats::default();
                counters.bytes_received = self.number();
                PeerReply::DataProducerStats(Box::new(self.data_stats(counters)))
            }
            6 => PeerReply::Done,
            7 => PeerReply::IceParameters(self.ice()),
            8 => PeerReply::Joined {
                peers: self.some(Self::peer_info),
                display_name: self.text(),
                role: self.role(),
                grants: self.grants(),
            },
            9 => PeerReply::PlainTransport {
                transport: self.transport(),
                info: Box::new(PlainTransportInfo {
                    local: self.address(),
                    rtcp_local: self.maybe(Self::address),
                    remote: self.maybe(Self::address),
                    rtcp_remote: self.maybe(Self::address),
                    srtp: self.maybe(Self::srtp),
                }),
            },
            10 => PeerReply::Produced {
                producer: self.producer(),
            },
            11 => PeerReply::ProducerStats(self.some(Self::stream_stats)),
            12 => PeerReply::Room(Box::new(RoomSnapshot {
                properties: self.properties(),
                peers: self.some(Self::peer_info),
                joined: self.below(1000),
                role: self.role(),
                grants: self.grants(),
            })),
            13 => PeerReply::RouterRtpCapabilities(Arc::new(self.capabilities())),
            14 => PeerReply::TransportStats {
                transport: self.transport(),
                stats: Box::new(self.transport_stats()),
            },
            15 => PeerReply::Waiting,
            _ => PeerReply::WebRtcTransport {
                transport: self.transport(),
                info: Box::new(WebRtcTransportInfo {
                    ice_parameters: self.ice(),
                    ice_candidates: self.some(Self::candidate),
                    dtls_parameters: self.dtls(),
                    sctp_parameters: self.maybe(|it| SctpParameters {
                        port: it.number(),
                        os: it.number(),
                        mis: it.number(),
                        max_message_size: it.number(),
                        send_buffer: it.number(),
                    }),
                }),
            },
        }
    }
}

mod events;
mod requests;

pub(super) use events::event_number;
pub(super) use requests::request_number;

/// Its number here. A variant that is new is missed by the compiler.
pub(super) const fn reply_number(reply: &PeerReply) -> usize {
    match reply {
        PeerReply::ConsumerStats(_) => 0,
        PeerReply::Consumed(_) => 1,
        PeerReply::DataConsumed(_) => 2,
        PeerReply::DataConsumerStats(_) => 3,
        PeerReply::DataProduced { .. } => 4,
        PeerReply::DataProducerStats(_) => 5,
        PeerReply::Done => 6,
        PeerReply::IceParameters(_) => 7,
        PeerReply::Joined { .. } => 8,
        PeerReply::PlainTransport { .. } => 9,
        PeerReply::Produced { .. } => 10,
        PeerReply::ProducerStats(_) => 11,
        PeerReply::Room(_) => 12,
        PeerReply::RouterRtpCapabilities(_) => 13,
        PeerReply::TransportStats { .. } => 14,
        PeerReply::Waiting => 15,
        PeerReply::WebRtcTransport { .. } => 16,
    }
}
