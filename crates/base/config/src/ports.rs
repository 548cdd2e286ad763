//! Which ports belong to which worker.

use std::{iter::once, ops::RangeInclusive};

use crate::{Config, ConfigError, Problem};

/// The media ports of a node: equal shares of one range, one for each worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortPlan {
    first: u16,
    per_worker: u16,
    wanted: u16,
    workers: u16,
    ephemeral: (u16, u16),
}

/// What Linux gives to outgoing connections unless told otherwise (`net.ipv4.ip_local_port_range`).
pub const DEFAULT_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

impl Config {
    /// Divides the media ports among so many workers. With many of them, shares become smaller than
    /// `rtc.ports_per_worker`, so that all end below the ports that the system gives to outgoing connections
    /// (`ephemeral`): one of those could be taken at any time by any program.
    pub fn port_plan(
        &self,
        workers: u16,
        ephemeral: RangeInclusive<u16>,
    ) -> Result<PortPlan, ConfigError> {
        let plan = PortPlan::new(self, workers.max(1), (*ephemeral.start(), *ephemeral.end()));
        plan.map_err(|problem| ConfigError::Invalid(vec![problem]))
    }
}

impl PortPlan {
    fn new(config: &Config, workers: u16, ephemeral: (u16, u16)) -> Result<Self, Problem> {
        let first = config.rtc.min_port;
        let wanted = config.rtc.ports_per_worker;
        // Who begins among the ephemeral ports or above them wants to be there.
        let end = match ephemeral.0 {
            start if first < start => u32::from(start),
            _ => 1 + u32::from(u16::MAX),
        };
        let share = (end - u32::from(first)) / u32::from(workers);
        // A share is no larger than what was wanted, and that is 16 bits wide.
        let per_worker = u16::try_from(share.min(wanted.into())).unwrap_or(wanted);
        if per_worker == 0 {
            return Err(Problem::TooFewPorts {
                first,
                end,
                workers,
            });
        }
        let plan = Self {
            first,
            per_worker,
            wanted,
            workers,
            ephemeral,
        };
        let further = config.http.further_ports.iter();
        let further = further.map(|port| ("http.further_ports", *port));
        let links = config.cluster.listen.port();
        let links = config.cluster.is_on().then_some(("cluster.listen", links));
        let own = once(("http.port", config.http.port)).chain(further);
        for (key, port) in own.chain(links) {
            if let Some(worker) = plan.owner(port) {
                return Err(Problem::PortTaken {
                    key,
                    port,
                    worker,
                    range: plan.all(),
                });
            }
        }
        Ok(plan)
    }

    /// How many workers have ports.
    pub fn workers(&self) -> u16 {
        self.workers
    }

    /// Ports of each worker.
    pub fn per_worker(&self) -> u16 {
        self.per_worker
    }

    /// `rtc.ports_per_worker`, if shares had to be smaller.
    pub fn shrunk_from(&self) -> Option<u16> {
        (self.per_worker < self.wanted).then_some(self.wanted)
    }

    /// The ports of a worker. All of its browsers use the first one.
    pub fn of_worker(&self, worker: u16) -> RangeInclusive<u16> {
        let first = u32::from(self.first) + u32::from(worker) * u32::from(self.per_worker);
        let last = first + u32::from(self.per_worker) - 1;
        // Only workers that are not there would be beyond the last port.
        let port = |port| u16::try_from(port).unwrap_or(u16::MAX);
        port(first)..=port(last)
    }

    /// The ports of all workers.
    pub fn all(&self) -> RangeInclusive<u16> {
        self.first..=*self.of_worker(self.workers - 1).end()
    }

    /// Whether some are ports that the system gives to outgoing connections.
    pub fn is_ephemeral(&self) -> bool {
        let (first, last) = self.ephemeral;
        *self.all().start() <= last && *self.all().end() >= first
    }

    fn owner(&self, port: u16) -> Option<u16> {
        let offset = port.checked_sub(self.first)?;
        let worker = offset / self.per_worker;
        (worker < self.workers).then_some(worker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(first: u16, wanted: u16, workers: u16) -> Result<PortPlan, String> {
        let mut config = Config::default();
        config.rtc.min_port = first;
        config.rtc.ports_per_worker = wanted;
        let plan = config.port_plan(workers, DEFAULT_EPHEMERAL);
        plan.map_err(|err| err.to_string())
    }

    #[test]
    fn worker_i_begins_i_thousand_ports_later() {
        let plan = plan(10_000, 1000, 4).expect("fits");
        assert_eq!(plan.of_worker(0), 10_000..=10_999);
        assert_eq!(plan.of_worker(3), 13_000..=13_999);
        assert_eq!(plan.all(), 10_000..=13_999);
        assert_eq!(plan.shrunk_from(), None);
        assert!(!plan.is_ephemeral());
    }

    #[test]
    fn many_workers_stay_below_the_ephemeral_ports() {
        assert_eq!(
            plan(10_000, 1000, 22).map(|plan| plan.per_worker()),
            Ok(1000)
        );
        let shrunk = plan(10_000, 1000, 64).expect("fits");
        assert_eq!(shrunk.per_worker(), 355);
        assert_eq!(shrunk.shrunk_from(), Some(1000));
        assert!(*shrunk.all().end() < 32_768);
        for workers in 1..=u16::MAX {
            let Ok(plan) = plan(10_000, 1000, workers) else {
                assert!(workers > 22_768, "{workers}");
                continue;
            };
            assert!(!plan.is_ephemeral(), "{workers}");
            let next = plan.of_worker(workers - 1);
            assert_eq!(plan.owner(*next.start()), Some(workers - 1));
        }
    }

    #[test]
    fn without_a_port_for_each_the_settings_are_named() {
        let error = plan(32_760, 1000, 9).expect_err("eight ports");
        for word in [
            "9 workers",
            "32760",
            "32767",
            "rtc.min_port",
            "workers.count",
        ] {
            assert!(error.contains(word), "{word} in {error}");
        }
    }

    #[test]
    fn who_begins_above_ephemeral_ports_may_use_the_rest() {
        let above = plan(61_000, 1000, 4).expect("fits");
        assert_eq!(above.of_worker(3), 64_000..=64_999);
        assert!(!above.is_ephemeral());
        let last = plan(65_535, 1, 1).expect("one port");
        assert_eq!(last.all(), 65_535..=65_535);
        assert!(plan(40_000, 1000, 4).expect("meant").is_ephemeral());
    }

    #[test]
    fn the_nodes_own_port_does_not_belong_to_a_worker() {
        let mut config = Config::default();
        for (port, worker) in [
            (9_999, None),
            (10_000, Some(0)),
            (11_999, Some(1)),
            (12_000, None),
        ] {
            config.http.port = port;
            let plan = config.port_plan(2, DEFAULT_EPHEMERAL);
            let Some(worker) = worker else {
                assert!(plan.is_ok(), "{port}");
                continue;
            };
            let error = plan.expect_err("overlap").to_string();
            config.http.port = 9_999;
            config.http.further_ports = vec![port];
            let further = config.port_plan(2, DEFAULT_EPHEMERAL);
            let further = further.expect_err("overlap").to_string();
            assert!(further.contains("http.further_ports"), "{further}");
            config.http.further_ports.clear();
            for word in [
                "http.port".to_owned(),
                port.to_string(),
                format!("worker {worker}"),
                "10000–11999".to_owned(),
                "rtc.min_port".to_owned(),
            ] {
                assert!(error.contains(&word), "{word} in {error}");
            }
        }
    }
}
