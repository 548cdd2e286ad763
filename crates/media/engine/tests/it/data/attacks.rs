//! What a peer with keys can do beside a conversation that must not notice.

use proptest::prelude::*;

use super::*;

/// Peers 0 and 1 talk; peer 2 is somebody else.
fn scene() -> World {
    let (mut world, ..) = channel(1);
    world.add_connected_data_peer(SctpOptions::default());
    world
}

fn goes_on(world: &mut World, number: u32) {
    world.send_message(0, &OUT, ppid::BINARY, numbered(number, 100));
    world.run(200 * MS);
    assert_eq!(numbers(world, 1), [number]);
    assert_eq!(world.engine.dump().orphans, 0);
}

/// An SCTP packet with a right checksum.
fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88];
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    let mut checksum = u32::MAX;
    for byte in &packet {
        checksum ^= u32::from(*byte);
        for _ in 0..8 {
            checksum = (checksum >> 1) ^ (0x82f6_3b78 & (checksum & 1).wrapping_neg());
        }
    }
    packet[8..12].copy_from_slice(&(!checksum).to_le_bytes());
    packet
}

#[test]
fn a_flood_of_new_associations_is_not_heard() {
    let mut world = scene();
    for tag in 1..3000_u32 {
        let mut init = vec![1, 0, 0, 20];
        init.extend(tag.to_be_bytes());
        init.extend([0, 16, 0, 0, 4, 0, 4, 0]);
        init.extend(tag.to_be_bytes());
        let now = world.now;
        world.peers[2].send_sctp(now, &packet(0, &init));
        if tag % 100 == 0 {
            world.run(2 * MS);
        }
    }
    goes_on(&mut world, 1);
    assert_eq!(states(&world, 2).last(), Some(&SctpState::Connected));
}

#[test]
fn messages_for_nobody_are_counted_and_lost() {
    let mut world = scene();
    for stream in 0..200 {
        let stream = SctpStreamParameters::reliable(stream);
        world.send_message(2, &stream, ppid::BINARY, [1; 500]);
    }
    // One who would open channels by himself (RFC 8832), on a stream that is somebody's.
    world.produce_data(2, 5, SctpStreamParameters::reliable(300));
    let own = SctpStreamParameters::reliable(300);
    world.send_message(2, &own, 50, [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    world.run(1000 * MS);
    assert_eq!(world.engine.stats().media.messages_discarded, 201);
    goes_on(&mut world, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn garbage_from_a_peer_harms_nobody_else(
        garbage in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..200)), 1..40),
        right in any::<bool>(),
    ) {
        let mut world = scene();
        for (tag, bytes) in garbage {
            let now = world.now;
            let bytes = if right { packet(tag, &bytes) } else { bytes };
            world.peers[2].send_sctp(now, &bytes);
            world.run(MS);
        }
        goes_on(&mut world, 1);
    }
}
