//! Charts: lines over time or over shares, and bars of several percentiles.

use std::fmt::{self, Write as _};

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
/// For the numbers beside and below a chart.
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 12.0;

/// One line of a chart.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines, each in a colour of its own.
pub(super) fn chart(
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
    head(out, caption, lines.iter().map(|line| line.name.as_str()))?;
    write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
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

/// The next of 1, 2, 4, 6, 8, 10, 20, 40, …, of which quarters are short, too.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].map(|step| step * power);
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

/// What a chart is called, and whose colours are whose.
fn head<'a>(out: &mut String, caption: &str, names: impl Iterator<Item = &'a str>) -> fmt::Result {
    write!(out, "<figure><figcaption>{}<div>", text(caption))?;
    for (index, name) in names.enumerate() {
        write!(
            out,
            "<span class=\"key k{index}\"><i></i>{}</span>",
            text(name)
        )?;
    }
    out.push_str("</div></figcaption>");
    Ok(())
}

/// One row of a chart of bars: its name, and values that grow.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) values: [f64; 3],
}

/// Height of a row, and where bars begin and end; what is beside them is text.
const ROW: f64 = 22.0;
const BARS: (f64, f64) = (180.0, 556.0);

/// Bars from nothing to the first value, and paler from there to the others.
pub(super) fn bars(out: &mut String, caption: &str, names: [&str; 3], rows: &[Bar]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let highest = rows.iter().map(|row| row.values[2]).fold(1e-9, f64::max);
    let (left, right) = BARS;
    let width = |value: f64| (right - left) * value / highest;
    let height = ROW * rows.len() as f64 + 4.0;
    head(out, caption, names.into_iter())?;
    write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        text(caption)
    )?;
    for (index, row) in rows.iter().enumerate() {
        let y = ROW * index as f64;
        write!(
            out,
            "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + 15.0,
            text(&row.name)
        )?;
        // The longest first, so that the shorter ones lie on it.
        for (which, value) in row.values.iter().enumerate().rev() {
            write!(
                out,
                "<rect class=\"b{which}\" x=\"{left}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
                y + 4.0,
                width(*value).max(1.0),
                ROW - 8.0
            )?;
        }
        write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\">{} · {}</text>",
            left + width(row.values[2]) + 6.0,
            y + 15.0,
            number(row.values[0]),
            number(row.values[2])
        )?;
    }
    out.push_str("</svg></figure>");
    Ok(())
}

/// Words of servers and of whoever typed a URL are text and nothing else.
pub(super) fn text(raw: &str) -> String {
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

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, end) in [
            (0.0, 1.0),
            (3.0, 4.0),
            (10.0, 10.0),
            (11.0, 20.0),
            (0.03, 0.04),
            (700.0, 800.0),
        ] {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}");
        }
        assert_eq!(number(2.50), "2.5");
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let row = |name: &str, values| Bar {
            name: name.to_owned(),
            values,
        };
        let rows = [row("DTLS", [1.0, 2.0, 4.0]), row("a<b", [0.0, 0.0, 0.0])];
        let mut out = String::new();
        bars(&mut out, "Stages", ["p50", "p95", "p99"], &rows).expect("memory");
        assert_eq!(out.matches("<rect").count(), 6);
        assert!(
            out.contains("width=\"376.0\"") && out.contains("width=\"94.0\""),
            "{out}"
        );
        assert!(out.contains("a&lt;b") && !out.contains("NaN"));
    }
}
