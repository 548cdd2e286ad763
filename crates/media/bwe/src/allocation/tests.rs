use proptest::prelude::*;

use super::*;

fn kbps<const N: usize>(rates: [u64; N]) -> [Bitrate; N] {
    rates.map(Bitrate::from_kbps)
}

fn video(priority: u8, options: &[Bitrate]) -> Request<'_> {
    Request {
        priority,
        options,
        current: None,
        protected: false,
    }
}

fn allocated(budget: u64, requests: &[Request<'_>]) -> Vec<Option<u8>> {
    let mut out = vec![Some(9)];
    allocate(Bitrate::from_kbps(budget), requests, &mut out);
    out
}

#[test]
fn everybody_gets_something_before_anybody_gets_more() {
    let options = kbps([100, 300, 900]);
    let requests = [video(1, &options), video(1, &options), video(1, &options)];
    assert_eq!(allocated(400, &requests), [Some(0); 3]);
    assert_eq!(allocated(600, &requests), [Some(1), Some(0), Some(0)]);
    assert_eq!(allocated(1100, &requests), [Some(1); 3]);
    assert_eq!(allocated(230, &requests), [Some(0), Some(0), None]);
}

#[test]
fn higher_priority_climbs_to_the_top_first() {
    let options = kbps([100, 300, 900]);
    let requests = [video(1, &options), video(200, &options), video(2, &options)];
    assert_eq!(
        allocated(1300, &requests),
        [Some(0), Some(2), Some(0)],
        "the speaker before the others' second layer"
    );
    assert_eq!(allocated(1500, &requests), [Some(0), Some(2), Some(1)]);
    assert_eq!(allocated(120, &requests), [None, Some(0), None]);
}

#[test]
fn audio_is_sent_whatever_the_budget() {
    let (opus, options) = (kbps([40]), kbps([100]));
    let audio = Request {
        protected: true,
        ..video(1, &opus)
    };
    let requests = [video(255, &options), audio, audio];
    assert_eq!(allocated(0, &requests), [None, Some(0), Some(0)]);
    assert_eq!(allocated(150, &requests), [None, Some(0), Some(0)]);
    assert_eq!(allocated(202, &requests), [Some(0), Some(0), Some(0)]);
}

#[test]
fn a_step_that_does_not_fit_leaves_room_for_smaller_ones() {
    let (screen, camera) = (kbps([200, 4000]), kbps([100, 300]));
    let requests = [video(9, &screen), video(1, &camera)];
    assert_eq!(allocated(1000, &requests), [Some(0), Some(1)]);
}

#[test]
fn more_is_spent_only_with_headroom_but_what_fits_stays() {
    let options = kbps([100, 300]);
    let now = |current| {
        [Request {
            current: Some(current),
            ..video(1, &options)
        }]
    };
    assert_eq!(allocated(330, &now(0)), [Some(0)]);
    assert_eq!(allocated(337, &now(0)), [Some(1)]);
    assert_eq!(allocated(300, &now(1)), [Some(1)]);
    assert_eq!(allocated(299, &now(1)), [Some(0)]);
}

#[test]
fn a_new_priority_takes_effect_without_headroom() {
    let options = kbps([100, 300]);
    let request = |priority, current| Request {
        current: Some(current),
        ..video(priority, &options)
    };
    assert_eq!(
        allocated(405, &[request(1, 1), request(2, 0)]),
        [Some(0), Some(1)]
    );
    assert_eq!(
        allocated(405, &[request(1, 0), request(1, 1)]),
        [Some(0), Some(1)],
        "equals are not switched without need"
    );
}

#[test]
fn a_current_option_that_is_gone_does_no_harm() {
    let options = kbps([100]);
    let gone = Request {
        current: Some(7),
        ..video(1, &options)
    };
    let none = Request {
        current: Some(7),
        ..video(1, &[])
    };
    assert_eq!(allocated(100, &[gone, none]), [Some(0), None]);
}

#[derive(Clone, Debug)]
struct Wish {
    priority: u8,
    options: Vec<Bitrate>,
    current: Option<u8>,
    protected: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    let steps = prop::collection::vec(1_000..2_000_000_u64, 0..5);
    let current = prop::option::of(0..6_u8);
    (1..4_u8, steps, current, prop::bool::weighted(0.2)).prop_map(
        |(priority, steps, current, protected)| {
            let mut sum = 0;
            let mut climb = |step| {
                sum += step;
                Bitrate::from_bps(sum)
            };
            Wish {
                priority,
                options: steps.into_iter().map(&mut climb).collect(),
                current,
                protected,
            }
        },
    )
}

impl Wish {
    fn request(&self) -> Request<'_> {
        Request {
            priority: self.priority,
            options: &self.options,
            current: self.current,
            protected: self.protected,
        }
    }
}

fn requests(wishes: &[Wish]) -> Vec<Request<'_>> {
    wishes.iter().map(Wish::request).collect()
}

fn divided(budget: Bitrate, requests: &[Request<'_>]) -> Vec<Option<u8>> {
    let mut out = Vec::new();
    allocate(budget, requests, &mut out);
    out
}

/// What was granted in the order of importance: lowest options, then step after step of each priority.
fn by_importance(requests: &[Request<'_>], out: &[Option<u8>]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(requests[index].priority));
    let mut granted = Vec::new();
    for options in [0..1, 1..6] {
        for peers in order.chunk_by(|&a, &b| requests[a].priority == requests[b].priority) {
            for option in options.clone() {
                let kept = |index: &usize| requests[*index].current >= Some(option);
                let (keep, others): (Vec<usize>, Vec<usize>) =
                    peers.iter().partition(|&index| kept(index));
                let all = keep.iter().chain(&others);
                granted.extend(all.map(|&index| out[index] >= Some(option)));
            }
        }
    }
    granted
}

proptest! {
    #[test]
    fn the_budget_is_kept_and_protected_requests_stay(
        wishes in prop::collection::vec(wish(), 0..12), budget in 0..20_000_000_u64,
    ) {
        let requests = requests(&wishes);
        let out = divided(Bitrate::from_bps(budget), &requests);
        prop_assert_eq!(out.len(), requests.len());
        let mut rest: Bitrate = Bitrate::ZERO;
        let mut protected: Bitrate = Bitrate::ZERO;
        for (request, option) in requests.iter().zip(&out) {
            if request.protected {
                prop_assert_eq!(*option, request.highest());
                protected += request.cost(*option);
            } else {
                prop_assert!(*option <= request.highest());
                rest += request.cost(*option);
            }
        }
        prop_assert!(rest <= Bitrate::from_bps(budget) - protected);
    }

    #[test]
    fn a_larger_budget_never_takes_from_the_more_important(
        mut wishes in prop::collection::vec(wish(), 0..12), budget in 0..20_000_000_u64, more in 0..5_000_000_u64,
        fresh: bool,
    ) {
        if fresh {
            for wish in &mut wishes {
                wish.current = None;
            }
        }
        let requests = requests(&wishes);
        let small = divided(Bitrate::from_bps(budget), &requests);
        let large = divided(Bitrate::from_bps(budget + more), &requests);
        prop_assert!(by_importance(&requests, &small) <= by_importance(&requests, &large));
    }

    #[test]
    fn one_request_is_monotone_in_the_budget(wish in wish(), budget in 0..9_000_000_u64, more in 0..5_000_000_u64) {
        let requests = requests(std::slice::from_ref(&wish));
        let small = divided(Bitrate::from_bps(budget), &requests);
        prop_assert!(small <= divided(Bitrate::from_bps(budget + more), &requests));
    }

    #[test]
    fn higher_priority_is_never_worse_at_equal_options(
        wishes in prop::collection::vec(wish(), 2..12), budget in 0..20_000_000_u64,
    ) {
        let mut wishes = wishes;
        let options = wishes[0].options.clone();
        for wish in &mut wishes {
            wish.options.clone_from(&options);
            wish.protected = false;
        }
        let requests = requests(&wishes);
        let out = divided(Bitrate::from_bps(budget), &requests);
        for (one, its) in requests.iter().zip(&out) {
            for (other, others) in requests.iter().zip(&out) {
                prop_assert!(one.priority <= other.priority || its >= others);
            }
        }
    }

    #[test]
    fn five_percent_of_noise_settles(
        wishes in prop::collection::vec(wish(), 1..12), budget in 100_000..20_000_000_u64,
        noise in prop::collection::vec(0.95..1.05_f64, 1..20),
    ) {
        let mut wishes = wishes;
        let at = |factor| Bitrate::from_bps(budget).scaled(factor);
        let step = |wishes: &mut Vec<Wish>, budget| {
            let out = divided(budget, &requests(wishes));
            for (wish, option) in wishes.iter_mut().zip(&out) {
                wish.current = *option;
            }
            out
        };
        // The most and the least that the noise can do, once; then nothing moves any more.
        step(&mut wishes, at(0.95));
        let settled = step(&mut wishes, at(1.05));
        for factor in noise {
            prop_assert_eq!(&step(&mut wishes, at(factor)), &settled);
        }
    }

    #[test]
    fn the_same_question_has_the_same_answer(wishes in prop::collection::vec(wish(), 0..12), budget: u64) {
        let requests = requests(&wishes);
        let budget = Bitrate::from_bps(budget);
        prop_assert_eq!(divided(budget, &requests), divided(budget, &requests));
    }
}
