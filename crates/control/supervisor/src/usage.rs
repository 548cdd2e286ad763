//! How busy a process is.

use std::time::{Duration, Instant};

use plenum_udp::ProcessUsage;

/// Processor use of one process, from samples.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    last: Option<(Instant, Duration)>,
    /// 1.0 is one core.
    pub(crate) cpu: f32,
    /// Resident bytes.
    pub(crate) memory: u64,
}

impl Usage {
    /// Each sample counts as much as all before it: with one a second, a change shows by 94 % after four seconds, and a
    /// single busy second does not move a room.
    const WEIGHT: f32 = 0.5;

    pub(crate) fn handle_sample(&mut self, now: Instant, sample: ProcessUsage) {
        self.memory = sample.memory;
        if let Some((at, cpu_time)) = self.last {
            let elapsed = now.saturating_duration_since(at).as_secs_f32();
            if elapsed <= 0.0 {
                return;
            }
            let used = sample.cpu_time.saturating_sub(cpu_time).as_secs_f32();
            self.cpu += (used / elapsed - self.cpu) * Self::WEIGHT;
        }
        self.last = Some((now, sample.cpu_time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_settles_at_what_is_used() {
        let mut usage = Usage::default();
        let (mut now, mut sample) = (Instant::now(), ProcessUsage::default());
        usage.handle_sample(now, sample);
        assert!(usage.cpu.abs() < 1e-6);
        for second in 0..8 {
            now += Duration::from_secs(1);
            sample.cpu_time += Duration::from_millis(400);
            sample.memory = 1000 + second;
            usage.handle_sample(now, sample);
        }
        assert!((usage.cpu - 0.4).abs() < 0.01, "{}", usage.cpu);
        assert_eq!(usage.memory, 1007);
        usage.handle_sample(now, sample);
        assert!(usage.cpu.is_finite());
    }
}
