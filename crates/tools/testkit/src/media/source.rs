//! RTP packets of one stream, before protection.

use std::time::Duration;

use plenum_rtp::{
    HeaderFields, RtpHeader, RtpWriter,
    ext::{AbsSendTime, AudioLevel, TransportSequence},
};

/// Room for a header with all the extensions that are written here, a long dependency descriptor among them.
const MAX_HEADER: usize = 384;

/// Identifiers of the header extensions that a sender uses, with the values that never change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// Media section.
    pub mid: Option<(u8, String)>,
    /// Simulcast stream.
    pub rid: Option<(u8, String)>,
    /// Loudness (RFC 6464).
    pub audio_level: Option<u8>,
    /// Time of sending.
    pub abs_send_time: Option<u8>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u8>,
}

/// How a stream begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RtpSourceConfig {
    /// SSRC.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Ticks of the RTP clock in a second.
    pub clock_rate: u32,
    /// Of the first packet.
    pub first_sequence_number: u16,
    /// At media time zero.
    pub first_timestamp: u32,
    /// Extensions of every packet.
    pub extensions: ExtensionIds,
}

/// What differs from packet to packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketFields {
    /// Media time from the start of the stream.
    pub elapsed: Duration,
    /// Marker bit.
    pub marker: bool,
    /// Loudness, when the extension is used.
    pub audio_level: Option<AudioLevel>,
}

/// Writes the packets of one stream with consecutive sequence numbers.
#[derive(Clone, Debug)]
pub struct RtpSource {
    config: RtpSourceConfig,
    sequence_number: u16,
}

impl RtpSource {
    /// A stream that begins as `config` says.
    pub fn new(config: RtpSourceConfig) -> Self {
        Self {
            sequence_number: config.first_sequence_number,
            config,
        }
    }

    /// How the stream began.
    pub const fn config(&self) -> &RtpSourceConfig {
        &self.config
    }

    /// Sequence number of the next packet.
    pub const fn next_sequence_number(&self) -> u16 {
        self.sequence_number
    }

    /// The RTP timestamp at a media time.
    pub fn timestamp(&self, elapsed: Duration) -> u32 {
        let ticks = elapsed.as_nanos() * u128::from(self.config.clock_rate) / 1_000_000_000;
        self.config.first_timestamp.wrapping_add(ticks as u32)
    }

    /// Length of the header in front of a payload.
    pub fn header_len(&self, fields: PacketFields) -> usize {
        self.write_header(fields, None, &mut [0; MAX_HEADER])
    }

    /// The next packet. Extensions that say when it is sent are zero until [`Stamper::stamp`].
    pub fn packet(&mut self, fields: PacketFields, payload: &[u8]) -> Vec<u8> {
        self.packet_with(fields, None, payload)
    }

    /// The next packet with one more header extension, its id and value.
    pub fn packet_with(
        &mut self,
        fields: PacketFields,
        extension: Option<(u8, &[u8])>,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut packet = vec![0; MAX_HEADER];
        let header_len = self.write_header(fields, extension, &mut packet);
        packet.truncate(header_len);
        packet.extend(payload);
        self.sequence_number = self.sequence_number.wrapping_add(1);
        packet
    }

    fn write_header(
        &self,
        fields: PacketFields,
        extension: Option<(u8, &[u8])>,
        buffer: &mut [u8],
    ) -> usize {
        let header = HeaderFields {
            marker: fields.marker,
            payload_type: self.config.payload_type,
            sequence_number: self.sequence_number,
            timestamp: self.timestamp(fields.elapsed),
            ssrc: self.config.ssrc,
            padding: false,
        };
        let ids = &self.config.extensions;
        let mut writer = RtpWriter::begin(buffer, header).expect("room for a header");
        let mut push = |id: u8, value: &[u8]| {
            let pushed = writer.push_extension(id, value);
            pushed.expect("room for all extensions");
        };
        for (id, name) in [&ids.mid, &ids.rid].into_iter().flatten() {
            push(*id, name.as_bytes());
        }
        if let (Some(id), Some(level)) = (ids.audio_level, fields.audio_level) {
            push(id, &level.to_bytes());
        }
        if let Some(id) = ids.abs_send_time {
            push(id, &[0; 3]);
        }
        if let Some(id) = ids.transport_cc {
            push(id, &[0; 2]);
        }
        if let Some((id, value)) = extension {
            push(id, value);
        }
        writer.finish()
    }
}

/// Fills in what is known only when a packet leaves; one for all streams of a transport.
#[derive(Clone, Debug, Default)]
pub struct Stamper {
    /// The next transport-wide sequence number.
    pub next_transport_sequence: u16,
}

impl Stamper {
    /// Writes time and transport-wide number into the extensions of a packet of `source`.
    pub fn stamp(&mut self, ids: &ExtensionIds, packet: &mut [u8], since_epoch: Duration) {
        if let Some(at) = ids.abs_send_time.and_then(|id| position(packet, id, 3)) {
            packet[at..at + 3].copy_from_slice(&AbsSendTime::from_duration(since_epoch).to_bytes());
        }
        if let Some(at) = ids.transport_cc.and_then(|id| position(packet, id, 2)) {
            packet[at..at + 2]
                .copy_from_slice(&TransportSequence(self.next_transport_sequence).to_bytes());
            self.next_transport_sequence = self.next_transport_sequence.wrapping_add(1);
        }
    }
}

/// Where the value of an extension lies in a packet.
fn position(packet: &[u8], id: u8, len: usize) -> Option<usize> {
    let header = RtpHeader::parse(packet).ok()?;
    let (_, value) = header
        .extensions(packet)
        .find(|(found, value)| *found == id && value.len() == len)?;
    Some(value.as_ptr().addr() - packet.as_ptr().addr())
}
