//! A viewer goes through all layers, up and down.

use std::time::Duration;

use plenum_testkit::media::VideoFormat;

use super::stage::{MS, Setup, Stage};

/// A request for a key frame, a picture, and the longest pattern of temporal layers, with room.
const LIMIT: Duration = Duration::from_millis(1500);

/// Every layer from the lowest to the highest, back, and from end to end.
fn walk(setup: Setup) {
    let mut stage = Stage::new(setup);
    let temporal_layers = setup.mode.temporal;
    let ladder: Vec<(u8, u8)> = (0..setup.spatial_layers())
        .flat_map(|spatial| (0..temporal_layers).map(move |temporal| (spatial, temporal)))
        .collect();
    let top = ladder[ladder.len() - 1];
    stage.run(300 * MS);
    stage.expect_layers(top.0, top.1, LIMIT);
    let down = ladder.iter().rev();
    let jumps = [top, (0, 0), (top.0, 0), (0, top.1), top];
    for &(spatial, temporal) in down.chain(&ladder).chain(&jumps) {
        stage.prefer(spatial, temporal);
        stage.expect_layers(spatial, temporal, LIMIT);
    }
    stage.finish();
}

fn walk_all(format: VideoFormat, modes: &[&str]) {
    for mode in modes {
        walk(Setup::svc(format, mode));
    }
}

#[test]
fn vp8_simulcast() {
    for mode in ["L1T1", "L1T2", "L1T3"] {
        walk(Setup::simulcast(VideoFormat::Vp8, mode));
    }
}

#[test]
fn vp8_simulcast_by_rid_without_sender_reports() {
    walk(Setup {
        by_rid: true,
        reports: false,
        ..Setup::simulcast(VideoFormat::Vp8, "L1T3")
    });
}

#[test]
fn vp8_with_dependency_descriptors() {
    walk(Setup {
        descriptor: true,
        long_pattern: false,
        ..Setup::simulcast(VideoFormat::Vp8, "L1T2")
    });
}

#[test]
fn vp8_temporal_layers_of_one_stream() {
    walk(Setup {
        long_pattern: true,
        ..Setup::svc(VideoFormat::Vp8, "L1T3")
    });
}

#[test]
fn h264_simulcast() {
    for mode in ["L1T1", "L1T2", "L1T3"] {
        walk(Setup::simulcast(VideoFormat::H264, mode));
    }
}

#[test]
fn vp9_temporal_layers() {
    walk_all(VideoFormat::Vp9, &["L1T2", "L1T3"]);
}

#[test]
fn vp9_temporal_layers_that_cannot_be_joined_everywhere() {
    walk(Setup {
        long_pattern: true,
        ..Setup::svc(VideoFormat::Vp9, "L1T3")
    });
}

#[test]
fn vp9_full_svc() {
    walk_all(VideoFormat::Vp9, &["L2T1", "L2T3", "L3T1", "L3T2", "L3T3"]);
}

#[test]
fn vp9_k_svc() {
    walk_all(
        VideoFormat::Vp9,
        &["L2T1_KEY", "L2T3_KEY", "L3T2_KEY", "L3T3_KEY"],
    );
}

#[test]
fn vp9_in_flexible_mode() {
    for mode in ["L1T3", "L3T3", "L3T3_KEY"] {
        walk(Setup {
            flexible: true,
            ..Setup::svc(VideoFormat::Vp9, mode)
        });
    }
}

#[test]
fn vp9_with_dependency_descriptors() {
    for mode in ["L3T3", "L3T3_KEY"] {
        walk(Setup {
            descriptor: true,
            ..Setup::svc(VideoFormat::Vp9, mode)
        });
    }
}

#[test]
fn vp9_simulcast() {
    walk(Setup::simulcast(VideoFormat::Vp9, "L1T3"));
}

#[test]
fn av1_temporal_layers() {
    walk_all(VideoFormat::Av1, &["L1T2", "L1T3"]);
}

#[test]
fn av1_temporal_layers_that_cannot_be_joined_everywhere() {
    for mode in ["L1T2", "L1T3", "L2T3"] {
        walk(Setup {
            long_pattern: true,
            ..Setup::svc(VideoFormat::Av1, mode)
        });
    }
}

#[test]
fn av1_full_svc() {
    walk_all(VideoFormat::Av1, &["L2T1", "L2T3", "L3T1", "L3T2", "L3T3"]);
}

#[test]
fn av1_with_layers_that_hang_together_at_key_pictures() {
    walk_all(VideoFormat::Av1, &["L2T1_KEY", "L2T3_KEY", "L3T3_KEY"]);
}

#[test]
fn av1_with_independent_layers_in_one_stream() {
    walk_all(VideoFormat::Av1, &["S2T1", "S3T3"]);
}

#[test]
fn av1_simulcast() {
    for mode in ["L1T1", "L1T3"] {
        walk(Setup::simulcast(VideoFormat::Av1, mode));
    }
}
