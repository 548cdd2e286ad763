//! A peer of our own parts.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow};
use plenum_client::{
    Codec, TransportState,
    peer::{
        Datagrams, ExtensionIds, Packet, ReceiveStream, SendStream, StreamKey, Transport,
        TransportConfig,
    },
};
use plenum_dtls::{Certificate, Fingerprint};
use plenum_harness::parameters::{received, sent};
use plenum_params::{media::MediaKind, transport::DtlsParameters};

use super::{Direction, Frame, PACKETS, Peer, Seat, TICKS_PER_FRAME, Taken, dtls_parameters};

pub(super) struct OwnPeer {
    transport: Transport,
    key: StreamKey,
    out: Datagrams,
    /// How many of them have been collected.
    collected: usize,
    due: Option<Instant>,
}

impl OwnPeer {
    pub(super) fn new(now: Instant, seat: &Seat) -> Result<(Self, DtlsParameters)> {
        let certificate = Certificate::generate()?;
        let fingerprint = certificate.fingerprint();
        let told = dtls_parameters(fingerprint.algorithm.name(), fingerprint.to_string());
        let fingerprints = seat.info.dtls_parameters.fingerprints.iter();
        let fingerprints = fingerprints.map(|one| Fingerprint::parse(&one.algorithm, &one.value));
        let ice = &seat.info.ice_parameters;
        let config = TransportConfig {
            username_fragment: ice.username_fragment.clone(),
            password: ice.password.clone(),
            addresses: vec![seat.remote().context("an address of the engine")?],
            fingerprints: fingerprints.collect::<Result<_, _>>()?,
            holds_dtls: false,
            seed: [seat.address.port() as u8; 32],
            wall_clock: (now, SystemTime::now()),
            cname: "bench".to_owned(),
        };
        let mut transport = Transport::new(now, certificate, config)
            .map_err(|error| anyhow!("no transport: {error:?}"))?;
        let key = match seat.direction {
            Direction::Receive => transport.add_stream(now, receive_stream(seat.ssrc)),
            Direction::Send => transport.add_sender(send_stream(seat.ssrc)),
        };
        let peer = Self {
            transport,
            key,
            out: Datagrams::new(),
            collected: 0,
            due: Some(now),
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

    /// What follows every call.
    fn end(&mut self) {
        while self.transport.poll_event().is_some() {}
        self.due = self.transport.poll_timeout();
    }
}

impl Peer for OwnPeer {
    fn handle_datagrams(&mut self, now: Instant, inbox: &mut [Vec<u8>], taken: &mut Taken) {
        self.begin();
        for datagram in inbox {
            self.transport
                .handle_datagram(now, datagram, &mut self.out, &mut |_, packet| {
                    taken.take(packet.payload);
                });
        }
        self.end();
    }

    fn send(&mut self, now: Instant, frame: &Frame) {
        self.begin();
        let ticks = u64::from(TICKS_PER_FRAME) * frame.number;
        let time = Duration::from_nanos(ticks * 100_000 / 9);
        for (number, payload) in frame.payloads() {
            let packet = Packet {
                time,
                marker: number + 1 == PACKETS,
                payload: [payload, &[]],
                ..Packet::default()
            };
            self.transport.send(now, self.key, &packet, &mut self.out);
        }
        self.end();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.begin();
        self.transport.handle_timeout(now, &mut self.out);
        self.end();
    }

    fn due(&self) -> Option<Instant> {
        self.due
    }

    fn is_connected(&self) -> bool {
        self.transport.state() == TransportState::Connected
    }

    fn collect(&mut self, into: &mut Vec<Vec<u8>>) {
        let fresh = self.out.iter().skip(self.collected);
        into.extend(fresh.map(|datagram| datagram.data.to_vec()));
        self.collected = self.out.len();
    }
}

fn receive_stream(ssrc: u32) -> ReceiveStream {
    ReceiveStream {
        kind: MediaKind::Video,
        ssrc,
        rtx_ssrc: Some(ssrc + 1),
        payload_type: 101,
        clock_rate: 90_000,
        codec: Some(Codec::Vp8),
        nack: true,
        pli: true,
        transport_cc: Some(received::TRANSPORT_CC),
        abs_capture_time: None,
    }
}

fn send_stream(ssrc: u32) -> SendStream {
    SendStream {
        kind: MediaKind::Video,
        ssrc,
        rtx: Some((ssrc + 1, 97)),
        payload_type: 96,
        clock_rate: 90_000,
        extensions: ExtensionIds {
            mid: Some(sent::MID),
            transport_cc: Some(sent::TRANSPORT_CC),
            ..ExtensionIds::default()
        },
        mid: "1".to_owned(),
        rid: None,
        first_sequence_number: 0,
        first_timestamp: 0,
    }
}
