//! The ports that single transports get out of the worker's share.
//!
//! Shared ports come from the node, which keeps them while workers come and go. These belong to one transport and end with
//! it, so that nobody but the worker has to know of them.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, SocketAddr},
};

use plenum_engine::EngineError;
use plenum_ipc::OwnPorts;
use plenum_params::transport::{Address, ListenInfo, PlainTransportOptions, Protocol};

/// Ports that are tried for one socket. Others than us are on few of a worker's ports, if on any; trying all of them would
/// hold up media for milliseconds.
const MAX_TRIES: usize = 32;

/// A socket that a transport shall have for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnSocket {
    pub(crate) protocol: Protocol,
    pub(crate) ip: IpAddr,
    pub(crate) announced: Vec<Address>,
    pub(crate) expose_internal: bool,
}

impl OwnSocket {
    /// A socket for this protocol on a listening address.
    pub(crate) fn new(protocol: Protocol, listen: &ListenInfo) -> Self {
        Self {
            protocol,
            ip: listen.ip,
            announced: listen.announced.clone(),
            expose_internal: listen.expose_internal,
        }
    }
}

/// Ports that are free.
pub(crate) struct PortPool {
    ports: OwnPorts,
    /// Those that were free for the longest time come first: what is still on its way to the last owner shall not meet the
    /// next one.
    free: HashMap<(Protocol, IpAddr), VecDeque<u16>>,
}

impl PortPool {
    pub(crate) fn new(ports: OwnPorts) -> Self {
        Self {
            ports,
            free: HashMap::new(),
        }
    }

    /// Bytes of each socket's kernel buffers; `None`: the system's default.
    pub(crate) fn socket_buffer(&self) -> Option<usize> {
        let bytes = usize::try_from(self.ports.socket_buffer).unwrap_or(usize::MAX);
        (bytes > 0).then_some(bytes)
    }

    /// The sockets that a WebRTC transport gets for itself, in the order of candidates; none: it uses the shared ones.
    pub(crate) fn wanted_by_webrtc(&self) -> Vec<OwnSocket> {
        let listen = self.ports.listen.iter().filter(|_| self.ports.for_webrtc);
        let sockets = listen.flat_map(|listen| {
            let protocols = listen.protocols();
            protocols.map(move |protocol| OwnSocket::new(protocol, listen))
        });
        sockets.collect()
    }

    /// The sockets that a plain transport gets for itself: for RTP, and for RTCP that does not share its port. On an address
    /// where nobody listens otherwise it is told as it is.
    pub(crate) fn wanted_by_plain(
        &self,
        options: &PlainTransportOptions,
    ) -> Result<Vec<OwnSocket>, EngineError> {
        let mut listen = self.ports.listen.iter();
        let found = listen.find(|listen| options.listen.map_or(listen.udp, |ip| ip == listen.ip));
        let listen = match (found, options.listen) {
            (Some(listen), _) => listen.clone(),
            (None, Some(ip)) => ListenInfo::new(ip),
            (None, None) => {
                return Err(EngineError::Invalid(
                    "this worker listens nowhere, so that an address is needed".into(),
                ));
            }
        };
        let socket = OwnSocket::new(Protocol::Udp, &listen);
        Ok(vec![socket; if options.rtcp_mux { 1 } else { 2 }])
    }

    /// Binds a socket with `bind` to a free port.
    pub(crate) fn bind<T>(
        &mut self,
        wanted: &OwnSocket,
        bind: impl Fn(SocketAddr) -> io::Result<T>,
    ) -> Result<T, EngineError> {
        let (protocol, ip) = (wanted.protocol, wanted.ip);
        let at = |port| bind(SocketAddr::new(ip, port));
        let refused = |error| EngineError::Limit(format!("no {protocol} port on {ip}: {error}"));
        if self.ports.first == 0 {
            return at(0).map_err(refused);
        }
        let all = self.ports.first..=self.ports.last;
        let free = self.free.entry((protocol, ip));
        let free = free.or_insert_with(|| all.collect());
        let mut last_error = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..free.len().min(MAX_TRIES) {
            let Some(port) = free.pop_front() else {
                break;
            };
            match at(port) {
                Ok(socket) => return Ok(socket),
                Err(error) => {
                    free.push_back(port);
                    let is_taken = error.kind() == io::ErrorKind::AddrInUse;
                    last_error = error;
                    if !is_taken {
                        break;
                    }
                }
            }
        }
        Err(refused(last_error))
    }

    /// A socket that was bound here is about to be closed.
    pub(crate) fn release(&mut self, protocol: Protocol, local: SocketAddr) {
        if let Some(free) = self.free.get_mut(&(protocol, local.ip())) {
            free.push_back(local.port());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn pool(first: u16, last: u16) -> PortPool {
        PortPool::new(OwnPorts {
            first,
            last,
            listen: vec![ListenInfo::new(IP)],
            ..OwnPorts::default()
        })
    }

    fn udp() -> OwnSocket {
        OwnSocket::new(Protocol::Udp, &ListenInfo::new(IP))
    }

    fn port(pool: &mut PortPool) -> Option<u16> {
        pool.bind(&udp(), |address| Ok(address.port())).ok()
    }

    #[test]
    fn ports_are_used_again_as_late_as_possible() {
        let mut pool = pool(10_001, 10_003);
        assert_eq!(port(&mut pool), Some(10_001));
        pool.release(Protocol::Udp, SocketAddr::new(IP, 10_001));
        assert_eq!(port(&mut pool), Some(10_002));
        assert_eq!(port(&mut pool), Some(10_003));
        assert_eq!(port(&mut pool), Some(10_001));
        assert_eq!(port(&mut pool), None);
        // The other protocol has its own.
        let tcp = OwnSocket::new(Protocol::Tcp, &ListenInfo::new(IP));
        let bound = pool.bind(&tcp, |address| Ok(address.port()));
        assert_eq!(bound.ok(), Some(10_001));
    }

    #[test]
    fn ports_of_others_are_passed_over_a_few_times() {
        let mut pool = pool(10_001, 11_000);
        let tried = RefCell::new(0);
        let taken = |_: SocketAddr| -> io::Result<u16> {
            *tried.borrow_mut() += 1;
            Err(io::ErrorKind::AddrInUse.into())
        };
        assert!(pool.bind(&udp(), taken).is_err());
        assert_eq!(*tried.borrow(), MAX_TRIES);
        assert_eq!(port(&mut pool), Some(10_033));
        // What cannot be bound at all is not tried again.
        let refused = |_: SocketAddr| -> io::Result<u16> {
            *tried.borrow_mut() += 1;
            Err(io::ErrorKind::AddrNotAvailable.into())
        };
        let error = pool.bind(&udp(), refused).expect_err("no such address");
        assert_eq!(*tried.borrow(), MAX_TRIES + 1);
        assert!(
            error.to_string().contains("UDP port on 127.0.0.1"),
            "{error}"
        );
    }

    #[test]
    fn without_a_range_the_system_chooses() {
        let mut pool = pool(0, 0);
        assert_eq!(port(&mut pool), Some(0));
        assert_eq!(port(&mut pool), Some(0));
        // An empty share has none.
        assert_eq!(port(&mut self::pool(10_001, 10_000)), None);
    }

    #[test]
    fn a_plain_transport_gets_one_port_or_two_where_it_wants_them() {
        let pool = pool(0, 0);
        let elsewhere = IpAddr::from([127, 0, 0, 2]);
        let mut options = PlainTransportOptions::default();
        for (listen, ip) in [(None, IP), (Some(IP), IP), (Some(elsewhere), elsewhere)] {
            options.listen = listen;
            for (rtcp_mux, count) in [(true, 1), (false, 2)] {
                options.rtcp_mux = rtcp_mux;
                let wanted = pool.wanted_by_plain(&options).expect("an address");
                assert_eq!(wanted.len(), count);
                let is_right = |it: &OwnSocket| it.ip == ip && it.protocol == Protocol::Udp;
                assert!(wanted.iter().all(is_right));
            }
        }
        let mut nowhere = pool;
        nowhere.ports.listen[0].udp = false;
        options.listen = None;
        assert!(nowhere.wanted_by_plain(&options).is_err());
    }

    #[test]
    fn webrtc_gets_its_own_only_if_that_is_wanted() {
        let mut pool = pool(0, 0);
        assert_eq!(pool.wanted_by_webrtc(), []);
        pool.ports.for_webrtc = true;
        let wanted = pool.wanted_by_webrtc();
        let protocols = wanted.iter().map(|wanted| wanted.protocol);
        assert!(protocols.eq([Protocol::Udp, Protocol::Tcp]));
    }
}
