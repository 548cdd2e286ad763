//! A forwarder that leaves out layers as it should: the receiver has nothing to object.

use super::*;

/// The pictures without what is above a layer, as one that knows the mode would forward them.
fn up_to(
    source: &SvcSource,
    mut pictures: Vec<Vec<Vec<u8>>>,
    highest: (u8, u8),
) -> Vec<Vec<Vec<u8>>> {
    let (format, mode) = (source.config().format, source.config().mode);
    let mut structure = None;
    let independent = mode.dependency == plenum_params::media::SpatialDependency::Never;
    for packets in &mut pictures {
        packets.retain(|packet| {
            let (spatial, temporal) = layer(format, packet, &mut structure);
            let is_needed = if independent {
                spatial == highest.0
            } else {
                spatial <= highest.0
            };
            is_needed && temporal <= highest.1
        });
        if let Some(last) = packets.last_mut() {
            last[1] |= 0x80;
        }
    }
    pictures.retain(|packets| !packets.is_empty());
    renumber(&mut pictures);
    if format == VideoFormat::Vp8 {
        for (number, packets) in (0u16..).zip(&mut pictures) {
            rewrite_vp8(packets, number);
        }
    }
    pictures
}

fn rewrite_vp8(packets: &mut [Vec<u8>], picture_id: u16) {
    for packet in packets {
        let header = RtpHeader::parse(packet).expect("well-formed").header_len;
        let descriptor = vp8::Descriptor::parse(&packet[header..]).expect("well-formed");
        let tl0 = descriptor.tl0_pic_idx.expect("told");
        descriptor.rewrite(&mut packet[header..], picture_id, tl0);
    }
}

#[test]
fn every_layer_can_be_left_out_from_the_start() {
    for (format, mode) in streams() {
        // H.264 packets behind the prefix unit do not tell their layer.
        if format == VideoFormat::H264 {
            continue;
        }
        for spatial in 0..mode.spatial {
            for temporal in 0..mode.temporal {
                let source = source(format, mode, 3);
                let pictures = up_to(&source, pictures(source.clone(), 80), (spatial, temporal));
                let mut checker = checker(format);
                let violations = check(&mut checker, &pictures);
                assert_eq!(
                    violations,
                    [],
                    "{format:?} {mode:?} up to {spatial} {temporal}"
                );
                assert_eq!(checker.picture_count(), pictures.len() as u64);
            }
        }
    }
}

#[test]
fn another_sender_takes_over_at_its_key_picture() {
    let mode = mode("L1T3");
    let mut before = pictures(source(VideoFormat::Vp8, mode, 1), 21);
    let mut after = pictures(source(VideoFormat::Vp8, mode, 2), 60).split_off(40);
    for packets in &mut after {
        for packet in packets {
            // The second sender's picture 40 comes 21 pictures after the first one's picture 0.
            let timestamp = RtpHeader::parse(packet).expect("well-formed").timestamp;
            let moved = timestamp.wrapping_sub(19 * 3000);
            packet[4..8].copy_from_slice(&moved.to_be_bytes());
        }
    }
    let mut tl0 = 0u8;
    before.append(&mut after);
    renumber(&mut before);
    for (number, packets) in (0u16..).zip(&mut before) {
        let is_base = layer(VideoFormat::Vp8, &packets[0], &mut None).1 == 0;
        tl0 = tl0.wrapping_add(u8::from(is_base));
        for packet in packets {
            let header = RtpHeader::parse(packet).expect("well-formed").header_len;
            let descriptor = vp8::Descriptor::parse(&packet[header..]).expect("well-formed");
            descriptor.rewrite(&mut packet[header..], number, tl0);
        }
    }
    let mut accepting = checker(VideoFormat::Vp8);
    assert_eq!(check(&mut accepting, &before), []);
    assert_eq!(accepting.cuts(), 0);
    // Of the last picture of the first sender, the end did not come.
    let mut cut_off = before.clone();
    cut_off[20].pop();
    renumber(&mut cut_off);
    let mut counting = checker(VideoFormat::Vp8);
    let violations = check(&mut counting, &cut_off);
    // Were it the only packet, nothing of the picture would be there, its picture id least of all.
    let is_whole = before[20].len() == 1;
    assert_eq!(
        (violations.is_empty(), counting.cuts()),
        (!is_whole, u32::from(!is_whole))
    );
    // One picture later it is too late.
    before.remove(21);
    renumber(&mut before);
    let mut refusing = checker(VideoFormat::Vp8);
    let violations = check(&mut refusing, &before);
    assert!(
        violations.iter().any(|one| matches!(
            one,
            Violation::Reference {
                source: 2,
                frame: 41,
                ..
            }
        )),
        "{violations:?}"
    );
}
