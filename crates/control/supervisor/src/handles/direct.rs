//! RTP and RTCP of direct transports: what the node itself sends and receives.

use plenum_ids::{ConsumerId, ProducerId};
use plenum_ipc::{Packet, PacketKind};
use plenum_params::{
    media::{ReceiveParameters, SendParameters},
    stats::TransportStats,
};

use super::{
    ConsumerHandle, ProducerHandle, consume, data::DirectTransportHandle, produce, transport_stats,
};
use crate::{error::WorkerError, packets::ObjectPackets};

/// RTP packets of one consumer, or RTCP packets of one transport, until this is dropped.
#[derive(Debug)]
pub struct DirectPackets {
    kind: PacketKind,
    packets: ObjectPackets,
}

impl DirectTransportHandle {
    /// Creates a producer that the node writes to with [`ProducerHandle::send_rtp`].
    pub async fn produce(
        &self,
        id: ProducerId,
        parameters: ReceiveParameters,
        paused: bool,
    ) -> Result<ProducerHandle, WorkerError> {
        self.object
            .producer(id, produce(self.id, id, parameters, paused))
            .await
    }

    /// Creates a consumer whose packets come to the node. When `capacity` of them wait, more are lost.
    pub async fn consume(
        &self,
        id: ConsumerId,
        producer: ProducerId,
        parameters: SendParameters,
        paused: bool,
        capacity: usize,
    ) -> Result<(ConsumerHandle, DirectPackets), WorkerError> {
        // Before the first of them can come.
        let packets = self.packets(PacketKind::Rtp, id.as_u128(), capacity);
        let request = consume(self.id, id, producer, (parameters, paused));
        let handle = self.object.consumer(id, request).await?;
        Ok((handle, packets))
    }

    /// Sends an RTCP packet about its producers and consumers. Whether it left: it is lost when the worker is behind.
    pub fn send_rtcp(&self, data: &[u8]) -> Result<bool, WorkerError> {
        self.object.worker.send_packet(&Packet {
            kind: PacketKind::Rtcp,
            object: self.id.as_u128(),
            data,
        })
    }

    /// What the worker says by RTCP about its producers and consumers from now on.
    pub fn rtcp(&self, capacity: usize) -> DirectPackets {
        self.packets(PacketKind::Rtcp, self.id.as_u128(), capacity)
    }

    /// Its counters.
    pub async fn stats(&self) -> Result<TransportStats, WorkerError> {
        transport_stats(&self.object, self.id).await
    }

    fn packets(&self, kind: PacketKind, object: u128, capacity: usize) -> DirectPackets {
        let packets = self.object.worker.listen_to(object, capacity);
        DirectPackets { kind, packets }
    }
}

impl ProducerHandle {
    /// Sends an RTP packet of the node to everybody who consumes this one, which is on a direct transport. Whether it left:
    /// it is lost when the worker is behind.
    pub fn send_rtp(&self, data: &[u8]) -> Result<bool, WorkerError> {
        self.object.worker.send_packet(&Packet {
            kind: PacketKind::Rtp,
            object: self.id.as_u128(),
            data,
        })
    }
}

impl DirectPackets {
    /// The next packet; `None` when the worker is gone.
    pub async fn next(&mut self) -> Option<Box<[u8]>> {
        loop {
            let packet = self.packets.next().await?;
            if packet.kind == self.kind {
                return Some(packet.data);
            }
        }
    }
}
