use std::{fs, path::Path};

use super::*;

fn studio(video: &str, of: Wishes<'_>) -> Result<Studio, String> {
    let video: Vec<String> = video
        .split(',')
        .filter(|it| !it.is_empty())
        .map(str::to_owned)
        .collect();
    Studio::new(&Wishes {
        video: &video,
        ..of
    })
    .map_err(|refused| refused.to_string())
}

fn of(codec: VideoCodec) -> Wishes<'static> {
    Wishes {
        codec: Some(codec),
        ..Wishes::default()
    }
}

#[test]
fn every_codec_has_a_clip_of_its_own() {
    for codec in [
        VideoCodec::Av1,
        VideoCodec::H264,
        VideoCodec::Vp8,
        VideoCodec::Vp9,
    ] {
        let studio = studio("clip", of(codec)).expect("built in");
        assert_eq!(studio.codec(), codec.codec());
        assert!(
            (100_000..900_000).contains(&studio.bitrate()),
            "{codec:?}: {}",
            studio.bitrate()
        );
        let _ = studio.camera(3);
    }
    let layered = studio("clip", of(VideoCodec::Vp9)).expect("built in");
    assert_eq!(
        layered.mode().map(|mode| mode.to_string()).as_deref(),
        Some("L3T3")
    );
    let wishes = Wishes {
        simulcast: true,
        ..Wishes::default()
    };
    let simulcast = studio("clip", wishes).expect("built in");
    assert!(simulcast.is_simulcast() && simulcast.streams() == 3);
    let wishes = Wishes {
        simulcast: true,
        ..of(VideoCodec::Av1)
    };
    assert!(
        studio("clip", wishes)
            .expect_err("not built in")
            .contains("VP8 alone")
    );
}

#[test]
fn a_trace_alone_brings_its_sound() {
    let traced = studio("trace", Wishes::default()).expect("built in");
    assert_eq!(
        (traced.video_name(), traced.audio_name()),
        ("trace", "trace")
    );
    assert!(
        (250_000..450_000).contains(&traced.bitrate()),
        "{}",
        traced.bitrate()
    );
    let plain = studio("", Wishes::default()).expect("made up");
    assert_eq!(
        (plain.video_name(), plain.audio_name()),
        ("synthetic", "synthetic")
    );
    assert_eq!(plain.bitrate(), DEFAULT_BITRATE);
    let wishes = Wishes {
        svc: Some("L3T3_KEY"),
        ..Wishes::default()
    };
    assert_eq!(studio("", wishes).expect("made up").codec(), Codec::Vp9);
}

#[test]
fn files_are_read_and_what_they_hold_has_to_fit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |name: &str| folder.join("media").join(name).display().to_string();
    let one = studio(&file("h264-360p.h264"), Wishes::default()).expect("a clip");
    assert_eq!(one.codec(), Codec::H264);
    let three = [
        file("vp8-90p.ivf"),
        file("vp8-180p.ivf"),
        file("vp8-360p.ivf"),
    ]
    .join(",");
    assert!(
        studio(&three, Wishes::default())
            .expect("clips")
            .is_simulcast()
    );
    for (video, wishes, word) in [
        (
            file("av1-360p.ivf"),
            of(VideoCodec::Vp8),
            "Av1, and not VP8",
        ),
        (
            [file("vp8-90p.ivf"), file("av1-360p.ivf")].join(","),
            Wishes::default(),
            "not VP8",
        ),
        (
            file("vp9-L3T3.ivf"),
            Wishes {
                svc: Some("L2T1"),
                ..of(VideoCodec::Vp9)
            },
            "3 spatial layers",
        ),
        (file("none.ivf"), Wishes::default(), "cannot be sent"),
        (
            "trace".to_owned(),
            Wishes {
                simulcast: true,
                ..Wishes::default()
            },
            "smallest first",
        ),
        (
            "trace".to_owned(),
            Wishes {
                svc: Some("L3T3"),
                ..Wishes::default()
            },
            "of which layer",
        ),
        (
            String::new(),
            Wishes {
                svc: Some("L9T9"),
                ..Wishes::default()
            },
            "up to three",
        ),
        (
            String::new(),
            Wishes {
                audio: Some("/none.ogg"),
                ..Wishes::default()
            },
            "cannot be sent",
        ),
    ] {
        let refused = studio(&video, wishes).expect_err(word);
        assert!(refused.contains(word), "{video}: {refused}");
    }
    let lines = "time_us,rtp_timestamp,marker,srtp_bytes\n0,0,1,500\n33000,3000,1,500\n";
    let path = std::env::temp_dir().join(format!("plenum-load-{}.csv", std::process::id()));
    fs::write(&path, lines).expect("written");
    let traced = studio(&format!("trace:{}", path.display()), Wishes::default());
    let _ = fs::remove_file(&path);
    assert_eq!(traced.expect("a trace").bitrate(), 242_424);
}
