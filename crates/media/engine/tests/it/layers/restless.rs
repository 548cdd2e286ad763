//! A viewer who never keeps layers for long: changes fall on every place of every pattern.

use std::time::Duration;

use plenum_testkit::{media::VideoFormat, rng::Rng};

use super::stage::{MS, Setup, Stage, seeds};

/// Changes in each run.
const CHANGES: u32 = 150;

fn change_all_the_time(setup: Setup, first_seed: u64) {
    for seed in seeds(first_seed) {
        change_often(setup, seed);
    }
}

fn change_often(setup: Setup, seed: u64) {
    let mut stage = Stage::new(setup);
    let mut rng = Rng::new(seed);
    let highest = (setup.spatial_layers() - 1, setup.mode.temporal - 1);
    stage.run(300 * MS);
    for _ in 0..CHANGES {
        let spatial = rng.range(0..u64::from(highest.0) + 1) as u8;
        let temporal = rng.range(0..u64::from(highest.1) + 1) as u8;
        stage.prefer(spatial, temporal);
        stage.run(Duration::from_millis(rng.range(5..250)));
    }
    stage.prefer(highest.0, highest.1);
    stage.expect_layers(highest.0, highest.1, 1500 * MS);
    stage.finish();
}

#[test]
fn temporal_layers_that_cannot_be_joined_everywhere() {
    let long = |setup| Setup {
        long_pattern: true,
        ..setup
    };
    change_all_the_time(long(Setup::svc(VideoFormat::Vp8, "L1T3")), 1);
    change_all_the_time(long(Setup::svc(VideoFormat::Av1, "L1T2")), 3);
    change_all_the_time(long(Setup::svc(VideoFormat::Av1, "L1T3")), 4);
    change_all_the_time(long(Setup::svc(VideoFormat::Av1, "L2T3")), 5);
    change_all_the_time(long(Setup::svc(VideoFormat::Vp9, "L1T3")), 2);
    change_all_the_time(long(Setup::svc(VideoFormat::Vp9, "L2T3")), 6);
}

#[test]
fn simulcast() {
    change_all_the_time(Setup::simulcast(VideoFormat::Vp8, "L1T3"), 7);
    change_all_the_time(Setup::simulcast(VideoFormat::H264, "L1T3"), 8);
    change_all_the_time(Setup::simulcast(VideoFormat::Vp9, "L1T2"), 9);
    change_all_the_time(Setup::simulcast(VideoFormat::Av1, "L1T3"), 10);
}

#[test]
fn spatial_layers_of_one_stream() {
    change_all_the_time(Setup::svc(VideoFormat::Vp9, "L3T3"), 11);
    change_all_the_time(Setup::svc(VideoFormat::Vp9, "L3T3_KEY"), 12);
    change_all_the_time(Setup::svc(VideoFormat::Av1, "L3T3"), 13);
    change_all_the_time(Setup::svc(VideoFormat::Av1, "L3T3_KEY"), 14);
    change_all_the_time(Setup::svc(VideoFormat::Av1, "S3T3"), 15);
    change_all_the_time(Setup::svc(VideoFormat::Av1, "S2T1"), 16);
}
