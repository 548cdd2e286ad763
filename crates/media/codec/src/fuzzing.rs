//! Entry points for fuzzers: they must not panic whatever the bytes are.

use crate::{
    DependencyDescriptor, VideoCodec, av1, dependency_descriptor::MAX_DECODE_TARGETS, h264, h265,
    is_key_frame, opus, vp8, vp9,
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
    fuzz_vp8_rewrite(data);
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

/// Reads the bytes as two dependency descriptors, split by the first byte, the second with the structure of the first.
pub fn fuzz_dependency_descriptor(data: &[u8]) {
    let Some((&split, data)) = data.split_first() else {
        return;
    };
    let (first, second) = data.split_at(usize::from(split).min(data.len()));
    let Ok(key) = DependencyDescriptor::parse(first, None) else {
        return;
    };
    let Some(structure) = key.structure else {
        return;
    };
    for target in 0..=MAX_DECODE_TARGETS as u8 {
        let _ = (
            structure.decode_target_layer(target),
            structure.protecting_chain(target),
        );
    }
    assert!(
        (0..8)
            .filter_map(|spatial_id| structure.resolution(spatial_id))
            .count()
            <= 4
    );
    if let Ok(inter) = DependencyDescriptor::parse(second, Some(&structure)) {
        assert!(inter.frame.is_some(), "a structure is known");
    }
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
            // A structure that is announced.
            bytes[4] = 0x80 | flags;
            fuzz_dependency_descriptor(&bytes);
        }
    }
}
