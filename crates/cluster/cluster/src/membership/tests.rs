use super::*;

const LEASE: Duration = Duration::from_secs(3);
const OLD: Duration = Duration::from_mins(10);

struct Bench {
    membership: Membership,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let membership = Membership::new(MembershipConfig::default(), "a".into(), now);
        let mut bench = Self { membership, now };
        bench.pass(0);
        bench.held(1, "first");
        bench
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.membership.handle_timeout(self.now);
        while self.membership.poll_action().is_some() {}
    }

    fn held(&mut self, epoch: u64, incarnation: &str) {
        let answer = LeaseAnswer::Held {
            epoch: NodeEpoch(epoch),
            incarnation: incarnation.into(),
        };
        self.membership.handle_lease(self.now, answer);
    }

    /// All leases: (node, epoch, milliseconds since it was renewed).
    fn read(&mut self, incarnation: &str, remembers_for: Duration, seen: &[(&str, u64, u64)]) {
        let seen = seen.iter().map(|(node, epoch, age)| Seen {
            node: (*node).into(),
            epoch: NodeEpoch(*epoch),
            age: Duration::from_millis(*age),
        });
        let answer = Some((incarnation.into(), remembers_for, seen.collect()));
        self.membership.handle_leases(self.now, answer);
    }

    fn events(&mut self) -> Vec<MembershipEvent> {
        std::iter::from_fn(|| self.membership.poll_event()).collect()
    }
}

fn up(epoch: u64) -> MembershipEvent {
    MembershipEvent::NodeUp {
        node: "b".into(),
        epoch: NodeEpoch(epoch),
    }
}

fn gone(epoch: u64) -> MembershipEvent {
    MembershipEvent::NodeGone {
        node: "b".into(),
        epoch: NodeEpoch(epoch),
    }
}

const fn held(epoch: u64) -> MembershipEvent {
    MembershipEvent::Held {
        epoch: NodeEpoch(epoch),
    }
}

#[test]
fn a_node_registers_then_renews_each_second_one_question_at_a_time() {
    let now = Instant::now();
    let mut membership = Membership::new(MembershipConfig::default(), "a".into(), now);
    membership.handle_timeout(now);
    assert_eq!(membership.poll_action(), Some(MembershipAction::Register));
    assert_eq!(membership.poll_action(), Some(MembershipAction::ReadLeases));
    membership.handle_timeout(now + Duration::from_secs(1));
    assert_eq!(membership.poll_action(), None, "both are under way");
    let epoch = NodeEpoch(7);
    membership.handle_lease(
        now,
        LeaseAnswer::Held {
            epoch,
            incarnation: "first".into(),
        },
    );
    membership.handle_timeout(now + Duration::from_secs(2));
    let renew = MembershipAction::Renew { epoch };
    assert_eq!(membership.poll_action(), Some(renew));
}

#[test]
fn who_misses_its_renewals_is_dead_and_who_comes_back_lives() {
    let mut bench = Bench::new();
    bench.read("first", OLD, &[("b", 4, 100)]);
    bench.read("first", OLD, &[("b", 4, 2_900)]);
    bench.read("first", OLD, &[("b", 4, 3_000)]);
    bench.read("first", OLD, &[("b", 4, 10)]);
    assert_eq!(bench.events(), [held(1), up(4), gone(4), up(4)]);
    bench.read("first", OLD, &[]);
    assert_eq!(bench.events(), [gone(4)], "it has resigned");
}

#[test]
fn a_link_that_lives_overrides_a_missed_lease() {
    let mut bench = Bench::new();
    bench
        .membership
        .handle_link(&"b".into(), NodeEpoch(4), true);
    bench.read("first", OLD, &[("b", 4, 9_000)]);
    assert_eq!(bench.events(), [held(1), up(4)]);
    bench
        .membership
        .handle_link(&"b".into(), NodeEpoch(4), false);
    bench.read("first", OLD, &[("b", 4, 9_500)]);
    assert_eq!(bench.events(), [gone(4)]);
}

#[test]
fn a_later_start_is_another_node_in_the_same_place() {
    let mut bench = Bench::new();
    bench.read("first", OLD, &[("b", 4, 100)]);
    bench
        .membership
        .handle_link(&"b".into(), NodeEpoch(4), true);
    bench.read("first", OLD, &[("b", 5, 0)]);
    assert_eq!(bench.events(), [held(1), up(4), gone(4), up(5)]);
    // The link of the earlier start says nothing of the later one.
    bench.read("first", OLD, &[("b", 5, 3_000)]);
    assert_eq!(bench.events(), [gone(5)]);
}

#[test]
fn without_the_registry_nobody_is_found_dead_and_the_own_lease_ends() {
    let mut bench = Bench::new();
    bench.read("first", OLD, &[("b", 4, 100)]);
    assert_eq!(bench.membership.judgement(bench.now), Judgement::Free);
    for _ in 0..5 {
        bench.membership.handle_leases(bench.now, None);
        bench
            .membership
            .handle_lease(bench.now, LeaseAnswer::Unknown);
        bench.pass(1_000);
    }
    assert_eq!(bench.membership.judgement(bench.now), Judgement::Blind);
    assert_eq!(bench.membership.lease(bench.now), None);
    assert_eq!(bench.events(), [held(1), up(4), MembershipEvent::Lapsed]);
    bench.held(1, "first");
    assert_eq!(bench.events(), [held(1)], "to be told again");
}

#[test]
fn the_own_lease_counts_from_when_it_was_asked_for() {
    let mut bench = Bench::new();
    bench.pass(1_000);
    bench.now += Duration::from_millis(2_500);
    bench.held(1, "first");
    bench.now += Duration::from_millis(400);
    assert!(bench.membership.lease(bench.now).is_some());
    bench.now += Duration::from_millis(100);
    assert_eq!(bench.membership.lease(bench.now), None);
}

#[test]
fn a_registry_that_has_forgotten_is_told_and_not_believed_for_two_leases() {
    let mut bench = Bench::new();
    bench.read("first", OLD, &[("b", 4, 100)]);
    bench.events();
    bench.read("second", Duration::from_secs(1), &[]);
    assert_eq!(bench.events(), [MembershipEvent::Forgotten]);
    let until = bench.now + Duration::from_secs(5);
    assert_eq!(
        bench.membership.judgement(bench.now),
        Judgement::Settling { until }
    );
    bench.now = until;
    bench.read("second", LEASE * 2, &[]);
    assert_eq!(bench.events(), [gone(4)]);
}

#[test]
fn a_node_that_comes_does_not_believe_a_young_registry_either() {
    let mut bench = Bench::new();
    bench.read("first", Duration::from_secs(2), &[]);
    let until = bench.now + Duration::from_secs(4);
    assert_eq!(
        bench.membership.judgement(bench.now),
        Judgement::Settling { until }
    );
}

#[test]
fn who_has_been_replaced_by_a_later_start_does_nothing_more() {
    let mut bench = Bench::new();
    bench.events();
    let by = NodeEpoch(2);
    bench
        .membership
        .handle_lease(bench.now, LeaseAnswer::Fenced { by });
    assert_eq!(bench.events(), [MembershipEvent::Fenced { by }]);
    bench.membership.handle_timeout(bench.now + LEASE);
    bench.held(1, "first");
    bench.read("first", OLD, &[("b", 4, 100)]);
    assert_eq!(bench.membership.poll_action(), None);
    assert_eq!(bench.events(), []);
    assert_eq!(bench.membership.epoch(), None);
}

#[test]
fn the_end_of_a_lease_is_told_once_also_to_who_came_later() {
    let mut bench = Bench::new();
    for age in [60_000, 61_000] {
        bench.read("first", OLD, &[("b", 4, age)]);
    }
    assert_eq!(bench.events(), [held(1), gone(4)]);
    assert_eq!(bench.membership.alive(&"b".into()), None);
    bench.read("first", OLD, &[("b", 5, 9_000)]);
    assert_eq!(bench.events(), [gone(5)], "a start that nobody saw");
    bench.read("first", OLD, &[("b", 5, 100)]);
    bench.read("first", OLD, &[]);
    assert_eq!(bench.events(), [up(5), gone(5)]);
}

#[test]
fn who_has_lived_and_died_again_unseen_is_told_dead_again() {
    let mut bench = Bench::new();
    bench.read("first", OLD, &[("b", 1, 3_000)]);
    assert_eq!(bench.events().last(), Some(&gone(1)));
    // It was well for a while in which the registry was out of reach here.
    bench.pass(20_000);
    bench.held(1, "first");
    bench.read("first", OLD, &[("b", 1, 4_000)]);
    assert_eq!(bench.events().last(), Some(&gone(1)));
    bench.pass(1_000);
    bench.read("first", OLD, &[("b", 1, 5_000)]);
    assert_eq!(bench.events(), []);
}
