//! Descriptors rewritten for a receiver.

use super::*;

/// A descriptor of a frame, with what `flags` say.
fn descriptor(model: &Model, flags: u32, active: u32) -> Vec<u8> {
    let mut writer = head(model.offset, flags);
    if flags & STRUCTURE != 0 {
        model.write(&mut writer);
    }
    if flags & ACTIVE != 0 {
        writer.put(active, model.targets.into());
    }
    if flags & 0b100 != 0 {
        for target in 0..model.targets {
            writer.put(u32::from(target) & 3, 2);
        }
    }
    if flags & 0b010 != 0 {
        writer.put(2, 2);
        writer.put(77, 8);
        writer.put(0, 2);
    }
    if flags & 0b001 != 0 {
        for chain in 0..model.chains {
            writer.put(chain.into(), 8);
        }
    }
    writer.finish()
}

fn l1t3() -> Model {
    Model {
        offset: 10,
        targets: 3,
        steps: vec![0, 1, 1],
        indications: vec![3],
        references: vec![vec![]],
        protected_by: vec![0],
        chains: 1,
        with_resolutions: true,
    }
}

#[test]
fn a_short_descriptor_grows_by_flags_and_mask() {
    let model = l1t3();
    let structure = key_frame(&model).structure.expect("a structure");
    let mut out = [0xff; 8];
    let len = write_with_active_targets(&[0x8c, 1, 2], Some(&structure), 0b011, &mut out);
    assert_eq!(len, Ok(4));
    assert_eq!(out[..4], [0x8c, 1, 2, 0b0100_0011]);
    let unknown = write_with_active_targets(&[0x8c, 1, 2], None, 0b011, &mut out);
    assert!(matches!(unknown, Err(CodecError::Malformed(_))));
    let no_room = write_with_active_targets(&[0x8c, 1, 2], Some(&structure), 0b011, &mut out[..3]);
    assert_eq!(no_room, Err(CodecError::TooShort));
    assert_eq!(
        set_active_decode_targets(&mut [0x8c, 1, 2], Some(&structure), 1),
        Ok(false)
    );
}

#[test]
fn a_malformed_structure_does_not_replace_the_known_one() {
    let model = l1t3();
    let value = descriptor(&model, STRUCTURE, 0);
    let mut known = None;
    let packet = PacketDependencies::read(&value, &mut known).expect("a descriptor");
    assert!(packet.brings_structure && known.is_some());
    let before = known.clone();
    // Cut off, and with a template that the structure does not have.
    assert!(PacketDependencies::read(&value[..6], &mut known).is_err());
    let mut other = value;
    other[0] = 0xc0 | 0x14;
    assert!(PacketDependencies::read(&other, &mut known).is_err());
    assert_eq!(known, before);
}

proptest! {
    #[test]
    fn the_mask_is_the_only_change(model in any_model(), flags in 0u32..32, old: u32, new: u32) {
        let structure = key_frame(&model).structure.expect("a structure");
        let mask = structure.all_decode_targets();
        let value = descriptor(&model, flags, old & mask);
        let known = (flags & STRUCTURE == 0).then_some(&structure);
        let before = DependencyDescriptor::parse(&value, known).expect("our own descriptor");
        let mut out = vec![0xff; value.len() + 5];
        let len = write_with_active_targets(&value, known, new & mask, &mut out).expect("room");
        let after = DependencyDescriptor::parse(&out[..len], known).expect("our own descriptor");
        prop_assert_eq!(after.active_decode_targets, Some(new & mask));
        let restored = DependencyDescriptor { active_decode_targets: before.active_decode_targets, ..after };
        prop_assert_eq!(&restored, &before);
        // What is written with the mask that was there is what was there.
        if flags & ACTIVE != 0 {
            let len = write_with_active_targets(&value, known, old & mask, &mut out).expect("room");
            prop_assert_eq!(&out[..len], &value[..]);
        }
        let short = write_with_active_targets(&value, known, new & mask, &mut out[..len - 1]);
        prop_assert!(short.is_err());
    }

    #[test]
    fn masks_and_numbers_are_replaced_in_place(model in any_model(), flags in 0u32..32, new: u32, number: u16) {
        let structure = key_frame(&model).structure.expect("a structure");
        let mask = structure.all_decode_targets();
        let mut value = descriptor(&model, flags | ACTIVE, 0);
        let known = (flags & STRUCTURE == 0).then_some(&structure);
        let before = DependencyDescriptor::parse(&value, known).expect("our own descriptor");
        prop_assert_eq!(set_active_decode_targets(&mut value, known, new & mask), Ok(true));
        set_frame_number(&mut value, number);
        let mut after = DependencyDescriptor::parse(&value, known).expect("our own descriptor");
        prop_assert_eq!(after.active_decode_targets, Some(new & mask));
        prop_assert_eq!(after.fields.frame_number, number);
        after.active_decode_targets = before.active_decode_targets;
        after.fields = before.fields;
        prop_assert_eq!(after, before);
        prop_assert_eq!(value, {
            let mut fresh = descriptor(&model, flags | ACTIVE, new & mask);
            set_frame_number(&mut fresh, number);
            fresh
        });
    }
}
