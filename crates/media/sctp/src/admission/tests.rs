use proptest::prelude::*;

use super::*;
use crate::packet::{CHUNK_HEADER, HEADER};

fn chunk(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, 3];
    chunk.extend(((CHUNK_HEADER + value.len()) as u16).to_be_bytes());
    chunk.extend_from_slice(value);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

fn packet(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = vec![0; HEADER];
    packet.extend(chunks.concat());
    packet
}

fn data(tsn: u32, stream: u16, length: usize) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend(stream.to_be_bytes());
    value.extend([0; 6]);
    value.resize(12 + length, 1);
    chunk(DATA, &value)
}

fn sack(blocks: &[(u16, u16)]) -> Vec<u8> {
    let mut value = vec![0; 8];
    value.extend((blocks.len() as u16).to_be_bytes());
    value.extend([0, 0]);
    for (start, end) in blocks {
        value.extend(start.to_be_bytes());
        value.extend(end.to_be_bytes());
    }
    chunk(SACK, &value)
}

fn admission(first: u32) -> Admission {
    let mut admission = Admission::new(16, false);
    admission.begin(first);
    admission.establish();
    admission
}

#[test]
fn what_is_far_ahead_waits_for_what_is_missing() {
    let mut admission = admission(u32::MAX - 10);
    let last = u32::MAX - 11;
    let ahead = packet(&[data(last.wrapping_add(MAX_AHEAD), 0, 1)]);
    assert_eq!(admission.admit(&ahead), Ok(()));
    let beyond = packet(&[data(last.wrapping_add(MAX_AHEAD + 1), 0, 1)]);
    assert_eq!(admission.admit(&beyond), Err(Refusal::TooMuch));
    admission.acknowledge(last.wrapping_add(1), 1);
    assert_eq!(admission.admit(&beyond), Ok(()));
}

#[test]
fn chunks_that_are_kept_are_bounded_until_they_are_delivered() {
    let mut admission = admission(1);
    for tsn in 1..=MAX_HELD {
        assert_eq!(admission.admit(&packet(&[data(tsn, 0, 1)])), Ok(()));
        // A retransmission is none the more.
        assert_eq!(admission.admit(&packet(&[data(tsn, 0, 1)])), Ok(()));
        if tsn % 2 == 0 {
            admission.acknowledge(tsn - 1, u32::MAX);
        }
    }
    assert_eq!(admission.held(), MAX_HELD);
    let next = packet(&[data(MAX_HELD + 1, 0, 1)]);
    assert_eq!(admission.admit(&next), Err(Refusal::TooMuch));
    admission.deliver(1);
    assert_eq!(admission.admit(&next), Ok(()));
    admission.acknowledge(MAX_HELD + 1, 5);
    assert_eq!(
        admission.held(),
        5,
        "five bytes are no more than five chunks"
    );
}

#[test]
fn what_no_honest_peer_sends_is_refused() {
    let mut admission = admission(1);
    let malformed = [
        packet(&[data(1, 16, 1)]),
        packet(&[data(1, 0, 0)]),
        packet(&[sack(&[(0, 5)])]),
        packet(&[sack(&[(1, 5), (5, 9)])]),
        packet(&[sack(&[(6, 5)])]),
        packet(&[sack(&[]), sack(&[])]),
        packet(&[chunk(SACK, &[0; 8])]),
        packet(&[chunk(INIT, &[0; 16])]),
        packet(&[chunk(INIT_ACK, &[0; 16])]),
        packet(&[chunk(DATA, &[0; 3])]),
        packet(&vec![data(1, 0, 1); MAX_CHUNKS + 1]),
        vec![0; HEADER - 1],
        [packet(&[]), vec![DATA, 0, 0, 3]].concat(),
    ];
    for packet in malformed {
        let refused = admission.admit(&packet);
        assert_eq!(refused, Err(Refusal::Malformed), "{packet:?}");
    }
    assert_eq!(admission.held(), 0);
    assert_eq!(admission.admit(&packet(&[sack(&[(2, 2), (4, 9)])])), Ok(()));
}

#[test]
fn a_peer_begins_once_and_may_repeat_itself() {
    let mut admission = Admission::new(16, false);
    assert!(admission.admit(&packet(&[data(1, 0, 1)])).is_err());
    let init = packet(&[chunk(INIT, &[1; 16])]);
    assert_eq!(admission.admit(&init), Ok(()));
    assert_eq!(admission.admit(&init), Ok(()));
    let other = packet(&[chunk(INIT, &[2; 16])]);
    assert_eq!(admission.admit(&other), Err(Refusal::Malformed));
}

#[test]
fn resets_that_wait_are_bounded() {
    let reset = |number: u32| {
        let mut value = vec![0, 13, 0, 16];
        value.extend(number.to_be_bytes());
        value.extend([0; 8]);
        packet(&[chunk(RECONFIG, &value)])
    };
    let mut admission = admission(1);
    for number in 1..=MAX_RESETS {
        assert_eq!(admission.admit(&reset(number)), Ok(()));
        assert_eq!(admission.admit(&reset(number)), Ok(()));
    }
    let next = reset(MAX_RESETS + 1);
    assert_eq!(admission.admit(&next), Err(Refusal::TooMuch));
    admission.acknowledge(0, 0);
    assert_eq!(admission.admit(&next), Ok(()));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20)) {
        let mut admission = admission(1);
        for packet in packets {
            let _ = admission.admit(&packet);
        }
    }
}
