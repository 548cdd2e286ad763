use super::*;

mod link;

const MS: Duration = Duration::from_millis(1);

/// Sends `count` numbered datagrams of 1000 bytes, one each millisecond; returns (number, time in ms) of the arrivals.
fn send(netem: &mut Netem<()>, count: u16) -> Vec<(u16, u128)> {
    send_from(netem, Instant::now(), count)
}

fn send_from(netem: &mut Netem<()>, start: Instant, count: u16) -> Vec<(u16, u128)> {
    let mut arrivals = Vec::new();
    for step in 0..u32::from(count) + 10_000 {
        let now = start + MS * step;
        if step < u32::from(count) {
            let mut data = vec![0; 1000];
            data[..2].copy_from_slice(&(step as u16).to_be_bytes());
            netem.handle_packet(now, data, ());
        }
        while let Some(((), data)) = netem.poll(now) {
            arrivals.push((
                u16::from_be_bytes([data[0], data[1]]),
                (now - start).as_millis(),
            ));
        }
    }
    assert_eq!(netem.poll_timeout(), None);
    arrivals
}

#[test]
fn a_perfect_network_delivers_at_once_and_in_order() {
    let mut netem = Netem::new(NetemConfig::default(), 1);
    let arrivals = send(&mut netem, 100);
    assert_eq!(
        arrivals,
        (0..100)
            .map(|number| (number, u128::from(number)))
            .collect::<Vec<_>>()
    );
    assert_eq!(
        netem.counters(),
        NetemCounters {
            sent: 100,
            delivered: 100,
            ..NetemCounters::default()
        }
    );
}

#[test]
fn delay_and_jitter_keep_the_order() {
    let config = NetemConfig {
        delay: 50 * MS,
        jitter: 30 * MS,
        ..NetemConfig::default()
    };
    let mut netem = Netem::new(config, 2);
    let now = Instant::now();
    netem.handle_packet(now, vec![0; 10], ());
    assert!(netem.poll(now + 49 * MS).is_none());
    let due = netem.poll_timeout().expect("in flight");
    assert!((now + 50 * MS..=now + 80 * MS).contains(&due));
    assert!(netem.poll(due).is_some());
    let arrivals = send(&mut Netem::new(config, 2), 1000);
    assert!(arrivals.is_sorted() && arrivals.len() == 1000);
    assert!(
        arrivals
            .iter()
            .all(|&(number, at)| (50..=81).contains(&(at - u128::from(number))))
    );
}

#[test]
fn the_same_seed_repeats_everything() {
    let config = NetemConfig {
        loss: Loss::Random(0.1),
        delay: 20 * MS,
        jitter: 10 * MS,
        reorder: 0.05,
        reorder_delay: 15 * MS,
        duplicate: 0.02,
        bottleneck: None,
    };
    let first = send(&mut Netem::new(config, 3), 1000);
    assert_eq!(send(&mut Netem::new(config, 3), 1000), first);
    assert_ne!(send(&mut Netem::new(config, 4), 1000), first);
}

#[test]
fn loss_reordering_and_duplication_have_their_rates() {
    let config = NetemConfig {
        loss: Loss::Random(0.1),
        reorder: 0.05,
        reorder_delay: 5 * MS,
        duplicate: 0.02,
        ..NetemConfig::default()
    };
    let mut netem = Netem::new(config, 5);
    let arrivals = send(&mut netem, 10_000);
    let counters = netem.counters();
    assert!((900..1100).contains(&counters.lost), "{counters:?}");
    assert!((380..520).contains(&counters.reordered), "{counters:?}");
    assert!((130..230).contains(&counters.duplicated), "{counters:?}");
    assert_eq!(
        counters.delivered,
        counters.sent - counters.lost + counters.duplicated
    );
    let overtaken = arrivals
        .windows(2)
        .filter(|pair| pair[1].0 < pair[0].0)
        .count();
    assert!(overtaken > 300, "{overtaken}");
}

#[test]
fn bursts_lose_neighbours() {
    let mean_run = |loss| {
        let arrivals = send(
            &mut Netem::new(
                NetemConfig {
                    loss,
                    ..NetemConfig::default()
                },
                6,
            ),
            20_000,
        );
        let gaps: Vec<u16> = arrivals
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].0 - 1)
            .filter(|gap| *gap > 0)
            .collect();
        f64::from(gaps.iter().sum::<u16>()) / f64::from(gaps.len() as u32)
    };
    assert!(mean_run(Loss::Random(0.02)) < 1.2);
    assert!(
        mean_run(Loss::Burst {
            to_bad: 0.005,
            to_good: 0.2,
            good: 0.0,
            bad: 0.9
        }) > 3.0
    );
}

#[test]
fn a_bottleneck_spaces_queues_and_drops() {
    // 8.224 Mb/s offered.
    let bottleneck = Bottleneck {
        bits_per_second: 4_112_000,
        max_queue: 100 * MS,
    };
    let mut netem = Netem::new(
        NetemConfig {
            bottleneck: Some(bottleneck),
            ..NetemConfig::default()
        },
        7,
    );
    let arrivals = send(&mut netem, 2000);
    let counters = netem.counters();
    assert!((900..1000).contains(&counters.dropped), "{counters:?}");
    assert!(arrivals.windows(2).all(|pair| pair[1].1 - pair[0].1 == 2));
    assert!(
        arrivals
            .iter()
            .all(|&(number, at)| at - u128::from(number) <= 103)
    );
}
