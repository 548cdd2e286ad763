//! Headers read, written, and written as read.

use proptest::prelude::*;

use super::*;

fn fields() -> HeaderFields {
    HeaderFields {
        marker: true,
        payload_type: 96,
        sequence_number: 0x1234,
        timestamp: 0x5678_9abc,
        ssrc: 0xdead_beef,
        padding: false,
    }
}

fn write(fields: HeaderFields, elements: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let len = RtpWriter::header_len(elements.iter().map(|(id, value)| (*id, value.len())));
    // Rubbish behind the header must neither be needed nor be left in its padding.
    let mut buf = vec![0xaa; len];
    let mut writer = RtpWriter::begin(&mut buf, fields).expect("room for the fixed header");
    for (id, value) in elements {
        writer
            .push_extension(*id, value)
            .expect("room for the element");
    }
    assert_eq!(writer.finish(), len);
    buf
}

#[test]
fn fixed_header_is_read() {
    let header = RtpHeader::parse(&write(fields(), &[])).expect("a header");
    assert!(header.marker && !header.has_extension && !header.has_padding);
    assert_eq!((header.payload_type, header.sequence_number), (96, 0x1234));
    assert_eq!(
        (header.timestamp, header.ssrc, header.header_len),
        (0x5678_9abc, 0xdead_beef, 12)
    );
}

#[test]
fn csrcs_shift_the_extension_block() {
    let packet = [
        0x92, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, // fixed
        0, 0, 0, 4, 0, 0, 0, 5, // sources
        0xbe, 0xde, 0, 1, 0x10, 0x77, 0, 0, // extension
        9,
    ];
    let header = RtpHeader::parse(&packet).expect("a header");
    assert_eq!(header.header_len, 28);
    assert_eq!(header.csrcs(&packet).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(
        header.extensions(&packet).collect::<Vec<_>>(),
        [(1, &[0x77][..])]
    );
    assert_eq!(header.payload(&packet), Ok(28..29));
    for len in 0..28 {
        assert_eq!(RtpHeader::parse(&packet[..len]), Err(RtpError::TooShort));
    }
}

#[test]
fn other_versions_are_refused() {
    let mut packet = write(fields(), &[]);
    packet[0] = 0x40;
    assert_eq!(RtpHeader::parse(&packet), Err(RtpError::Version));
}

#[test]
fn padding_is_removed_only_when_it_fits() {
    let mut packet = write(
        HeaderFields {
            padding: true,
            ..fields()
        },
        &[],
    );
    let header = RtpHeader::parse(&packet).expect("a header");
    assert_eq!(header.payload(&packet), Err(RtpError::Padding));
    packet.extend([7, 7, 7, 2]);
    assert_eq!(header.payload(&packet), Ok(12..14));
    packet[15] = 4;
    assert_eq!(header.payload(&packet), Ok(12..12));
    packet[15] = 5;
    assert_eq!(header.payload(&packet), Err(RtpError::Padding));
    packet[15] = 0;
    assert_eq!(header.payload(&packet), Err(RtpError::Padding));
    assert_eq!(header.payload(&packet[..4]), Err(RtpError::TooShort));
}

fn elements_of(profile: u16, block: &[u8]) -> Vec<(u8, Vec<u8>)> {
    ExtensionIter::new(profile, block)
        .map(|(id, value)| (id, value.to_vec()))
        .collect()
}

#[test]
fn one_byte_blocks_end_at_reserved_ids() {
    assert_eq!(
        elements_of(0xbede, &[0x10, 1, 0, 0x21, 2, 3, 0, 0]),
        [(1, vec![1]), (2, vec![2, 3])]
    );
    assert_eq!(
        elements_of(0xbede, &[0x10, 1, 0xf0, 1, 0x20, 2]),
        [(1, vec![1])]
    );
    assert_eq!(
        elements_of(0xbede, &[0x10, 1, 0x02, 1, 0x20, 2]),
        [(1, vec![1])]
    );
    // The last element is cut off.
    assert_eq!(
        elements_of(0xbede, &[0x10, 1, 0x23, 1, 1, 1]),
        [(1, vec![1])]
    );
}

#[test]
fn two_byte_blocks_allow_empty_values_and_high_ids() {
    assert_eq!(
        elements_of(0x100f, &[1, 0, 0, 200, 2, 5, 6, 0]),
        [(1, vec![]), (200, vec![5, 6])]
    );
    assert_eq!(elements_of(0x1000, &[1, 9, 1]), []);
    assert_eq!(elements_of(0x1000, &[1]), []);
    assert_eq!(elements_of(0x1234, &[1, 1, 1, 1]), []);
}

#[test]
fn the_form_follows_the_elements() {
    let one = write(fields(), &[(14, vec![1; 16])]);
    assert_eq!(one[12..14], [0xbe, 0xde]);
    for element in [(15, vec![1]), (1, vec![]), (1, vec![1; 17])] {
        let two = write(fields(), &[(3, vec![9, 9]), element]);
        assert_eq!(two[12..14], [0x10, 0x00]);
    }
}

#[test]
fn what_cannot_be_written_leaves_the_header_whole() {
    let mut buf = [0; 20];
    assert!(matches!(
        RtpWriter::begin(&mut buf[..11], fields()),
        Err(RtpError::NoSpace)
    ));
    let mut writer = RtpWriter::begin(&mut buf, fields()).expect("room");
    assert_eq!(writer.push_extension(0, &[1]), Err(RtpError::Extension));
    assert_eq!(
        writer.push_extension(1, &[0; 256]),
        Err(RtpError::Extension)
    );
    writer.push_extension(1, &[7]).expect("room");
    assert_eq!(writer.push_extension(2, &[1, 2]), Err(RtpError::NoSpace));
    assert_eq!(writer.push_extension(20, &[]), Err(RtpError::NoSpace));
    writer.push_extension(2, &[8]).expect("room");
    assert_eq!(writer.finish(), 20);
    let header = RtpHeader::parse(&buf).expect("a header");
    assert_eq!(
        header.extensions(&buf).collect::<Vec<_>>(),
        [(1, &[7][..]), (2, &[8][..])]
    );
}

prop_compose! {
    fn any_fields()(marker: bool, payload_type in 0u8..128, sequence_number: u16, timestamp: u32, ssrc: u32, padding: bool) -> HeaderFields {
        HeaderFields { marker, payload_type, sequence_number, timestamp, ssrc, padding }
    }
}

proptest! {
    #[test]
    fn written_headers_are_read_back(
        fields in any_fields(),
        elements in prop::collection::vec((1u8..20, prop::collection::vec(any::<u8>(), 0..20)), 0..12),
        payload in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut packet = write(fields, &elements);
        let header_len = packet.len();
        packet.extend(&payload);
        let header = RtpHeader::parse(&packet).expect("our own header");
        let read = HeaderFields {
            marker: header.marker,
            payload_type: header.payload_type,
            sequence_number: header.sequence_number,
            timestamp: header.timestamp,
            ssrc: header.ssrc,
            padding: header.has_padding,
        };
        prop_assert_eq!(read, fields);
        prop_assert_eq!(header.header_len, header_len);
        let read: Vec<_> = header.extensions(&packet).map(|(id, value)| (id, value.to_vec())).collect();
        prop_assert_eq!(read, elements);
        if !fields.padding {
            prop_assert_eq!(header.payload(&packet), Ok(header_len..packet.len()));
        }
    }

    #[test]
    fn any_bytes_are_survived(data in prop::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzzing::fuzz_rtp(&data);
    }

    #[test]
    fn any_bytes_of_version_2_are_survived(mut data in prop::collection::vec(any::<u8>(), 20..200), two_byte: bool) {
        data[0] = 0x90 | data[0] & 0x2f;
        let at = 12 + usize::from(data[0] & 0x0f) * 4;
        if let Some(head) = data.get_mut(at..at + 3) {
            head.copy_from_slice(&[if two_byte { 0x10 } else { 0xbe }, if two_byte { 0 } else { 0xde }, 0]);
        }
        crate::fuzzing::fuzz_rtp(&data);
    }
}
