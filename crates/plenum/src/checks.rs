//! What of this machine stands in the way of a node, and what to do about it.

use std::{fs, net::UdpSocket};

use plenum_config::Config;
use plenum_supervisor::SupervisorConfig;
use rustix::{
    net::sockopt,
    process::{Resource, getrlimit},
};

/// Descriptors that a node should be able to have: one for each client, and some of its own. Below, a few thousand clients
/// use them up.
const DESCRIPTORS: u64 = 65_536;

/// Advice for the operator; nothing: all is well.
pub(crate) fn advice(config: &Config) -> Vec<String> {
    let mut advice = Vec::new();
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    advice.extend(about_descriptors(limit));
    let wanted = SupervisorConfig::default().socket_buffer as u64;
    // With the privilege to go beyond the limits they do not matter.
    if !may_exceed_buffer_limits() {
        for direction in ["rmem_max", "wmem_max"] {
            let path = format!("/proc/sys/net/core/{direction}");
            let limit = fs::read_to_string(path).ok();
            let limit = limit.and_then(|text| text.trim().parse().ok());
            advice.extend(limit.and_then(|limit| about_buffer(direction, limit, wanted)));
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    advice.extend(about_workers(config, cores));
    advice
}

fn about_descriptors(limit: u64) -> Option<String> {
    (limit < DESCRIPTORS).then(|| {
        format!(
            "This process may have {limit} files open, and every client is one: allow {DESCRIPTORS} (LimitNOFILE= of a systemd unit, --ulimit nofile= of a container, /etc/security/limits.conf for a login)."
        )
    })
}

fn about_buffer(direction: &str, limit: u64, wanted: u64) -> Option<String> {
    let what = if direction == "rmem_max" {
        "lose what arrives"
    } else {
        "fail to send"
    };
    (limit < wanted).then(|| {
        format!(
            "Media sockets get buffers of {limit} bytes where {wanted} are wanted; busy workers {what}: run `sysctl -w net.core.{direction}={wanted}`, and put `net.core.{direction} = {wanted}` into /etc/sysctl.d/90-plenum.conf to keep it."
        )
    })
}

fn about_workers(config: &Config, cores: usize) -> Option<String> {
    let count = usize::from(config.workers.count);
    (count > cores).then(|| {
        format!(
            "workers.count is {count} on {cores} cores: workers that share a core disturb each other, and their CPU limits mean less."
        )
    })
}

fn may_exceed_buffer_limits() -> bool {
    UdpSocket::bind(("127.0.0.1", 0))
        .is_ok_and(|socket| sockopt::set_socket_recv_buffer_size_force(&socket, 256 * 1024).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_small_is_named_with_what_helps() {
        let text = about_descriptors(1024).expect("few");
        assert!(text.contains("1024") && text.contains("LimitNOFILE"));
        assert_eq!(about_descriptors(1 << 20), None);
        let text = about_buffer("rmem_max", 212_992, 4_194_304).expect("small");
        assert!(
            text.contains("sysctl -w net.core.rmem_max=4194304"),
            "{text}"
        );
        assert_eq!(about_buffer("wmem_max", 4_194_304, 4_194_304), None);
    }

    #[test]
    fn more_workers_than_cores_are_noticed() {
        let mut config = Config::default();
        assert_eq!(about_workers(&config, 1), None);
        config.workers.count = 3;
        assert!(about_workers(&config, 2).is_some());
        assert_eq!(about_workers(&config, 3), None);
    }
}
