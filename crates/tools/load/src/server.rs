//! What the servers used while the load was on them: processors and memory of each node and worker.
//!
//! Read from `/metrics` once a second, which costs a node next to nothing and works from any machine.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::exposition::{self, Process, Reading};

/// All readings of one node.
#[derive(Debug)]
pub struct Watch {
    url: String,
    http: reqwest::Client,
    first: Option<(Duration, Reading)>,
    last: Option<(Duration, Reading)>,
    node: Used,
    workers: BTreeMap<u32, Used>,
    misses: u32,
    error: Option<String>,
}

/// One node in a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Server {
    /// Its address, as it was given.
    pub url: String,
    /// Its version.
    pub version: Option<String>,
    /// The node's own process.
    pub node: Usage,
    /// Its workers.
    pub workers: Vec<WorkerUsage>,
    /// Processor time of all of them together.
    pub cpu_s: f64,
    /// Readings that failed; a node that was dead for some seconds has some.
    pub misses: u32,
    /// Why nothing was read at all.
    pub error: Option<String>,
}

/// What a process used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processor time in this run.
    pub cpu_s: f64,
    /// Share of a core, over the run.
    pub cpu_percent: f64,
    /// Share of a core in the busiest second.
    pub cpu_percent_max: f64,
    /// Memory at the beginning.
    pub memory_bytes_first: f64,
    /// Memory at most.
    pub memory_bytes_max: f64,
    /// Memory at the end.
    pub memory_bytes_last: f64,
}

/// What a worker used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct WorkerUsage {
    /// Its number.
    pub worker: u32,
    /// Its process.
    #[serde(flatten)]
    pub usage: Usage,
    /// RTP packets that it received in this run.
    pub packets_in: f64,
    /// RTP packets that it sent.
    pub packets_out: f64,
    /// Datagrams that its kernel refused.
    pub datagrams_dropped: f64,
}

/// What is added up between readings.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    cpu: f64,
    busiest: f64,
    memory_first: f64,
    memory_max: f64,
    memory_last: f64,
    packets_in: f64,
    packets_out: f64,
    dropped: f64,
}

impl Used {
    fn step(&mut self, before: Option<Process>, now: Process, elapsed: f64) {
        if let Some(before) = before {
            let cpu = grown(before.cpu_seconds, now.cpu_seconds);
            self.cpu += cpu;
            self.busiest = self.busiest.max(cpu / elapsed);
        } else {
            self.memory_first = now.memory_bytes;
        }
        self.memory_max = self.memory_max.max(now.memory_bytes);
        self.memory_last = now.memory_bytes;
    }

    fn usage(&self, elapsed: f64) -> Usage {
        Usage {
            cpu_s: round(self.cpu),
            cpu_percent: round(100.0 * self.cpu / elapsed),
            cpu_percent_max: round(100.0 * self.busiest),
            memory_bytes_first: self.memory_first,
            memory_bytes_max: self.memory_max,
            memory_bytes_last: self.memory_last,
        }
    }
}

/// A counter that has fallen belongs to a process that began anew.
fn grown(before: f64, now: f64) -> f64 {
    if now >= before { now - before } else { now }
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

impl Watch {
    /// Of the node at an address.
    pub fn new(url: &str, http: reqwest::Client) -> Self {
        Self {
            url: url.to_owned(),
            http,
            first: None,
            last: None,
            node: Used::default(),
            workers: BTreeMap::new(),
            misses: 0,
            error: None,
        }
    }

    /// Reads once; returns the share of a core that node and workers used since the reading before.
    pub async fn read(&mut self, at: Duration) -> Option<f64> {
        match fetch(&self.http, &self.url).await {
            Ok(text) => self.take(at, exposition::parse(&text)),
            Err(error) => {
                self.misses += 1;
                self.error = Some(error);
                None
            }
        }
    }

    fn take(&mut self, at: Duration, reading: Reading) -> Option<f64> {
        let used_before = self.cpu();
        let before = self.last.take();
        let elapsed = before
            .as_ref()
            .map_or(0.0, |(then, _)| at.saturating_sub(*then).as_secs_f64())
            .max(0.001);
        let before = before.map(|(_, reading)| reading);
        let node = before.as_ref().map(|it| it.node);
        self.node.step(node, reading.node, elapsed);
        for (number, worker) in &reading.workers {
            let last = before.as_ref().and_then(|it| it.workers.get(number));
            let used = self.workers.entry(*number).or_default();
            used.step(last.map(|it| it.process), worker.process, elapsed);
            if let Some(last) = last {
                used.packets_in += grown(last.packets_in, worker.packets_in);
                used.packets_out += grown(last.packets_out, worker.packets_out);
                used.dropped += grown(last.dropped, worker.dropped);
            }
        }
        let is_first = before.is_none();
        if self.first.is_none() {
            self.first = Some((at, reading.clone()));
        }
        self.last = Some((at, reading));
        (!is_first).then(|| (self.cpu() - used_before) / elapsed)
    }

    fn cpu(&self) -> f64 {
        self.node.cpu + self.workers.values().map(|it| it.cpu).sum::<f64>()
    }

    /// For a report.
    pub fn server(&self) -> Server {
        let (Some((began, _)), Some((ended, last))) = (&self.first, &self.last) else {
            return Server {
                url: self.url.clone(),
                misses: self.misses,
                error: self.error.clone(),
                ..Server::default()
            };
        };
        let elapsed = ended.saturating_sub(*began).as_secs_f64().max(0.001);
        Server {
            url: self.url.clone(),
            version: last.version.clone(),
            node: self.node.usage(elapsed),
            workers: self
                .workers
                .iter()
                .map(|(number, used)| WorkerUsage {
                    worker: *number,
                    usage: used.usage(elapsed),
                    packets_in: used.packets_in,
                    packets_out: used.packets_out,
                    datagrams_dropped: used.dropped,
                })
                .collect(),
            cpu_s: round(self.cpu()),
            misses: self.misses,
            error: None,
        }
    }
}

/// A node's metrics are some hundred kilobytes at most.
const LONGEST: usize = 8 << 20;

async fn fetch(http: &reqwest::Client, url: &str) -> Result<String, String> {
    let address = format!("{}/metrics", url.trim_end_matches('/'));
    let failed = |error: reqwest::Error| error.without_url().to_string();
    let mut response = http.get(address).send().await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(format!("/metrics is answered with {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LONGEST {
            return Err("/metrics is too long".to_owned());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "all of them are written exactly")]
mod tests {
    use super::*;

    fn reading(cpu: f64, memory: f64) -> Reading {
        let process = Process {
            cpu_seconds: cpu,
            memory_bytes: memory,
        };
        let worker = exposition::Worker {
            process,
            packets_out: cpu * 1000.0,
            ..exposition::Worker::default()
        };
        Reading {
            node: process,
            workers: [(0, worker)].into(),
            version: Some("1".to_owned()),
        }
    }

    #[test]
    fn processor_time_of_a_process_that_began_anew_goes_on() {
        let mut watch = Watch::new("http://x", reqwest::Client::new());
        let at = Duration::from_secs;
        assert_eq!(watch.take(at(0), reading(10.0, 5.0)), None);
        assert_eq!(watch.take(at(1), reading(10.5, 9.0)), Some(1.0));
        // Died, and was there again.
        assert_eq!(watch.take(at(3), reading(0.25, 3.0)), Some(0.25));
        let server = watch.server();
        assert_eq!(server.node.cpu_s, 0.75);
        assert_eq!(server.node.cpu_percent, 25.0);
        assert_eq!(server.node.cpu_percent_max, 50.0);
        assert_eq!(server.cpu_s, 1.5);
        let memory = server.node;
        assert_eq!(
            (
                memory.memory_bytes_first,
                memory.memory_bytes_max,
                memory.memory_bytes_last
            ),
            (5.0, 9.0, 3.0)
        );
        assert_eq!(server.workers[0].packets_out, 750.0);
    }

    #[test]
    fn nothing_read_is_told_with_its_reason() {
        let mut watch = Watch::new("http://x", reqwest::Client::new());
        watch.misses = 3;
        watch.error = Some("refused".to_owned());
        let server = watch.server();
        assert_eq!(
            (server.misses, server.error.as_deref()),
            (3, Some("refused"))
        );
    }
}
