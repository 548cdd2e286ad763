use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn item(consumer: u32, kind: ItemKind, size: u16, out: u64) -> Item {
    Item {
        consumer,
        stream: 0,
        kind,
        filler: false,
        beside: false,
        size,
        sequence: out,
        out,
    }
}

/// Pictures and sound, some of it beside the estimate.
fn load(pictures: usize, sound: usize, beside: usize) -> Load {
    Load {
        all: pictures + sound + beside,
        sound: sound + beside,
        beside,
    }
}

/// The next packet, which leaves.
fn take(pacer: &mut Pacer, now: Instant) -> Option<Item> {
    let item = pacer.pop(now, 0, true)?;
    pacer.leaves(now, &item, 0, true);
    Some(item)
}

fn release(pacer: &mut Pacer, now: Instant) -> Vec<Item> {
    std::iter::from_fn(|| take(pacer, now)).collect()
}

#[test]
fn what_the_budget_covers_does_not_wait() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    assert!(pacer.admit(now, load(20_000, 0, 0)));
    assert!(pacer.admit(now, load(12_000, 0, 0)));
    assert!(!pacer.admit(now, load(2_000, 0, 0)));
    assert!(pacer.admit(now + MS, load(2_000, 0, 0)));
    assert_eq!(pacer.next_release(now), None);
}

#[test]
fn sound_and_repairs_that_wait_are_bounded() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.set_estimate(now, Some(1), 0);
    for out in 0..10_000 {
        pacer.push(now, item(1, ItemKind::Audio, 100, out));
        pacer.push(now, item(1, ItemKind::Retransmission, 100, out));
    }
    assert_eq!(pacer.len(), 2048 + 512);
    assert_eq!(pacer.queue.bytes(), 100 * pacer.len());
    // What is left of the sound is the newest.
    let next = pacer.queue.pop(true, true, true).expect("it waits");
    assert_eq!((next.kind, next.out), (ItemKind::Audio, 10_000 - 2048));
}

#[test]
fn sound_leaves_before_repairs_and_these_before_pictures() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    for (out, kind) in (0..).zip([
        ItemKind::Video,
        ItemKind::Retransmission,
        ItemKind::Video,
        ItemKind::Audio,
    ]) {
        pacer.push(now, item(1, kind, 100, out));
    }
    let order: Vec<_> = release(&mut pacer, now)
        .iter()
        .map(|item| item.out)
        .collect();
    assert_eq!(order, [3, 1, 0, 2]);
}

#[test]
fn sound_leaves_on_credit_and_video_pays_it_back() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.set_estimate(now, Some(600_000), 0);
    pacer.push(now, item(1, ItemKind::Video, 1400, 0));
    for out in 1..=62 {
        pacer.push(now, item(2, ItemKind::Audio, 150, out));
    }
    let released = release(&mut pacer, now);
    assert_eq!(
        released.len(),
        62,
        "9300 bytes of sound against 4800 of its own and a depth of 3000"
    );
    let next = pacer.next_release(now).expect("video waits");
    assert!(release(&mut pacer, now + (next - now) * 9 / 10).is_empty());
    assert_eq!(release(&mut pacer, next).len(), 1);
}

#[test]
fn pictures_do_not_pay_for_a_voice() {
    let mut now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.set_estimate(now, Some(30_000), 0);
    let mut pictures = 0;
    // 48 kb/s of sound, admitted or paced, and 24 kb/s of pictures, for ten seconds.
    for turn in 0..500 {
        if turn % 20 == 10 {
            pacer.push(now, item(1, ItemKind::Video, 1200, turn));
        }
        if !pacer.admit(now, load(0, 120, 0)) {
            pacer.push(now, item(2, ItemKind::Audio, 120, turn));
        }
        let released = release(&mut pacer, now);
        pictures += released
            .iter()
            .filter(|item| item.kind == ItemKind::Video)
            .count();
        now += 20 * MS;
    }
    assert!(pictures >= 24, "{pictures} of 25 pictures left");
}

#[test]
fn pictures_do_not_pay_for_more_voices_than_sound_may_have() {
    let mut now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.set_estimate(now, Some(30_000), 0);
    let (mut pictures, mut voices) = (0, 0);
    // 960 kb/s of sound that the estimate knows nothing of, and 24 kb/s of pictures, for ten seconds.
    for turn in 0..500 {
        if turn % 20 == 10 {
            pacer.push(now, item(1, ItemKind::Video, 1200, turn));
        }
        assert!(!pacer.admit(now, load(0, 0, 20 * 120)) || turn < 10);
        for voice in 0..20 {
            let mut sound = item(2, ItemKind::Audio, 120, 20 * turn + voice);
            sound.beside = true;
            pacer.push(now, sound);
        }
        for item in release(&mut pacer, now) {
            pictures += u32::from(item.kind == ItemKind::Video);
            voices += u32::from(item.kind == ItemKind::Audio);
        }
        now += 20 * MS;
    }
    assert!(pictures >= 24, "{pictures} of 25 pictures left");
    assert!((6600..6800).contains(&voices), "{voices} leave at 80 kB/s");
}

#[test]
fn sound_beside_the_estimate_is_admitted_on_its_own() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.set_estimate(now, Some(100_000), 0);
    assert!(!pacer.admit(now, load(0, 0, 5000)), "more than its own");
    assert!(pacer.admit(now, load(2500, 0, 4000)));
    assert!(pacer.admit(now, load(500, 0, 800)), "3000 for pictures");
    assert!(!pacer.admit(now, load(1, 0, 0)) && !pacer.admit(now, load(0, 0, 1)));
}

#[test]
fn what_was_granted_drains_though_the_path_is_said_to_carry_less() {
    let mut now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.set_estimate(now, Some(30_000), 150_000);
    // 144 kb/s.
    for out in 0..300 {
        pacer.push(now, item(1, ItemKind::Video, 600, out));
        release(&mut pacer, now);
        assert!(pacer.video_age(now) < 100 * MS);
        now += 33 * MS;
    }
}

#[test]
fn old_repairs_do_not_count() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.push(now, item(1, ItemKind::Retransmission, 1200, 0));
    assert!(pacer.repairs(now, 1) && !pacer.repairs(now, 2));
    assert!(pacer.repairs(now + 1999 * MS, 1));
    assert!(!pacer.repairs(now + 2001 * MS, 1));
}

#[test]
fn a_consumer_that_waits_too_long_is_cut_off_and_resumed() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    pacer.set_estimate(now, Some(100_000), 0);
    for out in 0..40 {
        pacer.push(now, item(7, ItemKind::Video, 1200, out));
        pacer.push(now, item(8, ItemKind::Video, 100, out));
    }
    release(&mut pacer, now);
    assert!(!pacer.overflowing(now + 1900 * MS));
    let late = now + 2001 * MS;
    assert!(pacer.overflowing(late));
    let mut totals = Vec::new();
    pacer.waiting_video(&mut totals);
    assert_eq!(totals.len(), 2);
    pacer.cut_off(7, 40);
    assert!(pacer.holds(7) && !pacer.holds(8));
    assert!(pacer.is_abandoned(7, 39) && !pacer.is_abandoned(7, 40) && !pacer.is_abandoned(8, 39));
    assert_eq!(pacer.resumed(late), None, "what waits is still old");
    let mut at = late;
    while pacer.len() > 0 {
        at += 5 * MS;
        release(&mut pacer, at);
    }
    assert_eq!(pacer.resumed(at), Some(7));
    assert_eq!(pacer.resumed(at), None);
    assert!(!pacer.holds(7));
}

#[test]
fn nothing_is_left_of_a_closed_consumer() {
    let now = Instant::now();
    let mut pacer = Pacer::default();
    for kind in [ItemKind::Video, ItemKind::Audio, ItemKind::Retransmission] {
        pacer.push(now, item(7, kind, 1200, 1));
    }
    pacer.cut_off(7, 2);
    pacer.push(now, item(7, ItemKind::Audio, 1200, 1));
    pacer.forget(7);
    assert_eq!(pacer.len(), 0);
    assert_eq!(pacer.consumers().count(), 0);
    assert!(!pacer.is_abandoned(7, 1));
}

proptest! {
    #[test]
    fn no_window_carries_more_than_its_budget_and_everything_leaves(
        estimate in prop::option::of(30_000u64..50_000_000),
        arrivals in prop::collection::vec((0u32..20_000, 1u16..1500, 1u32..30), 1..100),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut pacer = Pacer::default();
        pacer.set_estimate(now, estimate, 0);
        let budget = pacer.tick_bytes();
        let mut sent: Vec<(Instant, usize)> = Vec::new();
        let (mut pushed, mut left) = (0usize, 0usize);
        let mut deliver = |pacer: &mut Pacer, now: Instant| {
            while let Some(item) = take(pacer, now) {
                sent.push((now, usize::from(item.size)));
                left += 1;
            }
        };
        for (gap, size, count) in arrivals {
            let until = now + Duration::from_micros(gap.into());
            while let Some(due) = pacer.next_release(now).filter(|due| *due <= until) {
                now = due;
                deliver(&mut pacer, now);
            }
            now = until;
            for out in 0..count {
                pushed += 1;
                pacer.push(now, item(1, ItemKind::Video, size, out.into()));
            }
            deliver(&mut pacer, now);
        }
        while let Some(due) = pacer.next_release(now) {
            now = due;
            deliver(&mut pacer, now);
        }
        prop_assert_eq!((pushed, 0), (left, pacer.len()));
        let mut first = 0;
        let mut window = 0;
        for last in 0..sent.len() {
            window += sent[last].1;
            while sent[last].0 - sent[first].0 >= TICK {
                window -= sent[first].1;
                first += 1;
            }
            prop_assert!(window as u64 <= budget + 1500, "{window} > {budget}");
        }
        prop_assert!(u64::from(pacer.bursts.largest()) <= budget + 1500);
    }

    #[test]
    fn steps_add_up_to_the_same_whatever_their_length(
        steps in prop::collection::vec(1u64..5_000_000, 1..200),
        estimate in 30_000u64..50_000_000,
    ) {
        let start = Instant::now();
        let (mut stepped, mut whole) = (Budget::default(), Budget::default());
        for budget in [&mut stepped, &mut whole] {
            budget.set_estimate(start, Some(estimate));
            budget.spend(10_000_000);
        }
        let mut now = start;
        for step in steps {
            now += Duration::from_nanos(step);
            stepped.is_open(now);
        }
        prop_assert_eq!(stepped.opens_at(now), whole.opens_at(now));
    }
}
