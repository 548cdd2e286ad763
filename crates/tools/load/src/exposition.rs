//! What a node's `/metrics` say of processors and memory, without a library for all of the format.

use std::collections::BTreeMap;

/// One reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The node's own process.
    pub node: Process,
    /// Its workers, by number.
    pub workers: BTreeMap<u32, Worker>,
    /// Version of the node.
    pub version: Option<String>,
}

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Processor time since it began.
    pub cpu_seconds: f64,
    /// Resident memory now.
    pub memory_bytes: f64,
}

/// What a worker has used and done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worker {
    /// Its process.
    pub process: Process,
    /// RTP packets received.
    pub packets_in: f64,
    /// RTP packets sent.
    pub packets_out: f64,
    /// Datagrams that the kernel refused to send.
    pub dropped: f64,
}

/// Whoever answers at an address may not fill this program's memory: far more than a machine has cores.
pub const MAX_WORKERS: usize = 1024;

/// Reads the samples that are of use here; whatever else there is, is passed over.
pub fn parse(text: &str) -> Reading {
    let mut reading = Reading::default();
    for line in text.lines() {
        if let Some(sample) = Sample::parse(line) {
            reading.take(&sample);
        }
    }
    reading
}

/// `name{label="value",…} number`
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        let (head, value) = line.trim_end().rsplit_once(' ')?;
        let (name, labels) = match head.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}')?),
            None => (head, ""),
        };
        let value: f64 = value.parse().ok()?;
        value.is_finite().then_some(Self {
            name,
            labels,
            value,
        })
    }

    /// The values that a node writes have no quotes and commas in them.
    fn label(&self, name: &str) -> Option<&'a str> {
        self.labels.split(',').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| value.trim_matches('"'))
        })
    }
}

impl Reading {
    fn take(&mut self, sample: &Sample<'_>) {
        let value = sample.value;
        match sample.name {
            "process_cpu_seconds_total" => self.node.cpu_seconds = value,
            "process_resident_memory_bytes" => self.node.memory_bytes = value,
            "plenum_build_info" => {
                self.version = sample
                    .label("version")
                    .map(|it| it.chars().take(64).collect());
            }
            name => {
                if let Some(worker) = self.worker(sample) {
                    match (name, sample.label("direction")) {
                        ("plenum_worker_cpu_seconds_total", _) => {
                            worker.process.cpu_seconds = value;
                        }
                        ("plenum_worker_memory_bytes", _) => worker.process.memory_bytes = value,
                        ("plenum_worker_rtp_packets_total", Some("in")) => {
                            worker.packets_in = value;
                        }
                        ("plenum_worker_rtp_packets_total", Some("out")) => {
                            worker.packets_out = value;
                        }
                        ("plenum_worker_datagrams_dropped_total", _) => worker.dropped = value,
                        _ => {}
                    }
                }
            }
        }
    }

    fn worker(&mut self, sample: &Sample<'_>) -> Option<&mut Worker> {
        if !sample.name.starts_with("plenum_worker_") {
            return None;
        }
        let number: u32 = sample.label("worker")?.parse().ok()?;
        if !self.workers.contains_key(&number) && self.workers.len() >= MAX_WORKERS {
            return None;
        }
        Some(self.workers.entry(number).or_default())
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "all of them are written exactly")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzzing::fuzz_metrics;

    #[test]
    fn what_a_node_writes_is_read() {
        let text = "\
# TYPE plenum_build info
plenum_build_info{version=\"0.1.0\",revision=\"45143eab0156\"} 1
process_resident_memory_bytes 42758144.0
process_cpu_seconds_total 0.5
plenum_worker_memory_bytes{worker=\"0\"} 23003136.0
plenum_worker_cpu_seconds_total{worker=\"0\"} 1.25
plenum_worker_cpu_seconds_total{worker=\"3\"} 7
plenum_worker_rtp_packets_total{direction=\"in\",worker=\"3\"} 10
plenum_worker_rtp_packets_total{direction=\"out\",worker=\"3\"} 90
plenum_join_stage_seconds_bucket{stage=\"joined\",le=\"+Inf\"} 3
plenum_worker_cpu_seconds_total{worker=\"4\"} NaN
# EOF
";
        let reading = parse(text);
        assert_eq!(reading.version.as_deref(), Some("0.1.0"));
        assert_eq!(reading.node.cpu_seconds, 0.5);
        assert_eq!(reading.workers[&0].process.memory_bytes, 23_003_136.0);
        let third = reading.workers[&3];
        assert_eq!(third.process.cpu_seconds, 7.0);
        assert_eq!((third.packets_in, third.packets_out), (10.0, 90.0));
        assert!(!reading.workers.contains_key(&4));
    }

    #[test]
    fn whoever_answers_there_are_only_so_many_workers() {
        let line = |number| format!("plenum_worker_memory_bytes{{worker=\"{number}\"}} 1\n");
        let text: String = (0..5000).map(line).collect();
        assert_eq!(parse(&text).workers.len(), MAX_WORKERS);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "(plenum_worker_memory_bytes|[a-z{}=\", ]{0,20}|[\\PC\\n]{0,40}){0,6}") {
            fuzz_metrics(text.as_bytes());
        }
    }
}
