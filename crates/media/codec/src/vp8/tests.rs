//! Descriptors written, read and rewritten.

use proptest::prelude::*;

use super::*;

/// A descriptor by RFC 7741 §4.2, without a frame.
fn write(descriptor: &Descriptor) -> Vec<u8> {
    let Descriptor {
        picture_id,
        tl0_pic_idx,
        temporal_id,
        key_index,
        ..
    } = *descriptor;
    let extended = picture_id.is_some()
        || tl0_pic_idx.is_some()
        || temporal_id.is_some()
        || key_index.is_some();
    let mut bytes = vec![
        u8::from(extended) << 7
            | u8::from(descriptor.non_reference) << 5
            | u8::from(descriptor.start_of_partition) << 4
            | descriptor.partition_index,
    ];
    if extended {
        bytes.push(
            u8::from(picture_id.is_some()) << 7
                | u8::from(tl0_pic_idx.is_some()) << 6
                | u8::from(temporal_id.is_some()) << 5
                | u8::from(key_index.is_some()) << 4,
        );
    }
    match picture_id {
        Some(id) if descriptor.long_picture_id => bytes.extend((0x8000 | id).to_be_bytes()),
        Some(id) => bytes.push(id as u8),
        None => {}
    }
    bytes.extend(tl0_pic_idx);
    if temporal_id.is_some() || key_index.is_some() {
        let layer = temporal_id.unwrap_or(0) << 6 | u8::from(descriptor.layer_sync) << 5;
        bytes.push(layer | key_index.unwrap_or(0));
    }
    bytes
}

fn any_descriptor() -> impl Strategy<Value = Descriptor> {
    let options = (
        prop::option::of(0u16..0x8000),
        any::<bool>(),
        any::<Option<u8>>(),
        prop::option::of((0u8..4, any::<bool>())),
        prop::option::of(0u8..32),
    );
    (any::<bool>(), any::<bool>(), 0u8..8, options).prop_map(
        |(
            non_reference,
            start_of_partition,
            partition_index,
            (id, long, tl0_pic_idx, layer, key_index),
        )| {
            let long_picture_id = long && id.is_some();
            let mut descriptor = Descriptor {
                non_reference,
                start_of_partition,
                partition_index,
                picture_id: id.map(|id| if long_picture_id { id } else { id & 0x7f }),
                long_picture_id,
                tl0_pic_idx,
                temporal_id: layer.map(|(id, _)| id),
                layer_sync: layer.is_some_and(|(_, sync)| sync),
                key_index,
                ..Descriptor::default()
            };
            descriptor.header_len = write(&descriptor).len();
            descriptor
        },
    )
}

#[test]
fn key_frames_tell_their_size() {
    // 640 × 360 with scaling hints, which are not part of the size.
    let payload = [
        0x10, 0x50, 0x01, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0x68, 0xc1,
    ];
    let descriptor = Descriptor::parse(&payload).expect("a descriptor");
    assert!(descriptor.is_key_frame);
    assert_eq!(descriptor.resolution, Some((640, 360)));
    let no_start_code =
        Descriptor::parse(&[0x10, 0x50, 1, 0, 0, 0, 0, 1, 1, 1, 1]).expect("a descriptor");
    assert_eq!(
        (no_start_code.is_key_frame, no_start_code.resolution),
        (true, None)
    );
}

#[test]
fn only_the_first_packet_of_a_key_frame_counts() {
    for payload in [&[0x10, 0x51][..], &[0x00, 0x50], &[0x11, 0x50], &[0x10]] {
        assert!(
            !Descriptor::parse(payload)
                .expect("a descriptor")
                .is_key_frame,
            "{payload:x?}"
        );
    }
}

#[test]
fn cut_off_descriptors_are_errors() {
    let whole = [0x90, 0xf0, 0x81, 0x02, 0x03, 0x44];
    assert_eq!(
        Descriptor::parse(&whole).map(|descriptor| descriptor.header_len),
        Ok(6)
    );
    for len in 0..6 {
        assert_eq!(Descriptor::parse(&whole[..len]), Err(CodecError::TooShort));
    }
}

proptest! {
    #[test]
    fn written_descriptors_are_read_back(descriptor in any_descriptor()) {
        prop_assert_eq!(Descriptor::parse(&write(&descriptor)), Ok(descriptor));
    }

    #[test]
    fn rewriting_changes_nothing_else(descriptor in any_descriptor(), id in 0u16..0x8000, tl0: u8, frame: [u8; 12]) {
        let mut payload = write(&descriptor);
        payload.extend(frame);
        let before = Descriptor::parse(&payload).expect("our own descriptor");
        before.rewrite(&mut payload, id, tl0);
        let expected = Descriptor {
            picture_id: before.picture_id.map(|_| if before.long_picture_id { id } else { id & 0x7f }),
            tl0_pic_idx: before.tl0_pic_idx.map(|_| tl0),
            ..before
        };
        prop_assert_eq!(Descriptor::parse(&payload), Ok(expected));
        prop_assert!(payload.ends_with(&frame));
        // Another payload than its own must not matter either.
        before.rewrite(&mut payload[..2], id, tl0);
        before.rewrite(&mut [], id, tl0);
    }
}
