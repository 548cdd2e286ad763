//! Receivers behind narrow links, as `make bench-bwe` shows them, in a shorter form.

use std::time::Duration;

use plenum_harness::congestion::{Path, paths, run};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

fn path(name: &str) -> Path {
    let mut paths = paths().into_iter();
    paths.find(|path| path.name == name).expect("there is one")
}

#[test]
fn a_run_is_the_same_every_time() {
    let first = run(path("loss-5"), 4 * S);
    let second = run(path("loss-5"), 4 * S);
    assert!(first.figures() == second.figures());
    assert!(first.samples == second.samples);
    assert_eq!(first.counters, second.counters);
    assert!(first.counters.lost > 20);
}

#[test]
fn a_link_that_is_wide_enough_carries_the_highest_stream() {
    let run = run(path("steady-3m"), 12 * S);
    let figures = run.figures();
    assert!((0.9..1.15).contains(&figures.utilisation), "{figures:?}");
    assert!(figures.queue_p95 < 50 * MS, "{figures:?}");
    assert_eq!(run.counters.dropped, 0);
    assert_eq!(run.frames.errors, 0, "{:?}", run.frames);
}

#[test]
fn steady_links_are_estimated_and_used_without_a_queue() {
    for name in ["steady-300k", "steady-1m", "steady-3m"] {
        let run = run(path(name), Duration::from_mins(1));
        let figures = run.figures();
        let error = figures.estimate_error.expect("there is an estimate");
        assert!(error <= 0.15, "{name}: {figures:?}");
        assert!(figures.utilisation > 0.9, "{name}: {figures:?}");
        assert!(figures.queue_p95 <= 100 * MS, "{name}: {figures:?}");
        assert_eq!(run.frames.errors, 0, "{name}: {:?}", run.frames);
    }
}

#[test]
fn a_link_that_gets_wider_is_used_within_five_seconds() {
    let figures = run(path("step-up"), 35 * S).figures();
    let [Some(back)] = figures.back_after[..] else {
        panic!("{figures:?}");
    };
    assert!(back <= 5 * S, "{figures:?}");
}

#[test]
fn a_link_that_gets_narrower_costs_a_moment() {
    let run = run(path("step-down"), Duration::from_mins(1));
    let figures = run.figures();
    assert!(figures.queue_p95 <= 100 * MS, "{figures:?}");
    assert!(figures.longest_gap < S, "{figures:?}");
    assert!(figures.loss < 0.02, "{figures:?}");
    assert!(figures.switches <= 8, "{figures:?}");
}

#[test]
fn loss_that_is_nobodys_fault_and_jitter_keep_their_layers() {
    for name in ["loss-5", "wifi"] {
        let figures = run(path(name), 40 * S).figures();
        assert!(figures.utilisation > 0.9, "{name}: {figures:?}");
        assert!(figures.queue_p95 <= 100 * MS, "{name}: {figures:?}");
        assert!(figures.longest_gap < S, "{name}: {figures:?}");
    }
}

#[test]
fn a_download_beside_us_does_not_starve_us() {
    let figures = run(path("competing"), Duration::from_mins(1)).figures();
    assert!(figures.utilisation > 0.4, "{figures:?}");
    assert!(figures.longest_gap < S, "{figures:?}");
}
