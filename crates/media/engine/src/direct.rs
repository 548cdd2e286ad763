//! Direct transports: the other side is the node itself, which hands packets in and takes them out.
//!
//! Their packets leave with all others, as messages to [`NODE_SOCKET`], which is none: whoever sends a batch asks
//! [`Engine::direct_packet`] what each of them is and brings it to the node.

use std::{
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Instant,
};

use plenum_ids::{ConsumerId, ProducerId, RouterId, TransportId};
use plenum_params::{data::SctpOptions, transport::WebRtcTransportOptions};
use plenum_rtp::{PacketKind, RtpHeader, classify};

use crate::{
    config::SocketIndex,
    data::{Carrier, DataPart},
    engine::Engine,
    error::EngineError,
    pacer::Pacer,
    transport::{SrtpSession, Transport},
};

/// In the place of a socket: the node.
pub const NODE_SOCKET: SocketIndex = SocketIndex::MAX;

/// What a packet for the node is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are no other packets")]
pub enum DirectPacket {
    /// RTP of a consumer.
    Rtp(ConsumerId),
    /// RTCP of a transport.
    Rtcp(TransportId),
}

impl Engine {
    /// Makes a direct transport.
    pub fn create_direct_transport(
        &mut self,
        now: Instant,
        router_id: RouterId,
        id: TransportId,
    ) -> Result<(), EngineError> {
        self.check_new_transport(router_id, id)?;
        let numbers = (self.random_u32(), self.random_u32() as u16);
        let transport = Transport::new(id, now, numbers, &WebRtcTransportOptions::default());
        let data = DataPart::new(Carrier::Direct, SctpOptions::default());
        let transport = Transport {
            path: Some((NODE_SOCKET, address_of(self.transports.vacant_key()))),
            srtp: Some(SrtpSession::clear()),
            pacer: Pacer::for_trunk(),
            data: Some(Box::new(data)),
            ..transport
        };
        let key = self.insert_transport(router_id, transport);
        self.handle_connected(now, key);
        Ok(())
    }

    /// Takes an RTP packet of the node for a producer on a direct transport; whether it was of use. After the last of those
    /// that came together [`Self::handle_direct_end`] is called.
    pub fn handle_direct_rtp(&mut self, now: Instant, id: ProducerId, packet: &mut [u8]) -> bool {
        let producer = self.producer_keys.get(&id);
        let producer = producer.and_then(|&key| self.producers.get(key));
        let key = producer.map(|producer| producer.transport);
        let key = key.filter(|&key| self.is_direct(key) && classify(packet) == PacketKind::Rtp);
        let used = key.and_then(|key| self.handle_rtp(now, key, packet));
        self.count_direct(key, packet.len(), used.is_some())
    }

    /// The same for RTCP of the transport as a whole.
    pub fn handle_direct_rtcp(&mut self, now: Instant, id: TransportId, packet: &mut [u8]) -> bool {
        let key = self.transport_keys.get(&id).copied();
        let key = key.filter(|&key| self.is_direct(key) && classify(packet) == PacketKind::Rtcp);
        let used = key.and_then(|key| self.handle_srtcp(now, key, packet));
        self.count_direct(key, packet.len(), used.is_some())
    }

    /// Hands on what came since the last call.
    pub fn handle_direct_end(&mut self) {
        self.distribute();
    }

    /// What a packet of a message to [`NODE_SOCKET`] is; `None`: its consumer has just been closed.
    pub fn direct_packet(&self, to: SocketAddr, packet: &[u8]) -> Option<DirectPacket> {
        let transport = self.transports.get(key_of(to)?)?;
        if classify(packet) == PacketKind::Rtcp {
            return Some(DirectPacket::Rtcp(transport.id));
        }
        let ssrc = RtpHeader::parse(packet).ok()?.ssrc;
        let consumers = transport.consumers.iter();
        let mut consumers = consumers.filter_map(|&key| self.consumers.get(key));
        let found = consumers.find(|consumer| {
            let parameters = &consumer.parameters;
            parameters.ssrc == ssrc || parameters.rtx_ssrc == Some(ssrc)
        })?;
        Some(DirectPacket::Rtp(found.id))
    }

    fn is_direct(&self, key: usize) -> bool {
        let path = self
            .transports
            .get(key)
            .and_then(|transport| transport.path);
        path.is_some_and(|(socket, _)| socket == NODE_SOCKET)
    }

    fn count_direct(&mut self, key: Option<usize>, bytes: usize, used: bool) -> bool {
        self.counters.datagrams_received += 1;
        self.counters.bytes_received += bytes as u64;
        if !used {
            self.counters.discarded += 1;
            if let Some(transport) = key.and_then(|key| self.transports.get_mut(key)) {
                transport.discarded += 1;
            }
        }
        used
    }
}

/// The node in the eyes of a transport: an address that says which one it is.
fn address_of(key: usize) -> SocketAddr {
    SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, key as u32).into()
}

fn key_of(address: SocketAddr) -> Option<usize> {
    match address {
        SocketAddr::V6(address) => usize::try_from(address.scope_id()).ok(),
        SocketAddr::V4(_) => None,
    }
}
