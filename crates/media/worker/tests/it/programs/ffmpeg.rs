//! ffmpeg, in the clear and by SRTP.

use std::{collections::HashSet, io::Write};

use plenum_params::transport::SrtpSuite;

use super::*;

/// Of the suite that ffmpeg knows.
const SUITE: SrtpSuite = SrtpSuite::AesCm128HmacSha1_80;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Keys as SDES writes them (RFC 4568 §6.1). Their 30 bytes need no padding.
fn base64(bytes: &[u8]) -> String {
    assert!(bytes.len().is_multiple_of(3));
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0, |bits, &byte| bits << 8 | u32::from(byte));
        for shift in [18, 12, 6, 0] {
            text.push(LETTERS[(bits >> shift & 63) as usize].into());
        }
    }
    text
}

/// Publishes until it is killed.
fn publish(media: Media, info: &PlainTransportInfo, srtp: Option<&SrtpParameters>) -> Child {
    let (payload_type, _) = media.payload_types();
    let (payload_type, ssrc) = (payload_type.to_string(), SENT.to_string());
    let rtcp = info.rtcp_local.expect("a port of its own").port();
    let scheme = if srtp.is_some() { "srtp" } else { "rtp" };
    let url = format!("{scheme}://{}?rtcpport={rtcp}&pkt_size=1200", info.local);
    let mut arguments = vec!["-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi"];
    arguments.extend(match media.kind() {
        MediaKind::Audio => ["-i", "sine=frequency=440:sample_rate=48000"],
        MediaKind::Video => ["-i", "testsrc=size=320x240:rate=25"],
    });
    arguments.extend(match media {
        Media::H264 => &[
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
            "-pix_fmt",
            "yuv420p",
            "-g",
            "25",
        ][..],
        Media::Opus => &["-c:a", "libopus", "-ac", "2", "-b:a", "32k"],
        Media::Vp8 => &[
            "-c:v",
            "libvpx",
            "-deadline",
            "realtime",
            "-cpu-used",
            "8",
            "-b:v",
            "400k",
            "-g",
            "25",
        ],
    });
    arguments.extend(["-payload_type", &payload_type, "-ssrc", &ssrc, "-f", "rtp"]);
    let key = srtp.map(|srtp| base64(srtp.key()));
    if let Some(key) = &key {
        arguments.extend(["-srtp_out_suite", SUITE.as_str(), "-srtp_out_params", key]);
    }
    arguments.push(&url);
    start("ffmpeg", &arguments)
}

/// Plays at a pair of ports until it has decoded enough, and ends.
fn play(media: Media, port: u16, srtp: Option<&SrtpParameters>) -> (Child, SessionFile) {
    let (_, payload_type) = media.payload_types();
    let profile = if srtp.is_some() {
        "RTP/SAVP"
    } else {
        "RTP/AVP"
    };
    let (kind, map, frames) = match media {
        Media::H264 => ("video", "H264/90000", "-frames:v"),
        Media::Opus => ("audio", "opus/48000/2", "-frames:a"),
        Media::Vp8 => ("video", "VP8/90000", "-frames:v"),
    };
    let mut session = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m={kind} {port} {profile} {payload_type}\r\na=rtpmap:{payload_type} {map}\r\n"
    );
    if media == Media::H264 {
        let line = format!("a=fmtp:{payload_type} packetization-mode=1\r\n");
        session += &line;
    }
    if let Some(srtp) = srtp {
        let (suite, key) = (srtp.suite().as_str(), base64(srtp.key()));
        let line = format!("a=crypto:1 {suite} inline:{key}\r\n");
        session += &line;
    }
    let file = SessionFile::new(port, &session);
    let count = DECODED.to_string();
    let child = start(
        "ffmpeg",
        &[
            "-hide_banner",
            "-loglevel",
            "error",
            "-protocol_whitelist",
            "file,udp,rtp,srtp",
            "-i",
            &file.path,
            frames,
            &count,
            "-f",
            "framehash",
            "-",
        ],
    );
    (child, file)
}

/// A session description for ffmpeg, which reads it from a file only.
struct SessionFile {
    path: String,
}

impl SessionFile {
    fn new(port: u16, text: &str) -> Self {
        let name = format!("plenum-{}-{port}.sdp", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut file = std::fs::File::create(&path).expect("a place for temporary files");
        file.write_all(text.as_bytes()).expect("there is room");
        Self {
            path: path.to_str().expect("a plain path").to_owned(),
        }
    }
}

impl Drop for SessionFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Hashes of what was decoded, one for each picture or packet of sound.
async fn decoded(child: Child) -> Vec<String> {
    let output = finish(child).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    // A picture that lacks its references is decoded, too, and complained about.
    assert!(!told.contains("error"), "{told}");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let hash = |line: &str| line.rsplit(',').next().map(|hash| hash.trim().to_owned());
    lines.filter_map(hash).collect()
}

fn keys(byte: u8) -> SrtpParameters {
    SrtpParameters::new(SUITE, &vec![byte; SUITE.key_len()]).expect("its length")
}

/// From ffmpeg to ffmpeg through a worker.
async fn carry(media: Media, is_protected: bool) {
    let mut stage = Stage::new().await;
    let suite = is_protected.then_some(SUITE);
    let options = PlainTransportOptions {
        comedia: true,
        srtp: suite,
        ..apart()
    };
    let (transport, mut info) = stage.transport(options).await;
    let theirs = suite.map(|_| keys(7));
    if let Some(theirs) = &theirs {
        let connected = transport.connect_plain(None, Some(theirs.clone())).await;
        info = connected.expect("the first time");
    }
    let producer = produce(&transport, media).await;
    let _publisher = publish(media, &info, theirs.as_ref());
    stage.wait_for_score(&producer).await;

    let port = port_pair();
    let options = PlainTransportOptions {
        srtp: suite,
        ..apart()
    };
    let (playing, info) = stage.connected(options, port, suite.map(|_| keys(9))).await;
    let (player, _file) = play(media, port, info.srtp.as_ref());
    let consumer = consume(&playing, media, &producer, port).await;
    let hashes = decoded(player).await;
    assert_eq!(hashes.len(), DECODED, "{media:?}");
    if media.kind() == MediaKind::Video {
        // The test picture has a clock.
        let different: HashSet<_> = hashes.iter().collect();
        assert!(different.len() > DECODED / 2, "{different:?}");
    }
    let stats = playing.stats().await.expect("it is there");
    let name = suite.map(|suite| suite.as_str().to_owned());
    assert_eq!(stats.srtp_profile, name);
    assert_eq!(stats.selected_tuple.map(|it| it.remote), Some(local(port)));
    let stats = consumer.stats().await.expect("it is there");
    assert!(stats.outbound.packet_count >= DECODED as u64);
    stage.supervisor.shutdown().await;
}

#[tokio::test]
async fn vp8_is_published_and_played() {
    carry(Media::Vp8, false).await;
}

#[tokio::test]
async fn opus_is_published_and_played() {
    carry(Media::Opus, false).await;
}

#[tokio::test]
async fn h264_is_published_and_played() {
    carry(Media::H264, false).await;
}

#[tokio::test]
async fn vp8_is_published_and_played_by_srtp() {
    carry(Media::Vp8, true).await;
}

#[tokio::test]
async fn opus_is_published_and_played_by_srtp() {
    carry(Media::Opus, true).await;
}
