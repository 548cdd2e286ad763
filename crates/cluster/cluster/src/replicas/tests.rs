use super::*;

type Changes = Replicas<u32, Vec<u32>>;
type Action = ReplicasAction<u32, Vec<u32>>;

fn node() -> NodeId {
    "b".into()
}

const fn stamp(epoch: u64, seq: u64) -> Stamp {
    Stamp {
        epoch: NodeEpoch(epoch),
        seq,
    }
}

const fn change(epoch: u64, seq: u64) -> Numbered<u32> {
    Numbered {
        stamp: stamp(epoch, seq),
        change: seq as u32,
    }
}

fn actions(replicas: &mut Changes) -> Vec<Action> {
    std::iter::from_fn(|| replicas.poll_action()).collect()
}

fn fetch() -> Action {
    ReplicasAction::Fetch { node: node() }
}

fn apply(change: u32) -> Action {
    ReplicasAction::Apply {
        node: node(),
        change,
    }
}

fn replace(seq: u64) -> Action {
    ReplicasAction::Replace {
        node: node(),
        snapshot: vec![seq as u32],
    }
}

/// With a copy at number 5 of epoch 1.
fn current(now: Instant) -> Changes {
    let mut replicas = Changes::default();
    replicas.handle_mark(&node(), stamp(1, 5));
    replicas.handle_snapshot(now, &node(), stamp(1, 5), vec![5]);
    assert_eq!(actions(&mut replicas), [fetch(), replace(5)]);
    assert!(replicas.is_current());
    replicas
}

#[test]
fn changes_in_order_are_applied_and_repeated_ones_are_not() {
    let mut replicas = current(Instant::now());
    replicas.handle_change(&node(), change(1, 6));
    replicas.handle_change(&node(), change(1, 6));
    replicas.handle_change(&node(), change(1, 7));
    assert_eq!(actions(&mut replicas), [apply(6), apply(7)]);
}

#[test]
fn a_gap_is_filled_by_a_snapshot_and_what_came_meanwhile() {
    let now = Instant::now();
    let mut replicas = current(now);
    replicas.handle_change(&node(), change(1, 7));
    replicas.handle_change(&node(), change(1, 8));
    replicas.handle_change(&node(), change(1, 9));
    assert_eq!(actions(&mut replicas), [fetch()]);
    assert!(!replicas.is_current());
    replicas.handle_snapshot(now, &node(), stamp(1, 8), vec![8]);
    assert_eq!(actions(&mut replicas), [replace(8), apply(9)]);
    assert!(replicas.is_current());
}

#[test]
fn a_mark_finds_what_the_bus_has_lost() {
    let mut replicas = current(Instant::now());
    replicas.handle_mark(&node(), stamp(1, 5));
    assert_eq!(actions(&mut replicas), []);
    replicas.handle_mark(&node(), stamp(1, 6));
    replicas.handle_mark(&node(), stamp(1, 6));
    assert_eq!(actions(&mut replicas), [fetch()], "once");
}

#[test]
fn a_snapshot_that_was_overtaken_changes_nothing() {
    let now = Instant::now();
    let mut replicas = current(now);
    replicas.handle_silence();
    replicas.handle_snapshot(now, &node(), stamp(1, 4), vec![4]);
    assert_eq!(actions(&mut replicas), [fetch()]);
    assert!(replicas.is_current());
}

#[test]
fn a_later_start_puts_an_end_to_an_earlier_one() {
    let now = Instant::now();
    let mut replicas = current(now);
    replicas.handle_change(&node(), change(2, 1));
    let dropped = ReplicasAction::Drop { node: node() };
    assert_eq!(actions(&mut replicas), [dropped, fetch()]);
    replicas.handle_change(&node(), change(1, 6));
    replicas.handle_snapshot(now, &node(), stamp(1, 9), vec![9]);
    assert_eq!(actions(&mut replicas), [], "of the earlier start");
    replicas.handle_node_gone(&node(), NodeEpoch(1));
    replicas.handle_snapshot(now, &node(), stamp(2, 1), vec![1]);
    assert_eq!(actions(&mut replicas), [replace(1)]);
}

#[test]
fn an_owner_that_does_not_answer_is_asked_again_later_and_later() {
    let mut now = Instant::now();
    let mut replicas = Changes::default();
    replicas.handle_mark(&node(), stamp(1, 5));
    assert_eq!(actions(&mut replicas), [fetch()]);
    let mut waits = Vec::new();
    for _ in 0..7 {
        replicas.handle_no_snapshot(now, &node());
        let due = replicas.poll_timeout().expect("asked again");
        waits.push((due - now).as_millis());
        now = due;
        replicas.handle_timeout(now);
        assert_eq!(actions(&mut replicas), [fetch()]);
    }
    assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000]);
}

#[test]
fn a_part_that_has_ended_is_forgotten_unless_it_began_anew() {
    let mut replicas = current(Instant::now());
    replicas.handle_change(&node(), change(1, 6));
    replicas.handle_end(&node(), stamp(1, 5));
    assert_eq!(actions(&mut replicas), [apply(6)]);
    replicas.handle_end(&node(), stamp(1, 6));
    assert_eq!(
        actions(&mut replicas),
        [ReplicasAction::Drop { node: node() }]
    );
}

#[test]
fn what_waits_is_bounded() {
    let mut replicas = Changes::default();
    for seq in 2..10_000 {
        replicas.handle_change(&node(), change(1, seq));
    }
    let waiting = replicas.copies.values().map(|copy| copy.waiting.len());
    assert_eq!(waiting.max(), Some(MOST_WAITING));
    let now = Instant::now();
    replicas.handle_snapshot(now, &node(), stamp(1, 1), vec![1]);
    assert!(!replicas.is_current());
    assert!(replicas.poll_timeout().is_some(), "there is more to fetch");
}

#[test]
fn an_owner_whose_part_began_anew_while_it_was_asked_is_asked_again() {
    let now = Instant::now();
    let mut replicas = current(now);
    replicas.handle_silence();
    replicas.handle_change(&node(), change(1, 6));
    replicas.handle_no_part(now, &node(), stamp(1, 5));
    assert_eq!(actions(&mut replicas), [fetch()]);
    assert!(replicas.poll_timeout().is_some());
    replicas.handle_no_part(now, &node(), stamp(1, 6));
    let dropped = ReplicasAction::Drop { node: node() };
    assert_eq!(actions(&mut replicas), [dropped]);
    assert_eq!(replicas.poll_timeout(), None);
}

#[test]
fn an_earlier_start_that_answers_for_a_later_one_is_not_believed_and_the_later_one_asked_again() {
    let now = Instant::now();
    let mut replicas = current(now);
    replicas.handle_mark(&node(), stamp(2, 1));
    let drop = ReplicasAction::Drop { node: node() };
    assert_eq!(actions(&mut replicas), [drop, fetch()]);
    replicas.handle_snapshot(now, &node(), stamp(1, 6), vec![6]);
    assert_eq!(actions(&mut replicas), []);
    let due = replicas.poll_timeout().expect("another attempt");
    replicas.handle_timeout(due);
    assert_eq!(actions(&mut replicas), [fetch()]);
    replicas.handle_snapshot(due, &node(), stamp(2, 1), vec![1]);
    assert_eq!(actions(&mut replicas), [replace(1)]);
    assert!(replicas.is_current());
}

#[test]
fn a_stranger_who_speaks_is_asked_and_so_is_one_who_is_not_what_is_known() {
    let now = Instant::now();
    let mut replicas = Changes::default();
    replicas.handle_stranger(&node(), NodeEpoch(1));
    replicas.handle_stranger(&node(), NodeEpoch(1));
    assert_eq!(actions(&mut replicas), [fetch()], "once");
    replicas.handle_no_part(now, &node(), stamp(1, 7));
    assert_eq!(replicas.nodes().count(), 0, "it has ended meanwhile");
    let mut replicas = current(now);
    replicas.handle_stranger(&node(), NodeEpoch(1));
    assert_eq!(actions(&mut replicas), [fetch()]);
    let mut replicas = current(now);
    replicas.handle_stranger(&node(), NodeEpoch(0));
    assert_eq!(actions(&mut replicas), [], "it is over");
    let drop = ReplicasAction::Drop { node: node() };
    replicas.handle_stranger(&node(), NodeEpoch(2));
    assert_eq!(actions(&mut replicas), [drop, fetch()]);
}
