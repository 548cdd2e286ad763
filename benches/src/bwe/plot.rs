//! Curves of a run as SVG: bitrates above, the queue below, one time axis.
#![expect(
    clippy::cast_precision_loss,
    reason = "figures for people, far below 2^53"
)]

use std::{path::Path, time::Duration};

use anyhow::{Result, anyhow};
use plenum_harness::congestion::{Run, Sample};
use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};

const SIZE: (u32, u32) = (960, 560);

/// Height of the panel with the bitrates.
const UPPER: u32 = 370;

/// What is forwarded is shown as the mean of so long.
const WINDOW: Duration = Duration::from_millis(500);

// Colours that colour-blind eyes tell apart (Okabe and Ito), on white.
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(226, 226, 226);
const CAPACITY: RGBColor = RGBColor(120, 120, 120);
const BEST: RGBColor = RGBColor(204, 121, 167);
const ESTIMATE: RGBColor = RGBColor(0, 114, 178);
const FORWARDED: RGBColor = RGBColor(213, 94, 0);
const QUEUE: RGBColor = RGBColor(0, 130, 95);

/// The 95th percentile of the queue shall be below, in milliseconds; the dashed line.
const AIM: f64 = 100.0;

/// One of so many samples is drawn: nobody sees more, and the files stay small.
const STRIDE: usize = 2;

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws a run into a file.
pub fn plot(run: &Run, path: &Path) -> Result<()> {
    draw(run, path).map_err(|error| anyhow!("{}: {error}", path.display()))
}

type Drawn<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn draw(run: &Run, path: &Path) -> Drawn<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(UPPER);
    bitrates(run, &upper)?;
    queue(run, &lower)?;
    root.present()?;
    Ok(())
}

fn bitrates(run: &Run, panel: &Panel<'_>) -> Drawn<()> {
    let capacity = corners(&series(run, |sample| Some(sample.capacity)));
    let best = corners(&series(run, |sample| Some(run.best(sample.capacity))));
    let estimate = series(run, |sample| sample.estimate);
    let forwarded: Vec<(f64, f64)> = run
        .forwarded(WINDOW)
        .into_iter()
        .step_by(STRIDE)
        .map(|(at, rate)| (at.as_secs_f64(), rate / 1e6))
        .collect();
    // What is far above the link would press everything else to the ground.
    let limit = highest(&capacity) * 1.6;
    let top = highest(&capacity)
        .max(highest(&forwarded).min(limit))
        .max(highest(&estimate).min(limit))
        * 1.08;
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .margin_top(58)
        .margin_bottom(0)
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..run.time.as_secs_f64(), 0.0..top)?;
    mesh(&mut chart, "Mb/s", None, &|value| format!("{value:.1}"))?;
    let ground = CAPACITY.mix(0.10);
    chart.draw_series(AreaSeries::new(capacity.iter().copied(), 0.0, ground))?;
    let curves = [
        (capacity, CAPACITY.stroke_width(2), "capacity of the link"),
        (best, BEST.stroke_width(2), "highest stream that fits"),
        (
            forwarded,
            FORWARDED.stroke_width(2),
            "forwarded, 0.5 s mean",
        ),
        (estimate, ESTIMATE.stroke_width(2), "estimate"),
    ];
    let mut legend = Vec::new();
    for (points, style, name) in curves {
        if !points.is_empty() {
            let within = points.into_iter().map(|(at, value)| (at, value.min(top)));
            chart.draw_series(LineSeries::new(within, style))?;
            legend.push((style, name));
        }
    }
    head(panel, run.path.title, &legend)
}

/// The title and, below it in one row, what each colour means.
fn head(panel: &Panel<'_>, title: &str, legend: &[(ShapeStyle, &str)]) -> Drawn<()> {
    let title = Text::new(title.to_owned(), (76, 12), text(20));
    panel.draw(&title)?;
    for (x, (style, name)) in (76..).step_by(210).zip(legend) {
        panel.draw(&PathElement::new([(x, 46), (x + 22, 46)], *style))?;
        let name = Text::new((*name).to_owned(), (x + 28, 39), text(14));
        panel.draw(&name)?;
    }
    Ok(())
}

fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn series(run: &Run, value: impl Fn(&Sample) -> Option<u64>) -> Vec<(f64, f64)> {
    let samples = run.samples.iter().step_by(STRIDE);
    samples
        .filter_map(|sample| Some((sample.at.as_secs_f64(), value(sample)? as f64 / 1e6)))
        .collect()
}

/// Without the points between two others of the same height.
fn corners(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let last = points.len().saturating_sub(1);
    let height = |index: usize| points[index].1.to_bits();
    let is_corner = |index: usize| {
        index == 0
            || index == last
            || height(index) != height(index - 1)
            || height(index) != height(index + 1)
    };
    let corners = (0..points.len()).filter(|index| is_corner(*index));
    corners.map(|index| points[index]).collect()
}

fn highest(points: &[(f64, f64)]) -> f64 {
    points.iter().map(|point| point.1).fold(0.0, f64::max)
}

fn queue(run: &Run, panel: &Panel<'_>) -> Drawn<()> {
    let longest = |samples: &[Sample]| {
        let queue = samples.iter().map(|sample| sample.queue).max();
        let millis = queue.unwrap_or_default().as_secs_f64() * 1e3;
        (samples[0].at.as_secs_f64(), millis)
    };
    let points: Vec<(f64, f64)> = run.samples.chunks(STRIDE).map(longest).collect();
    let end = run.time.as_secs_f64();
    let top = highest(&points).max(AIM) * 1.1;
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .margin_top(4)
        .x_label_area_size(38)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..end, 0.0..top)?;
    mesh(&mut chart, "queue, ms", Some("time, s"), &|value| {
        format!("{value:.0}")
    })?;
    chart.draw_series(AreaSeries::new(
        points.iter().copied(),
        0.0,
        QUEUE.mix(0.25),
    ))?;
    chart.draw_series(LineSeries::new(points, QUEUE.stroke_width(1)))?;
    let aim = DashedLineSeries::new([(0.0, AIM), (end, AIM)], 6, 4, INK.stroke_width(1));
    chart.draw_series(aim)?;
    Ok(())
}

fn mesh(
    chart: &mut Chart<'_>,
    y_name: impl Into<String>,
    x_name: Option<&str>,
    y_label: &dyn Fn(&f64) -> String,
) -> Drawn<()> {
    let x_label = |value: &f64| format!("{value:.0}");
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(INK)
        .x_labels(13)
        .y_labels(6)
        .y_desc(y_name)
        .label_style(text(13))
        .axis_desc_style(text(14))
        .x_label_formatter(&x_label)
        .y_label_formatter(&y_label);
    if let Some(name) = x_name {
        mesh.x_desc(name);
    }
    mesh.draw()?;
    Ok(())
}
