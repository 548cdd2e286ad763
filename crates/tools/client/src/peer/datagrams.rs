//! Datagrams that wait to be sent, one behind the other in one piece of memory.

use std::net::SocketAddr;

/// Datagrams that wait to be sent. Reused for as long as the caller likes: clearing keeps the memory.
#[derive(Debug, Default)]
pub struct Datagrams {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Datagram<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// Its payload.
    pub data: &'a [u8],
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    to: SocketAddr,
    end: usize,
}

impl Datagrams {
    /// An empty batch.
    pub const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Adds a datagram of at most `room` bytes, which `write` fills in; it says how long the datagram has become. `None`:
    /// there is none after all.
    pub fn push_with(
        &mut self,
        to: SocketAddr,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        let start = self.bytes.len();
        self.bytes.resize(start + room, 0);
        let space = self.bytes.get_mut(start..).unwrap_or_default();
        let len = write(space).filter(|len| *len <= room && *len > 0);
        self.bytes.truncate(start + len.unwrap_or(0));
        if len.is_some() {
            self.entries.push(Entry {
                to,
                end: self.bytes.len(),
            });
        }
        len.is_some()
    }

    /// Adds a copy of a datagram.
    pub fn push(&mut self, to: SocketAddr, data: &[u8]) {
        self.push_with(to, data.len(), |space| {
            space.copy_from_slice(data);
            Some(data.len())
        });
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| {
            let data = self.bytes.get(start..entry.end).unwrap_or_default();
            start = entry.end;
            Datagram { to: entry.to, data }
        })
    }

    /// Runs that can leave as one message: to one address, all of the length of the first but the last one, which may be
    /// shorter. At most `max` to a run.
    pub fn runs(&self, max: usize) -> impl Iterator<Item = (Datagram<'_>, u16)> {
        let mut next = 0;
        std::iter::from_fn(move || {
            let first = *self.entries.get(next)?;
            let start = next.checked_sub(1).map_or(0, |before| self.end(before));
            let size = first.end - start;
            let mut end = first.end;
            next += 1;
            let mut count = 1;
            while count < max
                && let Some(entry) = self.entries.get(next)
                && entry.to == first.to
                && entry.end - end <= size
                && entry.end - start <= MAX_RUN_BYTES
            {
                let is_last = entry.end - end < size;
                end = entry.end;
                next += 1;
                count += 1;
                if is_last {
                    break;
                }
            }
            let data = self.bytes.get(start..end).unwrap_or_default();
            let run = Datagram { to: first.to, data };
            Some((run, u16::try_from(size).unwrap_or(u16::MAX)))
        })
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }

    fn end(&self, index: usize) -> usize {
        self.entries.get(index).map_or(0, |entry| entry.end)
    }
}

/// What a UDP datagram over IPv4 can carry, and so what the kernel takes as one message.
const MAX_RUN_BYTES: usize = 65_507;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn to(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    #[test]
    fn what_fits_together_leaves_together() {
        let mut batch = Datagrams::new();
        for (port, len) in [(1, 10), (1, 10), (1, 7), (1, 10), (2, 10), (2, 11)] {
            batch.push(to(port), &vec![len as u8; len]);
        }
        let runs: Vec<_> = batch
            .runs(64)
            .map(|(run, size)| (run.to.port(), run.data.len(), size))
            .collect();
        assert_eq!(runs, [(1, 27, 10), (1, 10, 10), (2, 10, 10), (2, 11, 11)]);
        assert_eq!(batch.runs(2).count(), 5);
        let lengths: Vec<_> = batch.iter().map(|it| it.data.len()).collect();
        assert_eq!(lengths, [10, 10, 7, 10, 10, 11]);
        batch.clear();
        assert!(batch.is_empty() && batch.runs(64).next().is_none());
    }

    #[test]
    fn what_could_not_be_written_is_not_there() {
        let mut batch = Datagrams::new();
        assert!(!batch.push_with(to(1), 100, |_| None));
        assert!(!batch.push_with(to(1), 100, |_| Some(0)));
        assert!(!batch.push_with(to(1), 100, |_| Some(101)));
        assert!(batch.push_with(to(1), 100, |space| {
            space[0] = 7;
            Some(1)
        }));
        assert_eq!(batch.len(), 1);
        assert_eq!(batch.iter().next().map(|it| it.data), Some(&[7][..]));
    }
}
