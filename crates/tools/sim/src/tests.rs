use super::*;

fn small(choices: &[Choice]) -> Report {
    let options = Options {
        nodes: 60,
        users: 3000,
        hours: 4.0,
        choices: choices.to_vec(),
        ..Options::default()
    };
    run(&options, &mut |_| {})
}

/// Without what is measured in real time.
fn timeless(mut report: Report) -> String {
    for figures in &mut report.results {
        figures.decision_us = Spread::default();
        figures.event_decision_us = Spread::default();
    }
    serde_json::to_string(&report).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_day() {
    let choices = [Choice::Policy(Policy::Stream)];
    assert_eq!(timeless(small(&choices)), timeless(small(&choices)));
}

#[test]
fn policies_do_what_they_are_for() {
    let report = small(&Choice::all());
    let of = |choice| {
        let mut results = report.results.iter();
        results.find(|figures| figures.choice == choice).unwrap()
    };
    let room = of(Choice::Policy(Policy::Room));
    let user = of(Choice::Policy(Policy::User));
    let stream = of(Choice::Policy(Policy::Stream));
    let broadcast = of(Choice::Policy(Policy::Broadcast));
    let random = of(Choice::Random);

    // Under `user` nobody is far from his node; without a choice most are.
    assert!(user.round_trip_ms.p95 <= room.round_trip_ms.p95);
    for ranked in [room, user, stream, broadcast] {
        assert!(ranked.round_trip_ms.p50 < random.round_trip_ms.p50 / 3.0);
        assert!(ranked.piped_mean < random.piped_mean);
        assert_eq!(ranked.lost, 0);
    }
    // Under `room` a room is at one node unless that is full.
    assert!(room.nodes_per_room < 0.6 * user.nodes_per_room);
    assert!(room.piped_mean < user.piped_mean);
    // Receivers gather.
    assert!(stream.nodes_of_event <= user.nodes_of_event);
    assert!(broadcast.tree_depth <= plenum_placement::TreeLimits::default().depth);
    assert_eq!(broadcast.tree_unreachable, 0);
    for figures in &report.results {
        assert_eq!(figures.refused, 0, "{}", figures.choice);
        assert!(figures.load_at_peak.mean > 0.05);
    }
}

#[test]
fn a_page_has_table_and_charts() {
    let report = small(&[Choice::Policy(Policy::Room), Choice::Random]);
    let table = table(&report);
    assert!(table.lines().next().unwrap().ends_with("random"), "{table}");
    let folder = std::env::temp_dir().join(format!("plenum-sim-{}", std::process::id()));
    write(&report, &folder).unwrap();
    let page = std::fs::read_to_string(folder.join("README.md")).unwrap();
    assert!(
        page.contains("--users 3000") && page.contains("| `room` | `random` |"),
        "{page}"
    );
    for chart in [
        "round-trip.svg",
        "people.svg",
        "load.svg",
        "high-load.svg",
        "pipes.svg",
    ] {
        assert!(page.contains(chart));
        let svg = std::fs::read_to_string(folder.join(chart)).unwrap();
        assert!(svg.contains("</svg>"));
    }
    let json = std::fs::read(folder.join("figures.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["results"][0]["choice"], "room");
    std::fs::remove_dir_all(&folder).unwrap();
    let error = write(&report, std::path::Path::new("/proc/nowhere")).unwrap_err();
    assert_eq!(error.to_string(), "cannot write /proc/nowhere");
}

#[test]
fn choices_have_names() {
    for choice in Choice::all() {
        assert_eq!(choice.as_str().parse(), Ok(choice));
    }
    assert_eq!("nearest".parse::<Choice>(), Err(UnknownChoice));
}
