//! Medians, tables and the machine's description.
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "ranks of samples, of which there are few"
)]

use std::{fmt::Write as _, fs, path::Path};

use anyhow::Result;
use serde::Serialize;

/// The middle of some samples; 0 without any.
pub fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    match samples.len() {
        0 => 0.0,
        len if len % 2 == 1 => samples[middle],
        _ => f64::midpoint(samples[middle - 1], samples[middle]),
    }
}

/// The value that this share of all is not above; of values in order.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(rank.saturating_sub(1).min(last))
        .copied()
        .unwrap_or_default()
}

/// Processor, cores, memory, kernel and compiler, so that a figure can be judged later.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown");
    let cores = cpuinfo
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let memory = read("/proc/meminfo");
    let memory = memory
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("MemTotal:")
        .trim();
    let kernel = read("/proc/sys/kernel/osrelease");
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{} · {cores} cores · {memory} · Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim()
    );
    text
}

/// Keeps the figures of a benchmark in `target`.
#[expect(
    clippy::print_stdout,
    reason = "a benchmark says where its results are"
)]
pub fn write_json(name: &str, rows: &impl Serialize) -> Result<()> {
    let path = Path::new("target").join(format!("{name}.json"));
    fs::create_dir_all("target")?;
    fs::write(&path, serde_json::to_string_pretty(rows)?)?;
    println!("\nwritten to {}", path.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_outliers() {
        assert!((median(&mut [9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&mut [1.0, 100.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let hundred: Vec<_> = (1..=100).map(f64::from).collect();
        for (share, value) in [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0)] {
            assert!((percentile(&hundred, share) - value).abs() < f64::EPSILON);
        }
        assert!((percentile(&[7.0], 0.99) - 7.0).abs() < f64::EPSILON);
        assert!(percentile(&[], 0.5).abs() < f64::EPSILON);
    }
}
