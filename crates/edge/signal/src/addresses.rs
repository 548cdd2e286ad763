//! What one address may do at the doors: so many requests a second, so many connections at a time.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::rate::TokenBucket;

/// Bounds for each address. Programs on this machine have none, unless they speak for others: what comes through a proxy
/// on this machine counts, as the client's if the proxy is trusted and tells it, else as the proxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressLimits {
    /// HTTP requests a second, `WebSockets` among them; 0: no bound.
    pub requests: u32,
    /// Requests at once before the rate counts.
    pub burst: u32,
    /// Connections at a time; 0: no bound.
    pub connections: u32,
}

impl Default for AddressLimits {
    /// A school or an office is one address. A page takes 5 requests and one connection, and a hall that comes back
    /// after a fault comes within seconds.
    fn default() -> Self {
        Self {
            requests: 200,
            burst: 2000,
            connections: 2000,
        }
    }
}

/// The addresses that were heard of lately.
#[derive(Debug)]
pub(crate) struct Addresses {
    limits: AddressLimits,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    known: HashMap<IpAddr, Entry>,
    /// Requests of all that found no place.
    others: TokenBucket,
    swept_at: Instant,
}

#[derive(Debug)]
struct Entry {
    requests: TokenBucket,
    connections: u32,
}

/// Addresses that are told apart, some 5 MiB of them. Whoever has more is many, and those who find no place then share
/// what one may.
const MAX_ADDRESSES: usize = 1 << 16;

/// How often a full table is looked through, which takes a millisecond.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

impl Addresses {
    pub(crate) fn new(limits: AddressLimits, now: Instant) -> Self {
        Self {
            limits,
            table: Mutex::new(Table {
                known: HashMap::new(),
                others: TokenBucket::new(limits.requests, limits.burst, now),
                swept_at: now,
            }),
        }
    }

    /// Counts a request, which may have come through a proxy. `false`: it is one too many.
    pub(crate) fn take_request(&self, ip: IpAddr, forwarded: bool, now: Instant) -> bool {
        let own = ip.to_canonical().is_loopback() && !forwarded;
        if self.limits.requests == 0 || own {
            return true;
        }
        let mut table = self.table();
        match table.entry(group(ip), self.limits, now) {
            Some(entry) => entry.requests.try_take(now),
            None => table.others.try_take(now),
        }
    }

    /// Counts a connection as long as the result lives. `None`: it is one too many.
    pub(crate) fn take_connection(self: &Arc<Self>, ip: IpAddr, now: Instant) -> Option<Connected> {
        if self.limits.connections == 0 || ip.to_canonical().is_loopback() {
            return Some(Connected(None));
        }
        let ip = group(ip);
        // Those who find no place are not counted: together they would soon be too many.
        let mut table = self.table();
        let Some(entry) = table.entry(ip, self.limits, now) else {
            return Some(Connected(None));
        };
        if entry.connections >= self.limits.connections {
            return None;
        }
        entry.connections += 1;
        drop(table);
        Some(Connected(Some((Arc::clone(self), ip))))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing here panics half-way through a change.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// `None`: there is no place for another one.
    fn entry(&mut self, ip: IpAddr, limits: AddressLimits, now: Instant) -> Option<&mut Entry> {
        if self.known.len() >= MAX_ADDRESSES && !self.known.contains_key(&ip) {
            if now < self.swept_at + SWEEP_INTERVAL {
                return None;
            }
            self.swept_at = now;
            // What is as good as new needs no place.
            self.known.retain(|_, entry| !entry.is_idle(now));
            if self.known.len() >= MAX_ADDRESSES {
                return None;
            }
        }
        let new = || Entry {
            requests: TokenBucket::new(limits.requests, limits.burst, now),
            connections: 0,
        };
        Some(self.known.entry(ip).or_insert_with(new))
    }
}

impl Entry {
    fn is_idle(&self, now: Instant) -> bool {
        self.connections == 0 && self.requests.is_full(now)
    }
}

/// See [`Addresses::take_connection`].
#[derive(Debug)]
pub(crate) struct Connected(Option<(Arc<Addresses>, IpAddr)>);

impl Drop for Connected {
    fn drop(&mut self) {
        let Some((addresses, ip)) = &self.0 else {
            return;
        };
        if let Some(entry) = addresses.table().known.get_mut(ip) {
            entry.connections = entry.connections.saturating_sub(1);
        }
    }
}

/// What counts as one. A customer's IPv6 network has 2^64 addresses at least (RFC 6177).
fn group(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let network = u128::from(ip) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> AddressLimits {
        AddressLimits {
            requests: 10,
            burst: 3,
            connections: 2,
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_so_many_requests_and_others_are_not_concerned() {
        let now = Instant::now();
        let addresses = Addresses::new(limits(), now);
        let greedy = ip("192.0.2.1");
        for _ in 0..3 {
            assert!(addresses.take_request(greedy, false, now));
        }
        assert!(!addresses.take_request(greedy, false, now));
        assert!(!addresses.take_request(ip("::ffff:192.0.2.1"), false, now));
        assert!(addresses.take_request(ip("192.0.2.2"), false, now));
        // What was refused costs nothing.
        assert!(addresses.take_request(greedy, false, now + Duration::from_millis(100)));
        for _ in 0..100 {
            assert!(addresses.take_request(ip("127.0.0.1"), false, now));
        }
    }

    #[test]
    fn who_comes_through_a_proxy_on_this_machine_is_not_this_machine() {
        let now = Instant::now();
        let addresses = Addresses::new(limits(), now);
        for _ in 0..3 {
            assert!(addresses.take_request(ip("127.0.0.1"), true, now));
        }
        assert!(!addresses.take_request(ip("::ffff:127.0.0.1"), true, now));
        assert!(addresses.take_request(ip("127.0.0.1"), false, now));
    }

    #[test]
    fn a_network_of_one_customer_is_one_address() {
        let now = Instant::now();
        let addresses = Addresses::new(limits(), now);
        for host in 1..=3 {
            assert!(addresses.take_request(ip(&format!("2001:db8::{host}")), false, now));
        }
        assert!(!addresses.take_request(ip("2001:db8::ffff"), false, now));
        assert!(addresses.take_request(ip("2001:db8:0:1::1"), false, now));
    }

    #[test]
    fn an_address_has_so_many_connections_at_a_time() {
        let now = Instant::now();
        let addresses = Arc::new(Addresses::new(limits(), now));
        let take = || addresses.take_connection(ip("192.0.2.1"), now);
        let first = take().expect("free");
        let _second = take().expect("free");
        assert!(take().is_none());
        drop(first);
        assert!(take().is_some());
        assert!(addresses.take_connection(ip("192.0.2.2"), now).is_some());
    }

    #[test]
    fn the_table_of_addresses_is_bounded_and_those_without_a_place_share_one() {
        let start = Instant::now();
        let addresses = Arc::new(Addresses::new(limits(), start));
        let nth = |n: u32| IpAddr::V4(n.into());
        let held = addresses.take_connection(nth(1), start);
        for n in 1..200_000 {
            addresses.take_request(nth(n), false, start);
        }
        assert_eq!(addresses.table().known.len(), MAX_ADDRESSES);
        // Whoever comes now is one of many.
        assert!(!addresses.take_request(nth(300_000), false, start));
        assert!(addresses.take_connection(nth(300_000), start).is_some());
        // A second later all but one are as good as new.
        let later = start + Duration::from_secs(1);
        assert!(addresses.take_request(nth(300_000), false, later));
        assert_eq!(addresses.table().known.len(), 2);
        drop(held);
    }
}
