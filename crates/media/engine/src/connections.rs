//! What becomes of a transport whose path is a TCP connection.
//!
//! A connection takes what it is given in order and loses nothing, so that what it cannot take at once waits - and all
//! that comes after it, too. The worker bounds that queue, and says when too much waits in it. Then the receiver is sent no
//! media at all until most of it has left: whole pictures are left out, and each stream goes on with a key frame, under
//! numbers without a gap. Sound goes on where it is.

use std::{net::SocketAddr, time::Instant};

use plenum_params::media::MediaKind;

use crate::{config::SocketIndex, engine::Engine};

impl Engine {
    /// Whether a transport takes what comes from there: it has passed an ICE check.
    pub fn takes_path(&self, socket: SocketIndex, remote: SocketAddr) -> bool {
        self.addresses.contains_key(&(socket, remote))
    }

    /// A connection takes no more media for now.
    pub fn handle_blocked(&mut self, socket: SocketIndex, remote: SocketAddr) {
        let Some(key) = self.receiver_at(socket, remote) else {
            return;
        };
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        transport.blocked = true;
        transport.retransmissions.clear();
        transport.pacer.clear();
        for &consumer_key in &transport.consumers {
            let Some(consumer) = self.consumers.get_mut(consumer_key) else {
                continue;
            };
            if consumer.parameters.kind == MediaKind::Video {
                // What is on its way arrives; a receiver that asks for the rest of a picture shall not get it.
                let end = consumer.next_out();
                transport.pacer.abandon(consumer_key as u32, end);
                consumer.resync();
            }
        }
        self.counters.media.connections_blocked += 1;
    }

    /// A connection that was blocked takes media again.
    pub fn handle_unblocked(&mut self, now: Instant, socket: SocketIndex, remote: SocketAddr) {
        if let Some(key) = self.receiver_at(socket, remote)
            && let Some(transport) = self.transports.get_mut(key)
            && std::mem::take(&mut transport.blocked)
        {
            self.handle_flowing(now, key);
        }
    }

    /// A connection was closed by the other side or is broken.
    pub fn handle_hang_up(&mut self, now: Instant, socket: SocketIndex, remote: SocketAddr) {
        let Some(&key) = self.addresses.get(&(socket, remote)) else {
            return;
        };
        let Some(transport) = self.transports.get_mut(key) else {
            return;
        };
        if let Some(ice) = &mut transport.ice {
            ice.remove_tuple(now, socket, remote);
        }
        self.handle_ice_events(now, key);
    }

    /// Goes on after a transport was blocked.
    pub(crate) fn handle_flowing(&mut self, now: Instant, key: usize) {
        let Some(transport) = self.transports.get(key) else {
            return;
        };
        for consumer_key in transport.consumers.clone() {
            let consumer = self.consumers.get_mut(consumer_key);
            if let Some(consumer) = consumer.filter(|it| it.parameters.kind == MediaKind::Video) {
                // Also one that was made meanwhile, and did not see what passed.
                consumer.resync();
                self.request_key_frame_for(now, consumer_key);
            }
        }
    }

    /// The transport whose media leaves over this connection.
    fn receiver_at(&self, socket: SocketIndex, remote: SocketAddr) -> Option<usize> {
        let &key = self.addresses.get(&(socket, remote))?;
        let transport = self.transports.get(key)?;
        (transport.path == Some((socket, remote))).then_some(key)
    }
}
