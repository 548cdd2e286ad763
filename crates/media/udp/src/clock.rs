//! Processor time used so far, as the kernel counts it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of the calling thread.
pub fn thread_cpu_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// Processor time of all threads of this process.
pub fn process_cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_moves_both_clocks() {
        let (thread, process) = (thread_cpu_time(), process_cpu_time());
        let mut value = 1_u64;
        while thread_cpu_time() == thread {
            value = std::hint::black_box(value.wrapping_mul(31));
        }
        assert!(process_cpu_time() > process);
    }
}
