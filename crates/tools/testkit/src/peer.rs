//! A small native WebRTC client as a state machine: the engine's partner in harness tests and benchmarks.
//!
//! It is the controlling ICE side and the DTLS client, like a browser. It sends RTP that it is given, answers NACK with
//! retransmissions, asks for what it misses, reports what it receives, and hands out what arrives in the form the
//! application would see: decrypted, retransmissions turned back into the packets that they replace.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::{Duration, Instant},
};

use plenum_dtls::{Certificate, DtlsEndpoint, DtlsError, DtlsEvent, DtlsRole, SrtpProfileId};
use plenum_ice::{
    IceCredentials,
    controlling::{BindingRequest, BindingResponse, parse_response},
};
use plenum_params::transport::{DtlsFingerprint, DtlsParameters, WebRtcTransportInfo};
use plenum_rtp::{
    NtpTime, PacketKind, RtpHeader, classify,
    rtcp::{RtcpPacket, RtcpPackets, RtcpWriter, SenderInfo},
};
use plenum_srtp::{InboundStream, Opener, Sealer, SrtpKeys, SrtpProfile};

mod data;
mod reports;
mod streams;

pub use data::PeerMessage;
use reports::TransportArrivals;
pub use streams::{ReceiveStream, SendStream};

/// RFC 7675: consent is checked about every 5 s.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Until the first answer checks are repeated faster.
const FIRST_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// How often missing packets are looked for, as libwebrtc does.
const NACK_INTERVAL: Duration = Duration::from_millis(20);

/// Receiver reports, as browsers send them for video.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Transport-wide feedback, libwebrtc's default.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);

/// Between two transport-wide feedbacks at least and at most, as libwebrtc does.
const FEEDBACK_BOUNDS: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_millis(250));

/// What libwebrtc takes for the bits of a feedback packet with all its headers, of which it spends 5 % of what it may
/// send.
const FEEDBACK_BITS: u64 = 68 * 8;

/// Room for any datagram that the peer makes.
const MAX_DATAGRAM: usize = 2048;

/// A native WebRTC client.
pub struct TestPeer {
    /// Own address, as the engine sees it.
    pub address: SocketAddr,
    /// The engine's address.
    pub remote: SocketAddr,
    credentials: IceCredentials,
    remote_credentials: IceCredentials,
    certificate: Certificate,
    dtls: DtlsEndpoint,
    keys: Option<(SrtpProfile, Sealer, Opener)>,
    checks_sent: u32,
    checks_answered: u32,
    next_check: Option<Instant>,
    next_nack: Option<Instant>,
    next_report: Option<Instant>,
    next_feedback: Option<Instant>,
    feedback_interval: Duration,
    arrivals: Option<TransportArrivals>,
    inbound: HashMap<u32, InboundStream>,
    senders: Vec<SendStream>,
    receivers: Vec<ReceiveStream>,
    outgoing: VecDeque<Vec<u8>>,
    received: VecDeque<Vec<u8>>,
    /// Key frame requests (PLI, FIR) received, by media SSRC.
    pub key_frame_requests: HashMap<u32, u32>,
    /// RTCP packets received, by packet type name.
    pub rtcp_seen: HashMap<&'static str, u32>,
    /// Packets that did not decrypt.
    pub failures: u32,
    /// Bytes of packets that were nothing but padding.
    pub padding: u64,
    data: data::Data,
    scratch: Vec<u8>,
}

impl TestPeer {
    /// A peer at `address` that will connect to the transport behind `info`.
    ///
    /// # Errors
    /// When DTLS cannot start.
    pub fn new(
        address: SocketAddr,
        info: &WebRtcTransportInfo,
        now: Instant,
    ) -> Result<Self, DtlsError> {
        let certificate = Certificate::generate()?;
        let dtls = DtlsEndpoint::new(DtlsRole::Client, &certificate, now)?;
        let mut candidates = info.ice_candidates.iter();
        let remote = candidates
            .find_map(|candidate| Some(SocketAddr::new(candidate.address.ip()?, candidate.port)));
        let remote = remote.unwrap_or(address);
        Ok(Self {
            address,
            remote,
            credentials: IceCredentials {
                username_fragment: format!("peer{}", address.port()),
                password: "a-password-of-the-test-peer".into(),
            },
            remote_credentials: IceCredentials {
                username_fragment: info.ice_parameters.username_fragment.clone(),
                password: info.ice_parameters.password.clone(),
            },
            certificate,
            dtls,
            keys: None,
            checks_sent: 0,
            checks_answered: 0,
            next_check: Some(now),
            next_nack: None,
            next_report: None,
            next_feedback: None,
            feedback_interval: FEEDBACK_INTERVAL,
            arrivals: None,
            inbound: HashMap::new(),
            senders: Vec::new(),
            receivers: Vec::new(),
            outgoing: VecDeque::new(),
            received: VecDeque::new(),
            key_frame_requests: HashMap::new(),
            rtcp_seen: HashMap::new(),
            failures: 0,
            padding: 0,
            data: data::Data::default(),
            scratch: vec![0; MAX_DATAGRAM],
        })
    }

    /// What to tell the engine in `connect`.
    pub fn dtls_parameters(&self) -> DtlsParameters {
        let fingerprint = self.certificate.fingerprint();
        DtlsParameters {
            role: plenum_params::transport::DtlsRole::Client,
            fingerprints: vec![DtlsFingerprint {
                algorithm: fingerprint.algorithm.name().into(),
                value: fingerprint.to_string(),
            }],
        }
    }

    /// Whether media can flow.
    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// The SRTP profile agreed on.
    pub fn profile(&self) -> Option<SrtpProfile> {
        self.keys.as_ref().map(|(profile, ..)| *profile)
    }

    /// Gives up the session's keys, to seal and open packets elsewhere.
    pub fn into_keys(self) -> Option<(Sealer, Opener)> {
        self.keys.map(|(_, sealer, opener)| (sealer, opener))
    }

    /// Stops answering: no checks, no packets.
    pub fn fall_silent(&mut self) {
        self.next_check = None;
        self.next_nack = None;
        self.next_report = None;
        self.next_feedback = None;
        self.outgoing.clear();
    }

    /// Uses new credentials of the engine from the next check on.
    pub fn restart_ice(
        &mut self,
        now: Instant,
        parameters: &plenum_params::transport::IceParameters,
    ) {
        self.remote_credentials = IceCredentials {
            username_fragment: parameters.username_fragment.clone(),
            password: parameters.password.clone(),
        };
        self.next_check = Some(now);
    }

    /// Checks that the engine has answered.
    pub fn checks_answered(&self) -> u32 {
        self.checks_answered
    }

    /// Announces a stream that will be sent, so that NACKs for it can be answered.
    pub fn add_sender(&mut self, stream: SendStream) {
        self.senders.push(stream);
    }

    /// Announces a stream that will be received, so that losses in it are asked for.
    pub fn add_receiver(&mut self, stream: ReceiveStream) {
        self.receivers.push(stream);
    }

    /// Reports arrivals by the transport-wide sequence number in the header extension with this id.
    pub fn report_arrivals(&mut self, now: Instant, extension_id: u8) {
        self.arrivals = Some(TransportArrivals::new(extension_id, now));
        self.next_feedback = Some(now + self.feedback_interval);
    }

    /// Reports arrivals as often as a browser that may send `bits_per_second` itself: every 50 to 250 ms. Before the
    /// first call it is every 100 ms.
    pub fn pace_feedback(&mut self, bits_per_second: u64) {
        let millis = (FEEDBACK_BITS * 1000 * 20).checked_div(bits_per_second);
        let (shortest, longest) = FEEDBACK_BOUNDS;
        self.feedback_interval = millis.map_or(longest, |millis| {
            Duration::from_millis(millis).clamp(shortest, longest)
        });
    }

    /// Counters of a received stream.
    pub fn receiver(&self, ssrc: u32) -> Option<&ReceiveStream> {
        self.receivers.iter().find(|stream| stream.ssrc == ssrc)
    }

    /// Protects and sends a whole plain RTP packet. Nothing happens before the peer is connected.
    pub fn send_rtp(&mut self, packet: &[u8]) {
        let Ok(header) = RtpHeader::parse(packet) else {
            return;
        };
        let Some(stream) = self
            .senders
            .iter_mut()
            .find(|stream| stream.ssrc == header.ssrc)
        else {
            return;
        };
        let index = stream.remember(header.sequence_number, packet);
        self.seal_and_send(index, header.header_len, packet);
    }

    /// Pretends that a packet was sent and lost on the way: it can be asked for again.
    pub fn forget_on_the_way(&mut self, packet: &[u8]) {
        let Ok(header) = RtpHeader::parse(packet) else {
            return;
        };
        if let Some(stream) = self
            .senders
            .iter_mut()
            .find(|stream| stream.ssrc == header.ssrc)
        {
            stream.remember(header.sequence_number, packet);
        }
    }

    /// Asks the sender of a stream for a key frame.
    pub fn send_pli(&mut self, media_ssrc: u32) {
        self.send_rtcp(|writer| writer.pli(1, media_ssrc).is_ok());
    }

    /// Tells which RTP timestamp of a sent stream belongs to which time.
    pub fn send_sender_report(&mut self, ssrc: u32, ntp: NtpTime, rtp_timestamp: u32) {
        let Some(stream) = self.senders.iter().find(|stream| stream.ssrc == ssrc) else {
            return;
        };
        let info = SenderInfo {
            ssrc,
            ntp,
            rtp_timestamp,
            packet_count: stream.packets,
            octet_count: stream.octets,
        };
        self.send_rtcp(|writer| {
            writer.sender_report(info, []).is_ok() && writer.sdes_cname(ssrc, "test-peer").is_ok()
        });
    }

    /// Sends RTCP written by `build`.
    pub fn send_rtcp(&mut self, build: impl FnOnce(&mut RtcpWriter<'_>) -> bool) {
        let Some((_, sealer, _)) = &mut self.keys else {
            return;
        };
        let mut buffer = vec![0; MAX_DATAGRAM];
        let mut writer = RtcpWriter::new(&mut buffer);
        if build(&mut writer) {
            let plain = writer.len();
            if let Ok(len) = sealer.seal_rtcp(&mut buffer, plain) {
                buffer.truncate(len);
                self.outgoing.push_back(buffer);
            }
        }
    }

    /// The next decrypted RTP packet, as it was sent.
    pub fn poll_received(&mut self) -> Option<Vec<u8>> {
        self.received.pop_front()
    }

    /// The next datagram for the engine.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// Whether there is a datagram for the engine.
    pub fn has_transmit(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [
            self.next_check,
            self.next_nack,
            self.next_report,
            self.next_feedback.filter(|_| self.keys.is_some()),
            self.dtls.poll_timeout(),
            self.data.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_check.is_some_and(|due| due <= now) {
            self.send_check();
            let interval = if self.checks_answered == 0 {
                FIRST_CHECK_INTERVAL
            } else {
                CHECK_INTERVAL
            };
            self.next_check = Some(now + interval);
        }
        if self.checks_answered > 0 && self.dtls.poll_timeout().is_some_and(|due| due <= now) {
            // A failed handshake shows as a peer that never connects.
            let _ = self.dtls.handle_timeout(now);
            self.drive_dtls(now);
        }
        self.handle_data_timeout(now);
        if self.next_nack.is_some_and(|due| due <= now) {
            self.next_nack = Some(now + NACK_INTERVAL);
            for index in 0..self.receivers.len() {
                let lost = self.receivers[index].lost(now);
                let ssrc = self.receivers[index].ssrc;
                if !lost.is_empty() {
                    self.send_rtcp(|writer| writer.nack(1, ssrc, lost).is_ok());
                }
            }
        }
        if self.next_report.is_some_and(|due| due <= now) {
            self.next_report = Some(now + REPORT_INTERVAL);
            self.send_receiver_report(now);
        }
        if self.keys.is_some() && self.next_feedback.is_some_and(|due| due <= now) {
            self.next_feedback = Some(now + self.feedback_interval);
            self.send_feedback(now);
        }
    }

    /// Takes a datagram of the engine.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match classify(datagram) {
            PacketKind::Stun => self.handle_stun(now, datagram),
            PacketKind::Dtls => {
                // A failed handshake shows as a peer that never connects.
                let _ = self.dtls.handle_datagram(now, datagram);
                self.drive_dtls(now);
            }
            PacketKind::Rtp => {
                if self.handle_rtp(now, datagram).is_none() {
                    self.failures += 1;
                }
            }
            PacketKind::Rtcp => self.handle_rtcp(now, datagram),
            PacketKind::Unknown => self.failures += 1,
        }
    }

    fn send_receiver_report(&mut self, now: Instant) {
        let blocks: Vec<_> = self
            .receivers
            .iter_mut()
            .filter_map(|stream| stream.report(now))
            .collect();
        for blocks in blocks.chunks(31) {
            self.send_rtcp(|writer| writer.receiver_report(1, blocks.iter().copied()).is_ok());
        }
    }

    fn send_feedback(&mut self, now: Instant) {
        let Some(mut arrivals) = self.arrivals.take() else {
            return;
        };
        let mut more = true;
        while more {
            self.send_rtcp(|writer| {
                more = arrivals.write(now, writer);
                more
            });
        }
        self.arrivals = Some(arrivals);
    }

    fn send_check(&mut self) {
        self.checks_sent += 1;
        let mut transaction_id = [7; 12];
        transaction_id[..4].copy_from_slice(&self.checks_sent.to_be_bytes());
        let request = BindingRequest {
            remote_username_fragment: &self.remote_credentials.username_fragment,
            local_username_fragment: &self.credentials.username_fragment,
            transaction_id,
            priority: 1,
            tie_breaker: 1,
            use_candidate: true,
            nomination: None,
        };
        if let Ok(len) = request.write(&self.remote_credentials.password, &mut self.scratch) {
            self.outgoing.push_back(self.scratch[..len].to_vec());
        }
    }

    fn handle_stun(&mut self, now: Instant, datagram: &[u8]) {
        let Some(transaction_id) = datagram.get(8..20).and_then(|id| id.try_into().ok()) else {
            return;
        };
        let response = parse_response(datagram, &transaction_id, &self.remote_credentials.password);
        if let Ok(BindingResponse::Success(_)) = response {
            self.checks_answered += 1;
            self.drive_dtls(now);
        }
    }

    fn drive_dtls(&mut self, now: Instant) {
        let mut buffer = vec![0; plenum_dtls::MAX_DATAGRAM];
        while let Some(len) = self.dtls.poll_transmit(&mut buffer) {
            self.outgoing.push_back(buffer[..len].to_vec());
        }
        while let Some(event) = self.dtls.poll_event() {
            match event {
                DtlsEvent::Connected {
                    profile, keying, ..
                } => {
                    self.keys = session(profile, keying.as_bytes());
                    self.next_nack = Some(now + NACK_INTERVAL);
                    self.next_report = Some(now + REPORT_INTERVAL);
                    self.begin_data(now);
                }
                DtlsEvent::ApplicationData(packet) => self.handle_sctp(now, packet),
                _ => {}
            }
        }
        self.drive_data(now);
    }

    fn handle_rtp(&mut self, now: Instant, datagram: &[u8]) -> Option<()> {
        let mut packet = datagram.to_vec();
        let header = RtpHeader::parse(&packet).ok()?;
        let (_, _, opener) = self.keys.as_mut()?;
        let inbound = self.inbound.entry(header.ssrc).or_default();
        let opened = opener
            .open_rtp(inbound, &mut packet, header.header_len)
            .ok()?;
        packet.truncate(opened.len);
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.handle_packet(now, &header, &packet);
        }
        let is_empty = header
            .payload(&packet)
            .is_ok_and(|payload| payload.is_empty());
        if is_empty {
            self.padding += packet.len() as u64;
            // In a media stream it takes the place of a packet, in one of retransmissions it stands for nothing.
            if !self.receivers.iter().any(|one| one.ssrc == header.ssrc) {
                return Some(());
            }
        }
        let is_retransmission = self
            .receivers
            .iter()
            .any(|stream| stream.rtx_ssrc == Some(header.ssrc));
        if let Some(stream) = self
            .receivers
            .iter_mut()
            .find(|stream| stream.rtx_ssrc == Some(header.ssrc))
        {
            packet = stream.restore(&header, &packet)?;
        }
        let header = RtpHeader::parse(&packet).ok()?;
        if let Some(stream) = self
            .receivers
            .iter_mut()
            .find(|stream| stream.ssrc == header.ssrc)
            && !stream.handle(now, &header, is_retransmission)
        {
            return Some(());
        }
        self.received.push_back(packet);
        Some(())
    }

    fn handle_rtcp(&mut self, now: Instant, datagram: &[u8]) {
        let mut packet = datagram.to_vec();
        let Some((_, _, opener)) = self.keys.as_mut() else {
            return;
        };
        let Ok(len) = opener.open_rtcp(&mut packet) else {
            self.failures += 1;
            return;
        };
        let mut asked = Vec::new();
        for packet in RtcpPackets::new(&packet[..len]).flatten() {
            let name = match packet {
                RtcpPacket::Nack(nack) => {
                    asked.extend(nack.lost().map(|lost| (nack.media_ssrc, lost)));
                    "nack"
                }
                RtcpPacket::Pli(pli) => {
                    *self.key_frame_requests.entry(pli.media_ssrc).or_default() += 1;
                    "pli"
                }
                RtcpPacket::Fir(fir) => {
                    for entry in fir.entries() {
                        *self.key_frame_requests.entry(entry.ssrc).or_default() += 1;
                    }
                    "fir"
                }
                RtcpPacket::SenderReport(report) => {
                    let mut receivers = self.receivers.iter_mut();
                    if let Some(stream) = receivers.find(|stream| stream.ssrc == report.ssrc) {
                        stream.handle_sender_report(now, report.ntp);
                        stream.sender_report = Some((report.ntp, report.rtp_timestamp));
                    }
                    "sr"
                }
                RtcpPacket::ReceiverReport(_) => "rr",
                RtcpPacket::Remb(_) => "remb",
                RtcpPacket::TransportFeedback(_) => "twcc",
                RtcpPacket::Sdes(_) => "sdes",
                _ => "other",
            };
            *self.rtcp_seen.entry(name).or_default() += 1;
        }
        for (ssrc, lost) in asked {
            let stream = self.senders.iter_mut().find(|stream| stream.ssrc == ssrc);
            if let Some((index, header_len, packet)) =
                stream.and_then(|stream| stream.retransmission(lost))
            {
                self.seal_and_send(index, header_len, &packet);
            }
        }
    }

    fn seal_and_send(&mut self, index: u64, header_len: usize, packet: &[u8]) {
        let Some((profile, sealer, _)) = &mut self.keys else {
            return;
        };
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + profile.rtp_overhead(), 0);
        if let Ok(len) = sealer.seal_rtp(index, &mut buffer, header_len, packet.len()) {
            buffer.truncate(len);
            self.outgoing.push_back(buffer);
        }
    }
}

fn session(profile: SrtpProfileId, keying: &[u8]) -> Option<(SrtpProfile, Sealer, Opener)> {
    let profile = SrtpProfile::from_iana_id(profile.iana_id())?;
    let (client, server) = SrtpKeys::from_exporter(profile, keying).ok()?;
    Some((
        profile,
        Sealer::new(profile, &client).ok()?,
        Opener::new(profile, &server).ok()?,
    ))
}
