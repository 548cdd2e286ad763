//! Every fault is noticed.

use super::*;

/// What the receiver of a damaged stream finds.
fn damaged(
    format: VideoFormat,
    name: &str,
    damage: impl FnOnce(&mut Vec<Vec<Vec<u8>>>),
) -> Vec<Violation> {
    let mut pictures = pictures(source(format, mode(name), 3), 30);
    damage(&mut pictures);
    check(&mut checker(format), &pictures)
}

/// Byte of the payload that the packet's descriptor has at `index`.
fn descriptor_byte(packet: &mut [u8], index: usize) -> &mut u8 {
    let header = RtpHeader::parse(packet).expect("well-formed").header_len;
    &mut packet[header + index]
}

fn first_number(violations: &[Violation]) -> Option<(&'static str, u16, u16)> {
    violations.iter().find_map(|violation| match violation {
        Violation::Number {
            what,
            expected,
            found,
        } => Some((*what, *expected, *found)),
        _ => None,
    })
}

#[test]
fn a_picture_that_others_refer_to_is_missed() {
    for (format, name) in [
        (VideoFormat::Vp8, "L1T3"),
        (VideoFormat::H264, "L1T2"),
        (VideoFormat::Vp9, "L3T3"),
        (VideoFormat::Vp9, "L3T3_KEY"),
        (VideoFormat::Av1, "L2T1"),
        (VideoFormat::Av1, "S3T3"),
    ] {
        let violations = damaged(format, name, |pictures| {
            pictures.remove(8);
            renumber(pictures);
        });
        assert!(
            matches!(
                violations.last(),
                Some(Violation::Reference { source: 3, .. })
            ),
            "{format:?} {name}: {violations:?}"
        );
    }
}

#[test]
fn the_spatial_layer_below_is_missed() {
    let violations = damaged(VideoFormat::Vp9, "L2T1", |pictures| {
        let mut structure = None;
        pictures[5].retain(|packet| layer(VideoFormat::Vp9, packet, &mut structure).0 > 0);
        renumber(pictures);
    });
    assert!(matches!(
        violations[0],
        Violation::Reference {
            frame: 11,
            missing: 10,
            ..
        }
    ));
}

#[test]
fn a_frame_without_its_end_or_beginning_or_middle_is_noticed() {
    let wide = SvcConfig {
        bitrates: vec![2_000_000],
        ..config(VideoFormat::Vp9, mode("L1T1"), 3)
    };
    let whole = pictures(source_of(wide), 6);
    assert!(whole[3].len() > 4);
    let without = |index: usize| {
        let mut pictures = whole.clone();
        pictures[3].remove(index);
        renumber(&mut pictures);
        check(&mut checker(VideoFormat::Vp9), &pictures)
    };
    let timestamp = RtpHeader::parse(&whole[3][0])
        .expect("well-formed")
        .timestamp;
    assert_eq!(without(0)[0], Violation::HalfFrame { timestamp });
    assert_eq!(without(1)[0], Violation::Contents { timestamp });
    let end = without(whole[3].len() - 1);
    assert_eq!(
        end[..2],
        [
            Violation::Marker { timestamp },
            Violation::HalfFrame { timestamp }
        ]
    );
}

#[test]
fn markers_stand_at_the_end_of_pictures_alone() {
    let timestamp = |number: u32| (u32::MAX - 100_000).wrapping_add(number * 3000);
    let near = |violations: &[Violation], number: u32| {
        let Some(Violation::Marker { timestamp: found }) = violations.first() else {
            return false;
        };
        found.abs_diff(timestamp(number)) <= 2
    };
    let missing = damaged(VideoFormat::Vp8, "L1T1", |pictures| {
        pictures[4].last_mut().expect("packets")[1] &= 0x7f;
    });
    assert!(near(&missing, 4), "{missing:?}");
    // The end of the lower spatial layer is not the end of the picture.
    let early = damaged(VideoFormat::Vp9, "L2T1", |pictures| {
        pictures[4][0][1] |= 0x80;
    });
    assert!(near(&early, 4), "{early:?}");
    // Left out without setting the marker of what is the last frame now.
    let unset = damaged(VideoFormat::Av1, "L2T1", |pictures| {
        let mut structure = None;
        for packets in &mut *pictures {
            packets.retain(|packet| layer(VideoFormat::Av1, packet, &mut structure).0 == 0);
        }
        renumber(pictures);
    });
    assert!(near(&unset, 0), "{unset:?}");
}

#[test]
fn picture_ids_and_tl0_picture_indices_go_on() {
    // VP8: a gap, though no reference is missing.
    let gap = damaged(VideoFormat::Vp8, "L1T3", |pictures| {
        pictures.remove(3);
        renumber(pictures);
    });
    assert_eq!(first_number(&gap), Some(("picture id", 0x7fe3, 0x7fe4)));
    assert_eq!(gap.len(), 1);
    // VP9: closing the gap makes the references of the pictures behind it wrong.
    let closed = damaged(VideoFormat::Vp9, "L1T3", |pictures| {
        pictures.remove(3);
        renumber(pictures);
        for packet in pictures[3..].iter_mut().flatten() {
            *descriptor_byte(packet, 2) -= 1;
        }
    });
    assert_eq!(first_number(&closed), Some(("picture id", 0x7fe4, 0x7fe3)));
    let mixed = damaged(VideoFormat::Vp9, "L2T1", |pictures| {
        *descriptor_byte(&mut pictures[4][0], 2) ^= 1;
    });
    assert!(matches!(mixed[0], Violation::MixedPicture { .. }));
    let tl0 = damaged(VideoFormat::Vp8, "L1T2", |pictures| {
        for packet in &mut pictures[5] {
            *descriptor_byte(packet, 4) += 1;
        }
    });
    assert_eq!(first_number(&tl0).map(|number| number.0), Some("TL0PICIDX"));
}

#[test]
fn layers_and_contents_are_what_is_told() {
    let told = damaged(VideoFormat::Vp9, "L1T2", |pictures| {
        for packet in &mut pictures[5] {
            *descriptor_byte(packet, 3) ^= 0x20;
        }
    });
    assert_eq!(
        told,
        [Violation::Layer {
            frame: 5,
            told: (0, 0),
            real: (0, 1)
        }]
    );
    let contents = damaged(VideoFormat::H264, "L1T1", |pictures| {
        *pictures[5][0].last_mut().expect("long") ^= 1;
    });
    assert!(matches!(contents[0], Violation::Contents { .. }));
    let malformed = damaged(VideoFormat::Vp9, "L1T1", |pictures| {
        pictures[5][0].truncate(14);
    });
    assert_eq!(malformed[0], Violation::Malformed("VP9 descriptor"));
}

#[test]
fn dependency_descriptors_are_true() {
    let value = |damage: fn(&mut [u8])| {
        damaged(VideoFormat::Av1, "L1T2", |pictures| {
            for packet in &mut pictures[5] {
                let header = RtpHeader::parse(packet).expect("well-formed");
                let (_, value) = header
                    .extensions(packet)
                    .find(|(id, _)| *id == DESCRIPTOR)
                    .expect("there");
                let at = value.as_ptr().addr() - packet.as_ptr().addr();
                let len = value.len();
                damage(&mut packet[at..at + len]);
            }
        })
    };
    let number = value(|value| dependency_descriptor::set_frame_number(value, 7));
    assert_eq!(first_number(&number), Some(("frame number", 0x7fe5, 7)));
    let template = value(|value| value[0] = value[0] & 0xc0 | 63);
    assert_eq!(template[0], Violation::Malformed("dependency descriptor"));
    // The template of the frame before: another layer, other references.
    let other = value(|value| value[0] = value[0] & 0xc0 | 1);
    assert!(matches!(
        other[..2],
        [
            Violation::Layer { .. },
            Violation::DescribedReferences { .. }
        ]
    ));
    let none = damaged(VideoFormat::Av1, "L1T2", |pictures| {
        pictures.remove(0);
        renumber(pictures);
    });
    assert_eq!(none[0], Violation::Malformed("no template structure"));
    let absent = damaged(VideoFormat::Av1, "L1T2", |pictures| {
        pictures[5][0][12] ^= 0xff;
    });
    assert_eq!(absent[0], Violation::Malformed("no dependency descriptor"));
}

#[test]
fn frames_of_inactive_decode_targets_are_noticed() {
    let mut full = source(VideoFormat::Av1, mode("L2T1"), 3);
    let mut pictures = vec![full.picture(Duration::ZERO, true)];
    let mut reduced = full.clone();
    reduced.set_spatial_layers(1);
    pictures.push(reduced.picture(SvcSource::PICTURE_TIME, false));
    assert_eq!(check(&mut checker(VideoFormat::Av1), &pictures), []);
    // The mask says that the upper layer is gone, but its next frame comes.
    full.picture(SvcSource::PICTURE_TIME, false);
    pictures.push(full.picture(SvcSource::PICTURE_TIME * 2, false));
    renumber(&mut pictures);
    let violations = check(&mut checker(VideoFormat::Av1), &pictures);
    assert!(
        violations.contains(&Violation::ActiveTargets { frame: 5 }),
        "{violations:?}"
    );
}

#[test]
fn time_goes_forward_at_the_pace_of_the_clock() {
    let shifted = |number: usize, shift: u32| {
        damaged(VideoFormat::Vp8, "L1T1", |pictures| {
            for packet in pictures[number..].iter_mut().flatten() {
                let timestamp = RtpHeader::parse(packet).expect("well-formed").timestamp;
                packet[4..8].copy_from_slice(&timestamp.wrapping_add(shift).to_be_bytes());
            }
        })
    };
    assert!(matches!(
        shifted(9, 0u32.wrapping_sub(3001))[..],
        [Violation::Timestamp { .. }]
    ));
    assert!(matches!(
        shifted(9, 900_000)[..],
        [Violation::Timestamp { .. }]
    ));
    assert_eq!(shifted(9, 500), []);
}

#[test]
fn order_and_repetition_do_not_matter_but_change_does() {
    let pictures = pictures(source(VideoFormat::Vp9, mode("L3T3"), 3), 30);
    let mut packets: Vec<&Vec<u8>> = pictures.iter().flatten().collect();
    for index in (2..packets.len() - 3).step_by(3) {
        packets.swap(index, index + 2);
    }
    let now = Instant::now();
    let mut checker = checker(VideoFormat::Vp9);
    for packet in &packets {
        checker.handle_packet(now, packet);
        checker.handle_packet(now, packet);
    }
    assert_eq!(
        (checker.violations(), checker.picture_count()),
        (&[][..], 30)
    );
    let mut changed = packets[3].clone();
    *changed.last_mut().expect("long") ^= 1;
    checker.handle_packet(now, &changed);
    assert!(matches!(
        checker.violations(),
        [Violation::ChangedPacket(_)]
    ));
}

#[test]
fn freezes_are_counted_unless_they_are_meant() {
    let pictures = pictures(source(VideoFormat::Vp8, mode("L1T1"), 3), 3);
    let run = |is_meant: bool| {
        let start = Instant::now();
        let mut checker = checker(VideoFormat::Vp8);
        for (number, packets) in (0u32..).zip(&pictures) {
            let now = start + STALL * 2 * number;
            if is_meant {
                checker.forgive_gap();
            }
            for packet in packets {
                checker.handle_packet(now, packet);
            }
        }
        checker.stalls().to_vec()
    };
    assert_eq!(run(false), [STALL * 2; 2]);
    assert!(run(true).is_empty());
}
