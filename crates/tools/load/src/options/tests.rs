use std::error::Error as _;

use clap::Parser;

use super::*;
use crate::scenario::Dialect;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    load: LoadArgs,
}

fn options(line: &str) -> Result<Options, String> {
    let words = std::iter::once("load").chain(line.split_whitespace());
    let line = Line::try_parse_from(words).map_err(|refused| refused.to_string())?;
    line.load
        .resolve()
        .map_err(|refused| match refused.source() {
            Some(source) => format!("{refused}: {source}"),
            None => refused.to_string(),
        })
}

#[test]
fn a_scenario_alone_is_enough() {
    let options = options("meeting").expect("sound");
    assert_eq!(options.urls, [DEFAULT_URL]);
    assert_eq!(options.parts.len(), 1);
    assert_eq!(options.room, "load");
    assert!(options.threads > 0);
}

#[test]
fn flags_are_understood() {
    let options = options(
        "join-storm --url http://a,http://b --url http://c --joins 9 --rate 2.5 --stay 250ms --dialect classic \
         --video-bitrate 2.5M --loss 3 --delay 40ms --assert join.p99<300ms --assert errors==0",
    )
    .expect("sound");
    assert_eq!(options.urls, ["http://a", "http://b", "http://c"]);
    let part = options.parts.first().expect("one");
    assert_eq!((part.joins, part.rate), (9, Some(2.5)));
    assert_eq!(part.stay, Duration::from_millis(250));
    assert_eq!(part.dialect, Dialect::Classic);
    assert_eq!(options.studio.bitrate(), 2_500_000);
    assert!((options.loss - 0.03).abs() < 1e-9);
    assert_eq!(options.assertions.len(), 2);
}

#[test]
fn what_is_wrong_is_said() {
    for (line, word) in [
        ("", "Usage"),
        ("meting", "meeting"),
        ("meeting --joins 3", "joins means nothing to meeting"),
        ("meeting --peers 0", "peers is 0: 1 to"),
        ("meeting --video-bitrate fast", "bits a second"),
        ("meeting --loss 101", "0 to 100"),
        ("meeting --duration soon", "ms, s, m or h"),
        ("meeting --assert join.p99", "is missing"),
        ("meeting --token a --key b", "cannot be used with"),
        ("mixed --rooms 3", "a file says more"),
        ("meeting --simulcast --svc L3T3", "cannot be used with"),
        ("meeting --svc L3T3 --codec h264", "only streams of VP9"),
        (
            "meeting --video clip --video-bitrate 1M",
            "a rate of its own",
        ),
        (
            "meeting --video trace:/does/not/exist.csv",
            "cannot be sent",
        ),
        ("run /does/not/exist.toml", "cannot be read"),
    ] {
        let refused = options(line).expect_err(line);
        assert!(refused.contains(word), "{line}: {refused}");
    }
}

const FILE: &str = r#"
url = ["http://a", "http://b"]
duration = "2m"
video_bitrate = "350k"
assert = ["errors==0"]

[[scenario]]
kind = "meeting"
rooms = 10
peers = 5

[[scenario]]
kind = "join-storm"
rate = 20.0
stay = "3s"
dialect = "classic"
"#;

fn with_file(text: &str, flags: &str) -> Result<Options, String> {
    let file = std::env::temp_dir().join(format!(
        "plenum-load-{}-{:x}.toml",
        std::process::id(),
        hash(text)
    ));
    fs::write(&file, text).expect("written");
    let result = options(&format!("run {} {flags}", file.display()));
    let _ = fs::remove_file(&file);
    result
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(7, |sum: u64, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    })
}

#[test]
fn a_file_says_the_same_as_flags_and_flags_count_more() {
    let options = with_file(FILE, "--duration 5s --assert failed==0").expect("sound");
    assert_eq!(options.urls, ["http://a", "http://b"]);
    assert_eq!(options.duration, Some(Duration::from_secs(5)));
    assert_eq!(options.studio.bitrate(), 350_000);
    let [meeting, storm] = &options.parts[..] else {
        panic!("two parts");
    };
    assert_eq!((meeting.scenario, meeting.residents()), (Kind::Meeting, 50));
    assert_eq!(
        (storm.rate, storm.stay),
        (Some(20.0), Duration::from_secs(3))
    );
    assert_eq!(options.assertions, ["failed==0".parse().expect("sound")]);
}

#[test]
fn mistakes_in_files_are_named() {
    for (text, word) in [
        ("duration = 3\n[[scenario]]\nkind = \"audio\"", "duration"),
        (
            "dration = \"3s\"\n[[scenario]]\nkind = \"audio\"",
            "dration",
        ),
        ("[[scenario]]\nkind = \"audio\"\npers = 3", "pers"),
        ("[[scenario]]\nkind = \"audo\"", "audo"),
        ("duration = \"3s\"", "scenario"),
        (
            "[[scenario]]\nkind = \"audio\"\nrounds = 3",
            "rounds means nothing",
        ),
        ("[[scenario]]\npeers = 3", "kind"),
    ] {
        let refused = with_file(text, "").expect_err(text);
        assert!(refused.contains(word), "{text}: {refused}");
    }
}
