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
