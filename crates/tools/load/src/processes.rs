//! Processes of this machine, as `/proc` shows them: those of a server that runs beside the generator.

use std::{
    fs,
    net::{IpAddr, UdpSocket},
};

use serde::Deserialize;

use crate::exposition::{MAX_WORKERS, Process};

/// What a node says of its workers (`GET /workers`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Workers {
    workers: Vec<Worker>,
}

/// One of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Worker {
    /// Its number.
    pub worker_id: u32,
    /// Its process.
    pub pid: Option<u32>,
    /// Share of a core that it has used lately.
    pub cpu_usage: f64,
    /// Bytes of its memory.
    pub memory: f64,
}

impl Workers {
    /// Reads an answer. `None`: it is another one.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// No more than a machine can have.
    pub fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().take(MAX_WORKERS)
    }
}

/// What a process has used; `None`: there is none, or it is no process of a server.
pub fn read(pid: u32) -> Option<Process> {
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    // Another one has the number: the server is in a container, or has died.
    if !is_server(&command) {
        return None;
    }
    let usage = plenum_udp::process_usage(pid).ok()?;
    Some(Process {
        cpu_seconds: usage.cpu_time.as_secs_f64(),
        memory_bytes: usage.memory as f64,
    })
}

/// Who has started a process.
pub fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    started_by(&status)
}

/// Whether an address is one of this machine: then its process identifiers are those that are seen here.
pub fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Whether this is how a node or a worker is started. Its name in `comm` says nothing: workers are started by a link.
fn is_server(command: &str) -> bool {
    let program = command.split('\0').next().unwrap_or_default();
    let name = program.rsplit('/').next().unwrap_or_default();
    name.starts_with("plenum")
}

fn started_by(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read() {
        let status = "Name:\tplenum\nPPid:\t77\nVmRSS:\t  2048 kB\n";
        assert_eq!(started_by(status), Some(77));
        assert_eq!(started_by("Name:\tplenum\nPPid:\t"), None);
    }

    #[test]
    fn a_process_that_is_no_server_is_none() {
        assert!(is_server("plenum\0worker\0") && is_server("/usr/bin/plenum\0serve"));
        assert!(!is_server("/usr/bin/redis-server\0plenum") && !is_server(""));
        assert_eq!(read(u32::MAX), None);
        assert!(parent(std::process::id()).is_some());
    }

    #[test]
    fn what_a_node_says_of_its_workers_is_read() {
        let text = r#"{"workers":[{"workerId":1,"pid":null,"cpuUsage":0.5,"memory":4096,"closed":false}],"totalRooms":0}"#;
        let workers = Workers::parse(text).expect("well-formed");
        let expected = Worker {
            worker_id: 1,
            pid: None,
            cpu_usage: 0.5,
            memory: 4096.0,
        };
        assert_eq!(workers.iter().copied().collect::<Vec<_>>(), [expected]);
        assert_eq!(Workers::parse("<html>"), None);
    }

    #[test]
    fn this_machine_is_told_from_others() {
        assert!(is_here("127.0.0.1".parse().expect("an address")));
        assert!(!is_here("192.0.2.1".parse().expect("an address")));
    }
}
