//! What the kernel knows about processes, and this process's signal dispositions.
#![expect(unsafe_code, reason = "signal dispositions have no safe interface")]

use std::{fs, io, time::Duration};

use rustix::{
    process::{Pid, Resource, getrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// Processor time and memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessUsage {
    /// Processor time used so far by all its threads, in steps of 10 ms.
    pub cpu_time: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
}

/// Reads a process's usage from `/proc`.
pub fn process_usage(pid: u32) -> io::Result<ProcessUsage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse(&stat, &status).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// How many file descriptors this process has open.
pub fn open_descriptors() -> io::Result<u32> {
    const LIST: &str = "/proc/self/fd";
    // Linux says so without a walk since 6.2.
    let told = fs::metadata(LIST)?.len();
    let count = if told > 0 {
        told
    } else {
        // The walk itself holds one.
        (fs::read_dir(LIST)?.count() as u64).saturating_sub(1)
    };
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// How many file descriptors this process may have open.
pub fn descriptors_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Keeps a process that has one thread on one core: the `index`th of those that this process may use, counted again from
/// the first where there are fewer. Returns the core's number.
pub fn pin_process(pid: u32, index: usize) -> io::Result<usize> {
    let allowed = sched_getaffinity(None)?;
    let cores: Vec<_> = (0..CpuSet::MAX_CPU)
        .filter(|&core| allowed.is_set(core))
        .collect();
    let core = cores
        .get(index % cores.len().max(1))
        .copied()
        .ok_or(io::ErrorKind::NotFound)?;
    let mut one = CpuSet::new();
    one.set(core);
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    sched_setaffinity(Some(pid.ok_or(io::ErrorKind::InvalidInput)?), &one)?;
    Ok(core)
}

/// Ignores the signals that a terminal or a service manager sends to a whole process group (`SIGINT`, `SIGTERM`,
/// `SIGHUP`), for child processes whose parent decides when they end.
pub fn ignore_terminal_signals() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: SIG_IGN is a valid disposition for these signals and no handler code is installed.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The unit of times in `/proc`: `USER_HZ` is 100 on every architecture that Linux still runs media servers on.
const TICKS_PER_SECOND: u64 = 100;

fn parse(stat: &str, status: &str) -> Option<ProcessUsage> {
    // The process's name is in parentheses and may contain any character, also spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    // proc(5): utime and stime are fields 14 and 15, and the first one behind the name is field 3.
    let mut times = fields.split_ascii_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    // A process that has ended and was not waited for has no memory line.
    let kibibytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.trim().strip_suffix(" kB"))
        .and_then(|value| value.parse().ok())
        .unwrap_or_default();
    Some(ProcessUsage {
        cpu_time: Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND),
        memory: kibibytes * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat =
            "17 (a) R (b c) S 1 17 17 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 1 0 1659 3133440";
        let status = "Name:\tx\nVmRSS:\t    2080 kB\nThreads:\t1\n";
        let usage = parse(stat, status).expect("well-formed");
        assert_eq!(usage.cpu_time, Duration::from_secs(3));
        assert_eq!(usage.memory, 2080 * 1024);
        assert_eq!(parse("17 (x) S 1", status), None);
    }

    #[test]
    fn open_files_are_counted() {
        let before = open_descriptors().expect("it lives");
        let files: Vec<_> = (0..50).map(|_| fs::File::open("/proc/self/stat")).collect();
        // Other tests open and close files meanwhile.
        assert!(open_descriptors().expect("it lives") >= before.max(60) - 30);
        drop(files);
    }

    #[test]
    fn a_process_is_kept_on_a_core() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep exists");
        let core = pin_process(child.id(), 1_000_001);
        let core = core.expect("cores are counted again from the first");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let set = sched_getaffinity(pid).expect("it lives");
        child.kill().expect("it lives");
        child.wait().expect("ours");
        assert!(set.is_set(core) && set.count() == 1);
        assert!(pin_process(u32::MAX, 0).is_err());
    }

    #[test]
    fn this_process_uses_memory() {
        let usage = process_usage(std::process::id()).expect("it lives");
        assert!(usage.memory > 100_000);
        assert!(process_usage(u32::MAX).is_err());
    }
}
