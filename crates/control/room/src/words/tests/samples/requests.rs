//! What clients ask for.

use plenum_params::transport::{PlainRemote, SrtpSuite};

use super::Samples;
use crate::{Audience, PeerRequest};

impl Samples {
    pub(in super::super) fn request(&mut self, variant: usize) -> PeerRequest {
        match variant {
            0 => PeerRequest::Admit { peer: self.peer() },
            1 => PeerRequest::ChangeDisplayName {
                display_name: self.text(),
            },
            2 => PeerRequest::CloseConsumer {
                consumer: self.consumer(),
            },
            3 => PeerRequest::CloseProducer {
                producer: self.producer(),
            },
            4 => PeerRequest::CloseProducerOf {
                producer: self.producer(),
            },
            5 => PeerRequest::CloseRoom,
            6 => PeerRequest::ConnectPlainTransport {
                transport: self.transport(),
                remote: self.maybe(|it| PlainRemote {
                    rtp: it.address(),
                    rtcp: it.maybe(Self::address),
                }),
                srtp: self.maybe(Self::srtp),
            },
            7 => PeerRequest::ConnectWebRtcTransport {
                transport: self.transport(),
                dtls: self.dtls(),
            },
            8 => PeerRequest::Consume {
                transport: self.maybe(Self::transport),
                producer: self.producer(),
                rtp_capabilities: self.maybe(Self::capabilities),
                paused: self.flag(),
                layers: self.maybe(Self::layers),
                numbers: self.maybe(|it| Box::new(it.numbers())),
            },
            9 => PeerRequest::ConsumeData {
                data_producer: self.data_producer(),
                transport: self.maybe(Self::transport),
            },
            10 => PeerRequest::CreatePlainTransport {
                producing: self.flag(),
                consuming: self.flag(),
                rtcp_mux: self.flag(),
                comedia: self.flag(),
                srtp: self.maybe(|it| it.one_of(&SrtpSuite::ALL)),
            },
            11 => PeerRequest::CreateWebRtcTransport {
                producing: self.flag(),
                consuming: self.flag(),
                force_tcp: self.flag(),
                data: self.flag(),
            },
            12 => PeerRequest::GetConsumerStats {
                consumer: self.consumer(),
            },
            13 => PeerRequest::GetDataConsumerStats {
                data_consumer: self.data_consumer(),
            },
            14 => PeerRequest::GetDataProducerStats {
                data_producer: self.data_producer(),
            },
            15 => PeerRequest::GetProducerStats {
                producer: self.producer(),
            },
            16 => PeerRequest::GetRoom,
            17 => PeerRequest::GetRouterRtpCapabilities,
            18 => PeerRequest::GetTransportStats {
                transport: self.transport(),
            },
            19 => PeerRequest::Join {
                display_name: self.text(),
                device: self.json(),
                rtp_capabilities: self.maybe(Self::capabilities),
                data: self.flag(),
                volumes: self.flag(),
                demand: self.flag(),
                migrate: self.flag(),
                subscription: self.subscription(),
                app_data: self.app_data(),
                features: self.flag(),
            },
            20 => PeerRequest::Kick { peer: self.peer() },
            21 => PeerRequest::LowerHand { peer: self.peer() },
            22 => PeerRequest::Mute {
                peer: self.maybe(Self::peer),
                kind: self.maybe(Self::kind),
            },
            23 => PeerRequest::PauseConsumer {
                consumer: self.consumer(),
            },
            24 => PeerRequest::PauseProducer {
                producer: self.producer(),
            },
            25 => PeerRequest::Produce {
                transport: self.transport(),
                kind: self.kind(),
                rtp_parameters: self.parameters(),
                app_data: self.app_data(),
                paused: self.flag(),
                voice: self.flag(),
                wish: self.maybe(Self::producer),
            },
            26 => PeerRequest::ProduceData {
                transport: self.transport(),
                stream: self.stream(),
                label: self.text(),
                protocol: self.text(),
                app_data: self.app_data(),
                audience: self.one_of(&[Audience::Asking, Audience::Bot, Audience::Everybody]),
            },
            27 => PeerRequest::RaiseHand(self.flag()),
            28 => PeerRequest::Refuse { peer: self.peer() },
            29 => PeerRequest::RequestConsumerKeyFrame {
                consumer: self.consumer(),
            },
            30 => PeerRequest::RestartIce {
                transport: self.transport(),
            },
            31 => PeerRequest::ResumeConsumer {
                consumer: self.consumer(),
            },
            32 => PeerRequest::ResumeProducer {
                producer: self.producer(),
            },
            33 => PeerRequest::SetConsumerPreferredLayers {
                consumer: self.consumer(),
                layers: self.layers(),
            },
            34 => PeerRequest::SetConsumerPriority {
                consumer: self.consumer(),
                priority: self.number(),
            },
            35 => PeerRequest::SetGrants {
                peer: self.peer(),
                grants: self.grants(),
            },
            36 => PeerRequest::SetLobby(self.flag()),
            37 => PeerRequest::SetLocked(self.flag()),
            38 => PeerRequest::SetMaxPeers(self.maybe(Self::number)),
            39 => PeerRequest::SetMetadata(self.json()),
            40 => PeerRequest::SetRole {
                peer: self.peer(),
                role: self.role(),
            },
            _ => PeerRequest::Subscribe {
                subscription: self.subscription(),
            },
        }
    }
}

/// Its number here. A variant that is new is missed by the compiler.
pub(in super::super) const fn request_number(it: &PeerRequest) -> usize {
    match it {
        PeerRequest::Admit { .. } => 0,
        PeerRequest::ChangeDisplayName { .. } => 1,
        PeerRequest::CloseConsumer { .. } => 2,
        PeerRequest::CloseProducer { .. } => 3,
        PeerRequest::CloseProducerOf { .. } => 4,
        PeerRequest::CloseRoom => 5,
        PeerRequest::ConnectPlainTransport { .. } => 6,
        PeerRequest::ConnectWebRtcTransport { .. } => 7,
        PeerRequest::Consume { .. } => 8,
        PeerRequest::ConsumeData { .. } => 9,
        PeerRequest::CreatePlainTransport { .. } => 10,
        PeerRequest::CreateWebRtcTransport { .. } => 11,
        PeerRequest::GetConsumerStats { .. } => 12,
        PeerRequest::GetDataConsumerStats { .. } => 13,
        PeerRequest::GetDataProducerStats { .. } => 14,
        PeerRequest::GetProducerStats { .. } => 15,
        PeerRequest::GetRoom => 16,
        PeerRequest::GetRouterRtpCapabilities => 17,
        PeerRequest::GetTransportStats { .. } => 18,
        PeerRequest::Join { .. } => 19,
        PeerRequest::Kick { .. } => 20,
        PeerRequest::LowerHand { .. } => 21,
        PeerRequest::Mute { .. } => 22,
        PeerRequest::PauseConsumer { .. } => 23,
        PeerRequest::PauseProducer { .. } => 24,
        PeerRequest::Produce { .. } => 25,
        PeerRequest::ProduceData { .. } => 26,
        PeerRequest::RaiseHand(_) => 27,
        PeerRequest::Refuse { .. } => 28,
        PeerRequest::RequestConsumerKeyFrame { .. } => 29,
        PeerRequest::RestartIce { .. } => 30,
        PeerRequest::ResumeConsumer { .. } => 31,
        PeerRequest::ResumeProducer { .. } => 32,
        PeerRequest::SetConsumerPreferredLayers { .. } => 33,
        PeerRequest::SetConsumerPriority { .. } => 34,
        PeerRequest::SetGrants { .. } => 35,
        PeerRequest::SetLobby(_) => 36,
        PeerRequest::SetLocked(_) => 37,
        PeerRequest::SetMaxPeers(_) => 38,
        PeerRequest::SetMetadata(_) => 39,
        PeerRequest::SetRole { .. } => 40,
        PeerRequest::Subscribe { .. } => 41,
    }
}
