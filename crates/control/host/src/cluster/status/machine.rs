//! The machine that a node is on.

use std::time::{Duration, Instant};

use plenum_api::admin::MachineStatus;
use sysinfo::{Disks, Networks, System};

/// Looks at the machine; each look tells of the time since the last one.
pub(super) struct MachineWatch {
    system: System,
    networks: Networks,
    /// When it looked last.
    looked: Instant,
    disk: (u64, u64),
    disk_looked: Option<Instant>,
}

/// Asking for free space may wait for the disk, and it changes slowly.
const DISK_EVERY: Duration = Duration::from_secs(30);

impl Default for MachineWatch {
    fn default() -> Self {
        let mut system = System::new();
        system.refresh_cpu_usage();
        Self {
            system,
            networks: Networks::new_with_refreshed_list(),
            looked: Instant::now(),
            disk: (0, 0),
            disk_looked: None,
        }
    }
}

impl std::fmt::Debug for MachineWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MachineWatch").finish_non_exhaustive()
    }
}

impl MachineWatch {
    pub(super) fn look(&mut self) -> MachineStatus {
        let now = Instant::now();
        let passed = now.duration_since(self.looked);
        self.looked = now;
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        self.networks.refresh(true);
        if self.disk_looked.is_none_or(|at| now - at >= DISK_EVERY) {
            self.disk = disk();
            self.disk_looked = Some(now);
        }
        let (memory_used, memory_total) = self.memory();
        // What a machine says to itself crosses no network.
        let others = self.networks.iter().filter(|(name, _)| *name != "lo");
        let (received, sent) = others.fold((0_u64, 0_u64), |(received, sent), (_, data)| {
            (
                received.saturating_add(data.received()),
                sent.saturating_add(data.transmitted()),
            )
        });
        MachineStatus {
            cpu: self.system.global_cpu_usage() / 100.0,
            cores: u32::try_from(self.system.cpus().len()).unwrap_or(0),
            memory_used,
            memory_total,
            network_received: rate(received, passed),
            network_sent: rate(sent, passed),
            disk_used: self.disk.0,
            disk_total: self.disk.1,
        }
    }

    /// Of the machine, or of the group of processes that the node is in, if that may have less.
    fn memory(&self) -> (u64, u64) {
        let (used, total) = (self.system.used_memory(), self.system.total_memory());
        match self.system.cgroup_limits() {
            Some(group) if group.total_memory < total => (group.rss, group.total_memory),
            _ => (used, total),
        }
    }
}

fn disk() -> (u64, u64) {
    let disks = Disks::new_with_refreshed_list();
    let mut all = disks.list().iter();
    let root = all.find(|disk| disk.mount_point() == std::path::Path::new("/"));
    root.map_or((0, 0), |disk| {
        let total = disk.total_space();
        (total.saturating_sub(disk.available_space()), total)
    })
}

/// Bits a second. Of a moment too short to measure nothing is said.
fn rate(bytes: u64, passed: Duration) -> u64 {
    let micros = passed.as_micros();
    if micros < 100_000 {
        return 0;
    }
    u64::try_from(u128::from(bytes) * 8_000_000 / micros).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_memory_and_cores() {
        let mut watch = MachineWatch::default();
        let machine = watch.look();
        assert!(machine.cores > 0 && machine.memory_total > 0, "{machine:?}");
        assert!(machine.memory_used <= machine.memory_total);
        assert!((0.0..=1.01).contains(&machine.cpu));
    }

    #[test]
    fn rates_are_bits_a_second() {
        assert_eq!(rate(1000, Duration::from_secs(2)), 4000);
        assert_eq!(rate(1000, Duration::ZERO), 0);
    }
}
