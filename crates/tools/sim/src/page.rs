//! The results as a page with charts.

use std::{
    error::Error,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Report, plot, table};

/// The page could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A chart.
    #[error("cannot draw charts into {}", folder.display())]
    #[non_exhaustive]
    Chart {
        /// Where.
        folder: PathBuf,
        /// Why not.
        #[source]
        error: Box<dyn Error + Send + Sync>,
    },
    /// A file or the folder.
    #[error("cannot write {}", path.display())]
    #[non_exhaustive]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// Writes page, charts and figures (JSON, without the curves that are in the charts) into a folder, which is made if it is not
/// there.
pub fn write(report: &Report, folder: &Path) -> Result<(), WriteError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| WriteError::File { path, error }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let charts = plot::plot(report, folder).map_err(|error| WriteError::Chart {
        folder: folder.to_owned(),
        error,
    })?;
    let page = folder.join("README.md");
    fs::write(&page, text(report, &charts)).map_err(failed(&page))?;
    let figures = folder.join("figures.json");
    fs::write(&figures, bare(report)).map_err(failed(&figures))
}

/// The figures without curves.
fn bare(report: &Report) -> String {
    // Structures of numbers, names and lists of pairs have a form in JSON.
    let mut report = serde_json::to_value(report).unwrap_or_default();
    let results = report["results"].as_array_mut();
    for figures in results.into_iter().flatten() {
        if let Some(figures) = figures.as_object_mut() {
            figures.retain(|_, value| !value.is_array());
        }
    }
    format!("{report:#}\n")
}

fn text(report: &Report, charts: &[(&str, &str)]) -> String {
    let options = &report.options;
    let choices: Vec<&str> = options
        .choices
        .iter()
        .map(|choice| choice.as_str())
        .collect();
    let command = format!(
        "plenum sim --nodes {} --users {} --hours {} --seed {} --policy {}",
        options.nodes,
        options.users,
        options.hours,
        options.seed,
        choices.join(",")
    );
    let facts = format!(
        "{} nodes in 30 regions, {} people in {} rooms over {} hours, an event with {} of them, {} failures and {} drains.",
        table::count(options.nodes.into()),
        table::count(options.users.into()),
        table::count(report.rooms.into()),
        options.hours,
        table::count(report.viewers.into()),
        report.results.first().map_or(0, |figures| figures.failures),
        report.results.first().map_or(0, |figures| figures.drains),
    );
    let mut text = include_str!("page/head.md")
        .replace("{command}", &command)
        .replace("{facts}", &facts);
    text.push_str(&table::markdown(report));
    for (file, title) in charts {
        let _ = writeln!(text, "\n![{title}]({file})");
    }
    text.push_str(include_str!("page/notes.md"));
    text
}
