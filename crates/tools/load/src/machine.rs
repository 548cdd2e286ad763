//! What the generator sees of itself: how busy its threads are, and what the kernel dropped at its sockets.
//!
//! From `/proc`; elsewhere there is nothing to see, and a report says so by leaving the figures out.

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    time::{Duration, Instant},
};

/// Looks at this process again and again.
#[derive(Debug)]
pub struct Machine {
    at: Instant,
    threads: BTreeMap<u32, Duration>,
    drops: BTreeMap<u64, u64>,
    dropped: u64,
}

/// What was seen since the look before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// Share of a core that each thread used, by its name; of several with one name, the busiest.
    pub threads: BTreeMap<String, f64>,
    /// Share of a core that all threads used together.
    pub total: f64,
    /// Datagrams that the kernel dropped at this process's sockets, since the first look.
    pub drops: u64,
}

/// Above this, looking for the sockets among the open files takes longer than it is worth; drops go uncounted.
const MOST_FILES: usize = 50_000;

impl Machine {
    /// Begins.
    pub fn new() -> Self {
        Self {
            at: Instant::now(),
            threads: threads()
                .into_iter()
                .map(|(id, (_, cpu))| (id, cpu))
                .collect(),
            drops: drops(&own_sockets()),
            dropped: 0,
        }
    }

    /// Looks.
    pub fn look(&mut self) -> Look {
        let now = Instant::now();
        let elapsed = now.duration_since(self.at).as_secs_f64().max(0.001);
        self.at = now;
        let mut look = Look::default();
        let seen = threads();
        for (id, (name, cpu)) in &seen {
            let before = self.threads.get(id).copied().unwrap_or_default();
            let share = cpu.saturating_sub(before).as_secs_f64() / elapsed;
            look.total += share;
            let busiest = look.threads.entry(name.clone()).or_default();
            *busiest = busiest.max(share);
        }
        self.threads = seen.into_iter().map(|(id, (_, cpu))| (id, cpu)).collect();
        let drops = drops(&own_sockets());
        for (socket, count) in &drops {
            let before = self.drops.get(socket).copied().unwrap_or_default();
            self.dropped += count.saturating_sub(before);
        }
        self.drops = drops;
        look.drops = self.dropped;
        look
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

/// Name and processor time of each thread of this process.
fn threads() -> BTreeMap<u32, (String, Duration)> {
    let Ok(folder) = fs::read_dir("/proc/self/task") else {
        return BTreeMap::new();
    };
    let each = folder.filter_map(|entry| {
        let path = entry.ok()?.path();
        let id = path.file_name()?.to_str()?.parse().ok()?;
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let schedule = fs::read_to_string(path.join("schedstat")).ok()?;
        Some((id, (name.trim().to_owned(), on_cpu(&schedule)?)))
    });
    each.collect()
}

/// Its first number is the time on a processor, in nanoseconds.
fn on_cpu(schedule: &str) -> Option<Duration> {
    let nanoseconds = schedule.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// Inodes of the sockets that this process has open.
fn own_sockets() -> HashSet<u64> {
    let Ok(folder) = fs::read_dir("/proc/self/fd") else {
        return HashSet::new();
    };
    let inode = |entry: io::Result<fs::DirEntry>| {
        let target = fs::read_link(entry.ok()?.path()).ok()?;
        let inner = target.to_str()?.strip_prefix("socket:[")?;
        inner.strip_suffix(']')?.parse().ok()
    };
    folder.take(MOST_FILES).filter_map(inode).collect()
}

/// What was dropped at each of these sockets since it was opened.
fn drops(own: &HashSet<u64>) -> BTreeMap<u64, u64> {
    let mut found = BTreeMap::new();
    for path in ["/proc/self/net/udp", "/proc/self/net/udp6"] {
        let table = fs::read_to_string(path).unwrap_or_default();
        let lines = table.lines().skip(1).filter_map(dropped);
        found.extend(lines.filter(|(inode, _)| own.contains(inode)));
    }
    found
}

/// Inode and drops of a line of the kernel's table of UDP sockets.
fn dropped(line: &str) -> Option<(u64, u64)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    Some((fields.get(9)?.parse().ok()?, fields.get(12)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let line = " 1: 0100007F:0CEA 00000000:0000 07 00000000:00000000 00:00000000 00000000  0  0 77123 2 0000000000000000 42";
        assert_eq!(dropped(line), Some((77_123, 42)));
        assert_eq!(dropped("sl local_address"), None);
        assert_eq!(
            on_cpu("3038216 9 1\n"),
            Some(Duration::from_nanos(3_038_216))
        );
        assert_eq!(on_cpu(""), None);
    }

    #[test]
    fn a_thread_that_works_is_seen() {
        let mut machine = Machine::new();
        let mut sum = 0_u64;
        let before = Instant::now();
        while before.elapsed() < Duration::from_millis(30) {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        let look = machine.look();
        assert!(look.total > 0.0, "{look:?} {sum}");
        assert!(look.threads.values().any(|share| *share > 0.0));
    }

    #[test]
    fn own_sockets_are_told_from_others() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("binds");
        let before = own_sockets().len();
        drop(socket);
        assert!(before > 0);
        assert!(drops(&HashSet::new()).is_empty());
    }
}
