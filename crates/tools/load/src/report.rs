//! What a run came to. Its JSON is described in `docs/load.md`; names there do not change their meaning.

use std::{collections::BTreeMap, fmt::Write as _};

use plenum_client::{Histogram, MediaFigures};
use serde::Serialize;

use crate::{
    assertion::{Assertion, AssertionError, Verdict},
    figures::Figures,
    histogram::{Summary, Times},
    options::Options,
    plan::Plan,
    scenario::Part,
    server::Server,
};

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Report {
    /// Of this very shape; another one when a member changes its meaning.
    pub format: u32,
    pub generator: String,
    /// Seconds since 1970.
    pub began: u64,
    pub duration_s: f64,
    /// Ended by its plan, and not by somebody who was impatient.
    pub complete: bool,
    pub run: Run,
    pub peers: Peers,
    pub join: Join,
    pub media: Media,
    pub reconnects: Reconnects,
    pub errors: BTreeMap<String, u64>,
    pub error_samples: BTreeMap<String, String>,
    pub saturated: bool,
    pub saturation: Saturation,
    pub server: Vec<Server>,
    /// Processor time of all nodes and workers in this run, for each join of it; media included.
    pub server_cpu_ms_per_join: Option<f64>,
    pub series: Vec<Second>,
    pub assertions: Vec<Verdict>,
    /// Packets of servers that came, whatever became of them.
    #[serde(skip)]
    pub came: u64,
    /// For charts; too long for JSON.
    #[serde(skip)]
    pub curves: Vec<Curve>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Run {
    pub scenarios: Vec<Part>,
    pub urls: Vec<String>,
    pub room: String,
    pub rooms: u32,
    pub video: String,
    pub audio: String,
    pub codec: String,
    pub video_bitrate_bps: u32,
    pub simulcast: bool,
    pub svc: Option<String>,
    pub loss_percent: f64,
    pub delay_ms: f64,
    pub jitter_ms: f64,
    pub bandwidth_bps: Option<u32>,
    pub threads: usize,
    pub seed: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Peers {
    pub planned: u64,
    pub begun: u64,
    pub joined: u64,
    pub failed: u64,
    pub lost: u64,
    pub left: u64,
    /// Joins that the end of the run cut off.
    pub unfinished: u64,
    pub at_once_max: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Join {
    pub connect_ms: Summary,
    pub messages_ms: BTreeMap<String, Summary>,
    pub ice_ms: Summary,
    pub dtls_ms: Summary,
    pub last_answer_ms: Summary,
    pub first_packet_ms: Summary,
    pub first_key_frame_ms: Summary,
    pub lateness_ms: Summary,
}

#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Media {
    pub sent: Sent,
    pub received: Received,
    pub jitter_ms: Summary,
    pub forwarding_delay_ms: Summary,
    pub forwarding_delay_audio_ms: Summary,
    pub forwarding_delay_video_ms: Summary,
}

#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Sent {
    pub packets: u64,
    pub bytes: u64,
    pub bitrate_bps: f64,
    pub frames: u64,
    pub key_frames: u64,
    pub retransmitted: u64,
    pub nacks: u64,
    pub key_frame_requests: u64,
    pub dropped: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Received {
    pub packets: u64,
    pub bytes: u64,
    pub bitrate_bps: f64,
    pub frames: u64,
    pub key_frames: u64,
    pub missed: u64,
    pub recovered: u64,
    pub lost: u64,
    pub never_sent: Option<u64>,
    pub loss_percent: f64,
    pub nacks: u64,
    pub key_frame_requests: u64,
    pub undecipherable: u64,
    pub unknown: u64,
    pub dropped: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Reconnects {
    pub count: u64,
    pub resumed_ms: Summary,
    pub rejoined_ms: Summary,
    pub redirects: u64,
    pub redirected_ms: Summary,
}

#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Saturation {
    pub reasons: Vec<String>,
    /// Share of a core of each thread in its busiest second.
    pub threads_percent_max: BTreeMap<String, f64>,
    pub cpu_percent_max: f64,
    pub timer_lateness_ms: Summary,
    pub media_lateness_ms: Summary,
    pub skipped_frames: u64,
    pub socket_drops: u64,
}

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "docs/load.md says what each member means")]
pub struct Second {
    pub at_s: f64,
    pub peers: u32,
    pub joins: u64,
    pub errors: u64,
    pub reconnects: u64,
    pub sent_bps: f64,
    pub received_bps: f64,
    pub lost: u64,
    pub own_cpu_percent: f64,
    pub server_cpu_percent: Option<f64>,
    pub server_memory_bytes: Option<f64>,
}

/// How many percent took how long at most.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// For people.
    pub name: &'static str,
    /// Shares, 0 to 1, and milliseconds.
    pub points: Vec<(f64, f64)>,
}

/// Why a server leaves packets out that it has numbered.
pub(crate) const NEVER_SENT: &str = "pictures that waited until they were out of date, because the path was not known to carry \
                                     them yet; senders with smaller streams or layers (--simulcast, --svc) have something else to send";

impl Report {
    /// What the run was told, and nothing measured yet.
    pub fn new(options: &Options, plan: &Plan) -> Self {
        Self {
            format: 1,
            generator: concat!("plenum ", env!("CARGO_PKG_VERSION")).to_owned(),
            run: Run {
                scenarios: options.parts.clone(),
                urls: options.urls.clone(),
                room: options.room.clone(),
                rooms: plan.rooms,
                video: options.studio.video_name().to_owned(),
                audio: options.studio.audio_name().to_owned(),
                codec: options.studio.codec().name().to_owned(),
                video_bitrate_bps: options.studio.bitrate(),
                simulcast: options.studio.is_simulcast(),
                svc: options.studio.mode().map(|mode| mode.to_string()),
                loss_percent: options.loss * 100.0,
                delay_ms: options.delay.as_secs_f64() * 1000.0,
                jitter_ms: options.jitter.as_secs_f64() * 1000.0,
                bandwidth_bps: options.bandwidth,
                threads: options.threads,
                seed: options.seed,
            },
            peers: Peers {
                planned: plan.peers.len() as u64,
                at_once_max: 0,
                ..Peers::default()
            },
            ..Self::default()
        }
    }

    /// What the peers have seen.
    pub fn take_figures(&mut self, figures: &Figures) {
        self.peers = Peers {
            planned: self.peers.planned,
            at_once_max: self.peers.at_once_max,
            begun: figures.begun,
            joined: figures.joined,
            failed: figures.failed,
            lost: figures.lost,
            left: figures.left,
            unfinished: figures
                .begun
                .saturating_sub(figures.joined + figures.failed),
        };
        let messages = figures.messages.iter();
        self.join = Join {
            connect_ms: figures.connect.summary(),
            messages_ms: messages
                .map(|(name, times)| (name.clone(), times.summary()))
                .collect(),
            ice_ms: figures.ice.summary(),
            dtls_ms: figures.dtls.summary(),
            last_answer_ms: figures.last_answer.summary(),
            first_packet_ms: figures.first_packet.summary(),
            first_key_frame_ms: figures.first_key_frame.summary(),
            lateness_ms: figures.lateness.summary(),
        };
        self.reconnects = Reconnects {
            count: figures.resumed.count() + figures.rejoined.count(),
            resumed_ms: figures.resumed.summary(),
            rejoined_ms: figures.rejoined.summary(),
            redirects: figures.redirected.count(),
            redirected_ms: figures.redirected.summary(),
        };
        self.media.jitter_ms = figures.jitter.summary();
        self.errors.clone_from(&figures.errors);
        self.error_samples.clone_from(&figures.samples);
        self.curves = [
            ("last answer", &figures.last_answer),
            ("first packet", &figures.first_packet),
            ("first key frame", &figures.first_key_frame),
        ]
        .into_iter()
        .filter(|(_, times)| times.count() > 0)
        .map(|(name, times)| Curve::of(name, times))
        .collect();
    }

    /// What the threads that move media have seen.
    pub fn take_media(&mut self, media: &MediaFigures) {
        let seconds = self.duration_s.max(0.001);
        let rate = |bytes: u64| (bytes as f64 * 8.0 / seconds).round();
        let (sent, received) = (&media.sent, &media.received);
        self.media.sent = Sent {
            packets: sent.packets,
            bytes: sent.bytes,
            bitrate_bps: rate(sent.bytes),
            frames: sent.frames,
            key_frames: sent.key_frames,
            retransmitted: sent.retransmitted,
            nacks: sent.nacks,
            key_frame_requests: sent.key_frame_requests,
            dropped: sent.dropped,
        };
        self.media.received = Received {
            packets: received.packets,
            bytes: received.bytes,
            bitrate_bps: rate(received.bytes),
            frames: received.frames,
            key_frames: received.key_frames,
            missed: received.missed,
            recovered: received.recovered,
            lost: received.lost,
            // Known when the servers' figures are.
            never_sent: None,
            loss_percent: share(received.lost, received.packets + received.lost),
            nacks: received.nacks,
            key_frame_requests: received.key_frame_requests,
            undecipherable: received.undecipherable,
            unknown: received.unknown,
            dropped: received.dropped,
        };
        self.came =
            received.packets + received.duplicates + received.undecipherable + received.unknown;
        let (audio, video) = (times(&media.audio_delay), times(&media.video_delay));
        self.media.forwarding_delay_audio_ms = audio.summary();
        self.media.forwarding_delay_video_ms = video.summary();
        let mut both = audio;
        both.add(&video);
        self.media.forwarding_delay_ms = both.summary();
        if both.count() > 0 {
            self.curves.push(Curve::of("forwarding delay", &both));
        }
        let mut lateness = Times::new();
        for thread in &media.threads {
            lateness.add(&times(&thread.lateness));
            self.saturation.skipped_frames += thread.skipped_frames;
        }
        self.saturation.media_lateness_ms = lateness.summary();
    }

    /// What the servers have used.
    pub fn take_servers(&mut self, servers: Vec<Server>) {
        let cpu: f64 = servers.iter().map(|server| server.cpu_s).sum();
        self.media.received.never_sent = self.never_sent(&servers);
        let is_known = servers.iter().any(|server| server.error.is_none());
        if is_known && self.peers.joined > 0 {
            let each = cpu * 1000.0 / self.peers.joined as f64;
            self.server_cpu_ms_per_join = Some((each * 1000.0).round() / 1000.0);
        }
        self.server = servers;
    }

    /// Of the packets that were lost those that no server has sent, at least: what servers sent and did not come may have been
    /// lost on the way, and may have been for others. `None`: what servers sent is not known.
    fn never_sent(&self, servers: &[Server]) -> Option<u64> {
        let received = &self.media.received;
        let workers = servers.iter().flat_map(|server| &server.workers);
        let sent: f64 = workers.map(|worker| worker.packets_out).sum();
        let is_told = |server: &Server| server.error.is_none() && server.misses == 0;
        if sent <= 0.0 || !servers.iter().all(is_told) {
            return None;
        }
        let came = self.came;
        let on_the_way = (sent as u64).saturating_sub(came);
        Some(received.lost.saturating_sub(on_the_way))
    }

    /// Holds it to what was asked for; whether everything holds.
    pub fn judge(&mut self, assertions: &[Assertion]) -> bool {
        // Numbers, texts and names of members: nothing that JSON does not have.
        let report = serde_json::to_value(&*self).unwrap_or_default();
        let verdicts = assertions.iter().map(|assertion| assertion.judge(&report));
        self.assertions = verdicts.collect();
        self.assertions.iter().all(|verdict| verdict.holds)
    }

    /// Refuses assertions about figures that no report has: better before a run than after it.
    pub fn knows(assertions: &[Assertion]) -> Result<(), AssertionError> {
        let sample = serde_json::to_value(Self::default()).unwrap_or_default();
        assertions
            .iter()
            .try_for_each(|assertion| assertion.check(&sample))
    }

    /// For people who look at a terminal.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let peers = &self.peers;
        let end = if self.complete { "" } else { ", ended early" };
        writeln!(
            out,
            "{} peers planned, {} joined, {} failed, {} lost; {:.1} s{end}",
            peers.planned, peers.joined, peers.failed, peers.lost, self.duration_s
        )?;
        writeln!(
            out,
            "\n{:<28}{:>8}{:>10}{:>10}{:>10}{:>10}",
            "milliseconds", "count", "p50", "p95", "p99", "max"
        )?;
        let join = &self.join;
        row(out, "connect", &join.connect_ms)?;
        for (name, summary) in &join.messages_ms {
            row(out, &format!("  {name}"), summary)?;
        }
        row(out, "ICE", &join.ice_ms)?;
        row(out, "DTLS", &join.dtls_ms)?;
        row(out, "join: last answer", &join.last_answer_ms)?;
        row(out, "join: first packet", &join.first_packet_ms)?;
        row(out, "join: first key frame", &join.first_key_frame_ms)?;
        row(out, "forwarding delay", &self.media.forwarding_delay_ms)?;
        row(out, "jitter", &self.media.jitter_ms)?;
        row(out, "resumed after", &self.reconnects.resumed_ms)?;
        row(out, "joined again after", &self.reconnects.rejoined_ms)?;
        row(out, "redirected after", &self.reconnects.redirected_ms)?;
        let (sent, received) = (&self.media.sent, &self.media.received);
        writeln!(
            out,
            "\nsent      {:>12} packets  {:>9}/s  {} sent again, {} requests for key frames",
            sent.packets,
            bits(sent.bitrate_bps),
            sent.retransmitted,
            sent.key_frame_requests
        )?;
        writeln!(
            out,
            "received  {:>12} packets  {:>9}/s  {} lost ({:.3} %), {} recovered, {} asked for again",
            received.packets,
            bits(received.bitrate_bps),
            received.lost,
            received.loss_percent,
            received.recovered,
            received.nacks
        )?;
        if let Some(count) = self.media.received.never_sent.filter(|count| *count > 0) {
            writeln!(
                out,
                "          {count:>12} of the lost ones were never sent: {NEVER_SENT}"
            )?;
        }
        self.write_servers(out)?;
        for (kind, count) in &self.errors {
            let sample = self.error_samples.get(kind);
            let sample = sample.map(|text| format!(", such as: {text}"));
            writeln!(
                out,
                "error     {count:>12} × {kind}{}",
                sample.unwrap_or_default()
            )?;
        }
        for reason in &self.saturation.reasons {
            writeln!(out, "SATURATED: {reason}")?;
        }
        for verdict in &self.assertions {
            let word = if verdict.holds { "holds " } else { "FAILED" };
            writeln!(out, "{word}  {}", verdict.message)?;
        }
        Ok(())
    }

    fn write_servers(&self, out: &mut String) -> std::fmt::Result {
        for server in &self.server {
            if let Some(error) = &server.error {
                writeln!(out, "server    {}: no figures, {error}", server.url)?;
                continue;
            }
            let mib = |bytes: f64| bytes / 1_048_576.0;
            writeln!(
                out,
                "server    {}: {:.2} s of processor, node {:.1} % and {:.0} MiB",
                server.url,
                server.cpu_s,
                server.node.cpu_percent,
                mib(server.node.memory_bytes_max)
            )?;
            for worker in &server.workers {
                writeln!(
                    out,
                    "          worker {}: {:.1} % (at most {:.1} %), {:.0} MiB, {:.0} packets in, {:.0} out",
                    worker.worker,
                    worker.usage.cpu_percent,
                    worker.usage.cpu_percent_max,
                    mib(worker.usage.memory_bytes_max),
                    worker.packets_in,
                    worker.packets_out
                )?;
            }
        }
        if let Some(each) = self.server_cpu_ms_per_join {
            writeln!(out, "          {each:.2} ms of processor for each join")?;
        }
        Ok(())
    }
}

impl Curve {
    fn of(name: &'static str, times: &Times) -> Self {
        // Denser towards the end, where it matters.
        let shares = (0..=60).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 20.0));
        let most = 1.0 - 1.0 / times.count().max(1) as f64;
        let mut points: Vec<_> = shares
            .take_while(|share| *share <= most)
            .map(|share| (share, times.at(share)))
            .collect();
        points.push((most.max(0.0), times.at(1.0)));
        Self { name, points }
    }
}

fn row(out: &mut String, name: &str, summary: &Summary) -> std::fmt::Result {
    let (Some(p50), Some(p95), Some(p99), Some(max)) =
        (summary.p50, summary.p95, summary.p99, summary.max)
    else {
        return Ok(());
    };
    writeln!(
        out,
        "{name:<28}{:>8}{p50:>10.1}{p95:>10.1}{p99:>10.1}{max:>10.1}",
        summary.count
    )
}

/// Bits, with the letter that makes them readable.
pub(crate) fn bits(rate: f64) -> String {
    match rate {
        rate if rate >= 1e9 => format!("{:.2} Gb", rate / 1e9),
        rate if rate >= 1e6 => format!("{:.1} Mb", rate / 1e6),
        rate => format!("{:.0} kb", rate / 1e3),
    }
}

fn share(part: u64, of: u64) -> f64 {
    if of == 0 {
        return 0.0;
    }
    (part as f64 * 100_000.0 / of as f64).round() / 1000.0
}

fn times(histogram: &Histogram) -> Times {
    let mut times = Times::new();
    for (time, count) in histogram.buckets() {
        times.record_many(time, count);
    }
    times
}

#[cfg(test)]
#[path = "report/tests.rs"]
mod tests;
