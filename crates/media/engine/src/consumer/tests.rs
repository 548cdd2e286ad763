//! A producer and a consumer without anything around them: layers change all the time, packets come in any order, and a
//! checker at the receiver's end looks for anything that a decoder would mind.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use plenum_ids::{ConsumerId, ProducerId, RouterId};
use plenum_params::media::{
    ExtensionId, Feedback, HeaderExtension, MediaKind, ReceiveCodec, ReceiveEncoding,
    ReceiveParameters, SendCodec,
};
use plenum_rtp::RtpHeader;
use plenum_testkit::media::{
    PictureChecker, RtpSource, RtpSourceConfig, SvcConfig, SvcMode, SvcSource, VideoFormat,
};
use proptest::prelude::*;

use super::*;
use crate::{packet::ExtensionValues, producer::Arrival};

mod choices;
mod random;

/// Id of the dependency descriptor, towards us and from us.
const DESCRIPTOR: u8 = 12;

const PICTURE: Duration = SvcSource::PICTURE_TIME;

/// How a producer is sent.
#[derive(Clone, Copy, Debug)]
struct Sending {
    format: VideoFormat,
    mode: &'static str,
    streams: u8,
    descriptor: bool,
    long_pattern: bool,
    flexible: bool,
}

const fn sending(format: VideoFormat, mode: &'static str, streams: u8) -> Sending {
    Sending {
        format,
        mode,
        streams,
        descriptor: matches!(format, VideoFormat::Av1),
        long_pattern: matches!(format, VideoFormat::Vp8),
        flexible: false,
    }
}

/// Sender, producer, consumer, receiver.
struct Rig {
    now: Instant,
    elapsed: Duration,
    sources: Vec<SvcSource>,
    extend: Vec<u64>,
    producer: Producer,
    consumer: Consumer,
    receiver: PictureChecker,
    key_frame_due: Vec<Option<u8>>,
    fillers: u32,
    /// Outgoing numbers that the receiver has.
    arrived: BTreeSet<u64>,
}

impl Rig {
    fn new(sending: Sending) -> Self {
        let mode: SvcMode = sending.mode.parse().expect("a mode");
        let source = |index: u8| {
            let rtp = RtpSource::new(RtpSourceConfig {
                ssrc: 1000 + u32::from(index),
                payload_type: 96,
                clock_rate: 90_000,
                first_sequence_number: 65_500 - u16::from(index) * 700,
                first_timestamp: u32::MAX - 100_000 * u32::from(index),
                ..RtpSourceConfig::default()
            });
            let rate = 300_000 << index;
            SvcSource::new(
                rtp,
                SvcConfig {
                    format: sending.format,
                    mode,
                    source: index.into(),
                    bitrates: vec![rate, rate * 2, rate * 3],
                    first_number: 32_700 + 40 * u16::from(index),
                    dependency_descriptor: sending.descriptor.then_some(DESCRIPTOR),
                    long_pattern: sending.long_pattern,
                    flexible: sending.flexible,
                    seed: 1,
                },
            )
        };
        let sources: Vec<_> = (0..sending.streams).map(source).collect();
        let encoding = ReceiveEncoding {
            spatial_layers: mode.spatial,
            temporal_layers: mode.temporal,
            spatial_dependency: mode.dependency,
            ..ReceiveEncoding::default()
        };
        let producer = Producer::new(
            ProducerId::from_u128(1),
            RouterId::from_u128(1),
            0,
            receive_parameters(sending.format, vec![encoding; sources.len()]),
            false,
        );
        let parameters = send_parameters(sending.format, sending.descriptor);
        let id = ConsumerId::from_u128(1);
        let consumer = Consumer::new(id, 0, (0, &producer), parameters, false, 100, 100);
        let descriptor = sending.descriptor.then_some(DESCRIPTOR);
        Self {
            now: Instant::now(),
            elapsed: Duration::ZERO,
            extend: vec![0; sources.len()],
            key_frame_due: vec![None; sources.len()],
            sources,
            producer,
            consumer,
            receiver: PictureChecker::new(sending.format, descriptor, Duration::from_mins(1)),
            fillers: 0,
            arrived: BTreeSet::new(),
        }
    }

    /// The next picture of all streams: stream and packet.
    fn pictures(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut packets = Vec::new();
        for (index, source) in self.sources.iter_mut().enumerate() {
            let due = &mut self.key_frame_due[index];
            let key = *due == Some(0);
            *due = due.and_then(|pictures| pictures.checked_sub(1));
            let picture = source.picture(self.elapsed, key);
            packets.extend(picture.into_iter().map(|packet| (index as u8, packet)));
        }
        self.now += PICTURE;
        self.elapsed += PICTURE;
        packets
    }

    /// Packets arrive in one batch, and whatever is for the consumer reaches its receiver.
    fn deliver(&mut self, packets: &[(u8, Vec<u8>)]) {
        for (stream, packet) in packets {
            self.receive(*stream, packet);
        }
        if self.producer.update_live(self.now) {
            self.retarget();
        }
        self.forward();
    }

    fn receive(&mut self, stream: u8, packet: &[u8]) {
        let header = RtpHeader::parse(packet).expect("our own packet");
        let highest = &mut self.extend[usize::from(stream)];
        // Well above zero, so that late packets have a place.
        let base = if *highest == 0 {
            1 << 20 | u64::from(header.sequence_number)
        } else {
            *highest
        };
        let distance = header
            .sequence_number
            .wrapping_sub(base as u16)
            .cast_signed();
        let sequence = base
            .checked_add_signed(distance.into())
            .expect("far from zero");
        *highest = base.max(sequence);
        let descriptor = header
            .extensions(packet)
            .find(|(id, _)| *id == DESCRIPTOR)
            .map_or(&[][..], |(_, value)| value);
        let meta = PacketMeta {
            timestamp: header.timestamp,
            marker: header.marker,
            ..PacketMeta::default()
        };
        let arrival = Arrival {
            now: self.now,
            sequence,
            payload_type: 96,
            retransmission: false,
        };
        let payload = &packet[header.payload(packet).expect("our own packet")];
        self.producer
            .handle_media(stream, arrival, meta, descriptor, payload);
    }

    /// What the fan-out does with one consumer.
    fn forward(&mut self) {
        for fresh in std::mem::take(&mut self.producer.fresh) {
            self.offer(fresh);
            if let Some((stream, first)) = self.consumer.poll_start(self.now, &self.producer) {
                let highest = self.producer.streams[usize::from(stream)].highest();
                for sequence in first..=highest.expect("packets arrived") {
                    self.offer(Fresh {
                        stream,
                        sequence,
                        empty: false,
                    });
                }
            }
        }
        if self.consumer.missed_key_frame() {
            self.ask();
        }
    }

    fn offer(&mut self, fresh: Fresh) {
        let stream = &self.producer.streams[usize::from(fresh.stream)];
        let Some((meta, ..)) = stream.packet(fresh.sequence) else {
            return;
        };
        let Some(accepted) = self.consumer.accept(self.now, &self.producer, fresh, meta) else {
            return;
        };
        self.fillers += u32::from(accepted.filler);
        assert!(self.arrived.insert(accepted.out), "sent twice");
        self.send(fresh.stream, fresh.sequence, accepted);
    }

    fn send(&mut self, stream: u8, sequence: u64, accepted: Accepted) {
        let stream = &self.producer.streams[usize::from(stream)];
        let (meta, descriptor, payload) = stream.packet(sequence).expect("still here");
        let consumer = &self.consumer;
        let choice = consumer.choice(accepted.out).expect("just sent");
        let epoch = consumer.epoch(accepted.out).expect("just sent");
        let mut payload = payload.to_vec();
        let mut buffer = [0; MAX_DESCRIPTOR];
        let mut descriptor_len = 0;
        if accepted.filler {
            payload.clear();
        } else {
            descriptor_len = consumer.write_descriptor(
                accepted.out,
                descriptor,
                stream.reader.structure(sequence),
                &mut buffer,
            );
            assert!(consumer.rewrite_picture_id(accepted.out, &meta.layer, &mut payload));
        }
        let ends_picture = choice.map_or(meta.marker, |choice| choice.ends_picture(meta));
        let header = PacketHeader {
            padding: false,
            marker: !accepted.filler && ends_picture,
            payload_type: meta.payload_type,
            sequence_number: accepted.out as u16,
            timestamp: epoch.timestamp(meta.timestamp),
            ssrc: 1,
        };
        let stamp = Stamp {
            abs_send_time: [0; 3],
            transport_sequence: 0,
        };
        let mut packet = vec![0; 400];
        let len = consumer.template.write(
            &mut packet,
            header,
            &ExtensionValues::default(),
            &buffer[..descriptor_len],
            stamp,
        );
        packet.truncate(len);
        packet.extend(payload);
        self.receiver.handle_packet(self.now, &packet);
    }

    /// What the receiver misses is sent again, as far as it has come.
    fn repair(&mut self) {
        let (Some(&first), Some(&last)) = (self.arrived.first(), self.arrived.last()) else {
            return;
        };
        for out in (first..last)
            .filter(|out| !self.arrived.contains(out))
            .collect::<Vec<_>>()
        {
            let found = self.consumer.epoch(out).zip(self.consumer.source(out));
            let Some((epoch, sequence)) = found else {
                continue;
            };
            let stream = &self.producer.streams[usize::from(epoch.stream)];
            let (Some((meta, ..)), Ok(choice)) =
                (stream.packet(sequence), self.consumer.choice(out))
            else {
                continue;
            };
            if meta.layer.unknown {
                continue;
            }
            let filler = choice.is_some_and(|choice| !choice.takes(&meta.layer));
            self.arrived.insert(out);
            self.send(epoch.stream, sequence, Accepted { out, filler });
        }
    }

    fn retarget(&mut self) {
        let target = self.consumer.wanted(&self.producer);
        if self.consumer.set_target(target) {
            self.ask();
        }
    }

    /// A key frame of the target's stream comes three pictures later.
    fn ask(&mut self) {
        if let Some(target) = self.consumer.target() {
            self.key_frame_due[usize::from(target.stream)].get_or_insert(3);
        }
    }

    fn prefer(&mut self, spatial: u8, temporal: u8) {
        let layers = Layers {
            spatial,
            temporal: Some(temporal),
        };
        self.consumer.preferred = Some(self.producer.clamp(layers));
        self.retarget();
    }

    /// So many pictures arrive in order.
    fn play(&mut self, pictures: u32) {
        for _ in 0..pictures {
            let packets = self.pictures();
            self.deliver(&packets);
        }
    }

    /// Spatial and temporal layers of the pictures shown since the last call.
    fn shown(&mut self) -> Vec<(u16, u8, u8)> {
        std::iter::from_fn(|| self.receiver.poll_picture())
            .map(|picture| (picture.source, picture.spatial, picture.temporal))
            .collect()
    }

    fn assert_clean(&self) {
        assert_eq!(self.receiver.violations(), []);
        assert!(!self.receiver.is_stuck(), "a gap in the sequence numbers");
    }
}

fn kind(format: VideoFormat) -> CodecKind {
    match format {
        VideoFormat::Av1 => CodecKind::Av1,
        VideoFormat::H264 => CodecKind::H264,
        VideoFormat::Vp9 => CodecKind::Vp9,
        _ => CodecKind::Vp8,
    }
}

fn receive_parameters(format: VideoFormat, encodings: Vec<ReceiveEncoding>) -> ReceiveParameters {
    ReceiveParameters {
        kind: MediaKind::Video,
        mid: None,
        codecs: vec![ReceiveCodec {
            codec: kind(format),
            mime_type: "video/any".into(),
            payload_type: 96,
            mapped_payload_type: 96,
            clock_rate: 90_000,
            rtx_payload_type: None,
            feedback: Feedback::default(),
        }],
        extensions: Vec::new(),
        encodings,
        cname: String::new(),
    }
}

fn send_parameters(format: VideoFormat, descriptor: bool) -> SendParameters {
    let extension = ExtensionId {
        extension: HeaderExtension::DependencyDescriptor,
        id: DESCRIPTOR,
    };
    SendParameters {
        kind: MediaKind::Video,
        mid: Some("0".into()),
        codecs: vec![SendCodec {
            codec: kind(format),
            mime_type: "video/any".into(),
            payload_type: 96,
            own_payload_type: None,
            clock_rate: 90_000,
            rtx_payload_type: Some(97),
            feedback: Feedback::default(),
        }],
        extensions: descriptor.then_some(extension).into_iter().collect(),
        ssrc: 1,
        rtx_ssrc: Some(2),
        cname: String::new(),
    }
}
