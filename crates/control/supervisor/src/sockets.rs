//! Opening the sockets of a worker.

use std::net::SocketAddr;

use plenum_ids::WorkerId;
use plenum_udp::{BindOptions, UdpSocket};

use crate::{config::SupervisorConfig, error::StartError};

/// Opens the shared sockets of a worker, one for each address.
pub(crate) fn open(
    config: &SupervisorConfig,
    worker: WorkerId,
) -> Result<Vec<UdpSocket>, StartError> {
    let port = first_port(config, worker)?;
    let options = BindOptions {
        recv_buffer: Some(config.socket_buffer),
        send_buffer: Some(config.socket_buffer),
        ..BindOptions::default()
    };
    let bind = |ip| {
        let address = SocketAddr::new(ip, port);
        UdpSocket::bind(address, &options).map_err(|source| StartError::Bind {
            worker,
            address,
            source,
        })
    };
    config.listen.iter().map(|listen| bind(listen.ip)).collect()
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
    use crate::config::ListenAddress;

    fn config(min_port: u16) -> SupervisorConfig {
        let ip = Ipv4Addr::LOCALHOST.into();
        let announced = None;
        SupervisorConfig {
            min_port,
            listen: vec![ListenAddress { ip, announced }],
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
    fn a_taken_port_names_address_and_setting() {
        let first = open(&config(0), WorkerId(0)).expect("a free port");
        let taken = first[0].local_addr();
        let error = open(&config(taken.port()), WorkerId(0)).expect_err("taken");
        let text = error.to_string();
        assert!(text.contains(&taken.to_string()), "{text}");
        assert!(text.contains("rtc.min_port"), "{text}");
        assert!(error.source().is_some());
    }
}
