//! Taking connections from listening sockets.

use std::time::{Duration, Instant};

use plenum_engine::SocketIndex;
use plenum_udp::Interest;

use super::{FIRST_CONNECTION, Media, Socket};

/// Connections taken at once: some 10 µs of work each.
const ACCEPTS_A_TURN: usize = 32;

/// How long to leave a listening socket alone that failed, which is when there are no more descriptors: it would be ready at
/// once again, and some connections end in a second.
const PAUSE: Duration = Duration::from_secs(1);

/// Listening sockets that are left alone for a while, by when that ends.
#[derive(Debug, Default)]
pub(super) struct Pauses(Vec<(Instant, SocketIndex)>);

impl Pauses {
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.0.iter().map(|(until, _)| *until).min()
    }

    pub(super) fn forget(&mut self, index: SocketIndex) {
        self.0.retain(|(_, paused)| *paused != index);
    }
}

impl Media {
    /// Takes some connections; true if more may be waiting.
    pub(super) fn accept(&mut self, now: Instant, index: SocketIndex) -> bool {
        let Some(Some(Socket::Tcp(listener))) = self.sockets.get(usize::from(index)) else {
            return false;
        };
        for _ in 0..ACCEPTS_A_TURN {
            match listener.accept() {
                Ok(Some(stream)) => {
                    let poller = &self.poller;
                    self.connections.insert(now, index, stream, |stream, key| {
                        let token = FIRST_CONNECTION + key as u64;
                        poller.add(stream, token, Interest::Readable)
                    });
                }
                Ok(None) => return false,
                Err(_) => {
                    self.counters.receive_errors += 1;
                    if self.poller.remove(listener).is_ok() {
                        self.pauses.0.push((now + PAUSE, index));
                    }
                    return false;
                }
            }
        }
        true
    }

    /// Listens again where the pause is over.
    pub(super) fn resume_listeners(&mut self, now: Instant) {
        let Self {
            pauses,
            sockets,
            poller,
            ..
        } = self;
        pauses.0.retain_mut(|(until, index)| {
            if *until > now {
                return true;
            }
            let Some(Some(socket)) = sockets.get(usize::from(*index)) else {
                return false;
            };
            let failed = socket.register(poller, usize::from(*index)).is_err();
            *until = now + PAUSE;
            failed
        });
    }
}
