//! ICE, DTLS, SRTP and the streams of one transport.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use plenum_dtls::{Certificate, DtlsEndpoint, DtlsEvent, DtlsRole, Fingerprint};
use plenum_ice::IceCredentials;
use plenum_rtp::{
    NtpTime, PacketKind, RtpHeader, classify,
    ext::{AbsSendTime, TransportSequence},
};
use plenum_srtp::SrtpError;
use rand::{SeedableRng as _, rngs::StdRng};
use slab::Slab;

use super::{
    Datagrams, IceError, ReceiveStream, SendStream,
    arrivals::Arrivals,
    ice::{Agent, Answer},
    receiving::Receiving,
    sending::{Packet, Sending, Stamp},
};
use crate::{
    sink::ReceivedPacket,
    stats::{Received, Sent, TransportState},
};

use session::Session;

mod feedback;
mod session;

/// Room for any datagram that is made here: an IPv6 path of 1500 bytes carries no more.
const MAX_DATAGRAM: usize = 1452;

/// Longest plain RTP packet: what is left of 1200 bytes of payload, as libwebrtc cuts it, with a long header, and room for
/// the two bytes of a retransmission and the tag.
const MAX_RTP: usize = MAX_DATAGRAM - 16 - 2;

/// Reports: libwebrtc sends them every second for video.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Transport-wide feedback: a twentieth of what comes, and no more often than every 50 ms, which is what browsers do at
/// anything above 220 kb/s; 100 ms is their default while they know nothing (libwebrtc). A server learns from it how fast it may begin
/// to send: pictures that come all at once wait until then.
const FEEDBACK_INTERVAL: (Duration, Duration) =
    (Duration::from_millis(50), Duration::from_millis(100));

/// Bytes of one feedback packet with all headers, and the share of what comes that it may take (libwebrtc's 68 and 5 %).
const FEEDBACK_COST: (u64, u64) = (68, 20);

/// Packets of streams that are not expected yet: a key frame of 1080p, for as long as signalling may lag behind.
const MAX_EARLY: usize = 256;
const EARLY_TIME: Duration = Duration::from_secs(1);

/// Which stream of a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(usize);

impl StreamKey {
    /// A small number, used again for other streams of the transport when this one has gone.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What a transport must know of the server and of its caller.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "callers make it")]
pub struct TransportConfig {
    /// The server's ICE user fragment.
    pub username_fragment: String,
    /// The server's ICE password.
    pub password: String,
    /// The server's UDP addresses, best first.
    pub addresses: Vec<SocketAddr>,
    /// The server's certificates, one of which it must have.
    pub fingerprints: Vec<Fingerprint>,
    /// DTLS begins only with [`Transport::release`]: as long as the server does not know our certificate it would drop our
    /// first message, and the next one leaves a second later.
    pub holds_dtls: bool,
    /// Random bytes, different for each transport.
    pub seed: [u8; 32],
    /// What time it is, for reports.
    pub wall_clock: (Instant, SystemTime),
    /// Name of the client in reports.
    pub cname: String,
}

/// What happened to a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportEvent {
    /// The server has ended it. Nothing follows.
    Closed,
    /// ICE is done, at this time; the first check left at that time.
    IceConnected {
        /// When the first check left.
        began: Instant,
    },
    /// The server has not answered for 30 s. Checks go on.
    IceLost,
    /// Media can flow.
    Connected,
    /// DTLS has failed. Nothing follows.
    Failed(plenum_dtls::DtlsError),
    /// Somebody needs a key frame of a stream that is sent.
    KeyFrameRequested(StreamKey),
    /// The server is not who signalling said. Nothing follows.
    WrongCertificate,
}

/// A transport. The module's documentation says how to drive it.
pub struct Transport {
    agent: Agent,
    certificate: Certificate,
    fingerprints: Vec<Fingerprint>,
    dtls: Option<DtlsEndpoint>,
    holds_dtls: bool,
    session: Option<Session>,
    state: TransportState,
    senders: Slab<Sending>,
    receivers: Slab<Receiving>,
    routes: HashMap<u32, Route, foldhash::fast::RandomState>,
    arrivals: Option<Arrivals>,
    next_feedback: Option<Instant>,
    /// The interval that ends with it, and bytes that have come in it.
    last_feedback: Option<Duration>,
    since_feedback: u64,
    /// When something of any stream is to be asked for.
    next_repair: Option<Instant>,
    next_report: Option<Instant>,
    next_number: u16,
    events: VecDeque<TransportEvent>,
    wall_clock: (Instant, SystemTime),
    cname: String,
    /// What streams that have gone had received and sent.
    past: (Received, Sent),
    asked: Vec<u16>,
    early: VecDeque<Early>,
}

/// A packet of a stream that signalling has not told of yet.
struct Early {
    at: Instant,
    ssrc: u32,
    packet: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Route {
    Media(usize),
    Rtx(usize),
}

impl Transport {
    /// A transport that begins with checks at the first [`Self::handle_timeout`].
    pub fn new(
        now: Instant,
        certificate: Certificate,
        config: TransportConfig,
    ) -> Result<Self, IceError> {
        let remote = IceCredentials {
            username_fragment: config.username_fragment,
            password: config.password,
        };
        let rng = StdRng::from_seed(config.seed);
        Ok(Self {
            agent: Agent::new(now, remote, config.addresses, rng)?,
            certificate,
            fingerprints: config.fingerprints,
            dtls: None,
            holds_dtls: config.holds_dtls,
            session: None,
            state: TransportState::Checking,
            senders: Slab::new(),
            receivers: Slab::new(),
            routes: HashMap::default(),
            arrivals: None,
            next_feedback: None,
            last_feedback: None,
            since_feedback: 0,
            next_repair: None,
            next_report: None,
            next_number: 0,
            events: VecDeque::new(),
            wall_clock: config.wall_clock,
            cname: config.cname,
            past: <(Received, Sent)>::default(),
            asked: Vec::new(),
            early: VecDeque::new(),
        })
    }

    /// Takes a datagram of the server, which is decrypted where it lies; `take` gets the packet that it carried, if
    /// any, with the stream that it belongs to.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
        out: &mut Datagrams,
        take: &mut dyn FnMut(StreamKey, &ReceivedPacket<'_>),
    ) {
        match classify(datagram) {
            PacketKind::Rtp => self.handle_rtp(now, datagram, take),
            PacketKind::Rtcp => self.handle_rtcp(now, datagram, out),
            PacketKind::Stun => self.handle_stun(now, datagram, out),
            PacketKind::Dtls => {
                if let Some(dtls) = &mut self.dtls {
                    // An error comes as an event, too.
                    let _ = dtls.handle_datagram(now, datagram);
                }
                self.drive_dtls(now, out);
            }
            PacketKind::Unknown => {}
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Datagrams) {
        if self.state == TransportState::Closed {
            return;
        }
        if self.agent.poll_timeout().is_some_and(|due| due <= now)
            && self.agent.handle_timeout(now, out)
        {
            self.events.push_back(TransportEvent::IceLost);
        }
        let dtls = self.dtls.as_mut();
        if let Some(dtls) = dtls.filter(|dtls| dtls.poll_timeout().is_some_and(|due| due <= now)) {
            // An error comes as an event, too.
            let _ = dtls.handle_timeout(now);
            self.drive_dtls(now, out);
        }
        if self.session.is_none() {
            return;
        }
        if self.next_repair.is_some_and(|due| due <= now) {
            self.repair(now, out);
        }
        if self.next_report.is_some_and(|due| due <= now) {
            self.next_report = Some(now + REPORT_INTERVAL);
            self.report(now, out);
        }
        if self.next_feedback.is_some_and(|due| due <= now) {
            self.next_feedback = Some(now + self.feedback_interval());
            self.send_feedback(now, out);
        }
    }

    /// So long that feedback takes its share of what has come since the last time, within bounds.
    fn feedback_interval(&mut self) -> Duration {
        let (shortest, longest) = FEEDBACK_INTERVAL;
        let (size, share) = FEEDBACK_COST;
        let bytes = std::mem::take(&mut self.since_feedback);
        let took = self.last_feedback.unwrap_or(shortest);
        let fair = took.as_nanos() * u128::from(size * share) / u128::from(bytes.max(1));
        let fair = Duration::from_nanos(u64::try_from(fair).unwrap_or(u64::MAX));
        let interval = fair.clamp(shortest, longest);
        self.last_feedback = Some(interval);
        interval
    }

    /// When [`Self::handle_timeout`] is to be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == TransportState::Closed {
            return None;
        }
        let always = [
            self.agent.poll_timeout(),
            self.dtls.as_ref().and_then(DtlsEndpoint::poll_timeout),
        ];
        let connected = [self.next_repair, self.next_report, self.next_feedback];
        let connected = connected.into_iter().filter(|_| self.session.is_some());
        always.into_iter().chain(connected).flatten().min()
    }

    /// What happened since.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// Expects a stream.
    pub fn add_stream(&mut self, now: Instant, stream: ReceiveStream) -> StreamKey {
        if stream.transport_cc.is_some() && self.arrivals.is_none() {
            self.arrivals = Some(Arrivals::new(now));
            self.next_feedback = Some(now + FEEDBACK_INTERVAL.0);
        }
        let (ssrc, rtx_ssrc) = (stream.ssrc, stream.rtx_ssrc);
        let index = self.receivers.insert(Receiving::new(stream));
        self.routes.insert(ssrc, Route::Media(index));
        if let Some(rtx) = rtx_ssrc {
            self.routes.insert(rtx, Route::Rtx(index));
        }
        StreamKey(index)
    }

    /// Takes what came of streams before they were expected. To be called after [`Self::add_stream`].
    pub fn take_early(
        &mut self,
        now: Instant,
        take: &mut dyn FnMut(StreamKey, &ReceivedPacket<'_>),
    ) {
        let mut waiting = std::mem::take(&mut self.early);
        waiting.retain_mut(|early| {
            let is_expected = self.routes.contains_key(&early.ssrc);
            if is_expected {
                self.handle_rtp(now, &mut early.packet, take);
            }
            !is_expected
        });
        self.early = waiting;
    }

    /// Expects a stream no more.
    pub fn remove_stream(&mut self, key: StreamKey) {
        let Some(receiving) = self.receivers.try_remove(key.0) else {
            return;
        };
        self.past.0 += receiving.received;
        let stream = receiving.stream;
        for ssrc in std::iter::once(stream.ssrc).chain(stream.rtx_ssrc) {
            // Another stream may have been given the number meanwhile.
            if let Some(Route::Media(index) | Route::Rtx(index)) = self.routes.get(&ssrc)
                && *index == key.0
            {
                self.routes.remove(&ssrc);
            }
        }
    }

    /// Will send a stream.
    pub fn add_sender(&mut self, stream: SendStream) -> StreamKey {
        StreamKey(self.senders.insert(Sending::new(stream)))
    }

    /// Will send a stream no more.
    pub fn remove_sender(&mut self, key: StreamKey) {
        if let Some(sending) = self.senders.try_remove(key.0) {
            self.past.1 += sending.sent;
        }
    }

    /// Sends a packet of a stream. `false`: nothing can be sent yet, or the packet is too long.
    pub fn send(
        &mut self,
        now: Instant,
        key: StreamKey,
        packet: &Packet<'_>,
        out: &mut Datagrams,
    ) -> bool {
        let stamp = self.stamp(now);
        let (Some(session), Some(sending), Some(to)) = (
            &mut self.session,
            self.senders.get_mut(key.0),
            self.agent.remote(),
        ) else {
            return false;
        };
        let sent = out.push_with(to, MAX_DATAGRAM, |space| {
            let plain = space.get_mut(..MAX_RTP)?;
            let written = sending.write(now, packet, stamp, plain).ok()?;
            session.seal(written, space)
        });
        if sent {
            self.next_number = self.next_number.wrapping_add(1);
        }
        sent
    }

    /// Wants a key frame of a stream that is received.
    pub fn request_key_frame(&mut self, now: Instant, key: StreamKey) {
        if let Some(stream) = self.receivers.get_mut(key.0) {
            stream.request_key_frame(now);
            self.next_repair = Some(now);
        }
    }

    /// Lets DTLS begin.
    pub fn release(&mut self, now: Instant, out: &mut Datagrams) {
        self.holds_dtls = false;
        self.begin_dtls(now, out);
    }

    /// Checks everything again, with new credentials of the server.
    pub fn restart_ice(&mut self, now: Instant, username_fragment: String, password: String) {
        let credentials = IceCredentials {
            username_fragment,
            password,
        };
        self.agent.restart(now, credentials);
    }

    /// Ends it; the server is told.
    pub fn close(&mut self, out: &mut Datagrams) {
        if let Some(dtls) = &mut self.dtls {
            dtls.close();
        }
        self.flush_dtls(out);
        self.state = TransportState::Closed;
    }

    /// How far it is.
    pub const fn state(&self) -> TransportState {
        self.state
    }

    /// Where it sends to.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.agent.remote()
    }

    /// What was received, by all streams there have been.
    pub fn received(&self) -> Received {
        let mut sum = self.past.0;
        for (_, stream) in &self.receivers {
            sum += stream.received;
        }
        sum
    }

    /// What was sent, by all streams there have been.
    pub fn sent(&self) -> Sent {
        let mut sum = self.past.1;
        for (_, stream) in &self.senders {
            sum += stream.sent;
        }
        sum
    }

    /// What a stream has received, and its jitter.
    pub fn stream_received(&self, key: StreamKey) -> Option<(Received, Duration)> {
        let stream = self.receivers.get(key.0)?;
        Some((stream.received, stream.jitter()))
    }

    /// What a stream has sent, the share of it that was lost, and the round trip.
    pub fn stream_sent(&self, key: StreamKey) -> Option<(Sent, f64, Option<Duration>)> {
        let stream = self.senders.get(key.0)?;
        Some((stream.sent, stream.fraction_lost, stream.round_trip))
    }

    /// Counts a frame of a stream that is sent.
    pub fn count_frame(&mut self, key: StreamKey, is_key: bool) {
        if let Some(stream) = self.senders.get_mut(key.0) {
            stream.sent.frames += 1;
            stream.sent.key_frames += u64::from(is_key);
        }
    }

    fn handle_stun(&mut self, now: Instant, datagram: &[u8], out: &mut Datagrams) {
        // Whoever is not the server proves nothing.
        let Ok(Answer::Connected) = self.agent.handle_datagram(now, datagram) else {
            return;
        };
        let began = self.agent.began().unwrap_or(now);
        self.events
            .push_back(TransportEvent::IceConnected { began });
        self.begin_dtls(now, out);
    }

    /// As soon as the path is open and nothing holds it.
    fn begin_dtls(&mut self, now: Instant, out: &mut Datagrams) {
        let is_open = self.agent.remote().is_some();
        if self.dtls.is_some() || self.holds_dtls || !is_open {
            return;
        }
        self.state = TransportState::Handshaking;
        match DtlsEndpoint::new(DtlsRole::Client, &self.certificate, now) {
            Ok(dtls) => self.dtls = Some(dtls),
            Err(error) => self.fail(TransportEvent::Failed(error)),
        }
        self.drive_dtls(now, out);
    }

    fn drive_dtls(&mut self, now: Instant, out: &mut Datagrams) {
        while let Some(event) = self.dtls.as_mut().and_then(DtlsEndpoint::poll_event) {
            match event {
                DtlsEvent::Connected {
                    profile,
                    keying,
                    remote_certificate_der,
                } => {
                    if !plenum_dtls::verify(&remote_certificate_der, &self.fingerprints) {
                        self.fail(TransportEvent::WrongCertificate);
                        continue;
                    }
                    let Some(session) = Session::new(profile.iana_id(), keying.as_bytes()) else {
                        let error = plenum_dtls::DtlsError::NoSrtpProfile;
                        self.fail(TransportEvent::Failed(error));
                        continue;
                    };
                    self.session = Some(session);
                    self.state = TransportState::Connected;
                    self.next_report = Some(now + REPORT_INTERVAL);
                    self.events.push_back(TransportEvent::Connected);
                }
                DtlsEvent::Closed => self.fail(TransportEvent::Closed),
                DtlsEvent::Failed(error) => self.fail(TransportEvent::Failed(error)),
                _ => {}
            }
        }
        self.flush_dtls(out);
    }

    fn flush_dtls(&mut self, out: &mut Datagrams) {
        let (Some(dtls), Some(to)) = (&mut self.dtls, self.agent.remote()) else {
            return;
        };
        while out.push_with(to, plenum_dtls::MAX_DATAGRAM, |space| {
            dtls.poll_transmit(space)
        }) {}
    }

    fn fail(&mut self, event: TransportEvent) {
        if self.state != TransportState::Closed {
            self.state = TransportState::Closed;
            self.session = None;
            self.events.push_back(event);
        }
    }

    fn handle_rtp(
        &mut self,
        now: Instant,
        packet: &mut [u8],
        take: &mut dyn FnMut(StreamKey, &ReceivedPacket<'_>),
    ) {
        let Ok(header) = RtpHeader::parse(packet) else {
            self.past.0.undecipherable += 1;
            return;
        };
        let Some(&route) = self.routes.get(&header.ssrc) else {
            self.keep_early(now, header.ssrc, packet);
            return;
        };
        let Some(session) = &mut self.session else {
            return;
        };
        let (Route::Media(index) | Route::Rtx(index)) = route;
        let is_rtx = matches!(route, Route::Rtx(_));
        let Some(stream) = self.receivers.get_mut(index) else {
            return;
        };
        let inbound = if is_rtx {
            &mut stream.rtx
        } else {
            &mut stream.media
        };
        let opened = session.opener.open_rtp(inbound, packet, header.header_len);
        let plain = match opened {
            Ok(opened) => packet.get(..opened.len).unwrap_or_default(),
            Err(SrtpError::Replayed) => {
                stream.received.duplicates += 1;
                return;
            }
            Err(_) => {
                stream.received.undecipherable += 1;
                return;
            }
        };
        self.since_feedback += plain.len() as u64;
        if let (Some(id), Some(arrivals)) = (stream.stream.transport_cc, &mut self.arrivals) {
            let mut extensions = header.extensions(plain);
            let found = extensions.find(|(found, _)| *found == id);
            if let Some(number) = found.and_then(|(_, value)| TransportSequence::parse(value)) {
                arrivals.handle_packet(now, header.ssrc, number.0);
            }
        }
        if let Some(received) = stream.handle_packet(now, &header, plain, is_rtx) {
            take(StreamKey(index), &received);
        }
        let due = stream.poll_timeout();
        self.next_repair = self.next_repair.into_iter().chain(due).min();
    }

    /// Signalling and media come on different ways, and media may be the faster.
    fn keep_early(&mut self, now: Instant, ssrc: u32, packet: &[u8]) {
        while let Some(first) = self.early.front() {
            let age = now.saturating_duration_since(first.at);
            if age < EARLY_TIME && self.early.len() < MAX_EARLY {
                break;
            }
            self.early.pop_front();
            self.past.0.unknown += 1;
        }
        self.early.push_back(Early {
            at: now,
            ssrc,
            packet: packet.to_vec(),
        });
    }

    fn stamp(&self, now: Instant) -> Stamp {
        Stamp {
            send_time: AbsSendTime::from_ntp(self.ntp(now)),
            transport_sequence: TransportSequence(self.next_number),
        }
    }

    fn ntp(&self, now: Instant) -> NtpTime {
        let (at, wall) = self.wall_clock;
        let wall = wall + now.saturating_duration_since(at);
        let since = wall.duration_since(SystemTime::UNIX_EPOCH);
        NtpTime::from_unix(since.unwrap_or_default())
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("state", &self.state)
            .field("remote", &self.agent.remote())
            .finish_non_exhaustive()
    }
}
