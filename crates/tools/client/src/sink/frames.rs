//! Packets put together to frames.

use std::collections::{BTreeMap, VecDeque};

use plenum_codec::{vp8, vp9};

use super::{ReceivedPacket, Sink, obus::Obus};
use crate::Codec;

/// Packets that wait for one before them. Beyond it that one is given up: a key frame of 1080p.
const MAX_WAITING: usize = 256;

/// Bytes of a frame; longer ones are given up.
const MAX_FRAME: usize = 8 << 20;

/// What decoders take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// RTP timestamp.
    pub timestamp: u32,
    /// Whether a decoder can begin with it.
    pub is_key: bool,
    /// Whether something before it is missing.
    pub follows_loss: bool,
    /// The bitstream: a frame of VP8 or VP9, a packet of Opus, units of H.264 with start codes, or a temporal unit of AV1 as
    /// files have it.
    pub data: Vec<u8>,
}

/// Puts the packets of a stream in order, and their payloads together.
#[derive(Debug)]
pub struct Assembler {
    codec: Codec,
    next: Option<u64>,
    waiting: BTreeMap<u64, Stored>,
    /// The frame that is being put together.
    open: Option<Frame>,
    obus: Obus,
    follows_loss: bool,
    ready: VecDeque<Frame>,
}

#[derive(Debug)]
struct Stored {
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

impl Assembler {
    /// For a stream of this codec.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            obus: Obus::default(),
            next: None,
            waiting: BTreeMap::new(),
            open: None,
            follows_loss: false,
            ready: VecDeque::new(),
        }
    }

    /// Takes a packet by its unwrapped number.
    pub fn push(&mut self, sequence: u64, timestamp: u32, marker: bool, payload: &[u8]) {
        let next = *self.next.get_or_insert(sequence);
        if sequence < next {
            return;
        }
        let stored = Stored {
            timestamp,
            marker,
            payload: payload.to_vec(),
        };
        self.waiting.insert(sequence, stored);
        if self.waiting.len() > MAX_WAITING
            && let Some((&first, _)) = self.waiting.first_key_value()
        {
            self.next = Some(first);
            self.open = None;
            self.follows_loss = true;
        }
        while let Some(entry) = self.waiting.first_entry()
            && Some(*entry.key()) == self.next
        {
            let stored = entry.remove();
            self.next = self.next.and_then(|next| next.checked_add(1));
            self.add(&stored);
        }
    }

    /// The next frame that is whole.
    pub fn poll(&mut self) -> Option<Frame> {
        self.ready.pop_front()
    }

    fn add(&mut self, stored: &Stored) {
        let begins = self
            .open
            .as_ref()
            .is_none_or(|open| open.timestamp != stored.timestamp);
        if begins {
            if !is_beginning(self.codec, &stored.payload) {
                // The rest of a frame whose beginning has gone.
                self.open = None;
                self.follows_loss = true;
                return;
            }
            self.open = Some(Frame {
                timestamp: stored.timestamp,
                is_key: false,
                follows_loss: std::mem::take(&mut self.follows_loss),
                data: Vec::new(),
            });
        }
        let Some(open) = &mut self.open else { return };
        if begins && self.codec == Codec::Av1 {
            self.obus.begin(&mut open.data);
        }
        append(self.codec, open, &mut self.obus, &stored.payload);
        if open.data.len() + self.obus.waiting() > MAX_FRAME {
            self.open = None;
            self.follows_loss = true;
        } else if (stored.marker || self.codec == Codec::Opus)
            && let Some(frame) = self.open.take()
            && self.ready.len() < MAX_WAITING
        {
            self.ready.push_back(frame);
        }
    }
}

/// Whether a frame can begin with this payload.
fn is_beginning(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        // Z: the first element goes on from the packet before.
        Codec::Av1 => payload.first().is_some_and(|head| head & 0x80 == 0),
        Codec::H264 => match payload {
            [head, fragment, ..] if head & 0x1f == 28 => fragment & 0x80 != 0,
            _ => true,
        },
        Codec::Opus => true,
        Codec::Vp8 => vp8::Descriptor::parse(payload)
            .is_ok_and(|it| it.start_of_partition && it.partition_index == 0),
        Codec::Vp9 => vp9::Descriptor::parse(payload).is_ok_and(|it| it.start_of_frame),
    }
}

fn append(codec: Codec, frame: &mut Frame, obus: &mut Obus, payload: &[u8]) {
    match codec {
        Codec::Av1 => {
            frame.is_key |= plenum_codec::av1::is_key_frame(payload);
            obus.push(payload, &mut frame.data);
        }
        Codec::H264 => {
            frame.is_key |= plenum_codec::h264::is_key_frame(payload);
            append_units(&mut frame.data, payload);
        }
        Codec::Opus => frame.data.extend_from_slice(payload),
        Codec::Vp8 => {
            if let Ok(descriptor) = vp8::Descriptor::parse(payload) {
                frame.is_key |= descriptor.is_key_frame;
                let body = payload.get(descriptor.header_len..);
                frame.data.extend(body.unwrap_or_default());
            }
        }
        Codec::Vp9 => {
            if let Ok(descriptor) = vp9::Descriptor::parse(payload) {
                frame.is_key |= descriptor.is_key_frame();
                let body = payload.get(descriptor.header_len..);
                frame.data.extend(body.unwrap_or_default());
            }
        }
    }
}

/// RFC 6184: single units, several in one packet (STAP-A), fragments (FU-A).
fn append_units(data: &mut Vec<u8>, payload: &[u8]) {
    const START: [u8; 4] = [0, 0, 0, 1];
    let Some((&head, mut rest)) = payload.split_first() else {
        return;
    };
    match head & 0x1f {
        24 => {
            while let Some((len, more)) = rest.split_first_chunk() {
                let len = usize::from(u16::from_be_bytes(*len));
                let Some((unit, more)) = more.split_at_checked(len) else {
                    return;
                };
                data.extend(START);
                data.extend(unit);
                rest = more;
            }
        }
        28 => {
            let Some((fragment, body)) = rest.split_first() else {
                return;
            };
            if fragment & 0x80 != 0 {
                data.extend(START);
                data.push(head & 0xe0 | fragment & 0x1f);
            }
            data.extend(body);
        }
        _ => {
            data.extend(START);
            data.extend(payload);
        }
    }
}

/// Gives the frames of a consumer to a function.
pub struct FrameSink<F> {
    assembler: Assembler,
    take: F,
}

impl<F: FnMut(Frame) + Send + 'static> FrameSink<F> {
    /// A sink for a consumer of this codec. The function runs on a media thread: it must be quick and must not block.
    pub fn new(codec: Codec, take: F) -> Self {
        Self {
            assembler: Assembler::new(codec),
            take,
        }
    }
}

impl<F: FnMut(Frame) + Send + 'static> Sink for FrameSink<F> {
    fn packet(&mut self, packet: &ReceivedPacket<'_>) {
        let ReceivedPacket {
            sequence,
            timestamp,
            marker,
            payload,
            ..
        } = *packet;
        self.assembler.push(sequence, timestamp, marker, payload);
        while let Some(frame) = self.assembler.poll() {
            (self.take)(frame);
        }
    }
}
