//! What the servers used while the load was on them: processors and memory of each node and worker.
//!
//! Read once a second, which costs a node next to nothing: from `/metrics`, from any machine. Of a server on this machine
//! `/proc` knows more precisely what its processes used until this moment; `/workers` says which those are. Where there are no
//! metrics, `/workers` alone has to do.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::Serialize;

use crate::{
    exposition::{self, Process, Reading},
    processes::{self, Workers},
};

/// All readings of one node.
#[derive(Debug)]
pub struct Watch {
    url: String,
    http: reqwest::Client,
    /// Whether it is on this machine, once its name has been looked up.
    is_here: Option<bool>,
    source: Option<Source>,
    first: Option<(Duration, Reading)>,
    last: Option<(Duration, Reading)>,
    node: Used,
    workers: BTreeMap<u32, Used>,
    misses: u32,
    error: Option<String>,
}

/// Where figures come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Source {
    /// Heartbeats of workers, four a second.
    Metrics,
    /// The kernel of this machine.
    Proc,
    /// Shares of a core, as workers tell them.
    Workers,
}

/// One node in a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Server {
    /// Its address, as it was given.
    pub url: String,
    /// Its version.
    pub version: Option<String>,
    /// Where the figures come from.
    pub source: Option<Source>,
    /// Joins that ended there, those of peers that came back among them.
    pub joins: u64,
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
            is_here: None,
            source: None,
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
        let (metrics, workers) = tokio::join!(
            fetch(&self.http, &self.url, "/metrics"),
            fetch(&self.http, &self.url, "/workers"),
        );
        let workers = workers.ok().as_deref().and_then(Workers::parse);
        let (mut reading, is_metric) = match metrics {
            Ok(text) => (exposition::parse(&text), true),
            Err(error) => {
                self.error = Some(error);
                (Reading::default(), false)
            }
        };
        let is_proc = match &workers {
            Some(workers) if self.is_here().await => take_processes(workers, &mut reading),
            _ => false,
        };
        match (is_metric, is_proc, workers) {
            (_, true, _) => self.source = Some(Source::Proc),
            // What heartbeats say is older than what was read last: two sources in turn would count time twice.
            (_, false, _) if self.source == Some(Source::Proc) => {
                self.misses += 1;
                return None;
            }
            (true, false, _) => self.source = Some(Source::Metrics),
            (false, false, Some(workers)) => {
                self.take_shares(at, &workers, &mut reading);
                self.source = Some(Source::Workers);
            }
            (false, false, None) => {
                self.misses += 1;
                return None;
            }
        }
        self.take(at, reading)
    }

    /// Whether a node whose address this is writes about processes of this machine.
    async fn is_here(&mut self) -> bool {
        if let Some(known) = self.is_here {
            return known;
        }
        let found = addresses(&self.url).await;
        let is_here = !found.is_empty() && found.into_iter().all(processes::is_here);
        self.is_here = Some(is_here);
        is_here
    }

    /// Adds up shares of a core to processor time.
    fn take_shares(&self, at: Duration, workers: &Workers, reading: &mut Reading) {
        let before = self.last.as_ref();
        let elapsed = before.map_or(0.0, |(then, _)| at.saturating_sub(*then).as_secs_f64());
        for worker in workers.iter() {
            let last = before.and_then(|(_, it)| it.workers.get(&worker.worker_id));
            let so_far = last.map_or(0.0, |last| last.process.cpu_seconds);
            reading.workers.entry(worker.worker_id).or_default().process = Process {
                cpu_seconds: so_far + worker.cpu_usage.max(0.0) * elapsed,
                memory_bytes: worker.memory,
            };
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

    /// Address, as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Memory of all processes in the last reading.
    pub fn memory(&self) -> f64 {
        let last = self.last.as_ref().map(|(_, last)| last);
        last.map_or(0.0, |last| {
            let workers = last.workers.values();
            let workers: f64 = workers.map(|worker| worker.process.memory_bytes).sum();
            last.node.memory_bytes + workers
        })
    }

    fn cpu(&self) -> f64 {
        self.node.cpu + self.workers.values().map(|it| it.cpu).sum::<f64>()
    }

    /// For a report.
    pub fn server(&self) -> Server {
        let (Some((began, _)), Some((ended, last))) = (&self.first, &self.last) else {
            return Server {
                url: self.url.clone(),
                source: self.source,
                misses: self.misses,
                error: self.error.clone(),
                ..Server::default()
            };
        };
        let elapsed = ended.saturating_sub(*began).as_secs_f64().max(0.001);
        Server {
            url: self.url.clone(),
            version: last.version.clone(),
            source: self.source,
            joins: 0,
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

/// What `/proc` knows of a node's processes, in place of what it says itself. `false`: nothing.
fn take_processes(workers: &Workers, reading: &mut Reading) -> bool {
    let mut node = None;
    let mut is_any = false;
    for worker in workers.iter() {
        let Some((pid, process)) = worker
            .pid
            .and_then(|pid| Some((pid, processes::read(pid)?)))
        else {
            continue;
        };
        is_any = true;
        node = node.or_else(|| processes::parent(pid));
        reading.workers.entry(worker.worker_id).or_default().process = process;
    }
    if let Some(process) = node.and_then(processes::read) {
        reading.node = process;
    }
    is_any
}

/// An address without its path, for HTTP: `https://a.example.org:4443`.
pub fn base(url: &str) -> String {
    let http = url.replacen("ws", "http", usize::from(url.starts_with("ws")));
    let origin = reqwest::Url::parse(&http).map(|url| url.origin().ascii_serialization());
    origin.unwrap_or(http)
}

/// Where an address leads.
pub(crate) async fn addresses(url: &str) -> Vec<IpAddr> {
    let Ok(url) = reqwest::Url::parse(&base(url)) else {
        return Vec::new();
    };
    let (host, port) = (url.host_str(), url.port_or_known_default());
    let host = host.map(|host| host.trim_matches(['[', ']']));
    let (Some(host), Some(port)) = (host, port) else {
        return Vec::new();
    };
    let found = tokio::net::lookup_host((host, port)).await;
    found.map_or_else(
        |_| Vec::new(),
        |found| found.map(|address| address.ip()).collect(),
    )
}

/// A node's metrics are some hundred kilobytes at most.
const LONGEST: usize = 8 << 20;

async fn fetch(http: &reqwest::Client, url: &str, path: &str) -> Result<String, String> {
    let address = format!("{}{path}", base(url));
    let failed = |error: reqwest::Error| error.without_url().to_string();
    let mut response = http.get(address).send().await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(format!("{path} is answered with {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LONGEST {
            return Err(format!("{path} is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "all of them are written exactly")]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

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

    /// A node without metrics, whose worker has used this share of a core.
    async fn without_metrics(share: f64) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("binds");
        let address = listener.local_addr().expect("bound");
        let workers = format!(
            "{{\"workers\":[{{\"workerId\":0,\"pid\":null,\"cpuUsage\":{share},\"memory\":4096}}]}}"
        );
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let len = socket.read(&mut request).await.unwrap_or_default();
                let is_it = request[..len].starts_with(b"GET /workers ");
                let (status, body) = if is_it {
                    ("200 OK", &workers[..])
                } else {
                    ("404 Not Found", "")
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Whoever has asked may have gone.
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        format!("http://{address}/dispatch")
    }

    #[tokio::test]
    async fn where_there_are_no_metrics_workers_shares_are_added_up() {
        let url = without_metrics(0.5).await;
        let mut watch = Watch::new(&url, reqwest::Client::new());
        let at = Duration::from_secs;
        assert_eq!(watch.read(at(0)).await, None);
        assert_eq!(watch.read(at(2)).await, Some(0.5));
        assert_eq!(watch.read(at(3)).await, Some(0.5));
        let server = watch.server();
        assert_eq!((server.source, server.misses), (Some(Source::Workers), 0));
        assert_eq!(
            (server.workers[0].usage.cpu_s, watch.memory()),
            (1.5, 4096.0)
        );
        assert_eq!(base("wss://[::1]:4443/x?y"), "https://[::1]:4443");
    }
}
