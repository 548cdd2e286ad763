//! Goals of the estimator on paths that calls meet.

use plenum_bwe::{Bitrate, EstimatorConfig};

use crate::{
    link::LinkConfig,
    outcome::Outcome,
    simulation::{Rival, Scenario, Simulation},
};

/// Nine cameras of a gallery: a demand above every capacity here, in small steps.
fn gallery() -> Vec<Vec<u64>> {
    vec![vec![100, 300, 900]; 9]
}

/// One camera with steps of the coarsest kind.
fn camera() -> Vec<Vec<u64>> {
    vec![vec![150, 500, 1500, 4500]]
}

fn seconds(at: u64) -> u64 {
    at * 1_000_000
}

#[track_caller]
fn check(outcome: &Outcome, what: &str, is: f64, low: f64, high: f64) {
    assert!(
        (low..=high).contains(&is),
        "{what} is {is:.3}, not from {low} to {high}\n{}",
        outcome.table()
    );
}

#[test]
fn a_steady_path_is_known_after_five_seconds_and_its_queue_stays_short() {
    for kbps in [300, 1000, 3000] {
        for consumers in [gallery(), camera()] {
            let outcome = Simulation::run(Scenario::new(LinkConfig::steady(kbps), consumers));
            let near = outcome.time_within(5.0, 40.0, 0.85, 1.15);
            check(&outcome, "time near the capacity", near, 0.97, 1.0);
            let queue = outcome.queue_percentile(0.0, 40.0, 0.95);
            check(&outcome, "queue", queue, 0.0, 100.0);
        }
    }
}

#[test]
fn near_and_far_paths_and_paths_with_small_and_large_buffers_are_known_too() {
    for kbps in [600, 1800, 5000] {
        for (propagation, longest_queue) in [
            (3_000, 300_000),
            (120_000, 300_000),
            (25_000, 40_000),
            (25_000, 1_000_000),
        ] {
            for consumers in [gallery(), camera()] {
                let link = LinkConfig {
                    longest_queue,
                    propagation,
                    ..LinkConfig::steady(kbps)
                };
                let outcome = Simulation::run(Scenario::new(link, consumers));
                let share = outcome.mean_share(5.0, 40.0);
                check(&outcome, "share of the capacity", share, 0.85, 1.15);
                let queue = outcome.queue_percentile(5.0, 40.0, 0.95);
                check(&outcome, "queue", queue, 0.0, 100.0);
            }
        }
    }
}

#[test]
fn what_fits_is_sent() {
    let outcome = Simulation::run(Scenario::new(LinkConfig::steady(3000), gallery()));
    check(
        &outcome,
        "throughput",
        outcome.throughput(5.0, 40.0),
        2600.0,
        3000.0,
    );
    // Padding is what the search for more costs.
    let padding = outcome.padding as f64 / outcome.delivered as f64;
    check(&outcome, "part of padding", padding, 0.0, 0.02);
    // Nine receivers, and nearly all of it in the first seconds.
    check(&outcome, "switches", outcome.switches.into(), 0.0, 30.0);
}

#[test]
fn a_step_down_is_followed_at_once_and_a_step_up_within_five_seconds() {
    for consumers in [gallery(), camera()] {
        let mut link = LinkConfig::steady(3000);
        link.capacity = vec![
            (0, 3_000_000),
            (seconds(15), 700_000),
            (seconds(30), 3_000_000),
        ];
        let outcome = Simulation::run(Scenario::new(link, consumers));
        let queue = outcome.queue_percentile(18.0, 30.0, 0.95);
        check(&outcome, "queue after the step down", queue, 0.0, 100.0);
        let share = outcome.mean_share(18.0, 30.0);
        check(&outcome, "share after the step down", share, 0.8, 1.15);
        let time = outcome.time_to_reach(30.0, 0.8);
        check(&outcome, "time to 80 % after the step up", time, 0.0, 5.0);
    }
}

#[test]
fn loss_that_is_not_ours_does_not_lower_the_estimate() {
    for (loss, least) in [(0.02, 0.9), (0.05, 0.85), (0.1, 0.8)] {
        for (consumers, kbps) in [(gallery(), 3000), (camera(), 3000), (gallery(), 1000)] {
            let link = LinkConfig {
                loss,
                ..LinkConfig::steady(kbps)
            };
            let outcome = Simulation::run(Scenario::new(link, consumers));
            let share = outcome.mean_share(5.0, 40.0);
            check(&outcome, "share of the capacity", share, least, 1.15);
            let lowest = outcome.lowest_share(5.0, 40.0);
            check(&outcome, "lowest share", lowest, 0.6, 1.15);
        }
    }
}

#[test]
fn a_radio_that_holds_packets_back_does_not_lower_the_estimate() {
    for (consumers, kbps) in [(gallery(), 1000), (gallery(), 3000), (camera(), 3000)] {
        let link = LinkConfig {
            stall: 30_000,
            loss: 0.01,
            ..LinkConfig::steady(kbps)
        };
        let outcome = Simulation::run(Scenario::new(link, consumers));
        let share = outcome.mean_share(5.0, 40.0);
        check(&outcome, "share of the capacity", share, 0.85, 1.15);
        let lowest = outcome.lowest_share(5.0, 40.0);
        check(&outcome, "lowest share", lowest, 0.6, 1.15);
    }
}

#[test]
fn what_a_constant_stream_leaves_is_used() {
    let mut scenario = Scenario::new(LinkConfig::steady(3000), gallery());
    scenario.rival = Some(Rival::Constant {
        bps: 1_500_000,
        from: seconds(10),
        to: seconds(25),
    });
    let outcome = Simulation::run(scenario);
    let throughput = outcome.throughput(13.0, 25.0);
    check(&outcome, "throughput beside it", throughput, 1200.0, 1500.0);
    // Probes measure a share that the other stream does not leave to us, now and then.
    let queue = outcome.queue_percentile(13.0, 25.0, 0.95);
    check(&outcome, "queue", queue, 0.0, 200.0);
    let time = outcome.time_to_reach(25.0, 0.8);
    check(&outcome, "time to 80 % after it", time, 0.0, 7.0);
}

#[test]
fn beside_a_download_neither_starves() {
    for longest_queue in [100_000, 200_000] {
        let link = LinkConfig {
            longest_queue,
            ..LinkConfig::steady(3000)
        };
        let mut scenario = Scenario::new(link, gallery());
        scenario.rival = Some(Rival::Download {
            from: seconds(10),
            to: seconds(30),
        });
        let outcome = Simulation::run(scenario);
        let ours = outcome.throughput(12.0, 30.0);
        check(&outcome, "our rate", ours, 750.0, 2250.0);
        let theirs = outcome.rival_delivered as f64 * 8.0 / 1000.0 / 20.0;
        check(&outcome, "the download's rate", theirs, 750.0, 2250.0);
        let time = outcome.time_to_reach(30.0, 0.8);
        check(&outcome, "time to 80 % after it", time, 0.0, 7.0);
    }
}

#[test]
fn a_large_buffer_that_filled_is_drained() {
    // For a second the path carries a fifth of what is sent, which leaves more than 200 ms in its buffer.
    let mut link = LinkConfig::steady(3000);
    link.longest_queue = 1_000_000;
    link.capacity = vec![(0, 3_000_000), (seconds(10), 1_000_000)];
    let outcome = Simulation::run(Scenario::new(link, gallery()));
    let filled = outcome.queue_percentile(10.0, 11.5, 0.95);
    check(&outcome, "queue before", filled, 200.0, 1000.0);
    let drained = outcome.queue_percentile(13.5, 40.0, 0.95);
    check(&outcome, "queue after", drained, 0.0, 100.0);
    let share = outcome.mean_share(14.0, 40.0);
    check(&outcome, "share of the capacity", share, 0.8, 1.15);
}

#[test]
fn without_feedback_less_is_sent_and_with_it_all_again() {
    let mut scenario = Scenario::new(LinkConfig::steady(3000), gallery());
    scenario.silence = Some((seconds(10), seconds(13)));
    let outcome = Simulation::run(scenario);
    let share = outcome.mean_share(12.5, 13.0);
    check(&outcome, "share in the silence", share, 0.0, 0.5);
    let time = outcome.time_to_reach(13.2, 0.85);
    check(&outcome, "time back to 85 %", time, 0.0, 5.0);
}

#[test]
fn what_is_not_wanted_is_not_probed() {
    let mut scenario = Scenario::new(LinkConfig::steady(10_000), vec![vec![150, 500]]);
    scenario.config = EstimatorConfig {
        initial: Bitrate::from_kbps(700),
        ..EstimatorConfig::default()
    };
    let outcome = Simulation::run(scenario);
    assert_eq!(outcome.probes, 0, "{}", outcome.table());
    assert_eq!(outcome.padding, 0);
}

#[test]
fn the_limits_are_kept_on_a_wide_path_and_on_none() {
    let mut scenario = Scenario::new(LinkConfig::steady(10_000), gallery());
    let max = Bitrate::from_kbps(2000);
    scenario.config = EstimatorConfig {
        max,
        ..EstimatorConfig::default()
    };
    let outcome = Simulation::run(scenario);
    check(&outcome, "highest", outcome.highest(), 1900.0, 2000.0);
    let outcome = Simulation::run(Scenario::new(LinkConfig::steady(20), gallery()));
    let lowest = outcome.lowest_share(0.0, 40.0) * 20.0;
    check(&outcome, "lowest", lowest, 30.0, 60.0);
}
