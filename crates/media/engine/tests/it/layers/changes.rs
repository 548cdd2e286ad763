//! What the sender does meanwhile: layers that vanish and return, streams that begin anew, pauses.

use std::time::Duration;

use plenum_testkit::media::VideoFormat;

use super::stage::{MS, Setup, Stage};

/// Until it is noticed that a stream is gone, and the next one has a key frame.
const LIMIT: Duration = Duration::from_secs(4);

/// Setups with several spatial layers of all kinds.
fn setups() -> Vec<Setup> {
    vec![
        Setup::simulcast(VideoFormat::Vp8, "L1T3"),
        Setup::simulcast(VideoFormat::H264, "L1T2"),
        Setup::simulcast(VideoFormat::Av1, "L1T2"),
        Setup::svc(VideoFormat::Vp9, "L3T3"),
        Setup::svc(VideoFormat::Vp9, "L3T3_KEY"),
        Setup::svc(VideoFormat::Av1, "L3T3"),
        Setup::svc(VideoFormat::Av1, "L3T3_KEY"),
    ]
}

/// A stage at its highest layers.
fn at_the_top(setup: Setup, stall: Duration) -> (Stage, u8, u8) {
    let mut stage = Stage::with_networks(setup, None, stall);
    let (spatial, temporal) = (setup.spatial_layers() - 1, setup.mode.temporal - 1);
    stage.run(300 * MS);
    stage.expect_layers(spatial, temporal, LIMIT);
    (stage, spatial, temporal)
}

#[test]
fn the_highest_layer_vanishes_and_returns() {
    for setup in setups() {
        // Until a simulcast stream counts as gone there is nothing to show.
        let stall = if setup.streams > 1 { 1900 } else { 200 };
        let (mut stage, spatial, temporal) = at_the_top(setup, MS * stall);
        for _ in 0..2 {
            if setup.streams > 1 {
                stage.streams[usize::from(spatial)].on = false;
            } else {
                stage.streams[0].source.set_spatial_layers(spatial);
            }
            stage.expect_layers(spatial - 1, temporal, LIMIT);
            if setup.streams > 1 {
                stage.streams[usize::from(spatial)].on = true;
            } else {
                stage.streams[0].source.set_spatial_layers(spatial + 1);
            }
            stage.expect_layers(spatial, temporal, LIMIT);
        }
        stage.finish();
    }
}

#[test]
fn streams_begin_anew_with_other_numbers() {
    for setup in setups() {
        let setup = Setup {
            by_rid: true,
            ..setup
        };
        let (mut stage, spatial, temporal) = at_the_top(setup, 1900 * MS);
        for stream in 0..setup.streams {
            stage.restart_stream(stream);
        }
        stage.run(2500 * MS);
        stage.expect_layers(spatial, temporal, LIMIT);
        stage.prefer(0, temporal);
        stage.expect_layers(0, temporal, LIMIT);
        stage.prefer(spatial, temporal);
        stage.expect_layers(spatial, temporal, LIMIT);
        stage.finish();
    }
}

#[test]
fn the_producer_pauses_and_goes_on() {
    for setup in setups() {
        let (mut stage, spatial, temporal) = at_the_top(setup, 200 * MS);
        for rest in [700, 3000] {
            let id = stage.producer;
            stage.world.engine.pause_producer(id).expect("exists");
            stage.run(MS * rest);
            stage.shown.clear();
            stage.run(300 * MS);
            assert!(stage.shown.is_empty(), "{setup:?}");
            let now = stage.world.now;
            stage.checker.forgive_gap();
            stage.world.engine.resume_producer(now, id).expect("exists");
            stage.expect_layers(spatial, temporal, LIMIT);
        }
        stage.finish();
    }
}

#[test]
fn the_sender_rests_and_goes_on() {
    for setup in setups() {
        let (mut stage, spatial, temporal) = at_the_top(setup, 200 * MS);
        for stream in &mut stage.streams {
            stream.on = false;
        }
        stage.run(5000 * MS);
        for stream in &mut stage.streams {
            stream.on = true;
        }
        stage.checker.forgive_gap();
        stage.expect_layers(spatial, temporal, LIMIT);
        stage.finish();
    }
}

#[test]
fn the_consumer_pauses_and_goes_on() {
    for setup in setups() {
        let (mut stage, spatial, temporal) = at_the_top(setup, 200 * MS);
        let id = stage.consumer;
        stage.world.engine.pause_consumer(id).expect("exists");
        stage.run(1000 * MS);
        stage.prefer(0, temporal);
        let now = stage.world.now;
        stage.checker.forgive_gap();
        stage.world.engine.resume_consumer(now, id).expect("exists");
        stage.expect_layers(0, temporal, LIMIT);
        stage.prefer(spatial, temporal);
        stage.expect_layers(spatial, temporal, LIMIT);
        stage.finish();
    }
}
