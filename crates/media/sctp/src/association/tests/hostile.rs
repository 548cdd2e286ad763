//! Peers that speak the language and mean no good.

use super::*;
use crate::{
    admission::MAX_HELD,
    packet::{DATA, FORWARD_TSN, RECONFIG, SACK, write_checksum},
};

/// What such a peer may send. Numbers are relative to what is right.
#[derive(Clone, Debug)]
enum Word {
    Data {
        tsn: i32,
        stream: u16,
        number: u16,
        flags: u8,
        length: usize,
    },
    Sack {
        tsn: i32,
        window: u32,
        gaps: Vec<(u8, u8)>,
    },
    Forward {
        tsn: i32,
        streams: Vec<(u16, u16)>,
    },
    Reset {
        number: i32,
        response: i32,
        tsn: i32,
        streams: Vec<u16>,
    },
    Answer {
        number: i32,
        result: u8,
    },
    Other {
        kind: u8,
        value: Vec<u8>,
    },
    Wait(u16),
    Say(usize),
    Close(u16),
}

const OURS: u32 = 7;
const THEIRS: u32 = 9;

fn words() -> impl Strategy<Value = Word> {
    let near = prop_oneof![8 => -3..20_i32, 1 => any::<i32>()];
    let stream = prop_oneof![8 => 0..4_u16, 1 => 0..20_u16];
    prop_oneof![
        8 => (near.clone(), stream.clone(), 0..4_u16, 0..16_u8, 0..300_usize).prop_map(
            |(tsn, stream, number, flags, length)| Word::Data { tsn, stream, number, flags, length }
        ),
        4 => (near.clone(), prop_oneof![Just(0), Just(100_000), any::<u32>()], prop::collection::vec((0..6_u8, 0..6_u8), 0..4))
            .prop_map(|(tsn, window, gaps)| Word::Sack { tsn, window, gaps }),
        2 => (near.clone(), prop::collection::vec((stream.clone(), 0..4_u16), 0..4))
            .prop_map(|(tsn, streams)| Word::Forward { tsn, streams }),
        3 => (0..6_i32, -2..3_i32, near, prop::collection::vec(stream.clone(), 0..4)).prop_map(
            |(number, response, tsn, streams)| Word::Reset { number, response, tsn, streams }
        ),
        1 => (-2..4_i32, 0..8_u8).prop_map(|(number, result)| Word::Answer { number, result }),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(kind, value)| Word::Other { kind, value }),
        3 => (0..2000_u16).prop_map(Word::Wait),
        2 => (1..20_000_usize).prop_map(Word::Say),
        1 => stream.prop_map(Word::Close),
    ]
}

fn chunk(kind: u8, flags: u8, value: &[u8], out: &mut Vec<u8>) {
    out.extend([kind, flags]);
    out.extend(((4 + value.len()) as u16).to_be_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn relative(base: u32, by: i32) -> [u8; 4] {
    base.wrapping_add_signed(by).to_be_bytes()
}

/// The chunk of a word that is one.
fn write(word: &Word, out: &mut Vec<u8>) {
    let mut value = Vec::new();
    match word {
        Word::Data {
            tsn,
            stream,
            number,
            flags,
            length,
        } => {
            value.extend(relative(THEIRS, *tsn));
            value.extend(stream.to_be_bytes());
            value.extend(number.to_be_bytes());
            value.extend(53_u32.to_be_bytes());
            value.resize(12 + length, 1);
            chunk(DATA, *flags, &value, out);
        }
        Word::Sack { tsn, window, gaps } => {
            value.extend(relative(OURS, *tsn - 1));
            value.extend(window.to_be_bytes());
            value.extend((gaps.len() as u16).to_be_bytes());
            value.extend([0, 0]);
            let mut at = 1_u16;
            for (skip, length) in gaps {
                let start = at + u16::from(*skip);
                let end = start + u16::from(*length);
                value.extend(start.to_be_bytes());
                value.extend(end.to_be_bytes());
                at = end + 1;
            }
            chunk(SACK, 0, &value, out);
        }
        Word::Forward { tsn, streams } => {
            value.extend(relative(THEIRS, *tsn));
            for (stream, number) in streams {
                value.extend(stream.to_be_bytes());
                value.extend(number.to_be_bytes());
            }
            chunk(FORWARD_TSN, 0, &value, out);
        }
        Word::Reset {
            number,
            response,
            tsn,
            streams,
        } => {
            value.extend([0, 13]);
            value.extend(((16 + 2 * streams.len()) as u16).to_be_bytes());
            value.extend(relative(THEIRS, *number));
            value.extend(relative(OURS, *response));
            value.extend(relative(THEIRS, *tsn));
            value.extend(streams.iter().flat_map(|stream| stream.to_be_bytes()));
            chunk(RECONFIG, 0, &value, out);
        }
        Word::Answer { number, result } => {
            value.extend([0, 16, 0, 12]);
            value.extend(relative(OURS, *number));
            value.extend([0, 0, 0, *result]);
            chunk(RECONFIG, 0, &value, out);
        }
        Word::Other { kind, value } => chunk(*kind, 0, value, out),
        Word::Wait(_) | Word::Say(_) | Word::Close(_) => {}
    }
}

fn listen(words: &[Word], bundled: bool) -> Association {
    let mut now = Instant::now();
    let mut association = Association::new(Role::Agreed(OURS, THEIRS), settings(), now);
    let mut packet = Vec::new();
    for word in words {
        match word {
            Word::Wait(millis) => {
                now += u32::from(*millis) * MS;
                if association.poll_timeout().is_some_and(|at| at <= now) {
                    association.handle_timeout(now);
                }
            }
            Word::Say(length) => {
                let stream = (*length % 3) as u16;
                let how = Reliability {
                    unordered: length % 2 == 0,
                    max_life_time: (stream == 1).then_some(100),
                    max_retransmits: (stream == 2).then_some(1),
                };
                let said = association.open(stream, how);
                let _ = said.and_then(|()| association.send(stream, 53, numbered(1, *length)));
            }
            Word::Close(stream) => association.close_stream(now, *stream),
            word => write(word, &mut packet),
        }
        if !packet.is_empty() && (!bundled || packet.len() > 600) {
            let mut whole = vec![0x13, 0x88, 0x13, 0x88, 0, 0, 0, OURS as u8, 0, 0, 0, 0];
            whole.append(&mut packet);
            write_checksum(&mut whole);
            association.handle_packet(now, whole.into());
        }
        while let Some(packet) = association.poll_packet(now) {
            assert!(packet.len() <= MAX_PACKET);
        }
        while association.poll_event().is_some() {}
    }
    association
}

proptest! {
    #[test]
    fn whatever_a_peer_says_the_library_does_not_panic(
        words in prop::collection::vec(words(), 1..120),
        bundled in any::<bool>(),
    ) {
        let association = listen(&words, bundled);
        prop_assert_eq!(association.counters().panics, 0);
        prop_assert!(association.held() <= MAX_HELD);
    }
}

#[test]
fn resets_that_never_end_are_bounded() {
    let mut words = vec![Word::Data {
        tsn: 0,
        stream: 1,
        number: 0,
        flags: 2,
        length: 10,
    }];
    for number in 0..5000 {
        words.push(Word::Reset {
            number,
            response: -1,
            tsn: 0,
            streams: vec![1],
        });
    }
    let association = listen(&words, false);
    assert!(association.counters().refused > 4000);
}
