//! Curves of the results as SVG.

use std::{error::Error, path::Path};

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
};

use crate::{Choice, Curve, Figures, Report};
use plenum_placement::Policy;

const SIZE: (u32, u32) = (960, 420);

// Colours that colour-blind eyes tell apart (Okabe and Ito), on white.
const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(226, 226, 226);

type Drawn<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A chart: a curve of each result.
struct Sheet {
    file: &'static str,
    title: &'static str,
    x_name: &'static str,
    y_name: &'static str,
    digits: usize,
    curve: fn(&Figures) -> Curve,
    /// Where the axis ends, if not where the curves do.
    x_end: Option<f64>,
}

const SHEETS: [Sheet; 5] = [
    Sheet {
        file: "round-trip.svg",
        title: "How many people are how near to their node",
        x_name: "round trip, ms",
        y_name: "share of people",
        digits: 1,
        curve: |figures| figures.round_trips.clone(),
        x_end: Some(300.0),
    },
    Sheet {
        file: "people.svg",
        title: "People over the day",
        x_name: "hour, UTC",
        y_name: "thousands",
        digits: 0,
        curve: |figures| scaled(&figures.people, 1e-3),
        x_end: None,
    },
    Sheet {
        file: "load.svg",
        title: "Load of nodes, mean",
        x_name: "hour, UTC",
        y_name: "share of capacity",
        digits: 2,
        curve: |figures| figures.mean_load.clone(),
        x_end: None,
    },
    Sheet {
        file: "high-load.svg",
        title: "Load that one of a hundred nodes exceeds",
        x_name: "hour, UTC",
        y_name: "share of capacity",
        digits: 1,
        curve: |figures| figures.high_load.clone(),
        x_end: None,
    },
    Sheet {
        file: "pipes.svg",
        title: "What nodes send each other",
        x_name: "hour, UTC",
        y_name: "Gb/s",
        digits: 1,
        curve: |figures| scaled(&figures.piped, 1e-9),
        x_end: None,
    },
];

/// Draws all charts into a folder and says how they are called and what they show.
pub(crate) fn plot(report: &Report, folder: &Path) -> Drawn<Vec<(&'static str, &'static str)>> {
    for sheet in &SHEETS {
        sheet.draw(report, &folder.join(sheet.file))?;
    }
    Ok(SHEETS
        .iter()
        .map(|sheet| (sheet.file, sheet.title))
        .collect())
}

impl Sheet {
    fn draw(&self, report: &Report, path: &Path) -> Drawn<()> {
        let curves: Vec<(Choice, Curve)> = report
            .results
            .iter()
            .map(|figures| (figures.choice, (self.curve)(figures)))
            .collect();
        let points = || curves.iter().flat_map(|(_, curve)| curve);
        let x_end = points().map(|point| point.0).fold(1e-3, f64::max);
        let x_end = self.x_end.unwrap_or(x_end);
        let y_end = points().map(|point| point.1).fold(1e-3, f64::max) * 1.05;
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .margin_top(62)
            .x_label_area_size(38)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..x_end, 0.0..y_end)?;
        self.mesh(&mut chart)?;
        for (choice, curve) in &curves {
            let within = curve.iter().copied().filter(|point| point.0 <= x_end);
            chart.draw_series(LineSeries::new(within, colour(*choice).stroke_width(2)))?;
        }
        let choices = curves.iter().map(|(choice, _)| *choice);
        head(&root, self.title, choices)?;
        root.present()?;
        Ok(())
    }

    fn mesh(&self, chart: &mut Chart<'_>) -> Drawn<()> {
        let x_label = |value: &f64| format!("{value:.0}");
        let y_label = |value: &f64| format!("{value:.*}", self.digits);
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(WHITE)
            .bold_line_style(GRID)
            .axis_style(INK)
            .x_labels(13)
            .y_labels(6)
            .x_desc(self.x_name)
            .y_desc(self.y_name)
            .label_style(text(13))
            .axis_desc_style(text(14))
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label);
        mesh.draw()?;
        Ok(())
    }
}

/// The title and, below it in one row, what each colour means.
fn head(panel: &Panel<'_>, title: &str, choices: impl Iterator<Item = Choice>) -> Drawn<()> {
    panel.draw(&Text::new(title.to_owned(), (76, 12), text(20)))?;
    for (x, choice) in (76..).step_by(150).zip(choices) {
        let line = [(x, 48), (x + 22, 48)];
        panel.draw(&PathElement::new(line, colour(choice).stroke_width(2)))?;
        panel.draw(&Text::new(choice.to_string(), (x + 28, 41), text(14)))?;
    }
    Ok(())
}

const fn colour(choice: Choice) -> RGBColor {
    match choice {
        Choice::Policy(Policy::Broadcast) => RGBColor(204, 121, 167),
        Choice::Policy(Policy::Room) => RGBColor(0, 114, 178),
        Choice::Policy(Policy::Stream) => RGBColor(0, 130, 95),
        Choice::Policy(Policy::User) => RGBColor(213, 94, 0),
        Choice::Random => RGBColor(120, 120, 120),
    }
}

fn scaled(curve: &Curve, factor: f64) -> Curve {
    let points = curve.iter();
    points.map(|(x, y)| (*x, y * factor)).collect()
}

fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}
