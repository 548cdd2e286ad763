//! Entry points for fuzzers: they must not panic whatever the bytes are.

use crate::{
    DependencyDescriptor, PacketDependencies, VideoCodec, av1,
    dependency_descriptor::{
        MAX_DECODE_TARGETS, set_active_decode_targets, set_frame_number, write_with_active_targets,
    },
    h264, h265, is_key_frame, opus, red, vp8, vp9,
};

/// Reads the bytes as a payload of every codec.
pub fn fuzz_payload(data: &[u8]) {
    use VideoCodec::{Av1, H264, H265, Vp8, Vp9};
    for codec in [Vp8, Vp9, H264, H265, Av1] {
        let _ = is_key_frame(codec, data);
    }
    if let Ok(descriptor) = vp9::Descriptor::parse(data) {
        assert!(descriptor.header_len <= data.len());
    }
    assert!(h264::NalUnits::new(data).count() <= data.len());
    assert!(h265::NalUnits::new(data).count() <= data.len());
    assert!(av1::Obus::new(data).count() <= data.len());
    let _ = opus::is_dtx(data);
    let _ = opus::Toc::parse(data).map(opus::Toc::frame_duration);
    let _ = h264::svc_layer(data);
    fuzz_vp8_rewrite(data);
    fuzz_vp9_rewrite(data);
}

/// Reads the bytes as redundant audio.
pub fn fuzz_red(data: &[u8]) {
    if let Ok(primary) = red::Primary::find(data) {
        assert!(primary.start < data.len());
        assert!(primary.start > primary.repeated * 4);
        assert!(primary.payload_type < 128);
    }
}

/// Rewrites the bytes as a VP8 payload; the descriptor must stay what it was but for the numbers.
pub fn fuzz_vp8_rewrite(data: &[u8]) {
    let mut payload = data.to_vec();
    let Ok(before) = vp8::Descriptor::parse(&payload) else {
        return;
    };
    before.rewrite(&mut payload, 0x1234, 0x56);
    let after = vp8::Descriptor::parse(&payload);
    let restored = after.map(|after| vp8::Descriptor {
        picture_id: before.picture_id,
        tl0_pic_idx: before.tl0_pic_idx,
        ..after
    });
    assert_eq!(restored, Ok(before), "only the numbers were rewritten");
}

/// Rewrites the bytes as a VP9 payload; the descriptor must stay what it was but for the numbers.
pub fn fuzz_vp9_rewrite(data: &[u8]) {
    let mut payload = data.to_vec();
    let Ok(before) = vp9::Descriptor::parse(&payload) else {
        return;
    };
    before.rewrite(&mut payload, 0x1234, 0x56);
    let after = vp9::Descriptor::parse(&payload);
    let restored = after.map(|after| vp9::Descriptor {
        picture_id: before.picture_id,
        tl0_pic_idx: before.tl0_pic_idx,
        ..after
    });
    assert_eq!(restored, Ok(before), "only the numbers were rewritten");
}

/// Reads the bytes as two dependency descriptors, split by the first byte, the second with the structure of the first.
pub fn fuzz_dependency_descriptor(data: &[u8]) {
    let Some((first, second)) = split_descriptors(data) else {
        return;
    };
    let Ok(key) = DependencyDescriptor::parse(first, None) else {
        return;
    };
    let Some(structure) = key.structure else {
        return;
    };
    for target in 0..=MAX_DECODE_TARGETS as u8 {
        let layer = structure.decode_target_layer(target);
        assert!(layer.is_none_or(|layer| structure.decode_target(layer).is_some()));
        let _ = structure.protecting_chain(target);
    }
    assert!(
        (0..8)
            .filter_map(|spatial_id| structure.resolution(spatial_id))
            .count()
            <= 4
    );
    if let Ok(inter) = DependencyDescriptor::parse(second, Some(&structure)) {
        let frame = inter.frame.expect("a structure is known");
        assert!(
            frame
                .references()
                .all(|reference| (1..=4096).contains(&reference))
        );
        assert_eq!(frame.switch_targets() & !frame.targets(), 0);
        let _ = (0..=MAX_DECODE_TARGETS as u8).map(|chain| frame.chain_diff(chain));
    }
    let mut known = Some(structure.clone());
    let packet = PacketDependencies::read(second, &mut known);
    let whole = DependencyDescriptor::parse(second, Some(&structure));
    assert_eq!(
        packet.map(|packet| (packet.fields, packet.active_decode_targets, packet.frame)),
        whole.map(|whole| (whole.fields, whole.active_decode_targets, whole.frame)),
        "both ways of reading agree"
    );
}

/// Reads the bytes as two dependency descriptors and rewrites the second: it must stay what it was but for frame number
/// and active decode targets.
pub fn fuzz_dependency_descriptor_rewrite(data: &[u8]) {
    let Some((first, second)) = split_descriptors(data) else {
        return;
    };
    let known = DependencyDescriptor::parse(first, None)
        .ok()
        .and_then(|key| key.structure);
    let known = known.as_ref();
    let mut out = vec![0; second.len() + 5];
    let active = 0x1234_5678;
    let Ok(len) = write_with_active_targets(second, known, active, &mut out) else {
        return;
    };
    let before = DependencyDescriptor::parse(second, known).expect("it was just written");
    let mut value = out.get(..len).unwrap_or_default().to_vec();
    set_frame_number(&mut value, !before.fields.frame_number);
    assert_eq!(
        set_active_decode_targets(&mut value, known, !active),
        Ok(true)
    );
    let after = DependencyDescriptor::parse(&value, known).expect("our own descriptor");
    let structure = after.structure.as_ref().or(known).expect("one is known");
    let active = !active & structure.all_decode_targets();
    assert_eq!(after.active_decode_targets, Some(active));
    assert_eq!(after.fields.frame_number, !before.fields.frame_number);
    let restored = DependencyDescriptor {
        fields: before.fields,
        active_decode_targets: before.active_decode_targets,
        ..after
    };
    assert_eq!(restored, before, "nothing else was rewritten");
}

fn split_descriptors(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&split, data) = data.split_first()?;
    Some(data.split_at(usize::from(split).min(data.len())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// First bytes that lead into the deeper branches of the parsers.
    const HEADS: [u8; 12] = [
        0x90, 0xff, 0xfa, 0x50, 0x78, 0x7c, 0x60, 0x62, 0x00, 0x10, 0x7b, 0x0a,
    ];

    proptest! {
        #[test]
        fn any_payload_is_survived(data in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_payload(&data);
            fuzz_red(&data);
        }

        #[test]
        fn any_redundant_blocks_are_survived(blocks in prop::collection::vec((any::<u8>(), 0u8..8), 0..20), body in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut data = Vec::new();
            for (kind, len) in blocks {
                data.extend([kind, 0, 0, len]);
            }
            data.extend(body);
            fuzz_red(&data);
        }

        #[test]
        fn any_body_behind_a_likely_head_is_survived(
            head in prop::sample::select(&HEADS[..]),
            mut data in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..4], 0..100),
        ) {
            data.insert(0, head);
            fuzz_payload(&data);
        }

        #[test]
        fn any_dependency_descriptor_is_survived(split in 0u8..60, flags: u8, data in prop::collection::vec(any::<u8>(), 10..200)) {
            let mut bytes = vec![split];
            bytes.extend(&data);
            fuzz_dependency_descriptor(&bytes);
            fuzz_dependency_descriptor_rewrite(&bytes);
            // A structure that is announced.
            bytes[4] = 0x80 | flags;
            fuzz_dependency_descriptor(&bytes);
            fuzz_dependency_descriptor_rewrite(&bytes);
        }
    }
}
