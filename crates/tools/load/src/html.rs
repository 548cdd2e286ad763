//! A report as a page: one file without anything from elsewhere, with charts that follow the reader's light or dark.

use std::fmt::{self, Write as _};

use chart::{Bar, Series, bars, chart, text};

use crate::{
    histogram::Summary,
    report::{Curve, NEVER_SENT, Report, Second, bits},
};

mod chart;

/// The page.
pub fn page(report: &Report) -> String {
    let mut out = String::with_capacity(64 << 10);
    // Writing to a string does not fail.
    let _ = write_page(&mut out, report);
    out
}

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f4f6f8;--card:#fff;--text:#1b1f24;--faint:#66707c;--line:#e1e5ea;--good:#1a7f45;\
--bad:#b3261e;--goodback:#e5f4ea;--badback:#fbe9e7;--c0:#2563c9;--c1:#c2571a;--c2:#2e8b57;--c3:#8e44ad}\
@media(prefers-color-scheme:dark){:root{--back:#101317;--card:#191d22;--text:#e6e9ed;--faint:#9aa4b0;--line:#2b323a;\
--good:#5cc98b;--bad:#ff8a80;--goodback:#16301f;--badback:#3a1b19;--c0:#7aaefc;--c1:#f0a163;--c2:#72cf9d;--c3:#cd9ae0}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:1320px;padding:28px 24px 48px;background:var(--back);color:var(--text);\
font:15px/1.5 system-ui,sans-serif}h1{font-size:26px;margin:0 0 2px}h2{font-size:18px;margin:32px 0 10px}p{margin:4px 0}\
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(185px,1fr));gap:12px;margin:20px 0}\
.tile,figure,.wide{background:var(--card);border:1px solid var(--line);border-radius:10px}.tile{padding:12px 14px}\
.tile b{display:block;font-size:23px;line-height:1.25;font-variant-numeric:tabular-nums}.tile span{color:var(--faint);font-size:13px}\
.note{display:inline-block;border-radius:6px;padding:3px 10px;margin:2px 8px 2px 0;background:var(--line)}.note.good{background:var(--goodback)}\
.note.bad{background:var(--badback)}.wide{overflow-x:auto;padding:6px 14px}table{border-collapse:collapse;width:100%}\
td,th{padding:5px 0 5px 16px;text-align:right;border-top:1px solid var(--line);font-variant-numeric:tabular-nums;white-space:nowrap}\
tr:first-child>*{border-top:0}th{color:var(--faint);font-weight:500}td:first-child,th:first-child{text-align:left;padding-left:0}\
td.say{text-align:left;white-space:normal;color:var(--faint)}td.in{padding-left:18px!important;color:var(--faint)}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:16px}figure{margin:0;padding:14px 16px 8px}\
figcaption{font-weight:600;margin-bottom:6px}figcaption div{font-size:13px;font-weight:400;color:var(--faint);min-height:20px}\
svg{width:100%;height:auto;display:block}svg text{fill:var(--faint);font-size:11px}svg .name{fill:var(--text)}.grid{stroke:var(--line)}\
.faint{color:var(--faint)}.good{color:var(--good)}.bad{color:var(--bad)}.s0{stroke:var(--c0)}.s1{stroke:var(--c1)}\
.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}path{fill:none;stroke-width:1.8;stroke-linejoin:round}.b0{fill:var(--c0)}\
.b1{fill:var(--c0);opacity:.5}.b2{fill:var(--c0);opacity:.25}.key{margin-right:14px;white-space:nowrap}.key i{display:inline-block;\
width:14px;height:3px;border-radius:2px;margin-right:5px;vertical-align:middle}.k0 i{background:var(--c0)}.k1 i{background:var(--c1)}\
.k2 i{background:var(--c2)}.k3 i{background:var(--c3)}.shades .k1 i,.shades .k2 i{background:var(--c0)}.shades .k1 i{opacity:.5}\
.shades .k2 i{opacity:.25}";

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
    tiles(out, report)?;
    out.push_str("<div class=\"charts\">");
    stages(out, report)?;
    charts(out, report)?;
    out.push_str("</div>");
    times(out, report)?;
    servers(out, report)?;
    errors(out, report)?;
    out.push_str("</body></html>\n");
    Ok(())
}

fn summary(out: &mut String, report: &Report) -> fmt::Result {
    let (peers, run) = (&report.peers, &report.run);
    let early = if report.complete { "" } else { ", ended early" };
    let layers = run.svc.as_deref().map(|mode| format!(" {mode}"));
    write!(
        out,
        "<p>{} peers planned, {} joined, {} failed, {} lost, {} at once at most; {:.1} s{early}.</p>\
         <p class=\"faint\">{}; pictures: {}, {}{}{}; seed {}, {} threads; {}</p>",
        peers.planned,
        peers.joined,
        peers.failed,
        peers.lost,
        peers.at_once_max,
        report.duration_s,
        text(&run.urls.join(", ")),
        text(&run.video),
        text(&run.codec),
        layers.unwrap_or_default(),
        if run.simulcast { ", simulcast" } else { "" },
        run.seed,
        run.threads,
        text(&report.generator),
    )
}

/// What people look for first, in large.
fn tiles(out: &mut String, report: &Report) -> fmt::Result {
    let (join, media) = (&report.join, &report.media);
    let ms = |value: Option<f64>| value.map(|value| format!("{} ms", short(value)));
    let servers = report.series.iter().filter_map(|it| it.server_cpu_percent);
    let busiest = servers.fold(None, |most: Option<f64>, it| {
        Some(most.map_or(it, |most| most.max(it)))
    });
    out.push_str("<div class=\"tiles\">");
    for (name, value) in [
        (
            "joined",
            Some(format!(
                "{} of {}",
                report.peers.joined, report.peers.planned
            )),
        ),
        ("join, p99", ms(join.last_answer_ms.p99)),
        ("first packet, p99", ms(join.first_packet_ms.p99)),
        ("first key frame, p99", ms(join.first_key_frame_ms.p99)),
        ("forwarding delay, p50", ms(media.forwarding_delay_ms.p50)),
        ("forwarding delay, p99", ms(media.forwarding_delay_ms.p99)),
        ("jitter, p50", ms(media.jitter_ms.p50)),
        ("sent", Some(format!("{}/s", bits(media.sent.bitrate_bps)))),
        (
            "received",
            Some(format!("{}/s", bits(media.received.bitrate_bps))),
        ),
        (
            "packets lost",
            Some(format!("{} %", short(media.received.loss_percent))),
        ),
        (
            "errors",
            Some(report.errors.values().sum::<u64>().to_string()),
        ),
        (
            "of a core, servers' busiest second",
            busiest.map(|it| format!("{it:.0} %")),
        ),
    ] {
        if let Some(value) = value {
            write!(
                out,
                "<div class=\"tile\"><b>{value}</b><span>{name}</span></div>"
            )?;
        }
    }
    out.push_str("</div>");
    Ok(())
}

/// With as many digits as somebody reads at a glance.
fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// From connecting to the first picture, one bar for each step.
fn stages(out: &mut String, report: &Report) -> fmt::Result {
    let join = &report.join;
    let messages = join.messages_ms.iter();
    let messages = messages.map(|(name, times)| (name.clone(), times));
    let named = |(name, times): (&str, _)| (name.to_owned(), times);
    let first = [("connect", &join.connect_ms)].into_iter().map(named);
    let rest = [
        ("ICE", &join.ice_ms),
        ("DTLS", &join.dtls_ms),
        ("last answer", &join.last_answer_ms),
        ("first packet", &join.first_packet_ms),
        ("first key frame", &join.first_key_frame_ms),
    ];
    let rows = first.chain(messages).chain(rest.into_iter().map(named));
    let rows = rows.filter_map(|(name, times)| {
        let values = [times.p50?, times.p95?, times.p99?];
        Some(Bar { name, values })
    });
    let rows: Vec<_> = rows.collect();
    out.push_str("<div class=\"shades\">");
    bars(
        out,
        "Stages of joining (ms; p50 · p99)",
        ["p50", "p95", "p99"],
        &rows,
    )?;
    out.push_str("</div>");
    Ok(())
}

fn verdicts(out: &mut String, report: &Report) -> fmt::Result {
    for reason in &report.saturation.reasons {
        write!(
            out,
            "<p><span class=\"note bad\">Saturated: {}</span></p>",
            text(reason)
        )?;
    }
    if let Some(count) = report.media.received.never_sent.filter(|count| *count > 0) {
        write!(
            out,
            "<p><span class=\"note\">{count} of {} lost packets were never sent: {NEVER_SENT}</span></p>",
            report.media.received.lost
        )?;
    }
    for verdict in &report.assertions {
        let (class, word) = if verdict.holds {
            ("good", "holds")
        } else {
            ("bad", "failed")
        };
        write!(
            out,
            "<span class=\"note {class}\">{word}: {}</span>",
            text(&verdict.message)
        )?;
    }
    Ok(())
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
    let memory = [over_time("servers", &|it| {
        Some(it.server_memory_bytes? / 1_048_576.0)
    })];
    chart(out, "Memory of the servers (MiB)", &memory, seconds)?;
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

fn times(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str(
        "<h2>Times (ms)</h2><div class=\"wide\"><table><tr><th><th>count<th>min<th>p50<th>p90<th>p95<th>p99<th>p99.9<th>max</tr>",
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
    out.push_str("</table></div>");
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
        "<h2>Servers</h2><div class=\"wide\"><table><tr><th><th>joins<th>CPU s<th>CPU %<th>at most %<th>MiB<th>at most<th>packets in<th>out</tr>",
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
            "<tr><td>{}<td>{}<td>{:.2}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.1}<td><td></tr>",
            text(&server.url),
            server.joins,
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
                "<tr><td class=\"in\">worker {}<td><td>{:.2}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.0}<td>{:.0}</tr>",
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
    out.push_str("</table></div>");
    if let Some(each) = report.server_cpu_ms_per_join {
        write!(out, "<p>{each:.2} ms of processor for each join.</p>")?;
    }
    Ok(())
}

fn errors(out: &mut String, report: &Report) -> fmt::Result {
    if report.errors.is_empty() {
        return Ok(());
    }
    out.push_str("<h2>Errors</h2><div class=\"wide\"><table>");
    for (kind, count) in &report.errors {
        let sample = report.error_samples.get(kind);
        write!(
            out,
            "<tr><td>{}<td>{count}<td class=\"say\">{}</tr>",
            text(kind),
            text(sample.map_or("", String::as_str))
        )?;
    }
    out.push_str("</table></div>");
    Ok(())
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
}
