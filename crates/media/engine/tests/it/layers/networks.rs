//! The same over networks that lose and reorder in both directions, with NACK and RTX.

use std::time::Duration;

use plenum_testkit::{
    media::VideoFormat,
    netem::{Loss, NetemConfig},
    rng::Rng,
};

use super::stage::{MS, Setup, Stage, seeds};

/// A packet that is lost three times over on its way up and down holds up the pictures behind it that long.
pub(crate) const STALL: Duration = Duration::from_millis(800);

/// 5 % loss, 15–25 ms each way, order not kept.
pub(crate) fn bad() -> NetemConfig {
    NetemConfig {
        loss: Loss::Random(0.05),
        delay: 15 * MS,
        jitter: 10 * MS,
        reorder: 0.02,
        reorder_delay: 12 * MS,
        duplicate: 0.005,
        bottleneck: None,
    }
}

fn wander(setup: Setup, first_seed: u64) {
    for seed in seeds(first_seed) {
        wander_once(setup, seed);
    }
}

fn wander_once(setup: Setup, seed: u64) {
    let mut stage = Stage::with_networks(setup, Some((bad(), seed)), STALL);
    wander_on(&mut stage, seed);
    stage.finish_after_losses();
}

/// A viewer who changes layers at random for half a minute.
pub(crate) fn wander_on(stage: &mut Stage, seed: u64) {
    let setup = stage.setup;
    let mut rng = Rng::new(seed);
    let highest = (setup.spatial_layers() - 1, setup.mode.temporal - 1);
    stage.run(2000 * MS);
    for _ in 0..30 {
        let spatial = rng.range(0..u64::from(highest.0) + 1) as u8;
        let temporal = rng.range(0..u64::from(highest.1) + 1) as u8;
        stage.prefer(spatial, temporal);
        stage.run(Duration::from_millis(rng.range(20..1500)));
    }
    stage.prefer(highest.0, highest.1);
    let end = stage.checker.picture_count();
    stage.run(3000 * MS);
    let shown = stage.checker.picture_count() - end;
    assert!(
        shown > 60,
        "{setup:?}, seed {seed}: {shown} pictures, {:?} {} {:?}",
        stage.checker.stalls(),
        stage.checker.is_stuck(),
        stage.told()
    );
    let told = stage.told().map(|layers| (layers.spatial, layers.temporal));
    assert_eq!(
        told,
        Some((highest.0, Some(highest.1))),
        "{setup:?}, seed {seed}"
    );
}

#[test]
fn vp8_simulcast() {
    wander(Setup::simulcast(VideoFormat::Vp8, "L1T3"), 1);
    // The last packet of the old stream came when the frames behind it had been left out.
    wander(Setup::simulcast(VideoFormat::Vp8, "L1T3"), 1001);
    wander(Setup::simulcast(VideoFormat::Vp8, "L1T1"), 2);
}

#[test]
fn h264_simulcast() {
    wander(Setup::simulcast(VideoFormat::H264, "L1T2"), 3);
    wander(Setup::simulcast(VideoFormat::H264, "L1T3"), 4);
}

#[test]
fn vp9_svc() {
    wander(Setup::svc(VideoFormat::Vp9, "L3T3"), 5);
    wander(Setup::svc(VideoFormat::Vp9, "L3T3_KEY"), 6);
    wander(Setup::svc(VideoFormat::Vp9, "L2T1"), 7);
}

#[test]
fn av1_svc() {
    wander(Setup::svc(VideoFormat::Av1, "L3T3"), 8);
    wander(Setup::svc(VideoFormat::Av1, "L3T3_KEY"), 9);
    wander(Setup::svc(VideoFormat::Av1, "L1T3"), 10);
}

#[test]
fn av1_simulcast() {
    wander(Setup::simulcast(VideoFormat::Av1, "L1T3"), 11);
}

/// What tells the layers of a key picture, and begins it, comes after the rest of it and after the pictures behind it.
#[test]
fn the_first_packet_of_a_key_picture_comes_late() {
    for setup in [
        Setup::simulcast(VideoFormat::Vp8, "L1T3"),
        Setup::simulcast(VideoFormat::H264, "L1T3"),
        Setup::svc(VideoFormat::Vp9, "L3T3"),
        Setup::svc(VideoFormat::Vp9, "L3T3_KEY"),
        Setup::svc(VideoFormat::Av1, "L3T3"),
        Setup::svc(VideoFormat::Av1, "L3T3_KEY"),
        Setup::svc(VideoFormat::Av1, "L1T3"),
        Setup::simulcast(VideoFormat::Av1, "L1T3"),
    ] {
        let network = NetemConfig {
            delay: 20 * MS,
            ..NetemConfig::default()
        };
        let mut stage = Stage::with_networks(setup, Some((network, 1)), STALL);
        stage.run(1500 * MS);
        for lost in [0, 1, 0, 2] {
            stage.lose_of_key = Some(lost);
            let now = stage.world.now;
            let consumer = stage.consumer;
            let asked = stage.world.engine.request_key_frame(now, consumer);
            asked.expect("exists");
            stage.world.drain();
            stage.run(1500 * MS);
            assert_eq!(
                stage.lose_of_key, None,
                "{setup:?}: there was no key picture"
            );
        }
        stage.finish();
    }
}
