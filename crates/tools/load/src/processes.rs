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

/// A process is told by the kernel in hundredths of a second (`USER_HZ`, the same on all of Linux's architectures that we
/// build for).
const TICKS: f64 = 100.0;

/// What a process has used; `None`: there is none, or it is no process of a server.
pub fn read(pid: u32) -> Option<Process> {
    let of = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    // Another one has the number: the server is in a container, or has died.
    if !is_server(&of("cmdline")?) {
        return None;
    }
    Some(Process {
        cpu_seconds: cpu(&of("stat")?)?,
        memory_bytes: field(&of("status")?, "VmRSS:")? * 1024.0,
    })
}

/// Who has started a process.
pub fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(field(&status, "PPid:")? as u32)
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

/// Fields 14 and 15, counted behind the name, which may have blanks and brackets in it.
fn cpu(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS)
}

fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let stat =
            "123 (a (b) c) S 1 123 123 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 100 1000 200";
        assert_eq!(cpu(stat), Some(3.0));
        assert_eq!(cpu("123 (x) S 1"), None);
        let status = "Name:\tplenum\nPPid:\t77\nVmRSS:\t  2048 kB\n";
        assert_eq!(field(status, "PPid:"), Some(77.0));
        assert_eq!(field(status, "VmRSS:"), Some(2048.0));
        assert_eq!(field(status, "VmSwap:"), None);
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
