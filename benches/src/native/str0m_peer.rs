//! A peer of str0m in RTP mode, driven as its documentation wants it: after every datagram all output is taken.

use std::{
    net::SocketAddr,
    str::FromStr as _,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use plenum_harness::parameters::{received, sent};
use plenum_params::transport::DtlsParameters;
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    config::Fingerprint,
    crypto,
    format::{Codec, FormatParams},
    ice::IceCreds,
    media::{Frequency, MediaKind, Mid},
    net::{DatagramSend, Protocol, Receive},
    rtp::{Extension, RtpWrite},
};

use super::{Direction, Frame, HISTORY, PACKETS, Peer, Seat, Taken, dtls_parameters};

/// How long str0m keeps packets by itself: longer than [`HISTORY`] lasts.
const HISTORY_TIME: Duration = Duration::from_secs(3);

/// Share of retransmissions at which str0m sends no more of them, by default.
const HISTORY_SHARE: f32 = 0.15;

pub(super) struct Str0mPeer {
    rtc: Rtc,
    address: SocketAddr,
    remote: SocketAddr,
    ssrc: u32,
    out: Vec<DatagramSend>,
    /// How many of them have been collected.
    collected: usize,
    due: Instant,
    is_connected: bool,
}

impl Str0mPeer {
    pub(super) fn new(now: Instant, seat: &Seat) -> Result<(Self, DtlsParameters)> {
        let remote = seat.remote().context("an address of the engine")?;
        let mut rtc = config(seat.direction).build(now);
        rtc.add_local_candidate(Candidate::host(seat.address, Protocol::Udp)?);
        rtc.add_remote_candidate(Candidate::host(remote, Protocol::Udp)?);
        let fingerprints = &seat.info.dtls_parameters.fingerprints;
        let expected = fingerprints.first().context("a certificate")?;
        let expected = format!("{} {}", expected.algorithm, expected.value);
        let expected = Fingerprint::from_str(&expected).ok().context("as in SDP")?;
        let mut direct = rtc.direct_api();
        direct.set_ice_controlling(true);
        direct.set_remote_ice_credentials(IceCreds {
            ufrag: seat.info.ice_parameters.username_fragment.clone(),
            pass: seat.info.ice_parameters.password.clone(),
        });
        direct.set_remote_fingerprint(expected);
        direct.enable_twcc_feedback();
        direct.start_dtls(true)?;
        let own = direct.local_dtls_fingerprint();
        let text = own.to_string();
        let (_, value) = text.split_once(' ').context("algorithm and value")?;
        let told = dtls_parameters(&own.hash_func, value.to_owned());
        let (ssrc, rtx) = (seat.ssrc.into(), Some((seat.ssrc + 1).into()));
        match seat.direction {
            Direction::Receive => {
                let mid = Mid::from("0");
                direct.declare_media(mid, MediaKind::Video);
                direct.expect_stream_rx(ssrc, rtx, mid, None);
            }
            Direction::Send => {
                let mid = Mid::from("1");
                direct.declare_media(mid, MediaKind::Video);
                direct
                    .declare_stream_tx(ssrc, rtx, mid, None)
                    .set_rtx_cache(HISTORY, HISTORY_TIME, Some(HISTORY_SHARE));
            }
        }
        let peer = Self {
            rtc,
            address: seat.address,
            remote,
            ssrc: seat.ssrc,
            out: Vec::new(),
            collected: 0,
            due: now,
            is_connected: false,
        };
        Ok((peer, told))
    }

    /// Gives back what has been collected.
    fn begin(&mut self) {
        if self.collected == self.out.len() {
            self.out.clear();
            self.collected = 0;
        }
    }

    fn drain(&mut self, taken: &mut Taken) {
        loop {
            match self.rtc.poll_output().expect("str0m goes on") {
                Output::Timeout(due) => {
                    self.due = due;
                    return;
                }
                Output::Transmit(transmit) => self.out.push(transmit.contents),
                Output::Event(Event::RtpPacket(packet)) => taken.take(&packet.payload),
                Output::Event(Event::Connected) => self.is_connected = true,
                Output::Event(_) => {}
            }
        }
    }
}

impl Peer for Str0mPeer {
    fn handle_datagrams(&mut self, now: Instant, inbox: &mut [Vec<u8>], taken: &mut Taken) {
        self.begin();
        for datagram in inbox {
            let receive = Receive::new(Protocol::Udp, self.remote, self.address, datagram);
            let receive = receive.expect("a protocol of WebRTC");
            let input = Input::Receive(now, receive);
            self.rtc.handle_input(input).expect("str0m goes on");
            self.drain(taken);
        }
    }

    /// All packets of the frame are given to str0m before it is asked for datagrams: less than that cannot be done.
    fn send(&mut self, now: Instant, frame: &Frame) {
        self.begin();
        let timestamp = Frame::timestamp(frame.number);
        let first = frame.number * PACKETS as u64;
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx(&self.ssrc.into());
        let stream = stream.expect("declared before");
        for (number, payload) in frame.payloads() {
            let index = first + number as u64;
            let packet = RtpWrite::new(96.into(), index.into(), timestamp, now, payload);
            let packet = packet.marker(number + 1 == PACKETS).nackable(true);
            stream.write_rtp(packet);
        }
        self.handle_timeout(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.begin();
        let input = Input::Timeout(now);
        self.rtc.handle_input(input).expect("str0m goes on");
        self.drain(&mut Taken::default());
    }

    fn due(&self) -> Option<Instant> {
        Some(self.due)
    }

    fn is_connected(&self) -> bool {
        self.is_connected
    }

    fn collect(&mut self, into: &mut Vec<Vec<u8>>) {
        into.extend(self.out[self.collected..].iter().map(|one| one.to_vec()));
        self.collected = self.out.len();
    }
}

/// Without statistics and raw packets, which cost and which ours does not have.
fn config(direction: Direction) -> RtcConfig {
    let mut config = RtcConfig::new()
        .set_crypto_provider(Arc::new(crypto::from_feature_flags()))
        .set_rtp_mode(true)
        .set_stats_interval(None)
        .clear_codecs()
        .clear_extension_map();
    let (extensions, payload_types): (&[_], _) = match direction {
        Direction::Receive => (
            &[
                (received::MID, Extension::RtpMid),
                (received::ABS_SEND_TIME, Extension::AbsoluteSendTime),
                (received::TRANSPORT_CC, Extension::TransportSequenceNumber),
            ],
            (101, 102),
        ),
        Direction::Send => (
            &[
                (sent::MID, Extension::RtpMid),
                (sent::TRANSPORT_CC, Extension::TransportSequenceNumber),
            ],
            (96, 97),
        ),
    };
    for (id, extension) in extensions {
        config = config.set_extension(*id, extension.clone());
    }
    config.codec_config().add_config(
        payload_types.0.into(),
        Some(payload_types.1.into()),
        Codec::Vp8,
        Frequency::NINETY_KHZ,
        None,
        FormatParams::default(),
    );
    config
}
