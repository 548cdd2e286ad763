use super::*;

const FREE: Judgement = Judgement::Free;

fn home() -> Home {
    Home::new("a".into(), NodeEpoch(2))
}

fn actions(home: &mut Home) -> Vec<HomeAction> {
    std::iter::from_fn(|| home.poll_action()).collect()
}

#[test]
fn a_room_asks_for_a_home_once_and_only_when_it_may() {
    let mut home = home();
    home.handle_timeout(Judgement::Blind);
    assert_eq!(actions(&mut home), []);
    home.handle_timeout(FREE);
    home.handle_timeout(FREE);
    let claim = HomeAction::Claim {
        at_least: RoomEpoch(0),
    };
    assert_eq!(actions(&mut home), [claim]);
    home.handle_no_answer();
    home.handle_timeout(FREE);
    assert_eq!(actions(&mut home), [claim]);
    home.handle_home("a".into(), NodeEpoch(2), RoomEpoch(3));
    let begin = HomeAction::Begin {
        epoch: RoomEpoch(3),
    };
    assert_eq!(actions(&mut home), [begin]);
    home.handle_timeout(FREE);
    assert_eq!(actions(&mut home), [], "it has one");
}

#[test]
fn the_higher_epoch_holds() {
    let mut home = home();
    home.handle_home("a".into(), NodeEpoch(2), RoomEpoch(3));
    home.handle_home("b".into(), NodeEpoch(1), RoomEpoch(2));
    assert_eq!(home.here(), Some(RoomEpoch(3)));
    home.handle_home("b".into(), NodeEpoch(1), RoomEpoch(4));
    assert!(!home.is_here());
    let all = actions(&mut home);
    assert_eq!(all.last(), Some(&HomeAction::End));
    assert_eq!(home.node(), Some(&"b".into()));
}

#[test]
fn a_dead_home_is_replaced_under_a_higher_epoch() {
    let mut home = home();
    home.handle_home("b".into(), NodeEpoch(5), RoomEpoch(4));
    home.handle_node_gone(&"b".into(), NodeEpoch(4));
    assert_eq!(home.node(), Some(&"b".into()), "an earlier start");
    home.handle_node_gone(&"b".into(), NodeEpoch(5));
    home.handle_timeout(FREE);
    let at_least = RoomEpoch(4);
    assert_eq!(actions(&mut home), [HomeAction::Claim { at_least }]);
}

#[test]
fn a_home_is_the_first_to_tell_a_registry_that_has_forgotten() {
    let until = std::time::Instant::now();
    let settling = Judgement::Settling { until };
    let mut other = home();
    other.handle_home("b".into(), NodeEpoch(5), RoomEpoch(4));
    other.handle_doubt();
    other.handle_timeout(settling);
    assert_eq!(actions(&mut other), []);
    let mut home = home();
    home.handle_home("a".into(), NodeEpoch(2), RoomEpoch(4));
    assert!(home.decides());
    home.handle_doubt();
    assert!(!home.decides());
    home.handle_timeout(settling);
    let claim = HomeAction::Claim {
        at_least: RoomEpoch(4),
    };
    assert_eq!(actions(&mut home).last(), Some(&claim));
}

#[test]
fn a_home_that_was_given_up_is_wanted_again() {
    let mut home = home();
    home.handle_home("b".into(), NodeEpoch(5), RoomEpoch(4));
    home.handle_vacant();
    assert_eq!(home.node(), None);
    home.handle_timeout(FREE);
    let at_least = RoomEpoch(4);
    assert_eq!(actions(&mut home), [HomeAction::Claim { at_least }]);
}

#[test]
fn what_an_earlier_start_was_is_not_what_this_one_is() {
    let mut home = home();
    home.handle_home("a".into(), NodeEpoch(1), RoomEpoch(4));
    assert!(!home.is_here());
    home.handle_timeout(FREE);
    let at_least = RoomEpoch(4);
    assert_eq!(actions(&mut home), [HomeAction::Claim { at_least }]);
}

#[test]
fn a_home_whose_lease_had_ended_waits_for_a_registry_that_remembers() {
    let until = std::time::Instant::now();
    let settling = Judgement::Settling { until };
    let mut home = home();
    home.handle_home("a".into(), NodeEpoch(2), RoomEpoch(4));
    actions(&mut home);
    home.handle_lapse();
    assert!(!home.decides());
    home.handle_doubt();
    home.handle_timeout(settling);
    assert_eq!(actions(&mut home), [], "another one may have followed it");
    home.handle_timeout(FREE);
    let at_least = RoomEpoch(4);
    assert_eq!(actions(&mut home), [HomeAction::Claim { at_least }]);
    home.handle_home("a".into(), NodeEpoch(2), RoomEpoch(4));
    home.handle_doubt();
    home.handle_timeout(settling);
    assert_eq!(actions(&mut home), [HomeAction::Claim { at_least }]);
}

#[test]
fn an_epoch_that_was_given_to_two_homes_is_left_behind() {
    let mut home = home();
    home.handle_home("a".into(), NodeEpoch(2), RoomEpoch(3));
    actions(&mut home);
    home.handle_home("b".into(), NodeEpoch(1), RoomEpoch(3));
    home.handle_timeout(FREE);
    let claim = HomeAction::Claim {
        at_least: RoomEpoch(4),
    };
    assert_eq!(actions(&mut home), [claim]);
    assert!(!home.decides());
    home.handle_home("b".into(), NodeEpoch(1), RoomEpoch(5));
    assert_eq!(actions(&mut home), [HomeAction::End]);
}

#[test]
fn what_a_higher_epoch_has_decided_makes_a_home_under_a_lower_one_claim_anew() {
    let mut home = home();
    home.handle_home("a".into(), NodeEpoch(2), RoomEpoch(1));
    actions(&mut home);
    home.handle_epoch(RoomEpoch(1));
    assert!(home.decides());
    home.handle_epoch(RoomEpoch(3));
    assert!(!home.decides());
    home.handle_timeout(FREE);
    let claim = HomeAction::Claim {
        at_least: RoomEpoch(3),
    };
    assert_eq!(actions(&mut home), [claim]);
}
