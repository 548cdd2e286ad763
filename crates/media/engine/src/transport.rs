//! State of one transport: to a peer, or to another worker.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use plenum_dtls::{DtlsEndpoint, Fingerprint};
use plenum_ice::IceLite;
use plenum_ids::{RouterId, TransportId};
use plenum_params::{
    stats::{DirectionStats, TransportBitrate, TransportKind, TransportStats},
    trace::TraceTypes,
    transport::{DtlsState, IceState, Tuple, WebRtcTransportOptions},
};
use plenum_prefetch::prefetch;
use plenum_srtp::{Opener, Sealer, SrtpProfile};

use crate::{
    config::SocketIndex, congestion::Congestion, data::DataPart, direct::NODE_SOCKET, pacer::Pacer,
    packet::ExtensionTable, plain::Plain, rate::RateCounter, sockets::Sockets, trunk::Trunk,
    twcc_receiver::TwccReceiver,
};

mod receive_table;

pub(crate) use receive_table::{ReceiveTable, StreamTarget};

/// Pictures that have waited for longer than this in front of a key frame that makes them useless give way to it: more
/// than a key frame takes that the pacer spreads out.
const MAX_OUTDATED: Duration = Duration::from_millis(100);

/// Datagrams of a peer's first flight that are kept: a `ClientHello` is one, or two with keys against quantum computers.
const MAX_EARLY_DTLS: usize = 4;

/// A WebRTC transport or one end of a trunk. Borrowed apart by the modules that drive it: `receive`, `fan_out`,
/// `feedback`.
pub(crate) struct Transport {
    pub(crate) id: TransportId,
    /// A trunk belongs to none.
    pub(crate) router: Option<RouterId>,
    /// What only trunks have. They have keys and a path from the beginning and for ever, and neither ICE nor DTLS.
    pub(crate) trunk: Option<Box<Trunk>>,
    /// What only plain transports have, which have neither ICE nor DTLS either.
    pub(crate) plain: Option<Box<Plain>>,
    /// Data channels, where there are any.
    pub(crate) data: Option<Box<DataPart>>,
    pub(crate) ice: Option<IceLite>,
    pub(crate) ice_state: IceState,
    /// Where to send: the selected pair's socket and remote address.
    pub(crate) path: Option<(u16, SocketAddr)>,
    pub(crate) dtls: Option<DtlsEndpoint>,
    pub(crate) dtls_state: DtlsState,
    /// What the peer said before signalling had told its certificate.
    pub(crate) early_dtls: Vec<Box<[u8]>>,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) srtp: Option<SrtpSession>,
    /// SSRC for RTCP that is not about a stream of ours.
    pub(crate) local_ssrc: u32,

    pub(crate) producers: Vec<usize>,
    pub(crate) consumers: Vec<usize>,
    /// Producers with something to be asked of their sender, now or later: lost packets, key frames.
    pub(crate) asking: Vec<usize>,
    pub(crate) receive: ReceiveTable,
    pub(crate) extensions: ExtensionTable,
    pub(crate) twcc_receiver: TwccReceiver,
    /// SSRC of the last packet that carried a transport-wide sequence number; feedback names it.
    pub(crate) twcc_media_ssrc: u32,
    pub(crate) twcc_feedback_count: u8,
    /// Next transport-wide sequence number towards the receiver.
    pub(crate) twcc_sequence: u16,

    /// Something was sent that is no control traffic.
    pub(crate) media_started: bool,
    /// Packets to be sent again: consumer and its outgoing extended sequence number.
    pub(crate) retransmissions: Vec<(usize, u64)>,
    pub(crate) pacer: Pacer,
    pub(crate) congestion: Congestion,

    pub(crate) next_report: Instant,
    pub(crate) report_count: u32,
    pub(crate) max_incoming_bitrate: Option<u32>,
    pub(crate) remb: Option<u32>,
    pub(crate) received: DirectionCounters,
    pub(crate) sent: DirectionCounters,
    pub(crate) discarded: u64,
    /// Messages by how many datagrams left in each.
    pub(crate) group_sizes: [u64; 6],
    /// Of ten thousand packets of the sender, those that did not come in time in the last report interval.
    pub(crate) loss_received: Option<u16>,
    /// Sockets that are closed together with it.
    pub(crate) own_sockets: Box<[SocketIndex]>,
    /// Its connection takes no more for now: see [`connections`](crate::connections).
    pub(crate) blocked: bool,
    /// What of it somebody wants to look into.
    pub(crate) trace: TraceTypes,
}

/// Keys of an established session.
pub(crate) struct SrtpSession {
    pub(crate) profile: SrtpProfile,
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
}

impl Transport {
    /// Whether what is to be sent now has to wait: behind pictures, or because the path has no room.
    pub(crate) fn is_behind(&self, now: Instant) -> bool {
        self.pacer.video_age(now) > MAX_OUTDATED || !self.congestion.has_room(now)
    }

    /// Keeps what came before DTLS began. Who joins by one request learns where to connect before the worker has heard its certificate, and
    /// would say the same again only a tenth of a second later.
    pub(crate) fn keep_early_dtls(&mut self, datagram: &[u8]) -> Option<()> {
        let early = &mut self.early_dtls;
        let is_kept = self.dtls_state == DtlsState::New
            && early.len() < MAX_EARLY_DTLS
            && datagram.len() <= plenum_dtls::MAX_DATAGRAM
            && !early.iter().any(|kept| **kept == *datagram);
        is_kept.then(|| early.push(datagram.into()))
    }

    /// One that leads to nobody yet.
    pub(crate) fn new(
        id: TransportId,
        now: Instant,
        (local_ssrc, twcc_sequence): (u32, u16),
        options: &WebRtcTransportOptions,
    ) -> Self {
        Self {
            id,
            router: None,
            trunk: None,
            plain: None,
            data: None,
            ice: None,
            ice_state: IceState::New,
            path: None,
            dtls: None,
            dtls_state: DtlsState::New,
            early_dtls: Vec::new(),
            fingerprints: Vec::new(),
            srtp: None,
            local_ssrc,
            producers: Vec::new(),
            consumers: Vec::new(),
            asking: Vec::new(),
            receive: ReceiveTable::for_peer(),
            extensions: ExtensionTable::default(),
            twcc_receiver: TwccReceiver::default(),
            twcc_media_ssrc: 0,
            twcc_feedback_count: 0,
            twcc_sequence,
            media_started: false,
            retransmissions: Vec::new(),
            pacer: Pacer::default(),
            congestion: Congestion::new(options),
            next_report: now,
            report_count: 0,
            max_incoming_bitrate: options.max_incoming_bitrate,
            remb: None,
            received: DirectionCounters::default(),
            sent: DirectionCounters::default(),
            discarded: 0,
            group_sizes: [0; 6],
            loss_received: None,
            own_sockets: Box::default(),
            blocked: false,
            trace: TraceTypes::NONE,
        }
    }

    /// Asks for what sending needs: see [`prefetching`](crate::prefetching).
    pub(crate) fn prefetch_sending(&self) {
        prefetch(&self.path);
        prefetch(&self.twcc_sequence);
        prefetch(&self.media_started);
        prefetch(&self.retransmissions);
        prefetch(&self.srtp);
        self.pacer.prefetch();
        self.congestion.prefetch();
        self.sent.prefetch();
    }

    /// Asks for what feedback needs.
    pub(crate) fn prefetch_feedback(&self) {
        prefetch(&self.srtp);
        prefetch(&self.id);
        prefetch(&self.trunk);
        prefetch(&self.consumers);
        prefetch(&self.asking);
        self.pacer.prefetch();
        self.congestion.prefetch();
        self.received.prefetch();
    }

    pub(crate) fn tuple(&self, sockets: &Sockets) -> Option<Tuple> {
        let (socket, remote) = self.path?;
        let (local, protocol) = sockets.local(socket)?;
        Some(Tuple {
            local,
            remote,
            protocol,
        })
    }

    fn kind(&self) -> TransportKind {
        if self.trunk.is_some() {
            return TransportKind::Pipe;
        }
        if let Some(plain) = &self.plain {
            return TransportKind::Plain {
                rtcp_mux: plain.options.rtcp_mux,
                comedia: plain.options.comedia,
            };
        }
        match self.path {
            Some((NODE_SOCKET, _)) => TransportKind::Direct,
            _ => TransportKind::WebRtc,
        }
    }

    /// Addresses of RTCP, where it does not take the same as RTP.
    fn rtcp_tuple(&self, sockets: &Sockets) -> Option<Tuple> {
        let (socket, remote) = self.plain.as_ref()?.rtcp_path?;
        let (local, protocol) = sockets.local(socket)?;
        Some(Tuple {
            local,
            remote,
            protocol,
        })
    }

    pub(crate) fn bitrate(&self, now: Instant) -> TransportBitrate {
        TransportBitrate {
            transport: self.id,
            received: self.received.snapshot(now).bitrate,
            sent: self.sent.snapshot(now).bitrate,
        }
    }

    pub(crate) fn stats(&self, now: Instant, sockets: &Sockets) -> TransportStats {
        let (congestion, state) = (&self.congestion, self.congestion.state());
        let estimate = congestion.estimate(now);
        let limits = congestion.limits();
        TransportStats {
            kind: self.kind(),
            ice_state: self.ice_state,
            dtls_state: self.dtls_state,
            sctp_state: self.data.as_ref().and_then(|data| data.visible_state()),
            selected_tuple: self.tuple(sockets),
            rtcp_tuple: self.rtcp_tuple(sockets),
            srtp_profile: self
                .srtp
                .as_ref()
                .and_then(|session| Some(profile_name(session.profile)?.to_owned())),
            received: self.received.snapshot(now),
            sent: self.sent.snapshot(now),
            available_outgoing_bitrate: estimate
                .map(|estimate| u32::try_from(estimate.bps()).unwrap_or(u32::MAX))
                .or(self.remb),
            min_outgoing_bitrate: limits.min,
            max_outgoing_bitrate: limits.max,
            probation_bytes: congestion.probing.bytes(),
            probation_bitrate: congestion.probing.bitrate(now),
            round_trip_ms: state
                .and_then(|state| state.round_trip)
                .map(|round_trip| round_trip.as_secs_f32() * 1000.0),
            packet_loss_sent: state.map(|state| state.loss as f32),
            packet_loss_received: self.loss_received.map(|share| f32::from(share) / 10_000.0),
            max_incoming_bitrate: self.max_incoming_bitrate,
            group_sizes: self.group_sizes,
            discarded: self.discarded,
            paced_queue_packets: self.pacer.len() as u32,
            pacing_budget_bytes: u32::try_from(self.pacer.tick_bytes()).unwrap_or(u32::MAX),
            largest_burst_bytes: self.pacer.bursts.largest(),
            bursts: self.pacer.bursts.histogram(),
        }
    }
}

/// IANA's name of a profile, as browsers show it in `srtpCipher`.
fn profile_name(profile: SrtpProfile) -> Option<&'static str> {
    Some(match profile {
        SrtpProfile::AeadAes256Gcm => "AEAD_AES_256_GCM",
        SrtpProfile::AeadAes128Gcm => "AEAD_AES_128_GCM",
        SrtpProfile::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
        SrtpProfile::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        SrtpProfile::Clear => return None,
    })
}

/// Counters of one direction.
#[derive(Debug, Default)]
pub(crate) struct DirectionCounters {
    bytes: u64,
    rtp_bytes: u64,
    rtx_bytes: u64,
    packets: u64,
    all: RateCounter,
    rtp: RateCounter,
    rtx: RateCounter,
}

impl DirectionCounters {
    #[inline]
    fn prefetch(&self) {
        prefetch(&self.bytes);
        prefetch(&self.packets);
        self.all.prefetch();
        self.rtp.prefetch();
    }

    /// Counts a datagram that is not RTP.
    pub(crate) fn count_other(&mut self, now: Instant, bytes: usize) {
        self.bytes += bytes as u64;
        self.all.add(now, bytes);
    }

    /// Counts an RTP packet by its protected size.
    pub(crate) fn count_rtp(&mut self, now: Instant, bytes: usize, retransmission: bool) {
        self.count_rtp_packets(now, 1, bytes, retransmission);
    }

    /// Counts RTP packets of this protected size together.
    pub(crate) fn count_rtp_packets(
        &mut self,
        now: Instant,
        packets: u64,
        bytes: usize,
        retransmission: bool,
    ) {
        self.count_other(now, bytes);
        self.packets += packets;
        if retransmission {
            self.rtx_bytes += bytes as u64;
            self.rtx.add(now, bytes);
        } else {
            self.rtp_bytes += bytes as u64;
            self.rtp.add(now, bytes);
        }
    }

    fn snapshot(&self, now: Instant) -> DirectionStats {
        DirectionStats {
            bytes: self.bytes,
            bitrate: self.all.bitrate(now),
            rtp_bytes: self.rtp_bytes,
            rtp_bitrate: self.rtp.bitrate(now),
            rtx_bytes: self.rtx_bytes,
            rtx_bitrate: self.rtx.bitrate(now),
            packets: self.packets,
        }
    }
}
