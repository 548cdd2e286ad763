//! Entry points for fuzzers: none may panic or keep much, whatever the input.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::{
    Association, Reliability, Role, SctpEvent, Settings,
    admission::MAX_HELD,
    packet::{Chunks, split, write_checksum},
};

/// Tags of an association that both ends were told about.
const TAGS: (u32, u32) = (7, 9);

fn settings() -> Settings {
    Settings {
        max_message: 256 * 1024,
        receive_buffer: 1024 * 1024,
        streams: 16,
    }
}

/// Reads the input as one packet of ours, to be divided.
pub fn fuzz_split(data: &[u8]) {
    for chunk in Chunks::of(data).into_iter().flatten() {
        if chunk.is_err() {
            return;
        }
    }
    split(Bytes::copy_from_slice(data), |part| {
        assert!(part.len() <= crate::MAX_PACKET);
    });
}

/// Reads the input as packets of a peer that holds the keys: two bytes of length before each. Their checksums and tags are
/// put right, as any peer can; the first byte says whether the association exists already.
#[cfg_attr(
    not(test),
    expect(
        clippy::disallowed_methods,
        reason = "an `Instant` cannot be made otherwise, and only differences to it matter"
    )
)]
pub fn fuzz_packets(data: &[u8]) {
    let Some((&kind, mut rest)) = data.split_first() else {
        return;
    };
    let role = if kind % 2 == 0 {
        Role::Agreed(TAGS.0, TAGS.1)
    } else {
        Role::Passive
    };
    let mut now = Instant::now();
    let mut association = Association::new(role, settings(), now);
    // Something to be acknowledged, rightly or wrongly.
    let _ = association.open(1, Reliability::default());
    for _ in 0..8 {
        let _ = association.send(1, 53, Bytes::from_static(&[1; 3000]));
    }
    while let Some((&[high, low], after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([high, low])) % (crate::MAX_PACKET + 1);
        let (packet, after) = after.split_at(length.min(after.len()));
        rest = after;
        let mut packet = packet.to_vec();
        if role != Role::Passive
            && let Some(tag) = packet.get_mut(4..8)
        {
            tag.copy_from_slice(&TAGS.0.to_be_bytes());
        }
        write_checksum(&mut packet);
        association.handle_packet(now, Bytes::from(packet));
        drain(&mut association, now);
        now += Duration::from_millis(100);
        if association.poll_timeout().is_some_and(|at| at <= now) {
            association.handle_timeout(now);
            drain(&mut association, now);
        }
        assert!(association.held() <= MAX_HELD + 64);
    }
}

fn drain(association: &mut Association, now: Instant) {
    while let Some(packet) = association.poll_packet(now) {
        assert!(packet.len() <= crate::MAX_PACKET);
    }
    while let Some(event) = association.poll_event() {
        if let SctpEvent::Message { stream, ppid, data } = event {
            assert!(data.len() <= settings().max_message as usize);
            // Says it back, which makes the association send while garbage arrives.
            let _ = association.send(stream, ppid, data);
        }
    }
}
