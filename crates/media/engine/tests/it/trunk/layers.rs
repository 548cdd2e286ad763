//! Every codec with layers through a trunk, judged picture by picture.

use std::time::Duration;

use plenum_testkit::media::VideoFormat;

use crate::layers::{
    networks::{STALL, bad, wander_on},
    stage::{MS, Setup, Stage, seeds},
};

/// As for a viewer at the sender's own engine: the trunk adds nothing that could be noticed.
const LIMIT: Duration = Duration::from_millis(1500);

fn setups() -> Vec<Setup> {
    vec![
        Setup::simulcast(VideoFormat::Vp8, "L1T3"),
        Setup {
            by_rid: true,
            ..Setup::simulcast(VideoFormat::Vp8, "L1T2")
        },
        Setup::simulcast(VideoFormat::H264, "L1T2"),
        Setup::simulcast(VideoFormat::Av1, "L1T2"),
        Setup::svc(VideoFormat::Vp8, "L1T3"),
        Setup::svc(VideoFormat::Vp9, "L3T3"),
        Setup::svc(VideoFormat::Vp9, "L3T3_KEY"),
        Setup::svc(VideoFormat::Av1, "L3T3"),
        Setup::svc(VideoFormat::Av1, "L3T3_KEY"),
    ]
}

/// Goes through the layers of a stage as its receiver.
fn walk(stage: &mut Stage, limit: Duration) {
    let setup = stage.setup;
    let (top, temporal) = (setup.spatial_layers() - 1, setup.mode.temporal - 1);
    stage.expect_layers(top, temporal, limit);
    for (spatial, temporal) in [
        (0, temporal),
        (0, 0),
        (top, temporal),
        (top, 0),
        (top, temporal),
    ] {
        stage.prefer(spatial, temporal);
        stage.expect_layers(spatial, temporal, limit);
    }
}

#[test]
fn the_receiver_chooses_at_its_own_engine() {
    for setup in setups() {
        let mut stage = Stage::over_trunk(setup, None, 200 * MS);
        stage.run(300 * MS);
        walk(&mut stage, LIMIT);
        stage.finish();
    }
}

#[test]
fn what_is_lost_on_the_trunk_comes_again() {
    for setup in setups() {
        for seed in seeds(1) {
            let mut stage = Stage::over_trunk(setup, Some((bad(), seed)), STALL);
            wander_on(&mut stage, seed);
            let far = stage.far.as_ref().expect("a trunk");
            let producer = stage.producer;
            let stats = far.world.engine.producer_stats(stage.world.now, producer);
            let repaired: u64 = stats
                .expect("it is there")
                .iter()
                .map(|stream| stream.packets_repaired)
                .sum();
            assert!(repaired > 20, "{setup:?}: {repaired}");
            stage.finish_after_losses();
        }
    }
}

#[test]
fn what_nobody_behind_the_pipe_wants_stays_off_the_trunk() {
    for setup in [
        Setup::simulcast(VideoFormat::Vp8, "L1T3"),
        Setup::simulcast(VideoFormat::Av1, "L1T2"),
    ] {
        let mut stage = Stage::over_trunk(setup, None, 200 * MS);
        let temporal = setup.mode.temporal - 1;
        stage.far.as_mut().expect("a trunk").follows_demand = true;
        stage.run(300 * MS);
        stage.expect_layers(2, temporal, LIMIT);
        stage.prefer(0, temporal);
        stage.expect_layers(0, temporal, LIMIT);
        // A while later the pipe carries the lowest stream alone.
        stage.run(7000 * MS);
        let before = sent_on_trunk(&stage);
        stage.run(1000 * MS);
        let after = sent_on_trunk(&stage);
        assert!(after[0] > before[0], "{setup:?}: {before:?} {after:?}");
        assert_eq!(after[1..], before[1..], "{setup:?}");
        // Who asks for more again gets it.
        stage.prefer(2, temporal);
        stage.expect_layers(2, temporal, 2 * LIMIT);
        stage.finish();
    }
}

/// Packets that each stream of the pipe has sent.
fn sent_on_trunk(stage: &Stage) -> Vec<u64> {
    let far = stage.far.as_ref().expect("a trunk");
    let stats = far.pipe.consumers.iter().map(|&consumer| {
        let stats = stage.world.engine.consumer_stats(stage.world.now, consumer);
        stats.expect("it is there").outbound.packet_count
    });
    stats.collect()
}

#[test]
fn the_sender_begins_anew_with_other_numbers() {
    for setup in setups() {
        let setup = Setup {
            by_rid: true,
            ..setup
        };
        let mut stage = Stage::over_trunk(setup, None, 1900 * MS);
        let (top, temporal) = (setup.spatial_layers() - 1, setup.mode.temporal - 1);
        stage.run(300 * MS);
        stage.expect_layers(top, temporal, LIMIT);
        for stream in 0..setup.streams {
            stage.restart_stream(stream);
        }
        stage.run(2500 * MS);
        stage.expect_layers(top, temporal, LIMIT);
        stage.prefer(0, temporal);
        stage.expect_layers(0, temporal, LIMIT);
        stage.finish();
    }
}

#[test]
fn the_sender_gives_layers_up_and_takes_them_up_again() {
    for setup in [
        Setup::simulcast(VideoFormat::Vp8, "L1T3"),
        Setup::svc(VideoFormat::Vp9, "L3T3_KEY"),
        Setup::svc(VideoFormat::Av1, "L3T3"),
    ] {
        let stall = if setup.streams > 1 { 1900 } else { 200 };
        let mut stage = Stage::over_trunk(setup, None, MS * stall);
        let (top, temporal) = (setup.spatial_layers() - 1, setup.mode.temporal - 1);
        stage.run(300 * MS);
        stage.expect_layers(top, temporal, LIMIT);
        for spatial in [top - 1, top] {
            if setup.streams > 1 {
                stage.streams[usize::from(top)].on = spatial == top;
            } else {
                stage.streams[0].source.set_spatial_layers(spatial + 1);
            }
            stage.expect_layers(spatial, temporal, 3 * LIMIT);
        }
        stage.finish();
    }
}

#[test]
fn a_paused_producer_rests_behind_the_pipe_too() {
    for setup in setups() {
        let mut stage = Stage::over_trunk(setup, None, 200 * MS);
        let (top, temporal) = (setup.spatial_layers() - 1, setup.mode.temporal - 1);
        stage.run(300 * MS);
        stage.expect_layers(top, temporal, LIMIT);
        let producer = stage.producer;
        stage.world.engine.pause_producer(producer).expect("exists");
        stage.run(1000 * MS);
        stage.shown.clear();
        stage.run(300 * MS);
        assert!(stage.shown.is_empty(), "{setup:?}");
        stage.checker.forgive_gap();
        let now = stage.world.now;
        let resumed = stage.world.engine.resume_producer(now, producer);
        resumed.expect("exists");
        stage.expect_layers(top, temporal, 2 * LIMIT);
        stage.finish();
    }
}

#[test]
fn a_viewer_who_comes_back_wakes_the_whole_pipe() {
    for setup in [
        Setup::simulcast(VideoFormat::Vp8, "L1T3"),
        Setup::svc(VideoFormat::Av1, "L3T3"),
    ] {
        let mut stage = Stage::over_trunk(setup, None, 200 * MS);
        let (top, temporal) = (setup.spatial_layers() - 1, setup.mode.temporal - 1);
        stage.far.as_mut().expect("a trunk").follows_demand = true;
        stage.run(300 * MS);
        stage.expect_layers(top, temporal, LIMIT);
        let consumer = stage.consumer;
        let paused = stage.viewers().engine.pause_consumer(consumer);
        paused.expect("it is there");
        stage.run(7000 * MS);
        let before = sent_on_trunk(&stage);
        stage.run(1000 * MS);
        assert_eq!(sent_on_trunk(&stage), before, "{setup:?}");
        stage.checker.forgive_gap();
        let viewers = stage.viewers();
        let resumed = viewers.engine.resume_consumer(viewers.now, consumer);
        resumed.expect("it is there");
        viewers.drain();
        stage.expect_layers(top, temporal, 2 * LIMIT);
        stage.finish();
    }
}
