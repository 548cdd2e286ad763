use super::*;
use crate::sent_history::SentHistory;

const MS: Duration = Duration::from_millis(1);

fn kbps(kbps: u64) -> Bitrate {
    Bitrate::from_kbps(kbps)
}

fn aim(estimate: u64, next_step: Option<u64>, wanted: u64) -> Aim {
    Aim {
        estimate: kbps(estimate),
        wanted: kbps(wanted),
        next_step: next_step.map(kbps),
        max: kbps(100_000),
        blind: false,
    }
}

/// Orders a probe, sends it at its rate through a path of `capacity` and returns what it told.
fn probe(
    probing: &mut Probing,
    now: Instant,
    aim: &Aim,
    capacity: Bitrate,
) -> Option<(Bitrate, Option<ProbeResult>)> {
    probing.consider(now, aim);
    let order = probing.take_order(now)?;
    let mut history = SentHistory::default();
    let (mut sent, mut arrival, mut number) = (0, 0, 0_u16);
    let mut left = order.bytes.max(order.packets * 500);
    while left > 0 {
        let sequence = history.record(sent, number, 500);
        probing.handle_sent(now, order.id, sequence, 500);
        arrival = arrival.max(sent.cast_signed()) + (4_000_000_000 / capacity.bps()).cast_signed();
        let answer = history.answer(number, true).expect("just sent");
        if let crate::sent_history::Answer::Received(packet) = answer {
            probing.handle_received(packet, arrival);
        }
        sent += 4_000_000_000 / order.bitrate.bps();
        number += 1;
        left = left.saturating_sub(500);
    }
    let last = u32::from(number) - 1;
    Some((
        order.bitrate,
        probing.conclude(now, Some(last), aim.estimate),
    ))
}

#[test]
fn a_session_begins_with_three_and_six_times_the_first_estimate_if_so_much_is_wanted() {
    let start = Instant::now();
    let mut probing = Probing::new(kbps(1000), start);
    let wide = kbps(50_000);
    let (rate, result) = probe(&mut probing, start, &aim(1000, None, 20_000), wide).expect("one");
    assert_eq!(rate, kbps(3000));
    assert_eq!(result, Some(ProbeResult::Whole(kbps(3000))));
    let now = start + PAUSE_AFTER_SUCCESS;
    let (rate, _) = probe(&mut probing, now, &aim(3000, None, 20_000), wide).expect("another");
    assert_eq!(rate, kbps(6000));

    let mut modest = Probing::new(kbps(1000), start);
    let (rate, _) = probe(&mut modest, start, &aim(1000, None, 1600), wide).expect("one");
    assert_eq!(
        rate,
        kbps(2000),
        "no more than what is wanted and a quarter"
    );
}

#[test]
fn a_probe_that_fills_the_path_tells_its_rate() {
    let start = Instant::now();
    let mut probing = Probing::new(kbps(1000), start);
    let (_, result) =
        probe(&mut probing, start, &aim(1000, None, 9000), kbps(800)).expect("a probe");
    let Some(ProbeResult::Filled(rate)) = result else {
        panic!("{result:?}");
    };
    assert!(
        rate.ratio(kbps(760)) > 0.98 && rate.ratio(kbps(760)) < 1.02,
        "{rate}"
    );
}

#[test]
fn later_probes_aim_at_the_next_step_and_become_rare_when_they_fail() {
    let start = Instant::now();
    let mut probing = Probing::new(kbps(1000), start);
    let aim = aim(1000, Some(1500), 4000);
    let narrow = kbps(1000);
    probe(&mut probing, start, &aim, narrow).expect("the first");
    let mut now = start;
    let mut times = Vec::new();
    while times.len() < 5 {
        now += 100 * MS;
        if let Some((rate, _)) = probe(&mut probing, now, &aim, narrow) {
            assert_eq!(rate, kbps(1800));
            times.push((now - start).as_millis());
        }
    }
    assert_eq!(times, [1000, 3000, 6000, 9000, 12_000]);
}

#[test]
fn nothing_is_probed_without_a_reason() {
    let start = Instant::now();
    let mut probing = Probing::new(kbps(1000), start);
    // Everything and the headroom that it takes.
    probing.consider(start, &aim(1000, None, 890));
    assert_eq!(probing.take_order(start), None);
    assert_eq!(probing.deadline(&aim(1000, None, 890)), None);

    probing.consider(start, &aim(1000, None, 5000));
    probing.consider(start, &aim(1000, None, 800));
    assert_eq!(probing.take_order(start), None, "the reason is gone");
}

#[test]
fn a_probe_that_nobody_answers_is_given_up_and_soon_rarely_tried() {
    let start = Instant::now();
    let mut probing = Probing::new(kbps(1000), start);
    let aim = aim(1000, None, 5000);
    let mut now = start;
    let mut tries = 0;
    while now < start + Duration::from_mins(1) {
        probing.consider(now, &aim);
        tries += usize::from(probing.take_order(now).is_some());
        now = probing.deadline(&aim).expect("goes on");
        assert_eq!(probing.conclude(now, None, aim.estimate), None);
    }
    assert!((5..10).contains(&tries), "{tries}");
}

#[test]
fn packets_that_were_held_back_measure_nothing() {
    let start = Instant::now();
    let mut probing = Probing::new(kbps(1000), start);
    let aim = aim(1000, None, 3000);
    probing.consider(start, &aim);
    let order = probing.take_order(start).expect("a probe");
    let mut history = SentHistory::default();
    for number in 0..30_u16 {
        let sequence = history.record(u64::from(number) * 4000, number, 1000);
        probing.handle_sent(start, order.id, sequence, 1000);
        if let Some(crate::sent_history::Answer::Received(packet)) = history.answer(number, true) {
            probing.handle_received(packet, i64::from(number) * 100);
        }
    }
    assert_eq!(probing.conclude(start, Some(29), aim.estimate), None);
    assert!(!probing.is_probing());
}
