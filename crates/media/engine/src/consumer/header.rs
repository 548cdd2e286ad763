//! RTP headers towards one receiver: what is the same in every packet is prepared once.

use plenum_params::media::{HeaderExtension, SendParameters};

use crate::packet::{ExtensionValues, PacketMeta};

/// Profile of the one-byte extension form, RFC 8285 §4.2. Router capabilities use ids 1–14 only.
const ONE_BYTE_PROFILE: [u8; 2] = [0xbe, 0xde];

/// Fixed RTP header, RFC 3550 §5.1.
const FIXED_HEADER: usize = 12;

/// Extension block header: profile and length in words.
const BLOCK_HEADER: usize = 4;

/// Per-transport values that change with every packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) abs_send_time: [u8; 3],
    pub(crate) transport_sequence: u16,
}

/// Header of one packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketHeader {
    pub(crate) padding: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

/// Extension ids of a consumer and the elements that every packet carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderTemplate {
    /// `mid`, `abs-send-time` and transport-wide sequence elements with zeros where the stamp goes.
    fixed: Vec<u8>,
    abs_send_time_at: Option<usize>,
    transport_sequence_at: Option<usize>,
    audio_level: u8,
    video_orientation: u8,
    toffset: u8,
    playout_delay: u8,
    capture_time: u8,
}

impl HeaderTemplate {
    pub(crate) fn new(parameters: &SendParameters) -> Self {
        let id = |wanted| {
            let found = parameters
                .extensions
                .iter()
                .find(|entry| entry.extension == wanted);
            found.map_or(0, |entry| entry.id).min(15) % 15
        };
        let mut template = Self {
            audio_level: id(HeaderExtension::AudioLevel),
            video_orientation: id(HeaderExtension::VideoOrientation),
            toffset: id(HeaderExtension::TransmissionTimeOffset),
            playout_delay: id(HeaderExtension::PlayoutDelay),
            capture_time: id(HeaderExtension::AbsCaptureTime),
            ..Self::default()
        };
        let fixed = &mut template.fixed;
        if let (id @ 1.., Some(mid)) = (id(HeaderExtension::Mid), &parameters.mid) {
            let value = &mid.as_bytes()[..mid.len().min(16)];
            if !value.is_empty() {
                fixed.push(id << 4 | (value.len() as u8 - 1));
                fixed.extend_from_slice(value);
            }
        }
        if let id @ 1.. = id(HeaderExtension::AbsSendTime) {
            fixed.push(id << 4 | 2);
            template.abs_send_time_at = Some(fixed.len());
            fixed.extend_from_slice(&[0; 3]);
        }
        if let id @ 1.. = id(HeaderExtension::TransportWideCc) {
            fixed.push(id << 4 | 1);
            template.transport_sequence_at = Some(fixed.len());
            fixed.extend_from_slice(&[0; 2]);
        }
        template
    }

    /// Whether packets carry a transport-wide sequence number.
    pub(crate) fn is_sequenced(&self) -> bool {
        self.transport_sequence_at.is_some()
    }

    /// Size of the header of a packet with these extension values.
    pub(crate) fn header_len(&self, values: &ExtensionValues) -> usize {
        let elements = self.elements_len(values);
        if elements == 0 {
            FIXED_HEADER
        } else {
            FIXED_HEADER + BLOCK_HEADER + elements.next_multiple_of(4)
        }
    }

    fn elements_len(&self, values: &ExtensionValues) -> usize {
        let element = |id: u8, len: Option<usize>| {
            if id == 0 {
                0
            } else {
                len.map_or(0, |len| 1 + len)
            }
        };
        self.fixed.len()
            + element(self.audio_level, values.audio_level.map(|_| 1))
            + element(self.video_orientation, values.video_orientation.map(|_| 1))
            + element(self.toffset, values.toffset.map(|_| 3))
            + element(self.playout_delay, values.playout_delay.map(|_| 3))
            + element(
                self.capture_time,
                values.capture_time.map(|(_, len)| usize::from(len)),
            )
    }

    /// Writes the header into `buffer`, which has at least [`Self::header_len`] bytes, and returns its size.
    pub(crate) fn write(
        &self,
        buffer: &mut [u8],
        header: PacketHeader,
        meta: &PacketMeta,
        stamp: Stamp,
    ) -> usize {
        let values = &meta.extensions;
        let elements = self.elements_len(values);
        buffer[0] = 0x80 | u8::from(header.padding) << 5 | u8::from(elements > 0) << 4;
        buffer[1] = u8::from(meta.marker) << 7 | header.payload_type & 0x7f;
        buffer[2..4].copy_from_slice(&header.sequence_number.to_be_bytes());
        buffer[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
        buffer[8..12].copy_from_slice(&header.ssrc.to_be_bytes());
        if elements == 0 {
            return FIXED_HEADER;
        }
        let padded = elements.next_multiple_of(4);
        buffer[12..14].copy_from_slice(&ONE_BYTE_PROFILE);
        buffer[14..16].copy_from_slice(&((padded / 4) as u16).to_be_bytes());
        let block = &mut buffer[16..16 + padded];
        block[..self.fixed.len()].copy_from_slice(&self.fixed);
        if let Some(at) = self.abs_send_time_at {
            block[at..at + 3].copy_from_slice(&stamp.abs_send_time);
        }
        if let Some(at) = self.transport_sequence_at {
            block[at..at + 2].copy_from_slice(&stamp.transport_sequence.to_be_bytes());
        }
        let mut at = self.fixed.len();
        let mut push = |id: u8, value: &[u8]| {
            if id != 0 {
                block[at] = id << 4 | (value.len() as u8 - 1);
                block[at + 1..at + 1 + value.len()].copy_from_slice(value);
                at += 1 + value.len();
            }
        };
        if let Some(level) = values.audio_level {
            push(self.audio_level, &[level]);
        }
        if let Some(orientation) = values.video_orientation {
            push(self.video_orientation, &[orientation]);
        }
        if let Some(toffset) = values.toffset {
            push(self.toffset, &toffset);
        }
        if let Some(delay) = values.playout_delay {
            push(self.playout_delay, &delay);
        }
        if let Some((bytes, len)) = values.capture_time {
            push(self.capture_time, &bytes[..usize::from(len)]);
        }
        block[at..].fill(0);
        FIXED_HEADER + BLOCK_HEADER + padded
    }
}

#[cfg(test)]
mod tests {
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
        let mut meta = PacketMeta {
            marker: true,
            ..PacketMeta::default()
        };
        meta.extensions.video_orientation = Some(3);
        meta.extensions.capture_time = Some(([9; 16], 8));
        let stamp = Stamp {
            abs_send_time: [1, 2, 3],
            transport_sequence: 0x0405,
        };
        let mut buffer = [0xff; 100];
        let len = template.write(&mut buffer, header(), &meta, stamp);
        assert_eq!(len, template.header_len(&meta.extensions));
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
            template.write(&mut buffer, header(), &PacketMeta::default(), stamp),
            12
        );
    }

    /// The extensions that a template writes, in the order in which it writes them.
    const WRITTEN: [HeaderExtension; 8] = [
        HeaderExtension::Mid,
        HeaderExtension::AbsSendTime,
        HeaderExtension::TransportWideCc,
        HeaderExtension::AudioLevel,
        HeaderExtension::VideoOrientation,
        HeaderExtension::TransmissionTimeOffset,
        HeaderExtension::PlayoutDelay,
        HeaderExtension::AbsCaptureTime,
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
            0u8..128,
            any::<u16>(),
            any::<u32>(),
            any::<u32>(),
        )
            .prop_map(
                |(padding, payload_type, sequence_number, timestamp, ssrc)| PacketHeader {
                    padding,
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
            marker: bool,
            values in values(),
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
            let meta = PacketMeta { marker, extensions: values, ..PacketMeta::default() };
            let (abs_send_time, transport_sequence) = stamp;
            let stamp = Stamp { abs_send_time, transport_sequence };
            let mut buffer = [0xff; 128];
            let len = template.write(&mut buffer, header, &meta, stamp);
            prop_assert_eq!(len, template.header_len(&values));
            prop_assert!(buffer[len..].iter().all(|byte| *byte == 0xff), "nothing behind the header");

            let parsed = RtpHeader::parse(&buffer[..len]).expect("our own header");
            prop_assert_eq!(parsed.header_len, len);
            prop_assert_eq!(
                (parsed.marker, parsed.payload_type, parsed.sequence_number),
                (marker, header.payload_type, header.sequence_number)
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
            let read = parsed.extensions(&buffer[..len]);
            let read: Vec<(u8, Vec<u8>)> = read.map(|(id, value)| (id, value.to_vec())).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
