//! Messages between the node and peers.

use super::*;

const DIRECT: plenum_ids::TransportId = plenum_ids::TransportId::from_u128(0xd1);

fn message(required_subchannel: Option<u16>, subchannels: &[u16], text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let chosen = subchannels.iter().copied();
    DataMessage::write_header(ppid::STRING, required_subchannel, chosen, &mut bytes);
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// A world with a direct transport and a data producer of the node on it.
fn world() -> (World, DataProducerId) {
    let mut world = World::new();
    let now = world.now;
    world
        .engine
        .create_direct_transport(now, ROUTER, DIRECT)
        .expect("the router exists");
    let producer = DataProducerId::from_u128(1);
    world
        .engine
        .produce_data(DIRECT, producer, None, false)
        .expect("it is direct");
    (world, producer)
}

fn say(world: &mut World, producer: DataProducerId, bytes: &[u8]) -> bool {
    let message = DataMessage::parse(bytes).expect("well formed");
    let known = world.engine.handle_message(world.now, producer, &message);
    world.drain();
    known
}

#[test]
fn the_node_speaks_to_peers_and_hears_them() {
    let (mut world, bot) = world();
    let peer = world.add_connected_data_peer(SctpOptions::default());
    world.consume_data(peer, 10, bot, IN);
    let spoken = world.produce_data(peer, 2, OUT);
    let heard = DataConsumerId::from_u128(11);
    world
        .engine
        .consume_data(DIRECT, heard, spoken, None, Vec::new(), false)
        .expect("it is direct");
    assert!(say(&mut world, bot, &message(None, &[], "welcome")));
    world.send_message(peer, &OUT, ppid::STRING, "hello bot");
    world.run(300 * MS);
    let messages = world.messages(peer);
    assert_eq!(messages.len(), 1);
    assert_eq!(&messages[0].data[..], b"welcome");
    let told: Vec<NodeMessage> = std::iter::from_fn(|| world.engine.poll_message()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].data_consumer, told[0].ppid), (heard, ppid::STRING));
    assert_eq!(&told[0].data[..], b"hello bot");
    let nobody = DataProducerId::from_u128(99);
    assert!(!say(&mut world, nobody, &message(None, &[], "x")));
    assert!(
        !say(&mut world, spoken, &message(None, &[], "x")),
        "a peer's data producer is not the node's"
    );
}

#[test]
fn subchannels_choose_who_hears_the_node() {
    let (mut world, bot) = world();
    for (index, chosen) in [vec![], vec![1], vec![2, 1]].into_iter().enumerate() {
        let peer = world.add_connected_data_peer(SctpOptions::default());
        let id = DataConsumerId::from_u128(10 + index as u128);
        world
            .engine
            .consume_data(transport(peer), id, bot, Some(IN), chosen, false)
            .expect("it has data channels");
    }
    for (required, subchannels, text) in [
        (None, &[][..], "all"),
        (None, &[2][..], "two"),
        (Some(1), &[][..], "one"),
        (Some(1), &[2][..], "both"),
    ] {
        say(&mut world, bot, &message(required, subchannels, text));
    }
    let moved = DataConsumerId::from_u128(10);
    world
        .engine
        .set_subchannels(moved, vec![2, 2])
        .expect("there");
    say(&mut world, bot, &message(None, &[2], "later"));
    world.run(300 * MS);
    let texts = |world: &mut World, peer| -> Vec<String> {
        let messages = world.messages(peer);
        let text = |data: &[u8]| String::from_utf8(data.to_vec()).expect("text");
        messages.iter().map(|it| text(&it.data)).collect()
    };
    assert_eq!(texts(&mut world, 0), ["all", "later"]);
    assert_eq!(texts(&mut world, 1), ["all", "one"]);
    assert_eq!(texts(&mut world, 2), ["all", "two", "one", "both", "later"]);
}

#[test]
fn a_direct_transport_is_no_other_and_closes_like_any() {
    let (mut world, bot) = world();
    let peer = world.add_connected_data_peer(SctpOptions::default());
    world.consume_data(peer, 10, bot, IN);
    let spoken = world.produce_data(peer, 2, OUT);
    let heard = DataConsumerId::from_u128(11);
    let consumed = world
        .engine
        .consume_data(DIRECT, heard, spoken, Some(IN), Vec::new(), false);
    assert!(matches!(consumed, Err(EngineError::Invalid(_))));
    world
        .engine
        .consume_data(DIRECT, heard, spoken, None, Vec::new(), false)
        .expect("it is direct");
    let parameters = world.peers[peer].dtls_parameters();
    let now = world.now;
    let connected = world
        .engine
        .connect_webrtc_transport(now, DIRECT, &parameters);
    assert!(matches!(connected, Err(EngineError::Invalid(_))));
    assert!(world.engine.restart_ice(DIRECT).is_err());
    world.send_message(peer, &OUT, ppid::STRING, "last words");
    world.run(100 * MS);
    world.engine.close_transport(now, DIRECT);
    assert_eq!(
        world.engine.poll_message(),
        None,
        "nothing follows the close"
    );
    let dump = world.engine.dump();
    assert_eq!(dump.data_producers, [spoken]);
    assert!(dump.data_consumers.is_empty());
    assert_eq!((dump.orphans, dump.waiting), (0, 0));
}
