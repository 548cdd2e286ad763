//! What only plain transports have: sockets of their own, and another side that says by `connect` where it is, or by its
//! first packet (`comedia`).
//!
//! Nothing is read from anywhere else: the addresses of the other side are entered among those that lead to a transport,
//! as those are that passed an ICE check, and a packet from another address is dropped. With `comedia` the first valid
//! packet enters its address, once and for good; with SRTP it is valid when it authenticates.

use std::{net::SocketAddr, time::Instant};

use plenum_params::{
    event::Event,
    transport::{PlainTransportInfo, PlainTransportOptions, SrtpParameters, Tuple},
};
use plenum_rtp::{PacketKind, RtpHeader};
use plenum_srtp::InboundStream;

use crate::{config::SocketIndex, engine::Engine, sockets::Sockets, transport::Transport};

/// Largest packet that can be the first one. RTP over UDP stays below an Ethernet frame; some tunnels carry more.
const MAX_FIRST_PACKET: usize = 2048;

/// A plain transport's part of a transport.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) options: PlainTransportOptions,
    /// For RTP, and for RTCP that shares its port.
    pub(crate) socket: SocketIndex,
    /// For RTCP that does not.
    pub(crate) rtcp_socket: Option<SocketIndex>,
    /// Where such RTCP goes.
    pub(crate) rtcp_path: Option<(SocketIndex, SocketAddr)>,
    /// Keys of what we send.
    pub(crate) keys: Option<SrtpParameters>,
    /// `connect` was called.
    pub(crate) is_connected: bool,
    /// What would go on where a packet left off that was too old: SSRC and sequence number.
    resumption: Option<(u32, u16)>,
}

impl Plain {
    pub(crate) fn new(
        options: PlainTransportOptions,
        (socket, rtcp_socket): (SocketIndex, Option<SocketIndex>),
        keys: Option<SrtpParameters>,
    ) -> Self {
        Self {
            options,
            socket,
            rtcp_socket,
            rtcp_path: None,
            keys,
            is_connected: false,
            resumption: None,
        }
    }
}

impl Transport {
    /// Where RTCP goes.
    pub(crate) fn rtcp_path(&self) -> Option<(SocketIndex, SocketAddr)> {
        match &self.plain {
            Some(plain) if plain.rtcp_socket.is_some() => plain.rtcp_path,
            _ => self.path,
        }
    }

    /// Everything that the other side of a plain transport is told; `None`: it is none.
    pub(crate) fn plain_info(&self, sockets: &Sockets) -> Option<PlainTransportInfo> {
        let plain = self.plain.as_ref()?;
        let local = |socket| Some(sockets.local(socket)?.0);
        Some(PlainTransportInfo {
            local: local(plain.socket)?,
            rtcp_local: plain.rtcp_socket.and_then(local),
            remote: self.path.map(|(_, remote)| remote),
            rtcp_remote: plain.rtcp_path.map(|(_, remote)| remote),
            srtp: plain.keys.clone(),
        })
    }

    /// Whether the first packet of this kind on this socket may say where the other side is.
    fn awaits(&self, socket: SocketIndex, kind: PacketKind) -> bool {
        let Some(plain) = self.plain.as_ref().filter(|plain| plain.options.comedia) else {
            return false;
        };
        let (is_fitting, path) = if plain.rtcp_socket == Some(socket) {
            (kind == PacketKind::Rtcp, plain.rtcp_path)
        } else {
            let is_rtcp_here = kind == PacketKind::Rtcp && plain.rtcp_socket.is_none();
            (kind == PacketKind::Rtp || is_rtcp_here, self.path)
        };
        is_fitting && path.is_none()
    }

    /// Whether an RTP packet is the other side's. The packet stays as it is, to be opened once more when that is known.
    fn is_genuine(&mut self, packet: &[u8]) -> bool {
        let mut copy = [0; MAX_FIRST_PACKET];
        let (Ok(header), Some(copy), Some(session)) = (
            RtpHeader::parse(packet),
            copy.get_mut(..packet.len()),
            &mut self.srtp,
        ) else {
            return false;
        };
        copy.copy_from_slice(packet);
        let opened = session
            .opener
            .open_rtp(&mut InboundStream::new(), copy, header.header_len);
        let plain = opened.ok().and_then(|opened| copy.get(..opened.len));
        plain.is_some_and(|plain| header.payload(plain).is_ok())
    }
}

impl Engine {
    /// Takes a datagram from an address that leads nowhere. It may be the first one of a plain transport's other side.
    #[cold]
    pub(crate) fn handle_stranger(
        &mut self,
        now: Instant,
        path: (SocketIndex, SocketAddr),
        kind: PacketKind,
        data: &mut [u8],
    ) {
        let owner = self.sockets.owner(path.0);
        let used = owner.and_then(|key| self.handle_first(now, key, path, kind, data));
        if used.is_none() {
            self.counters.discarded += 1;
            if let Some(transport) = owner.and_then(|key| self.transports.get_mut(key)) {
                transport.discarded += 1;
            }
        }
    }

    fn handle_first(
        &mut self,
        now: Instant,
        key: usize,
        path: (SocketIndex, SocketAddr),
        kind: PacketKind,
        data: &mut [u8],
    ) -> Option<()> {
        let transport = self.transports.get_mut(key)?;
        if !transport.awaits(path.0, kind) {
            return None;
        }
        if kind == PacketKind::Rtcp {
            self.handle_srtcp(now, key, data)?;
            self.enter_plain_path(now, key, path);
            return Some(());
        }
        if !transport.is_genuine(data) {
            return None;
        }
        // Also when it leads to no producer: who only receives shows with it where that is to be sent.
        self.enter_plain_path(now, key, path);
        self.handle_rtp(now, key, data)
    }

    /// The other side of a plain transport is there from now on.
    pub(crate) fn enter_plain_path(
        &mut self,
        now: Instant,
        key: usize,
        path: (SocketIndex, SocketAddr),
    ) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        let Some(plain) = &mut transport.plain else {
            return;
        };
        let (socket, remote) = path;
        let rtcp = plain.rtcp_socket == Some(socket);
        if rtcp {
            plain.rtcp_path = Some(path);
        } else {
            transport.path = Some(path);
        }
        if plain.options.comedia
            && let Some((local, protocol)) = self.sockets.local(socket)
        {
            self.events.push_back(Event::PlainTuple {
                transport: transport.id,
                tuple: Tuple {
                    local,
                    remote,
                    protocol,
                },
                rtcp,
            });
        }
        self.addresses.insert(path, key);
        if !rtcp {
            self.handle_connected(now, key);
        }
    }

    /// Whether a packet that is too old is the second of a sender that was started again with the SSRC that it was given,
    /// and counts from anywhere: two in a row say so (RFC 3550 appendix A.1). Then its stream begins anew. Where packets
    /// authenticate there is no such thing: the other side would have to be connected again.
    #[cold]
    pub(crate) fn begins_anew(
        &mut self,
        now: Instant,
        key: usize,
        ssrc: u32,
        sequence_number: u16,
    ) -> bool {
        let Some(transport) = self.transports.get_mut(key) else {
            return false;
        };
        let Some(plain) = transport.plain.as_mut().filter(|it| it.keys.is_none()) else {
            return false;
        };
        let resumption = (ssrc, sequence_number.wrapping_add(1));
        let awaited = plain.resumption.replace(resumption);
        if awaited != Some((ssrc, sequence_number)) {
            return false;
        }
        let Some(entry) = transport.receive.find(ssrc) else {
            return false;
        };
        let (producer_key, index) = (entry.target.producer, usize::from(entry.target.stream));
        let is_media = !entry.target.retransmission;
        let Some(producer) = self.producers.get_mut(producer_key) else {
            return false;
        };
        let (kind, encoding) = (
            producer.parameters.kind,
            producer.parameters.encodings.get(index),
        );
        if let (Some(stream), Some(encoding)) = (producer.streams.get_mut(index), encoding)
            && is_media
        {
            if !stream.may_change_ssrc(now) {
                return false;
            }
            stream.ssrc_changed = Some(now);
            stream.restart(kind, encoding);
        }
        entry.inbound = InboundStream::new();
        plain.resumption = None;
        if is_media {
            self.restart_consumers(now, producer_key);
        }
        true
    }

    /// The addresses of a plain transport lead nowhere from now on.
    pub(crate) fn forget_plain_paths(&mut self, key: usize) {
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if let Some(plain) = &mut transport.plain {
            for path in plain.rtcp_path.take().into_iter().chain(transport.path) {
                self.addresses.remove(&path);
            }
        }
    }
}
