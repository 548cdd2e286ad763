//! RTP headers towards one receiver: what is the same in every packet is prepared once.

use plenum_params::media::{HeaderExtension, SendParameters};

use plenum_prefetch::{prefetch, prefetch_all};

use crate::packet::ExtensionValues;

/// Profile of the one-byte extension form, RFC 8285 §4.2. Router capabilities use ids 1–14 only.
const ONE_BYTE_PROFILE: [u8; 2] = [0xbe, 0xde];

/// Profile of the two-byte form, RFC 8285 §4.3, for dependency descriptors that bring a structure.
const TWO_BYTE_PROFILE: [u8; 2] = [0x10, 0x00];

/// Longest value of the one-byte form.
const ONE_BYTE_MAX: usize = 16;

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
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence_number: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
}

/// Bytes of the elements that every packet carries: MID of 16 bytes, three and two bytes, with heads of two.
const MAX_FIXED: usize = 28;

/// Longest header that consists of them alone, in the one-byte form.
const MAX_IMAGE: usize = FIXED_HEADER + BLOCK_HEADER + MAX_FIXED - 4;

/// Extension ids of a consumer and the elements that every packet carries.
#[derive(Clone, Debug)]
pub(crate) struct HeaderTemplate {
    /// The header of a packet that carries nothing else, which most do: only numbers are missing in it.
    image: [u8; MAX_IMAGE],
    image_len: u8,
    fixed: FixedElements,
    /// The same in the two-byte form, where it may be needed.
    wide: Option<Box<FixedElements>>,
    audio_level: u8,
    video_orientation: u8,
    toffset: u8,
    playout_delay: u8,
    capture_time: u8,
    descriptor: u8,
}

/// `mid`, `abs-send-time` and transport-wide sequence elements with zeros where the stamp goes.
#[derive(Clone, Copy, Debug, Default)]
struct FixedElements {
    bytes: [u8; MAX_FIXED],
    len: u8,
    abs_send_time_at: Option<u8>,
    transport_sequence_at: Option<u8>,
}

impl FixedElements {
    fn new(parameters: &SendParameters, two_byte: bool) -> Self {
        let mut fixed = Self::default();
        let mid = parameters.mid.as_deref().unwrap_or_default().as_bytes();
        let mid = &mid[..mid.len().min(ONE_BYTE_MAX)];
        if !mid.is_empty() {
            fixed.push(id(parameters, HeaderExtension::Mid), mid, two_byte);
        }
        let send_time = id(parameters, HeaderExtension::AbsSendTime);
        fixed.abs_send_time_at = fixed.push(send_time, &[0; 3], two_byte);
        let sequence = id(parameters, HeaderExtension::TransportWideCc);
        fixed.transport_sequence_at = fixed.push(sequence, &[0; 2], two_byte);
        fixed
    }

    /// Adds an element, if it was negotiated, and returns where its value lies.
    fn push(&mut self, id: u8, value: &[u8], two_byte: bool) -> Option<u8> {
        if id == 0 {
            return None;
        }
        let (head, head_len) = element_head(id, value.len(), two_byte);
        let at = usize::from(self.len) + head_len;
        let end = at + value.len();
        // `MAX_FIXED` has room for all that is ever added.
        let element = self.bytes.get_mut(usize::from(self.len)..end)?;
        element[..head_len].copy_from_slice(&head[..head_len]);
        element[head_len..].copy_from_slice(value);
        self.len = end as u8;
        Some(at as u8)
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }

    /// Writes what changes with every packet; `block` begins with these elements.
    #[inline]
    fn stamp(&self, block: &mut [u8], stamp: Stamp) {
        let mut put = |at: Option<u8>, value: &[u8]| {
            if let Some(at) = at.map(usize::from)
                && let Some(place) = block.get_mut(at..at + value.len())
            {
                place.copy_from_slice(value);
            }
        };
        put(self.abs_send_time_at, &stamp.abs_send_time);
        put(
            self.transport_sequence_at,
            &stamp.transport_sequence.to_be_bytes(),
        );
    }
}

impl HeaderTemplate {
    pub(crate) fn new(parameters: &SendParameters) -> Self {
        let descriptor = id(parameters, HeaderExtension::DependencyDescriptor);
        let fixed = FixedElements::new(parameters, false);
        let (image, image_len) = image(&fixed);
        Self {
            image,
            image_len,
            fixed,
            wide: (descriptor != 0).then(|| Box::new(FixedElements::new(parameters, true))),
            audio_level: id(parameters, HeaderExtension::AudioLevel),
            video_orientation: id(parameters, HeaderExtension::VideoOrientation),
            toffset: id(parameters, HeaderExtension::TransmissionTimeOffset),
            playout_delay: id(parameters, HeaderExtension::PlayoutDelay),
            capture_time: id(parameters, HeaderExtension::AbsCaptureTime),
            descriptor,
        }
    }

    /// Asks for all of it: see [`prefetching`](crate::prefetching).
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch_all(&self.image);
        prefetch(&self.fixed);
        prefetch(&self.descriptor);
    }

    /// Whether packets carry a transport-wide sequence number.
    pub(crate) fn is_sequenced(&self) -> bool {
        self.fixed.transport_sequence_at.is_some()
    }

    /// Whether packets carry the dependency descriptor.
    pub(crate) fn has_descriptor(&self) -> bool {
        self.descriptor != 0
    }

    /// Size of the header of a packet with these extension values and a dependency descriptor of this length, 0 without.
    #[inline]
    pub(crate) fn header_len(&self, values: &ExtensionValues, descriptor_len: usize) -> usize {
        if descriptor_len == 0 && values.is_empty() {
            return self.image_len.into();
        }
        let elements = self.elements_len(values, descriptor_len);
        if elements == 0 {
            FIXED_HEADER
        } else {
            FIXED_HEADER + BLOCK_HEADER + elements.next_multiple_of(4)
        }
    }

    /// The elements of every packet, if the block has to have the two-byte form.
    fn wide(&self, descriptor_len: usize) -> Option<&FixedElements> {
        self.wide
            .as_deref()
            .filter(|_| descriptor_len > ONE_BYTE_MAX)
    }

    fn elements_len(&self, values: &ExtensionValues, descriptor_len: usize) -> usize {
        let wide = self.wide(descriptor_len);
        let head = if wide.is_some() { 2 } else { 1 };
        let element = |id: u8, len: Option<usize>| {
            if id == 0 {
                0
            } else {
                len.map_or(0, |len| head + len)
            }
        };
        wide.unwrap_or(&self.fixed).bytes().len()
            + element(self.audio_level, values.audio_level.map(|_| 1))
            + element(self.video_orientation, values.video_orientation.map(|_| 1))
            + element(self.toffset, values.toffset.map(|_| 3))
            + element(self.playout_delay, values.playout_delay.map(|_| 3))
            + element(
                self.capture_time,
                values.capture_time.map(|(_, len)| usize::from(len)),
            )
            + element(self.descriptor, Some(descriptor_len).filter(|len| *len > 0))
    }

    /// Writes the header into `buffer`, which has at least [`Self::header_len`] bytes, and returns its size. What lies behind
    /// the header, up to [`MAX_IMAGE`] bytes from the start, may be overwritten: the payload comes there afterwards.
    #[inline]
    pub(crate) fn write(
        &self,
        buffer: &mut [u8],
        header: PacketHeader,
        values: &ExtensionValues,
        descriptor: &[u8],
        stamp: Stamp,
    ) -> usize {
        if descriptor.is_empty()
            && values.is_empty()
            && let Some(place) = buffer.first_chunk_mut::<MAX_IMAGE>()
        {
            *place = self.image;
            place[0] |= u8::from(header.padding) << 5;
            header.write(place);
            self.fixed
                .stamp(&mut place[FIXED_HEADER + BLOCK_HEADER..], stamp);
            return self.image_len.into();
        }
        self.write_all(buffer, header, values, descriptor, stamp)
    }

    fn write_all(
        &self,
        buffer: &mut [u8],
        header: PacketHeader,
        values: &ExtensionValues,
        descriptor: &[u8],
        stamp: Stamp,
    ) -> usize {
        let elements = self.elements_len(values, descriptor.len());
        buffer[0] = 0x80 | u8::from(header.padding) << 5 | u8::from(elements > 0) << 4;
        if let Some(fixed) = buffer.first_chunk_mut::<FIXED_HEADER>() {
            header.write(fixed);
        }
        if elements == 0 {
            return FIXED_HEADER;
        }
        let padded = elements.next_multiple_of(4);
        let wide = self.wide(descriptor.len());
        let (fixed, profile) = match wide {
            Some(wide) => (wide, TWO_BYTE_PROFILE),
            None => (&self.fixed, ONE_BYTE_PROFILE),
        };
        buffer[12..14].copy_from_slice(&profile);
        buffer[14..16].copy_from_slice(&((padded / 4) as u16).to_be_bytes());
        let block = &mut buffer[16..16 + padded];
        let mut at = fixed.bytes().len();
        block[..at].copy_from_slice(fixed.bytes());
        fixed.stamp(block, stamp);
        let mut push = |id: u8, value: &[u8]| {
            if id != 0 {
                let (head, len) = element_head(id, value.len(), wide.is_some());
                block[at..at + len].copy_from_slice(&head[..len]);
                at += len;
                block[at..at + value.len()].copy_from_slice(value);
                at += value.len();
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
        if !descriptor.is_empty() {
            push(self.descriptor, descriptor);
        }
        block[at..].fill(0);
        FIXED_HEADER + BLOCK_HEADER + padded
    }
}

impl PacketHeader {
    /// Writes what follows the first byte.
    #[inline]
    fn write<const N: usize>(&self, buffer: &mut [u8; N]) {
        const { assert!(N >= FIXED_HEADER) };
        buffer[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        buffer[2..4].copy_from_slice(&self.sequence_number.to_be_bytes());
        buffer[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        buffer[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// The header of a packet that carries these elements alone, and its length.
fn image(fixed: &FixedElements) -> ([u8; MAX_IMAGE], u8) {
    let mut image = [0; MAX_IMAGE];
    image[0] = 0x80;
    if fixed.len == 0 {
        return (image, FIXED_HEADER as u8);
    }
    let len = fixed.len.next_multiple_of(4);
    image[0] |= 0x10;
    image[12..14].copy_from_slice(&ONE_BYTE_PROFILE);
    image[15] = len / 4;
    for (place, byte) in image[16..].iter_mut().zip(fixed.bytes()) {
        *place = *byte;
    }
    (image, FIXED_HEADER as u8 + BLOCK_HEADER as u8 + len)
}

/// The id of an extension, 0 when it is not written.
fn id(parameters: &SendParameters, wanted: HeaderExtension) -> u8 {
    let mut extensions = parameters.extensions.iter();
    let found = extensions.find(|entry| entry.extension == wanted);
    found.map_or(0, |entry| entry.id).min(15) % 15
}

/// What precedes a value, and how many bytes of it count. Values of the one-byte form have 1–16 bytes.
fn element_head(id: u8, len: usize, two_byte: bool) -> ([u8; 2], usize) {
    if two_byte {
        ([id, len as u8], 2)
    } else {
        ([id << 4 | (len as u8).wrapping_sub(1) & 0x0f, 0], 1)
    }
}

#[cfg(test)]
mod tests;
