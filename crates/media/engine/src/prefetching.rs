//! Asking for memory before it is needed.
//!
//! What belongs to one of hundreds of receivers has left the processor's fast caches since its last turn: all the others
//! and the kernel's copies of their packets came in between. Some turns ahead of each, all of it is asked for, so that
//! nothing waits for it then.
//!
//! One piece says where the next one lies, so that each turn ahead asks for another piece.

use std::net::SocketAddr;

use plenum_rtp::{PacketKind, classify};

use crate::{batch::Datagram, engine::Engine, transport::Transport};

/// Datagrams that are looked at before they are handled.
const DATAGRAMS_AHEAD: usize = 4;

/// Datagrams before their turn.
pub(crate) struct Ahead<'a, I> {
    rest: I,
    /// A ring.
    next: [Option<(Datagram<'a>, Option<usize>)>; DATAGRAMS_AHEAD],
    /// Where the next one lies.
    at: usize,
}

impl<'a, I: Iterator<Item = Datagram<'a>>> Ahead<'a, I> {
    pub(crate) fn new(datagrams: I) -> Self {
        Self {
            rest: datagrams,
            next: [const { None }; DATAGRAMS_AHEAD],
            at: 0,
        }
    }

    /// The next datagram; some turns before that, what reports of receivers will need is asked for.
    pub(crate) fn next(&mut self, engine: &Engine) -> Option<Datagram<'a>> {
        loop {
            let came = self.rest.next();
            let is_over = came.is_none();
            let came = came.map(|datagram| {
                let key = engine.reporter(datagram.socket, datagram.from, datagram.data);
                (datagram, key)
            });
            let next = std::mem::replace(&mut self.next[self.at], came);
            self.at = (self.at + 1) % DATAGRAMS_AHEAD;
            let key = |turns: usize| {
                let place = &self.next[(self.at + turns) % DATAGRAMS_AHEAD];
                place.as_ref().and_then(|(_, key)| *key)
            };
            for (turns, prefetch) in FEEDBACK_STAGES.into_iter().enumerate() {
                if let Some(transport) = key(turns).and_then(|key| engine.transports.get(key)) {
                    prefetch(transport);
                }
            }
            if let Some((datagram, _)) = next {
                return Some(datagram);
            }
            if is_over && self.next.iter().all(Option::is_none) {
                return None;
            }
        }
    }
}

/// What is asked for of a transport before feedback about what it sent: none, one and two turns ahead.
const FEEDBACK_STAGES: [fn(&Transport); 3] = [
    |transport| {
        if let Some(estimator) = transport.congestion.estimator() {
            estimator.prefetch_unanswered();
        }
    },
    |transport| {
        if let Some(session) = &transport.srtp {
            session.opener.prefetch_rtcp_senders();
        }
        if let Some(estimator) = transport.congestion.estimator() {
            estimator.prefetch_feedback();
        }
    },
    Transport::prefetch_feedback,
];

impl Engine {
    /// Asks for what the transports need whose turn to be sent to comes next.
    #[inline]
    pub(crate) fn prefetch_upcoming(&self) {
        if let Some((transport, consumer)) = self.fan_out.upcoming(2) {
            if let Some(transport) = self.transports.get(transport) {
                transport.prefetch_sending();
            }
            if let Some(consumer) = consumer.and_then(|key| self.consumers.get(key)) {
                consumer.prefetch();
            }
        }
        let estimator = |turns| {
            let (transport, _) = self.fan_out.upcoming(turns)?;
            self.transports.get(transport)?.congestion.estimator()
        };
        if let Some(estimator) = estimator(1) {
            estimator.prefetch_sending();
        }
        if let Some(estimator) = estimator(0) {
            estimator.prefetch_unsent();
        }
    }

    /// The transport that a datagram belongs to, if it is RTCP.
    #[inline]
    fn reporter(&self, socket: u16, from: SocketAddr, data: &[u8]) -> Option<usize> {
        let is_report = classify(data) == PacketKind::Rtcp;
        let address = is_report.then_some((socket, from))?;
        self.addresses.get(&address).copied()
    }
}
