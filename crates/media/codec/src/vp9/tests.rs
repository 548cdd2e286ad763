//! Descriptors written and read.

use proptest::prelude::*;

use super::*;

/// A descriptor by RFC 9628 §4.2. Picture groups consist of pictures with `index % 4` references each.
fn write(descriptor: &Descriptor) -> Vec<u8> {
    let mut bytes = vec![
        u8::from(descriptor.picture_id.is_some()) << 7
            | u8::from(descriptor.inter_picture_predicted) << 6
            | u8::from(descriptor.layer.is_some()) << 5
            | u8::from(descriptor.flexible_mode) << 4
            | u8::from(descriptor.start_of_frame) << 3
            | u8::from(descriptor.end_of_frame) << 2
            | u8::from(descriptor.structure.is_some()) << 1
            | u8::from(descriptor.not_spatial_reference),
    ];
    match descriptor.picture_id {
        Some(id) if descriptor.long_picture_id => bytes.extend((0x8000 | id).to_be_bytes()),
        Some(id) => bytes.push(id as u8),
        None => {}
    }
    if let Some(layer) = descriptor.layer {
        bytes.push(
            layer.temporal_id << 5
                | u8::from(layer.switching_up_point) << 4
                | layer.spatial_id << 1
                | u8::from(layer.inter_layer_predicted),
        );
    }
    bytes.extend(descriptor.tl0_pic_idx);
    if descriptor.flexible_mode && descriptor.inter_picture_predicted {
        let count = descriptor
            .references
            .iter()
            .rposition(|diff| *diff != 0)
            .unwrap_or(0);
        for (index, diff) in descriptor.references[..=count].iter().enumerate() {
            bytes.push(diff << 1 | u8::from(index < count));
        }
    }
    if let Some(structure) = descriptor.structure {
        let group = structure.picture_group_size;
        bytes.push(
            (structure.spatial_layers - 1) << 5
                | u8::from(structure.resolutions.is_some()) << 4
                | u8::from(group > 0) << 3,
        );
        for (width, height) in structure
            .resolutions
            .iter()
            .flatten()
            .take(structure.spatial_layers.into())
        {
            bytes.extend(width.to_be_bytes());
            bytes.extend(height.to_be_bytes());
        }
        if group > 0 {
            bytes.push(group);
        }
        for index in 0..group {
            let references = index % 4;
            bytes.push(references << 2);
            bytes.extend((0..references).map(|reference| reference + 1));
        }
    }
    bytes
}

fn any_structure() -> impl Strategy<Value = Structure> {
    (1u8..=8, any::<Option<[(u16, u16); 8]>>(), any::<u8>()).prop_map(
        |(spatial_layers, mut resolutions, picture_group_size)| {
            if let Some(resolutions) = &mut resolutions {
                resolutions[usize::from(spatial_layers)..].fill((0, 0));
            }
            Structure {
                spatial_layers,
                resolutions,
                picture_group_size,
            }
        },
    )
}

fn any_descriptor() -> impl Strategy<Value = Descriptor> {
    let layer = (0u8..8, any::<bool>(), 0u8..8, any::<bool>()).prop_map(|bits| Layer {
        temporal_id: bits.0,
        switching_up_point: bits.1,
        spatial_id: bits.2,
        inter_layer_predicted: bits.3,
    });
    let options = (
        prop::option::of(0u16..0x8000),
        prop::option::of(layer),
        prop::option::of(any_structure()),
        prop::collection::vec(1u8..128, 1..=3),
        any::<u8>(),
    );
    (any::<[bool; 6]>(), options).prop_map(|(flags, (id, layer, structure, diffs, tl0))| {
        let [
            long,
            inter_picture_predicted,
            flexible_mode,
            start_of_frame,
            end_of_frame,
            not_spatial_reference,
        ] = flags;
        let mut references = [0; MAX_REFERENCES];
        if flexible_mode && inter_picture_predicted {
            references[..diffs.len()].copy_from_slice(&diffs);
        }
        let long_picture_id = long && id.is_some();
        let mut descriptor = Descriptor {
            picture_id: id.map(|id| if long_picture_id { id } else { id & 0x7f }),
            long_picture_id,
            inter_picture_predicted,
            flexible_mode,
            start_of_frame,
            end_of_frame,
            not_spatial_reference,
            layer,
            tl0_pic_idx: (layer.is_some() && !flexible_mode).then_some(tl0),
            references,
            structure,
            header_len: 0,
        };
        descriptor.header_len = write(&descriptor).len();
        descriptor
    })
}

#[test]
fn a_key_picture_begins_with_its_base_layer() {
    let key = |payload: &[u8]| {
        Descriptor::parse(payload)
            .expect("a descriptor")
            .is_key_frame()
    };
    assert!(key(&[0x08]));
    assert!(!key(&[0x48]), "refers to the past");
    assert!(!key(&[0x00]), "not the first packet");
    assert!(key(&[0x28, 0x00, 0x00]));
    assert!(!key(&[0x28, 0x03, 0x00]), "a spatial layer above the base");
}

#[test]
fn layers_above_the_base_tell_where_they_can_be_joined() {
    let read = |first: u8, layer: u8| Descriptor::parse(&[first, layer, 0]).expect("a descriptor");
    // The second spatial layer of a key picture refers to the first.
    let key = read(0x28, 0x03);
    assert!(key.is_spatial_switch_point() && !key.is_without_lower_layers());
    // Full SVC: both references.
    let full = read(0x68, 0x23);
    assert!(!full.is_spatial_switch_point() && !full.is_without_lower_layers());
    assert_eq!((full.spatial_id(), full.temporal_id()), (1, 1));
    // k-SVC: the past alone.
    let k_svc = read(0x6c, 0x02);
    assert!(!k_svc.is_spatial_switch_point() && k_svc.is_without_lower_layers());
    assert!(k_svc.ends_picture(1) && k_svc.ends_picture(0) && !k_svc.ends_picture(2));
    assert!(!full.ends_picture(1), "not the last packet");
    assert!(
        !read(0x68, 0x00).is_without_lower_layers(),
        "the base has none"
    );
    assert!(
        !read(0x20, 0x03).is_spatial_switch_point(),
        "not the first packet"
    );
}

#[test]
fn a_fourth_reference_is_malformed() {
    assert!(Descriptor::parse(&[0x50, 0x03, 0x05, 0x06]).is_ok());
    assert!(matches!(
        Descriptor::parse(&[0x50, 0x03, 0x05, 0x07, 0x02]),
        Err(CodecError::Malformed(_))
    ));
}

proptest! {
    #[test]
    fn written_descriptors_are_read_back(descriptor in any_descriptor()) {
        let bytes = write(&descriptor);
        prop_assert_eq!(Descriptor::parse(&bytes), Ok(descriptor));
        for len in 0..bytes.len() {
            prop_assert_eq!(Descriptor::parse(&bytes[..len]), Err(CodecError::TooShort));
        }
    }

    #[test]
    fn rewriting_changes_nothing_else(descriptor in any_descriptor(), id in 0u16..0x8000, tl0: u8, frame: [u8; 12]) {
        let mut payload = write(&descriptor);
        payload.extend(frame);
        descriptor.rewrite(&mut payload, id, tl0);
        let expected = Descriptor {
            picture_id: descriptor.picture_id.map(|_| if descriptor.long_picture_id { id } else { id & 0x7f }),
            tl0_pic_idx: descriptor.tl0_pic_idx.map(|_| tl0),
            ..descriptor
        };
        prop_assert_eq!(Descriptor::parse(&payload), Ok(expected));
        prop_assert!(payload.ends_with(&frame));
        // Another payload than its own must not matter either.
        descriptor.rewrite(&mut payload[..2], id, tl0);
        descriptor.rewrite(&mut [], id, tl0);
    }
}
