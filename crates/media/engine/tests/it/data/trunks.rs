//! Messages between two workers.

use plenum_harness::{TRUNK, TrunkLine};

use super::*;

/// A writer at the near world and a reader at the far one, and what is between their engines.
struct Piped {
    near: World,
    far: World,
    line: TrunkLine,
    producer: DataProducerId,
}

impl Piped {
    fn new(stream: SctpStreamParameters, config: NetemConfig) -> Self {
        let (mut near, mut far) = (World::new(), TrunkLine::far_world());
        near.add_connected_data_peer(SctpOptions::default());
        far.add_connected_data_peer(SctpOptions::default());
        let line = TrunkLine::lay(&mut near, &mut far, Network::new(config, config, 3));
        let producer = near.produce_data(0, 1, OUT);
        let mut piped = Self {
            near,
            far,
            line,
            producer,
        };
        piped.pipe(stream);
        piped.far.consume_data(0, 10, producer, IN);
        piped
    }

    fn pipe(&mut self, stream: SctpStreamParameters) {
        let (now, producer) = (self.near.now, self.producer);
        self.far
            .engine
            .pipe_produce_data(now, TRUNK, ROUTER, producer, stream, false)
            .expect("the trunk is there");
        let consumer = DataConsumerId::from_u128(100);
        self.near
            .engine
            .pipe_consume_data(now, TRUNK, consumer, producer, stream, false)
            .expect("the trunk is there");
    }

    fn run(&mut self, time: Duration) {
        self.line.run(&mut self.near, &mut self.far, time);
    }

    /// Lets the writer write so many messages; what the reader got.
    fn exchange(&mut self, count: u32, length: usize) -> Vec<u32> {
        let mut got = Vec::new();
        for number in 0..count {
            let message = numbered(number, length);
            self.near.send_message(0, &OUT, ppid::BINARY, message);
            if number % 20 == 19 {
                self.run(5 * MS);
                got.extend(numbers(&mut self.far, 0));
            }
        }
        for _ in 0..600 {
            if got.len() == count as usize {
                break;
            }
            self.run(50 * MS);
            got.extend(numbers(&mut self.far, 0));
        }
        got
    }
}

fn lossy() -> NetemConfig {
    NetemConfig {
        delay: 5 * MS,
        loss: Loss::Random(0.03),
        ..NetemConfig::default()
    }
}

#[test]
fn messages_of_every_length_reach_another_worker_in_order_despite_loss() {
    let mut piped = Piped::new(SctpStreamParameters::reliable(40_000), lossy());
    let got = piped.exchange(3000, 200);
    assert!(got.into_iter().eq(0..3000));
    let longest = vec![7; SctpOptions::default().max_message_size as usize];
    piped.near.send_message(0, &OUT, ppid::STRING, &longest);
    for _ in 0..400 {
        if piped.far.peers[0].messages() > 0 {
            break;
        }
        piped.run(50 * MS);
    }
    let messages = piped.far.messages(0);
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (messages[0].ppid, messages[0].data.len()),
        (ppid::STRING, longest.len())
    );
    for world in [&piped.near, &piped.far] {
        assert_eq!(world.engine.dump().orphans, 0);
        assert_eq!(world.engine.stats().media.messages_dropped, 0);
    }
}

#[test]
fn unordered_pipes_lose_nothing_either() {
    let unordered = SctpStreamParameters {
        ordered: false,
        ..SctpStreamParameters::reliable(5)
    };
    let mut got = Piped::new(unordered, lossy()).exchange(1000, 300);
    got.sort_unstable();
    assert!(got.into_iter().eq(0..1000));
}

#[test]
fn subchannels_reach_the_other_worker() {
    let mut piped = Piped::new(SctpStreamParameters::reliable(0), NetemConfig::default());
    let direct = plenum_ids::TransportId::from_u128(0xd1);
    let now = piped.near.now;
    let engine = &mut piped.near.engine;
    engine
        .create_direct_transport(now, ROUTER, direct)
        .expect("the router is there");
    piped.producer = DataProducerId::from_u128(2);
    engine
        .produce_data(direct, piped.producer, None, false)
        .expect("it is direct");
    let stream = SctpStreamParameters::reliable(1);
    let consumer = DataConsumerId::from_u128(101);
    piped
        .far
        .engine
        .pipe_produce_data(now, TRUNK, ROUTER, piped.producer, stream, false)
        .expect("the trunk is there");
    engine
        .pipe_consume_data(now, TRUNK, consumer, piped.producer, stream, false)
        .expect("the trunk is there");
    let chosen = DataConsumerId::from_u128(11);
    let peer = transport(0);
    let stream = Some(SctpStreamParameters::reliable(8));
    piped
        .far
        .engine
        .consume_data(peer, chosen, piped.producer, stream, vec![3], false)
        .expect("there");
    for (subchannel, text) in [(3, "for you"), (4, "for others")] {
        let mut bytes = Vec::new();
        DataMessage::write_header(ppid::STRING, None, [subchannel], &mut bytes);
        bytes.extend_from_slice(text.as_bytes());
        let message = DataMessage::parse(&bytes).expect("well formed");
        let (now, producer) = (piped.near.now, piped.producer);
        assert!(piped.near.engine.handle_message(now, producer, &message));
        piped.near.drain();
    }
    piped.run(500 * MS);
    let messages = piped.far.messages(0);
    assert_eq!(messages.len(), 1);
    assert_eq!(&messages[0].data[..], b"for you");
}

#[test]
fn a_pipe_is_closed_and_laid_again() {
    let mut piped = Piped::new(SctpStreamParameters::reliable(3), NetemConfig::default());
    assert_eq!(piped.exchange(5, 50), [0, 1, 2, 3, 4]);
    let now = piped.near.now;
    piped
        .near
        .engine
        .close_data_consumer(now, DataConsumerId::from_u128(100));
    piped.far.engine.close_data_producer(now, piped.producer);
    piped.near.drain();
    piped.far.drain();
    piped.run(3000 * MS);
    assert!(piped.far.engine.dump().data_consumers.is_empty());
    piped.pipe(SctpStreamParameters::reliable(4));
    piped.far.consume_data(0, 20, piped.producer, IN);
    assert_eq!(piped.exchange(5, 50), [0, 1, 2, 3, 4]);
    for world in [&mut piped.near, &mut piped.far] {
        let now = world.now;
        world.engine.close_transport(now, TRUNK);
        world.drain();
        assert_eq!(world.engine.dump().orphans, 0);
    }
    assert!(piped.far.engine.dump().data_producers.is_empty());
}
