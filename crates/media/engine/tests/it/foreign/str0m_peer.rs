//! A WebRTC client made of str0m in RTP mode, under the same virtual clock as everything else.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    str::FromStr,
    sync::Arc,
    time::Instant,
};

use plenum_params::transport::{
    DtlsFingerprint, DtlsParameters, DtlsRole, IceParameters, WebRtcTransportInfo,
};
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig,
    bwe::{Bitrate, BweKind},
    channel::{ChannelConfig, ChannelId},
    config::Fingerprint,
    crypto,
    format::{Codec, FormatParams},
    ice::IceCreds,
    media::{Frequency, KeyframeRequest, KeyframeRequestKind, MediaKind, Mid},
    net::{Protocol, Receive},
    rtp::{Extension, RawPacket, RtpPacket, RtpWrite, rtcp::Rtcp},
    stats::{MediaEgressStats, MediaIngressStats, PeerStats},
};

/// Says whether a datagram is lost on the way.
pub(crate) type Loss = Box<dyn FnMut(&[u8]) -> bool>;

/// Payload types and header extension ids, as signalling would have agreed on them.
pub(crate) struct Dialect {
    pub(crate) vp8: (u8, u8),
    pub(crate) opus: u8,
    pub(crate) extensions: &'static [(u8, Extension)],
}

/// What a browser offers; matches `world::vp8` and `super::call`.
pub(crate) const SENDER: Dialect = Dialect {
    vp8: (96, 97),
    opus: 111,
    extensions: &[
        (1, Extension::AudioLevel),
        (2, Extension::AbsoluteSendTime),
        (3, Extension::TransportSequenceNumber),
        (4, Extension::RtpMid),
        (10, Extension::RtpStreamId),
        (11, Extension::RepairedRtpStreamId),
        (13, Extension::VideoOrientation),
    ],
};

/// What the engine's consumers use; matches `world::vp8_receiver` and `super::call`.
pub(crate) const RECEIVER: Dialect = Dialect {
    vp8: (101, 102),
    opus: 100,
    extensions: &[
        (1, Extension::RtpMid),
        (4, Extension::AbsoluteSendTime),
        (5, Extension::TransportSequenceNumber),
        (10, Extension::AudioLevel),
        (11, Extension::VideoOrientation),
    ],
};

/// Kinds of RTCP packets that arrived.
#[derive(Debug, Default)]
pub(crate) struct RtcpSeen {
    pub(crate) sender_reports: u32,
    pub(crate) receiver_reports: u32,
    pub(crate) nacked_packets: u32,
    pub(crate) transport_feedback: u32,
}

/// One str0m client.
pub(crate) struct Str0mPeer {
    pub(crate) rtc: Rtc,
    pub(crate) address: SocketAddr,
    remote: SocketAddr,
    start: Instant,
    due: Instant,
    outgoing: VecDeque<Vec<u8>>,
    pub(crate) connected: bool,
    pub(crate) ice_states: Vec<IceConnectionState>,
    pub(crate) packets: Vec<RtpPacket>,
    pub(crate) key_frame_requests: Vec<KeyframeRequest>,
    pub(crate) estimates: Vec<Bitrate>,
    pub(crate) peer_stats: Option<PeerStats>,
    /// By media id.
    pub(crate) ingress: HashMap<String, MediaIngressStats>,
    /// By media id.
    pub(crate) egress: HashMap<String, MediaEgressStats>,
    pub(crate) rtcp: RtcpSeen,
    /// Retransmissions received, before str0m turns them back into what they replace.
    pub(crate) rtx_received: u32,
    rtx_payload_type: u8,
    /// Channels that str0m calls open.
    pub(crate) channels_open: usize,
    channels: Vec<(u16, ChannelId)>,
    /// Messages that arrived, with their streams.
    pub(crate) messages: Vec<(u16, Vec<u8>)>,
    /// Losses between the engine and this peer.
    pub(crate) lose_incoming: Option<Loss>,
    /// Losses between this peer and the engine. Sees what is lost and what is not.
    pub(crate) lose_outgoing: Option<Loss>,
}

impl Str0mPeer {
    /// A client that will connect to the transport behind `info`, as DTLS client when `active`.
    pub(crate) fn new(
        address: SocketAddr,
        info: &WebRtcTransportInfo,
        dialect: &Dialect,
        active: bool,
        bandwidth_estimate: Option<Bitrate>,
        now: Instant,
    ) -> Self {
        let mut rtc = config(dialect).enable_bwe(bandwidth_estimate).build(now);
        let candidate = &info.ice_candidates[0];
        let ip = candidate.address.ip().expect("a number");
        let remote = SocketAddr::new(ip, candidate.port);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).expect("usable address"));
        rtc.add_remote_candidate(Candidate::host(remote, Protocol::Udp).expect("usable address"));
        let fingerprint = &info.dtls_parameters.fingerprints[0];
        let fingerprint = format!("{} {}", fingerprint.algorithm, fingerprint.value);
        let mut direct = rtc.direct_api();
        direct.set_ice_controlling(true);
        direct.set_remote_ice_credentials(credentials(&info.ice_parameters));
        direct.set_remote_fingerprint(Fingerprint::from_str(&fingerprint).expect("as in SDP"));
        direct.enable_twcc_feedback();
        direct.start_dtls(active).expect("DTLS starts");
        Self {
            rtc,
            address,
            remote,
            start: now,
            due: now,
            outgoing: VecDeque::new(),
            connected: false,
            ice_states: Vec::new(),
            packets: Vec::new(),
            key_frame_requests: Vec::new(),
            estimates: Vec::new(),
            peer_stats: None,
            ingress: HashMap::new(),
            egress: HashMap::new(),
            rtcp: RtcpSeen::default(),
            rtx_received: 0,
            rtx_payload_type: dialect.vp8.1,
            channels_open: 0,
            channels: Vec::new(),
            messages: Vec::new(),
            lose_incoming: None,
            lose_outgoing: None,
        }
    }

    /// What to tell the engine in `connect`.
    pub(crate) fn dtls_parameters(&mut self, active: bool) -> DtlsParameters {
        let direct = self.rtc.direct_api();
        let fingerprint = direct.local_dtls_fingerprint();
        let text = fingerprint.to_string();
        let value = text
            .split_once(' ')
            .expect("algorithm and value")
            .1
            .to_owned();
        DtlsParameters {
            role: if active {
                DtlsRole::Client
            } else {
                DtlsRole::Server
            },
            fingerprints: vec![DtlsFingerprint {
                algorithm: fingerprint.hash_func.clone(),
                value,
            }],
        }
    }

    /// Begins an association, as the one who speaks first when `active`.
    pub(crate) fn start_sctp(&mut self, active: bool) {
        self.rtc.direct_api().start_sctp(active);
        self.due = self.start;
    }

    /// Opens a reliable channel that was agreed on beforehand.
    pub(crate) fn open_channel(&mut self, stream: u16) {
        let id = self.rtc.direct_api().create_data_channel(ChannelConfig {
            negotiated: Some(stream),
            ..ChannelConfig::default()
        });
        self.channels.push((stream, id));
        self.due = self.start;
    }

    /// Sends a message, if str0m has room for it.
    pub(crate) fn say(&mut self, stream: u16, message: &[u8]) -> bool {
        let channel = self.channels.iter().find(|(one, _)| *one == stream);
        let channel = channel.and_then(|(_, id)| self.rtc.channel(*id));
        let said = channel
            .is_some_and(|mut channel| channel.write(true, message).expect("the channel is open"));
        self.due = self.start;
        said
    }

    /// Announces a stream to send under a media id.
    pub(crate) fn declare_sender(
        &mut self,
        mid: &str,
        kind: MediaKind,
        ssrc: u32,
        rtx_ssrc: Option<u32>,
    ) {
        let mid = Mid::from(mid);
        let mut direct = self.rtc.direct_api();
        direct.declare_media(mid, kind);
        direct.declare_stream_tx(ssrc.into(), rtx_ssrc.map(Into::into), mid, None);
    }

    /// Announces a stream to receive under a media id.
    pub(crate) fn declare_receiver(
        &mut self,
        mid: &str,
        kind: MediaKind,
        ssrc: u32,
        rtx_ssrc: Option<u32>,
    ) {
        let mid = Mid::from(mid);
        let mut direct = self.rtc.direct_api();
        direct.declare_media(mid, kind);
        direct.expect_stream_rx(ssrc.into(), rtx_ssrc.map(Into::into), mid, None);
    }

    /// Sends one packet of a declared stream.
    pub(crate) fn send(&mut self, ssrc: u32, packet: RtpWrite) {
        let mut direct = self.rtc.direct_api();
        direct
            .stream_tx(&ssrc.into())
            .expect("declared before")
            .write_rtp(packet);
        self.due = self.start;
    }

    /// Asks the sender of a stream for a key frame.
    pub(crate) fn request_key_frame(&mut self, ssrc: u32, kind: KeyframeRequestKind) {
        let mut direct = self.rtc.direct_api();
        direct
            .stream_rx(&ssrc.into())
            .expect("declared before")
            .request_keyframe(kind);
        self.due = self.start;
    }

    /// Uses new credentials on both sides from the next check on.
    pub(crate) fn restart_ice(&mut self, local: IceCreds, remote: &IceParameters) {
        let mut direct = self.rtc.direct_api();
        direct.set_local_ice_credentials(local);
        direct.set_remote_ice_credentials(credentials(remote));
    }

    /// Does what is due and returns what is to be sent.
    pub(crate) fn poll(&mut self, now: Instant) -> impl Iterator<Item = Vec<u8>> {
        if self.due <= now {
            self.rtc
                .handle_input(Input::Timeout(now))
                .expect("str0m goes on");
            self.drain();
        }
        let lose = &mut self.lose_outgoing;
        self.outgoing
            .drain(..)
            .filter(move |datagram| lose.as_mut().is_none_or(|lose| !lose(datagram)))
    }

    /// Takes a datagram of the engine.
    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if self
            .lose_incoming
            .as_mut()
            .is_some_and(|lose| lose(datagram))
        {
            return;
        }
        let receive = Receive::new(Protocol::Udp, self.remote, self.address, datagram)
            .expect("a protocol of WebRTC");
        self.rtc
            .handle_input(Input::Receive(now, receive))
            .expect("str0m accepts what the engine sends");
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("str0m goes on") {
                Output::Timeout(due) => {
                    self.due = due;
                    return;
                }
                Output::Transmit(transmit) => {
                    assert_eq!(transmit.destination, self.remote);
                    self.outgoing.push_back(transmit.contents.to_vec());
                }
                Output::Event(event) => self.handle_event(event),
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::IceConnectionStateChange(state) => self.ice_states.push(state),
            Event::RtpPacket(packet) => self.packets.push(packet),
            Event::KeyframeRequest(request) => self.key_frame_requests.push(request),
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                self.estimates.push(estimate);
            }
            Event::PeerStats(stats) => self.peer_stats = Some(stats),
            Event::MediaIngressStats(stats) => {
                self.ingress.insert(stats.mid.to_string(), stats);
            }
            Event::MediaEgressStats(stats) => {
                self.egress.insert(stats.mid.to_string(), stats);
            }
            Event::ChannelOpen(..) => self.channels_open += 1,
            Event::ChannelData(message) => {
                let channel = self.channels.iter().find(|(_, id)| *id == message.id);
                let (stream, _) = channel.expect("a channel of ours");
                self.messages.push((*stream, message.data));
            }
            Event::RawPacket(packet) => self.handle_raw(&packet),
            _ => {}
        }
    }

    fn handle_raw(&mut self, packet: &RawPacket) {
        match packet {
            RawPacket::RtpRx(header, _) if *header.payload_type == self.rtx_payload_type => {
                self.rtx_received += 1;
            }
            RawPacket::RtcpRx(Rtcp::SenderReport(_)) => self.rtcp.sender_reports += 1,
            RawPacket::RtcpRx(Rtcp::ReceiverReport(_)) => self.rtcp.receiver_reports += 1,
            RawPacket::RtcpRx(Rtcp::Twcc(_)) => self.rtcp.transport_feedback += 1,
            RawPacket::RtcpRx(Rtcp::Nack(nack)) => {
                let packets: u32 = nack
                    .reports
                    .iter()
                    .map(|entry| 1 + entry.blp.count_ones())
                    .sum();
                self.rtcp.nacked_packets += packets;
            }
            _ => {}
        }
    }
}

fn config(dialect: &Dialect) -> RtcConfig {
    let mut config = RtcConfig::new()
        .set_crypto_provider(Arc::new(crypto::from_feature_flags()))
        .set_rtp_mode(true)
        .enable_raw_packets(true)
        .set_stats_interval(Some(std::time::Duration::from_secs(1)))
        .clear_codecs()
        .clear_extension_map();
    for (id, extension) in dialect.extensions {
        config = config.set_extension(*id, extension.clone());
    }
    let (vp8, rtx) = dialect.vp8;
    let codecs = config.codec_config();
    let (video, audio) = (FormatParams::default(), FormatParams::default());
    codecs.add_config(
        vp8.into(),
        Some(rtx.into()),
        Codec::Vp8,
        Frequency::NINETY_KHZ,
        None,
        video,
    );
    codecs.add_config(
        dialect.opus.into(),
        None,
        Codec::Opus,
        Frequency::FORTY_EIGHT_KHZ,
        Some(2),
        audio,
    );
    config
}

fn credentials(parameters: &IceParameters) -> IceCreds {
    IceCreds {
        ufrag: parameters.username_fragment.clone(),
        pass: parameters.password.clone(),
    }
}
