//! Clocks of nodes that jump while they run. Only the time of day does: what measures durations goes on evenly, as on a machine
//! whose clock somebody has set.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use super::{
    CLIENTS, Cluster, Place, USER, leaks::starts, promises::Promise, rounds,
    watching::all_hear_each_other,
};
use crate::{
    bot::Bot,
    client::{Client, join},
    moving::generations,
    node::Node,
};

/// What gives a process a clock that a file sets.
pub(super) fn environment(clock: &Path) -> Vec<(&'static str, PathBuf)> {
    if !clock.exists() {
        set(clock, 0);
    }
    vec![
        ("LD_PRELOAD", library()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        // It jumps at once.
        ("FAKETIME_NO_CACHE", "1".into()),
    ]
}

/// More than it takes to lose a lease.
const LONG: Duration = Duration::from_secs(4);

/// So many seconds off. Readers see the old file or the new one.
pub(super) fn set(clock: &Path, seconds: i64) {
    let new = clock.with_extension("new");
    std::fs::write(&new, format!("{seconds:+}\n")).expect("written");
    std::fs::rename(new, clock).expect("renamed");
}

/// Debian's `libfaketime`, which lies where libraries of the machine's architecture do.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("Linux has it");
    let mut found = folders.filter_map(|folder| {
        let library = folder.ok()?.path().join("faketime/libfaketime.so.1");
        library.exists().then_some(library)
    });
    found.next().expect("libfaketime is installed")
}

/// What time a node says it is, in ms since 1970, and whether that is so many seconds off.
async fn is_off(node: &Node, room: &str, seconds: i64) -> bool {
    let room = node
        .get_json(&format!("/api/v1/rooms/default/{room}"))
        .await;
    let opened = room["openedAt"].as_i64().expect("a time");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.expect("after 1970").as_millis()).expect("small");
    // A minute is more than tests take, and less than what clocks are off.
    (opened - now - seconds * 1000).abs() < 60_000
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_is_noticed_by_nobody() {
    const HOUR: i64 = 3600;
    let place = Place {
        has_clock: true,
        ..Place::HERE
    };
    let cluster = Cluster::at(USER, &[place.clone(), place.clone(), place]).await;
    let bots: [Bot; 3] =
        [0, 1, 2].map(|index: usize| cluster.bot(index, "time", index as u32 + 1, true));
    all_hear_each_other(&bots.each_ref(), Instant::now()).await;
    let before = generations(&bots);
    let registry = cluster.registry();
    let starts = starts(&registry).await;
    let mut silent = Promise::told("clock an hour ahead or back: without sound");
    for round in 0..rounds() {
        for bot in &bots {
            bot.ledger().forget_gaps();
        }
        let at = round % 3;
        let off = if round % 2 == 0 { HOUR } else { -HOUR };
        cluster.member(at).set_clock(off);
        // Whoever opens a room there sees what time it is.
        let room = format!("clock-{round}");
        let node = cluster.node(at);
        let mut late = Client::connect_from(node, &room, "late", CLIENTS[at]).await;
        join(&mut late, "Late").await;
        assert!(is_off(node, &room, off).await, "the clock jumped");
        let jumped = Instant::now();
        while jumped.elapsed() < LONG {
            assert_eq!(self::starts(&registry).await, starts, "leases go on");
        }
        late.leave().await;
        all_hear_each_other(&bots.each_ref(), Instant::now()).await;
        assert_eq!(generations(&bots), before, "nobody notices");
        for bot in &bots {
            assert_eq!(bot.ledger().roster.len(), 2, "nobody is missed");
        }
        let gaps = bots.iter().map(|bot| bot.ledger().longest_gap("audio"));
        silent.note(gaps.max().unwrap_or_default());
        cluster.is_whole(&[("time", &bots)]).await;
        // And back, which is a jump, too.
        cluster.member(at).set_clock(0);
    }
    drop(silent);
    drop(bots);
    cluster.nothing_is_left().await;
}
