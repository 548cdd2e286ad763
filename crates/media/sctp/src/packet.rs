//! The frame of SCTP packets (RFC 9260 §3): a common header, then chunks.

use bytes::{BufMut, Bytes, BytesMut};
use crc::{CRC_32_ISCSI, Crc, Table};

use crate::MAX_PACKET;

/// Bytes of the common header.
pub(crate) const HEADER: usize = 12;

/// Bytes in front of a chunk's value.
pub(crate) const CHUNK_HEADER: usize = 4;

pub(crate) const DATA: u8 = 0;
pub(crate) const INIT: u8 = 1;
pub(crate) const INIT_ACK: u8 = 2;
pub(crate) const SACK: u8 = 3;
pub(crate) const ABORT: u8 = 6;
pub(crate) const SHUTDOWN: u8 = 7;
pub(crate) const RECONFIG: u8 = 130;
pub(crate) const FORWARD_TSN: u8 = 192;

/// Bytes of a SACK before its gap blocks, the chunk's header included.
pub(crate) const SACK_FIXED: usize = 16;

const CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// A chunk of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// Behind its header, without padding.
    pub(crate) value: &'a [u8],
    /// All of it, with padding as far as there is any.
    pub(crate) whole: &'a [u8],
}

/// The chunks of a packet, until one does not fit into it, which gives an error and ends them.
#[derive(Debug)]
pub(crate) struct Chunks<'a>(&'a [u8]);

/// A chunk is longer than the packet, or shorter than its own header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Chunks<'a> {
    /// Those of a whole packet.
    pub(crate) fn of(packet: &'a [u8]) -> Result<Self, Malformed> {
        packet.get(HEADER..).map(Self).ok_or(Malformed)
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Chunk<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.0);
        let Some(&[kind, flags, high, low]) = rest.first_chunk::<CHUNK_HEADER>() else {
            return Some(Err(Malformed));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(value) = rest.get(CHUNK_HEADER..length) else {
            return Some(Err(Malformed));
        };
        let padded = length.next_multiple_of(4).min(rest.len());
        let (whole, rest) = rest.split_at(padded);
        self.0 = rest;
        Some(Ok(Chunk {
            kind,
            flags,
            value,
            whole,
        }))
    }
}

/// A big-endian number at an offset.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// The same with 16 bits.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

/// Divides a packet of ours into ones of at most [`MAX_PACKET`] bytes, between chunks. A SACK that is longer by itself says
/// less: what is left out of it counts as not received yet, and is named when the rest has been filled in (RFC 9260
/// §3.3.4). Any other chunk that is too long by itself is left out.
pub fn split(packet: Bytes, mut out: impl FnMut(Bytes)) {
    if packet.len() <= MAX_PACKET {
        out(packet);
        return;
    }
    let Some(header) = packet.first_chunk::<HEADER>() else {
        return;
    };
    let mut part = BytesMut::new();
    for chunk in Chunks::of(&packet).into_iter().flatten().flatten() {
        let shortened;
        let mut bytes = chunk.whole;
        if bytes.len() > MAX_PACKET - HEADER {
            let Some(sack) = shortened_sack(&chunk) else {
                continue;
            };
            shortened = sack;
            bytes = &shortened;
        }
        if part.len() + bytes.len() > MAX_PACKET {
            out(sealed(std::mem::take(&mut part)));
        }
        if part.is_empty() {
            part.extend_from_slice(header);
        }
        part.extend_from_slice(bytes);
        // Chunks begin at multiples of four, also behind one that was the last of its packet.
        part.put_bytes(0, part.len().next_multiple_of(4) - part.len());
    }
    if !part.is_empty() {
        out(sealed(part));
    }
}

/// A SACK with as many of its gap blocks as fit, and without duplicates.
fn shortened_sack(chunk: &Chunk<'_>) -> Option<Vec<u8>> {
    const BLOCKS: usize = (MAX_PACKET - HEADER - SACK_FIXED) / 4;
    if chunk.kind != SACK {
        return None;
    }
    let blocks = usize::from(u16_at(chunk.value, 8)?).min(BLOCKS);
    let length = SACK_FIXED + 4 * blocks;
    let mut sack = chunk.whole.get(..length)?.to_vec();
    sack.get_mut(2..4)?
        .copy_from_slice(&(length as u16).to_be_bytes());
    sack.get_mut(12..14)?
        .copy_from_slice(&(blocks as u16).to_be_bytes());
    sack.get_mut(14..16)?.fill(0);
    Some(sack)
}

/// The packet with its checksum.
fn sealed(mut packet: BytesMut) -> Bytes {
    write_checksum(&mut packet);
    packet.freeze()
}

/// Writes the checksum (`CRC32c`, least significant byte first) where it belongs.
pub(crate) fn write_checksum(packet: &mut [u8]) {
    if let Some(field) = packet.get_mut(8..HEADER) {
        field.fill(0);
    }
    let checksum = CRC32C.checksum(packet);
    if let Some(field) = packet.get_mut(8..HEADER) {
        field.copy_from_slice(&checksum.to_le_bytes());
    }
}

/// An INIT chunk for an association whose ends know each other's beforehand.
pub(crate) fn init_chunk(tag: u32, window: u32, streams: u16) -> Bytes {
    let mut chunk = BytesMut::new();
    chunk.put_slice(&[INIT, 0, 0, 30]);
    chunk.put_u32(tag);
    chunk.put_u32(window);
    chunk.put_u16(streams);
    chunk.put_u16(streams);
    // Its first sequence number may as well be the same.
    chunk.put_u32(tag);
    // Supported extensions (RFC 5061 §4.2.7): RE-CONFIG and FORWARD-TSN.
    chunk.put_slice(&[0x80, 0x08, 0, 6, RECONFIG, FORWARD_TSN, 0, 0]);
    // FORWARD-TSN supported (RFC 3758 §3.1).
    chunk.put_slice(&[0xc0, 0x00, 0, 4]);
    let length = chunk.len() as u16;
    if let Some(field) = chunk.get_mut(2..4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
    chunk.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(chunks: &[(u8, Vec<u8>)]) -> Bytes {
        let mut packet = BytesMut::from(&[0x13, 0x88, 0x13, 0x88, 0, 0, 0, 9, 0, 0, 0, 0][..]);
        for (kind, value) in chunks {
            packet.put_slice(&[*kind, 3]);
            packet.put_u16((CHUNK_HEADER + value.len()) as u16);
            packet.put_slice(value);
            packet.put_bytes(0, packet.len().next_multiple_of(4) - packet.len());
        }
        sealed(packet)
    }

    fn parts(whole: &Bytes) -> Vec<Bytes> {
        let mut parts = Vec::new();
        split(whole.clone(), |part| parts.push(part));
        parts
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // A packet that usrsctp sent.
        let mut known = *b"\x13\x88\x13\x88\x00\x00\x00\x00\x06\xa9\x00\xe1";
        let checksum = known[8..].to_vec();
        write_checksum(&mut known);
        assert_eq!(known[8..], checksum);
    }

    #[test]
    fn a_sack_that_is_too_long_names_less() {
        let mut value = vec![0; 12];
        value[8..10].copy_from_slice(&1000_u16.to_be_bytes());
        value[10..12].copy_from_slice(&5_u16.to_be_bytes());
        value.extend((0..1005_u32).flat_map(u32::to_be_bytes));
        let whole = packet(&[(SACK, value.clone())]);
        let parts = parts(&whole);
        assert_eq!(parts.len(), 1);
        assert!(parts[0].len() <= MAX_PACKET && parts[0].len() > MAX_PACKET - 8);
        let sack = Chunks::of(&parts[0]).expect("whole").next();
        let sack = sack.expect("one").expect("whole");
        let blocks = u16_at(sack.value, 8).expect("there");
        assert_eq!(sack.value.len(), 12 + 4 * usize::from(blocks));
        assert_eq!(sack.value[12..], value[12..][..4 * usize::from(blocks)]);
        assert_eq!(u16_at(sack.value, 10), Some(0));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_in_division(lengths in prop::collection::vec(1_usize..1100, 1..20)) {
            let chunks: Vec<_> = lengths.iter().map(|&length| (DATA, vec![7; length])).collect();
            let whole = packet(&chunks);
            let mut found = Vec::new();
            for part in parts(&whole) {
                prop_assert!(part.len() <= MAX_PACKET);
                let mut again = part.to_vec();
                write_checksum(&mut again);
                prop_assert_eq!(&again[..], &part[..]);
                for chunk in Chunks::of(&part).expect("whole") {
                    found.push(chunk.expect("whole").value.len());
                }
            }
            prop_assert_eq!(found, lengths);
        }
    }
}
