use super::{MS, send_from};
use crate::netem::*;

const KBIT: u64 = 1000;

/// Bytes on the wire of a datagram of [`offer`].
const WIRE: usize = 1028;

fn behind(link: Link, config: NetemConfig, seed: u64) -> (Netem<()>, Instant) {
    let mut netem = Netem::new(config, seed);
    let now = Instant::now();
    netem.set_link(now, link);
    netem.passages = Some(Vec::new());
    (netem, now)
}

/// Offers datagrams of 1000 bytes at this rate; returns the times of the arrivals in ms.
fn offer(netem: &mut Netem<()>, start: Instant, bits_per_second: u64, time: Duration) -> Vec<u128> {
    let gap = Duration::from_nanos(WIRE as u64 * 8 * 1_000_000_000 / bits_per_second);
    let mut arrivals = Vec::new();
    let mut now = start;
    while now < start + time {
        netem.handle_packet(now, vec![0; 1000], ());
        now += gap;
        while let Some(at) = netem.poll_timeout().filter(|at| *at <= now) {
            assert!(netem.poll(at).is_some());
            arrivals.push((at - start).as_millis());
        }
    }
    arrivals
}

fn carried(arrivals: &[u128], from: u128, to: u128) -> u64 {
    let count = arrivals.iter().filter(|at| (from..to).contains(at)).count();
    count as u64 * WIRE as u64 * 8 * 1000 / (to - from) as u64
}

#[test]
fn a_link_carries_what_its_capacity_is_at_the_time() {
    let capacity = Capacity::steps(&[
        (Duration::ZERO, 3000 * KBIT),
        (2000 * MS, 500 * KBIT),
        (4000 * MS, 2000 * KBIT),
    ]);
    assert_eq!(capacity.at(1999 * MS), 3000 * KBIT);
    assert_eq!(capacity.at(2000 * MS), 500 * KBIT);
    assert_eq!(capacity.at(100_000 * MS), 2000 * KBIT);
    let link = Link {
        capacity,
        ..Link::constant(0, 200 * MS)
    };
    let (mut netem, start) = behind(link, NetemConfig::default(), 1);
    let arrivals = offer(&mut netem, start, 4000 * KBIT, 6000 * MS);
    for (from, to, rate) in [(0, 2000, 3000), (2000, 4000, 500), (4000, 6000, 2000)] {
        let carried = carried(&arrivals, from, to);
        assert!(
            carried.abs_diff(rate * KBIT) < 20 * KBIT,
            "{from}: {carried}"
        );
    }
}

#[test]
fn what_is_queued_when_the_capacity_falls_takes_longer() {
    let capacity = Capacity::steps(&[(Duration::ZERO, 8224 * KBIT), (5 * MS, 822_400)]);
    let link = Link {
        capacity,
        ..Link::constant(0, 1000 * MS)
    };
    let (mut netem, start) = behind(link, NetemConfig::default(), 1);
    for _ in 0..10 {
        netem.handle_packet(start, vec![0; 1000], ());
    }
    assert_eq!(netem.queue_delay(start), 55 * MS);
    let mut arrivals = Vec::new();
    while let Some(at) = netem.poll_timeout() {
        netem.poll(at);
        arrivals.push((at - start).as_millis());
    }
    assert_eq!(arrivals, [1, 2, 3, 4, 5, 15, 25, 35, 45, 55]);
}

#[test]
fn a_full_queue_drops_what_comes_last() {
    let (mut netem, start) = behind(
        Link::constant(1000 * KBIT, 100 * MS),
        NetemConfig::default(),
        1,
    );
    offer(&mut netem, start, 2000 * KBIT, 5000 * MS);
    let passages = netem.passages.take().expect("noted");
    let waits: Vec<Duration> = passages.iter().filter_map(|passage| passage.wait).collect();
    assert!(waits.iter().all(|wait| *wait <= 100 * MS));
    assert!(waits[waits.len() / 2] > 90 * MS);
    let dropped = passages.len() - waits.len();
    assert_eq!(dropped as u64, netem.counters().dropped);
    assert!(passages.len() * 4 / 10 < dropped && dropped < passages.len() / 2);
}

#[test]
fn a_shared_channel_delivers_in_bursts_and_in_order() {
    let access = ChannelAccess {
        gap: 30 * MS,
        stall_every: 1000 * MS,
        stall: 80 * MS,
    };
    let link = Link {
        access: Some(access),
        ..Link::constant(20_000 * KBIT, 500 * MS)
    };
    let run = |seed| {
        let (mut netem, start) = behind(link.clone(), NetemConfig::default(), seed);
        send_from(&mut netem, start, 5000)
    };
    let arrivals = run(1);
    assert!(run(1) == arrivals, "the same seed repeats everything");
    assert!(run(2) != arrivals);
    assert_eq!(arrivals.len(), 5000);
    assert!(arrivals.is_sorted());
    let waits: Vec<u128> = arrivals
        .iter()
        .map(|(number, at)| at - u128::from(*number))
        .collect();
    let long = waits.iter().filter(|wait| **wait > 31).count();
    assert!((50..1000).contains(&long), "{long} in stalls");
    assert!(
        waits.iter().all(|wait| *wait <= 112),
        "{:?}",
        waits.iter().max()
    );
    let bursts = arrivals.chunk_by(|a, b| a.1 == b.1).count();
    assert!((200..600).contains(&bursts), "{bursts}");
}

fn with_other(kind: CrossKind) -> Link {
    Link {
        others: vec![CrossFlow {
            kind,
            from: 1000 * MS,
            until: 21_000 * MS,
        }],
        ..Link::constant(3000 * KBIT, 200 * MS)
    }
}

#[test]
fn a_window_fills_what_is_free_and_gives_way_to_loss() {
    let (mut netem, start) = behind(
        with_other(CrossKind::Reno(40 * MS)),
        NetemConfig::default(),
        1,
    );
    let arrivals = offer(&mut netem, start, 1000 * KBIT, 25_000 * MS);
    assert!(carried(&arrivals, 0, 25_000) > 930 * KBIT);
    let other = netem.others_bytes() * 8 / 20;
    assert!((1700 * KBIT..2080 * KBIT).contains(&other), "{other}");
    let passages = netem.passages.take().expect("noted");
    let wait_at = |ms: u32| {
        let later = passages
            .iter()
            .find(|passage| passage.at >= start + ms * MS);
        later.expect("offered").wait
    };
    assert_eq!(wait_at(900), Some(Duration::ZERO));
    let waits = passages.iter().filter_map(|passage| passage.wait);
    assert!(
        waits.max() > Some(190 * MS),
        "the window grows until the queue is full"
    );
    assert_eq!(wait_at(24_000), Some(Duration::ZERO));
    // Halving: the queue is not full all the time.
    let half = passages
        .iter()
        .filter(|passage| passage.wait.is_some_and(|wait| wait < 120 * MS))
        .count();
    assert!(half > passages.len() / 4, "{half}");
}

#[test]
fn a_constant_flow_takes_its_share_whatever_happens() {
    let (mut netem, start) = behind(
        with_other(CrossKind::Constant(2000 * KBIT)),
        NetemConfig::default(),
        1,
    );
    let arrivals = offer(&mut netem, start, 2000 * KBIT, 20_000 * MS);
    let before = carried(&arrivals, 0, 1000);
    let beside = carried(&arrivals, 5000, 20_000);
    assert!(before > 1900 * KBIT, "{before}");
    assert!((1200 * KBIT..1800 * KBIT).contains(&beside), "{beside}");
    let other = netem.others_bytes() * 8 / 19;
    assert!((1200 * KBIT..1800 * KBIT).contains(&other), "{other}");
}
