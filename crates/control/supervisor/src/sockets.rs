//! Opening the sockets of a worker.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
};

use plenum_ids::WorkerId;
use plenum_ipc::{OwnPorts, SocketOptions};
use plenum_params::transport::{Address, ListenInfo, Protocol};
use plenum_udp::{BindOptions, TcpListener, UdpSocket};

use crate::{
    config::{PortMode, SupervisorConfig},
    error::StartError,
};

/// A shared socket of a worker, and what the worker is told of it.
#[derive(Debug)]
pub(crate) struct RtcSocket {
    kind: Kind,
    pub(crate) options: SocketOptions,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl RtcSocket {
    /// Where media goes to and comes from; `None`: it listens for connections.
    pub(crate) fn udp_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp(_) => None,
            Kind::Udp(socket) => Some(socket.local_addr()),
        }
    }

    /// The same as clients are told it, if that is another address, and none that has to be looked up.
    pub(crate) fn announced_udp_addr(&self) -> Option<SocketAddr> {
        let local = self.udp_addr()?;
        let ip = self.options.announced.iter().find_map(Address::ip)?;
        Some(SocketAddr::new(ip, local.port()))
    }
}

impl AsFd for RtcSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Tcp(listener) => listener.as_fd(),
            Kind::Udp(socket) => socket.as_fd(),
        }
    }
}

/// Opens the shared sockets of a worker: on each address one for each protocol, all on the same port. If every transport has
/// ports of its own, they are for trunks, which do not take TCP.
pub(crate) fn open(
    config: &SupervisorConfig,
    worker: WorkerId,
) -> Result<Vec<RtcSocket>, StartError> {
    let port = first_port(config, worker)?;
    let mut sockets = Vec::new();
    for listen in &config.listen {
        let mut address = listen.at(port);
        for protocol in listen.protocols() {
            if protocol == Protocol::Tcp && config.port_mode == PortMode::PerTransport {
                continue;
            }
            let kind = bind(config, address, protocol).map_err(|source| StartError::Bind {
                worker,
                protocol,
                address,
                source,
            })?;
            let socket = RtcSocket {
                kind,
                options: options(config, listen, protocol),
            };
            if let Some(bound) = socket.udp_addr() {
                address = bound;
            }
            sockets.push(socket);
        }
    }
    Ok(sockets)
}

fn bind(config: &SupervisorConfig, address: SocketAddr, protocol: Protocol) -> io::Result<Kind> {
    let options = BindOptions {
        recv_buffer: Some(config.socket_buffer),
        send_buffer: Some(config.socket_buffer),
        ..BindOptions::default()
    };
    match protocol {
        Protocol::Udp => UdpSocket::bind(address, &options).map(Kind::Udp),
        Protocol::Tcp => {
            let bound = TcpListener::bind(address);
            let listener = match bound {
                // What the system chose for UDP need not be free for TCP.
                Err(error) if config.min_port == 0 && error.kind() == io::ErrorKind::AddrInUse => {
                    TcpListener::bind(SocketAddr::new(address.ip(), 0))
                }
                bound => bound,
            };
            listener.map(Kind::Tcp)
        }
    }
}

fn options(config: &SupervisorConfig, listen: &ListenInfo, protocol: Protocol) -> SocketOptions {
    SocketOptions {
        protocol,
        announced: listen.announced.clone(),
        expose_internal: listen.expose_internal,
        disable_gso: config.disable_gso,
    }
}

/// The ports that a worker binds by itself: all of its share but the first one, which is shared.
pub(crate) fn own_ports(config: &SupervisorConfig, worker: WorkerId) -> OwnPorts {
    let shared = first_port(config, worker).unwrap_or(0);
    let (first, last) = match shared {
        0 => (0, 0),
        shared => {
            let last = u32::from(shared) + u32::from(config.ports_per_worker.max(1)) - 1;
            (
                shared.saturating_add(1),
                u16::try_from(last).unwrap_or(u16::MAX),
            )
        }
    };
    OwnPorts {
        first,
        last,
        listen: config.listen.clone(),
        for_webrtc: config.port_mode == PortMode::PerTransport,
        socket_buffer: u32::try_from(config.own_socket_buffer).unwrap_or(u32::MAX),
    }
}

fn first_port(config: &SupervisorConfig, worker: WorkerId) -> Result<u16, StartError> {
    if config.min_port == 0 {
        return Ok(0);
    }
    let port =
        u32::from(config.min_port) + u32::from(worker.0) * u32::from(config.ports_per_worker);
    u16::try_from(port).map_err(|_| StartError::PortRange { worker, port })
}

#[cfg(test)]
mod tests {
    use std::{error::Error, net::Ipv4Addr};

    use super::*;
    fn config(min_port: u16) -> SupervisorConfig {
        let ip = Ipv4Addr::LOCALHOST.into();
        SupervisorConfig {
            min_port,
            listen: vec![ListenInfo::new(ip)],
            ..SupervisorConfig::default()
        }
    }

    #[test]
    fn ports_follow_the_worker_number() {
        assert_eq!(first_port(&config(10_000), WorkerId(0)).ok(), Some(10_000));
        assert_eq!(first_port(&config(10_000), WorkerId(3)).ok(), Some(13_000));
        assert_eq!(first_port(&config(0), WorkerId(3)).ok(), Some(0));
        let error = first_port(&config(10_000), WorkerId(56)).expect_err("beyond 65535");
        assert!(error.to_string().contains("66000"), "{error}");
    }

    #[test]
    fn a_worker_binds_what_is_left_of_its_share() {
        let ports = |config: &SupervisorConfig, worker| {
            let ports = own_ports(config, WorkerId(worker));
            (ports.first, ports.last)
        };
        assert_eq!(ports(&config(10_000), 2), (12_001, 12_999));
        assert_eq!(ports(&config(0), 2), (0, 0));
        let narrow = SupervisorConfig {
            ports_per_worker: 1,
            ..config(10_000)
        };
        // Nothing is left.
        assert_eq!(ports(&narrow, 0), (10_001, 10_000));
    }

    #[test]
    fn both_protocols_share_a_port_unless_transports_have_their_own() {
        let sockets = open(&config(0), WorkerId(0)).expect("a free port");
        let protocols = sockets.iter().map(|socket| socket.options.protocol);
        assert!(protocols.eq([Protocol::Udp, Protocol::Tcp]));
        let config = SupervisorConfig {
            port_mode: PortMode::PerTransport,
            ..config(0)
        };
        let sockets = open(&config, WorkerId(0)).expect("a free port");
        let protocols = sockets.iter().map(|socket| socket.options.protocol);
        assert!(protocols.eq([Protocol::Udp]));
    }

    #[test]
    fn a_taken_port_names_address_and_setting() {
        let first = open(&config(0), WorkerId(0)).expect("a free port");
        let taken = first[0].udp_addr().expect("UDP comes first");
        let error = open(&config(taken.port()), WorkerId(0)).expect_err("taken");
        let text = error.to_string();
        assert!(text.contains(&taken.to_string()), "{text}");
        assert!(text.contains("rtc.min_port"), "{text}");
        assert!(error.source().is_some());
    }
}
