//! Connections of which it is not yet known who they are.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::Limits;

/// How many strangers there are, by address.
#[derive(Debug)]
pub(crate) struct Strangers {
    max: usize,
    max_of_one: usize,
    table: Mutex<Table>,
    turned_away: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    all: usize,
    of_address: HashMap<IpAddr, usize>,
    told: Option<Instant>,
}

/// Lines in a log about strangers are so far apart. Figures count all of them.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

/// A stranger, who counts as long as this is there.
#[derive(Debug)]
pub(crate) struct Stranger {
    strangers: Arc<Strangers>,
    address: IpAddr,
}

impl Strangers {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            max: limits.strangers,
            max_of_one: limits.strangers_per_address,
            table: Mutex::default(),
            turned_away: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// A place for one more, if there is one.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Stranger> {
        let address = customer(address);
        let mut table = self.table();
        let of_one = table.of_address.get(&address).copied().unwrap_or(0);
        if table.all >= self.max || of_one >= self.max_of_one {
            self.turned_away.fetch_add(1, Relaxed);
            return None;
        }
        table.all += 1;
        table.of_address.insert(address, of_one + 1);
        Some(Stranger {
            strangers: Arc::clone(self),
            address,
        })
    }

    /// One of them was not a node, or not one of ours. Whether to tell of it: once in a while, as strangers could fill
    /// a log.
    pub(crate) fn count_failure(&self) -> bool {
        self.failed.fetch_add(1, Relaxed);
        let mut table = self.table();
        let now = Instant::now();
        let long_ago = |told| now.duration_since(told) >= TELL_INTERVAL;
        let tell = table.told.is_none_or(long_ago);
        if tell {
            table.told = Some(now);
        }
        tell
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Relaxed)
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut table = self.strangers.table();
        table.all -= 1;
        if let Some(count) = table.of_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                table.of_address.remove(&self.address);
            }
        }
    }
}

/// A network of IPv6 that one customer has (RFC 6177) counts as one address.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(prefix).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_few_and_one_address_does_not_have_all_places() {
        let limits = Limits {
            strangers: 3,
            strangers_per_address: 2,
            ..Limits::default()
        };
        let strangers = Arc::new(Strangers::new(&limits));
        let take = |text: &str| strangers.take(text.parse().expect("an address"));
        let first = take("2001:db8::1").expect("room");
        let _second = take("2001:db8::2").expect("room");
        assert!(take("2001:db8::3").is_none(), "the same network");
        let _third = take("::ffff:192.0.2.1").expect("room");
        assert!(take("192.0.2.2").is_none(), "as many as there may be");
        drop(first);
        assert!(take("192.0.2.1").is_some());
        assert_eq!(strangers.turned_away(), 2);
        assert_eq!(strangers.table().of_address.len(), 2);
    }
}
