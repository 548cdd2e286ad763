//! OBUs of AV1 out of packets, as files and decoders take them: with size fields, a temporal delimiter in front.

use plenum_codec::av1;

/// A temporal delimiter with its size field (AV1 §5.6).
const DELIMITER: [u8; 2] = [2 << 3 | HAS_SIZE, 0];

/// Bits of an OBU's first byte (AV1 §5.3.2).
const HAS_EXTENSION: u8 = 4;
const HAS_SIZE: u8 = 2;

/// Puts the elements of packets together (AV1 RTP payload §4.3 to §4.5).
#[derive(Debug, Default)]
pub(super) struct Obus {
    /// What goes on in the next packet.
    open: Vec<u8>,
}

impl Obus {
    /// A temporal unit begins.
    pub(super) fn begin(&mut self, unit: &mut Vec<u8>) {
        self.open.clear();
        unit.extend(DELIMITER);
    }

    /// Bytes that wait for the next packet.
    pub(super) const fn waiting(&self) -> usize {
        self.open.len()
    }

    /// Appends what a packet completes.
    pub(super) fn push(&mut self, payload: &[u8], unit: &mut Vec<u8>) {
        let Ok(header) = av1::AggregationHeader::parse(payload) else {
            return;
        };
        if !header.continues_previous {
            self.open.clear();
        }
        let mut elements = av1::Obus::new(payload).peekable();
        while let Some(element) = elements.next() {
            self.open.extend(element.data);
            if elements.peek().is_some() || !header.continues_next {
                close(&mut self.open, unit);
            }
        }
    }
}

/// Writes an OBU with its size.
fn close(obu: &mut Vec<u8>, unit: &mut Vec<u8>) {
    if let Some((&head, rest)) = obu.split_first() {
        let extension = usize::from(head & HAS_EXTENSION != 0);
        if head & HAS_SIZE != 0 {
            unit.extend_from_slice(obu);
        } else if let Some((extension, body)) = rest.split_at_checked(extension) {
            unit.push(head | HAS_SIZE);
            unit.extend(extension);
            write_leb128(body.len(), unit);
            unit.extend(body);
        }
    }
    obu.clear();
}

fn write_leb128(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of packets.
    fn unit(packets: &[&[u8]]) -> Vec<u8> {
        let mut obus = Obus::default();
        let mut unit = Vec::new();
        obus.begin(&mut unit);
        for packet in packets {
            obus.push(packet, &mut unit);
        }
        unit
    }

    #[test]
    fn elements_become_obus_with_sizes() {
        let frame = 6 << 3;
        // Two elements by count, the second cut; then its rest, and one more with a length of its own.
        let first = [0x40 | 2 << 4, 2, 1 << 3, 7, frame, 1, 2];
        let second = [0x80, 2, 3, 4, 3, frame | HAS_EXTENSION, 9, 5];
        let expected = [
            &DELIMITER[..],
            &[1 << 3 | HAS_SIZE, 1, 7],
            &[frame | HAS_SIZE, 4, 1, 2, 3, 4],
            &[frame | HAS_EXTENSION | HAS_SIZE, 9, 1, 5],
        ];
        assert_eq!(unit(&[&first, &second]), expected.concat());
        // What has its size keeps it.
        let sized = [1 << 4, frame | HAS_SIZE, 1, 8];
        assert_eq!(unit(&[&sized]), [&DELIMITER[..], &sized[1..]].concat());
        assert_eq!(unit(&[&[], &[0, 9, 1], &[0x40]]), DELIMITER);
    }
}
