//! The sockets that the engine knows: those that all transports share, and those of single transports.
//!
//! The engine opens and closes none: it is told of them, and says when it needs one no longer.

use std::net::SocketAddr;

use plenum_params::transport::Protocol;

use crate::{
    config::{SocketConfig, SocketIndex},
    engine::Engine,
    error::EngineError,
};

#[derive(Debug)]
struct Socket {
    config: SocketConfig,
    /// The transport that it belongs to; `None`: shared, or not yet given to one.
    owner: Option<usize>,
}

/// All sockets by their index.
#[derive(Debug)]
pub(crate) struct Sockets {
    entries: Vec<Option<Socket>>,
    /// The first so many are shared and stay.
    shared: usize,
    /// Sockets whose transport was closed, until somebody asks.
    released: Vec<SocketIndex>,
    /// TCP connections that no transport takes any more, until somebody asks.
    closed_paths: Vec<(SocketIndex, SocketAddr)>,
}

impl Sockets {
    pub(crate) fn new(shared: Vec<SocketConfig>) -> Self {
        let socket = |config| Socket {
            config,
            owner: None,
        };
        Self {
            shared: shared.len(),
            entries: shared
                .into_iter()
                .map(|config| Some(socket(config)))
                .collect(),
            released: Vec::new(),
            closed_paths: Vec::new(),
        }
    }

    pub(crate) fn get(&self, index: SocketIndex) -> Option<&SocketConfig> {
        Some(&self.entry(index)?.config)
    }

    pub(crate) fn local(&self, index: SocketIndex) -> Option<(SocketAddr, Protocol)> {
        let config = self.get(index)?;
        Some((config.local, config.protocol))
    }

    pub(crate) fn shared(&self) -> impl Iterator<Item = (SocketIndex, &SocketConfig)> + Clone {
        let shared = self.entries.iter().take(self.shared).zip(0..);
        shared.filter_map(|(entry, index)| Some((index, &entry.as_ref()?.config)))
    }

    /// The transport that a socket belongs to alone.
    pub(crate) fn owner(&self, index: SocketIndex) -> Option<usize> {
        self.entry(index)?.owner
    }

    fn entry(&self, index: SocketIndex) -> Option<&Socket> {
        self.entries.get(usize::from(index))?.as_ref()
    }

    fn add(&mut self, config: SocketConfig) -> Option<SocketIndex> {
        let free = self
            .entries
            .iter()
            .skip(self.shared)
            .position(Option::is_none);
        let index = free.map_or(self.entries.len(), |free| self.shared + free);
        let number = SocketIndex::try_from(index).ok()?;
        if index == self.entries.len() {
            self.entries.push(None);
        }
        let owner = None;
        self.entries[index] = Some(Socket { config, owner });
        Some(number)
    }

    /// Whether these can be given to a transport: they are there and nobody's.
    pub(crate) fn are_free(&self, sockets: &[SocketIndex]) -> bool {
        let is_free = |&index: &SocketIndex| {
            usize::from(index) >= self.shared
                && self
                    .entry(index)
                    .is_some_and(|socket| socket.owner.is_none())
        };
        sockets.iter().all(is_free)
    }

    pub(crate) fn give(&mut self, sockets: &[SocketIndex], owner: usize) {
        for &index in sockets {
            if let Some(Some(socket)) = self.entries.get_mut(usize::from(index)) {
                socket.owner = Some(owner);
            }
        }
    }

    /// Forgets sockets that were a transport's own. Their numbers are free again once somebody has heard of it, so that what
    /// is still to be sent leaves by the right ones.
    pub(crate) fn release(&mut self, sockets: &[SocketIndex]) {
        self.released.extend_from_slice(sockets);
    }

    /// A connection is of no use any more. Other paths have nothing to close.
    pub(crate) fn close_path(&mut self, socket: SocketIndex, remote: SocketAddr) {
        if self.get(socket).map(|socket| socket.protocol) == Some(Protocol::Tcp) {
            self.closed_paths.push((socket, remote));
        }
    }
}

impl Engine {
    /// Tells the engine of a socket that a single transport is to get as its own.
    pub fn add_socket(&mut self, config: SocketConfig) -> Result<SocketIndex, EngineError> {
        let full = || EngineError::Limit("there are no more numbers for sockets".into());
        self.sockets.add(config).ok_or_else(full)
    }

    /// Takes back a socket that no transport has got. Shared ones stay.
    pub fn remove_socket(&mut self, index: SocketIndex) {
        if self.sockets.are_free(&[index])
            && let Some(entry) = self.sockets.entries.get_mut(usize::from(index))
        {
            *entry = None;
        }
    }

    /// The next socket whose transport was closed. It is to be closed after everything was sent that waits for
    /// [`Self::poll_transmit`].
    pub fn poll_released_socket(&mut self) -> Option<SocketIndex> {
        let index = self.sockets.released.pop()?;
        if let Some(entry) = self.sockets.entries.get_mut(usize::from(index)) {
            *entry = None;
        }
        Some(index)
    }

    /// The next TCP connection that no transport takes any more: its check was too long ago, or the transport was closed. It
    /// is to be closed after everything was sent that waits for [`Self::poll_transmit`].
    pub fn poll_closed_path(&mut self) -> Option<(SocketIndex, SocketAddr)> {
        self.sockets.closed_paths.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(port: u16, protocol: Protocol) -> SocketConfig {
        SocketConfig {
            protocol,
            ..SocketConfig::new(SocketAddr::from(([127, 0, 0, 1], port)))
        }
    }

    #[test]
    fn numbers_of_own_sockets_are_used_again_and_shared_ones_stay() {
        let mut sockets = Sockets::new(vec![socket(1, Protocol::Udp), socket(2, Protocol::Tcp)]);
        assert_eq!(sockets.shared().map(|(index, _)| index).max(), Some(1));
        assert!(!sockets.are_free(&[0]));
        assert_eq!(sockets.add(socket(3, Protocol::Udp)), Some(2));
        assert_eq!(sockets.add(socket(4, Protocol::Udp)), Some(3));
        assert!(sockets.are_free(&[2, 3]) && !sockets.are_free(&[4]));
        sockets.give(&[2], 7);
        assert_eq!(
            (sockets.owner(2), sockets.owner(3), sockets.owner(0)),
            (Some(7), None, None)
        );
        assert!(!sockets.are_free(&[2, 3]));
        sockets.entries[2] = None;
        assert_eq!(sockets.add(socket(5, Protocol::Tcp)), Some(2));
        assert_eq!(sockets.shared().count(), 2);
        let remote = SocketAddr::from(([127, 0, 0, 1], 9));
        sockets.close_path(0, remote);
        sockets.close_path(2, remote);
        assert_eq!(sockets.closed_paths, [(2, remote)]);
    }
}
