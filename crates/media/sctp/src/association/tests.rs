use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fuzzing::{fuzz_packets, fuzz_split};

mod hostile;

const MS: Duration = Duration::from_millis(1);

fn settings() -> Settings {
    Settings {
        max_message: 256 * 1024,
        receive_buffer: 1024 * 1024,
        streams: 1024,
    }
}

/// Two ends with a link between them that loses every so-and-so-many-th packet.
struct Pair {
    ends: [Association; 2],
    now: Instant,
    /// Packets under way: when they arrive, at whom.
    link: VecDeque<(Instant, usize, Bytes)>,
    sent: u64,
    lose_every: u64,
    received: [Vec<(u16, u32, Bytes)>; 2],
    other: [Vec<SctpEvent>; 2],
}

impl Pair {
    fn new(roles: [Role; 2], lose_every: u64) -> Self {
        let now = Instant::now();
        Self {
            ends: roles.map(|role| Association::new(role, settings(), now)),
            now,
            link: VecDeque::new(),
            sent: 0,
            lose_every,
            received: [Vec::new(), Vec::new()],
            other: [Vec::new(), Vec::new()],
        }
    }

    fn connected(lose_every: u64) -> Self {
        let mut pair = Self::new([Role::Active, Role::Passive], lose_every);
        pair.run(20_000, |pair| {
            pair.ends.iter().all(Association::is_connected)
        });
        assert!(pair.ends.iter().all(Association::is_connected));
        pair
    }

    /// Until it is so, and no longer than so many milliseconds.
    fn run(&mut self, limit: u32, done: impl Fn(&Self) -> bool) {
        for _ in 0..limit {
            self.step();
            if done(self) {
                return;
            }
            self.now += MS;
        }
    }

    fn step(&mut self) {
        while let Some((_, to, packet)) = self.link.pop_front_if(|(at, ..)| *at <= self.now) {
            self.ends[to].handle_packet(self.now, packet);
        }
        for (index, end) in self.ends.iter_mut().enumerate() {
            if end.poll_timeout().is_some_and(|at| at <= self.now) {
                end.handle_timeout(self.now);
            }
            while let Some(packet) = end.poll_packet(self.now) {
                assert!(packet.len() <= MAX_PACKET);
                self.sent += 1;
                if self.lose_every == 0 || !self.sent.is_multiple_of(self.lose_every) {
                    self.link.push_back((self.now + 20 * MS, 1 - index, packet));
                }
            }
            while let Some(event) = end.poll_event() {
                match event {
                    SctpEvent::Message { stream, ppid, data } => {
                        self.received[index].push((stream, ppid, data));
                    }
                    event => self.other[index].push(event),
                }
            }
        }
    }
}

fn numbered(number: u32, length: usize) -> Bytes {
    let mut message = number.to_be_bytes().to_vec();
    message.resize(length.max(4), 5);
    message.into()
}

fn numbers(messages: &[(u16, u32, Bytes)]) -> Vec<u32> {
    let number = |bytes: &Bytes| u32::from_be_bytes(*bytes.first_chunk().expect("four bytes"));
    messages.iter().map(|(.., data)| number(data)).collect()
}

#[test]
fn ten_thousand_messages_each_way_survive_loss() {
    let mut pair = Pair::connected(20);
    for end in &mut pair.ends {
        end.open(3, Reliability::default()).expect("connected");
        for number in 0..10_000 {
            let length = (number as usize * 7) % 300;
            end.send(3, 53, numbered(number, length)).expect("open");
        }
    }
    pair.run(300_000, |pair| {
        pair.received.iter().all(|got| got.len() == 10_000)
    });
    for received in &pair.received {
        assert_eq!(numbers(received), (0..10_000).collect::<Vec<_>>());
    }
}

#[test]
fn the_longest_messages_pass_and_longer_ones_are_refused() {
    let mut pair = Pair::connected(30);
    let longest = settings().max_message as usize;
    pair.ends[0]
        .open(0, Reliability::default())
        .expect("connected");
    pair.ends[0]
        .send(0, 51, numbered(1, longest))
        .expect("allowed");
    let refused = pair.ends[0].send(0, 51, numbered(1, longest + 1));
    assert_eq!(refused, Err(SendError::Length));
    assert_eq!(
        pair.ends[0].send(0, 51, Bytes::new()),
        Err(SendError::Length)
    );
    assert_eq!(
        pair.ends[0].send(0, 99, numbered(1, 4)),
        Err(SendError::Ppid)
    );
    assert_eq!(
        pair.ends[0].send(1024, 51, numbered(1, 4)),
        Err(SendError::StreamClosed)
    );
    pair.run(60_000, |pair| !pair.received[1].is_empty());
    let (stream, ppid, data) = &pair.received[1][0];
    assert_eq!((*stream, *ppid, data.len()), (0, 51, longest));
    assert_eq!(pair.ends[1].held(), 0);
}

#[test]
fn unordered_messages_overtake_and_none_is_lost() {
    let mut pair = Pair::connected(7);
    let how = Reliability {
        unordered: true,
        ..Reliability::default()
    };
    pair.ends[0].open(1, how).expect("connected");
    for number in 0..2000 {
        let message = numbered(number, 200);
        pair.ends[0].send(1, 53, message).expect("open");
    }
    pair.run(120_000, |pair| pair.received[1].len() == 2000);
    let arrived = numbers(&pair.received[1]);
    assert!(!arrived.is_sorted(), "with loss some come late");
    let distinct: BTreeSet<_> = arrived.into_iter().collect();
    assert_eq!(distinct.len(), 2000);
}

#[test]
fn messages_are_given_up_as_they_were_told_to_be() {
    let mut pair = Pair::connected(7);
    let how = [
        Reliability {
            unordered: true,
            max_life_time: Some(50),
            max_retransmits: None,
        },
        Reliability {
            unordered: true,
            max_life_time: None,
            max_retransmits: Some(0),
        },
    ];
    for (stream, how) in how.into_iter().enumerate() {
        pair.ends[0].open(stream as u16, how).expect("connected");
    }
    for number in 0..400 {
        for stream in 0..2 {
            let message = numbered(number, 1000);
            pair.ends[0].send(stream, 53, message).expect("open");
        }
        pair.run(31, |_| false);
    }
    pair.run(20_000, |pair| pair.link.is_empty());
    for stream in 0..2 {
        let arrived = pair.received[1].iter().filter(|it| it.0 == stream).count();
        assert!((200..400).contains(&arrived), "{arrived} on {stream}");
        assert_eq!(pair.ends[0].buffered(stream), 0);
    }
}

#[test]
fn a_stream_is_closed_on_both_sides_and_can_be_had_again() {
    let mut pair = Pair::connected(9);
    pair.ends[0]
        .open(4, Reliability::default())
        .expect("connected");
    pair.ends[0].send(4, 51, numbered(1, 4)).expect("open");
    pair.run(5000, |pair| !pair.received[1].is_empty());
    pair.ends[0].close_stream(pair.now, 4);
    let closed = SctpEvent::StreamClosed { stream: 4 };
    pair.run(20_000, |pair| {
        pair.other.iter().all(|events| events.contains(&closed))
    });
    assert!(pair.other.iter().all(|events| events.contains(&closed)));
    pair.run(3000, |_| false);
    pair.ends[0].open(4, Reliability::default()).expect("again");
    pair.ends[0].send(4, 51, numbered(2, 4)).expect("open");
    pair.run(5000, |pair| pair.received[1].len() == 2);
    assert_eq!(numbers(&pair.received[1]), [1, 2]);
}

#[test]
fn a_thousand_streams_are_closed_at_once() {
    let mut pair = Pair::connected(0);
    for stream in 0..1024 {
        pair.ends[0]
            .open(stream, Reliability::default())
            .expect("connected");
        pair.ends[0].send(stream, 51, numbered(1, 4)).expect("open");
    }
    pair.run(20_000, |pair| pair.received[1].len() == 1024);
    for stream in 0..1024 {
        pair.ends[0].close_stream(pair.now, stream);
    }
    let count = |pair: &Pair| {
        let is_closed = |it: &&SctpEvent| matches!(it, SctpEvent::StreamClosed { .. });
        pair.other[1].iter().filter(is_closed).count()
    };
    pair.run(30_000, |pair| count(pair) == 1024);
    assert_eq!(count(&pair), 1024);
}

#[test]
fn low_buffers_are_told() {
    let mut pair = Pair::connected(0);
    pair.ends[0]
        .open(0, Reliability::default())
        .expect("connected");
    pair.ends[0].set_buffered_amount_low(0, 10_000);
    pair.ends[0]
        .send(0, 53, numbered(0, 100_000))
        .expect("open");
    assert_eq!(pair.ends[0].buffered(0), 100_000);
    let low = SctpEvent::BufferedAmountLow { stream: 0 };
    pair.run(5000, |pair| pair.other[0].contains(&low));
    assert!(pair.other[0].contains(&low));
    assert!(pair.ends[0].buffered(0) <= 10_000);
}

#[test]
fn ends_that_know_each_other_begin_at_once() {
    let mut agreed = Pair::new([Role::Agreed(1, 2), Role::Agreed(2, 1)], 11);
    assert!(agreed.ends.iter().all(Association::is_connected));
    for end in &mut agreed.ends {
        end.open(0, Reliability::default()).expect("connected");
        for number in 0..100 {
            end.send(0, 53, numbered(number, 5000)).expect("open");
        }
    }
    agreed.run(60_000, |pair| {
        pair.received.iter().all(|got| got.len() == 100)
    });
    for received in &agreed.received {
        assert_eq!(numbers(received), (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn a_late_repetition_of_the_first_packet_harms_nothing() {
    let mut pair = Pair::new([Role::Active, Role::Passive], 0);
    pair.step();
    let init = pair.link.front().expect("it begins").2.clone();
    pair.run(1000, |pair| pair.ends.iter().all(Association::is_connected));
    let now = pair.now;
    pair.ends[1].handle_packet(now, init);
    assert!(pair.ends[1].is_connected());
    assert_eq!(pair.ends[1].counters().malformed, 1);
}

#[test]
fn the_clock_is_the_callers() {
    // Far from the system's, in either direction.
    let real = Instant::now();
    let before = real.checked_sub(Duration::from_mins(1)).unwrap_or(real);
    for now in [real + Duration::from_hours(1), before] {
        let association = Association::new(Role::Active, settings(), now);
        let due = association.poll_timeout().expect("it begins");
        assert_eq!(due - now, RTO_INITIAL);
    }
}

#[test]
fn who_goes_says_so() {
    let mut pair = Pair::connected(0);
    let abort = abort_of(&pair.ends[1]);
    let now = pair.now;
    pair.ends[1].handle_packet(now, abort);
    pair.step();
    assert_eq!(pair.other[1].last(), Some(&SctpEvent::Closed));
    assert!(!pair.ends[1].is_connected());
}

#[test]
fn a_flood_of_tiny_chunks_that_are_never_in_turn_is_bounded() {
    let now = Instant::now();
    let mut association = Association::new(Role::Agreed(7, 9), settings(), now);
    let mut tsn = 9_u32;
    for _ in 0..3000 {
        let mut packet = vec![0x13, 0x88, 0x13, 0x88, 0, 0, 0, 7, 0, 0, 0, 0];
        for _ in 0..50 {
            packet.extend([0, 3, 0, 17]);
            packet.extend(tsn.to_be_bytes());
            // Stream 0, and never its first message.
            packet.extend([0, 0]);
            packet.extend((1 + tsn as u16 % 30_000).to_be_bytes());
            packet.extend([0, 0, 0, 53, 1, 0, 0, 0]);
            tsn = tsn.wrapping_add(1);
        }
        crate::packet::write_checksum(&mut packet);
        association.handle_packet(now, packet.into());
        while association.poll_packet(now).is_some() {}
    }
    assert!(association.held() <= crate::admission::MAX_HELD + 50);
    assert!(association.counters().refused > 1000);
    assert!(
        association
            .poll_event()
            .is_some_and(|it| it == SctpEvent::Connected)
    );
    assert_eq!(association.poll_event(), None);
}

/// An ABORT that says that the user did it, to this end.
fn abort_of(end: &Association) -> Bytes {
    let library = end.library.as_ref().expect("it lives");
    let text = format!("{:?}", library.association);
    let tag = text
        .split("my_verification_tag: ")
        .nth(1)
        .and_then(|rest| rest.split(',').next())
        .and_then(|tag| tag.parse::<u32>().ok())
        .expect("it has one");
    let mut packet = vec![0x13, 0x88, 0x13, 0x88];
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend([6, 0, 0, 8, 0, 12, 0, 4]);
    crate::packet::write_checksum(&mut packet);
    packet.into()
}

proptest! {
    #[test]
    fn garbage_is_survived(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_packets(&data);
        fuzz_split(&data);
    }
}
