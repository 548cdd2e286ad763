//! A report as a page: one file without anything from elsewhere, with charts that follow the reader's light or dark.

use std::fmt::{self, Write as _};

use crate::{
    histogram::Summary,
    report::{Curve, Report, Second, bits},
};

/// The page.
pub fn page(report: &Report) -> String {
    let mut out = String::with_capacity(64 << 10);
    // Writing to a string does not fail.
    let _ = write_page(&mut out, report);
    out
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
/// For the numbers beside and below a chart.
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 12.0;

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--faint:#6b7480;--line:#d9dee4;--good:#1a7f45;--bad:#b3261e;\
--c0:#2563c9;--c1:#c2571a;--c2:#2e8b57;--c3:#8e44ad}\
@media(prefers-color-scheme:dark){:root{--back:#14171b;--text:#e6e9ed;--faint:#9aa4b0;--line:#333a43;--good:#5cc98b;\
--bad:#ff8a80;--c0:#7aaefc;--c1:#f0a163;--c2:#72cf9d;--c3:#cd9ae0}}\
body{margin:0 auto;max-width:1360px;padding:24px;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}\
h1{font-size:24px}h2{font-size:17px;margin:28px 0 8px}table{border-collapse:collapse}td,th{padding:3px 12px 3px 0;text-align:right;\
border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}td:first-child,th:first-child{text-align:left}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:16px 24px}figure{margin:0}\
figcaption{font-weight:600}svg{width:100%;height:auto;display:block}svg text{fill:var(--faint);font-size:11px}\
.grid{stroke:var(--line)}.faint{color:var(--faint)}.good{color:var(--good)}.bad{color:var(--bad)}\
.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}path{fill:none;stroke-width:1.8}\
.key{margin-right:14px;white-space:nowrap;font-weight:400}.k0{color:var(--c0)}.k1{color:var(--c1)}.k2{color:var(--c2)}.k3{color:var(--c3)}";

fn write_page(out: &mut String, report: &Report) -> fmt::Result {
    let names = report.run.scenarios.iter();
    let names: Vec<_> = names.map(|part| part.scenario.as_str()).collect();
    let title = format!("plenum load: {}", names.join(", "));
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{0}</title><style>{STYLE}</style><body><h1>{0}</h1>",
        text(&title)
    )?;
    summary(out, report)?;
    verdicts(out, report)?;
    out.push_str("<div class=\"charts\">");
    charts(out, report)?;
    out.push_str("</div>");
    times(out, report)?;
    servers(out, report)?;
    errors(out, report)?;
    out.push_str("</body></html>\n");
    Ok(())
}

fn summary(out: &mut String, report: &Report) -> fmt::Result {
    let (peers, media) = (&report.peers, &report.media);
    let early = if report.complete { "" } else { ", ended early" };
    write!(
        out,
        "<p>{} peers planned, {} joined, {} failed, {} lost, {} at once at most; {:.1} s{early}. Sent {}/s, received {}/s, \
         {} packets lost ({:.3} %).</p><p class=\"faint\">{}; {}; seed {}, {} threads; {}</p>",
        peers.planned,
        peers.joined,
        peers.failed,
        peers.lost,
        peers.at_once_max,
        report.duration_s,
        bits(media.sent.bitrate_bps),
        bits(media.received.bitrate_bps),
        media.received.lost,
        media.received.loss_percent,
        text(&report.run.urls.join(", ")),
        text(&report.run.codec),
        report.run.seed,
        report.run.threads,
        text(&report.generator),
    )
}

fn verdicts(out: &mut String, report: &Report) -> fmt::Result {
    for reason in &report.saturation.reasons {
        write!(out, "<p class=\"bad\">Saturated: {}</p>", text(reason))?;
    }
    for verdict in &report.assertions {
        let (class, word) = if verdict.holds {
            ("good", "holds")
        } else {
            ("bad", "failed")
        };
        write!(
            out,
            "<p class=\"{class}\">{word}: {}</p>",
            text(&verdict.message)
        )?;
    }
    Ok(())
}

/// One line of a chart.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

fn charts(out: &mut String, report: &Report) -> fmt::Result {
    let curve = |curve: &Curve| Series {
        name: curve.name.to_owned(),
        // 0 is the median's side, 1 is 90 %, 2 is 99 %.
        points: curve
            .points
            .iter()
            .map(|(share, ms)| (nines(*share), *ms))
            .collect(),
    };
    let (delays, joins): (Vec<_>, Vec<_>) = report
        .curves
        .iter()
        .partition(|it| it.name == "forwarding delay");
    let percent = |nines: f64| {
        let share = 100.0 * (1.0 - 10_f64.powf(-nines));
        format!("{share:.*} %", (nines - 1.0).max(0.0) as usize)
    };
    let curves: Vec<Series> = joins.into_iter().map(curve).collect();
    chart(
        out,
        "Joins: what so many did not exceed (ms)",
        &curves,
        percent,
    )?;
    let curves: Vec<Series> = delays.into_iter().map(curve).collect();
    chart(out, "Forwarding delay (ms)", &curves, percent)?;
    let over_time = |name: &str, value: &dyn Fn(&Second) -> Option<f64>| Series {
        name: name.to_owned(),
        points: report
            .series
            .iter()
            .filter_map(|second| Some((second.at_s, value(second)?)))
            .collect(),
    };
    let seconds = |at: f64| format!("{at:.0} s");
    let peers = [
        over_time("peers", &|it| Some(f64::from(it.peers))),
        over_time("joins a second", &|it| Some(it.joins as f64)),
    ];
    chart(out, "Peers", &peers, seconds)?;
    let rates = [
        over_time("received", &|it| Some(it.received_bps / 1e6)),
        over_time("sent", &|it| Some(it.sent_bps / 1e6)),
    ];
    chart(out, "Bitrate (Mb/s)", &rates, seconds)?;
    let processors = [
        over_time("servers", &|it| it.server_cpu_percent),
        over_time("generator", &|it| Some(it.own_cpu_percent)),
    ];
    chart(out, "Processors (% of a core)", &processors, seconds)?;
    let trouble = [
        over_time("packets lost", &|it| Some(it.lost as f64)),
        over_time("errors", &|it| Some(it.errors as f64)),
        over_time("reconnects", &|it| Some(it.reconnects as f64)),
    ];
    let is_quiet = trouble
        .iter()
        .all(|series| series.points.iter().all(|(_, value)| *value == 0.0));
    if is_quiet {
        return Ok(());
    }
    chart(out, "Trouble (a second)", &trouble, seconds)
}

fn nines(share: f64) -> f64 {
    -(1.0 - share.clamp(0.0, 0.999_999)).log10()
}

fn chart(
    out: &mut String,
    caption: &str,
    lines: &[Series],
    label: impl Fn(f64) -> String,
) -> fmt::Result {
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().count() < 2 {
        return Ok(());
    }
    let right = points().map(|(x, _)| *x).fold(0.0, f64::max).max(1e-9);
    let highest = points().map(|(_, y)| *y).fold(0.0, f64::max);
    let top = round_up(highest);
    let place = |x: f64, y: f64| {
        (
            LEFT + (WIDTH - LEFT - 8.0) * x / right,
            TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - y / top),
        )
    };
    write!(out, "<figure><figcaption>{}<br>", text(caption))?;
    for (index, line) in lines.iter().enumerate() {
        write!(
            out,
            "<span class=\"key k{index}\">— {}</span>",
            text(&line.name)
        )?;
    }
    write!(
        out,
        "</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        text(caption)
    )?;
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let (_, y) = place(0.0, value);
        write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            number(value)
        )?;
        let at = right * f64::from(step) / 4.0;
        let (x, _) = place(at, 0.0);
        let anchor = if step == 4 { "end" } else { "middle" };
        write!(
            out,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - 6.0,
            text(&label(at))
        )?;
    }
    for (index, line) in lines.iter().enumerate() {
        let mut path = String::new();
        for (step, (x, y)) in line.points.iter().enumerate() {
            let (x, y) = place(*x, *y);
            write!(path, "{}{x:.1} {y:.1}", if step == 0 { 'M' } else { 'L' })?;
        }
        if !path.is_empty() {
            write!(out, "<path class=\"s{index}\" d=\"{path}\"/>")?;
        }
    }
    out.push_str("</svg></figure>");
    Ok(())
}

/// The next of 1, 2, 5, 10, 20, 50, …
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let enough = steps.into_iter().find(|step| *step >= value);
    enough.unwrap_or(value)
}

fn number(value: f64) -> String {
    if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

fn times(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str(
        "<h2>Times (ms)</h2><table><tr><th><th>count<th>min<th>p50<th>p90<th>p95<th>p99<th>p99.9<th>max</tr>",
    );
    let join = &report.join;
    time(out, "connect", &join.connect_ms)?;
    for (name, summary) in &join.messages_ms {
        time(out, &format!("message {name}"), summary)?;
    }
    for (name, summary) in [
        ("ICE", &join.ice_ms),
        ("DTLS", &join.dtls_ms),
        ("last answer", &join.last_answer_ms),
        ("first packet", &join.first_packet_ms),
        ("first key frame", &join.first_key_frame_ms),
        ("joins begun late by", &join.lateness_ms),
        (
            "forwarding delay, sound",
            &report.media.forwarding_delay_audio_ms,
        ),
        (
            "forwarding delay, pictures",
            &report.media.forwarding_delay_video_ms,
        ),
        ("jitter", &report.media.jitter_ms),
        ("resumed after", &report.reconnects.resumed_ms),
        ("joined again after", &report.reconnects.rejoined_ms),
        ("redirected after", &report.reconnects.redirected_ms),
        (
            "generator's timers late by",
            &report.saturation.timer_lateness_ms,
        ),
        (
            "generator's media late by",
            &report.saturation.media_lateness_ms,
        ),
    ] {
        time(out, name, summary)?;
    }
    out.push_str("</table>");
    Ok(())
}

fn time(out: &mut String, name: &str, summary: &Summary) -> fmt::Result {
    if summary.count == 0 {
        return Ok(());
    }
    write!(out, "<tr><td>{}<td>{}", text(name), summary.count)?;
    for value in [
        summary.min,
        summary.p50,
        summary.p90,
        summary.p95,
        summary.p99,
        summary.p99_9,
        summary.max,
    ] {
        write!(out, "<td>{:.2}", value.unwrap_or_default())?;
    }
    out.push_str("</tr>");
    Ok(())
}

fn servers(out: &mut String, report: &Report) -> fmt::Result {
    if report.server.is_empty() {
        return Ok(());
    }
    out.push_str(
        "<h2>Servers</h2><table><tr><th><th>CPU s<th>CPU %<th>at most %<th>MiB<th>at most<th>packets in<th>out</tr>",
    );
    for server in &report.server {
        if let Some(error) = &server.error {
            write!(out, "<tr><td>{}: {}</tr>", text(&server.url), text(error))?;
            continue;
        }
        let mib = |bytes: f64| bytes / 1_048_576.0;
        let node = &server.node;
        write!(
            out,
            "<tr><td>{}<td>{:.2}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.1}<td><td></tr>",
            text(&server.url),
            node.cpu_s,
            node.cpu_percent,
            node.cpu_percent_max,
            mib(node.memory_bytes_last),
            mib(node.memory_bytes_max)
        )?;
        for worker in &server.workers {
            let usage = &worker.usage;
            write!(
                out,
                "<tr><td>worker {}<td>{:.2}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.0}<td>{:.0}</tr>",
                worker.worker,
                usage.cpu_s,
                usage.cpu_percent,
                usage.cpu_percent_max,
                mib(usage.memory_bytes_last),
                mib(usage.memory_bytes_max),
                worker.packets_in,
                worker.packets_out
            )?;
        }
    }
    out.push_str("</table>");
    if let Some(each) = report.server_cpu_ms_per_join {
        write!(out, "<p>{each:.2} ms of processor for each join.</p>")?;
    }
    Ok(())
}

fn errors(out: &mut String, report: &Report) -> fmt::Result {
    if report.errors.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Errors</h2><table>");
    for (kind, count) in &report.errors {
        let sample = report.error_samples.get(kind);
        write!(
            out,
            "<tr><td>{}<td>{count}<td>{}</tr>",
            text(kind),
            text(sample.map_or("", String::as_str))
        )?;
    }
    out.push_str("</table>");
    Ok(())
}

/// Words of servers and of whoever typed a URL are text and nothing else.
fn text(raw: &str) -> String {
    let mut safe = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.run.urls = vec!["http://<script>alert(1)</script>".to_owned()];
        report.errors.insert("a\"b<c>".to_owned(), 3);
        report.curves.push(Curve {
            name: "last answer",
            points: vec![(0.0, 1.0), (0.5, 2.0), (0.99, 40.0)],
        });
        report.series = (0..5)
            .map(|second| Second {
                at_s: f64::from(second),
                peers: second,
                received_bps: 1e6 * f64::from(second),
                ..Second::default()
            })
            .collect();
        report
    }

    #[test]
    fn the_page_stands_alone_and_takes_no_markup_from_outside() {
        let page = page(&report());
        assert!(page.starts_with("<!doctype html>"));
        assert!(!page.contains("<script") && !page.contains("b<c>"));
        for from_elsewhere in [" src=", " href=", "@import", "url("] {
            assert!(!page.contains(from_elsewhere), "{from_elsewhere}");
        }
        assert!(page.contains("prefers-color-scheme:dark"));
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(page.matches("<path").count() >= 3);
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn a_run_without_anything_is_a_page_too() {
        let page = page(&Report::default());
        assert!(page.ends_with("</html>\n") && !page.contains("NaN"));
    }

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, end) in [
            (0.0, 1.0),
            (3.0, 5.0),
            (10.0, 10.0),
            (11.0, 20.0),
            (0.03, 0.05),
            (700.0, 1000.0),
        ] {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}");
        }
        assert_eq!(number(2.50), "2.5");
    }
}
