//! Whether the generator itself was the bottleneck: then its figures say more about it than about the server.

use crate::report::{Report, Saturation};

/// What is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Busy {
    /// Seconds in which some thread used more than [`FULL`] of a core.
    pub(crate) seconds: u32,
}

/// Share of a core from which on a thread has no time left for what comes next.
pub(crate) const FULL: f64 = 0.9;

/// A burst of joins may fill a second; more is a habit.
const SECONDS: u32 = 3;

/// Half a picture of 30 a second. What is later than that is no longer the traffic that was planned.
const LATE_MS: f64 = 16.0;

/// A hundredth of the shortest promise that joins are held to (100 ms), and some more for a machine that has other
/// things to do: beyond it, lateness is a part of the figures that somebody would notice.
const JOINS_LATE_MS: f64 = 20.0;

/// Says so, if it was.
pub(crate) fn judge(report: &mut Report, busy: Busy) {
    let reasons = reasons(report, busy);
    report.saturated = !reasons.is_empty();
    report.saturation.reasons = reasons;
}

fn reasons(report: &Report, busy: Busy) -> Vec<String> {
    let Saturation {
        timer_lateness_ms,
        media_lateness_ms,
        skipped_frames,
        socket_drops,
        ..
    } = &report.saturation;
    let mut reasons = Vec::new();
    if busy.seconds >= SECONDS {
        reasons.push(format!(
            "a thread of the generator was busy for {} s; give it more (--threads) or another machine",
            busy.seconds
        ));
    }
    let late = [
        ("its timers were", timer_lateness_ms.p99, LATE_MS),
        ("what it sent was", media_lateness_ms.p99, LATE_MS),
        (
            "joins were begun",
            report.join.lateness_ms.p99,
            JOINS_LATE_MS,
        ),
    ];
    for (what, p99, limit) in late {
        if let Some(p99) = p99.filter(|p99| *p99 > limit) {
            reasons.push(format!(
                "{what} {p99:.1} ms late (p99; {limit} ms are fine)"
            ));
        }
    }
    if *skipped_frames > 0 {
        reasons.push(format!(
            "{skipped_frames} frames were so late that their stream was set back"
        ));
    }
    if *socket_drops > 0 {
        reasons.push(format!(
            "the kernel dropped {socket_drops} datagrams that it did not read in time"
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Summary;

    #[test]
    fn a_generator_that_has_time_is_not_saturated() {
        let mut report = Report::default();
        report.saturation.timer_lateness_ms.p99 = Some(2.0);
        judge(&mut report, Busy { seconds: 1 });
        assert!(!report.saturated, "{:?}", report.saturation.reasons);
    }

    #[test]
    fn each_sign_of_having_none_is_a_reason_of_its_own() {
        let mut report = Report::default();
        let late = Summary {
            p99: Some(50.0),
            ..Summary::default()
        };
        report.saturation.timer_lateness_ms = late;
        report.saturation.media_lateness_ms = late;
        report.join.lateness_ms = late;
        report.saturation.skipped_frames = 3;
        report.saturation.socket_drops = 4;
        judge(&mut report, Busy { seconds: 9 });
        assert!(report.saturated);
        assert_eq!(report.saturation.reasons.len(), 6);
    }
}
