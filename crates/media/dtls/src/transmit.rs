//! Datagrams waiting to be sent.

use std::collections::VecDeque;

/// A queue of datagrams in one buffer, which is reused once everything was taken.
#[derive(Debug, Default)]
pub(crate) struct TransmitQueue {
    bytes: Vec<u8>,
    taken: usize,
    lens: VecDeque<usize>,
}

impl TransmitQueue {
    pub(crate) fn push(&mut self, datagram: &[u8]) {
        self.bytes.extend_from_slice(datagram);
        self.lens.push_back(datagram.len());
    }

    /// Copies the next datagram into `buf`; leaves it queued if `buf` is too short.
    pub(crate) fn pop_into(&mut self, buf: &mut [u8]) -> Option<usize> {
        let len = *self.lens.front()?;
        let from = self.bytes.get(self.taken..self.taken + len)?;
        buf.get_mut(..len)?.copy_from_slice(from);
        self.lens.pop_front();
        self.taken += len;
        if self.lens.is_empty() {
            self.bytes.clear();
            self.taken = 0;
        }
        Some(len)
    }

    pub(crate) fn len(&self) -> usize {
        self.lens.len()
    }
}
