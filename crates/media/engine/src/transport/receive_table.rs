//! Which stream an SSRC of a transport's sender is.

use std::collections::{HashMap, hash_map::Entry};

use foldhash::fast::RandomState;
use plenum_srtp::InboundStream;

use crate::trunk::MAX_SSRCS;

/// Which producer stream an SSRC feeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamTarget {
    pub(crate) producer: usize,
    pub(crate) stream: u8,
    pub(crate) retransmission: bool,
}

/// SSRCs of a transport's sender. Only signalled and authenticated ones get in, and no more than a peer can use.
#[derive(Debug)]
pub(crate) enum ReceiveTable {
    /// Those of a peer.
    Few(Few),
    /// Those of another worker.
    Many(HashMap<u32, ReceiveEntry, RandomState>),
}

/// A linear search over a few words beats a hash for the handful of SSRCs that a browser sends.
#[derive(Debug, Default)]
pub(crate) struct Few {
    ssrcs: Vec<u32>,
    entries: Vec<ReceiveEntry>,
}

/// One SSRC.
#[derive(Debug)]
pub(crate) struct ReceiveEntry {
    pub(crate) inbound: InboundStream,
    pub(crate) target: StreamTarget,
}

impl ReceiveTable {
    /// 16 producers with 4 simulcast streams and their retransmissions.
    const MAX_FEW: usize = 128;

    /// For a peer's transport.
    pub(crate) fn for_peer() -> Self {
        Self::Few(Few::default())
    }

    /// For a trunk.
    pub(crate) fn for_trunk() -> Self {
        Self::Many(HashMap::default())
    }

    /// What is known of an SSRC.
    #[inline]
    pub(crate) fn find(&mut self, ssrc: u32) -> Option<&mut ReceiveEntry> {
        match self {
            Self::Few(few) => {
                let index = few.ssrcs.iter().position(|&known| known == ssrc)?;
                few.entries.get_mut(index)
            }
            Self::Many(many) => many.get_mut(&ssrc),
        }
    }

    /// Remembers an SSRC; `false` when the table is full. A stream of a peer that changes its SSRC gives up the old one;
    /// on a trunk none does.
    pub(crate) fn insert(
        &mut self,
        ssrc: u32,
        inbound: InboundStream,
        target: StreamTarget,
    ) -> bool {
        let made = ReceiveEntry { inbound, target };
        match self {
            Self::Few(few) => {
                few.remove(|entry| entry.target == target);
                if few.ssrcs.len() >= Self::MAX_FEW {
                    return false;
                }
                few.ssrcs.push(ssrc);
                few.entries.push(made);
                true
            }
            Self::Many(many) => {
                let is_full = many.len() >= MAX_SSRCS;
                match many.entry(ssrc) {
                    Entry::Vacant(place) if !is_full => {
                        place.insert(made);
                        true
                    }
                    _ => false,
                }
            }
        }
    }

    /// How many SSRCs are remembered.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.ssrcs.len(),
            Self::Many(many) => many.len(),
        }
    }

    /// Forgets a producer's SSRCs, which are these as far as it knows them.
    pub(crate) fn remove_producer(&mut self, producer: usize, ssrcs: impl Iterator<Item = u32>) {
        match self {
            Self::Few(few) => few.remove(|entry| entry.target.producer == producer),
            Self::Many(many) => {
                for ssrc in ssrcs {
                    many.remove(&ssrc);
                }
            }
        }
    }

    /// The producers of all SSRCs, some more than once.
    pub(crate) fn producers(&self) -> impl Iterator<Item = usize> {
        let (few, many) = match self {
            Self::Few(few) => (Some(&few.entries), None),
            Self::Many(many) => (None, Some(many)),
        };
        let few = few.into_iter().flatten();
        let entries = few.chain(many.into_iter().flat_map(HashMap::values));
        entries.map(|entry| entry.target.producer)
    }
}

impl Few {
    fn remove(&mut self, predicate: impl Fn(&ReceiveEntry) -> bool) {
        while let Some(index) = self.entries.iter().position(&predicate) {
            self.entries.swap_remove(index);
            self.ssrcs.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(producer: usize, retransmission: bool) -> StreamTarget {
        StreamTarget {
            producer,
            stream: 0,
            retransmission,
        }
    }

    #[test]
    fn a_table_for_a_peer_ends_where_a_trunk_begins() {
        let mut few = ReceiveTable::for_peer();
        let mut many = ReceiveTable::for_trunk();
        for (ssrc, producer) in (0..200).zip(0..) {
            let fits = few.insert(ssrc, InboundStream::new(), target(producer, false));
            assert_eq!(fits, producer < ReceiveTable::MAX_FEW);
            assert!(many.insert(ssrc, InboundStream::new(), target(producer, false)));
        }
        assert_eq!((few.len(), many.len()), (128, 200));
        assert_eq!(many.find(150).map(|entry| entry.target.producer), Some(150));
        assert!(few.find(150).is_none());
    }

    #[test]
    fn a_trunk_takes_no_ssrc_over_and_no_more_than_there_is_room_for() {
        let mut many = ReceiveTable::for_trunk();
        for (ssrc, producer) in (0..).zip(0..MAX_SSRCS) {
            assert!(many.insert(ssrc, InboundStream::new(), target(producer, false)));
        }
        let beyond = MAX_SSRCS as u32;
        assert!(!many.insert(beyond, InboundStream::new(), target(1, false)));
        many.remove_producer(7, [7].into_iter());
        assert!(
            !many.insert(8, InboundStream::new(), target(7, false)),
            "taken"
        );
        assert!(many.insert(beyond, InboundStream::new(), target(7, false)));
    }

    #[test]
    fn a_closed_producer_leaves_nothing_behind() {
        for mut table in [ReceiveTable::for_peer(), ReceiveTable::for_trunk()] {
            for (ssrc, retransmission) in [(1, false), (2, true)] {
                assert!(table.insert(ssrc, InboundStream::new(), target(5, retransmission)));
            }
            assert!(table.insert(3, InboundStream::new(), target(6, false)));
            table.remove_producer(5, [1, 2].into_iter());
            assert_eq!(table.producers().collect::<Vec<_>>(), [6]);
        }
    }
}
