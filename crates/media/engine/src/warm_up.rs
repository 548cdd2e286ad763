//! Reading memory before it is needed.
//!
//! What belongs to one of hundreds of receivers has left the processor's fast caches since its last turn: all the others
//! and the kernel's copies of their packets came in between. Come upon piece by piece, each piece would be waited for,
//! and one receiver's pieces take as long as encrypting a packet or two. Read together, some turns ahead, they are waited
//! for once; nothing is done with them then.
//!
//! One piece says where the next one lies, so that each turn ahead reads another piece.

use std::net::SocketAddr;

use plenum_rtp::{PacketKind, classify};

use crate::{batch::Datagram, engine::Engine};

/// Datagrams that are looked at before they are handled.
const DATAGRAMS_AHEAD: usize = 4;

/// Reads values, of which the compiler must believe that they are used.
#[inline]
pub(crate) fn read<T: Copy>(values: T) {
    std::hint::black_box(values);
}

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

    /// The next datagram; some turns before that, what reports of receivers will need is read.
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
            if let Some(key) = key(2) {
                engine.warm_up_feedback(key);
            }
            if let Some(key) = key(1) {
                engine.warm_up_estimator(key);
            }
            if let Some(key) = key(0) {
                engine.warm_up_history(key);
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

impl Engine {
    /// Reads what the transports need whose turn to be sent to comes next.
    #[inline]
    pub(crate) fn warm_up_queue(&self) {
        if let Some((transport, consumer)) = self.fan_out.upcoming(1) {
            if let Some(transport) = self.transports.get(transport) {
                transport.warm_up_sending();
            }
            if let Some(consumer) = consumer.and_then(|key| self.consumers.get(key)) {
                consumer.warm_up();
            }
        }
        if let Some((transport, _)) = self.fan_out.upcoming(0) {
            self.warm_up_estimator(transport);
        }
    }

    /// The transport that a datagram belongs to, if it is RTCP.
    #[inline]
    fn reporter(&self, socket: u16, from: SocketAddr, data: &[u8]) -> Option<usize> {
        let is_report = classify(data) == PacketKind::Rtcp;
        let address = is_report.then_some((socket, from))?;
        self.addresses.get(&address).copied()
    }

    fn warm_up_feedback(&self, key: usize) {
        if let Some(transport) = self.transports.get(key) {
            transport.warm_up_feedback();
        }
    }

    fn warm_up_estimator(&self, key: usize) {
        let transport = self.transports.get(key);
        if let Some(estimator) = transport.and_then(|it| it.congestion.estimator()) {
            estimator.warm_up();
        }
    }

    fn warm_up_history(&self, key: usize) {
        let transport = self.transports.get(key);
        if let Some(estimator) = transport.and_then(|it| it.congestion.estimator()) {
            estimator.warm_up_history();
        }
    }
}
