//! What the engine remembers of what arrived, in numbers: attacks shall not make them grow.

use crate::engine::Engine;

/// Sizes of everything that a sender of datagrams can make the engine keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Footprint {
    /// Addresses that lead to a transport.
    pub addresses: usize,
    /// SSRCs of received RTP streams.
    pub ssrcs: usize,
    /// SSRCs whose RTCP replay state is kept.
    pub rtcp_senders: usize,
    /// DTLS associations.
    pub dtls_endpoints: usize,
    /// DTLS datagrams that came before it was known from whom to take them.
    pub early_dtls: usize,
    /// Packets that are missing and asked for.
    pub missing_packets: usize,
    /// Retransmissions that wait for their turn.
    pub retransmissions: usize,
    /// Packets that wait for their receivers' budgets.
    pub paced_packets: usize,
    /// Bytes of the packet rings.
    pub ring_bytes: usize,
    /// Bytes of the queue of STUN, DTLS and RTCP to send.
    pub control_bytes: usize,
    /// Deadlines, stale ones included.
    pub timers: usize,
    /// Events that nobody fetched yet.
    pub events: usize,
}

impl Engine {
    /// The present sizes. Walks all objects: for tests, not for every packet.
    #[doc(hidden)]
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let mut footprint = Footprint {
            addresses: self.addresses.len(),
            control_bytes: self.control.footprint(),
            timers: self.timers.len(),
            events: self.events.len() + self.traces.len(),
            ..Footprint::default()
        };
        for (_, transport) in &self.transports {
            footprint.ssrcs += transport.receive.len();
            footprint.dtls_endpoints += usize::from(transport.dtls.is_some());
            footprint.early_dtls += transport.early_dtls.len();
            footprint.retransmissions += transport.retransmissions.len();
            footprint.paced_packets += transport.pacer.len();
            if let Some(session) = &transport.srtp {
                footprint.rtcp_senders += session.opener.rtcp_senders().count();
            }
        }
        let streams = self
            .producers
            .iter()
            .flat_map(|(_, producer)| &producer.streams);
        for stream in streams {
            footprint.ring_bytes += stream.ring.footprint();
            footprint.missing_packets += stream.nacks.missing_count();
        }
        footprint
    }
}
