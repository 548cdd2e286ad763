//! The encoded clips that `plenum load` has built in: two seconds of a test picture with a little noise, in each codec.
//!
//! ffmpeg makes all but the one with layers, which only a browser's encoder does (`scripts/svc-clip.mjs`). One thread and
//! a seed of its own for the noise: the same ffmpeg makes the same bytes again.

use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};

/// Where they go.
pub(crate) const FOLDER: &str = "crates/tools/load/media";

/// A file: its name, width, height and bits a second, and what the encoder is told.
struct Clip {
    name: &'static str,
    size: (u32, u32),
    bitrate: &'static str,
    encoder: &'static str,
}

/// As calls encode: no frames held back, none that are hidden, one key frame.
const VP8: &str =
    "-c:v libvpx -deadline realtime -cpu-used 4 -lag-in-frames 0 -auto-alt-ref 0 -g 60 -f ivf";
const H264: &str = "-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -g 60 \
                    -x264-params slices=1:threads=1:sliced-threads=0 -f h264";
const AV1: &str = "-c:v libsvtav1 -preset 10 -g 60 -svtav1-params pred-struct=1:lp=1 -f ivf";

const CLIPS: [Clip; 5] = [
    Clip {
        name: "vp8-90p.ivf",
        size: (160, 90),
        bitrate: "40k",
        encoder: VP8,
    },
    Clip {
        name: "vp8-180p.ivf",
        size: (320, 180),
        bitrate: "100k",
        encoder: VP8,
    },
    Clip {
        name: "vp8-360p.ivf",
        size: (640, 360),
        bitrate: "250k",
        encoder: VP8,
    },
    Clip {
        name: "h264-360p.h264",
        size: (640, 360),
        bitrate: "250k",
        encoder: H264,
    },
    Clip {
        name: "av1-360p.ivf",
        size: (640, 360),
        bitrate: "250k",
        encoder: AV1,
    },
];

/// The one with layers.
const LAYERED: &str = "vp9-L3T3.ivf";

/// Makes all of them.
pub(crate) fn make(root: &Path) -> anyhow::Result<()> {
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder).context("cannot make the folder of clips")?;
    for clip in &CLIPS {
        run(encoding(clip, &folder.join(clip.name)))?;
    }
    let mut layered = Command::new("node");
    layered
        .arg(root.join("scripts/svc-clip.mjs"))
        .arg(folder.join(LAYERED));
    run(layered)
}

fn encoding(clip: &Clip, to: &Path) -> Command {
    let (width, height) = clip.size;
    let picture = format!("testsrc2=size={width}x{height}:rate=30:duration=2");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args("-hide_banner -loglevel error -y -f lavfi -i".split(' '));
    ffmpeg.arg(picture);
    ffmpeg.args(["-vf", "noise=alls=6:allf=t:all_seed=7,format=yuv420p"]);
    ffmpeg.args("-threads 1 -fflags +bitexact -flags +bitexact".split(' '));
    ffmpeg.args(["-b:v", clip.bitrate]);
    ffmpeg.args(clip.encoder.split_whitespace()).arg(to);
    ffmpeg
}

fn run(mut command: Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    ensure!(status.success(), "{name} has failed: {status}");
    Ok(())
}
