//! Opus in Ogg (RFC 3533, RFC 7845): pages of segments, one logical stream.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::FileError;

/// Bytes of a page's head before its table of segments.
const PAGE_HEAD: usize = 27;

/// Ticks of a granule position in a second.
const RATE: u64 = 48_000;

/// Reads a file: its packets of Opus with the time at which they are heard.
pub fn parse_opus(bytes: &[u8]) -> Result<Vec<(Duration, Vec<u8>)>, FileError> {
    if !bytes.starts_with(b"OggS") {
        return Err(FileError::Kind("Ogg file"));
    }
    let mut packets = packets(bytes).into_iter();
    if !packets
        .next()
        .is_some_and(|head| head.starts_with(b"OpusHead"))
    {
        return Err(FileError::Kind("Ogg file of Opus"));
    }
    let mut time = Duration::ZERO;
    let mut timed = Vec::new();
    for packet in packets.filter(|packet| !packet.starts_with(b"OpusTags")) {
        let Some(duration) = duration(&packet) else {
            continue;
        };
        timed.push((time, packet));
        time += duration;
    }
    if timed.is_empty() {
        return Err(FileError::Empty);
    }
    Ok(timed)
}

/// Takes the pages of the first stream apart.
fn packets(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut packet = Vec::new();
    let mut serial = None;
    while let Some((head, more)) = rest.split_first_chunk::<PAGE_HEAD>() {
        if !head.starts_with(b"OggS") {
            break;
        }
        let Some((table, more)) = more.split_at_checked(usize::from(head[26])) else {
            break;
        };
        let number = head.get(14..18);
        let is_ours = *serial.get_or_insert(number) == number;
        let mut body = more;
        for &len in table {
            let Some((segment, next)) = body.split_at_checked(usize::from(len)) else {
                return packets;
            };
            body = next;
            if is_ours {
                packet.extend_from_slice(segment);
                if len < 255 {
                    packets.push(std::mem::take(&mut packet));
                }
            }
        }
        rest = body;
    }
    packets
}

/// Media time of a packet (RFC 6716 §3.2): frames times the duration that the TOC byte names.
fn duration(packet: &[u8]) -> Option<Duration> {
    let frame = plenum_codec::opus::Toc::parse(packet)
        .ok()?
        .frame_duration();
    let frames = match packet.first()? & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1)? & 0x3f,
    };
    Some(frame * u32::from(frames)).filter(|duration| !duration.is_zero())
}

/// Writes a file.
#[derive(Debug)]
pub struct OggOpusWriter<W> {
    out: W,
    page: u32,
    /// The last packet waits, because the last page is marked.
    waiting: Option<(u64, Vec<u8>)>,
}

/// Number of the only stream.
const SERIAL: u32 = 1;

/// Flags of a page: the first and the last of its stream.
const FIRST: u8 = 2;
const LAST: u8 = 4;

impl<W: Write> OggOpusWriter<W> {
    /// Writes the heads: two channels, 48 kHz.
    ///
    /// # Errors
    /// When writing fails.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self {
            out,
            page: 0,
            waiting: None,
        };
        // Version, channels, samples to skip, input rate, gain, mapping.
        let mut head = b"OpusHead\x01\x02\0\0".to_vec();
        head.extend(48_000_u32.to_le_bytes());
        head.extend([0; 3]);
        writer.write_page(FIRST, 0, &head)?;
        let mut tags = b"OpusTags".to_vec();
        let vendor = b"plenum";
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor);
        tags.extend([0; 4]);
        writer.write_page(0, 0, &tags)?;
        Ok(writer)
    }

    /// Writes a packet that is heard from `time` on. Gaps in time stay gaps for players that look at them.
    ///
    /// # Errors
    /// When writing fails.
    pub fn packet(&mut self, time: Duration, data: &[u8]) -> io::Result<()> {
        let end = time + duration(data).unwrap_or_default();
        let granule = end.as_nanos() * u128::from(RATE) / 1_000_000_000;
        let granule = u64::try_from(granule).unwrap_or(u64::MAX);
        if let Some((before, packet)) = self.waiting.replace((granule, data.to_vec())) {
            self.write_page(0, before, &packet)?;
        }
        Ok(())
    }

    /// Writes the end.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(mut self) -> io::Result<W> {
        let (granule, packet) = self.waiting.take().unwrap_or_default();
        self.write_page(LAST, granule, &packet)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// One packet to a page: a recording that breaks off is whole up to there.
    fn write_page(&mut self, flags: u8, granule: u64, packet: &[u8]) -> io::Result<()> {
        let full = packet.len() / 255;
        let segments = u8::try_from(full + 1).map_err(io::Error::other)?;
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend(granule.to_le_bytes());
        page.extend(SERIAL.to_le_bytes());
        page.extend(self.page.to_le_bytes());
        page.extend([0; 4]);
        page.push(segments);
        page.extend(std::iter::repeat_n(255, full));
        page.push((packet.len() % 255) as u8);
        page.extend(packet);
        let checksum = crc(&page).to_le_bytes();
        if let Some(place) = page.get_mut(22..26) {
            place.copy_from_slice(&checksum);
        }
        self.page += 1;
        self.out.write_all(&page)
    }
}

/// RFC 3533 §6: polynomial 0x04c11db7, nothing reflected, begun with zero.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            let carry = if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            crc << 1 ^ carry
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(sizes in prop::collection::vec(0_usize..600, 1..20)) {
            let mut writer = OggOpusWriter::new(Vec::new()).expect("memory");
            let mut packets = Vec::new();
            for (index, size) in sizes.iter().enumerate() {
                let time = Duration::from_millis(20) * index as u32;
                let packet: Vec<_> = std::iter::once(0xfc).chain(vec![index as u8; *size]).collect();
                writer.packet(time, &packet).expect("memory");
                packets.push((time, packet));
            }
            let bytes = writer.finish().expect("memory");
            prop_assert_eq!(parse_opus(&bytes).expect("well-formed"), packets);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut page = b"OggS".to_vec();
            page.extend(&bytes);
            let _ = (parse_opus(&bytes), parse_opus(&page));
        }
    }

    #[test]
    fn checksums_are_those_of_others() {
        // The catalogue's check value of this CRC (CRC-32/MPEG-2 without its initial value and final XOR is its own kind).
        assert_eq!(crc(b""), 0);
        assert_eq!(crc(&[1]), 0x04c1_1db7);
    }
}
