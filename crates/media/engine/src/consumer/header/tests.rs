use plenum_params::media::{ExtensionId, MediaKind};
use plenum_rtp::RtpHeader;
use proptest::prelude::*;

use super::*;

fn template(extensions: &[(HeaderExtension, u8)]) -> HeaderTemplate {
    HeaderTemplate::new(&SendParameters {
        kind: MediaKind::Video,
        mid: Some("17".into()),
        codecs: Vec::new(),
        extensions: extensions
            .iter()
            .map(|&(extension, id)| ExtensionId { extension, id })
            .collect(),
        ssrc: 1,
        rtx_ssrc: None,
        cname: String::new(),
    })
}

fn header() -> PacketHeader {
    PacketHeader {
        padding: false,
        marker: true,
        payload_type: 101,
        sequence_number: 7,
        timestamp: 90_000,
        ssrc: 0xdead_beef,
    }
}

#[test]
fn written_headers_parse_back() {
    let template = template(&[
        (HeaderExtension::Mid, 1),
        (HeaderExtension::AbsSendTime, 4),
        (HeaderExtension::TransportWideCc, 5),
        (HeaderExtension::VideoOrientation, 8),
        (HeaderExtension::AbsCaptureTime, 10),
    ]);
    let values = ExtensionValues {
        video_orientation: Some(3),
        capture_time: Some(([9; 16], 8)),
        ..ExtensionValues::default()
    };
    let stamp = Stamp {
        abs_send_time: [1, 2, 3],
        transport_sequence: 0x0405,
    };
    let mut buffer = [0xff; 100];
    let len = template.write(&mut buffer, header(), &values, &[], stamp);
    assert_eq!(len, template.header_len(&values, 0));
    let parsed = RtpHeader::parse(&buffer[..len]).expect("our own header");
    assert_eq!(
        (parsed.payload_type, parsed.sequence_number, parsed.ssrc),
        (101, 7, 0xdead_beef)
    );
    assert!(parsed.marker);
    assert_eq!(parsed.header_len, len);
    let extensions: Vec<_> = parsed.extensions(&buffer[..len]).collect();
    assert_eq!(
        extensions,
        [
            (1, &b"17"[..]),
            (4, &[1, 2, 3][..]),
            (5, &[4, 5][..]),
            (8, &[3][..]),
            (10, &[9; 8][..])
        ]
    );
}

#[test]
fn without_extensions_the_header_is_twelve_bytes() {
    let template = template(&[]);
    let mut buffer = [0; 12];
    let stamp = Stamp {
        abs_send_time: [0; 3],
        transport_sequence: 0,
    };
    assert_eq!(
        template.write(
            &mut buffer,
            header(),
            &ExtensionValues::default(),
            &[],
            stamp
        ),
        12
    );
}

/// The extensions that a template writes, in the order in which it writes them.
const WRITTEN: [HeaderExtension; 9] = [
    HeaderExtension::Mid,
    HeaderExtension::AbsSendTime,
    HeaderExtension::TransportWideCc,
    HeaderExtension::AudioLevel,
    HeaderExtension::VideoOrientation,
    HeaderExtension::TransmissionTimeOffset,
    HeaderExtension::PlayoutDelay,
    HeaderExtension::AbsCaptureTime,
    HeaderExtension::DependencyDescriptor,
];

fn values() -> impl Strategy<Value = ExtensionValues> {
    let capture_time = (any::<[u8; 16]>(), prop_oneof![Just(8u8), Just(16)]);
    (
        any::<Option<u8>>(),
        any::<Option<u8>>(),
        any::<Option<[u8; 3]>>(),
        any::<Option<[u8; 3]>>(),
        prop::option::of(capture_time),
    )
        .prop_map(
            |(audio_level, video_orientation, toffset, playout_delay, capture_time)| {
                ExtensionValues {
                    audio_level,
                    video_orientation,
                    toffset,
                    playout_delay,
                    capture_time,
                }
            },
        )
}

fn headers() -> impl Strategy<Value = PacketHeader> {
    (
        any::<bool>(),
        any::<bool>(),
        0u8..128,
        any::<u16>(),
        any::<u32>(),
        any::<u32>(),
    )
        .prop_map(
            |(padding, marker, payload_type, sequence_number, timestamp, ssrc)| PacketHeader {
                padding,
                marker,
                payload_type,
                sequence_number,
                timestamp,
                ssrc,
            },
        )
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(
        // Which extensions were negotiated; ids follow a shuffled order.
        negotiated in prop::collection::vec(any::<bool>(), WRITTEN.len()),
        ids in Just((1u8..15).collect::<Vec<_>>()).prop_shuffle(),
        mid in "[a-z0-9]{0,20}",
        header in headers(),
        values in values(),
        descriptor in prop::collection::vec(any::<u8>(), 0..=255),
        stamp in any::<([u8; 3], u16)>(),
    ) {
        let id_of = |wanted: HeaderExtension| {
            let index = WRITTEN.iter().position(|one| *one == wanted)?;
            negotiated[index].then(|| ids[index])
        };
        let extensions = WRITTEN
            .iter()
            .filter_map(|&extension| Some(ExtensionId { extension, id: id_of(extension)? }));
        let template = HeaderTemplate::new(&SendParameters {
            kind: MediaKind::Video,
            mid: Some(mid.clone()),
            codecs: Vec::new(),
            extensions: extensions.collect(),
            ssrc: 1,
            rtx_ssrc: None,
            cname: String::new(),
        });
        let (abs_send_time, transport_sequence) = stamp;
        let stamp = Stamp { abs_send_time, transport_sequence };
        let mut buffer = [0xff; 400];
        let len = template.write(&mut buffer, header, &values, &descriptor, stamp);
        prop_assert_eq!(len, template.header_len(&values, descriptor.len()));
        let touched = len.max(MAX_IMAGE);
        prop_assert!(buffer[touched..].iter().all(|byte| *byte == 0xff), "nothing far behind the header");
        let mut exact = vec![0xff; len];
        template.write(&mut exact, header, &values, &descriptor, stamp);
        prop_assert_eq!(&exact, &buffer[..len], "the same without room behind it");

        let parsed = RtpHeader::parse(&buffer[..len]).expect("our own header");
        prop_assert_eq!(parsed.header_len, len);
        prop_assert_eq!(
            (parsed.marker, parsed.payload_type, parsed.sequence_number),
            (header.marker, header.payload_type, header.sequence_number)
        );
        prop_assert_eq!((parsed.timestamp, parsed.ssrc), (header.timestamp, header.ssrc));
        prop_assert_eq!(buffer[0] & 0x20 != 0, header.padding);

        let mut expected: Vec<(u8, Vec<u8>)> = Vec::new();
        let mut expect = |extension, value: Option<&[u8]>| {
            if let (Some(id), Some(value)) = (id_of(extension), value) {
                expected.push((id, value.to_vec()));
            }
        };
        let mid = &mid.as_bytes()[..mid.len().min(16)];
        expect(HeaderExtension::Mid, (!mid.is_empty()).then_some(mid));
        expect(HeaderExtension::AbsSendTime, Some(&abs_send_time));
        expect(HeaderExtension::TransportWideCc, Some(&transport_sequence.to_be_bytes()));
        expect(HeaderExtension::AudioLevel, values.audio_level.as_ref().map(std::slice::from_ref));
        expect(
            HeaderExtension::VideoOrientation,
            values.video_orientation.as_ref().map(std::slice::from_ref),
        );
        expect(HeaderExtension::TransmissionTimeOffset, values.toffset.as_ref().map(<[u8; 3]>::as_slice));
        expect(HeaderExtension::PlayoutDelay, values.playout_delay.as_ref().map(<[u8; 3]>::as_slice));
        let capture_time = values.capture_time.as_ref();
        expect(HeaderExtension::AbsCaptureTime, capture_time.map(|(bytes, len)| &bytes[..usize::from(*len)]));
        expect(HeaderExtension::DependencyDescriptor, (!descriptor.is_empty()).then_some(descriptor.as_slice()));
        let read = parsed.extensions(&buffer[..len]);
        let read: Vec<(u8, Vec<u8>)> = read.map(|(id, value)| (id, value.to_vec())).collect();
        prop_assert_eq!(read, expected);
    }
}
