//! Messages over networks that lose, delay and reorder.

use super::*;

fn lossy(percent: f64) -> NetemConfig {
    NetemConfig {
        delay: 25 * MS,
        jitter: 10 * MS,
        loss: Loss::Random(percent / 100.0),
        ..NetemConfig::default()
    }
}

/// Two peers behind bad networks; each writes on `stream` and reads the other's messages.
fn conversation(stream: SctpStreamParameters, percent: f64) -> World {
    let mut world = World::new();
    for peer in 0..2 {
        world.add_data_peer(SctpOptions::default());
        let network = Network::new(lossy(percent), lossy(percent), peer as u64 + 1);
        world.set_network(peer, network);
    }
    for peer in 0..2 {
        world.await_data(peer);
    }
    for peer in 0..2_usize {
        let producer = world.produce_data(peer, peer as u128 + 1, stream);
        let back = SctpStreamParameters {
            stream_id: 9,
            ..stream
        };
        world.consume_data(1 - peer, peer as u128 + 10, producer, back);
    }
    world
}

/// Lets both write so many messages, and gives what each got.
fn exchange(
    world: &mut World,
    stream: &SctpStreamParameters,
    count: u32,
    length: usize,
) -> [Vec<u32>; 2] {
    let mut got = [Vec::new(), Vec::new()];
    for number in 0..count {
        for peer in 0..2 {
            world.send_message(peer, stream, ppid::BINARY, numbered(number, length));
        }
        if number % 20 == 19 {
            world.run(10 * MS);
        }
    }
    for _ in 0..1200 {
        world.run(100 * MS);
        for (peer, got) in got.iter_mut().enumerate() {
            got.extend(numbers(world, peer));
        }
        let waits = (0..2).any(|peer| world.peers[peer].buffered(stream.stream_id) > 0);
        if got.iter().all(|got| got.len() == count as usize) && !waits {
            break;
        }
    }
    got
}

#[test]
fn ten_thousand_messages_each_way_survive_loss_in_order() {
    let mut world = conversation(OUT, 2.0);
    let got = exchange(&mut world, &OUT, 10_000, 120);
    for got in got {
        assert_eq!(got.len(), 10_000);
        assert!(got.into_iter().eq(0..10_000));
    }
    assert_eq!(world.engine.stats().media.messages_dropped, 0);
}

#[test]
fn unordered_messages_all_arrive() {
    let unordered = SctpStreamParameters {
        ordered: false,
        ..OUT
    };
    let mut world = conversation(unordered, 5.0);
    for mut got in exchange(&mut world, &unordered, 1000, 300) {
        assert!(!got.is_sorted(), "with loss some come late");
        got.sort_unstable();
        assert!(got.into_iter().eq(0..1000));
    }
}

#[test]
fn messages_with_a_limit_are_given_up_and_the_others_stay_timely() {
    for limited in [
        SctpStreamParameters {
            ordered: false,
            max_retransmits: Some(0),
            ..OUT
        },
        SctpStreamParameters {
            ordered: false,
            max_packet_life_time: Some(40),
            ..OUT
        },
    ] {
        let mut world = conversation(limited, 10.0);
        let mut got = Vec::new();
        for number in 0..300 {
            world.send_message(0, &limited, ppid::BINARY, numbered(number, 500));
            world.run(40 * MS);
            got.extend(numbers(&mut world, 1));
        }
        world.run(20_000 * MS);
        got.extend(numbers(&mut world, 1));
        assert!((150..300).contains(&got.len()), "{} arrived", got.len());
        assert_eq!(world.peers[0].buffered(0), 0);
        let stats = world
            .engine
            .data_consumer_stats(DataConsumerId::from_u128(10));
        assert_eq!(stats.expect("there").buffered_amount, 0);
    }
}

#[test]
fn the_longest_message_survives_loss_and_a_longer_one_ends_the_association() {
    let mut world = conversation(OUT, 3.0);
    let longest = SctpOptions::default().max_message_size as usize;
    let message: Vec<u8> = (0..longest).map(|index| index as u8).collect();
    world.send_message(0, &OUT, ppid::BINARY, &message);
    let arrived = world.run_until(120_000 * MS, |world| world.peers[1].messages() > 0);
    assert!(arrived);
    assert_eq!(world.messages(1)[0].data, message);
    let mut small = World::new();
    let peer = small.add_connected_data_peer(SctpOptions {
        max_message_size: 1000,
        ..SctpOptions::default()
    });
    small.produce_data(peer, 1, OUT);
    small.send_message(peer, &OUT, ppid::BINARY, vec![1; 1001]);
    small.run(500 * MS);
    assert_eq!(states(&small, peer).last(), Some(&SctpState::Failed));
}
